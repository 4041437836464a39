"""Enrolments: how somebody gets a first password and authenticator, or a new password when they forgot theirs.

An administrator hands out a secret that is good once and for three days, and not beyond the day the person is
shut out; the person types it on the enrolment page, with a password of their own choice and a code. Whoever has
an authenticator or a passkey must show it, or a recovery code in its place: a new password never gets anybody
round the second factor. Whoever has none confirms the authenticator that is offered here. Only the command line
replaces everything at once (``reset``).
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, select, update
from sqlalchemy.orm import Mapped, mapped_column

from auth import duties, factors, links, means, news, passkeys, passwords, people, proofs, rules, secret, sessions, throttle
from auth.ceremonies import Site
from auth.factors import Factor, Offer
from auth.means import Means
from auth.people import Person
from auth.proofs import Refused
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Denied, NotFound
from core.tables import Base, IdColumn

LIFE = dt.timedelta(days=3)
TRIES = 10
GROUPS = 5


class Enrolment(Base):
    """One secret handed out. ``factor_id`` is the authenticator it offers to somebody who has none."""

    __tablename__ = "enrolments"

    id: Mapped[IdColumn]
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey(Person.id), index=True)
    factor_id: Mapped[UUID | None] = mapped_column(ForeignKey(Factor.id))
    issued_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime]
    tries: Mapped[int] = mapped_column(default=0)
    ended_at: Mapped[dt.datetime | None]


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page of an enrolment shows: whose it is, the authenticator to set up, or (None) what they have and must show."""

    person: Person
    offer: Offer | None
    means: Means


@dataclass(frozen=True, slots=True)
class Proof:
    """What is shown beside the new password, one of the three: a code of the moment, a recovery code, a passkey's answer."""

    code: str = ""
    recovery_code: str = ""
    passkey: str = ""


def issue(db: Tx, actor: Actor, person_id: UUID) -> str:
    """Hand out a secret for a person of the actor's hospital, to be typed by hand (`secret.grouped` shows it); an earlier one ends.

    Nothing else changes yet.

    Needs ``people:manage`` and, in a session, a step-up. Raises NotFound, StepUpNeeded, and Denied, for an
    administrator or auditor without a second factor too (`duties.refuse_peer`).
    """
    person = people.manageable(db, actor, person_id, at_home=True)
    rules.require_step_up(actor)
    if not means.of(db, person_id).enrolled:
        duties.refuse_peer(db, actor, person_id)
    # two who hand one out at once come one after the other, so that the newest alone is good
    db.execute(select(Person.id).where(Person.id == person_id).with_for_update(key_share=True))
    now, plain = ids.now(), secret.mint_typed(GROUPS)
    end_all(db, person_id)
    offered = None if means.of(db, person_id).enrolled else factors.make(db, person).id
    row = Enrolment(digest=secret.digest(plain), person_id=person_id, factor_id=offered, issued_at=now, expires_at=now + LIFE)
    db.add(row)
    db.flush()
    _record(db, actor, "enrolment:issue", row, person)
    return plain


def shown(db: Tx, plain: str) -> Shown:
    """What stands behind a secret. Raises NotFound for one that is unknown, used or too old."""
    row, person = _open(db, plain)
    factor, has = _to_confirm(db, row), means.of(db, person.id)
    return Shown(person, factors.shown(db, factor) if factor is not None else None, has)


def ask_passkey(db: Tx, plain: str, *, site: Site) -> dict[str, Any]:
    """What the browser is asked for to show a passkey of the person's in the place of a code. Raises NotFound."""
    _, person = _open(db, plain)
    return passkeys.ask(db, purpose="enrol", site=site, person_id=person.id)


