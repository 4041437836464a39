"""The JSON API of patients: who somebody is, and one person who became two."""

import datetime as dt
from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from registry import merges, patients
from registry.identities import Identity
from registry.web.api_models import Given, ReasonIn, Shown
from registry.web.edge import Db, Me

router = APIRouter(prefix="/api/v1", tags=["patients"])


class PatientIn(Given):
    """A new patient of one's own hospital."""

    name: str = Field(min_length=1, max_length=100)
    sex: Literal["male", "female", "other", "unknown"] = "unknown"
    birth_date: dt.date | None = None
    national_id: str | None = None
    record_number: str | None = None
    phone: str | None = None
    despite_duplicates: bool = False


class PatientOut(Shown):
    """A patient of one's own hospital."""

    id: UUID
    name: str
    sex: str
    birth_date: dt.date | None
    national_id: str | None
    record_number: str | None
    phone: str | None


class MergeIn(Given):
    """The patient who is one person with the one addressed, and how that is known."""

    merged_id: UUID
    reason: str = Field(min_length=1, max_length=1000)


class MergeOut(Shown):
    """A merge of two patients of one's own hospital; ``undone_at`` null: it stands."""

    id: UUID
    kept_id: UUID
    merged_id: UUID
    merged_at: dt.datetime
    merged_by: UUID | None
    undone_at: dt.datetime | None
    undone_by: UUID | None


@router.post("/patients", status_code=201)
def create_patient(db: Db, me: Me, given: PatientIn) -> PatientOut:
    """A new patient of one's own hospital; 409 ``patient-looks-known`` when somebody like that is there."""
    row = patients.create(db, me, **given.model_dump())
    return _patient(row.id, patients.unsealed(db, row))


@router.get("/patients/{patient_id}")
def patient(db: Db, me: Me, patient_id: UUID) -> PatientOut:
    """Who a patient of one's own hospital is; recorded."""
    return _patient(patient_id, patients.identity(db, me, patient_id))


@router.get("/patients/{patient_id}/merges")
def list_merges(db: Db, me: Me, patient_id: UUID) -> list[MergeOut]:
    """Who was merged into this patient, newest first, undone ones too."""
    return [MergeOut.model_validate(told.merge) for told in merges.of_patient(db, me, patient_id)]


@router.post("/patients/{patient_id}/merges", status_code=201)
def merge_patients(db: Db, me: Me, patient_id: UUID, given: MergeIn) -> MergeOut:
    """Keep the cases of another patient under this one; 409 ``merge-out-of-reach`` unless one may write in every case of both."""
    return MergeOut.model_validate(merges.merge(db, me, kept_id=patient_id, merged_id=given.merged_id, reason=given.reason))


@router.post("/merges/{merge_id}/undo")
def undo_merge(db: Db, me: Me, merge_id: UUID, given: ReasonIn) -> MergeOut:
    """Take a merge back: the cases that came go back with all that was written in them, everything else stays."""
    return MergeOut.model_validate(merges.undo(db, me, merge_id, reason=given.reason))


def _patient(patient_id: UUID, who: Identity) -> PatientOut:
    return PatientOut(id=patient_id, **who.model_dump())
