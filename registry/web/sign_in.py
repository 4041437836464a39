"""Signing in, in two steps; signing out; proving again who one is; choosing a language before all that.

A wrong answer is shown on the page and not raised, so that the try is counted. What somebody had typed
when their session ended travels through these pages in the reader's own browser (``kept``).
"""

from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from auth import profiles, sessions, signin, stepup
from auth.proofs import Refused
from auth.signin import Pending, SignedIn
from core.errors import NotFound
from registry.web.edge import COOKIE, Db, Machinery, Me, Visitor
from registry.web.forms import Attempt, Sent, attempt, text
from registry.web.pages import local, render, see, sign_in_page, unpack
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
        wrong, status = _wrong(request, tried, answer)
        return sign_in_page(request, db, _carried(form), status=status, login=login, wrong=wrong)
    return render(request, "sign-in/code.html", ticket=answer.secret, action="/sign-in/code", wrong=None, **_carried(form))


@router.get("/sign-in/code")
def lost() -> Response:
    """The second step without the first: begin anew."""
    return see("/sign-in")


@router.post("/sign-in/code")
def code(request: Request, db: Machinery, form: Sent) -> Response:
    """The second step; the session begins."""
    ticket = text(form, "ticket", 200)
    answer: SignedIn | Refused = Refused("throttled")
    with attempt(db) as tried:
        answer = signin.code(
            db,
            pending=ticket,
            code=text(form, "code", 12).replace(" ", ""),
            address=address_of(request),
            agent=request.headers.get("user-agent", ""),
            limits=request.app.state.limits,
            presented=request.cookies.get(COOKIE),
        )
    if isinstance(answer, Refused):
        (wrong, status), carried = _wrong(request, tried, answer), _carried(form)
        if answer.code in ("code-wrong", "throttled"):
            return render(request, "sign-in/code.html", status=status, ticket=ticket, action="/sign-in/code", wrong=wrong, **carried)
        return sign_in_page(request, db, carried, status=status, wrong=wrong)
    request.state.actor = answer.actor
    return entered(_onward(request, form), answer)


@router.post("/sign-in/kept")
def kept(request: Request, db: Db, me: Visitor, form: Sent) -> Response:
    """Go on with what had been typed, once signed in in another window; until then the same page again."""
    return _onward(request, form) if me is not None else sign_in_page(request, db, _carried(form), status=401, expired=True)


@router.get("/sign-in/again")
def again(request: Request, me: Me, onward: Next = "/") -> Response:
    """Prove again who one is before an act that weighs more."""
    return render(request, "sign-in/code.html", ticket="", action="/sign-in/again", wrong=None, next=local(onward), kept="")


@router.post("/sign-in/again")
def prove(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """The second factor once more."""
    answer: SignedIn | Refused = Refused("throttled")
    with attempt(db) as tried:
        answer = stepup.prove(db, me, code=text(form, "code", 12).replace(" ", ""), address=address_of(request))
    if isinstance(answer, Refused):
        (wrong, status), carried = _wrong(request, tried, answer), _carried(form)
        return render(request, "sign-in/code.html", status=status, ticket="", action="/sign-in/again", wrong=wrong, **carried)
    return with_session(_onward(request, form), answer.cookie)


@router.post("/sign-out")
def sign_out(request: Request, db: Db, me: Visitor) -> Response:
    """End the session here; drafts that a page still holds are not touched."""
    if me is not None:
        with suppress(NotFound):
            sessions.end(db, me)
    answer = see("/sign-in")
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


def _onward(request: Request, form: FormData) -> Response:
    """To the page that was asked for, or to what was being sent when the session ended."""
    kept = unpack(text(form, "kept", 1 << 20))
    onward = local(text(form, "next", 2000))
    if kept is None:
        return see(onward)
    action, fields = kept
    return render(request, "sign-in/continue.html", action=action, fields=fields, next=onward)


def _carried(form: FormData) -> dict[str, Any]:
    return {"next": local(text(form, "next", 2000)), "kept": text(form, "kept", 1 << 20)}


def _secret(form: FormData, name: str) -> str:
    """A password goes as it was typed, spaces and all."""
    value = form.get(name, "")
    return value[:1024] if isinstance(value, str) else ""


def _wrong(request: Request, tried: Attempt, refused: Refused) -> tuple[str, int]:
    """What a proof that failed is told as, and the status that goes with it."""
    if tried and refused.code != "throttled":
        return translate(language_of(request), f"error-{refused.code}"), 401
    return translate(language_of(request), "error-throttled", **(tried.params or {"retry_after": refused.retry_after})), 429


def address_of(request: Request) -> str:
    """Where the request comes from."""
    return request.client.host if request.client else ""
