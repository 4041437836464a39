"""Cases: one injury episode of one patient, with its number, state, urgency and coded summary.

A case owns a key (``Unit("case", …)``) under which everything written in it is sealed. In the clear stand
only codes, whole years and coarse times. The state moves only through ``states.CASES``, a total table;
the urgency is only ever raised by rules, and lowered by a person with the right to refer.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, Index, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from auth import blinding, policy
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Invalid, NotFound, PreconditionFailed
from core.keyring import Unit
from core.tables import Base, Code, IdColumn
from registry import numbering, once, outgoing, patients, states, summaries, valuesets
from registry.identities import Identity
from registry.patients import Patient
from registry.states import URGENCIES
from registry.summaries import Summary


class Case(Base):
    """One injury episode.

    ``facts`` holds codes only (see ``Summary``). ``board`` is the sealed input of the ischaemia clocks,
    version ``board_version``. ``urgency_rank`` is the place in URGENCIES, kept for sorting.
    """

    __tablename__ = "cases"
    __table_args__ = (
        UniqueConstraint("organisation_id", "year", "sequence"),
        UniqueConstraint("created_by", "client_key"),
        Index(None, "organisation_id", "state", "urgency_rank", "id"),
        Index(None, "organisation_id", "id"),
        Index(None, "state"),
    )

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    patient_id: Mapped[UUID] = mapped_column(ForeignKey("patients.id"), index=True)
    came_from_id: Mapped[UUID | None] = mapped_column(ForeignKey("patients.id"), index=True)
    year: Mapped[int]
    sequence: Mapped[int]
    kind: Mapped[Code]
    state: Mapped[Code]
    urgency_rank: Mapped[int]
    facts: Mapped[dict[str, Any]]
    board: Mapped[bytes | None]
    board_version: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[dt.datetime]
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    client_key: Mapped[str | None]
    changed_at: Mapped[dt.datetime]
    treated_on: Mapped[dt.date | None]
    closed_at: Mapped[dt.datetime | None]
    archived_at: Mapped[dt.datetime | None]
    taken_out_at: Mapped[dt.datetime | None]
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}

    @property
    def number(self) -> str:
        """The case number as people say it: ``SH-2026-0147``, counted per hospital and year."""
        return f"SH-{self.year}-{self.sequence:04d}"

    @property
    def patient_ids(self) -> tuple[UUID, ...]:
        """The patient, and under whom the case was opened where a merge keeps it under another: whom the log names."""
        return (self.patient_id,) if self.came_from_id is None else (self.patient_id, self.came_from_id)

    @property
    def subject(self) -> str:
        """What stands for the patient of the case where a form says whom its writer saw; it names nobody."""
        return sha256(self.id.bytes + self.patient_id.bytes).hexdigest()[:32]

    @property
    def urgency(self) -> str:
        """``emergency``, ``urgent`` or ``routine``."""
        return URGENCIES[self.urgency_rank]

    @property
    def summary(self) -> Summary:
        """The coded pieces of the line that names the case."""
        return Summary.of(self.kind, self.facts)


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of cases; ``after`` starts the next one, None at the end."""

    cases: list[Case]
    after: UUID | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list is narrowed to; empty means everything."""

    states: frozenset[str] = field(default_factory=frozenset)
    urgency: str | None = None
    patient_id: UUID | None = None
    mine: bool = False
    archived: bool | None = None


# --- verbs ---------------------------------------------------------------------------------------------


def create(db: Tx, actor: Actor, *, patient_id: UUID, kind: str, urgency: str = "routine", client_key: str | None = None) -> Case:
    """Open a case for a patient of one's own hospital, or for the one under whom that patient is kept.

    It begins at the urgency its kind starts with at the least (a severed or devascularised part: emergency).
    ``client_key`` makes a repeated request give the first case back. Raises Invalid for unknown codes.
    """
    policy.require_in_organisation(actor, "case:create")
    patient = patients.get(db, actor, patient_id)
    once.lock(db, actor, "case", client_key)
    if client_key and (known := by_client_key(db, actor, client_key)):
        return known
    wrong = {}
    if kind not in valuesets.value_set("case_kind").codes:
        wrong["kind"] = "field-code-unknown"
    if urgency not in URGENCIES:
        wrong["urgency"] = "field-code-unknown"
    if wrong:
        raise Invalid("form-invalid", fields=wrong)
    now = ids.now()
    starts = valuesets.value_set("case_kind").option(kind).extra["starts"]
    patient = patients.settled(db, patient)
    who = patients.unsealed(db, patient)
    case = Case(
        id=ids.new(),
        organisation_id=actor.organisation_id,
        patient_id=patient.id,
        year=now.year,
        sequence=numbering.next_sequence(db, actor.organisation_id, now.year),
        kind=kind,
        state="draft",
        urgency_rank=max(URGENCIES.index(urgency), URGENCIES.index(starts)),
        facts=summaries.person_facts(who, now),
        created_at=now,
        created_by=actor.person_id,
        changed_at=now,
        client_key=client_key,
    )
    db.keyring.create(db, unit(case))
    db.add(case)
    db.flush()
    note(db, actor, "case:create", case, detail={"kind": kind, "urgency": case.urgency})
    return case


def get(db: Tx, actor: Actor, case_id: UUID) -> Case:
    """A case the actor may read; the reading is recorded. NotFound otherwise."""
    case = reach(db, actor, case_id, "case:read")
    seen(db, actor, case)
    return case


def identity(db: Tx, actor: Actor, case_id: UUID) -> Identity:
    """Who the patient of a case is: an act of its own, recorded each time for a remote expert.

    Raises NotFound when the case is not visible, Denied when the referral does not show identity.
    """
    case = reach(db, actor, case_id, "patient:identify")
    record = audit.view if actor.organisation_id == case.organisation_id else audit.record
    record(
        db,
        actor,
        "patient:identify",
        organisation_id=case.organisation_id,
        case_id=case.id,
        patient_ids=case.patient_ids,
        object_type="patient",
        object_id=case.patient_id,
    )
    return patients.unsealed(db, patient_of(db, case))


def list_(db: Tx, actor: Actor, narrow: Filter = Filter(), *, after: UUID | None = None, limit: int = 50) -> Listing:
    """Cases the actor may read, newest first, by pages of at most 100; one recorded event names the patients."""
    limit = max(1, min(limit, 100))
    rows = select(Case).where(visible(actor), *_narrowed(narrow, actor)).order_by(Case.id.desc()).limit(limit + 1)
    if after is not None:
        rows = rows.where(Case.id < after)
    found = list(db.scalars(rows))
    more = found[limit - 1].id if len(found) > limit else None
    found = found[:limit]
    seen_list(db, actor, found)
    return Listing(found, more)


def set_urgency(db: Tx, actor: Actor, case_id: UUID, *, urgency: str, version: int) -> Case:
    """A person sets the urgency, up or down; below what its kind starts with is refused (Conflict)."""
    case = reach(db, actor, case_id, "case:refer")
    hold(db, case)
    _fresh(case, version)
    if urgency not in URGENCIES:
        raise Invalid("form-invalid", fields={"urgency": "field-code-unknown"})
    starts = valuesets.value_set("case_kind").option(case.kind).extra["starts"]
    if URGENCIES.index(urgency) < URGENCIES.index(starts):
        raise Conflict("case-urgency-too-low")
    _urgency(db, actor, case, urgency, {"urgency": urgency})
    return case


def treat(db: Tx, actor: Actor, case_id: UUID, *, on: dt.date, version: int | None = None) -> Case:
    """Say on which day the part was operated on or the treatment given. Invalid for a day to come."""
    case = reach(db, actor, case_id, "case:write")
    hold(db, case)
    _fresh(case, version)
    if on > ids.now().date() + dt.timedelta(days=1):
        raise Invalid("form-invalid", fields={"treated_on": "field-in-the-future"})
    advance(db, actor, case, "treat")
    case.treated_on = on
    return case


def close(db: Tx, actor: Actor, case_id: UUID, *, version: int | None = None) -> Case:
    """Close a case for good. Conflict ``case-question-out`` while a question is out, and when it is closed already."""
    case = reach(db, actor, case_id, "case:close")
    hold(db, case)
    _fresh(case, version)
    if outgoing.still_out(db, case.id) is not None:
        raise Conflict("case-question-out")
    advance(db, actor, case, "close")
    case.closed_at = ids.now()
    return case


# --- for the other nouns -------------------------------------------------------------------------------


def unit(case: Case) -> Unit:
    """The key unit of a case."""
    return Unit("case", case.organisation_id, case.id)


def seal(db: Tx, case: Case, purpose: str, table: str, row_id: UUID, text: bytes, version: int = 1) -> bytes:
    """Seal bytes of a row under the key of its case."""
    return db.keyring.seal(db, unit(case), purpose, table, row_id, version, text)


def unseal(db: Tx, case: Case, purpose: str, table: str, row_id: UUID, sealed: bytes, version: int = 1) -> bytes:
    """The bytes of a row sealed under the key of its case. Raises Damaged."""
    return db.keyring.unseal(db, unit(case), purpose, table, row_id, version, sealed)


def reach(db: Tx, actor: Actor, case_id: UUID, action: str) -> Case:
    """The case when the actor may do ``action`` to it: NotFound when it is not visible, Denied when only that is missing."""
    case = db.get(Case, case_id)
    if case is None:
        raise NotFound("case-not-found")
    policy.require(db, actor, action, organisation_id=case.organisation_id, case_id=case.id)
    return case


def hold(db: Tx, case: Case) -> None:
    """Wait for whoever else is writing to the case, then go on from how it stands; for acts that change its state."""
    # refreshing drops what has not been flushed
    db.flush()
    db.refresh(case, with_for_update=True)


def visible(actor: Actor, action: str = "case:read") -> ColumnElement[bool]:
    """The SQL condition under which the actor may do ``action`` to a row of ``cases``."""
    return policy.predicate(actor, action, organisation_id=Case.organisation_id, case_id=Case.id)


def seen(db: Tx, actor: Actor, case: Case, action: str = "case:read", **more: Any) -> None:
    """Record that content of the case was read; joins an event of the last 15 minutes."""
    more = {"object_type": "case", "object_id": case.id, **more}
    audit.view(db, actor, action, organisation_id=case.organisation_id, case_id=case.id, patient_ids=case.patient_ids, **more)


def seen_list(db: Tx, actor: Actor, cases: Iterable[Case], action: str = "case:list") -> None:
    """Record one event per owning hospital that names the patients a list has shown, and one for those behind broken glass."""
    by_owner: dict[tuple[UUID, bool], set[UUID]] = {}
    for case in cases:
        by_owner.setdefault((case.organisation_id, case.id in actor.emergencies), set()).update(case.patient_ids)
    for (organisation_id, emergency), patient_ids in sorted(by_owner.items()):
        audit.record(
            db,
            actor,
            action,
            organisation_id=organisation_id,
            patient_ids=tuple(sorted(patient_ids)),
            object_type="case",
            purpose=audit.EMERGENCY if emergency else "treatment",
            detail={"shown": len(patient_ids)},
        )


def note(db: Tx, actor: Actor, action: str, case: Case, *, detail: Mapping[str, str | int | bool] | None = None, **more: Any) -> None:
    """Record an act on a case in its owner's log."""
    more = {"object_type": "case", "object_id": case.id, **more}
    audit.record(
        db,
        actor,
        action,
        organisation_id=case.organisation_id,
        case_id=case.id,
        patient_ids=case.patient_ids,
        detail=dict(detail or {}),
        **more,
    )


