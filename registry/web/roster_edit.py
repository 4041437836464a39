"""Keeping a roster: a new one, its rotation with the turns that follow from it, who comes in instead, and its end."""

import datetime as dt
from itertools import islice
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from auth import organisations, people
from core.actor import Actor
from core.db import Tx
from core.errors import Invalid, NotFound
from registry import rosters
from registry.duty import Roster, RosterVersion
from registry.forms.fields import ZONES
from registry.rotation import Rotation, Stretch
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, day, moment, number, text
from registry.web.moments import Clock
from registry.web.pages import in_language, render, see
from registry.web.roster import NOTHING, chosen, section, title, told
from registry.web.translations import language_of, translate
from registry.web.who import Names

router = APIRouter(include_in_schema=False)
DAYS = (1, 2, 3, 7, 14, 28)
HALF = "half"
SHOWN = 8
SPARE = 2
FIELDS = ("role", "specialty", "time_zone", "days", "handover", "night", "begins_on", "phone", "version")


@router.get("/hospital/roster/new")
def new(request: Request, db: Db, me: Me) -> Response:
    """A roster for a duty that has none."""
    here = organisations.get(db, me.organisation_id)
    today = Clock(me.language, here.time_zone).today().isoformat()
    values = {"role": "expert", "specialty": "hand_surgery", "time_zone": here.time_zone, "days": "1", "phone": "", "version": ""}
    return _form(request, db, me, values | {"handover": "08:00", "night": "20:00", "begins_on": today}, [], Attempt())