def complete(db: Tx, plain: str, *, password: str, proof: Proof, site: Site, address: str) -> Person | Refused:
    """Choose the password and prove the second factor; every session of the person ends and the secret with it.

    Refused ``code-wrong``, ``recovery-code-wrong``, ``passkey-refused`` or ``throttled``. Raises NotFound, Throttled, and
    Invalid by the rules of `passwords.check`.
    """
    row, person = _open(db, plain)
    passwords.hold(db, person, password)
    actor = Actor(person_id=person.id, organisation_id=person.organisation_id)
    factor = _to_confirm(db, row)
    if factor is None:
        wrong = _proved(db, person, proof, site, throttle.network(address))
    else:
        wrong = None if factors.take(db, factor, proof.code) else Refused("code-wrong")
    row.tries += 1
    if wrong is not None:
        db.flush()
        _record(db, actor, "enrolment:refuse", row, person, outcome="failure")
        return wrong
    passwords.put(db, person, password)
    if factor is not None:
        factors.adopt(db, actor, factor)
    row.ended_at = ids.now()
    db.flush()
    sessions.end_all(db, actor, person.id, because="password-changed")
    _record(db, actor, "enrolment:complete", row, person)
    news.tell(db, person, "account-password-changed")
    return person


def reset(db: Tx, actor: Actor, person_id: UUID, plain: str) -> Offer:
    """Give a person a new password and a new authenticator in the place of all they had; every session and link ends.

    For the command line, when everything is lost; API tokens go on. Raises Denied for any person, NotFound, and
    Invalid by the rules of `passwords.check`.
    """
    rules.require_in_organisation(actor, "people:manage")
    if actor.person_id is not None:
        raise Denied("not-allowed")
    person = people.manageable(db, actor, person_id, at_home=True)
    end_all(db, person_id)
    passwords.put(db, person, plain)
    means.end_all(db, person_id)
    offer = factors.install(db, actor, person_id)
    sessions.end_all(db, actor, person_id, because="reset")
    links.end_all(db, actor, person_id=person_id)
    audit.record(
        db, actor, "person:reset", organisation_id=person.organisation_id, person_id=person.id, object_type="person", object_id=person.id,
        purpose="administration",
    )  # fmt: skip
    return offer


def end_all(db: Tx, person_id: UUID) -> None:
    """End every secret that was handed out for a person; for this module and `auth.proposals`."""
    db.execute(update(Enrolment).where(Enrolment.person_id == person_id, Enrolment.ended_at.is_(None)).values(ended_at=ids.now()))


def _to_confirm(db: Tx, row: Enrolment) -> Factor | None:
    """The authenticator that is offered: only while its person has no second factor, which may be since it was handed out."""
    return db.get(Factor, row.factor_id) if row.factor_id is not None and not means.of(db, row.person_id).enrolled else None


def _proved(db: Tx, person: Person, proof: Proof, site: Site, network: str) -> Refused | None:
    if proof.passkey:
        found = proofs.passkey(db, proof.passkey, purpose="enrol", site=site, network=network, person_id=person.id)
        return found if isinstance(found, Refused) else None
    if proof.recovery_code:
        return proofs.recovery_code(db, person, proof.recovery_code, network=network)
    return proofs.code(db, person, proof.code, network=network)


def _open(db: Tx, plain: str) -> tuple[Enrolment, Person]:
    query = select(Enrolment).where(Enrolment.digest == secret.digest(secret.plain_typed(plain))).with_for_update()
    row = db.scalars(query, execution_options={"populate_existing": True}).first()
    if row is None or row.ended_at is not None or row.tries >= TRIES or row.expires_at <= ids.now():
        raise NotFound("enrolment-not-found")
    person = db.get_one(Person, row.person_id, populate_existing=True)
    if person.disabled_at is not None or (person.void_before is not None and person.void_before >= row.issued_at):
        raise NotFound("enrolment-not-found")
    return row, person


def _record(db: Tx, actor: Actor, action: str, row: Enrolment, person: Person, *, outcome: str = "success") -> None:
    audit.record(
        db, actor, action, organisation_id=person.organisation_id, person_id=person.id, object_type="enrolment", object_id=row.id,
        purpose="administration", outcome=outcome,
    )  # fmt: skip
