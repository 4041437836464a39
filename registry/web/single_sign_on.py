"""Signing in through one's hospital, and linking one's account there (OpenID Connect).

A ceremony leaves the house and comes back, so these routes are asynchronous and have several short transactions
instead of one; nothing waits for a provider inside one, and few wait at once. It begins with a link, or a page
that leads on: what a form is answered with may not lead to another site, however many steps later (``form-action
'self'``). A link on another site begins nothing.
"""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar
from uuid import UUID

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from auth import links, oidc, organisations, people, providers
from auth.idtokens import Assertion
from auth.oidc import Failed, Held
from auth.proofs import Refused
from auth.signin import Pending
from core.actor import Actor
from core.db import Tx
from core.errors import SignInNeeded, Unavailable
from registry.web.edge import COOKIE as SESSION
from registry.web.edge import Db, Me, apart, find_actor, short
from registry.web.pages import in_language, local, render, see, sign_in_page
from registry.web.sign_in import address_of, entered, second_step
from registry.web.translations import language_of, translate

router = APIRouter(include_in_schema=False)
COOKIE = "__Host-oidc"
HERE = "/account/sign-in-providers"
AT_ONCE = 8

Code = Annotated[str, Query()]
T = TypeVar("T")
_waiting: RunVar[CapacityLimiter] = RunVar("waiting")


@router.get("/sign-in/oidc/{provider_id}")
async def begin(request: Request, provider_id: UUID, onward: Annotated[str, Query(alias="next")] = "/") -> Response:
    """Go to the provider to sign in."""
    return await _begin(request, provider_id, local(onward), link=False) if _from_here(request) else see("/sign-in")


@router.get(HERE + "/{provider_id}/link")
async def begin_link(request: Request, provider_id: UUID) -> Response:
    """Go to the provider to link one's account there; asks for the second factor first."""
    return await _begin(request, provider_id, HERE, link=True) if _from_here(request) else see(HERE)


@router.get("/sign-in/oidc/{provider_id}/callback")
async def come_back(
    request: Request, provider_id: UUID, code: Code = "", state: Code = "", iss: Annotated[str | None, Query()] = None
) -> Response:
    """Come back from the provider: signed in, on to the second step, linked, or told why not."""
    cookie, base_url = request.cookies.get(COOKIE, ""), request.app.state.base_url
    held = await apart(request, lambda db: oidc.take(db, provider_id, cookie=cookie, state=state, base_url=base_url))
    if isinstance(held, Refused):
        return await apart(request, lambda db: _told(request, db, provider_id, held))
    told = await _outside(lambda: oidc.exchange(request.app.state.providers, held, code=code, issuer=iss))
    finish = _linked if held.session_id is not None else _signed_in
    answer = await apart(request, lambda db: finish(request, db, held, told))
    answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return answer


@router.get(HERE)
def show(request: Request, db: Db, me: Me) -> Response:
    """The accounts elsewhere that open one's account here."""
    return _page(request, db, me)


@router.post(HERE + "/{link_id}/unlink")
def unlink(db: Db, me: Me, link_id: UUID) -> Response:
    """End a link."""
    links.remove(db, me, link_id)
    return see(HERE)


async def _begin(request: Request, provider_id: UUID, onward: str, *, link: bool) -> Response:
    provider = await apart(request, lambda db: providers.get(db, provider_id))
    if link:
        # whoever is not signed in or stepped up is sent there before the provider is asked for anything
        await short(request, lambda db, me: oidc.may_link(db, me, provider_id))
    try:
        described = await _outside(lambda: request.app.state.providers.describe(provider.issuer))
    except Unavailable as away:
        refused = Refused(away.code)
        return await apart(request, lambda db: _told(request, db, provider_id, refused, onward))

    def start(db: Tx) -> oidc.Begun:
        asking = {"base_url": request.app.state.base_url, "onward": onward, "address": address_of(request)}
        return oidc.begin(db, provider_id, described, linking=_me(request, db) if link else None, **asking)

    begun = await apart(request, start)
    answer: Response = RedirectResponse(begun.url, 303)
    if link:
        # the step-up may have come before this, and what a form is answered with may lead nowhere else: a page does
        named = in_language(language_of(request), provider)
        answer = await apart(request, lambda db: render(request, "sign-in/onward.html", url=begun.url, name=named))
    life = int(oidc.LIFE.total_seconds())
    answer.set_cookie(COOKIE, begun.cookie, max_age=life, path="/", secure=True, httponly=True, samesite="lax")
    return answer


def _signed_in(request: Request, db: Tx, held: Held, told: Assertion | Failed) -> Response:
    answer = oidc.sign_in(
        db,
        held,
        told,
        address=address_of(request),
        agent=request.headers.get("user-agent", ""),
        limits=request.app.state.limits,
        presented=request.cookies.get(SESSION),
    )
    if isinstance(answer, Refused):
        return _told(request, db, held.provider_id, answer, held.onward)
    if isinstance(answer, Pending):
        return second_step(request, db, answer.secret, {"next": held.onward, "kept": ""})
    request.state.actor = answer.actor
    return entered(see(held.onward), answer)


def _linked(request: Request, db: Tx, held: Held, told: Assertion | Failed) -> Response:
    answer = oidc.link(db, _me(request, db), held, told, address=address_of(request))
    return _told(request, db, held.provider_id, answer) if isinstance(answer, Refused) else see(HERE)


def _told(request: Request, db: Tx, provider_id: UUID, refused: Refused, onward: str = "/") -> Response:
    """What a ceremony that failed is told as: on the page it began at, where the password still stands."""
    actor, language = find_actor(request, db), language_of(request)
    name = next((in_language(language, one) for one in providers.offered(db) if one.id == provider_id), "")
    wrong = translate(language, f"error-{refused.code}", provider=name, retry_after=refused.retry_after)
    status = {"throttled": 429, "provider-away": 503, "link-taken": 409}.get(refused.code, 401)
    if actor is not None:
        return _page(request, db, actor, wrong=wrong, status=status)
    return sign_in_page(request, db, {"next": onward, "kept": ""}, wrong=wrong, status=status)


def _page(request: Request, db: Tx, me: Actor, *, wrong: str | None = None, status: int = 200) -> Response:
    assert me.person_id is not None
    language, home = language_of(request), people.get(db, me, me.person_id).organisation_id
    offered = {provider.id: in_language(language, provider) for provider in providers.listed(db, home)}
    own = links.own(db, me)
    free = [(str(key), name) for key, name in offered.items() if key not in {link.provider_id for link in own}]
    hospital = in_language(language, organisations.get(db, home))
    context: dict[str, Any] = {"links": [(link, offered[link.provider_id]) for link in own], "free": free, "hospital": hospital}
    return render(request, "sign-in/providers.html", status=status, wrong=wrong, **context)


def _me(request: Request, db: Tx) -> Actor:
    found = find_actor(request, db)
    if found is None:
        raise SignInNeeded("sign-in-needed")
    return found


def _from_here(request: Request) -> bool:
    """Whether a page of ours or the reader sent the request, as far as the browser says (ASVS 7.6.2)."""
    return request.headers.get("sec-fetch-site", "none") in ("same-origin", "none")


async def _outside(work: Callable[[], T]) -> T:
    """Run what waits for another server on a worker thread, no more than a few at once: the others serve pages."""
    limiter = _waiting.get(None)
    if limiter is None:
        limiter = CapacityLimiter(AT_ONCE)
        _waiting.set(limiter)
    return await to_thread.run_sync(work, limiter=limiter)
