"""A restricted case: who alone reaches it in its own hospital, and how that is changed."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from auth import restrictions
from core.actor import Actor
from core.db import Tx
from registry import cases, teams
from registry.web.case import banner
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, text, uuid, uuids
from registry.web.pages import render, see, worded

router = APIRouter(include_in_schema=False)


@router.get("/cases/{case_id}/restriction")
def ask(request: Request, db: Db, me: Me, case_id: UUID) -> Response:
    """Whether the case is restricted, and its team."""
    return _page(request, db, me, case_id, Attempt())


@router.post("/cases/{case_id}/restriction")
def restrict(request: Request, db: Db, me: Me, form: Sent, case_id: UUID) -> Response:
    """Restrict the case to a team."""
    reason, chosen = text(form, "reason"), uuids(form, "person")
    with attempt(db) as tried:
        teams.restrict(db, me, case_id, reason=reason, person_ids=chosen)
    return _done(case_id) if tried else _page(request, db, me, case_id, tried, reason=reason, chosen=chosen)


@router.post("/cases/{case_id}/restriction/lift")
def lift(request: Request, db: Db, me: Me, case_id: UUID) -> Response:
    """Open the case to its hospital again."""
    with attempt(db) as tried:
        teams.lift(db, me, case_id)
    return see(f"/cases/{case_id}") if tried else _page(request, db, me, case_id, tried)


@router.post("/cases/{case_id}/restriction/team")
def admit(request: Request, db: Db, me: Me, form: Sent, case_id: UUID) -> Response:
    """Take a colleague into the team."""
    with attempt(db) as tried:
        teams.admit(db, me, case_id, person_id=uuid(form, "person"))
    return _done(case_id) if tried else _page(request, db, me, case_id, tried)


@router.post("/cases/{case_id}/restriction/team/{person_id}/release")
def release(request: Request, db: Db, me: Me, case_id: UUID, person_id: UUID) -> Response:
    """Let somebody go from the team: oneself too."""
    with attempt(db) as tried:
        teams.release(db, me, case_id, person_id=person_id)
    if tried:
        return see("/cases") if person_id == me.person_id else _done(case_id)
    return _page(request, db, me, case_id, tried)


def _done(case_id: UUID) -> Response:
    return see(f"/cases/{case_id}/restriction")


def _page(
    request: Request, db: Tx, me: Actor, case_id: UUID, tried: Attempt, *, reason: str = "", chosen: list[UUID] | None = None
) -> Response:
    team = teams.of_case(db, me, case_id)
    context: dict[str, Any] = banner(request, db, me, cases.reach(db, me, case_id, teams.RESTRICT))
    context["names"].know([*(mate.person_id for mate in team.mates), *(broken.person_id for broken in team.broken)])
    told: dict[str, Any] = {
        "team": team,
        "reasons": worded(request, "restrict-reason-", restrictions.REASONS),
        "reason": reason,
        "chosen": chosen or [],
        "tried": tried,
    }
    return render(request, "case/restriction.html", status=tried.status, **told, **context)
