"""Merges: two patients of one hospital who turn out to be one person, and the way back.

The cases of one move under the other; nothing is copied, sealed anew or taken away. Either keeps its own identity,
key, indexes and log, and whoever looks for the one that was merged finds the one that is kept. Undoing moves back
exactly the cases that came, and leaves what was done meanwhile where it was done (docs/adr/0008).

May merge and undo: whoever holds ``patient:merge`` and may write in every case of both patients. Hiding a case behind a
restriction is no way around: with one out of reach nothing is merged.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ForeignKey, Index, select, text
from sqlalchemy.orm import Mapped, mapped_column

from auth import policy
from core import audit, ids, jobs
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Invalid, NotFound
from core.tables import Base, IdColumn
from registry import audience, cases, notices, patients
from registry.cases import Case
from registry.identities import Identity
from registry.patients import Patient

REASON_LIMIT = 1000
_OPEN = text("undone_at IS NULL")


class Merge(Base):
    """One merge: ``merged_id`` is kept under ``kept_id`` until it is undone.

    ``reason`` and ``undone_reason`` are sealed under the key of the patient who was merged. ``kept_version`` is the
    version of the other's identity at that time.
    """

    __tablename__ = "patient_merges"
    __table_args__ = (Index("uq_patient_merges_open", "merged_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),)

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    kept_id: Mapped[UUID] = mapped_column(ForeignKey("patients.id"), index=True)
    merged_id: Mapped[UUID] = mapped_column(ForeignKey("patients.id"))
    kept_version: Mapped[int]
    reason: Mapped[bytes]
    merged_at: Mapped[dt.datetime]
    merged_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    undone_reason: Mapped[bytes | None]
    undone_at: Mapped[dt.datetime | None]
    undone_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))


@dataclass(frozen=True, slots=True)
class Told:
    """A merge as it is shown, with what undoing it would do.

    ``back`` go back under ``merged``; ``stay`` were opened since, for the patient who is kept; ``amended``: that
    patient's identity was corrected since, which stays too. ``later``: another merge has to be undone first.
    """

    merge: Merge
    merged: Identity
    reason: str
    undone_reason: str
    back: tuple[Case, ...]
    stay: tuple[Case, ...]
    amended: bool
    later: bool


def merge(db: Tx, actor: Actor, *, kept_id: UUID, merged_id: UUID, reason: str) -> Merge:
    """Keep the cases of ``merged_id`` under ``kept_id`` from now on; whoever is at work on them is told.

    Raises NotFound for patients of another hospital, Invalid without a reason, Conflict ``merge-same-patient``,
    ``merge-merged-already`` for one who is kept under somebody already and ``merge-out-of-reach``.
    """
    policy.require_in_organisation(actor, "patient:merge")
    if kept_id == merged_id:
        raise Conflict("merge-same-patient")
    rows = _locked(db, actor, kept_id, merged_id)
    words = _words(reason)
    kept, merged = rows[kept_id], rows[merged_id]
    if kept.merged_into_id or merged.merged_into_id:
        raise Conflict("merge-merged-already")
    moving = [case for case in _within_reach(db, actor, kept, merged) if case.patient_id == merged.id]
    row = Merge(
        id=ids.new(),
        organisation_id=kept.organisation_id,
        kept_id=kept.id,
        merged_id=merged.id,
        kept_version=kept.version,
        merged_at=ids.now(),
        merged_by=actor.person_id,
    )
    row.reason = db.keyring.seal(db, patients.unit(merged), "merge", "patient_merges", row.id, 1, words)
    db.add(row)
    merged.merged_into_id = kept.id
    for case in moving:
        case.came_from_id = case.came_from_id or merged.id
        case.patient_id = kept.id
    _done(db, actor, row, "patient:merge", moving, "patient-merged", kept)
    return row


def undo(db: Tx, actor: Actor, merge_id: UUID, *, reason: str) -> Merge:
    """Take a merge back: the cases that came go back with all that was written in them, everything else stays.

    Raises NotFound, Invalid without a reason, Conflict ``merge-undone-already``, ``merge-later-first`` while the patient
    who is kept was merged in turn, and ``merge-out-of-reach``.
    """
    policy.require_in_organisation(actor, "patient:merge")
    row = db.get(Merge, merge_id)
    if row is None or row.organisation_id != actor.organisation_id:
        raise NotFound("merge-not-found")
    rows = _locked(db, actor, row.kept_id, row.merged_id)
    db.refresh(row, with_for_update=True)
    words = _words(reason)
    kept, merged = rows[row.kept_id], rows[row.merged_id]
    if row.undone_at is not None:
        raise Conflict("merge-undone-already")
    if kept.merged_into_id is not None:
        raise Conflict("merge-later-first")
    came = patients.family(db, merged.id)
    back = [case for case in _within_reach(db, actor, kept, merged) if case.came_from_id in came]
    merged.merged_into_id = None
    for case in back:
        case.patient_id = merged.id
        case.came_from_id = None if case.came_from_id == merged.id else case.came_from_id
    row.undone_at, row.undone_by = ids.now(), actor.person_id
    row.undone_reason = db.keyring.seal(db, patients.unit(merged), "merge", "patient_merges", row.id, 2, words)
    _done(db, actor, row, "patient:unmerge", back, "patient-unmerged", kept, merged)
    return row


def of_patient(db: Tx, actor: Actor, patient_id: UUID) -> list[Told]:
    """Who was merged into this patient, newest first, undone ones too; that their names are shown is recorded."""
    policy.require_in_organisation(actor, "patient:merge")
    patient = patients.get(db, actor, patient_id)
    rows = db.scalars(select(Merge).where(Merge.kept_id == patient.id).order_by(Merge.merged_at.desc(), Merge.id.desc()))
    return [_told(db, actor, patient, row) for row in rows]


def _told(db: Tx, actor: Actor, kept: Patient, row: Merge) -> Told:
    merged = patients.get(db, actor, row.merged_id)
    mine = select(Case).where(Case.patient_id == kept.id, cases.visible(actor)).order_by(Case.id)
    here = list(db.scalars(mine)) if row.undone_at is None else []
    came = patients.family(db, merged.id)

    def words(sealed: bytes | None, version: int) -> str:
        unit = patients.unit(merged)
        return db.keyring.unseal(db, unit, "merge", "patient_merges", row.id, version, sealed).decode() if sealed else ""

    return Told(
        merge=row,
        merged=patients.identity(db, actor, merged.id),
        reason=words(row.reason, 1),
        undone_reason=words(row.undone_reason, 2),
        back=tuple(case for case in here if case.came_from_id in came),
        stay=tuple(case for case in here if case.came_from_id is None and case.created_at > row.merged_at),
        amended=row.undone_at is None and kept.version != row.kept_version,
        later=kept.merged_into_id is not None,
    )


def _locked(db: Tx, actor: Actor, *patient_ids: UUID) -> dict[UUID, Patient]:
    """Both patients, of the actor's hospital, held until commit: in one order, so that two merges never wait for each other."""
    wanted = select(Patient).where(Patient.id.in_(patient_ids), Patient.organisation_id == actor.organisation_id).order_by(Patient.id)
    rows = {row.id: row for row in db.scalars(wanted.with_for_update().execution_options(populate_existing=True))}
    if len(rows) != len(patient_ids):
        raise NotFound("patient-not-found")
    return rows


