"""Follow-up: say on which day it was treated, which plans the visits; then one minute per visit.

The form is made for a thumb: pictures, pain, motion, work, and whether the part lives.
"""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Invalid, NotFound
from registry import cases, entries, followups
from registry.forms import shown
from registry.forms.followup import FollowUp
from registry.web import gallery
from registry.web.case import banner
from registry.web.edge import Db, Me
from registry.web.entries import kept
from registry.web.forms import Attempt, Sent, attempt, day, number, raw, text
from registry.web.moments import Clock
from registry.web.pages import render, see
from registry.web.translations import language_of

router = APIRouter(include_in_schema=False)
RECENT = 12


@router.get("/cases/{case_id}/follow-up")
def ask(request: Request, db: Db, me: Me, case_id: UUID, visit: UUID | None = None) -> Response:
    """The plan and the form of a visit."""
    return _page(request, db, me, case_id, visit, Attempt())


@router.post("/cases/{case_id}/follow-up/plan")
def plan(request: Request, db: Db, me: Me, form: Sent, case_id: UUID) -> Response:
    """The day of treatment; the visits follow from it."""
    with attempt(db) as tried:
        treated = day(form, "treated_on")
        if treated is None:
            raise Invalid("form-invalid", fields={"treated_on": "field-required"})
        followups.plan(db, me, case_id, treated_on=treated)
    return see(f"/cases/{case_id}#follow-up") if tried else _page(request, db, me, case_id, None, tried, treated=text(form, "treated_on"))


@router.post("/cases/{case_id}/follow-up/draft")
def save(request: Request, db: Db, me: Me, form: Sent, case_id: UUID) -> Response:
    """Keep what was typed so far."""
    typed, version = raw(FollowUp, form), number(form, "version")
    return kept(request, form, case_id, lambda key: entries.save(db, me, case_id, followups.TYPE, typed, version=version, client_key=key))


@router.post("/cases/{case_id}/follow-up")
def record(request: Request, db: Db, me: Me, form: Sent, case_id: UUID) -> Response:
    """Enter the visit into the record."""
    visit, key = _visit(form), text(form, "client_key", 64) or None
    with attempt(db) as tried:
        followups.record(db, me, case_id, raw(FollowUp, form), visit_id=visit, client_key=key)
    if tried:
        return see(f"/cases/{case_id}#follow-up")
    entries.save(db, me, case_id, followups.TYPE, raw(FollowUp, form))
    return _page(request, db, me, case_id, visit, tried, answered=True)


def _page(
    request: Request, db: Tx, me: Actor, case_id: UUID, visit: UUID | None, tried: Attempt, treated: str = "", *, answered: bool = False
) -> Response:
    """The plan, or the form of a visit; until somebody has said which (``answered``), the one that is due is chosen."""
    case = cases.reach(db, me, case_id, "followup:write")
    when = Clock(language_of(request), me.time_zone)
    seen = followups.for_case(db, me, case_id)
    open_ = [row.visit for row in seen if row.visit is not None and row.standing != "done"]
    chosen = next((row for row in open_ if row.id == visit), None)
    if chosen is None and not answered:
        chosen = next((row for row in open_ if row.standing(when.today()) in ("due", "overdue")), None)
    draft = entries.draft(db, me, case_id, followups.TYPE)
    start = draft.raw if draft.version else {"seen_on": when.today().isoformat()}
    context: dict[str, Any] = {
        **banner(request, db, me, case),
        "seen": seen,
        "open": open_,
        "chosen": chosen,
        "planned": bool(open_) or any(row.visit for row in seen),
        "treated": treated or (case.treated_on.isoformat() if case.treated_on else ""),
        "draft": draft,
        "form": shown.describe(FollowUp, start, zone=me.time_zone, errors=tried.errors),
        "picked": start.get("pictures", []),
        "shots": list(reversed(gallery.of(db, me, case, when, {})))[:RECENT],
        "tried": tried,
        "client_key": str(ids.new()),
    }
    return render(request, "case/follow_up.html", status=tried.status, **context)


def _visit(form: FormData) -> UUID | None:
    told = text(form, "visit", 40)
    try:
        return UUID(told) if told else None
    except ValueError:
        raise NotFound("visit-not-found") from None
