"""Quick unlock on a ward device: choose who one is, type a PIN, go on where one was; and choosing that PIN.

The device is known by its own cookie. What somebody had typed when their session ended travels through these pages
as through the sign-in.
"""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from auth import devices, rules, unlocks
from auth.devices import Device
from auth.proofs import Refused
from auth.signin import SignedIn
from core.db import Tx
from core.errors import NotFound
from registry.web.edge import COOKIE, DEVICE, Db, Machinery, Me
from registry.web.forms import Attempt, Sent, attempt, text
from registry.web.pages import local, render, see
from registry.web.sign_in import address_of, carried, go_in, site_of, wrong_words

router = APIRouter(include_in_schema=False)
Next = Annotated[str, Query(alias="next")]


def device_of(request: Request, db: Tx) -> Device | None:
    """The ward device this browser is, if it is one."""
    return devices.known(db, request.cookies.get(DEVICE))


@router.get("/ward")
def ask(request: Request, db: Db, onward: Next = "/") -> Response:
    """Who is it, on this device?"""
    return _page(request, db, {"next": local(onward), "kept": ""})


@router.post("/ward")
def ask_and_keep(request: Request, db: Db, form: Sent) -> Response:
    """The same, with what was typed when the session ended."""
    return _page(request, db, carried(form))


@router.post("/ward/begin")
def begin(request: Request, db: Machinery) -> dict[str, Any]:
    """The challenge the device signs to prove that it is there."""
    return unlocks.ask(db, _must(request, db), site=site_of(request), address=address_of(request))


@router.post("/ward/unlock")
def unlock(request: Request, db: Machinery, form: Sent) -> Response:
    """The PIN; the narrow session begins."""
    device = _must(request, db)
    answer: SignedIn | Refused = Refused("throttled")
    with attempt(db) as tried:
        answer = unlocks.unlock(
            db,
            device,
            person_id=_person(form),
            pin=text(form, "pin", 50),
            given=text(form, "passkey"),
            site=site_of(request),
            address=address_of(request),
            agent=request.headers.get("user-agent", ""),
            presented=request.cookies.get(COOKIE),
        )
    if isinstance(answer, Refused):
        wrong, status = wrong_words(request, tried, answer)
        return _page(request, db, carried(form), status=status, wrong=wrong, chosen=text(form, "person", 50))
    return go_in(request, form, answer)


@router.get("/account/quick-unlock")
def quick(request: Request, db: Db, me: Me) -> Response:
    """Whether one unlocks on this device, and with which PIN from now on."""
    rules.refuse_narrowed(me)
    return _quick(request, db, me, Attempt())


@router.post("/account/quick-unlock")
def choose(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Choose the PIN for this device."""
    device = _must(request, db)
    with attempt(db) as tried:
        unlocks.choose(db, me, device, text(form, "pin", 50))
    return see("/account/quick-unlock") if tried else _quick(request, db, me, tried)


@router.post("/account/quick-unlock/drop")
def drop(request: Request, db: Db, me: Me) -> Response:
    """Unlock on this device no more."""
    unlocks.drop(db, me, _must(request, db))
    return see("/account/quick-unlock")


def _must(request: Request, db: Tx) -> Device:
    device = device_of(request, db)
    if device is None:
        raise NotFound("device-not-found")
    return device


def _page(request: Request, db: Tx, kept: dict[str, Any], *, status: int = 200, wrong: str | None = None, chosen: str = "") -> Response:
    device = device_of(request, db)
    found = unlocks.people_on(db, device) if device is not None else []
    context: dict[str, Any] = {"device": device, "people": found, "wrong": wrong, "chosen": chosen, **kept}
    return render(request, "ward/unlock.html", status=status, **context)


def _quick(request: Request, db: Tx, me: Me, tried: Attempt) -> Response:
    device = device_of(request, db)
    here = device is not None and device.organisation_id == me.organisation_id
    chosen = here and device is not None and me.person_id is not None and unlocks.chosen(db, me.person_id, device)
    context: dict[str, Any] = {"device": device if here else None, "chosen": chosen, "tried": tried}
    return render(request, "ward/quick.html", status=tried.status, **context)


def _person(form: FormData) -> UUID:
    """The person who was chosen; nobody, for what names nobody."""
    try:
        return UUID(text(form, "person", 50))
    except ValueError:
        return UUID(int=0)
