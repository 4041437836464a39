"""The ward devices of the own hospital: which there are, making this browser one, taking one back."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from auth import devices, rules, unlocks
from auth.proofs import Refused
from core.db import Tx
from registry.web.edge import DEVICE, Db, Me
from registry.web.forms import Attempt, Sent, attempt, text
from registry.web.pages import render, see
from registry.web.sign_in import YEAR, site_of
from registry.web.translations import language_of
from registry.web.ward import device_of
from registry.web.who import Names

router = APIRouter(include_in_schema=False)
HOME = "/hospital/devices"


@router.get(HOME)
def show(request: Request, db: Db, me: Me) -> Response:
    """The devices."""
    names = Names(db, language_of(request))
    rows = [(one, unlocks.people_on(db, one) if one.revoked_at is None else []) for one in devices.listed(db, me)]
    names.know(one.registered_by for one, _ in rows)
    return render(request, "hospital/devices.html", devices=rows, names=names, this=device_of(request, db))


@router.get(f"{HOME}/new")
def new(request: Request, db: Db, me: Me) -> Response:
    """Make the browser one sits at a device."""
    rules.require_in_organisation(me, "device:manage")
    rules.require_step_up(me)
    return _new(request, db, "", Attempt())


@router.post(f"{HOME}/begin")
def begin(request: Request, db: Db, me: Me) -> dict[str, Any]:
    """What the browser is asked for to become one."""
    return devices.begin(db, me, site=site_of(request))


@router.post(HOME)
def register(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Keep what the browser made; it is known by its cookie from now on."""
    name, answer = text(form, "name", 200), None
    with attempt(db) as tried:
        answer = devices.register(db, me, text(form, "passkey"), name=name, site=site_of(request))
    if isinstance(answer, Refused):
        tried.code, tried.status = answer.code, 422
    if not tried or answer is None or isinstance(answer, Refused):
        return _new(request, db, name, tried)
    done = see(HOME)
    done.set_cookie(DEVICE, answer[1], max_age=YEAR, path="/", secure=True, httponly=True, samesite="lax")
    return done


@router.post(f"{HOME}/{{device_id}}/revoke")
def revoke(db: Db, me: Me, device_id: UUID) -> Response:
    """Take one back."""
    devices.revoke(db, me, device_id)
    return see(HOME)


def _new(request: Request, db: Tx, name: str, tried: Attempt) -> Response:
    return render(request, "hospital/device_new.html", status=tried.status, name=name, tried=tried, this=device_of(request, db))