def _within_reach(db: Tx, actor: Actor, *both: Patient) -> list[Case]:
    """Every case of both, held until commit. Raises Conflict ``merge-out-of-reach``."""
    theirs = select(Case).where(Case.patient_id.in_([patient.id for patient in both])).order_by(Case.id)
    found = list(db.scalars(theirs.with_for_update().execution_options(populate_existing=True)))
    if len(db.scalars(theirs.where(cases.visible(actor, "case:write"))).all()) != len(found):
        raise Conflict("merge-out-of-reach")
    return found


def _words(reason: str) -> bytes:
    if not reason.strip():
        raise Invalid("form-invalid", fields={"reason": "field-required"})
    if len(reason) > REASON_LIMIT:
        raise Invalid("form-invalid", fields={"reason": "field-too-long"})
    return reason.strip().encode()


def _done(db: Tx, actor: Actor, row: Merge, action: str, moved: list[Case], notice: str, *changed: Patient) -> None:
    audit.record(
        db,
        actor,
        action,
        organisation_id=row.organisation_id,
        patient_ids=(row.kept_id, row.merged_id),
        object_type="merge",
        object_id=row.id,
        detail={"cases": len(moved)},
    )
    for case in moved:
        cases.touch(case)
        db.flush()
        cases.note(db, actor, action, case, object_type="merge", object_id=row.id)
        notices.tell(db, audience.participants(db, case), notice, case, but=actor.person_id)
    db.flush()
    for patient in changed:
        jobs.enqueue(db, patients.AMENDED, {"patient_id": str(patient.id)}, organisation_id=row.organisation_id)
