"""How a page is made: the template environment, the words and times a template may use, and the pages
that any route can end in (an error, a sign-in that interrupted somebody).

Templates get ``t`` (the catalogue in the reader's language), ``label`` (a value set's label), ``moment``
and friends from ``registry.web.moments``, ``static`` (the address of an asset) and ``me``. Everything is
escaped; a template holds no script and no style.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from auth import means, organisations, people, providers, rules
from core import ids
from core.actor import Actor
from core.db import Tx
from registry import notices, valuesets
from registry.forms.fields import ZONES, Moment
from registry.web import moments
from registry.web.assets import address
from registry.web.edge import DEVICE, apart, short
from registry.web.translations import HTML_LANGUAGE, PSEUDO, has, language_of, pseudo, translate

TEMPLATES = Path(__file__).parents[1] / "templates"
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
KEPT_FIELDS = 400
KEPT_BYTES = 256 << 10
NEVER_KEPT = frozenset({"password", "current", "new", "code", "passkey", "recovery", "secret"})


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["static"] = address
    return environment


def label(language: str, value_set: str, code: str | None) -> str:
    """The label of a code; the pseudo-locale reads it accented, as it came from the catalogue. Empty for None."""
    if code is None or code == "":
        return ""
    text = valuesets.label(value_set, code, language)
    return pseudo(text) if language == PSEUDO else text


def options(language: str, value_set: str) -> list[tuple[str, str]]:
    """The codes of a value set with their labels, to choose from."""
    return [(option.code, option_label(language, option)) for option in valuesets.value_set(value_set).options]


def option_label(language: str, option: valuesets.Option) -> str:
    """The label of an option, as ``label``."""
    return pseudo(option.en) if language == PSEUDO else option.label(language)


def worded(request: Request, prefix: str, codes: Iterable[str]) -> list[tuple[str, str]]:
    """Codes with their words in the catalogue, to choose from."""
    return [(code, translate(language_of(request), prefix + code)) for code in codes]


def moment_told(language: str, moment: Moment) -> str:
    """A time as it was told: in the zone it was told in, with how sure it is when it is not exact."""
    if moment.at is None:
        return label(language, "precision", "unknown")
    exact = moments.Clock(language, moment.zone).exact(moment.at)
    if moment.precision == "exact":
        return exact
    return translate(language, "moment-unsure", exact=exact, precision=label(language, "precision", moment.precision))


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
        "t_has": partial(has, language),
        "label": partial(label, language),
        "when": moments.Clock(language, zone),
        "here": request.url.path,
        "on_ward_device": DEVICE in request.cookies,
        "may": partial(may, actor),
        "now": ids.now,
        "zones": ZONES,
        "options": partial(options, language),
        "named": partial(kept_name, language),
        "in_language": partial(in_language, language),
        "option_label": partial(option_label, language),
        "moment_told": partial(moment_told, language),
        "shell": _shell(request, actor, language),
    }


@dataclass(frozen=True, slots=True)
class Room:
    """A place the bar leads to."""

    path: str
    key: str
    current: bool


@dataclass(frozen=True, slots=True)
class Shell:
    """What stands around a page for somebody who is signed in."""

    name: str
    organisation: str
    unread: int
    rooms: tuple[Room, ...]
    hospital: tuple[Room, ...]


ROOMS = (
    ("/", "shell-work", "case:read"),
    ("/cases", "shell-cases", "case:read"),
    ("/inbox", "shell-inbox", "inbox:read"),
    ("/audit", "shell-audit", "audit:read"),
)
HOSPITAL: tuple[tuple[str, str, str], ...] = (
    ("/hospital/people", "shell-people", "people:manage"),
    ("/hospital/roster", "shell-roster", "roster:read"),
    ("/hospital/agreements", "agreement-title", "agreement:manage"),
    ("/hospital/glass", "glass-review-title", "glass:review"),
    ("/hospital/machines", "machine-title", "machine:manage"),
    ("/hospital/devices", "devices-title", "device:manage"),
    ("/hospital/webhooks", "hooks-title", "webhook:manage"),
    ("/hospital/retention", "retention-title", "retention:manage"),
    ("/hospital/settings", "shell-hospital-settings", "people:manage"),
)
"""The places of one's own hospital (people, roster, agreements …): address, catalogue key, the action that opens it."""


def may(actor: Actor | None, action: str) -> bool:
    """Whether some role of the actor allows an action at all, to offer it; the verb decides."""
    return actor is not None and any(rules.roles_for(actor, relation, action) for relation in ("own", "granted"))


