"""The settings of one's own hospital: what it is called, and whether its administrators are its auditors."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from auth import duties, organisations, proposals, rules
from core.actor import Actor
from core.db import Tx
from registry.web import proposals as second_hands
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, attempt
from registry.web.pages import render, see

router = APIRouter(include_in_schema=False)


@router.get("/hospital/settings")
def show(request: Request, db: Db, me: Me) -> Response:
    """The settings."""
    return _page(request, db, me, Attempt())


@router.post("/hospital/settings/duties")
def switch(request: Request, db: Db, me: Me) -> Response:
    """Propose to separate duties, or to join them."""
    separate = organisations.get(db, me.organisation_id).separate_duties
    with attempt(db) as tried:
        proposals.propose(db, me, proposals.JOIN if separate else proposals.SEPARATE)
    return see("/hospital/settings") if tried else _page(request, db, me, tried)


def _page(request: Request, db: Tx, me: Actor, tried: Attempt) -> Response:
    rules.require_in_organisation(me, "people:manage")
    both = duties.held_together(db, me.organisation_id)
    waiting = [one for one in second_hands.waiting(request, db, me) if one.row.person_id is None]
    limits = request.app.state.limits
    context: dict[str, Any] = {
        "idle": int(limits.idle.total_seconds() // 60),
        "absolute": int(limits.absolute.total_seconds() // 3600),
        "both": both,
    }
    hospital = organisations.get(db, me.organisation_id)
    return render(request, "hospital/settings.html", status=tried.status, hospital=hospital, waiting=waiting, tried=tried, **context)
