"""How long the hospital keeps its records, and the cases it keeps beyond that: for its administrators."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from auth import rules
from core.actor import Actor
from core.db import Tx
from registry import holds, retention
from registry.cases import Case
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, number, text
from registry.web.pages import render, see
from registry.web.translations import language_of
from registry.web.who import Names

router = APIRouter(include_in_schema=False)
HOME = "/hospital/retention"
NOTHING = FormData()


@router.get(HOME)
def show(request: Request, db: Db, me: Me) -> Response:
    """The rule and the holds."""
    return _page(request, db, me, Attempt(), Attempt())


@router.post(HOME)
def set_rule(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Set the rule."""
    with attempt(db) as tried:
        retention.set_rule(db, me, **{name: number(form, name) for name in retention.BOUNDS})
    return see(HOME) if tried else _page(request, db, me, tried, Attempt(), form)


@router.post(f"{HOME}/holds")
def place(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Hold a case."""
    with attempt(db) as tried:
        holds.place(db, me, number=text(form, "number"), reason=text(form, "reason"))
    return see(HOME) if tried else _page(request, db, me, Attempt(), tried, form)


@router.get(f"{HOME}/holds/{{hold_id}}")
def ask(request: Request, db: Db, me: Me, hold_id: UUID) -> Response:
    """Ask why a hold is lifted; the second factor is asked for before."""
    held = holds.get(db, me, hold_id)
    rules.require_step_up(me)
    return _lift(request, db, held, Attempt())


@router.post(f"{HOME}/holds/{{hold_id}}")
def lift(request: Request, db: Db, me: Me, form: Sent, hold_id: UUID) -> Response:
    """Lift a hold."""
    with attempt(db) as tried:
        holds.lift(db, me, hold_id, reason=text(form, "reason"))
    return see(HOME) if tried else _lift(request, db, holds.get(db, me, hold_id), tried, text(form, "reason"))


def of_case(db: Tx, case: Case) -> dict[str, Any]:
    """What a page of a case says of its keeping, to readers of its own hospital: until when, and since when it is held."""
    return {
        "kept_until": retention.kept_until(db, case) if case.state == "closed" else None,
        "held_since": holds.since(db, case),
        "archive_after": retention.rule(db, case.organisation_id).archive_after_days,
    }


def _page(request: Request, db: Tx, me: Actor, ruling: Attempt, holding: Attempt, sent: FormData = NOTHING) -> Response:
    found, names = holds.listed(db, me), Names(db, language_of(request))
    names.know([*(one.hold.placed_by for one in found), *(one.hold.lifted_by for one in found)])
    values = {name: str(value) for name, value in asdict(retention.rule(db, me.organisation_id)).items()}
    context: dict[str, Any] = {
        "bounds": retention.BOUNDS,
        "values": values if ruling else {name: text(sent, name) for name in values},
        "typed": {"number": "", "reason": ""} if holding else {name: text(sent, name) for name in ("number", "reason")},
        "standing": [one for one in found if one.hold.lifted_at is None],
        "lifted": [one for one in found if one.hold.lifted_at is not None],
        "names": names,
        "ruling": ruling,
        "holding": holding,
    }
    return render(request, "hospital/retention.html", status=max(ruling.status, holding.status), **context)


def _lift(request: Request, db: Tx, held: holds.Held, tried: Attempt, reason: str = "") -> Response:
    names = Names(db, language_of(request))
    return render(request, "hospital/hold.html", status=tried.status, held=held, names=names, reason=reason, tried=tried)