def _shell(request: Request, actor: Actor | None, language: str) -> Shell | None:
    """Nothing once the transaction has ended: an error page has a plain bar."""
    db: Tx | None = getattr(request.state, "db", None)
    if db is None or actor is None or actor.person_id is None:
        return None
    here = request.url.path
    rooms, hospital = _rooms(actor, here, ROOMS), _rooms(actor, here, HOSPITAL)
    if hospital:
        rooms += (Room(hospital[0].path, "shell-hospital", here.startswith("/hospital")),)
    person, organisation = people.get(db, actor, actor.person_id), organisations.get(db, actor.organisation_id)
    return Shell(in_language(language, person), in_language(language, organisation), notices.unread_count(db, actor), rooms, hospital)


def _rooms(actor: Actor, here: str, places: tuple[tuple[str, str, str], ...]) -> tuple[Room, ...]:
    found = ((path, key) for path, key, action in places if may(actor, action))
    return tuple(Room(path, key, here == path or (path != "/" and here.startswith(path))) for path, key in found)


def kept_name(language: str, kept: Mapping[str, str]) -> str:
    """The name of a hospital or person as it stands in frozen bytes, in the reader's language."""
    return kept["name"] if language in ("zh", PSEUDO) else kept["name_en"] or kept["name"]


class Named(Protocol):
    """A person or a hospital: a name in Chinese and perhaps one in English."""

    @property
    def name(self) -> str: ...
    @property
    def name_en(self) -> str: ...


def in_language(language: str, named: Named) -> str:
    """The name as the reader writes it."""
    return named.name if language in ("zh", PSEUDO) else named.name_en or named.name


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
    where = _where(request)
    if request.method == "GET":
        return see("/sign-in" if where == "/" else f"/sign-in?next={quote(where, safe='')}")
    kept = await _kept(request)
    carried = {"next": _back(request), "kept": kept}
    return await apart(request, lambda db: sign_in_page(request, db, carried, status=401, expired=True))


def sign_in_page(
    request: Request,
    db: Tx,
    carried: Mapping[str, str],
    *,
    login: str = "",
    wrong: str | None = None,
    expired: bool = False,
    status: int = 200,
) -> HTMLResponse:
    """The first step of signing in, with the hospitals' own ways in.

    ``carried`` is what travels through it (``next``, ``kept``), ``wrong`` the sentence of what was refused.
    """
    language = language_of(request)
    hospitals = [(str(one.id), in_language(language, one)) for one in providers.offered(db)]
    context: dict[str, Any] = {"login": login, "wrong": wrong, "expired": expired, "hospitals": hospitals, **carried}
    return render(request, "sign-in/login.html", status=status, **context)


async def step_up(request: Request) -> Response:
    """Ask for the second factor once more, keeping what was being sent."""
    where = _where(request)
    if request.method == "GET":
        return see(f"/sign-in/again?next={quote(where, safe='')}")
    carried = {"next": _back(request), "kept": await _kept(request)}
    return await short(request, lambda db, me: step_up_page(request, db, me, carried, status=403))


def step_up_page(
    request: Request,
    db: Tx,
    me: Actor,
    carried: Mapping[str, str],
    *,
    wrong: str | None = None,
    by_password: bool = False,
    status: int = 200,
) -> HTMLResponse:
    """Proving again who one is, in the ways one has; ``carried`` and ``wrong`` as at the sign-in."""
    assert me.person_id is not None
    context: dict[str, Any] = {"beside": means.of(db, me.person_id), "by_password": by_password, "wrong": wrong, **carried}
    return render(request, "sign-in/again.html", status=status, **context)


def _where(request: Request) -> str:
    return local(request.url.path + (f"?{request.url.query}" if request.url.query else ""))


def _back(request: Request) -> str:
    """The page a form was sent from, as the browser says: there is no page at most addresses that take a form."""
    told = urlsplit(request.headers.get("referer", ""))
    return local(told.path) if told.path else "/"


async def _kept(request: Request) -> str:
    if not request.headers.get("content-type", "").startswith(FORM_TYPES):
        return ""
    try:
        form = await request.form(max_fields=KEPT_FIELDS, max_files=0)
    except HTTPException:  # a form with a file, from somebody it is not taken from
        return ""
    return pack(_where(request), [(name, value) for name, value in form.multi_items() if isinstance(value, str) and name not in NEVER_KEPT])
