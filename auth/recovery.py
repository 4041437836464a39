"""Recovery codes: what stands in for a lost authenticator at sign-in, once each, and nowhere else.

Ten are made at a time, of 80 random bits, and shown once; making them anew ends the old. Only digests are kept.
Taking one is a compare-and-set, so that two requests with the same code cannot both win (ASVS 6.5.1); how
often one may be tried is the business of `auth.proofs`.
"""

import datetime as dt
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, LargeBinary, UniqueConstraint, and_, func, select, update
from sqlalchemy.orm import Mapped, mapped_column

from auth import news, rules, secret
from auth.people import Person
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Denied
from core.tables import Base, IdColumn

AT_A_TIME = 10
GROUPS = 4


class RecoveryCode(Base):
    """One code. It is good until it is used, or its set ends."""

    __tablename__ = "recovery_codes"
    __table_args__ = (UniqueConstraint("person_id", "digest"),)

    id: Mapped[IdColumn]
    person_id: Mapped[UUID] = mapped_column(ForeignKey(Person.id))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    made_at: Mapped[dt.datetime]
    used_at: Mapped[dt.datetime | None]
    ended_at: Mapped[dt.datetime | None]


def make(db: Tx, actor: Actor) -> list[str]:
    """Make the actor's codes anew, as they are shown, once; the old ones end.

    Needs a session and a step-up. Raises Denied and StepUpNeeded.
    """
    if actor.person_id is None or actor.session_id is None:
        raise Denied("session-needed")
    rules.require_step_up(actor)
    # two who make them at once come one after the other, so that the newest set alone is good
    person = db.scalars(select(Person).where(Person.id == actor.person_id).with_for_update(key_share=True)).one()
    end_all(db, person.id)
    codes = [secret.mint_typed(GROUPS) for _ in range(AT_A_TIME)]
    now = ids.now()
    db.add_all(RecoveryCode(person_id=person.id, digest=secret.digest(code), made_at=now) for code in codes)
    db.flush()
    _record(db, actor, "recovery:make", person, count=len(codes))
    news.tell(db, person, "account-recovery-made")
    return [secret.grouped(code) for code in codes]


def left(db: Tx, person_id: UUID) -> int:
    """How many of a person's codes are good."""
    return db.scalar(select(func.count()).select_from(RecoveryCode).where(_good(person_id))) or 0


def take(db: Tx, person: Person, given: str) -> bool:
    """Use a code up, however it was typed; the person is told. False for a wrong, used or ended one. For `auth.proofs`."""
    digest = secret.digest(secret.plain_typed(given))
    taking = update(RecoveryCode).where(_good(person.id), RecoveryCode.digest == digest)
    if db.execute(taking.values(used_at=ids.now()).returning(RecoveryCode.id)).first() is None:
        return False
    actor = Actor(person_id=person.id, organisation_id=person.organisation_id)
    _record(db, actor, "recovery:use", person, left=left(db, person.id))
    news.tell(db, person, "account-recovery-used")
    return True


def end_all(db: Tx, person_id: UUID) -> None:
    """End a person's codes. For this module and `auth.means`."""
    db.execute(update(RecoveryCode).where(_good(person_id)).values(ended_at=ids.now()))


def _good(person_id: UUID) -> ColumnElement[bool]:
    return and_(RecoveryCode.person_id == person_id, RecoveryCode.used_at.is_(None), RecoveryCode.ended_at.is_(None))


def _record(db: Tx, actor: Actor, action: str, person: Person, **detail: int) -> None:
    audit.record(
        db, actor, action, organisation_id=person.organisation_id, person_id=person.id, object_type="person", object_id=person.id,
        purpose="administration", detail=dict(detail),
    )  # fmt: skip