def numbers(db: Tx, organisation_id: UUID, case_ids: Iterable[UUID]) -> dict[UUID, str]:
    """The numbers of an organisation's own cases, beside what its log says of them."""
    rows = select(Case).where(Case.id.in_(list(case_ids)), Case.organisation_id == organisation_id)
    return {case.id: case.number for case in db.scalars(rows)}


def patient_of(db: Tx, case: Case) -> Patient:
    """The sealed patient row of a case the caller holds."""
    return db.get_one(Patient, case.patient_id)


def known_as(db: Tx, case: Case) -> list[Identity]:
    """Who the patient of a case the caller holds is, and who they were taken for before a merge."""
    return [patients.unsealed(db, db.get_one(Patient, patient_id)) for patient_id in case.patient_ids]


def advance(db: Tx, actor: Actor, case: Case, event: str) -> None:
    """Move the state by an event. Raises Conflict ``case-state-forbids`` where the table refuses."""
    after = states.CASES[case.state, event]
    if after is None:
        raise Conflict("case-state-forbids", state=case.state, event=event)
    before, case.state = case.state, after
    touch(case)
    note(db, actor, f"case:{event}", case, detail={"from": before, "to": after})


def can(case: Case, event: str) -> bool:
    """Whether the state lets the event happen."""
    return states.CASES[case.state, event] is not None


