"""The people of one's own hospital, for its administrators: who works here, in which roles, and how they get in."""

import datetime as dt
from collections.abc import Set
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from auth import enrolments, factors, means, organisations, people, profiles, proposals, rules, secret, sessions, tokens
from auth.people import BY_COMMAND_ONLY, BY_TWO, Person
from auth.profiles import Profile
from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Invalid
from registry import names as spelling
from registry.web import proposals as second_hands
from registry.web import training as learning
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, number, text
from registry.web.pages import in_language, render, see
from registry.web.translations import language_of

router = APIRouter(include_in_schema=False)
GIVEN_HERE = tuple(role for role in rules.ROLES if role not in BY_TWO | BY_COMMAND_ONLY)
"""The roles one administrator gives."""


@dataclass(frozen=True, slots=True)
class Line:
    """One person of the list. ``home`` is False for whoever has their account at another hospital."""

    person: Person
    name: str
    roles: list[str]
    last: dt.datetime | None
    home: bool
    green: bool


@router.get("/hospital/people")
def show(request: Request, db: Db, me: Me, q: str = "", role: str = "") -> Response:
    """Who works here."""
    staff, last = people.staff(db, me), sessions.newest(db, me)
    lines = [_line(request, me, person, roles, last) for person, roles in staff if _fits(person, roles, q, role)]
    context: dict[str, Any] = {
        "lines": [one for one in lines if not one.person.disabled_at],
        "gone": [one for one in lines if one.person.disabled_at],
    }
    waiting = second_hands.waiting(request, db, me)
    return render(request, "hospital/people.html", q=q, role=role, total=len(staff), waiting=waiting, roles=rules.ROLES, **context)


@router.get("/hospital/people/new")
def ask(request: Request, me: Me) -> Response:
    """The form of a new person."""
    rules.require_in_organisation(me, "people:manage")
    return _new(request, Attempt(), FormData())


