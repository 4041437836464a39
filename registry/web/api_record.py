"""The record as the JSON API gives it: one version of one document, and how a trainee's stands with a senior."""

import datetime as dt
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class ReviewOut(BaseModel):
    """Waiting, or who countersigned or returned it and when."""

    model_config = ConfigDict(from_attributes=True)

    state: str
    by_id: UUID | None
    at: dt.datetime | None


class EntryOut(BaseModel):
    """One version of one document; ``review`` is null where it needs no senior.

    All versions share ``chain_id``: by it another document names a severed part as its ``unit``.
    """

    id: UUID
    chain_id: UUID
    type: str
    schema_id: str
    version: int
    replaces_id: UUID | None
    author_id: UUID | None
    at: dt.datetime
    current: bool
    reason: str
    document: dict[str, Any]
    review: ReviewOut | None
