"""Closing a case: with a summary of how it ended, which stands in the record and is told to every expert who advised."""

from uuid import UUID

from core.actor import Actor
from core.db import Tx
from core.errors import Conflict
from registry import cases, entries, outcomes, outgoing, retention
from registry.cases import Case
from registry.forms.closure import Closure
from registry.forms.fields import Raw

TYPE = Closure.TYPE


def close(db: Tx, actor: Actor, case_id: UUID, raw: Raw | None = None, *, client_key: str | None = None) -> Case:
    """Close a case for good, with the summary from the draft and ``raw`` over it (see ``entries.submit``).

    Sent again under the same ``client_key`` it is closed once. Raises Invalid, Conflict as ``cases.close``.
    """
    case = cases.reach(db, actor, case_id, "case:close")
    cases.hold(db, case)
    if client_key and entries.by_client_key(db, actor, case, client_key):
        return case
    if outgoing.still_out(db, case.id) is not None:
        raise Conflict("case-question-out")
    entries.submit(db, actor, case_id, TYPE, raw, client_key=client_key)
    [summary] = entries.recorded(db, case, entry_type=TYPE)
    if isinstance(summary.document, Closure):
        retention.note_care(case, summary.document.care)
    cases.close(db, actor, case_id)
    outcomes.tell(db, actor, case, "case-closed", urgency="routine")
    return case
