"""The archive: closed cases that left the list of work, put there by hand, or by the rule of their hospital some time after they were closed.

Nothing of the record changes and nothing is erased: an archived case is read, searched for and proved as before, and stands on
a list of its own. What is closed takes no entries already.
"""

import datetime as dt
from uuid import UUID

from sqlalchemy import select

from auth import organisations
from core import ids
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict
from registry import cases, retention
from registry.cases import Case

AT_ONCE = 200


def archive(db: Tx, actor: Actor, case_id: UUID) -> Case:
    """Put a closed case into the archive; nothing happens to one that lies there. Conflict ``case-not-closed``."""
    case = cases.reach(db, actor, case_id, "case:close")
    cases.hold(db, case)
    if case.state != "closed":
        raise Conflict("case-not-closed")
    if case.archived_at is None:
        _put(db, actor, case)
    return case


def take_out(db: Tx, actor: Actor, case_id: UUID) -> Case:
    """Put a case back on the list of all cases, where the rule leaves it; it stays closed."""
    case = cases.reach(db, actor, case_id, "case:close")
    cases.hold(db, case)
    if case.archived_at is not None:
        case.archived_at, case.taken_out_at = None, ids.now()
        cases.note(db, actor, "case:unarchive", case)
    return case


def sweep(database: Database, *, at: dt.datetime | None = None) -> int:
    """Archive what was closed longer ago than its hospital's rule says and was never taken out again; how many."""
    with database.begin(readonly=True) as db:
        cut = {
            one.id: (at or ids.now()) - dt.timedelta(days=retention.rule(db, one.id).archive_after_days) for one in organisations.every(db)
        }
    return sum(_sweep(database, organisation_id, before) for organisation_id, before in cut.items())


def _sweep(database: Database, organisation_id: UUID, before: dt.datetime) -> int:
    old = select(Case.id).where(Case.organisation_id == organisation_id, Case.state == "closed", Case.closed_at < before)
    old = old.where(Case.archived_at.is_(None), Case.taken_out_at.is_(None))
    moved = 0
    while True:
        with database.begin() as db:
            due = list(db.scalars(old.order_by(Case.id).limit(AT_ONCE)))
            for case_id in due:
                case = db.get_one(Case, case_id)
                cases.hold(db, case)
                if case.archived_at is None:
                    _put(db, Actor.system(organisation_id), case)
        moved += len(due)
        if len(due) < AT_ONCE:
            return moved


def _put(db: Tx, actor: Actor, case: Case) -> None:
    case.archived_at = ids.now()
    cases.note(db, actor, "case:archive", case)
