"""How a page is made: the template environment, the words and times a template may use, and the pages
that any route can end in (an error, a sign-in that interrupted somebody).

Templates get ``t`` (the catalogue in the reader's language), ``label`` (a value set's label), ``moment``
and friends from ``registry.web.moments``, ``static`` (the address of an asset) and ``me``. Everything is
escaped; a template holds no script and no style.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from core.actor import Actor
from registry import valuesets
from registry.web import moments
from registry.web.assets import address
from registry.web.translations import HTML_LANGUAGE, PSEUDO, language_of, pseudo, translate

TEMPLATES = Path(__file__).parents[1] / "templates"
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
KEPT_FIELDS = 400
KEPT_BYTES = 256 << 10


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["static"] = address
    return environment


def label(language: str, value_set: str, code: str | None) -> str:
    """The label of a code; the pseudo-locale reads it accented, as it came from the catalogue. Empty for None."""
    if code is None or code == "":
        return ""
    text = valuesets.label(value_set, code, language)
    return pseudo(text) if language == PSEUDO else text


def context_of(request: Request) -> dict[str, Any]:
    """What every template gets."""
    language = language_of(request)
    actor: Actor | None = getattr(request.state, "actor", None)
    zone = actor.time_zone if actor else "Asia/Shanghai"
    return {
        "request": request,
        "me": actor,
        "language": language,
        "html_language": HTML_LANGUAGE[language],
        "direction": "ltr",
        "t": partial(translate, language),
        "label": partial(label, language),
        "when": moments.Clock(language, zone),
        "here": request.url.path,
    }


def fragment(request: Request, template: str, **context: Any) -> str:
    """A template as text."""
    return _environment().get_template(template).render({**context_of(request), **context})


def render(request: Request, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **context: Any) -> HTMLResponse:
    """A template as an answer."""
    return HTMLResponse(fragment(request, template, **context), status, headers=dict(headers or {}))


def error(request: Request, *, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    """What happened, what was kept, what to do."""
    return render(request, "error.html", status=status, headers=headers, code=code, detail=detail)


def local(path: str | None) -> str:
    """``path`` when it is a page of ours, else the work list: nothing sends a reader to another site."""
    if not path or not path.startswith("/") or path.startswith(("//", "/\\")) or any(ord(sign) < 33 for sign in path):
        return "/"
    parts = urlsplit(path)
    return path if not parts.scheme and not parts.netloc and "\\" not in path else "/"


def see(path: str) -> RedirectResponse:
    """Go on to another page of ours after a form was taken."""
    return RedirectResponse(path, 303)


def step_up_url(request: Request) -> str:
    """Where a second factor is given again before the page asked for."""
    return f"/sign-in/again?next={quote(local(request.url.path), safe='')}"


def pack(action: str, fields: list[tuple[str, str]]) -> str:
    """What somebody had typed when their session ended, as one form field that travels through the sign-in.

    It stays in the reader's page: the server keeps nothing for somebody it does not know.
    """
    text = json.dumps({"action": action, "fields": fields}, ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode()


def unpack(packed: str) -> tuple[str, list[tuple[str, str]]] | None:
    """The action and fields of ``pack``; None when there are none or they make no sense."""
    if not packed or len(packed) > 2 * KEPT_BYTES:
        return None
    try:
        kept = json.loads(base64.urlsafe_b64decode(packed.encode()))
        action = local(str(kept["action"]))
        fields = [(str(name), str(value)) for name, value in kept["fields"]][:KEPT_FIELDS]
    except (ValueError, KeyError, TypeError, binascii.Error):
        return None
    return None if action == "/" else (action, fields)


async def sign_in_again(request: Request) -> Response:
    """Send a stranger to the sign-in page and back; keep what they had typed when they were sending a form."""
    where = local(request.url.path + (f"?{request.url.query}" if request.url.query else ""))
    if request.method == "GET":
        return see("/sign-in" if where == "/" else f"/sign-in?next={quote(where, safe='')}")
    kept = ""
    if request.headers.get("content-type", "").startswith(FORM_TYPES):
        form = await request.form(max_fields=KEPT_FIELDS, max_files=0)
        kept = pack(where, [(name, value) for name, value in form.multi_items() if isinstance(value, str)])
    return render(request, "sign-in/login.html", status=401, next=where, kept=kept, login="", wrong=None, expired=True)
