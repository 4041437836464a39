"""Notices: that something waits, without a word about a patient."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from registry import notices
from registry.web.edge import Db, Me
from registry.web.pages import render, see

router = APIRouter(include_in_schema=False)


@router.get("/notices")
def listed(request: Request, db: Db, me: Me) -> Response:
    """One's own notices, newest first."""
    context: dict[str, Any] = {"notices": notices.for_actor(db, me, limit=100)}
    return render(request, "notices.html", **context)


@router.post("/notices/read")
def read(db: Db, me: Me) -> Response:
    """Mark all of them as read."""
    notices.read(db, me)
    return see("/notices")
