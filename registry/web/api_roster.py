"""The JSON API of the duty rosters: who is to be called."""

import datetime as dt
from uuid import UUID

from fastapi import APIRouter

from registry import rosters
from registry.web.api_models import Shown
from registry.web.edge import Db, Me

router = APIRouter(prefix="/api/v1", tags=["roster"])


class OnDutyOut(Shown):
    """Somebody to be called; ``until`` is when another takes this place, null when nobody does as far as can be seen."""

    person_id: UUID
    name: str
    name_en: str
    title: str
    phone: str
    until: dt.datetime | None


class DutyOut(Shown):
    """A duty now: whom to call, the first first; ``phone`` is the duty's own."""

    roster_id: UUID
    organisation_id: UUID
    role: str
    specialty: str
    time_zone: str
    phone: str
    people: list[OnDutyOut]
    covering: bool
    next: OnDutyOut | None
    handover: dt.datetime | None


@router.get("/roster/duty")
def duty(db: Db, me: Me, role: str, specialty: str = "", organisation_id: UUID | None = None) -> DutyOut:
    """Who is on duty now, who is next and when; of another hospital than one's own no more than those two."""
    hospital = organisation_id or me.organisation_id
    return DutyOut.model_validate(rosters.ask(db, me, organisation_id=hospital, role=role, specialty=specialty))
