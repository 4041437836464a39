"""Whether a person of one's own hospital is in training: the form on their page, for who manages people.

``shown`` gives the page of a person what ``hospital/training.html`` needs.
"""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from auth import training
from core.actor import Actor
from core.db import Tx
from registry.web.edge import Db, Me
from registry.web.forms import Sent, text
from registry.web.pages import see

router = APIRouter(include_in_schema=False)


@router.post("/hospital/people/{person_id}/training")
def change(request: Request, db: Db, me: Me, form: Sent, person_id: UUID) -> Response:
    """Begin it, or end it, which asks for a step-up."""
    (training.end if text(form, "act") == "end" else training.begin)(db, me, person_id)
    return see(f"/hospital/people/{person_id}#training")


def shown(db: Tx, me: Actor, person_id: UUID) -> dict[str, Any]:
    """What stands on the page of a person: their training, or None."""
    return {"training": training.current(db, me, person_id)}
