"""Follow-up: when a patient is to be seen again, and the one-minute record of each visit.

The plan follows from the kind of case and the day of treatment; a visit is due, overdue once its window has
passed, and done when a follow-up entry names it; the surgeon is asked for it when it opens and when it is overdue. The entry itself is an
entry like any other (sealed, drafted, corrected); the expert who advised is told and shown the outcome.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ForeignKey, Index, UniqueConstraint, and_, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from auth import organisations, people, policy
from core import ids
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict, Invalid, NotFound
from core.tables import Base, Code, IdColumn
from registry import cases, entries, notices, outcomes
from registry.cases import Case
from registry.entries import Entry, Recorded
from registry.forms.fields import Raw
from registry.states import CASE_OPEN

TYPE = "follow-up"
AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Appointment:
    """A visit of a schedule: so many weeks or months after treatment, with its window either way."""

    code: str
    weeks: int = 0
    months: int = 0
    window: dt.timedelta = dt.timedelta(days=7)


# Default schedule (clinical reference §8), by kind of case; a kind not named has the common one.
COMMON = (
    Appointment("week_2", weeks=2, window=dt.timedelta(days=3)),
    Appointment("week_6", weeks=6, window=dt.timedelta(days=7)),
    Appointment("month_3", months=3, window=dt.timedelta(days=14)),
    Appointment("month_6", months=6, window=dt.timedelta(days=30)),
    Appointment("month_12", months=12, window=dt.timedelta(days=30)),
)
SCHEDULES: dict[str, Sequence[Appointment]] = {"fracture": COMMON[1:], "hand_injury": COMMON[:4]}


class Visit(Base):
    """A planned visit. ``entry_chain_id`` names the follow-up entry that recorded it."""

    __tablename__ = "visits"
    __table_args__ = (UniqueConstraint("case_id", "code"), Index(None, "organisation_id", "entry_chain_id", "due_on"))

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    code: Mapped[Code]
    due_on: Mapped[dt.date]
    opens_on: Mapped[dt.date]
    late_after: Mapped[dt.date]
    entry_chain_id: Mapped[UUID | None]
    reminded: Mapped[Code | None]
    """The last standing for which a report was asked (`remind`)."""

    def standing(self, today: dt.date) -> str:
        """``done``, ``planned`` (not open yet), ``due`` (inside its window) or ``overdue``."""
        if self.entry_chain_id is not None:
            return "done"
        if today < self.opens_on:
            return "planned"
        return "due" if today <= self.late_after else "overdue"


@dataclass(frozen=True, slots=True)
class Seen:
    """A visit with its standing and, when it took place, its record. ``visit`` is None for an unplanned one."""

    visit: Visit | None
    standing: str
    record: Recorded | None


def plan(db: Tx, actor: Actor, case_id: UUID, *, treated_on: dt.date) -> list[Visit]:
    """Plan the visits from the day of treatment and put the case into follow-up.

    Planning again moves the visits that have not taken place. Raises Conflict by the case state, Invalid
    for a day to come.
    """
    case = cases.reach(db, actor, case_id, "followup:write")
    cases.hold(db, case)
    if treated_on > today(db, case):
        raise Invalid("form-invalid", fields={"treated_on": "field-in-the-future"})
    if case.state not in ("treated", "follow-up"):
        case = cases.treat(db, actor, case_id, on=treated_on)
    case.treated_on = treated_on
    planned = {visit.code: visit for visit in _visits(db, case)}
    for appointment in SCHEDULES.get(case.kind, COMMON):
        due = _after(treated_on, appointment)
        visit = planned.setdefault(
            appointment.code,
            Visit(id=ids.new(), organisation_id=case.organisation_id, case_id=case.id, code=appointment.code),
        )
        if visit.entry_chain_id is None:
            visit.reminded = visit.reminded if visit.due_on == due else None
            visit.due_on, visit.opens_on = due, due - appointment.window
            visit.late_after = due + appointment.window
            db.add(visit)
    cases.advance(db, actor, case, "follow")
    db.flush()
    cases.note(db, actor, "follow-up:plan", case, detail={"visits": len(planned)})
    return sorted(planned.values(), key=lambda visit: visit.due_on)


def record(
    db: Tx,
    actor: Actor,
    case_id: UUID,
    raw: Raw | None = None,
    *,
    visit_id: UUID | None = None,
    client_key: str | None = None,
) -> Entry:
    """Record a visit from the draft with ``raw`` over it (see ``entries.submit``); without ``visit_id`` an unplanned one.

    The pictures must be of this case. Raises Invalid, NotFound for a visit of another case, and Conflict
    ``visit-recorded-already``. The experts who advised are told.
    """
    case = cases.reach(db, actor, case_id, "followup:write")
    cases.hold(db, case)
    visit = _visit(db, case, visit_id) if visit_id else None
    before = entries.by_client_key(db, actor, case, client_key) if client_key else None
    if visit is not None and visit.entry_chain_id not in (None, before.chain_id if before else None):
        raise Conflict("visit-recorded-already")
    entry = entries.submit(db, actor, case_id, TYPE, raw, client_key=client_key)
    if before is not None:
        return entry
    if visit is not None:
        visit.entry_chain_id = entry.chain_id
    db.flush()
    outcomes.tell(db, actor, case, "outcome-recorded")
    return entry


def for_case(db: Tx, actor: Actor, case_id: UUID) -> list[Seen]:
    """Plan and records of a case in the order of their days; recorded as reading the case."""
    case = cases.get(db, actor, case_id)
    day = today(db, case)
    found = {item.entry.chain_id: item for item in entries.recorded(db, case, entry_type=TYPE)}
    visits = _visits(db, case)
    seen = [Seen(visit, visit.standing(day), found.pop(visit.entry_chain_id, None) if visit.entry_chain_id else None) for visit in visits]
    seen += [Seen(None, "done", item) for item in found.values()]
    return sorted(seen, key=_day)


def due(db: Tx, actor: Actor, *, limit: int = 100) -> list[tuple[Visit, Case]]:
    """The visits of the actor's own hospital that are due or overdue, longest waiting first; one recorded event."""
    found = waiting(db, actor, limit=limit)
    cases.seen_list(db, actor, [case for _, case in found])
    return found


