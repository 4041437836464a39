"""Being told in a browser: one more, a trial, and no more. The page is that of `registry.web.told`."""

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from registry import deliveries, subscriptions
from registry.subscriptions import Browser
from registry.web import told
from registry.web.edge import Db, Me
from registry.web.forms import Sent, attempt, text
from registry.web.pages import see

router = APIRouter(include_in_schema=False)
HOME = "/account/notices/browsers"

# by what each writes into its User-Agent and no other that is asked before it
BROWSERS = (
    ("Edg/", "Edge"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


@router.post(HOME)
def subscribe(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Be told in this browser."""
    browser = Browser(text(form, "endpoint"), text(form, "p256dh"), text(form, "auth"))
    with attempt(db) as tried:
        subscriptions.subscribe(db, me, browser, name=named(request.headers.get("user-agent", "")), fits=request.app.state.caller.fits)
    return see(f"{told.HOME}#browsers") if tried else told.page(request, db, me, refused=tried)


@router.post(f"{HOME}/{{subscription_id}}/try")
def try_out(request: Request, db: Db, me: Me, subscription_id: UUID) -> Response:
    """Send a trial there."""
    with attempt(db) as tried:
        deliveries.try_push(db, me, subscription_id)
    return see(f"{told.HOME}#browsers") if tried else told.page(request, db, me, refused=tried)


@router.post(f"{HOME}/{{subscription_id}}/end")
def end(db: Db, me: Me, subscription_id: UUID) -> Response:
    """Be told there no more."""
    subscriptions.end(db, me, subscription_id)
    return see(f"{told.HOME}#browsers")


def named(agent: str) -> str:
    """A browser as its owner knows it again: ``Chrome · Android``; empty for one nobody knows."""
    found = (next((name for mark, name in marks if mark in agent), "") for marks in (BROWSERS, SYSTEMS))
    return " · ".join(filter(None, found))
