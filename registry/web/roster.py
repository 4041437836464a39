"""The duty rosters of one's own hospital: who is on duty now and to be called, the coming fortnight, and who is away."""

import datetime as dt
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from auth import people
from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Invalid
from registry import rosters
from registry.duty import Absence, Book, Cover, Duty, OnDuty, Roster
from registry.rotation import Stretch
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, moment, text
from registry.web.moments import Clock
from registry.web.pages import in_language, label, may, render, see
from registry.web.translations import language_of, translate
from registry.web.who import Names

router = APIRouter(include_in_schema=False)
FORTNIGHT = dt.timedelta(days=14)
NOTHING = FormData()


@dataclass(frozen=True, slots=True)
class Row:
    """A stretch of the calendar, up to where the next one begins; ``first`` is empty where nobody is able."""

    begins: str
    first: str
    backup: str
    covering: bool
    now: bool


@dataclass(frozen=True, slots=True)
class Section:
    """One roster as it is shown: times stand in the roster's own zone."""

    id: UUID
    title: str
    zone: str
    people: tuple[tuple[str, OnDuty], ...]
    covering: bool
    until: str
    next: str
    phone: str
    rows: tuple[Row, ...]
    gaps: tuple[tuple[str, str], ...]
    covers: tuple[tuple[Cover, str, str, str], ...]


@router.get("/hospital/roster")
def show(request: Request, db: Db, me: Me, at: str = "") -> Response:
    """Every roster of the hospital; with ``at`` also who was to be called at that time."""
    return _page(request, db, me, Attempt(), at=at)


