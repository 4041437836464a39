"""The administrator's page: who saw this patient, what did this person see, and is the log whole.

Answers are sentences by day. The words for each act come from the catalogue (``audit-did-<act>``); an act
without a sentence of its own is shown by its name, so that nothing recorded is ever left out.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from auth import policy
from core import audit, checkpoints, verification
from core.actor import Actor
from core.db import Tx
from core.errors import Invalid
from registry import access, cases, patients
from registry.access import Access
from registry.web.case import banner
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, day, text
from registry.web.moments import Clock
from registry.web.pages import in_language, label, render
from registry.web.translations import has, language_of, translate

router = APIRouter(include_in_schema=False)
PLOT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Line:
    """One act as a sentence. ``person_id`` leads to what else that person did."""

    at: dt.datetime
    who: str
    did: str
    hospital: str
    failed: bool
    emergency: bool
    person_id: UUID | None


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of the plot; positions are percentages of its width, heights of its height."""

    at: float
    width: float
    height: float
    count: int
    day: str


@router.get("/audit")
def ask(request: Request, db: Db, me: Me) -> Response:
    """The two questions."""
    return _page(request, db, me)


@router.post("/audit/patient")
def find(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Find a patient by exact name and birth date, or by a number, and who saw them. Nothing of it stands in an address."""
    sought = {name: text(form, name, 100) for name in ("name", "birth_date", "number", "patient", "before")}
    found: list[patients.Found] = []
    with attempt(db) as tried:
        if sought["patient"]:
            before = _id(sought["before"]) if sought["before"] else None
            return _patient(request, db, me, _id(sought["patient"]), before=before)
        found = patients.find(db, me, name=sought["name"], birth_date=day(form, "birth_date"), number=sought["number"])
    if len(found) == 1:
        return _patient(request, db, me, found[0].patient_id, found[0])
    return _page(request, db, me, sought=sought, tried=tried, found=found)


@router.get("/audit/person/{person_id}")
def person(request: Request, db: Db, me: Me, person_id: UUID, before: UUID | None = None) -> Response:
    """What a person saw and did."""
    told = access.what_did_person(db, me, person_id, before=before)
    language = language_of(request)
    byline = next((one for one in access.visitors(db, me) if one.id == person_id), None)
    name = in_language(language, byline) if byline else translate(language, "who-unknown")
    heading = translate(language, "audit-of-person", name=name)
    return _answer(request, me, told, heading, before, more=f"/audit/person/{person_id}")


@router.get("/cases/{case_id}/access")
def case(request: Request, db: Db, me: Me, case_id: UUID, before: UUID | None = None) -> Response:
    """Who saw this case: for those who may refer it, and for auditors."""
    told = access.who_saw_case(db, me, case_id, before=before)
    if not policy.allowed(db, me, "case:read", organisation_id=me.organisation_id, case_id=case_id):
        return _answer(request, me, told, translate(language_of(request), "access-title"), before, more=f"/cases/{case_id}/access")
    context = _shown(request, me, told, before) | banner(request, db, me, cases.reach(db, me, case_id, "case:read"))
    return render(request, "case/access.html", more=_more(told, f"/cases/{case_id}/access"), **context)


@router.get("/audit/proof")
def prove(request: Request, db: Db, me: Me) -> Response:
    """Check the whole log against the checkpoints that are kept, and say it in plain words."""
    policy.require_in_organisation(me, "audit:verify")
    report = verification.verify(db, me.organisation_id, checkpoints.kept(request.app.state.checkpoints, me.organisation_id))
    audit.record(
        db,
        me,
        "audit:verify",
        organisation_id=me.organisation_id,
        object_type="log",
        purpose="audit",
        detail={"findings": len(report.findings)},
    )
    page = "audit/proof.html" if request.headers.get("hx-request") else "audit/proof_page.html"
    return render(request, page, report=report)


def _page(
    request: Request,
    db: Tx,
    me: Actor,
    *,
    sought: dict[str, str] | None = None,
    tried: Attempt | None = None,
    found: Sequence[patients.Found] = (),
) -> Response:
    language = language_of(request)
    people = [(str(one.id), in_language(language, one), one.organisation_id == me.organisation_id) for one in access.visitors(db, me)]
    sought = sought or dict.fromkeys(("name", "birth_date", "number"), "")
    tried = Attempt() if tried is None else tried
    context: dict[str, Any] = {"people": people, "sought": sought, "tried": tried, "found": found, "asked": any(sought.values())}
    return render(request, "audit/ask.html", status=tried.status, **context)


def _patient(
    request: Request, db: Tx, me: Actor, patient_id: UUID, found: patients.Found | None = None, *, before: UUID | None = None
) -> Response:
    told = access.who_saw_patient(db, me, patient_id, before=before)
    who = found.identity if found else patients.identity(db, me, patient_id, purpose="audit")
    heading = translate(language_of(request), "audit-of-patient", name=who.name)
    return _answer(request, me, told, heading, before, patient=patient_id)


def _answer(
    request: Request, me: Actor, told: list[Access], heading: str, before: UUID | None, *, more: str = "", patient: UUID | None = None
) -> Response:
    """The page of an answer. What leads to older acts is a link, or for a patient a form: no patient stands in an address."""
    context = _shown(request, me, told, before)
    return render(request, "audit/answer.html", heading=heading, more=_more(told, more), patient=patient, **context)


def _older(told: list[Access]) -> UUID | None:
    """The act after which the next page begins, while there may be one."""
    return told[-1].event_id if len(told) >= access.LIMIT else None


def _more(told: list[Access], path: str) -> str:
    """The address of the next page, while there may be one."""
    last = _older(told)
    return f"{path}?before={last}" if path and last else ""


def _shown(request: Request, me: Actor, told: list[Access], before: UUID | None) -> dict[str, Any]:
    when = Clock(language_of(request), me.time_zone)
    days: dict[str, list[Line]] = {}
    for one in told:
        days.setdefault(when.day(one.at), []).append(_line(one, when))
    people = {one.person_id for one in told if one.person_id}
    hospitals = {one.organisation_id for one in told}
    counts = {"total": len(told), "people_count": len(people), "hospital_count": len(hospitals)}
    return {"log": days, "plot": _plot(told, when), "older": _older(told), "later": before is not None, **counts}


def _line(one: Access, when: Clock) -> Line:
    language = when.language
    who = in_language(language, _Name(one.person_name, one.person_name_en)) or translate(language, "who-system")
    hospital = in_language(language, _Name(one.organisation_name, one.organisation_name_en))
    key = "audit-did-" + one.action.replace(":", "-")
    number = one.case_number or (translate(language, "audit-case-abroad") if one.case_id else "")
    purpose = one.detail.get("purpose")
    did = translate(
        language,
        key if has(language, key) else "audit-did-other",
        action=one.action,
        case=number,
        subject=in_language(language, _Name(one.subject, one.subject_en)) or translate(language, "audit-somebody"),
        count=one.patients,
        shown=one.detail.get("shown", one.patients),
        purpose=label(language, "consent_purpose", purpose) if isinstance(purpose, str) else "",
    )
    return Line(one.at, who, " ".join(did.split()), hospital, one.outcome != "success", one.purpose == audit.EMERGENCY, one.person_id)


@dataclass(frozen=True, slots=True)
class _Name:
    name: str
    name_en: str


def _plot(told: Iterable[Access], when: Clock) -> list[Bar]:
    """Accesses by day over the last thirty days."""
    today = when.today()
    counts = dict.fromkeys((today - dt.timedelta(days=ago) for ago in reversed(range(PLOT_DAYS))), 0)
    for one in told:
        on = when.local(one.at).date()
        if on in counts:
            counts[on] += 1
    most, width = max([*counts.values(), 1]), 100 / PLOT_DAYS
    return [
        Bar(round(place * width, 2), round(width * 0.7, 2), round(80 * count / most, 2), count, when.date(on))
        for place, (on, count) in enumerate(counts.items())
    ]


def _id(told: str) -> UUID:
    try:
        return UUID(told)
    except ValueError:
        raise Invalid("form-invalid", fields={"patient": "field-invalid"}) from None
