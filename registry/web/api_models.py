"""What the JSON API takes and gives: the shapes of its OpenAPI document. Times are UTC; codes are the value sets'."""

import datetime as dt
import json
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Given(BaseModel):
    """What a client sends: an unknown name is a mistake, not silence."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _is_text(cls, given: Any) -> Any:
        """JSON can spell half of a surrogate pair, which no text holds."""
        json.dumps(given, ensure_ascii=False, default=str).encode()
        return given


class Shown(BaseModel):
    """What a client gets, read off a row."""

    model_config = ConfigDict(from_attributes=True)


class MeOut(Shown):
    """Who the token or session belongs to."""

    person_id: UUID
    organisation_id: UUID
    name: str
    roles: list[str]
    scopes: list[str] | None
    language: str
    time_zone: str


class UnitOut(Shown):
    """A severed unit in codes."""

    part: str
    side: str
    level: str
    tamai: str
    completeness: str


class SummaryOut(Shown):
    """What a case may be called without naming anybody."""

    kind: str
    sex: str
    age: int | None
    mechanism: str
    side: str
    regions: list[str]
    units: list[UnitOut]


class CaseOut(Shown):
    """A case."""

    id: UUID
    number: str
    organisation_id: UUID
    kind: str
    state: str
    urgency: str
    version: int
    created_at: dt.datetime
    changed_at: dt.datetime
    treated_on: dt.date | None
    closed_at: dt.datetime | None
    subject: str
    summary: SummaryOut


class ClockOut(BaseModel):
    """The ischaemia clocks of one severed unit, in minutes; warm and cold are never added."""

    part: str
    side: str
    warm_minutes: int | None
    cold_minutes: int | None
    running: Literal["warm", "cold", "stopped", "unknown"]
    next_mark_hours: float | None
    next_mark_at: dt.datetime | None
    problems: list[str]


class CaseFull(CaseOut):
    """A case with its clocks as they stand now."""

    clocks: list[ClockOut]


class CasePage(BaseModel):
    """One page of cases; ``after`` is the cursor of the next, null at the end."""

    cases: list[CaseOut]
    after: UUID | None


class CaseIn(Given):
    """A new case."""

    patient_id: UUID
    kind: str
    urgency: str = "routine"
    client_key: str | None = Field(default=None, max_length=64)


class EntryIn(Given):
    """A document of the record, flat as a form sends it: ``field``, ``field.zone``, ``field.precision``."""

    type: Literal[
        "injury", "amputation", "fracture", "wound", "structures", "mess", "operation", "replant", "flap", "complication", "transfer"
    ]
    fields: dict[str, str | list[str]]
    client_key: str | None = Field(default=None, max_length=64)


class CorrectionIn(Given):
    """A version that replaces an entry."""

    fields: dict[str, str | list[str]]
    reason: str
    client_key: str | None = Field(default=None, max_length=64)


class ReferralIn(Given):
    """A question to another hospital."""

    to_organisation_id: UUID
    question: str
    reason: str = ""
    specialty: str = "hand_surgery"
    rank: str = "any"
    expert_id: UUID | None = None
    sees_identity: bool = False
    independent: bool = False
    without_agreement: str = ""
    without_consent: str = ""
    client_key: str | None = Field(default=None, max_length=64)


class AllocateIn(Given):
    """The expert a question is given to."""

    expert_id: UUID


class DeclineIn(Given):
    """Why a question is declined: a code of ``decline_reason``, and words."""

    code: str
    reason: str = ""


class ReasonIn(Given):
    """Why."""

    reason: str = ""


class ReferralOut(Shown):
    """A question and where it has got to."""

    id: UUID
    case_id: UUID
    to_organisation_id: UUID
    state: str
    urgency: str
    specialty: str
    rank: str
    sees_identity: bool
    requested_by: UUID
    requested_at: dt.datetime
    expert_id: UUID | None
    allocated_at: dt.datetime | None
    acknowledged_at: dt.datetime | None
    answered_at: dt.datetime | None
    due_at: dt.datetime | None
    question: str = ""


class MessageIn(Given):
    """Something said in the discussion."""

    text: str
    people: list[UUID] = Field(default=[], max_length=20, description="Who is called by name")
    pictures: list[UUID] = Field(default=[], max_length=20, description="Instances of the case that are shown")
    client_key: str | None = Field(default=None, max_length=64)


class MessageOut(Shown):
    """Something said in the discussion."""

    id: UUID
    author_id: UUID
    author_organisation_id: UUID
    at: dt.datetime
    text: str
    mine: bool
    new: bool
    people: list[UUID]
    pictures: list[UUID]
    called: bool


class OpinionDraftIn(Given):
    """What an expert has written so far; ``version`` is the one it was read at."""

    fields: dict[str, str]
    version: int | None = None
    addendum_to: UUID | None = None


class OpinionDraftOut(BaseModel):
    """An expert's own draft."""

    fields: dict[str, str | list[str]]
    version: int
    saved_at: dt.datetime | None