def raise_urgency(db: Tx, actor: Actor, case: Case, urgency: str, rule: str) -> bool:
    """A rule raises the urgency; it never lowers one. True when it changed; the rule is recorded."""
    if higher := URGENCIES.index(urgency) > case.urgency_rank:
        _urgency(db, actor, case, urgency, {"urgency": urgency, "rule": rule})
    return higher


def touch(case: Case) -> None:
    """Mark the case as changed now."""
    case.changed_at = ids.now()


# --- inside ----------------------------------------------------------------------------------------------


def _urgency(db: Tx, actor: Actor, case: Case, urgency: str, detail: dict[str, str | int | bool]) -> None:
    case.urgency_rank = URGENCIES.index(urgency)
    if urgency == "emergency":
        blinding.lift(db, actor, case.id, "emergency")
    touch(case)
    note(db, actor, "case:urgency", case, detail=detail)


def _fresh(case: Case, version: int | None) -> None:
    if version is not None and case.version != version:
        raise PreconditionFailed("case-changed-meanwhile")


def by_client_key(db: Tx, actor: Actor, client_key: str) -> Case | None:
    """The case the actor opened under this key before. Raises NotFound when it is not theirs to see any more."""
    opened = select(Case.id).where(Case.organisation_id == actor.organisation_id, Case.created_by == actor.person_id)
    case_id = db.scalar(opened.where(Case.client_key == client_key))
    return reach(db, actor, case_id, "case:read") if case_id is not None else None


def _narrowed(narrow: Filter, actor: Actor) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if narrow.states:
        conditions.append(Case.state.in_(narrow.states))
    if narrow.urgency:
        if narrow.urgency not in URGENCIES:
            raise Invalid("form-invalid", fields={"urgency": "field-code-unknown"})
        conditions.append(Case.urgency_rank == URGENCIES.index(narrow.urgency))
    if narrow.patient_id:
        conditions.append(Case.patient_id == narrow.patient_id)
    if narrow.archived is not None:
        conditions.append(Case.archived_at.is_not(None) if narrow.archived else Case.archived_at.is_(None))
    if narrow.mine:
        conditions.append(Case.created_by == actor.person_id)
    return conditions
