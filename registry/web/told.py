"""How one is told outside the pages: one's own choices, the browsers that are told, and whether what was sent last went out."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from auth import people
from core.actor import Actor
from core.db import Tx
from registry import deliveries, preferences, subscriptions
from registry.preferences import TIMES, URGENCIES, Choices
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, text
from registry.web.pages import render, see, worded

router = APIRouter(include_in_schema=False)
HOME = "/account/notices"


@router.get(HOME)
def show(request: Request, db: Db, me: Me) -> Response:
    """The choices."""
    return page(request, db, me)


@router.post(HOME)
def choose(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Choose."""
    told = {name: text(form, name, 20) for name in (*URGENCIES, *TIMES)}
    wanted = Choices(**told, quiet=text(form, "quiet") == "yes")
    with attempt(db) as tried:
        preferences.choose(db, me, wanted)
    return see(f"{HOME}?saved=1") if tried else page(request, db, me, wanted, tried)


def page(
    request: Request, db: Tx, me: Actor, choices: Choices | None = None, tried: Attempt | None = None, refused: Attempt | None = None
) -> Response:
    """The page, with the choices that were typed, and what was refused of them or of a browser."""
    assert me.person_id is not None
    tried, refused = (Attempt() if one is None else one for one in (tried, refused))
    context: dict[str, Any] = {
        "values": asdict(choices or preferences.own(db, me)),
        "how": worded(request, "told-how-", preferences.HOW),
        "person": people.get(db, me, me.person_id),
        "mail": request.app.state.mail,
        "last": deliveries.last_mail(db, me),
        "browsers": subscriptions.listed(db, me),
        "pushed": deliveries.last_push(db, me),
        "push_key": subscriptions.key(db, me),
        "saved": tried and "saved" in request.query_params,
        "tried": tried,
        "refused": refused,
    }
    return render(request, "account/told.html", status=max(tried.status, refused.status), **context)
