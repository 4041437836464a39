"""The JSON API of countersignatures: a trainee's opinion before a senior, and a trainee's entry.

Who presents, countersigns or hands over is a person at a session; a token reads.
"""

import datetime as dt
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from registry import entries, presentations, reviews
from registry.presentations import Presented
from registry.web.api_models import Given
from registry.web.api_record import ReviewOut
from registry.web.edge import Db, Me

router = APIRouter(prefix="/api/v1", tags=["countersignatures"])


class PresentIn(Given):
    """The senior who is to countersign; ``version`` is the draft's as it was read."""

    senior_id: UUID
    addendum_to: UUID | None = None
    version: int | None = None


class SeniorIn(Given):
    """Another senior."""

    senior_id: UUID


class ReturnIn(Given):
    """Why it is returned."""

    words: str


class PresentationOut(BaseModel):
    """A trainee's signed opinion, read back from its frozen bytes. ``lies_with`` is who is to act while it waits."""

    id: UUID
    author_id: UUID
    senior_id: UUID
    lies_with: UUID
    addendum_to: UUID | None
    state: str
    signed_at: dt.datetime
    decided_at: dt.datetime | None
    sha256: str
    content: dict[str, Any]
    words: str


@router.get("/cases/{case_id}/presentations")
def list_presentations(db: Db, me: Me, case_id: UUID) -> list[PresentationOut]:
    """What people in training of one's own hospital signed on a case, oldest first; recorded."""
    return [_presentation(item) for item in presentations.for_case(db, me, case_id)]


@router.post("/cases/{case_id}/opinion/present", status_code=201)
def present(db: Db, me: Me, case_id: UUID, given: PresentIn) -> PresentationOut:
    """Sign one's draft as somebody in training, for a senior to countersign; needs a step-up."""
    row = presentations.present(db, me, case_id, senior_id=given.senior_id, addendum_to=given.addendum_to, version=given.version)
    return _presentation(presentations.get(db, me, row.id))


@router.post("/presentations/{presentation_id}/countersign")
def countersign(db: Db, me: Me, presentation_id: UUID) -> PresentationOut:
    """Give a trainee's opinion with one's own signature; needs a step-up."""
    presentations.countersign(db, me, presentation_id)
    return _presentation(presentations.get(db, me, presentation_id))


@router.post("/presentations/{presentation_id}/return")
def give_back(db: Db, me: Me, presentation_id: UUID, given: ReturnIn) -> PresentationOut:
    """Return a trainee's opinion with words."""
    presentations.give_back(db, me, presentation_id, words=given.words)
    return _presentation(presentations.get(db, me, presentation_id))


@router.post("/presentations/{presentation_id}/senior")
def hand_over(db: Db, me: Me, presentation_id: UUID, given: SeniorIn) -> PresentationOut:
    """Ask another senior, as its author."""
    presentations.hand_over(db, me, presentation_id, senior_id=given.senior_id)
    return _presentation(presentations.get(db, me, presentation_id))


@router.post("/entries/{entry_id}/countersign")
def countersign_entry(db: Db, me: Me, entry_id: UUID) -> ReviewOut:
    """Countersign a trainee's version of an entry, as a senior of the same hospital."""
    reviews.countersign(db, me, entry_id)
    return ReviewOut.model_validate(entries.get(db, me, entry_id).review)


@router.post("/entries/{entry_id}/return")
def return_entry(db: Db, me: Me, entry_id: UUID, given: ReturnIn) -> ReviewOut:
    """Return a trainee's version of an entry with words."""
    reviews.give_back(db, me, entry_id, words=given.words)
    return ReviewOut.model_validate(entries.get(db, me, entry_id).review)


def _presentation(item: Presented) -> PresentationOut:
    row = item.presentation
    return PresentationOut(
        id=row.id,
        author_id=row.author_id,
        senior_id=row.senior_id,
        lies_with=item.lies_with,
        addendum_to=row.addendum_to,
        state=row.state,
        signed_at=row.signed_at,
        decided_at=row.decided_at,
        sha256=row.sha256,
        content=item.content,
        words=item.words,
    )
