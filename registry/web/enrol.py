"""Enrolling: a code that was handed out becomes a password of one's own and an authenticator.

The code is typed here and travels in the page, never in an address (ASVS 14.2.1).
"""

from typing import Any

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from auth import enrolments
from auth.enrolments import Proof, Shown
from auth.people import Person
from auth.proofs import Refused
from core.db import Tx
from core.errors import NotFound
from registry.web.edge import Db, Machinery
from registry.web.forms import Attempt, Sent, attempt, text
from registry.web.pages import render
from registry.web.security import qr
from registry.web.sign_in import address_of, site_of

router = APIRouter(include_in_schema=False)


@router.get("/enrol")
def ask(request: Request) -> Response:
    """The code that was handed out."""
    return _typed(request, "", Attempt())


@router.post("/enrol")
def show(request: Request, db: Machinery, form: Sent) -> Response:
    """What stands behind it: a password to choose, an authenticator to set up or to show."""
    shown = _shown(db, form)
    return _unknown(request, form) if shown is None else _page(request, form, shown, Attempt())


@router.post("/enrol/begin")
def begin(request: Request, db: Db, form: Sent) -> dict[str, Any]:
    """The challenge a passkey of this person's signs in the place of a code."""
    return enrolments.ask_passkey(db, text(form, "secret", 100), site=site_of(request))


@router.post("/enrol/complete")
def complete(request: Request, db: Machinery, form: Sent) -> Response:
    """Take the password, once the second factor is shown."""
    shown = _shown(db, form)
    if shown is None:
        return _unknown(request, form)
    new = value if isinstance(value := form.get("new", ""), str) else ""
    proof = Proof(text(form, "code", 12), text(form, "recovery", 100), text(form, "passkey"))
    done: Person | Refused = Refused("throttled")
    with attempt(db) as tried:
        secret, site = text(form, "secret", 100), site_of(request)
        done = enrolments.complete(db, secret, password=new, proof=proof, site=site, address=address_of(request))
    if isinstance(done, Refused):
        if tried:
            tried.take(done, {"recovery-code-wrong": "recovery", "passkey-refused": "passkey"}.get(done.code, "code"))
        return _page(request, form, shown, tried)
    return render(request, "sign-in/enrolled.html", login=done.login)


def _shown(db: Tx, form: FormData) -> Shown | None:
    """What the typed code shows; None for one that is unknown, used or too old."""
    try:
        return enrolments.shown(db, text(form, "secret", 100))
    except NotFound:
        return None


def _unknown(request: Request, form: FormData) -> Response:
    tried = Attempt()
    tried.take(Refused("enrolment-not-found"), "secret")
    return _typed(request, text(form, "secret", 100), tried)


def _typed(request: Request, secret: str, tried: Attempt) -> Response:
    return render(request, "sign-in/enrol.html", status=tried.status, secret=secret, tried=tried)


def _page(request: Request, form: FormData, shown: Shown, tried: Attempt) -> Response:
    context: dict[str, Any] = {
        "shown": shown,
        "qr": qr(shown.offer) if shown.offer else "",
        "secret": text(form, "secret", 100),
        "tried": tried,
    }
    return render(request, "sign-in/enrolling.html", status=tried.status, **context)
