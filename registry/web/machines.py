"""Machines and programs: which devices and which tokens reach the hospital, and how they are shut out."""

import datetime as dt
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from auth import machines, people, tokens
from core import ids
from core.actor import Actor
from core.db import Tx
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, text
from registry.web.pages import in_language, render, see
from registry.web.translations import language_of

router = APIRouter(include_in_schema=False)
HOME = "/hospital/machines"
NOTHING = FormData()
TEXTS = ("ae_title", "name", "certificate")


@router.get(HOME)
def listed(request: Request, db: Db, me: Me) -> Response:
    """The machines and the programs of the hospital."""
    return _page(request, db, me, Attempt())


@router.post(HOME)
def register(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Let a machine in."""
    with attempt(db) as tried:
        machines.register(
            db, me, ae_title=text(form, "ae_title"), name=text(form, "name"), certificate=text(form, "certificate"), may=_may(form)
        )
    return see(HOME) if tried else _page(request, db, me, tried, form)


@router.post(f"{HOME}/{{machine_id}}/renew")
def renew(request: Request, db: Db, me: Me, form: Sent, machine_id: UUID) -> Response:
    """Give a machine its next certificate."""
    with attempt(db) as tried:
        machines.renew(db, me, machine_id, certificate=text(form, "certificate"))
    return see(HOME) if tried else _page(request, db, me, tried, form, machine_id)


@router.post(f"{HOME}/{{machine_id}}/revoke")
def revoke(db: Db, me: Me, machine_id: UUID) -> Response:
    """Shut a machine out."""
    machines.revoke(db, me, machine_id)
    return see(HOME)


@router.post(f"{HOME}/programs/{{token_id}}/revoke")
def end(db: Db, me: Me, token_id: UUID) -> Response:
    """End somebody's token."""
    tokens.revoke(db, me, token_id)
    return see(HOME)


def _page(request: Request, db: Tx, me: Actor, tried: Attempt, sent: FormData = NOTHING, renewing: UUID | None = None) -> Response:
    language, now = language_of(request), ids.now()
    rows = machines.listed(db, me)
    bylines = people.bylines(db, {row.registered_by for row in rows if row.registered_by})
    programs = tokens.of_hospital(db, me)
    # a private key that was sent by mistake is not sent back
    typed = {name: "" if tried.errors.get(name) == "certificate-private-key" else text(sent, name) for name in TEXTS}
    context: dict[str, Any] = {
        "machines": [row for row in rows if row.revoked_at is None],
        "gone": [row for row in rows if row.revoked_at is not None],
        "by": {key: in_language(language, byline) for key, byline in bylines.items()},
        "programs": [(token, in_language(language, person)) for token, person in programs if _is_live(token, now)],
        "ended": [(token, in_language(language, person)) for token, person in programs if not _is_live(token, now)],
        "codes": machines.MAY,
        "values": typed,
        "chosen": _may(sent),
        "renewing": renewing,
        "tried": tried,
        "at": now,
        "soon": now + machines.EXPIRES_SOON,
    }
    return render(request, "hospital/machines.html", status=tried.status, **context)


def _is_live(token: tokens.Token, now: dt.datetime) -> bool:
    return token.revoked_at is None and token.expires_at > now


def _may(form: FormData) -> list[str]:
    return [value for value in form.getlist("may") if isinstance(value, str)]
