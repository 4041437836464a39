"""How one is told outside the pages: one's own choices, and whether the last e-mail went out."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from auth import people
from core.actor import Actor
from core.db import Tx
from registry import deliveries, preferences
from registry.preferences import TIMES, URGENCIES, Choices
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, text
from registry.web.pages import render, see, worded

router = APIRouter(include_in_schema=False)
HOME = "/account/notices"


@router.get(HOME)
def show(request: Request, db: Db, me: Me) -> Response:
    """The choices."""
    return _page(request, db, me, preferences.own(db, me), Attempt())


@router.post(HOME)
def choose(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Choose."""
    told = {name: text(form, name, 20) for name in (*URGENCIES, *TIMES)}
    wanted = Choices(**told, quiet=text(form, "quiet") == "yes")
    with attempt(db) as tried:
        preferences.choose(db, me, wanted)
    return see(f"{HOME}?saved=1") if tried else _page(request, db, me, wanted, tried)


def _page(request: Request, db: Tx, me: Actor, choices: Choices, tried: Attempt) -> Response:
    assert me.person_id is not None
    context: dict[str, Any] = {
        "values": asdict(choices),
        "how": worded(request, "told-how-", preferences.HOW),
        "person": people.get(db, me, me.person_id),
        "mail": request.app.state.mail,
        "last": deliveries.last_mail(db, me),
        "saved": tried and "saved" in request.query_params,
        "tried": tried,
    }
    return render(request, "account/told.html", status=tried.status, **context)
