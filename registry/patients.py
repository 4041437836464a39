"""Patients: who somebody is, sealed under the patient's own key and found by keyed blind index.

Identity is readable in the patient's own hospital by those who may identify; a remote expert reaches it
only through a case (``cases.identity``). Exact search goes by blind index of name + birth date or of a
number, never by surname alone; search by part, pinyin or initials goes through the sealed directory of one's own
organisation (``directory``).
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ForeignKey, Index, select, text
from sqlalchemy.orm import Mapped, mapped_column

from auth import organisations, people, policy
from core import audit, ids, jobs
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict, Invalid, NotFound, PreconditionFailed
from core.keyring import Unit
from core.tables import Base, IdColumn
from registry import directory, identities, indexes, names
from registry.identities import Identity

_ = (organisations, people)  # their tables are named by foreign keys
_UNLISTED = text("shard_id IS NULL")

SEARCH_LIMIT = 20
BATCH = 200
AMENDED = "patient:amended"
"""The job by which cases learn of an amended identity: ``board.person_changed``."""


class Patient(Base):
    """A patient of one hospital; ``identity`` is sealed under the patient's key. One who was merged is kept under another.

    ``shard_id`` says where in the directory they stand; without one, nowhere yet.
    """

    __tablename__ = "patients"
    __table_args__ = (Index("ix_patients_unlisted", "organisation_id", "id", sqlite_where=_UNLISTED, postgresql_where=_UNLISTED),)

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    created_at: Mapped[dt.datetime]
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    version: Mapped[int] = mapped_column(default=1)
    identity: Mapped[bytes]
    merged_into_id: Mapped[UUID | None] = mapped_column(ForeignKey("patients.id"), index=True)
    shard_id: Mapped[UUID | None] = mapped_column(ForeignKey("patient_shards.id"))


@dataclass(frozen=True, slots=True)
class Found:
    """A patient that a search has shown, with all that matches: the codes of WHY, the weightiest first, or ``search``."""

    patient_id: UUID
    identity: Identity
    why: tuple[str, ...]


# --- verbs ---------------------------------------------------------------------------------------------


def create(
    db: Tx,
    actor: Actor,
    *,
    name: str,
    sex: str = "unknown",
    birth_date: dt.date | None = None,
    national_id: str | None = None,
    record_number: str | None = None,
    phone: str | None = None,
    despite_duplicates: bool = False,
) -> Patient:
    """A new patient of the actor's hospital.

    Raises Invalid (name missing, sex unknown to the value set, birth date in the future) and
    Conflict ``patient-looks-known`` when ``duplicates`` finds somebody, unless told to go on: that this is another
    person than each of those is then recorded.
    """
    policy.require_in_organisation(actor, "patient:write")
    identity = identities.checked(name, sex, birth_date, national_id, record_number, phone)
    known = _alike(db, actor.organisation_id, identity)
    if known and not despite_duplicates:
        raise Conflict("patient-looks-known", count=len(known))
    patient = Patient(
        id=ids.new(),
        organisation_id=actor.organisation_id,
        created_at=ids.now(),
        created_by=actor.person_id,
        version=1,
        identity=b"",
    )
    db.keyring.create(db, unit(patient))
    _seal(db, patient, identity)
    patient.shard_id = directory.put(db, patient.organisation_id, None, {patient.id: identity})
    db.add(patient)
    db.flush()
    indexes.write(db, patient.organisation_id, patient.id, identity)
    _record(db, actor, "patient:create", patient)
    if known:
        _record(db, actor, "patient:told-apart", patient, others=[found.patient_id for found in known])
    return patient


def amend(
    db: Tx,
    actor: Actor,
    patient_id: UUID,
    *,
    version: int,
    name: str,
    sex: str = "unknown",
    birth_date: dt.date | None = None,
    national_id: str | None = None,
    record_number: str | None = None,
    phone: str | None = None,
) -> Patient:
    """Correct the identity as a whole. Raises PreconditionFailed when somebody else wrote first, Invalid as ``create``.

    Conflict ``patient-merged-away`` for a patient who is kept under another.
    """
    policy.require_in_organisation(actor, "patient:write")
    patient = _own(db, actor, patient_id)
    db.refresh(patient, with_for_update=True)
    if patient.merged_into_id is not None:
        raise Conflict("patient-merged-away")
    if patient.version != version:
        raise PreconditionFailed("patient-changed-meanwhile")
    identity = identities.checked(name, sex, birth_date, national_id, record_number, phone)
    patient.version += 1
    _seal(db, patient, identity)
    indexes.write(db, patient.organisation_id, patient.id, identity)
    patient.shard_id = directory.put(db, patient.organisation_id, patient.shard_id, {patient.id: identity})
    jobs.enqueue(db, AMENDED, {"patient_id": str(patient.id)}, organisation_id=patient.organisation_id)
    _record(db, actor, "patient:amend", patient)
    return patient


def get(db: Tx, actor: Actor, patient_id: UUID) -> Patient:
    """The row of a patient of one's own hospital, still sealed. NotFound for any other."""
    if not policy.allowed(db, actor, "patient:identify", organisation_id=actor.organisation_id):
        raise NotFound("patient-not-found")
    return _own(db, actor, patient_id)