@router.post("/hospital/people/new")
def create(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Add somebody; then a way in is handed out on their page."""
    with attempt(db) as tried:
        told, roles = _profile(form), {value for value in form.getlist("roles") if isinstance(value, str)}
        more = {field.name: getattr(told, field.name) for field in fields(Profile)}
        language = text(form, "language", 10)
        person = people.create(db, me, login=text(form, "login"), language=language, roles=roles, **more)
    return see(f"/hospital/people/{person.id}") if tried else _new(request, tried, form)


@router.get("/hospital/people/{person_id}")
def one(request: Request, db: Db, me: Me, person_id: UUID) -> Response:
    """One person: profile, roles, ways in."""
    return _page(request, db, me, person_id, Attempt())


@router.post("/hospital/people/{person_id}")
def amend(request: Request, db: Db, me: Me, form: Sent, person_id: UUID) -> Response:
    """Correct the profile."""
    with attempt(db) as tried:
        profiles.amend(db, me, person_id, _profile(form))
    return see(f"/hospital/people/{person_id}") if tried else _page(request, db, me, person_id, tried, form=form)


@router.post("/hospital/people/{person_id}/give")
def give(request: Request, db: Db, me: Me, form: Sent, person_id: UUID) -> Response:
    """Give a role, or propose one that takes two."""
    role = text(form, "role", 40)
    with attempt(db) as tried:
        if role in BY_TWO:
            proposals.propose(db, me, proposals.GIVE, person_id=person_id, role=role)
        else:
            people.appoint(db, me, person_id, role)
    return _back(request, db, me, person_id, tried)


@router.post("/hospital/people/{person_id}/take")
def take(request: Request, db: Db, me: Me, form: Sent, person_id: UUID) -> Response:
    """Take a role away."""
    with attempt(db) as tried:
        people.dismiss(db, me, person_id, text(form, "role", 40))
    return _back(request, db, me, person_id, tried)


@router.post("/hospital/people/{person_id}/enrol")
def enrol(request: Request, db: Db, me: Me, person_id: UUID) -> Response:
    """Hand out a secret to set a password and an authenticator up with; it is shown this once."""
    return _page(request, db, me, person_id, Attempt(), secret=secret.grouped(enrolments.issue(db, me, person_id)))


@router.post("/hospital/people/{person_id}/retire")
def retire(db: Db, me: Me, person_id: UUID) -> Response:
    """Take a lost authenticator out of use, and passkeys and recovery codes with it."""
    means.retire(db, me, person_id)
    return see(f"/hospital/people/{person_id}")


@router.post("/hospital/people/{person_id}/sessions/end")
def end(db: Db, me: Me, person_id: UUID) -> Response:
    """Sign somebody out everywhere."""
    sessions.end_all(db, me, people.manageable(db, me, person_id, at_home=True).id, because="ended-by-administrator")
    return see(f"/hospital/people/{person_id}")


@router.post("/hospital/people/{person_id}/tokens/{token_id}/revoke")
def revoke(db: Db, me: Me, person_id: UUID, token_id: UUID) -> Response:
    """End somebody's token."""
    tokens.revoke(db, me, token_id)
    return see(f"/hospital/people/{person_id}")


@router.post("/hospital/people/{person_id}/disable")
def disable(request: Request, db: Db, me: Me, person_id: UUID) -> Response:
    """Shut somebody out."""
    with attempt(db) as tried:
        people.disable(db, me, person_id)
    return _back(request, db, me, person_id, tried)


@router.post("/hospital/people/{person_id}/enable")
def enable(request: Request, db: Db, me: Me, person_id: UUID) -> Response:
    """Let somebody back in, or propose it for an administrator."""
    with attempt(db) as tried:
        if people.administers(db, people.manageable(db, me, person_id, at_home=True).id):
            proposals.propose(db, me, proposals.ENABLE, person_id=person_id)
        else:
            people.enable(db, me, person_id)
    return _back(request, db, me, person_id, tried)


def _profile(form: FormData) -> Profile:
    """What the form says. Raises Invalid for a year that is no number."""
    said = {field.name: text(form, field.name) for field in fields(Profile) if field.name != "practising_since"}
    since = number(form, "practising_since")
    if since is None and text(form, "practising_since"):
        raise Invalid("form-invalid", fields={"practising_since": "year-out-of-range"})
    return Profile(**said, practising_since=since)


def _typed(form: FormData) -> dict[str, str]:
    return {field.name: text(form, field.name) for field in fields(Profile)}


def _fits(person: Person, roles: Set[str], q: str, role: str) -> bool:
    named = any(spelling.matches(q, name, (person.login,)) for name in (person.name, person.name_en)) if q.strip() else True
    return named and (not role or role in roles)


def _line(request: Request, me: Actor, person: Person, roles: Set[str], last: dict[UUID, dt.datetime]) -> Line:
    home = person.organisation_id == me.organisation_id
    return Line(person, in_language(language_of(request), person), _in_order(roles), last.get(person.id), home, _green(person, roles))


def _in_order(roles: Set[str]) -> list[str]:
    return [role for role in rules.ROLES if role in roles]


def _green(person: Person, roles: Set[str]) -> bool:
    """An expert who has practised for less than an expert is asked to have."""
    years = profiles.years_of_practice(person, ids.now())
    return "expert" in roles and years is not None and years < profiles.EXPERIENCED


def _new(request: Request, tried: Attempt, form: FormData) -> Response:
    chosen = [value for value in form.getlist("roles") if isinstance(value, str)]
    values = _typed(form) | {"login": text(form, "login"), "language": text(form, "language", 10) or "zh"}
    return render(request, "hospital/person_new.html", status=tried.status, tried=tried, values=values, roles=GIVEN_HERE, chosen=chosen)


def _back(request: Request, db: Tx, me: Actor, person_id: UUID, tried: Attempt) -> Response:
    return see(f"/hospital/people/{person_id}") if tried else _page(request, db, me, person_id, tried)


def _page(
    request: Request, db: Tx, me: Actor, person_id: UUID, tried: Attempt, *, form: FormData | None = None, secret: str = ""
) -> Response:
    rules.require_in_organisation(me, "people:manage")
    person, language = people.get(db, me, person_id), language_of(request)
    places = people.workplaces(db, person_id)
    held = places.get(me.organisation_id, frozenset())
    home, myself = person.organisation_id == me.organisation_id, person_id == me.person_id
    elsewhere = organisations.named(db, [*(key for key in places if key != me.organisation_id), person.organisation_id])
    told = {field.name: str(getattr(person, field.name) or "") for field in fields(Profile)}
    context: dict[str, Any] = {
        "person": person,
        "name": in_language(language, person),
        "values": told if form is None else _typed(form),
        "home": home,
        "myself": myself,
        "held": _in_order(held),
        "given_here": GIVEN_HERE,
        "by_two": tuple(role for role in rules.ROLES if role in BY_TWO),
        "waiting": [one for one in second_hands.waiting(request, db, me) if one.row.person_id == person_id],
        "elsewhere": [in_language(language, place) for key, place in elsewhere.items() if key != me.organisation_id],
        "years": profiles.years_of_practice(person, ids.now()),
        "green": _green(person, held),
        # whose way in no administrator makes (`auth.duties.refuse_peer`), and who comes back by two
        "peer": any(roles & BY_TWO for roles in places.values()),
        "administers": people.administers(db, person_id),
        "since": factors.since(db, person_id),
        "beside": means.of(db, person_id),
        "live": sessions.live(db, me, person_id) if home and not myself else [],
        "last": sessions.newest(db, me).get(person_id),
        "tokens": [one for one in tokens.listed(db, me, person_id) if one.revoked_at is None and one.expires_at > ids.now()],
        **learning.shown(db, me, person_id),
        "tried": tried,
        "secret": secret,
        "enrol_at": f"{request.app.state.base_url}/enrol",
        "days": enrolments.LIFE.days,
    }
    return render(request, "hospital/person.html", status=tried.status, **context)