def waiting(db: Tx, actor: Actor, *, limit: int) -> list[tuple[Visit, Case]]:
    """As ``due``, for a caller that records what it shows."""
    rows = (
        select(Visit, Case)
        .join(Case, Case.id == Visit.case_id)
        .where(cases.visible(actor, "followup:write"), Case.organisation_id == actor.organisation_id, Case.state.in_(CASE_OPEN))
        .where(Visit.entry_chain_id.is_(None), Visit.opens_on <= ids.now().date() + dt.timedelta(days=1))
        .order_by(Visit.due_on, Visit.id)
        .limit(limit)
    )
    return [(visit, case) for visit, case in db.execute(rows) if visit.standing(today(db, case)) != "planned"]


def remind(database: Database) -> int:
    """Ask for a progress report, once when a visit opens and once when its window has passed; how many.

    Who opened the case is asked; where they may report on it no more, every surgeon of the hospital who may.

    Any number of processes may ask at the same time.
    """
    days = ids.now().date() + dt.timedelta(days=1)
    behind = or_(and_(Visit.reminded.is_(None), Visit.opens_on <= days), and_(Visit.reminded == "due", Visit.late_after < days))
    rows = (
        select(Visit, Case)
        .join(Case, Case.id == Visit.case_id)
        .where(Visit.entry_chain_id.is_(None), Case.state.in_(CASE_OPEN), behind)
        .order_by(Visit.id)
        .limit(AT_ONCE)
        .with_for_update(of=Visit, skip_locked=True)
    )
    asked, last = 0, UUID(int=0)
    while True:
        with database.begin() as db:
            batch = list(db.execute(rows.where(Visit.id > last)))
            for visit, case in batch:
                standing = visit.standing(today(db, case))
                told = _reporters(db, case) if standing in ("due", "overdue") and visit.reminded != standing else set()
                if told:
                    visit.reminded, asked = standing, asked + 1
                    notices.tell(db, told, f"report-{standing}", case, urgency="routine")
        if len(batch) < AT_ONCE:
            return asked
        last = batch[-1][0].id


def today(db: Tx, case: Case) -> dt.date:
    """The day it is at the hospital of a case."""
    zone = organisations.get(db, case.organisation_id).time_zone
    return ids.now().astimezone(ZoneInfo(zone)).date()


def add_months(day: dt.date, months: int) -> dt.date:
    """The same day so many months later, or the last of that month."""
    year, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + year, month + 1
    last = (dt.date(year + month // 12, month % 12 + 1, 1) - dt.timedelta(days=1)).day
    return dt.date(year, month, min(day.day, last))


def _after(day: dt.date, appointment: Appointment) -> dt.date:
    return add_months(day + dt.timedelta(weeks=appointment.weeks), appointment.months)


def _reporters(db: Tx, case: Case) -> set[UUID]:
    surgeons = [person.id for person in people.members(db, case.organisation_id, "surgeon")]
    for asked in ([case.created_by] if case.created_by else [], surgeons):
        if able := {person_id for person_id in asked if _may_report(db, person_id, case)}:
            return able
    return set()


def _may_report(db: Tx, person_id: UUID, case: Case) -> bool:
    actor = policy.standing_for(db, person_id, case.organisation_id)
    place = {"organisation_id": case.organisation_id, "case_id": case.id}
    return actor is not None and policy.allowed(db, actor, "followup:write", **place)


def _day(seen: Seen) -> tuple[dt.date, str]:
    if seen.record is not None:
        return getattr(seen.record.document, "seen_on", None) or seen.record.entry.at.date(), "0"
    return (seen.visit.due_on if seen.visit else dt.date.max), "1"


def _visits(db: Tx, case: Case) -> list[Visit]:
    return list(db.scalars(select(Visit).where(Visit.case_id == case.id).order_by(Visit.due_on)))


def _visit(db: Tx, case: Case, visit_id: UUID) -> Visit:
    visit = db.get(Visit, visit_id)
    if visit is None or visit.case_id != case.id:
        raise NotFound("visit-not-found")
    return visit
