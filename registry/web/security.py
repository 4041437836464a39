"""How one signs in: passkeys, the authenticator, recovery codes, the password.

What changes a means of signing in asks for a step-up on its way there, so that nothing typed has to be carried
through one; what is shown once (recovery codes, an authenticator's secret) stands on no address.
"""

from typing import Any
from uuid import UUID

import segno
from fastapi import APIRouter, Request
from starlette.responses import Response

from auth import factors, means, passkeys, people, recovery, rules, stepup
from auth.factors import Offer
from auth.proofs import Refused
from core.actor import Actor
from core.db import Tx
from core.errors import NotFound
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, text
from registry.web.pages import render, see
from registry.web.sign_in import address_of, site_of, with_session

router = APIRouter(include_in_schema=False)
HOME = "/account/security"


@router.get(HOME)
def show(request: Request, db: Db, me: Me) -> Response:
    """What one signs in with."""
    return _page(request, db, me, Attempt())


@router.post(f"{HOME}/password")
def password(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Change the password, knowing the current one."""
    current, new = (value if isinstance(value := form.get(name, ""), str) else "" for name in ("current", "new"))
    with attempt(db) as tried:
        answer = stepup.change_password(db, me, current=current, new=new, address=address_of(request))
    if not tried:
        return _page(request, db, me, tried)
    if isinstance(answer, Refused):
        tried.take(answer, "current")
        return _page(request, db, me, tried)
    return with_session(see(HOME), answer.cookie)


@router.get(f"{HOME}/authenticator")
def authenticator(request: Request, db: Db, me: Me) -> Response:
    """A new authenticator, to be confirmed by its first code."""
    return _offer(request, factors.offer(db, me), Attempt())


@router.post(f"{HOME}/authenticator")
def confirm(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Put it in the place of the old one."""
    offered = _id(form.get("factor"), "factor-not-offered")
    with attempt(db) as tried:
        factors.confirm(db, me, offered, text(form, "code", 12))
    return see(HOME) if tried else _offer(request, factors.offered(db, me, offered), tried)


@router.get(f"{HOME}/passkeys/new")
def new_passkey(request: Request, me: Me) -> Response:
    """Name a passkey and make it."""
    rules.require_step_up(me)
    return render(request, "account/passkey_new.html", name="", tried=Attempt())


@router.post(f"{HOME}/passkeys/begin")
def begin(request: Request, db: Db, me: Me) -> dict[str, Any]:
    """What the browser is asked for to make one."""
    return passkeys.begin(db, me, site=site_of(request))


@router.post(f"{HOME}/passkeys")
def add(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Keep what the browser made."""
    name = text(form, "name", 200)
    made = None
    with attempt(db) as tried:
        made = passkeys.register(db, me, text(form, "passkey"), name=name, site=site_of(request))
    if tried and made is None:
        tried.code, tried.status = "passkey-not-made", 422
    return see(HOME) if tried else render(request, "account/passkey_new.html", status=tried.status, name=name, tried=tried)


@router.post(f"{HOME}/passkeys/{{passkey_id}}/name")
def rename(request: Request, db: Db, me: Me, form: Sent, passkey_id: UUID) -> Response:
    """Call one something else."""
    with attempt(db) as tried:
        passkeys.rename(db, me, passkey_id, text(form, "name", 200))
    return see(HOME) if tried else _page(request, db, me, tried, renamed=passkey_id)


@router.get(f"{HOME}/passkeys/{{passkey_id}}/remove")
def before_removal(request: Request, db: Db, me: Me, passkey_id: UUID) -> Response:
    """Whether to remove one."""
    rules.require_step_up(me)
    return _removal(request, db, me, passkey_id, Attempt())


@router.post(f"{HOME}/passkeys/{{passkey_id}}/remove")
def remove(request: Request, db: Db, me: Me, passkey_id: UUID) -> Response:
    """Remove one; the last means of signing in stays."""
    with attempt(db) as tried:
        passkeys.remove(db, me, passkey_id)
    return see(HOME) if tried else _removal(request, db, me, passkey_id, tried)


@router.get(f"{HOME}/recovery")
def before_recovery(request: Request, db: Db, me: Me) -> Response:
    """What recovery codes are for."""
    rules.require_step_up(me)
    assert me.person_id is not None
    return render(request, "account/recovery.html", left=recovery.left(db, me.person_id), codes=())


@router.post(f"{HOME}/recovery")
def make_recovery(request: Request, db: Db, me: Me) -> Response:
    """Make them anew; they are shown this once."""
    codes = recovery.make(db, me)
    return render(request, "account/recovery.html", left=len(codes), codes=codes)


def qr(offer: Offer) -> str:
    """The authenticator's address as a picture that a page holds in itself."""
    return str(segno.make(offer.uri, error="m").svg_data_uri(border=4, light="#ffffff", dark="#14212b", omitsize=True))


def _page(request: Request, db: Tx, me: Actor, tried: Attempt, renamed: UUID | None = None) -> Response:
    assert me.person_id is not None
    context: dict[str, Any] = {
        "person": people.get(db, me, me.person_id),
        "passkeys": passkeys.listed(db, me),
        "beside": means.of(db, me.person_id),
        "since": factors.since(db, me.person_id),
        "tried": tried,
        "renamed": renamed,
    }
    return render(request, "account/security.html", status=tried.status, **context)


def _offer(request: Request, offer: Offer, tried: Attempt) -> Response:
    return render(request, "account/authenticator.html", status=tried.status, offer=offer, qr=qr(offer), tried=tried)


def _removal(request: Request, db: Tx, me: Actor, passkey_id: UUID, tried: Attempt) -> Response:
    passkey = next((one for one in passkeys.listed(db, me) if one.id == passkey_id), None)
    if passkey is None:
        raise NotFound("passkey-not-found")
    return render(request, "account/passkey_remove.html", status=tried.status, passkey=passkey, tried=tried)


def _id(given: object, code: str) -> UUID:
    try:
        return UUID(str(given))
    except ValueError:
        raise NotFound(code) from None
