"""Unagreed: emergencies that crossed to a hospital without an agreement, and the chase for one.

The words that say why stand in the referral, sealed; here stand who, whither and when. Administrators of both
hospitals are told at once and again every seven days, until an agreement is in force or one of them settles it
with a code. Nobody is shown more than the count and the days, and the case number where the case is their own.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, and_, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from auth import agreements, news, people, rules
from core import audit, ids
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict, Invalid, NotFound
from core.tables import Base, Code, IdColumn
from registry import cases, valuesets
from registry.cases import Case
from registry.outgoing import Referral

AGAIN = dt.timedelta(days=7)
AGREED = "agreed"
"""How the product itself settles: an agreement is in force."""


class Unagreed(Base):
    """One referral that went without an agreement; ``told_at`` is when the administrators last heard of it."""

    __tablename__ = "unagreed_referrals"

    id: Mapped[IdColumn]
    referral_id: Mapped[UUID] = mapped_column(ForeignKey("referrals.id"), unique=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    to_organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    at: Mapped[dt.datetime]
    told_at: Mapped[dt.datetime]
    settled_at: Mapped[dt.datetime | None]
    settled_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    settled_as: Mapped[Code | None]

    @property
    def pair(self) -> tuple[UUID, UUID]:
        """Both hospitals, the one that asked first."""
        return self.organisation_id, self.to_organisation_id


@dataclass(frozen=True, slots=True)
class Crossing:
    """One such referral as an administrator sees it; ``number`` is the case's, None when the case is the other hospital's."""

    referral_id: UUID
    at: dt.datetime
    number: str | None


@dataclass(frozen=True, slots=True)
class Chased:
    """What went without an agreement in one direction and is still to be settled, oldest first."""

    from_id: UUID
    to_id: UUID
    crossings: tuple[Crossing, ...]


def mark(db: Tx, actor: Actor, case: Case, referral: Referral) -> None:
    """Note that an emergency went without an agreement, for a caller that has checked why; both sides' administrators are told."""
    row = Unagreed(
        referral_id=referral.id,
        case_id=case.id,
        organisation_id=referral.organisation_id,
        to_organisation_id=referral.to_organisation_id,
        at=referral.requested_at,
        told_at=ids.now(),
    )
    db.add(row)
    db.flush()
    cases.note(db, actor, "agreement:excuse", case, object_type="referral", object_id=referral.id)
    _tell(db, row.pair)


def chased(db: Tx, actor: Actor) -> list[Chased]:
    """What is to be settled between the actor's hospital and others, by the other hospital. Needs ``agreement:manage``."""
    rules.require_in_organisation(actor, "agreement:manage")
    own = actor.organisation_id
    query = (
        select(Unagreed, Case).outerjoin(Case, and_(Case.id == Unagreed.case_id, Case.organisation_id == own)).where(_open(), _party(own))
    )
    found: dict[tuple[UUID, UUID], list[Crossing]] = {}
    for row, case in db.execute(query.order_by(Unagreed.at, Unagreed.id)):
        crossing = Crossing(row.referral_id, row.at, case.number if case is not None else None)
        found.setdefault(row.pair, []).append(crossing)
    now = ids.now()
    return [Chased(*pair, tuple(rows)) for pair, rows in found.items() if agreements.agreement_between(db, *pair, now) is None]


def settle(db: Tx, actor: Actor, *, referrals: Collection[UUID], reason: str) -> None:
    """Close the chase for those named, with a code of the value set ``unagreed_reason``; logged by both hospitals.

    Needs ``agreement:manage`` in a session, on either side. Raises Denied, Invalid, NotFound for what is not the
    actor's to settle, and Conflict when it has been settled before.
    """
    rules.require_in_organisation(actor, "agreement:manage")
    rules.refuse_token(actor)
    if reason not in valuesets.value_set("unagreed_reason").codes:
        raise Invalid("form-invalid", fields={"reason": "field-code-unknown"})
    query = (
        select(Unagreed).where(Unagreed.referral_id.in_(referrals), _party(actor.organisation_id)).order_by(Unagreed.id).with_for_update()
    )
    rows = list(db.scalars(query))
    if not rows or len(rows) != len(set(referrals)):
        raise NotFound("referral-not-found")
    if any(row.settled_at is not None for row in rows):
        raise Conflict("unagreed-settled-already")
    for row in rows:
        _settle(db, actor, row, reason)


def chase(database: Database) -> int:
    """Settle what an agreement has caught up with; tell of the rest every seven days, once for each pair. How many pairs it told."""
    now = ids.now()
    with database.begin() as db:
        pairs: dict[tuple[UUID, UUID], list[Unagreed]] = {}
        for row in db.scalars(select(Unagreed).where(_open()).order_by(Unagreed.id).with_for_update(skip_locked=True)):
            pairs.setdefault(row.pair, []).append(row)
        told = 0
        for pair, rows in pairs.items():
            if agreements.agreement_between(db, *pair, now) is not None:
                for row in rows:
                    _settle(db, Actor.system(row.organisation_id), row, AGREED)
            elif max(row.told_at for row in rows) <= now - AGAIN:
                _tell(db, pair)
                told += 1
                for row in rows:
                    row.told_at = now
    return told


def _settle(db: Tx, actor: Actor, row: Unagreed, reason: str) -> None:
    row.settled_at, row.settled_by, row.settled_as = ids.now(), actor.person_id, reason
    db.flush()
    for organisation_id in row.pair:
        audit.record(
            db,
            actor,
            "agreement:settle",
            organisation_id=organisation_id,
            case_id=row.case_id if organisation_id == row.organisation_id else None,
            object_type="referral",
            object_id=row.referral_id,
            purpose="administration",
            detail={"reason": reason},
        )


def _tell(db: Tx, pair: tuple[UUID, UUID]) -> None:
    for organisation_id in pair:
        administrators = [person.id for person in people.members(db, organisation_id, "administrator")]
        news.tell_all(db, organisation_id, administrators, "agreement-missing")


def _open() -> ColumnElement[bool]:
    return Unagreed.settled_at.is_(None)


def _party(organisation_id: UUID) -> ColumnElement[bool]:
    return or_(Unagreed.organisation_id == organisation_id, Unagreed.to_organisation_id == organisation_id)
