"""An emergency on one page: who, what, when, the part, the question and whom; pictures follow once it is out."""

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
from registry import patients, urgent
from registry.forms import shown
from registry.forms.amputation import Amputation
from registry.forms.injury import Injury
from registry.patients import Found
from registry.urgent import Person, Question, Told
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, day, raw, text
from registry.web.pages import render, see
from registry.web.referral import chosen, whom
from registry.web.translations import language_of

router = APIRouter(include_in_schema=False)
SPECIALTY = "hand_surgery"
PERSON = ("name", "sex", "birth_date", "record_number")
ASKED = ("kind", "question", "to_organisation_id", "giver", "without_consent", "without_agreement", "agreed", "client_key")
UNIT = ("part", "completeness")
NOTHING = FormData()


@router.get("/cases/urgent")
def ask(request: Request, db: Db, me: Me) -> Response:
    """The empty form."""
    return _page(request, db, me, NOTHING, Attempt())


@router.post("/cases/urgent")
def send(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Send it; what is wrong, or who looks known, is shown with everything that was typed."""
    policy.require_in_organisation(me, "case:create")
    with attempt(db) as tried:
        case = urgent.send(db, me, _told(form), client_key=text(form, "client_key", 64) or None)
    return see(f"/cases/{case.id}/pictures") if tried else _page(request, db, me, form, tried)


def _told(form: FormData) -> Told:
    hospital, expert = chosen(form)
    return Told(
        kind=text(form, "kind"),
        person=Person(
            patient_id=_patient(form),
            name=text(form, "name"),
            sex=text(form, "sex"),
            birth_date=day(form, "birth_date"),
            record_number=text(form, "record_number"),
            another=text(form, "patient") == "other",
        ),
        question=Question(
            text=text(form, "question"),
            to_organisation_id=hospital,
            expert_id=expert,
            agreed=bool(text(form, "agreed")),
            giver=text(form, "giver") or "patient",
            without_consent=text(form, "without_consent"),
            without_agreement=text(form, "without_agreement"),
            specialty=SPECIALTY,
        ),
        injury=raw(Injury, form),
        unit=raw(Amputation, form),
    )


def _patient(form: FormData) -> UUID | None:
    told = text(form, "patient")
    try:
        return UUID(told) if told and told != "other" else None
    except ValueError:
        raise Invalid("form-invalid", fields={"patient": "field-code-unknown"}) from None


def _page(request: Request, db: Tx, me: Actor, form: FormData, tried: Attempt) -> Response:
    policy.require_in_organisation(me, "case:create")
    values = {name: text(form, name) for name in (*PERSON, *ASKED)}
    there = whom(db, me, language_of(request), SPECIALTY)
    values |= {"client_key": values["client_key"] or str(ids.new()), "giver": values["giver"] or "patient"}
    values["to_organisation_id"] = values["to_organisation_id"] or _only(there)
    # nothing was typed yet: a list stands at its honest default
    injury, unit = (
        shown.describe(model, raw(model, form) if form else None, zone=me.time_zone, errors=tried.errors) for model in (Injury, Amputation)
    )
    known: list[Found] = []
    if tried.code == "patient-looks-known" or text(form, "patient"):
        with attempt(db):  # what was typed may be no date
            known = patients.duplicates(
                db, me, name=values["name"], birth_date=day(form, "birth_date"), national_id="", record_number=values["record_number"]
            )
    context: dict[str, Any] = {
        **there,
        "values": values,
        "tried": tried,
        "injury": injury,
        "unit": [unit.field(name) for name in UNIT],
        "known": known,
        "chosen": text(form, "patient"),
        "mistyped": False,
    }
    return render(request, "case/urgent.html", status=tried.status, **context)


def _only(there: dict[str, Any]) -> str:
    """The one hospital that may be asked, or of several the one where somebody is on duty, straight to them; else there is a choice to make."""
    standing = [hospital for hospital, _, stands in there["hospitals"] if stands]
    able = standing if len(standing) == 1 else [hospital for hospital in standing if hospital in there["on_duty"]]
    if len(able) != 1:
        return ""
    duty = there["on_duty"].get(able[0])
    return f"{able[0]}:{duty.people[0].person_id}" if duty else str(able[0])