@router.post("/hospital/roster/new")
def create(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Begin it, or (``look``) show the turns first."""
    role = text(form, "role")
    duty = {"role": role, "specialty": text(form, "specialty") if role == "expert" else ""}
    with attempt(db) as tried:
        given = _rotation(form)
        if not text(form, "look"):
            rosters.create(db, me, **duty, rotation=given, phone=text(form, "phone"))
            return see("/hospital/roster")
        following = _ahead(db, me, duty, given, form)
    return _form(request, db, me, _sent(form), _places(form), tried, following if tried else [])


@router.get("/hospital/roster/{roster_id}")
def edit(request: Request, db: Db, me: Me, roster_id: UUID) -> Response:
    """A roster as it stands, to be changed."""
    row = _roster(db, me, roster_id)
    return _form(request, db, me, *_newest(db, me, roster_id), Attempt(), row=row)


@router.post("/hospital/roster/{roster_id}")
def change(request: Request, db: Db, me: Me, form: Sent, roster_id: UUID) -> Response:
    """Go on by another rotation, or (``look``) show the turns first."""
    row = _roster(db, me, roster_id)
    with attempt(db) as tried:
        given = _rotation(form)
        if not text(form, "look"):
            rosters.change(db, me, roster_id, rotation=given, phone=text(form, "phone"), version_id=chosen(form, "version"))
            return see("/hospital/roster")
        following = _ahead(db, me, {"role": row.role, "specialty": row.specialty}, given, form)
    return _form(request, db, me, _sent(form), _places(form), tried, following if tried else [], row=row)


@router.post("/hospital/roster/{roster_id}/covers")
def cover(request: Request, db: Db, me: Me, form: Sent, roster_id: UUID) -> Response:
    """Let somebody come in instead."""
    row, (values, places) = _roster(db, me, roster_id), _newest(db, me, roster_id)
    when = Clock(language_of(request), values["time_zone"])
    with attempt(db) as tried:
        until = moment(form, "until", when)
        if until is None:
            raise Invalid("form-invalid", fields={"until": "field-required"})
        rosters.cover(db, me, roster_id, person_id=chosen(form), since=moment(form, "since", when), until=until)
        return see("/hospital/roster")
    return _form(request, db, me, values, places, tried, row=row, instead=form)


@router.post("/hospital/roster/covers/{cover_id}/end")
def end_cover(db: Db, me: Me, cover_id: UUID) -> Response:
    """Let the rotation go on again."""
    rosters.end_cover(db, me, cover_id)
    return see("/hospital/roster")


@router.post("/hospital/roster/{roster_id}/end")
def end(db: Db, me: Me, roster_id: UUID) -> Response:
    """End the roster: the duty has none from now on."""
    rosters.end(db, me, roster_id)
    return see("/hospital/roster")


def _roster(db: Tx, me: Actor, roster_id: UUID) -> Roster:
    row = next((row for row in rosters.kept(db, me).rosters if row.id == roster_id), None)
    if row is None:
        raise NotFound("roster-not-found")
    return row


def _newest(db: Tx, me: Actor, roster_id: UUID) -> tuple[dict[str, str], list[str]]:
    """What the form of a roster begins with: its newest version, and the people in their order."""
    newest = rosters.history(db, me, roster_id)[0]
    first, night = [*newest.handovers, "20:00"][:2]
    values = {
        "time_zone": newest.time_zone,
        "days": HALF if len(newest.handovers) == 2 else str(newest.days),
        "handover": first,
        "night": night,
        "begins_on": newest.begins_on.isoformat(),
        "phone": newest.phone,
        "version": str(newest.id),
    }
    return values, newest.people


def _sent(form: FormData) -> dict[str, str]:
    return {name: text(form, name) for name in FIELDS}


def _places(form: FormData) -> list[str]:
    return [value for value in form.getlist("people") if isinstance(value, str) and value]


def _rotation(form: FormData) -> Rotation:
    """The rotation a form tells of; whether it makes sense is the verb's to say. Raises Invalid for what cannot be read."""
    half = text(form, "days") == HALF
    begins_on = day(form, "begins_on")
    if begins_on is None:
        raise Invalid("form-invalid", fields={"begins_on": "field-required"})
    try:
        handovers = tuple(dt.time.fromisoformat(text(form, name, 5)) for name in ("handover", "night")[: 1 + half])
    except ValueError:
        raise Invalid("form-invalid", fields={"handovers": "roster-handovers"}) from None
    try:
        people = tuple(map(UUID, _places(form)))
    except ValueError:
        raise Invalid("form-invalid", fields={"people": "roster-people-missing"}) from None
    return Rotation(people, text(form, "time_zone", 64), handovers, 1 if half else number(form, "days") or 0, begins_on)


def _ahead(db: Tx, me: Actor, duty: dict[str, str], given: Rotation, form: FormData) -> list[Stretch]:
    return list(islice(rosters.ahead(db, me, **duty, rotation=given, phone=text(form, "phone")), SHOWN))


def _form(
    request: Request,
    db: Tx,
    me: Actor,
    values: dict[str, str],
    places: list[str],
    tried: Attempt,
    following: list[Stretch] | None = None,
    *,
    row: Roster | None = None,
    instead: FormData = NOTHING,
) -> Response:
    language = language_of(request)
    names, book = Names(db, language), rosters.kept(db, me)
    able = [
        (str(one.id), in_language(language, one)) for one in people.members(db, me.organisation_id, row.role if row else values["role"])
    ]
    when = Clock(language, values["time_zone"])
    # a length given by a program stays on offer
    lengths = sorted({*DAYS, *(length for length in range(1, rosters.LONGEST_TURN + 1) if str(length) == values["days"])})
    days = [(HALF, translate(language, "roster-turn-half")), *((str(one), translate(language, "roster-turn", days=one)) for one in lengths)]
    zones = dict.fromkeys((*ZONES, organisations.get(db, me.organisation_id).time_zone, values["time_zone"]))
    context: dict[str, Any] = {
        "row": row,
        "values": values,
        "tried": tried,
        "able": able,
        "lost": {place: names.person(UUID(place)) for place in places if place not in dict(able) and _is_id(place)},
        "places": [*places, *[""] * max(SPARE, min(len(able), 4) - len(places))],
        "days": days,
        "zones": [(zone, Clock(language, zone).zone_name()) for zone in zones if zone in organisations.ZONES],
        "roles": [(one, translate(language, f"roster-role-{one}")) for one in rosters.ROLES],
        "following": [(told(when, turn.begins), names.person(turn.first)) for turn in following or []],
        "instead": {name: text(instead, name) for name in ("person_id", "since", "until")},
    }
    if row:
        context |= {
            "title": title(language, row.role, row.specialty),
            "section": section(book, row, language, names),
            "earlier": [
                (told(when, one.since), names.person(one.recorded_by), _order(names, one)) for one in rosters.history(db, me, row.id)
            ],
        }
    return render(request, "hospital/roster_edit.html", status=tried.status, **context)


def _is_id(told: str) -> bool:
    try:
        UUID(told)
    except ValueError:
        return False
    return True


def _order(names: Names, version: RosterVersion) -> list[str]:
    return [names.person(UUID(person)) for person in version.people]
