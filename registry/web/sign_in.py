"""Signing in, in two steps or by a passkey; signing out; proving again who one is; choosing a language before all that.

A wrong answer is shown on the page and not raised, so that the try is counted. A passkey's answer comes in the
page's own form: a script asks for the challenge, and no other page than these is needed. What somebody had typed
when their session ended travels through these pages in the reader's own browser (``kept``).
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from auth import ceremonies, profiles, sessions, signin, stepup
from auth.ceremonies import Site
from auth.proofs import Refused
from auth.signin import Pending, SignedIn
from core.actor import Actor
from core.db import Tx
from core.errors import NotFound
from registry.web.edge import COOKIE, DEVICE, Db, Machinery, Me, Visitor
from registry.web.forms import Attempt, Sent, attempt, text
from registry.web.pages import local, render, see, sign_in_page, step_up_page, unpack
from registry.web.translations import COOKIE as LANGUAGE_COOKIE
from registry.web.translations import LANGUAGES, PSEUDO, language_of, translate

router = APIRouter(include_in_schema=False)
Next = Annotated[str, Query(alias="next")]
YEAR = 365 * 24 * 3600


@router.get("/sign-in")
def ask(request: Request, db: Db, me: Visitor, onward: Next = "/") -> Response:
    """Name and password, or a hospital's own sign-in."""
    if me is not None:
        return see(local(onward))
    return sign_in_page(request, db, {"next": local(onward), "kept": ""})


@router.post("/sign-in")
def password(request: Request, db: Machinery, form: Sent) -> Response:
    """The first step; goes on to the code."""
    login = text(form, "login", 200)
    answer: Pending | Refused = Refused("throttled")
    with attempt(db) as tried:
        answer = signin.password(db, login=login, password=_secret(form, "password"), address=address_of(request))
    if isinstance(answer, Refused):
        wrong, status = wrong_words(request, tried, answer)
        return sign_in_page(request, db, carried(form), status=status, login=login, wrong=wrong)
    return second_step(request, db, answer.secret, carried(form))


@router.get("/sign-in/code")
def lost() -> Response:
    """The second step without the first: begin anew."""
    return see("/sign-in")


@router.post("/sign-in/code")
def code(request: Request, db: Machinery, form: Sent) -> Response:
    """The second step, by a code or a recovery code; the session begins."""
    ticket, recovery = text(form, "ticket", 200), text(form, "recovery", 100)
    answer: SignedIn | Refused = Refused("throttled")
    with attempt(db) as tried:
        answer = signin.code(
            db,
            pending=ticket,
            code=_digits(form),
            recovery_code=recovery,
            address=address_of(request),
            agent=request.headers.get("user-agent", ""),
            limits=request.app.state.limits,
            presented=request.cookies.get(COOKIE),
        )
    if isinstance(answer, Refused):
        (wrong, status), kept = wrong_words(request, tried, answer), carried(form)
        if answer.code in ("code-wrong", "recovery-code-wrong", "throttled"):
            return second_step(request, db, ticket, kept, status=status, wrong=wrong, recovering=bool(recovery))
        return sign_in_page(request, db, kept, status=status, wrong=wrong)
    return go_in(request, form, answer)


@router.post("/sign-in/kept")
def kept(request: Request, db: Db, me: Visitor, form: Sent) -> Response:
    """Go on with what had been typed, once signed in in another window; until then the same page again."""
    return _onward(request, form) if me is not None else sign_in_page(request, db, carried(form), status=401, expired=True)


@router.post("/sign-in/begin")
def begin(request: Request, db: Db) -> dict[str, Any]:
    """The challenge a passkey signs to sign in, whoever it is."""
    return signin.ask_passkey(db, site=site_of(request), address=address_of(request))


@router.post("/sign-in/passkey")
def passkey(request: Request, db: Machinery, form: Sent) -> Response:
    """Sign in with a passkey; the session begins."""
    answer: SignedIn | Refused = Refused("throttled")
    with attempt(db) as tried:
        answer = signin.passkey(
            db,
            given=text(form, "passkey"),
            site=site_of(request),
            address=address_of(request),
            agent=request.headers.get("user-agent", ""),
            limits=request.app.state.limits,
            presented=request.cookies.get(COOKIE),
        )
    if isinstance(answer, Refused):
        wrong, status = wrong_words(request, tried, answer)
        return sign_in_page(request, db, carried(form), status=status, wrong=wrong)
    return go_in(request, form, answer)


@router.get("/sign-in/again")
def again(request: Request, db: Db, me: Me, onward: Next = "/") -> Response:
    """Prove again who one is before an act that weighs more."""
    return step_up_page(request, db, me, {"next": local(onward), "kept": ""})


@router.post("/sign-in/again/begin")
def begin_again(request: Request, db: Db, me: Me) -> dict[str, Any]:
    """The challenge one's own passkey signs to prove again who one is."""
    return stepup.ask_passkey(db, me, site=site_of(request))


