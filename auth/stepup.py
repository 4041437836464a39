"""Step-up: a person who is signed in proves again who they are.

Signing, handing out roles, changing factors and passwords ask for it; it is good for five minutes
(`policy.require_step_up`). The session goes on under a fresh secret, so the answer has to set the cookie.
"""

from typing import Any

from auth import news, passkeys, passwords, proofs, rules, sessions, throttle
from auth.ceremonies import Site
from auth.people import Person
from auth.proofs import Refused
from auth.signin import SignedIn
from core import audit
from core.actor import Actor
from core.db import Tx
from core.errors import Denied, NotFound


def prove(db: Tx, actor: Actor, *, code: str = "", password: str = "", address: str) -> SignedIn | Refused:
    """Step up by a code of the moment, or by the password when that is given instead.

    Refused ``code-wrong``, ``password-wrong`` or ``throttled``. Raises Throttled, and Denied without a session.
    """
    person, network = _person(db, actor), throttle.network(address)
    if password and not code:
        by, wrong = "password", proofs.password(db, person, person.login, password, network=network)
    else:
        by, wrong = "code", proofs.code(db, person, code, network=network)
    if wrong is not None:
        return _refuse(db, actor, "session:step-up", person, wrong)
    return SignedIn(*sessions.step_up(db, actor, by=by))


def ask_passkey(db: Tx, actor: Actor, *, site: Site) -> dict[str, Any]:
    """What the browser is asked for to step up by a passkey of the actor's own. Raises Denied without a session, NotFound without a passkey."""
    person = _person(db, actor)
    if not passkeys.of_person(db, person.id):
        raise NotFound("passkey-not-found")
    return passkeys.ask(db, purpose="step-up", site=site, person_id=person.id, session_id=actor.session_id)


def passkey(db: Tx, actor: Actor, *, given: str, site: Site, address: str) -> SignedIn | Refused:
    """Step up by a passkey, which has to be the session's own person's.

    Refused ``passkey-refused`` or ``throttled``. Raises Throttled, and Denied without a session.
    """
    person, network = _person(db, actor), throttle.network(address)
    proved = proofs.passkey(db, given, purpose="step-up", site=site, network=network, person_id=person.id, session_id=actor.session_id)
    if isinstance(proved, Refused):
        return _refuse(db, actor, "session:step-up", person, proved)
    return SignedIn(*sessions.step_up(db, actor, by="passkey"))


def change_password(db: Tx, actor: Actor, *, current: str, new: str, address: str) -> SignedIn | Refused:
    """Change one's own password, knowing the current one; every other session of the person ends.

    Refused ``password-wrong`` or ``throttled``. Raises Throttled, Invalid by the rules of `passwords.check`, and
    Denied without a session.
    """
    person = _person(db, actor)
    wrong = proofs.password(db, person, person.login, current, network=throttle.network(address))
    if wrong is not None:
        return _refuse(db, actor, "password:change", person, wrong)
    passwords.put(db, person, new)
    _record(db, actor, "password:change", person)
    news.tell(db, person, "account-password-changed")
    sessions.end_all(db, actor, person.id, because="password-changed", keep=actor.session_id)
    return SignedIn(*sessions.step_up(db, actor, by="password"))


def _person(db: Tx, actor: Actor) -> Person:
    if actor.person_id is None or actor.session_id is None:
        raise Denied("session-needed")
    rules.refuse_narrowed(actor)
    return db.get_one(Person, actor.person_id)


def _refuse(db: Tx, actor: Actor, action: str, person: Person, wrong: Refused) -> Refused:
    if wrong.news:
        _record(db, actor, action, person, "failure")
    return wrong


def _record(db: Tx, actor: Actor, action: str, person: Person, outcome: str = "success") -> None:
    audit.record(
        db, actor, action, organisation_id=person.organisation_id, person_id=person.id, object_type="person", object_id=person.id,
        purpose="administration", outcome=outcome,
    )  # fmt: skip