def identity(db: Tx, actor: Actor, patient_id: UUID, *, purpose: str = "treatment") -> Identity:
    """Who a patient of one's own hospital is; recorded. NotFound for a patient of another hospital."""
    patient = get(db, actor, patient_id)
    audit.view(
        db,
        actor,
        "patient:identify",
        organisation_id=patient.organisation_id,
        patient_ids=(patient.id,),
        object_type="patient",
        object_id=patient.id,
        purpose=purpose,
    )
    return unsealed(db, patient)


def duplicates(
    db: Tx,
    actor: Actor,
    *,
    name: str,
    birth_date: dt.date | None = None,
    national_id: str | None = None,
    record_number: str | None = None,
) -> list[Found]:
    """Patients of one's own hospital whom these details may already name: the warning at entry; recorded.

    The same number, the same name and birth date, or a name that sounds the same (any reading) with the
    same birth date. Nothing is found by a name alone.
    """
    policy.require_in_organisation(actor, "patient:write")
    sought = Identity(name=name, birth_date=birth_date, national_id=national_id or None, record_number=record_number or None)
    found = _alike(db, actor.organisation_id, sought)
    if found:
        _record_search(db, actor, found, "duplicates", "treatment")
    return found


def find(
    db: Tx,
    actor: Actor,
    *,
    name: str = "",
    birth_date: dt.date | None = None,
    number: str = "",
    purpose: str = "audit",
) -> list[Found]:
    """Exact search in one's own hospital, by name + birth date or by record number or national id; recorded.

    Raises Invalid ``search-needs-name-and-birth`` for a name alone.
    """
    policy.require_in_organisation(actor, "patient:search")
    patient_ids = exactly(db, actor.organisation_id, name=name, birth_date=birth_date, number=number)
    found = [Found(row.id, unsealed(db, row), ("search",)) for row in _rows(db, patient_ids)]
    _record_search(db, actor, found, "exact", purpose)
    return found


def search(db: Tx, actor: Actor, query: str, *, limit: int = SEARCH_LIMIT) -> list[Found]:
    """Search by part of the name, pinyin, initials or start of a number among the patients of one's own hospital.

    For clinicians of that hospital. It decrypts inside the organisation and is one recorded event that
    names the patients shown. Fewer than two letters of Latin script find nothing.
    """
    policy.require_in_organisation(actor, "patient:search")
    if not policy.allowed(db, actor, "case:read", organisation_id=actor.organisation_id):
        raise NotFound("patient-not-found")
    wanted = names.squeezed(query)
    if not wanted or (wanted.isascii() and len(wanted) < 2):
        return []
    # whoever is entered into the directory between the two is found by the first
    unlisted = ((row.id, unsealed(db, row)) for row in _unlisted(db, actor.organisation_id))
    fit = [patient_id.hex for patient_id, who in unlisted if names.matches(query, who.name, who.numbers)]
    fit += directory.matching(db, actor.organisation_id, query)
    shown = _now(db, sorted(fit, reverse=True), limit)
    rows = {row.id: row for row in _rows(db, shown)}
    found = [Found(patient_id, unsealed(db, rows[patient_id]), ("search",)) for patient_id in shown]
    _record_search(db, actor, found, "part", "treatment")
    return found


# --- for the other nouns: access was checked by the caller ------------------------------------------------


def unit(patient: Patient) -> Unit:
    """The key unit of a patient."""
    return Unit("patient", patient.organisation_id, patient.id)


def unsealed(db: Tx, patient: Patient) -> Identity:
    """The identity of a patient whose access the caller has checked and recorded. Raises Damaged."""
    plain = db.keyring.unseal(db, unit(patient), "identity", "patients", patient.id, patient.version, patient.identity)
    return Identity.model_validate_json(plain)


def exactly(db: Tx, organisation_id: UUID, *, name: str = "", birth_date: dt.date | None = None, number: str = "") -> set[UUID]:
    """The patients of a hospital named by exactly this, for a caller that has checked who asks and records it.

    Raises Invalid ``search-needs-name-and-birth`` for a name alone.
    """
    if not number and not (names.squeezed(name) and birth_date):
        raise Invalid("search-needs-name-and-birth")
    found: list[set[UUID]] = []
    if number:
        numbers = {"record-number": [names.squeezed(number)], "national-id": names.number_forms(number)}
        found.append(set().union(*(indexes.by_index(db, organisation_id, kind, values) for kind, values in numbers.items())))
    if names.squeezed(name) and birth_date:
        found.append(
            indexes.by_index(db, organisation_id, "name-birth", [f"{form}|{birth_date.isoformat()}" for form in names.forms(name)])
        )
    return set.intersection(*(set(kept(db, one).values()) for one in found))


