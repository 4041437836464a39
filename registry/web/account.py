"""One's own account: language, where one is signed in, and tokens for programs. How one signs in is `security`."""

import datetime as dt
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from auth import organisations, people, profiles, rules, sessions, tokens
from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Invalid
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, number, text
from registry.web.pages import in_language, render, see
from registry.web.sign_in import with_session
from registry.web.translations import language_of

router = APIRouter(include_in_schema=False)


@router.get("/account")
def show(request: Request, db: Db, me: Me) -> Response:
    """The account."""
    return _page(request, db, me, Attempt())


@router.post("/account/zone")
def zone(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Choose the time zone that times are shown in."""
    with attempt(db) as tried:
        profiles.set_time_zone(db, me, text(form, "time_zone"))
    return see("/account") if tried else _page(request, db, me, tried)


@router.post("/account/details")
def details(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Correct one's own telephone number and name in Latin letters."""
    with attempt(db) as tried:
        profiles.amend_own(db, me, phone=text(form, "phone"), name_en=text(form, "name_en"))
    return see("/account") if tried else _page(request, db, me, tried, details={name: text(form, name) for name in ("phone", "name_en")})


@router.post("/account/sessions/{session_id}/end")
def end(db: Db, me: Me, session_id: UUID) -> Response:
    """Sign out elsewhere."""
    sessions.end(db, me, session_id)
    return see("/account" if session_id != me.session_id else "/sign-in")


@router.post("/account/sessions/end")
def end_others(db: Db, me: Me) -> Response:
    """Sign out everywhere but here."""
    if me.person_id is not None:
        sessions.end_all(db, me, me.person_id, because="signed-out-elsewhere", keep=me.session_id)
    return see("/account")


@router.post("/account/tokens")
def token(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Make a token for a program; its secret is shown this once. Asks for the second factor first."""
    with attempt(db) as tried:
        days = number(form, "days")
        if days is None:
            raise Invalid("form-invalid", fields={"days": "field-not-a-number"})
        scopes = [value for value in form.getlist("scopes") if isinstance(value, str)]
        until = ids.now() + dt.timedelta(days=min(days, 365))
        _, secret = tokens.create(db, me, name=text(form, "name", 100), scopes=scopes, expires_at=until)
    return _page(request, db, me, tried, secret=secret if tried else "")


@router.post("/account/tokens/{token_id}/revoke")
def revoke(db: Db, me: Me, token_id: UUID) -> Response:
    """End a token at once."""
    tokens.revoke(db, me, token_id)
    return see("/account")


@router.post("/account/organisation")
def switch(db: Db, me: Me, form: Sent) -> Response:
    """Go on in another hospital one works in."""
    try:
        there = UUID(text(form, "organisation_id", 40))
    except ValueError:
        raise Invalid("form-invalid", fields={"organisation_id": "field-required"}) from None
    _, cookie = sessions.switch(db, me, there)
    return with_session(see("/"), cookie)


def _page(request: Request, db: Tx, me: Actor, tried: Attempt, secret: str = "", details: dict[str, str] | None = None) -> Response:
    assert me.person_id is not None
    language = language_of(request)
    person = people.get(db, me, me.person_id)
    places = people.workplaces(db, me.person_id)
    named = organisations.named(db, places)
    context: dict[str, Any] = {
        "person": person,
        "details": details or {"phone": person.phone, "name_en": person.name_en},
        "places": [(str(key), in_language(language, named[key]), key == me.organisation_id) for key in places],
        "sessions": sessions.own(db, me),
        "tokens": tokens.listed(db, me) if rules.roles_for(me, "self", "token:manage") else [],
        "scopes": sorted(rules.actions_of(me.roles)),
        "tried": tried,
        "secret": secret,
        "at": ids.now(),
    }
    return render(request, "account.html", status=tried.status, **context)
