"""Adding pictures: the page with its progress per file, and what became of each in plain words.

The bytes go another way (``/files``, in pieces that survive a broken link). A file that names somebody
else waits here until a person has looked; nobody sees whom it names but who may know the patient.
"""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from auth import policy
from core.actor import Actor
from core.db import Tx
from imaging import filing, intake, uploads
from imaging.uploads import Upload
from registry import cases, matching
from registry.cases import Case
from registry.forms.amputation import SEVERED
from registry.web.assets import exists
from registry.web.case import banner
from registry.web.edge import Db, Me, database_of, short
from registry.web.forms import attempt
from registry.web.pages import render, see
from registry.web.translations import has, language_of, translate

router = APIRouter(include_in_schema=False)
SETTLED = frozenset({"filed", "duplicate", "held", "refused", "discarded"})
SHOWN = 60


@router.get("/cases/{case_id}/pictures")
def ask(request: Request, db: Db, me: Me, case_id: UUID) -> Response:
    """Choose or take pictures, and see what became of those sent before."""
    case = cases.get(db, me, case_id)
    told = _told(request, db, me, case)
    context: dict[str, Any] = {
        "told": told,
        "confirmable": filing.CONFIRMABLE,
        "limit": request.app.state.upload_limit,
        "severed": case.kind in SEVERED,
        "guided": case.state == "draft",
    }
    return render(request, "case/pictures.html", **context, **banner(request, db, me, case))


@router.get("/cases/{case_id}/uploads")
def listed(request: Request, db: Db, me: Me, case_id: UUID) -> Response:
    """What became of each file, for the page's script."""
    case = cases.get(db, me, case_id)
    return JSONResponse(
        {"uploads": [{key: told[key] for key in ("id", "state", "settled", "words")} for told in _told(request, db, me, case)]}
    )


@router.post("/cases/{case_id}/uploads/{upload_id}/confirm")
async def confirm(request: Request, case_id: UUID, upload_id: UUID) -> Response:
    """A person has looked: the held file is of this patient."""
    me = await short(request, lambda db, me: (cases.reach(db, me, case_id, "image:upload"), me)[1])
    state = request.app.state
    await run_in_threadpool(intake.confirm, database_of(request), state.pool, me, upload_id, expected=matching.expected)
    return see(f"/cases/{case_id}/pictures")


@router.post("/cases/{case_id}/uploads/{upload_id}/reject")
def reject(db: Db, me: Me, case_id: UUID, upload_id: UUID) -> Response:
    """The held file is not of this patient: let go of it."""
    cases.reach(db, me, case_id, "image:upload")
    with attempt(db):
        intake.reject(db, me, upload_id)
    return see(f"/cases/{case_id}/pictures")


@router.get("/cases/{case_id}/viewer")
def viewer(request: Request, db: Db, me: Me, case_id: UUID, instance: UUID | None = None) -> Response:
    """The shell the viewer fills."""
    case = cases.reach(db, me, case_id, "image:read")
    cases.seen(db, me, case)
    return render(request, "viewer.html", instance=instance, built=exists("viewer/viewer.js"), **banner(request, db, me, case))


def _told(request: Request, db: Tx, me: Actor, case: Case) -> list[dict[str, Any]]:
    language = language_of(request)
    found = uploads.for_case(db, me, case.id, case.organisation_id)[:SHOWN]
    may_identify = policy.allowed(db, me, "patient:identify", organisation_id=case.organisation_id, case_id=case.id)
    return [told(language, db, me, row, may_identify=may_identify) for row in found if row.state != "receiving"]


def told(language: str, db: Tx, me: Actor, row: Upload, *, may_identify: bool) -> dict[str, Any]:
    """A file that was sent and what became of it, in plain words."""
    key = f"upload-{row.state}"
    reason = f"image-{row.reason}" if row.reason else ""
    why = translate(language, reason) if reason and has(language, reason) else ""
    named = uploads.identity(db, me, row) if row.state == "held" and may_identify else {}
    return {
        "id": str(row.id),
        "name": uploads.name(db, row),
        "state": row.state,
        "settled": row.state in SETTLED,
        "reason": row.reason,
        "words": " ".join(part for part in (translate(language, key), why) if part),
        "named": ", ".join(str(value) for value in _flat(named)),
        "at": row.created_at,
        "by": row.person_id,
    }


def _flat(named: dict[str, Any]) -> list[str]:
    """Whom a file names, as one line."""
    found: list[str] = []
    for value in named.values():
        found += [str(one) for one in value] if isinstance(value, list) else [str(value)]
    return [one for one in found if one and one != "None"]
