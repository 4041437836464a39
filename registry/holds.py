"""Legal holds: a case whose records nobody may erase, whatever the retention rule says, until every hold on it is lifted.

For a dispute, a claim or an inquiry. The administrators of the hospital place a hold by the case number and lift it again,
with a reason each time; they read nothing of the case by it. Everybody who reads the case in its own hospital sees that it
is held, and why is kept sealed for those who place holds. Nothing else changes: the case goes on as before.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ForeignKey, Index, select
from sqlalchemy.orm import Mapped, mapped_column

from auth import rules
from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Invalid, NotFound
from core.tables import Base, IdColumn
from registry import cases, numbering
from registry.cases import Case
from registry.forms import fields
from registry.retention import ACTION

AT_MOST = 200


class LegalHold(Base):
    """One hold; several may stand on a case. The reasons are sealed under the key of the case."""

    __tablename__ = "legal_holds"
    __table_args__ = (Index(None, "organisation_id", "lifted_at"),)

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    reason: Mapped[bytes]
    placed_at: Mapped[dt.datetime]
    placed_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    lifted_at: Mapped[dt.datetime | None]
    lifted_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    lift_reason: Mapped[bytes | None]


@dataclass(frozen=True, slots=True)
class Held:
    """A hold with its words and the number of its case."""

    hold: LegalHold
    number: str
    reason: str
    lift_reason: str


def place(db: Tx, actor: Actor, *, number: str, reason: str) -> LegalHold:
    """Hold the case of the actor's hospital that has this number.

    Needs ``retention:manage`` in a full session. Raises Denied, and Invalid for a number of no case (``case-number-unknown``) and a
    missing or too long reason, by field.
    """
    _may(actor)
    case = _numbered(db, actor.organisation_id, number)
    told = {"number": "case-number-unknown" if case is None else None, "reason": fields.wrong_words(reason)}
    wrong = {name: code for name, code in told.items() if code}
    if case is None or wrong:
        raise Invalid("form-invalid", fields=wrong)
    cases.hold(db, case)
    hold = LegalHold(id=ids.new(), organisation_id=case.organisation_id, case_id=case.id, placed_at=ids.now(), placed_by=actor.person_id)
    hold.reason = cases.seal(db, case, "legal-hold", "legal_holds", hold.id, reason.strip().encode())
    db.add(hold)
    db.flush()
    cases.note(db, actor, "hold:place", case, object_type="legal-hold", object_id=hold.id, purpose="administration")
    return hold


def lift(db: Tx, actor: Actor, hold_id: UUID, *, reason: str) -> LegalHold:
    """Lift a hold. Needs ``retention:manage`` and a step-up.

    Raises NotFound, Denied, StepUpNeeded, Invalid without a reason, and Conflict ``hold-lifted-already``.
    """
    _may(actor)
    rules.require_step_up(actor)
    hold, case = _own(db, actor, hold_id)
    if wrong := fields.wrong_words(reason):
        raise Invalid("form-invalid", fields={"reason": wrong})
    cases.hold(db, case)
    db.refresh(hold)
    if hold.lifted_at is not None:
        raise Conflict("hold-lifted-already")
    hold.lifted_at, hold.lifted_by = ids.now(), actor.person_id
    hold.lift_reason = cases.seal(db, case, "legal-hold-lift", "legal_holds", hold.id, reason.strip().encode())
    db.flush()
    cases.note(db, actor, "hold:lift", case, object_type="legal-hold", object_id=hold.id, purpose="administration")
    return hold


def listed(db: Tx, actor: Actor) -> list[Held]:
    """The holds of the actor's hospital, those that stand first, newest first."""
    _may(actor)
    rows = (
        select(LegalHold, Case)
        .join(Case, Case.id == LegalHold.case_id)
        .where(LegalHold.organisation_id == actor.organisation_id)
        .order_by(LegalHold.lifted_at.is_not(None), LegalHold.id.desc())
        .limit(AT_MOST)
    )
    return [_held(db, hold, case) for hold, case in db.execute(rows)]


def get(db: Tx, actor: Actor, hold_id: UUID) -> Held:
    """One hold of the actor's hospital. Raises NotFound and Denied."""
    _may(actor)
    return _held(db, *_own(db, actor, hold_id))


def since(db: Tx, case: Case) -> dt.datetime | None:
    """Since when the case is held; None when it is not. For a caller that holds the case."""
    standing = select(LegalHold.placed_at).where(LegalHold.case_id == case.id, LegalHold.lifted_at.is_(None))
    return db.scalar(standing.order_by(LegalHold.placed_at).limit(1))


def _may(actor: Actor) -> None:
    rules.require_in_organisation(actor, ACTION)
    rules.refuse_narrowed(actor)


def _own(db: Tx, actor: Actor, hold_id: UUID) -> tuple[LegalHold, Case]:
    hold = db.get(LegalHold, hold_id)
    if hold is None or hold.organisation_id != actor.organisation_id:
        raise NotFound("hold-not-found")
    return hold, db.get_one(Case, hold.case_id)


def _numbered(db: Tx, organisation_id: UUID, number: str) -> Case | None:
    if (told := numbering.read(number)) is None:
        return None
    return db.scalar(select(Case).where(Case.organisation_id == organisation_id, Case.year == told[0], Case.sequence == told[1]))


def _held(db: Tx, hold: LegalHold, case: Case) -> Held:
    reason = cases.unseal(db, case, "legal-hold", "legal_holds", hold.id, hold.reason).decode()
    lifted = cases.unseal(db, case, "legal-hold-lift", "legal_holds", hold.id, hold.lift_reason).decode() if hold.lift_reason else ""
    return Held(hold, case.number, reason, lifted)