def kept(db: Tx, patient_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """Under which patient each of these is kept now: itself, unless it was merged into another."""
    now = {patient_id: patient_id for patient_id in patient_ids}
    while True:
        merged = select(Patient.id, Patient.merged_into_id).where(Patient.id.in_(set(now.values())), Patient.merged_into_id.is_not(None))
        into = {one: other for one, other in db.execute(merged) if other is not None}
        if not into:
            return now
        now = {asked: into.get(found, found) for asked, found in now.items()}


def family(db: Tx, patient_id: UUID) -> set[UUID]:
    """The patient and everybody who is kept under them now."""
    found, newest = {patient_id}, {patient_id}
    while newest:
        newest = set(db.scalars(select(Patient.id).where(Patient.merged_into_id.in_(newest))))
        found |= newest
    return found


def settled(db: Tx, patient: Patient) -> Patient:
    """The patient under whom something new is filed: a merge under way is waited for, and none begins before this is done."""
    db.refresh(patient, with_for_update={"read": True})
    return patient if patient.merged_into_id is None else settled(db, db.get_one(Patient, patient.merged_into_id))


def fill(database: Database) -> None:
    """Enter whoever is in no directory yet: the patients who were there before it was."""
    unlisted = select(Patient).where(Patient.shard_id.is_(None)).order_by(Patient.id).limit(BATCH)
    while True:
        with database.begin() as db:
            one = db.scalar(select(Patient.organisation_id).where(Patient.shard_id.is_(None)).limit(1))
            rows = list(db.scalars(unlisted.where(Patient.organisation_id == one).with_for_update(skip_locked=True)))
            if not rows:
                return
            db.keyring.load(db, map(unit, rows))
            shard_id = directory.put(db, rows[0].organisation_id, None, {row.id: unsealed(db, row) for row in rows})
            for row in rows:
                row.shard_id = shard_id


# --- inside ----------------------------------------------------------------------------------------------


def _own(db: Tx, actor: Actor, patient_id: UUID) -> Patient:
    patient = db.get(Patient, patient_id)
    if patient is None or patient.organisation_id != actor.organisation_id:
        raise NotFound("patient-not-found")
    return patient


def _now(db: Tx, patient_ids: list[str], limit: int) -> list[UUID]:
    """Under whom the first of these are kept now, each once."""
    shown: dict[UUID, None] = {}
    for batch in ([*map(UUID, patient_ids[at : at + BATCH])] for at in range(0, len(patient_ids), BATCH)):
        now = kept(db, batch)
        shown |= dict.fromkeys(now[one] for one in batch)
        if len(shown) >= limit:
            break
    return list(shown)[:limit]


def _seal(db: Tx, patient: Patient, who: Identity) -> None:
    patient.identity = db.keyring.seal(
        db,
        unit(patient),
        "identity",
        "patients",
        patient.id,
        patient.version,
        who.model_dump_json().encode(),
    )


def _rows(db: Tx, patient_ids: Iterable[UUID]) -> list[Patient]:
    rows = list(db.scalars(select(Patient).where(Patient.id.in_(list(patient_ids))).order_by(Patient.id)))
    db.keyring.load(db, map(unit, rows))
    return rows


def _unlisted(db: Tx, organisation_id: UUID) -> Iterator[Patient]:
    """Every patient of a hospital who is not in its directory yet, without holding a cursor open while keys are fetched."""
    rows = select(Patient).where(Patient.organisation_id == organisation_id, Patient.shard_id.is_(None)).order_by(Patient.id).limit(BATCH)
    batch = list(db.scalars(rows))
    while batch:
        db.keyring.load(db, map(unit, batch))
        yield from batch
        batch = list(db.scalars(rows.where(Patient.id > batch[-1].id)))


WHY = {
    "national-id": "same-national-id",
    "record-number": "same-record-number",
    "name-birth": "same-name-birth",
    "sound-birth": "same-sound-birth",
}
"""What says that a patient may be known, by the index that finds it; the weightiest first."""


def _alike(db: Tx, organisation_id: UUID, sought: Identity) -> list[Found]:
    values = identities.index_values(sought, names.SOUGHT_LIMIT)
    why: dict[UUID, list[str]] = {}
    for kind, code in WHY.items():
        for patient_id in sorted(set(kept(db, indexes.by_index(db, organisation_id, kind, values.get(kind, []))).values())):
            why.setdefault(patient_id, []).append(code)
    # the same name sounds the same
    told = {
        patient_id: tuple(c for c in codes if c != "same-sound-birth" or "same-name-birth" not in codes)
        for patient_id, codes in why.items()
    }
    return [Found(row.id, unsealed(db, row), told[row.id]) for row in _rows(db, told)]


def _record(db: Tx, actor: Actor, action: str, patient: Patient, *, others: Iterable[UUID] = ()) -> None:
    audit.record(
        db,
        actor,
        action,
        organisation_id=patient.organisation_id,
        patient_ids=(patient.id, *others),
        object_type="patient",
        object_id=patient.id,
        detail={"version": patient.version},
    )


def _record_search(db: Tx, actor: Actor, found: list[Found], how: str, purpose: str) -> None:
    audit.record(
        db,
        actor,
        "patient:search",
        organisation_id=actor.organisation_id,
        patient_ids=tuple(item.patient_id for item in found),
        object_type="patient",
        purpose=purpose,
        detail={"how": how, "shown": len(found)},
    )
