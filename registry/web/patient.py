"""Who the patient of a case is and how urgent the case is, put right by the hospital that treats it; one person who became two."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from auth import policy, rules
from core.actor import Actor
from core.db import Tx
from core.errors import Invalid, NotFound, PreconditionFailed
from registry import board, cases, merges, patients
from registry.cases import Case, Filter
from registry.patients import Found
from registry.web.case import banner
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, day, number, text, uuid
from registry.web.pages import render, see

router = APIRouter(include_in_schema=False)
FIELDS = ("name", "sex", "birth_date", "record_number", "national_id", "phone")
ASKED = ("number", "name", "birth_date", "other", "keep", "reason", "subject")


@router.get("/cases/{case_id}/patient")
def ask(request: Request, db: Db, me: Me, case_id: UUID) -> Response:
    """The identity as it stands, to be corrected."""
    return _page(request, db, me, case_id, Attempt())


@router.post("/cases/{case_id}/patient")
def amend(request: Request, db: Db, me: Me, form: Sent, case_id: UUID) -> Response:
    """Correct the identity as a whole; refused where somebody else has done so meanwhile."""
    case = cases.reach(db, me, case_id, "case:write")
    values = {name: text(form, name) for name in FIELDS}
    with attempt(db) as tried:
        _same(case, text(form, "subject"))
        patients.amend(
            db,
            me,
            case.patient_id,
            version=number(form, "version") or 0,
            name=values["name"],
            sex=values["sex"] or "unknown",
            birth_date=day(form, "birth_date"),
            national_id=values["national_id"],
            record_number=values["record_number"],
            phone=values["phone"],
        )
    return see(f"/cases/{case_id}") if tried else _page(request, db, me, case_id, tried, values)


@router.get("/cases/{case_id}/patient/merge")
def ask_merge(request: Request, db: Db, me: Me, case_id: UUID) -> Response:
    """Who may be the same person as the patient of this case, and a search by exact identifier."""
    return _merging(request, db, me, case_id, Attempt(), dict.fromkeys(ASKED, ""))


@router.post("/cases/{case_id}/patient/merge")
def merge(request: Request, db: Db, me: Me, form: Sent, case_id: UUID) -> Response:
    """Look for somebody, hold two patients side by side, or (``go``) merge them."""
    case = cases.reach(db, me, case_id, "case:write")
    typed = {name: text(form, name) for name in ASKED}
    found: list[Found] = []
    with attempt(db) as tried:
        if text(form, "go"):
            _merge(db, me, case, uuid(form, "other"), typed)
        elif not typed["other"]:
            born = day(form, "birth_date")
            found = patients.find(db, me, number=typed["number"], name=typed["name"], birth_date=born, purpose="treatment")
    if tried and text(form, "go"):
        return see(f"/cases/{case_id}/patient")
    return _merging(request, db, me, case_id, tried, typed, found)


@router.post("/cases/{case_id}/patient/merges/{merge_id}/undo")
def undo(request: Request, db: Db, me: Me, form: Sent, case_id: UUID, merge_id: UUID) -> Response:
    """Take a merge of the patient of this case back."""
    case = cases.reach(db, me, case_id, "case:write")
    with attempt(db) as tried:
        if merge_id not in {told.merge.id for told in merges.of_patient(db, me, case.patient_id)}:
            raise NotFound("merge-not-found")
        merges.undo(db, me, merge_id, reason=text(form, "reason"))
    return see(f"/cases/{case_id}/patient") if tried else _page(request, db, me, case_id, tried)


@router.post("/cases/{case_id}/urgency")
def urgency(request: Request, db: Db, me: Me, form: Sent, case_id: UUID) -> Response:
    """Set the urgency, up or down; never below what this kind of case starts with."""
    with attempt(db) as tried:
        board.set_urgency(db, me, case_id, urgency=text(form, "urgency"), version=number(form, "version") or 0)
    return see(f"/cases/{case_id}") if tried else _page(request, db, me, case_id, tried)


def _page(request: Request, db: Tx, me: Actor, case_id: UUID, tried: Attempt, typed: dict[str, str] | None = None) -> Response:
    case = cases.reach(db, me, case_id, "case:write")
    policy.require_in_organisation(me, "patient:write")
    context: dict[str, Any] = banner(request, db, me, case)
    who = context["identity"]
    values = typed or {name: str(getattr(who, name) or "") for name in FIELDS}
    told: dict[str, Any] = {
        "values": values,
        "version": cases.patient_of(db, case).version,
        "tried": tried,
        "may_merge": (may_merge := bool(rules.roles_for(me, "own", "patient:merge"))),
        "merged": merges.of_patient(db, me, case.patient_id) if may_merge else [],
    }
    return render(request, "case/patient.html", status=tried.status, **told, **context)


def _same(case: Case, subject: str) -> None:
    """Refuse what was typed about another patient than the case has by now. Raises PreconditionFailed."""
    if subject != case.subject:
        raise PreconditionFailed("patient-changed-meanwhile")


def _merge(db: Tx, me: Actor, case: Case, other: UUID, typed: dict[str, str]) -> None:
    _same(case, typed["subject"])
    kept, merged = (other, case.patient_id) if typed["keep"] == "other" else (case.patient_id, other)
    if typed["keep"] not in ("this", "other"):
        raise Invalid("form-invalid", fields={"keep": "field-required"})
    merges.merge(db, me, kept_id=kept, merged_id=merged, reason=typed["reason"])


def _merging(
    request: Request, db: Tx, me: Actor, case_id: UUID, tried: Attempt, typed: dict[str, str], found: list[Found] | None = None
) -> Response:
    case = cases.reach(db, me, case_id, "case:write")
    policy.require_in_organisation(me, "patient:merge")
    context: dict[str, Any] = banner(request, db, me, case)
    this = context["identity"]
    sides: list[dict[str, Any]] = []
    if typed["other"]:
        other = _id(typed["other"])
        for keep, patient_id, who in (("this", case.patient_id, this), ("other", other, patients.identity(db, me, other))):
            sides.append({"keep": keep, "who": who, "cases": cases.list_(db, me, Filter(patient_id=patient_id)).cases})
    alike = patients.duplicates(
        db, me, name=this.name, birth_date=this.birth_date, national_id=this.national_id, record_number=this.record_number
    ) if not any(typed.values()) else []  # fmt: skip
    told: dict[str, Any] = {
        "alike": [one for one in alike if one.patient_id != case.patient_id],
        "found": [one for one in found or [] if one.patient_id != case.patient_id],
        "looked": any(typed.values()) and not sides,
        "sides": sides,
        "typed": typed,
        "tried": tried,
    }
    return render(request, "case/merge.html", status=tried.status, **told, **context)


def _id(told: str) -> UUID:
    try:
        return UUID(told)
    except ValueError:
        raise NotFound("patient-not-found") from None
