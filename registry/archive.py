"""The archive: closed cases that left the list of work, put there by hand, or by rule half a year after they were closed.

Nothing of the record changes and nothing is erased: an archived case is read, searched for and proved as before, and stands on
a list of its own. What is closed takes no entries already.
"""

import datetime as dt
from uuid import UUID

from sqlalchemy import select

from core import ids
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict
from registry import cases
from registry.cases import Case

AFTER = dt.timedelta(days=180)
"""How long a closed case stays on the list by itself: our proposal [R], no rule of law."""
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
    """Archive what was closed longer ago than ``AFTER`` and was never taken out again; how many."""
    old = select(Case.id).where(
        Case.closed_at < (at or ids.now()) - AFTER, Case.archived_at.is_(None), Case.taken_out_at.is_(None), Case.state == "closed"
    )
    moved = 0
    while True:
        with database.begin() as db:
            due = list(db.scalars(old.order_by(Case.id).limit(AT_ONCE)))
            for case_id in due:
                case = db.get_one(Case, case_id)
                cases.hold(db, case)
                if case.archived_at is None:
                    _put(db, Actor.system(case.organisation_id), case)
        moved += len(due)
        if len(due) < AT_ONCE:
            return moved


def _put(db: Tx, actor: Actor, case: Case) -> None:
    case.archived_at = ids.now()
    cases.note(db, actor, "case:archive", case)
