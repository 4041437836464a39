"""A new case: who it is, what it is. From here on everything is saved as it is typed.

Nothing is created twice (the form carries a key of its own), and a patient who looks known is shown
before another one is made.
"""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from auth import policy
from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Invalid
from registry import cases, names, once, patients
from registry.cases import Case
from registry.patients import Found
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, day, text
from registry.web.pages import render, see

router = APIRouter(include_in_schema=False)
FIELDS = ("name", "sex", "birth_date", "record_number", "national_id", "phone", "kind", "urgency", "client_key")


@router.get("/cases/new")
def ask(request: Request, db: Db, me: Me) -> Response:
    """The empty form."""
    policy.require_in_organisation(me, "case:create")
    values = dict.fromkeys(FIELDS, "") | {"client_key": str(ids.new())}
    return render(request, "case/new.html", values=values, errors={}, known=[], chosen="", mistyped=False, code=None)


@router.post("/cases/new")
def create(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Open the case, or show the form again with what is wrong or who looks known."""
    policy.require_in_organisation(me, "case:create")
    with attempt(db) as tried:
        case = _create(db, me, form)
    if tried:
        return see(f"/cases/{case.id}/entries/injury")
    return _again(request, db, me, form, tried)


@router.post("/cases/new/known")
def known(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Who looks known by what was typed so far: a part of the page, fetched while typing."""
    with attempt(db) as tried:
        found = _known(db, me, form)
    return render(request, "case/known.html", known=found if tried else [], **_choice(form))


def _create(db: Tx, me: Actor, form: FormData) -> Case:
    key = text(form, "client_key", 64) or None
    once.lock(db, me, "case", key)
    if key and (made := cases.by_client_key(db, me, key)):
        return made
    needed = ("kind",) if _chosen(form) else ("kind", "name", "sex")
    wrong = {field: "field-required" for field in needed if not text(form, field)}
    if wrong:
        raise Invalid("form-invalid", fields=wrong)
    return cases.create(
        db,
        me,
        patient_id=_patient(db, me, form),
        kind=text(form, "kind"),
        urgency=text(form, "urgency") or "routine",
        client_key=key,
    )


def _patient(db: Tx, me: Actor, form: FormData) -> UUID:
    if chosen := _chosen(form):
        try:
            return patients.get(db, me, UUID(chosen)).id
        except ValueError:
            raise Invalid("form-invalid", fields={"patient": "field-code-unknown"}) from None
    return patients.create(
        db,
        me,
        name=text(form, "name"),
        sex=text(form, "sex"),
        birth_date=day(form, "birth_date"),
        national_id=text(form, "national_id"),
        record_number=text(form, "record_number"),
        phone=text(form, "phone"),
        despite_duplicates=text(form, "patient") == "other",
    ).id


def _chosen(form: FormData) -> str:
    """The patient who was said to be meant, among those who look known."""
    told = text(form, "patient")
    return "" if told == "other" else told


def _choice(form: FormData) -> dict[str, Any]:
    return {"chosen": text(form, "patient"), "mistyped": names.mistyped(text(form, "national_id"))}


def _known(db: Tx, me: Actor, form: FormData) -> list[Found]:
    return patients.duplicates(
        db,
        me,
        name=text(form, "name"),
        birth_date=day(form, "birth_date"),
        national_id=text(form, "national_id"),
        record_number=text(form, "record_number"),
    )


def _again(request: Request, db: Tx, me: Actor, form: FormData, tried: Attempt) -> Response:
    values = {field: text(form, field) for field in FIELDS}
    warned = tried.code == "patient-looks-known"
    found: list[Found] = []
    if warned or text(form, "patient"):
        with attempt(db) as looked:  # what was typed may be no date
            found = _known(db, me, form)
        found = found if looked else []
    status = 409 if warned else 422
    return render(
        request, "case/new.html", status=status, values=values, errors=tried.errors, known=found, code=tried.code, **_choice(form)
    )
