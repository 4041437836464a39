"""The one-minute follow-up: photographs, pain, motion, work, and whether the part lives (clinical reference §8)."""

import datetime as dt
from typing import Annotated, ClassVar

from registry.forms.fields import Document, Field
from registry.valuesets import NOT_ASSESSED


class FollowUp(Document):
    """One visit. Pain is the numeric rating scale 0–10; motion is the total active motion or a plain grade."""

    TYPE: ClassVar[str] = "follow-up"

    seen_on: Annotated[dt.date | None, Field("visit", "date", required=True, quick=True, past=True)] = None
    survival: Annotated[str, Field("outcome", "choice", values="survival", required=True, quick=True)] = NOT_ASSESSED
    pain: Annotated[float | None, Field("outcome", "integer", unit="NRS", quick=True, least=0, most=10, help=True)] = None
    motion: Annotated[str, Field("outcome", "choice", values="motion", quick=True)] = NOT_ASSESSED
    total_active_motion: Annotated[float | None, Field("outcome", "integer", unit="°", least=0, most=360, help=True)] = None
    work_status: Annotated[str, Field("outcome", "choice", values="work_status", quick=True)] = NOT_ASSESSED
    pictures: Annotated[list[str], Field("pictures", "pictures", quick=True)] = []
    note: Annotated[str, Field("note", "note", quick=True)] = ""
