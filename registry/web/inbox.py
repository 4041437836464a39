"""Files to sort: what reached the hospital without a case, and how it gets into one."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from auth import policy
from core.actor import Actor
from core.db import Tx
from core.errors import Invalid
from imaging import attributes, filing, inbox, intake, studies, uploads
from imaging.studies import Study
from registry import cases, matching, patients
from registry.web import titles
from registry.web.edge import Db, Me, database_of, short
from registry.web.forms import Attempt, Sent, attempt, text
from registry.web.pages import render, see
from registry.web.pictures import told
from registry.web.translations import language_of

router = APIRouter(include_in_schema=False)
WAITING = frozenset({"held", "refused", "received"})


@router.get("/inbox")
def listed(request: Request, db: Db, me: Me) -> Response:
    """Studies without a case, and files that are held."""
    return _page(request, db, me, Attempt())


@router.post("/inbox/{study_id}/file")
def file(request: Request, db: Db, me: Me, form: Sent, study_id: UUID) -> Response:
    """Put a study into a case; one that names somebody else asks first."""
    policy.require_in_organisation(me, "inbox:file")
    with attempt(db) as tried:
        case_id = _case(form.get("case_id"))
        cases.reach(db, me, case_id, "image:upload")
        expected = matching.expected(db, case_id)
        inbox.file_study(db, me, study_id, case_id=case_id, expected=expected, confirmed=bool(text(form, "confirmed")))
    if tried:
        return see(f"/cases/{case_id}#pictures")
    return _page(request, db, me, tried, asked=study_id, chosen=text(form, "case_id"))


@router.post("/inbox/uploads/{upload_id}/confirm")
async def confirm(request: Request, upload_id: UUID) -> Response:
    """A person has looked: the held file belongs to the study it names."""

    def check(db: Tx, me: Actor) -> Actor:
        inbox.check_held(db, me, upload_id)
        return me

    me = await short(request, check)
    await run_in_threadpool(intake.confirm, database_of(request), request.app.state.pool, me, upload_id)
    return see("/inbox")


@router.post("/inbox/uploads/{upload_id}/reject")
def reject(request: Request, db: Db, me: Me, upload_id: UUID) -> Response:
    """The held file belongs to nobody here: let go of it."""
    inbox.check_held(db, me, upload_id)
    with attempt(db) as tried:
        intake.reject(db, me, upload_id)
    return see("/inbox") if tried else _page(request, db, me, tried)


def _page(request: Request, db: Tx, me: Actor, tried: Attempt, asked: UUID | None = None, chosen: str = "") -> Response:
    language = language_of(request)
    lying = [_study(db, me, study) for study in studies.inbox(db, me)]
    waiting = [told(language, db, me, row, may_identify=True) for row in uploads.in_inbox(db, me) if row.state in WAITING]
    own = cases.list_(db, me, limit=100).cases if lying else []
    choices = [
        (str(row.id), f"{row.number} · {titles.of(row.summary, language).line}", row.patient_id) for row in own if row.state != "closed"
    ]
    context: dict[str, Any] = {
        "lying": lying,
        "waiting": waiting,
        "confirmable": filing.CONFIRMABLE,
        "choices": choices,
        "tried": tried,
        "asked": asked,
        "chosen": chosen,
    }
    return render(request, "inbox.html", status=tried.status, **context)


def _study(db: Tx, me: Actor, study: Study) -> dict[str, Any]:
    header = studies.header(db, study)
    number = attributes.text(header, "PatientID") or ""
    found = patients.find(db, me, number=number, purpose="treatment") if number else []
    return {
        "study": study,
        "named": attributes.text(header, "PatientName") or "",
        "number": number,
        "accession": attributes.text(header, "AccessionNumber") or "",
        "count": len(studies.instances_of(db, study)),
        "patients": {one.patient_id for one in found},
    }


def _case(given: object) -> UUID:
    try:
        return UUID(str(given))
    except ValueError:
        raise Invalid("form-invalid", fields={"case_id": "field-required"}) from None
