"""Blinding: a case that asks for independent opinions keeps what one adviser writes from the others until all have answered.

It binds between questions: who answers one does not know of what is written under another, while their coordinator,
the colleague who was called instead of them and the senior of a trainee go by the same question and do. It never
binds the owning hospital, and never stands in an emergency. Children know parents: a blinding knows its case by id alone.
"""

import datetime as dt
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, exists, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, Mapped, aliased, mapped_column

from auth import rules
from auth.grants import Grant
from auth.organisations import Organisation
from core import audit, ids, jobs
from core.actor import Actor
from core.db import Tx
from core.tables import Base, Code

Ids = ColumnElement[UUID] | InstrumentedAttribute[UUID]

LIFTED = "case:unblinded"
"""The job that sees to a case whose advisers are no longer blind to each other: ``independence.unblinded``."""
BECAUSE = ("answered", "emergency", "hospital")
"""Why a blinding ended: every question was answered or fell away, the case became an emergency, or its hospital ended it."""


class Blinding(Base):
    """The blinding of one case of ``organisation_id``: it stands until it is lifted, and may be asked for anew."""

    __tablename__ = "blindings"

    case_id: Mapped[UUID] = mapped_column(primary_key=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id))
    since: Mapped[dt.datetime]
    lifted_at: Mapped[dt.datetime | None]
    lifted_because: Mapped[Code | None]


def begin(db: Tx, actor: Actor, *, organisation_id: UUID, case_id: UUID) -> None:
    """Let the advisers of a case be blind to each other from now on, for a caller that has checked who may; recorded."""
    if standing(db, case_id) is not None:
        return
    row = db.get(Blinding, case_id)
    if row is None:
        row = Blinding(case_id=case_id, organisation_id=organisation_id)
        db.add(row)
    row.since, row.lifted_at, row.lifted_because = ids.now(), None, None
    db.flush()
    _record(db, actor, row, "case:blind", {})


def resume(db: Tx, actor: Actor, case_id: UUID) -> None:
    """A question that had fallen away is out again: a blinding that ended because all were answered stands again; recorded."""
    row = db.get(Blinding, case_id)
    if row is not None and row.lifted_because == "answered":
        row.lifted_at, row.lifted_because = None, None
        db.flush()
        _record(db, actor, row, "case:blind", {})


def lift(db: Tx, actor: Actor, case_id: UUID, because: str) -> bool:
    """End the blinding of a case; whether there was one. ``because`` is of `BECAUSE`. Recorded."""
    row = standing(db, case_id)
    if row is None:
        return False
    row.lifted_at, row.lifted_because = ids.now(), because
    db.flush()
    jobs.enqueue(db, LIFTED, {"case_id": str(case_id)}, organisation_id=row.organisation_id)
    _record(db, actor, row, "case:unblind", {"because": because})
    return True


def standing(db: Tx, case_id: UUID) -> Blinding | None:
    """The blinding of a case, while it stands."""
    row = db.get(Blinding, case_id)
    return row if row is not None and row.lifted_at is None else None


def open_to(
    actor: Actor, *, organisation_id: Ids, case_id: Ids, author_id: Ids, author_organisation_id: Ids, advice: bool = False
) -> ColumnElement[bool]:
    """The rows, by the columns of their case and author, that no blinding keeps from this actor.

    ``advice`` is for what only advisers write: of that an expert of the owning hospital is one like the others. Who may
    read the case at all is `auth.policy`'s matter.
    """
    if actor.person_id is None:
        return true()
    mine, theirs = aliased(Grant), aliased(Grant)
    stands = exists().where(Blinding.case_id == case_id, Blinding.lifted_at.is_(None))
    # of grants, PostgreSQL shows a visitor those of their own hospital alone: enough, for a question is put to one hospital
    same_question = exists().where(
        mine.case_id == case_id,
        mine.grantee_organisation_id == actor.organisation_id,
        mine.role.in_(sorted(rules.holders(actor))),
        or_(mine.person_id.is_(None), mine.person_id == actor.person_id),
        theirs.case_id == case_id,
        theirs.reason == mine.reason,
        theirs.grantee_organisation_id == author_organisation_id,
        or_(theirs.person_id.is_(None), theirs.person_id == author_id),
    )
    ways = [organisation_id == actor.organisation_id, author_id == actor.person_id, ~stands, same_question]
    if not advice:
        ways.append(author_organisation_id == organisation_id)
    return or_(*ways)


def kept_from(
    db: Tx, case_id: UUID, *, author_id: UUID, author_organisation_id: UUID, person_ids: Iterable[UUID], advice: bool = False
) -> set[UUID]:
    """Those of the people who are not to hear, while a blinding stands, that this author wrote something: `open_to` the other way round."""
    row = standing(db, case_id)
    if row is None or (author_organisation_id == row.organisation_id and not advice):
        return set()
    theirs = select(Grant.reason).where(
        Grant.case_id == case_id,
        Grant.grantee_organisation_id == author_organisation_id,
        or_(Grant.person_id.is_(None), Grant.person_id == author_id),
    )
    let_in = select(Grant.person_id, Grant.reason.in_(theirs)).where(Grant.case_id == case_id, Grant.person_id.in_(set(person_ids)))
    found = [(person_id, same) for person_id, same in db.execute(let_in)]
    return {person_id for person_id, _ in found if person_id} - {person_id for person_id, same in found if same and person_id} - {author_id}


def _record(db: Tx, actor: Actor, row: Blinding, action: str, detail: dict[str, str | int | bool]) -> None:
    audit.record(
        db,
        actor,
        action,
        organisation_id=row.organisation_id,
        case_id=row.case_id,
        object_type="case",
        object_id=row.case_id,
        detail=detail,
    )