@router.post("/sign-in/again")
def prove(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """A passkey, a code or the password once more."""
    answer: SignedIn | Refused = Refused("throttled")
    with attempt(db) as tried:
        answer = proved(request, db, me, form)
    if isinstance(answer, Refused):
        wrong, status = wrong_words(request, tried, answer)
        by_password = bool(_secret(form, "password"))
        return step_up_page(request, db, me, carried(form), status=status, wrong=wrong, by_password=by_password)
    return with_session(_onward(request, form, proved_again=True), answer.cookie)


@router.post("/sign-out")
def sign_out(request: Request, db: Db, me: Visitor) -> Response:
    """End the session here; drafts that a page still holds are not touched."""
    if me is not None:
        with suppress(NotFound):
            sessions.end(db, me)
    answer = see("/ward" if DEVICE in request.cookies else "/sign-in")
    answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


@router.get("/signed-in")
def signed_in(request: Request, me: Me) -> Response:
    """Where a second window ends that was opened to sign in again."""
    return render(request, "sign-in/done.html")


@router.post("/language")
def language(request: Request, db: Db, me: Visitor, form: Sent) -> Response:
    """Choose the language: for the person once signed in, for this browser before."""
    chosen = text(form, "language", 10)
    if me is not None and chosen in LANGUAGES:
        profiles.set_language(db, me, chosen)
    answer = see(local(text(form, "next", 500)))
    return _with_language(answer, chosen)


def proved(request: Request, db: Tx, me: Actor, form: FormData) -> SignedIn | Refused:
    """Step up by what a form holds: a passkey's answer, the password, or (also when there is nothing) a code. Raises Throttled."""
    if given := text(form, "passkey"):
        return stepup.passkey(db, me, given=given, site=site_of(request), address=address_of(request))
    return stepup.prove(db, me, code=_digits(form), password=_secret(form, "password"), address=address_of(request))


def signing(request: Request, db: Tx, me: Actor, form: FormData) -> tuple[SignedIn | Refused, Attempt]:
    """The same where something is signed: what was refused belongs beside the field of the code, and loses nothing."""
    again: SignedIn | Refused = Refused("throttled")
    with attempt(db) as tried:
        again = proved(request, db, me, form)
    if tried and isinstance(again, Refused):
        tried.take(again, "code")
    return again, tried


def site_of(request: Request) -> Site:
    """Whom passkeys are made for here."""
    return ceremonies.site_of(request.app.state.base_url)


def address_of(request: Request) -> str:
    """Where the request comes from."""
    return request.client.host if request.client else ""


def second_step(
    request: Request,
    db: Tx,
    ticket: str,
    carried: Mapping[str, str],
    *,
    status: int = 200,
    wrong: str | None = None,
    recovering: bool = False,
) -> Response:
    """The page of the second step, with the ways this person has."""
    context: dict[str, Any] = {"ticket": ticket, "beside": signin.beside(db, ticket), "wrong": wrong, "recovering": recovering, **carried}
    return render(request, "sign-in/code.html", status=status, **context)


def entered(answer: Response, signed_in: SignedIn) -> Response:
    """The answer to somebody who has just signed in: with their session and in their language."""
    return _with_language(with_session(answer, signed_in.cookie), signed_in.actor.language)


def with_session(answer: Response, secret: str) -> Response:
    """The answer with the session's cookie: this host only, never to a script, kept for the browser's session."""
    answer.set_cookie(COOKIE, secret, path="/", secure=True, httponly=True, samesite="lax")
    return answer


def _with_language(answer: Response, chosen: str) -> Response:
    """The answer with the language's cookie: for the pages that do not know who reads them."""
    if chosen in (*LANGUAGES, PSEUDO):
        answer.set_cookie(LANGUAGE_COOKIE, chosen, max_age=YEAR, path="/", secure=True, httponly=True, samesite="lax")
    return answer


def go_in(request: Request, form: FormData, done: SignedIn) -> Response:
    """On from the sign-in; past how many recovery codes are left when one was used."""
    request.state.actor = done.actor
    if done.recovery_codes is None or unpack(text(form, "kept", 1 << 20)) is not None:
        return entered(_onward(request, form), done)
    onward = local(text(form, "next", 2000))
    return entered(render(request, "sign-in/recovered.html", left=done.recovery_codes, next=onward), done)


def _onward(request: Request, form: FormData, *, proved_again: bool = False) -> Response:
    """To the page that was asked for, or to what was being sent when the session ended."""
    kept = unpack(text(form, "kept", 1 << 20))
    onward = local(text(form, "next", 2000))
    if kept is None:
        return see(onward)
    action, fields = kept
    return render(request, "sign-in/continue.html", action=action, fields=fields, next=onward, proved_again=proved_again)


def carried(form: FormData) -> dict[str, Any]:
    """Where to go on to, and what was typed when the session ended, for the next page of a sign-in."""
    return {"next": local(text(form, "next", 2000)), "kept": text(form, "kept", 1 << 20)}


def _digits(form: FormData) -> str:
    return text(form, "code", 12).replace(" ", "")


def _secret(form: FormData, name: str) -> str:
    """A password goes as it was typed, spaces and all."""
    value = form.get(name, "")
    return value[:1024] if isinstance(value, str) else ""


def wrong_words(request: Request, tried: Attempt, refused: Refused) -> tuple[str, int]:
    """What a proof that failed is told as, and the status that goes with it."""
    if tried and refused.code != "throttled":
        return translate(language_of(request), f"error-{refused.code}"), 401
    return translate(language_of(request), "error-throttled", **(tried.params or {"retry_after": refused.retry_after})), 429
