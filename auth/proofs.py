"""Proofs: trying a password, a code or a passkey, no faster than the throttle allows.

A try counts against the network it comes from, against the login there, and against the login anywhere; a
good one is given back. A passkey cannot be guessed at and names nobody before it holds: it counts against the
network alone. When the last count is used up, the right password still opens where the person has
signed in before, so that somebody who guesses from elsewhere cannot keep them out of their own hospital;
every other try is answered alike, whether there is such a person or not.

What leaves something to be kept, a count or an event, is a value, for the transaction has to end well; the
throttle answers with one once a period and is raised the other times, so that a flood writes nothing.
"""

import datetime as dt
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from auth import factors, passkeys, passwords, recovery, sessions, throttle
from auth.ceremonies import Site
from auth.passkeys import Passkey
from auth.people import Person, plain_login
from core.db import Tx
from core.errors import Throttled

NOBODY = UUID(int=0)
QUARTER, HOUR, DAY = dt.timedelta(minutes=15), dt.timedelta(hours=1), dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Refused:
    """A proof that failed, with the code of the sentence to show.

    ``retry_after`` is the seconds to wait when the code is ``throttled``; ``news`` says whether the log is told.
    """

    code: str
    retry_after: int = field(default=0, compare=False)
    news: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class _Limit:
    key: str
    tries: int
    per: dt.timedelta


def password(db: Tx, person: Person | None, login: str, plain: str, *, network: str, usable: bool = True) -> Refused | None:
    """None for the password of that login; no person is tried as long as a real one.

    An account that is not ``usable`` has no right password. Refused ``password-wrong`` or ``throttled``; raises
    Throttled.
    """
    name = hashlib.sha256(plain_login(login).encode("utf-8", "surrogatepass")).hexdigest()[:32]
    near = [_near(network), _Limit(f"login:{name}:{network}", 10, QUARTER)]
    anywhere = _Limit(f"login:{name}", 60, HOUR)
    if (full := _let_through(db, near)) is not None:
        return full
    full = _count(db, [anywhere])
    right = passwords.matches(db, person, plain) and usable
    known = sessions.signed_in_from(db, person.id if person is not None else NOBODY, network)
    if full is not None:
        if not right or not known:
            return full
        _give_back(db, near)
        return None
    if not right:
        return Refused("password-wrong")
    _give_back(db, [*near, anywhere])
    return None


def code(db: Tx, person: Person, given: str, *, network: str) -> Refused | None:
    """None for the person's code of the moment, which is used up by this.

    Refused ``code-wrong`` or ``throttled``; raises Throttled.
    """
    return _code(db, person, network, lambda: factors.proves(db, person.id, given), "code-wrong")


def recovery_code(db: Tx, person: Person, given: str, *, network: str) -> Refused | None:
    """None for one of the person's recovery codes, which is used up by this; tries count together with those of codes.

    Refused ``recovery-code-wrong`` or ``throttled``; raises Throttled.
    """
    return _code(db, person, network, lambda: recovery.take(db, person, given), "recovery-code-wrong")


def passkey(
    db: Tx, given: str, *, purpose: str, site: Site, network: str, person_id: UUID | None = None, session_id: UUID | None = None
) -> Passkey | Refused:
    """The passkey that answered the challenge of this purpose, person and session.

    Refused ``passkey-refused`` whatever was wrong, or ``throttled``; raises Throttled.
    """
    limits = [_Limit(f"passkey:{network}", 100, QUARTER)]
    if (full := _let_through(db, limits)) is not None:
        return full
    proved = passkeys.prove(db, given, purpose=purpose, site=site, network=network, person_id=person_id, session_id=session_id)
    if proved is None:
        return Refused("passkey-refused")
    _give_back(db, limits)
    return proved


def _code(db: Tx, person: Person, network: str, proves: Callable[[], bool], wrong: str) -> Refused | None:
    limits = [_Limit(f"code:{person.id.hex}:{network}", 10, QUARTER), _Limit(f"code:{person.id.hex}", 60, DAY)]
    if (full := _let_through(db, limits)) is not None:
        return full
    if not proves():
        return Refused(wrong)
    _give_back(db, limits)
    return None


def from_elsewhere(db: Tx, *, network: str) -> Refused | None:
    """Count a proof that was given elsewhere and opens nothing here; None until the network has had its share.

    Refused ``throttled``; raises Throttled.
    """
    return _let_through(db, [_near(network)])


def _near(network: str) -> _Limit:
    return _Limit(f"network:{network}", 100, QUARTER)


def _let_through(db: Tx, limits: list[_Limit]) -> Refused | None:
    """Take a try from every limit, or from none: then nothing is to be kept but the news."""
    full = _count(db, limits)
    if full is not None and not full.news:
        raise Throttled(retry_after=full.retry_after)
    return full


def _count(db: Tx, limits: list[_Limit]) -> Refused | None:
    """Take a try from every limit, or from none: then Refused ``throttled``, news once a period of the limit."""
    for number, limit in enumerate(limits):
        try:
            throttle.hit(db, limit.key, limit.tries, limit.per)
        except Throttled as full:
            _give_back(db, limits[:number])
            return Refused("throttled", full.retry_after, news=_first(db, limit))
    return None


def _first(db: Tx, limit: _Limit) -> bool:
    """Whether nobody was told yet, in this period, that the limit is used up."""
    try:
        throttle.hit(db, f"told:{limit.key}", 1, limit.per)
    except Throttled:
        return False
    return True


def _give_back(db: Tx, limits: list[_Limit]) -> None:
    for limit in limits:
        throttle.give_back(db, limit.key, limit.tries, limit.per)
