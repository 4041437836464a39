"""Closing a case: with a summary of how it ended, which stands in the record and is told to every expert who advised."""

from uuid import UUID

from core.actor import Actor
from core.db import Tx
from core.errors import Conflict
from registry import audience, cases, entries, notices, opinions, outgoing
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
    cases.close(db, actor, case_id)
    told = opinions.experts(db, case) & audience.participants(db, case)
    notices.tell(db, told, "case-closed", case, but=actor.person_id, urgency="routine")
    return case