class JoinedOut(BaseModel):
    """How an expert, whose opinion a joint one joins, stands to it; ``words`` is why they declined."""

    opinion_id: UUID
    person_id: UUID
    state: str
    decided_at: dt.datetime | None
    words: str


class OpinionOut(BaseModel):
    """A given opinion, read back from its frozen bytes; ``countersigned`` is the statement of a trainee's senior.

    ``joined`` is empty but for a joint opinion.
    """

    id: UUID
    author_id: UUID
    author_organisation_id: UUID
    signed_at: dt.datetime
    sha256: str
    content: dict[str, Any]
    countersigned: dict[str, Any] | None
    joined: list[JoinedOut]
    addenda: list["OpinionOut"]


class VerdictOut(Shown):
    """Whether a signed opinion is what was signed."""

    whole: bool
    hash_holds: bool
    signature_holds: bool
    countersignature_holds: bool | None
    joinings_hold: bool | None
    key_of_hospital: bool
    changed: list[str]
    sha256: str


class DecisionIn(Given):
    """What the treating hospital makes of an opinion."""

    opinion_id: UUID
    choice: Literal["accept", "modify", "reject"]
    reason: str = ""
    client_key: str | None = Field(default=None, max_length=64)


class DecisionOut(BaseModel):
    """A decision."""

    id: UUID
    opinion_id: UUID
    author_id: UUID
    at: dt.datetime
    choice: str
    reason: str


class PlanIn(Given):
    """The day of treatment, from which the visits follow."""

    treated_on: dt.date


class VisitIn(Given):
    """The record of a visit, flat as a form sends it."""

    fields: dict[str, str | list[str]]
    visit_id: UUID | None = None
    client_key: str | None = Field(default=None, max_length=64)


class CloseIn(Given):
    """The summary with which a case is closed (schema of ``closure``), flat as a form sends it."""

    fields: dict[str, str | list[str]]
    client_key: str | None = Field(default=None, max_length=64)


class VisitOut(BaseModel):
    """A planned or unplanned visit."""

    id: UUID | None
    code: str
    due_on: dt.date | None
    standing: str
    entry_id: UUID | None
    document: dict[str, Any] | None


class ConsentIn(Given):
    """One statement on one purpose."""

    purpose: Literal["treatment", "transfer", "teaching", "research"]
    statement: Literal["give", "refuse", "withdraw"]
    giver: str = "patient"
    note: str = ""


class ConsentOut(BaseModel):
    """How a consent stands."""

    purpose: str
    standing: str
    at: dt.datetime | None


class NoticeOut(Shown):
    """A notice: never a word about a patient."""

    id: UUID
    kind: str
    urgency: str
    at: dt.datetime
    read_at: dt.datetime | None
    case_id: UUID | None
    case_number: str | None


class EventOut(Shown):
    """One recorded act."""

    event_id: UUID
    at: dt.datetime
    person_id: UUID | None
    person_name: str
    organisation_id: UUID
    organisation_name: str
    roles: list[str]
    action: str
    purpose: str
    outcome: str
    case_id: UUID | None
    case_number: str | None
    object_type: str
    abroad: bool
    leaf_index: int | None


class ProofOut(BaseModel):
    """Whether the log of one's own hospital is whole."""

    whole: bool
    size: int
    covered: int
    covered_until: dt.datetime | None
    findings: list[dict[str, Any]]


class WorkOut(BaseModel):
    """One case that needs the caller."""

    case: CaseOut
    action: str
    since: dt.datetime
    due_at: dt.datetime | None
    overdue: bool
    unread: int
