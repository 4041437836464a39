"""The work list: what needs me, the most urgent first, with its clock. And the list of all cases."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from auth import restrictions
from core.actor import Actor
from core.db import Tx
from registry import cases, followups, patients, retention, worklist
from registry.cases import Case, Filter
from registry.states import CASE_STATES, URGENCIES
from registry.web import fracture_times, scales, titles
from registry.web.edge import Db, Me
from registry.web.forms import Sent, text
from registry.web.moments import Clock
from registry.web.pages import label, may, render, see
from registry.web.roster import on_duty_lines
from registry.web.scales import UnitClock
from registry.web.titles import Title
from registry.web.translations import language_of, translate
from registry.web.who import Names
from registry.worklist import Item

router = APIRouter(include_in_schema=False)
# what says so when it is overdue
LATE = ("answer", "acknowledge", "allocate", "countersign")


@dataclass(frozen=True, slots=True)
class Line:
    """One case on a list, ready to be shown."""

    href: str
    number: str
    urgency: str
    state: str
    title: Title
    hospital: str
    clocks: tuple[UnitClock, ...] = ()
    hours: tuple[fracture_times.Line, ...] = ()
    do: str = ""
    late: bool = False
    since: dt.datetime | None = None
    phones: tuple[tuple[str, str], ...] = ()
    unread: int = 0
    restricted: bool = False


@router.get("/")
def work(request: Request, db: Db, me: Me) -> Response:
    """What needs this person."""
    if not may(me, "case:read"):
        return see("/audit" if may(me, "audit:read") else "/hospital/people" if may(me, "people:manage") else "/account")
    found = worklist.items(db, me)
    show = _Shower(db, me, language_of(request), [item.case.id for item in (*found.needs, *found.waiting)])
    return render(
        request,
        "work.html",
        items=[show.needed(item) for item in found.needs],
        waiting=[show.awaited(item) for item in found.waiting],
        due=found.follow_ups_due,
        **on_duty_lines(db, me, language_of(request)),
    )


@router.get("/cases")
def all_cases(request: Request, db: Db, me: Me, state: str = "", urgency: str = "", after: UUID | None = None) -> Response:
    """Every case this person may read, newest first."""
    narrow = Filter(
        states=frozenset({state} & set(CASE_STATES)), urgency=urgency if urgency in URGENCIES else None, archived=state == "archived"
    )
    listing = cases.list_(db, me, narrow, after=after, limit=30)
    show = _Shower(db, me, language_of(request), [case.id for case in listing.cases])
    context: dict[str, Any] = {"state": state, "urgency": urgency, "after": listing.after, "sought": "", "first": after is None}
    if state == "archived":
        context["archive_after"] = retention.rule(db, me.organisation_id).archive_after_days
    return render(request, "cases.html", items=[show.line(case) for case in listing.cases], states=CASE_STATES, **context)


@router.post("/cases/search")
def search(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Cases by patient, in one's own hospital; what is sought never stands in an address."""
    sought = text(form, "q", 100)
    found = patients.search(db, me, sought)
    listed = [case for one in found for case in cases.list_(db, me, Filter(patient_id=one.patient_id)).cases]
    show = _Shower(db, me, language_of(request), [case.id for case in listed])
    context: dict[str, Any] = {"state": "", "urgency": "", "after": None, "sought": sought, "first": True}
    return render(request, "cases.html", items=[show.line(case) for case in listed], states=CASE_STATES, **context)


@router.get("/follow-ups")
def due(request: Request, db: Db, me: Me) -> Response:
    """The visits of this hospital that are due or overdue."""
    found, today = followups.due(db, me), Clock(me.language, me.time_zone)
    show = _Shower(db, me, language_of(request), [case.id for _, case in found])
    lines = []
    for visit, case in found:
        told = show.visit(visit.code, late=visit.standing(today.today()) == "overdue", on=today.date(visit.due_on))
        lines.append(show.line(case, urgency="routine", href=f"/cases/{case.id}/follow-up?visit={visit.id}", do=told))
    return render(request, "due.html", items=lines)


class _Shower:
    """Shows cases to one reader."""

    def __init__(self, db: Tx, me: Actor, language: str, case_ids: Iterable[UUID]) -> None:
        self.me, self.language = me, language
        self._restricted = restrictions.among(db, case_ids)
        self.when, self.names = Clock(language, me.time_zone), Names(db, language)

    def line(self, case: Case, *, href: str = "", **more: Any) -> Line:
        """A case on a list."""
        own = case.organisation_id == self.me.organisation_id
        hospital = "" if own else self.names.hospital(case.organisation_id)
        title, more["restricted"] = titles.of(case.summary, self.language), own and case.id in self._restricted
        return Line(href or f"/cases/{case.id}", case.number, more.pop("urgency", case.urgency), case.state, title, hospital, **more)

    def needed(self, item: Item) -> Line:
        """A case that needs this person."""
        key = f"work-do-{item.action}"
        if item.visit is not None:
            do = self.visit(item.visit.code, late=item.overdue, on=self.when.date(item.visit.due_on))
        else:
            do = translate(self.language, f"{key}-late" if item.overdue and item.action in LATE else key)
        return self._line(item, do)

    def awaited(self, item: Item) -> Line:
        """A case on which somebody else is waited for."""
        waiting = item.waiting
        hospital = self.names.hospital(waiting.organisation_id) if waiting else ""
        return self._line(item, translate(self.language, f"work-wait-{waiting.event if waiting else 'answer'}", hospital=hospital))

    def visit(self, code: str, *, late: bool, on: str) -> str:
        """What is said of a visit that is due."""
        return translate(self.language, "work-visit-late" if late else "work-visit", visit=label(self.language, "visit", code), on=on)

    def _line(self, item: Item, do: str) -> Line:
        clocks = tuple(scales.of(reading, self.when) for reading in item.glance.readings)
        hours = tuple(fracture_times.line(step, self.when) for step in item.glance.fracture)
        contacts = item.waiting.contacts if item.waiting else ()
        phones = tuple(
            (self.names.person(one.person_id), one.phone) for one in contacts if one.phone and one.person_id != self.me.person_id
        )
        if item.waiting and item.waiting.duty_phone and any(one.person_id != self.me.person_id for one in contacts):
            phones += ((translate(self.language, "roster-duty-phone"), item.waiting.duty_phone),)
        since = None if item.visit is not None else item.since
        return self.line(
            item.case,
            urgency=item.urgency,
            href=_href(item),
            clocks=clocks,
            hours=hours,
            do=do,
            late=item.overdue,
            since=since,
            phones=phones,
            unread=item.unread,
        )


def _href(item: Item) -> str:
    base = f"/cases/{item.case.id}"
    if item.presentation_id is not None:
        return f"{base}/presentations/{item.presentation_id}"
    match item.action:
        case "countersign-entry" | "correct-entry":
            return f"{base}/reviews/{item.entry_id}"
        case "answer":
            return f"{base}/opinion"
        case "allocate":
            return f"{base}/referrals/{item.referral_id}"
        case "join":
            return f"{base}/joint/{item.opinion_id}"
        case "decide":
            return f"{base}/decision?opinion={item.opinion_id}"
        case "follow-up":
            return f"{base}/follow-up?visit={item.visit.id}" if item.visit else base
        case "read-messages":
            return f"{base}#discussion"
        case _:
            return base