@router.post("/hospital/roster/absences")
def absent(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Enter that somebody is away."""
    when = Clock(language_of(request), me.time_zone)
    with attempt(db) as tried:
        until = moment(form, "until", when)
        if until is None:
            raise Invalid("form-invalid", fields={"until": "field-required"})
        rosters.absent(db, me, person_id=chosen(form), since=moment(form, "since", when), until=until, reason=text(form, "reason"))
    return see("/hospital/roster#away") if tried else _page(request, db, me, tried, form)


@router.post("/hospital/roster/absences/{absence_id}/end")
def back(request: Request, db: Db, me: Me, absence_id: UUID) -> Response:
    """They are back, or will not be away after all."""
    with attempt(db) as tried:
        rosters.end_absence(db, me, absence_id)
    return see("/hospital/roster#away") if tried else _page(request, db, me, tried)


def title(language: str, role: str, specialty: str) -> str:
    """What a duty is called: an expert's specialty, else the role."""
    return label(language, "specialty", specialty) if specialty else translate(language, f"roster-role-{role}")


def told(when: Clock, at: dt.datetime) -> str:
    """A handover as people speak of it: weekday, day and time, in the zone of ``when``."""
    local = when.local(at)
    named = {key: translate(when.language, f"{key}-{number}") for key, number in (("weekday", local.isoweekday()), ("month", local.month))}
    return translate(when.language, "roster-moment", day=str(local.day), time=local.strftime("%H:%M"), **named)


def chosen(form: FormData, name: str = "person_id") -> UUID:
    """A person picked from a list. Raises Invalid."""
    try:
        return UUID(text(form, name, 40))
    except ValueError:
        raise Invalid("form-invalid", fields={name: "field-required"}) from None


def section(book: Book, roster: Roster, language: str, names: Names) -> Section:
    """A roster ready to be shown."""
    duty, when = book.duty(roster), Clock(language, book.version(roster).time_zone)
    line = list(book.stretches(roster, book.at + FORTNIGHT))
    covers = book.covers.get(roster.id, ())
    names.know([*(person for stretch in line for person in stretch.people), *(cover.person_id for cover in covers)])
    return Section(
        id=roster.id,
        title=title(language, roster.role, roster.specialty),
        zone=when.zone_name(),
        people=tuple((names.person(one.person_id), one) for one in duty.people),
        covering=duty.covering,
        until=told(when, duty.people[0].until) if duty.people and duty.people[0].until else "",
        next=names.person(duty.next.person_id) if duty.next else "",
        phone=duty.phone,
        rows=tuple(_row(list(same), when, names, book.at) for _, same in groupby(line, lambda stretch: (stretch.first, stretch.covering))),
        gaps=tuple((told(when, gap.begins), told(when, gap.ends)) for gap in line if not gap.people),
        covers=tuple((cover, names.person(cover.person_id), told(when, cover.since), told(when, cover.until)) for cover in covers),
    )


def on_duty_lines(db: Tx, me: Actor, language: str) -> dict[str, Any]:
    """What the work list says: the duties that are this person's now, and for who keeps the rosters those with gaps."""
    when = Clock(language, me.time_zone)
    mine = [(title(language, one.role, one.specialty), _until(one, when)) for one in rosters.own(db, me)]
    if not may(me, "roster:manage"):
        return {"duties": mine, "gaps": []}
    book = rosters.whole(db, me)
    gaps = [title(language, row.role, row.specialty) for row in book.rosters if book.gaps(row, book.at + FORTNIGHT)]
    return {"duties": mine, "gaps": gaps}


def _until(duty: Duty, when: Clock) -> str:
    return when.exact(duty.people[0].until) if duty.people[0].until else ""


def _row(same: list[Stretch], when: Clock, names: Names, now: dt.datetime) -> Row:
    """Neighbouring stretches with one person on duty, though the backup may change between them."""
    first, begins = same[0].first, same[0].begins
    backups = dict.fromkeys(person for stretch in same for person in stretch.people[1:2])
    backup = translate(when.language, "list-then").join(names.person(person) for person in backups)
    return Row(told(when, begins), names.person(first) if first else "", backup, same[0].covering, begins == now)


def _page(request: Request, db: Tx, me: Actor, tried: Attempt, sent: FormData = NOTHING, at: str = "") -> Response:
    language = language_of(request)
    names, book, when = Names(db, language), rosters.whole(db, me), Clock(language, me.time_zone)
    keeps = may(me, "roster:manage")
    given = {name: text(sent, name) for name in ("person_id", "since", "until", "reason")}
    if not sent:
        given |= {"person_id": str(me.person_id), "since": when.field(ids.now())}
    context: dict[str, Any] = {
        "sections": [section(book, roster, language, names) for roster in book.rosters],
        "keeps": keeps,
        "away": [_away(me, row, when, names) for row in book.absences],
        "members": [(str(person.id), in_language(language, person)) for person in people.members(db, me.organisation_id)] if keeps else [],
        "sent": given,
        "tried": tried,
        **_then(db, me, at, when, names),
    }
    return render(request, "hospital/roster.html", status=tried.status, **context)


def _then(db: Tx, me: Actor, at: str, when: Clock, names: Names) -> dict[str, Any]:
    """Who was to be called at a time that somebody asked about, duty by duty."""
    try:
        asked = when.parse(at) if at else None
    except ValueError:
        return {"at": at, "then": [], "then_at": "", "at_wrong": {"at": "field-not-a-time"}}
    if asked is None:
        return {"at": "", "then": [], "then_at": "", "at_wrong": {}}
    if asked > ids.now() + rosters.LONGEST_SPAN:
        return {"at": at, "then": [], "then_at": "", "at_wrong": {"at": "roster-too-long"}}
    book = rosters.whole(db, me, asked)
    duties = [book.duty(row) for row in book.rosters]
    found = [(title(when.language, one.role, one.specialty), [names.person(person.person_id) for person in one.people]) for one in duties]
    return {"at": at, "then": found, "then_at": when.exact(asked), "at_wrong": {}}


def _away(me: Actor, row: Absence, when: Clock, names: Names) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": names.person(row.person_id),
        "since": told(when, row.since),
        "until": told(when, row.until),
        "reason": label(when.language, "absence_reason", row.reason) if rosters.shows_reason(me, row) else "",
        "begun": row.since <= ids.now(),
        "mine": row.person_id == me.person_id,
    }
