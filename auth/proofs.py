"""Proofs: trying a password or a code, no faster than the throttle allows.

A try counts against the network it comes from, against the login there, and against the login anywhere; a
good one is given back. The last count is not asked where the person has signed in before, so that
somebody who guesses from elsewhere cannot keep them out of their own hospital. A refusal is a value,
never an exception: the transaction has to end well for the try to count.
"""

import datetime as dt
import hashlib
from dataclasses import dataclass
from uuid import UUID

from auth import factors, passwords, sessions, throttle
from auth.people import Person, plain_login
from core.db import Tx

NOBODY = UUID(int=0)
QUARTER, HOUR, DAY = dt.timedelta(minutes=15), dt.timedelta(hours=1), dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Refused:
    """A proof that failed, with the code of the sentence to show."""

    code: str


@dataclass(frozen=True, slots=True)
class _Limit:
    key: str
    tries: int
    per: dt.timedelta


def password(db: Tx, person: Person | None, login: str, plain: str, *, network: str) -> bool:
    """Whether this is the password of that login; no person is tried as long as a real one. Raises Throttled."""
    name = hashlib.sha256(plain_login(login).encode("utf-8", "surrogatepass")).hexdigest()[:32]
    limits = [_Limit(f"network:{network}", 100, QUARTER), _Limit(f"login:{name}:{network}", 10, QUARTER)]
    if not sessions.signed_in_from(db, person.id if person is not None else NOBODY, network):
        limits.append(_Limit(f"login:{name}", 60, HOUR))
    _count(db, limits)
    right = passwords.matches(db, person, plain)
    return _settle(db, limits, right=right)


def code(db: Tx, person: Person, given: str, *, network: str) -> bool:
    """Whether this is the person's code of the moment; uses it up. Raises Throttled."""
    limits = [_Limit(f"code:{person.id.hex}:{network}", 10, QUARTER), _Limit(f"code:{person.id.hex}", 60, DAY)]
    _count(db, limits)
    return _settle(db, limits, right=factors.proves(db, person.id, given))


def _count(db: Tx, limits: list[_Limit]) -> None:
    for limit in limits:
        throttle.hit(db, limit.key, limit.tries, limit.per)


def _settle(db: Tx, limits: list[_Limit], *, right: bool) -> bool:
    if right:
        for limit in limits:
            throttle.give_back(db, limit.key, limit.tries, limit.per)
    return right
