"""Who the patient of a case is and how urgent the case is, put right by the hospital that treats it."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from auth import policy
from core.actor import Actor
from core.db import Tx
from registry import board, cases, patients
from registry.web.case import banner
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, day, number, text
from registry.web.pages import render, see

router = APIRouter(include_in_schema=False)
FIELDS = ("name", "sex", "birth_date", "record_number", "national_id", "phone")


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
    version = cases.patient_of(db, case).version
    return render(request, "case/patient.html", status=tried.status, values=values, version=version, tried=tried, **context)
