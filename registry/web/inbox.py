"""Files to sort: what reached the hospital without a case, and what became of it."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from imaging import attributes, studies, uploads
from registry.web.edge import Db, Me
from registry.web.pages import render
from registry.web.pictures import told
from registry.web.translations import language_of

router = APIRouter(include_in_schema=False)


@router.get("/inbox")
def listed(request: Request, db: Db, me: Me) -> Response:
    """Studies without a case, and files that are held."""
    language = language_of(request)
    lying = []
    for study in studies.inbox(db, me):
        header = studies.header(db, study)
        found = studies.instances_of(db, study)
        lying.append(
            {
                "study": study,
                "named": attributes.text(header, "PatientName") or "",
                "number": attributes.text(header, "PatientID") or "",
                "accession": attributes.text(header, "AccessionNumber") or "",
                "count": len(found),
            }
        )
    waiting = [
        told(language, db, me, row, may_identify=True) for row in uploads.in_inbox(db, me) if row.state in ("held", "refused", "received")
    ]
    context: dict[str, Any] = {"lying": lying, "waiting": waiting}
    return render(request, "inbox.html", **context)
