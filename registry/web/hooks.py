"""Where one's own hospital has its systems told: the hooks, what became of the last messages, a trial."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from auth import rules
from core.actor import Actor
from core.db import Tx
from registry import deliveries, gateways, hooks
from registry.preferences import URGENCIES
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, text
from registry.web.pages import render, see, worded

router = APIRouter(include_in_schema=False)
HOME = "/hospital/webhooks"
NOTHING = FormData()
TEXTS = ("name", "url", "secret", "template")


@router.get(HOME)
def listed(request: Request, db: Db, me: Me) -> Response:
    """The hooks."""
    return _list(request, db, me, Attempt())


@router.get(f"{HOME}/new")
def new(request: Request, db: Db, me: Me, form: str = "standard") -> Response:
    """The form of a new one; the second factor is asked for before it is filled in."""
    rules.require_in_organisation(me, "webhook:manage")
    rules.require_step_up(me)
    return _form(request, me, Attempt(), form if form in gateways.FORMS else "standard")


@router.post(f"{HOME}/new")
def set_up(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Set one up; a secret that is made here is shown this once."""
    kind, secret = text(form, "form", 20), ""
    with attempt(db) as tried:
        _, secret = hooks.set_up(
            db,
            me,
            form=kind,
            urgency=text(form, "urgency", 20),
            language=text(form, "language", 20),
            fits=request.app.state.caller.fits,
            **{name: text(form, name) for name in TEXTS},
        )
    if not tried:
        return _form(request, me, tried, kind if kind in gateways.FORMS else "standard", form)
    return _list(request, db, me, tried, secret) if secret else see(HOME)


@router.post(f"{HOME}/{{hook_id}}/try")
def try_out(request: Request, db: Db, me: Me, hook_id: UUID) -> Response:
    """Send a trial message."""
    with attempt(db) as tried:
        deliveries.try_out(db, me, hook_id)
    return see(HOME) if tried else _list(request, db, me, tried)


@router.post(f"{HOME}/{{hook_id}}/end")
def end(db: Db, me: Me, hook_id: UUID) -> Response:
    """Have nothing told there any more."""
    hooks.end(db, me, hook_id)
    return see(HOME)


@router.post(f"{HOME}/deliveries/{{delivery_id}}/again")
def again(request: Request, db: Db, me: Me, delivery_id: UUID) -> Response:
    """Have a failed message tried again."""
    with attempt(db) as tried:
        deliveries.again(db, me, delivery_id)
    return see(HOME) if tried else _list(request, db, me, tried)


def _list(request: Request, db: Tx, me: Actor, tried: Attempt, secret: str = "") -> Response:
    recent = deliveries.recent(db, me)
    rows = [(hook, recent[hook.id]) for hook in hooks.listed(db, me)]
    # under way until it was taken or failed once: then it is tried again later
    busy = any(one.state == "waiting" and not one.failed_with for _, last in rows for one in last)
    context: dict[str, Any] = {"hooks": rows, "secret": secret, "busy": busy, "forms": gateways.FORMS, "tried": tried}
    return render(request, "hospital/hooks.html", status=tried.status, **context)


def _form(request: Request, me: Actor, tried: Attempt, form: str, sent: FormData = NOTHING) -> Response:
    values = {name: text(sent, name) for name in TEXTS}
    values |= {"urgency": text(sent, "urgency") or ("emergency" if form == "sms" else "urgent")}
    values |= {"language": text(sent, "language") or me.language, "template": values["template"] or gateways.TEMPLATE}
    urgencies = (*URGENCIES, hooks.FALLBACK) if form == "sms" else URGENCIES
    context: dict[str, Any] = {
        "form": form,
        "forms": gateways.FORMS,
        "urgencies": worded(request, "hook-from-", urgencies),
        "values": values,
        "tried": tried,
    }
    return render(request, "hospital/hook_new.html", status=tried.status, **context)
