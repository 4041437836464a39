"""Filing: whether an examined file may stand beside what is there, and the rows it becomes.

    duplicate   the same bytes are there already
    held        the file names another patient, or its identifiers are taken by something else: a person decides
    filed       study, series and instance

One rule stands above all: what is there is never changed or hidden by what comes. A SOP Instance UID is unique
within an organisation; who meets it again with other bytes, in another case or of another patient waits.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, aliased

from core import audit, ids, jobs
from core.actor import Actor
from core.db import Tx
from core.keyring import WrappedKey
from imaging import patients, previews, studies, uploads
from imaging.bodies import Piece
from imaging.examined import Examined
from imaging.patients import Expected, Identity
from imaging.studies import Instance, Series, Study
from imaging.uploads import Upload

ARRIVED = "images:arrived"
"""The job that tells of new pictures in a case: what it says, and to whom, is the registry's."""
GATHERING = dt.timedelta(seconds=60)
ANOTHER_PATIENT, STUDY_OF_ANOTHER = "another-patient", "study-of-another-patient"
CONFIRMABLE = frozenset({ANOTHER_PATIENT, STUDY_OF_ANOTHER})
"""Why a file is held that a person may file all the same."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An examined file whose bytes are stored. ``sha256`` and ``size`` are of the object that would be filed.

    ``study_id`` is that of a study key made beforehand, for a study that was not there then; it is taken only while free.
    """

    seen: Examined
    body_id: UUID
    key_id: UUID
    parts: Sequence[Piece]
    sha256: str
    size: int
    study_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a file: its state, the reason, what disagrees, and the instance that is there already."""

    state: uploads.State
    reason: str | None = None
    disagreeing: Sequence[str] = ()
    instance_id: UUID | None = None


def serialise(db: Tx, organisation_id: UUID) -> None:
    """Let nobody else file for this organisation until this transaction ends; SQLite has one writer anyway."""
    if db.get_bind().dialect.name == "postgresql":
        db.execute(select(func.pg_advisory_xact_lock(organisation_id.int & (1 << 63) - 1)))


def twin(db: Tx, upload: Upload, sha256: str) -> UUID | None:
    """The instance that the same file became before, in the same case or inbox."""
    query = select(Upload.instance_id).join(Instance, Instance.id == Upload.instance_id)
    query = query.where(Upload.organisation_id == upload.organisation_id, Upload.sha256 == sha256, Upload.id != upload.id)
    return db.scalar(query.where(Instance.state == "filed", _same_place(Instance.case_id, upload.case_id)).limit(1))


def judge(db: Tx, upload: Upload, arrival: Arrival, expected: Expected | None, *, confirmed: bool = False) -> Verdict:
    """What becomes of a file. ``confirmed``: a person has said that it is of this patient."""
    summary = arrival.seen.summary
    there = db.scalar(
        select(Instance).where(
            Instance.organisation_id == upload.organisation_id,
            Instance.sop_instance_uid == summary.sop_instance_uid,
            Instance.state == "filed",
        )
    )
    if there is not None:
        if there.sha256 != arrival.sha256:
            return Verdict("held", "uid-conflict")
        if there.case_id == upload.case_id or upload.case_id is None:
            return Verdict("duplicate", instance_id=there.id)
        return Verdict("held", "in-inbox" if there.case_id is None else "in-another-case")
    if not confirmed:
        fields = patients.disagreeing(summary.identity, expected) if expected else []
        if fields:
            return Verdict("held", ANOTHER_PATIENT, fields)
        if any(patients.differ(summary.identity, other) for other in _named_by(db, upload.organisation_id, summary.study_instance_uid)):
            return Verdict("held", STUDY_OF_ANOTHER)
    return Verdict("held", "uid-conflict") if _series_taken(db, upload, arrival) else Verdict("filed")


def settle(db: Tx, upload: Upload, arrival: Arrival, expected: Expected | None, *, confirmed: bool = False) -> Instance | None:
    """Judge a file and make it so, in this transaction; the instance if it was filed. ``upload`` must be locked.

    The caller records the event.
    """
    serialise(db, upload.organisation_id)
    verdict = judge(db, upload, arrival, expected, confirmed=confirmed)
    upload.identity = None
    if verdict.state == "held":
        identity = arrival.seen.summary.identity
        upload.identity = uploads.seal_identity(
            db, upload, {"names": identity.names, "id": identity.id, "birth_date": identity.birth_date, "sex": identity.sex}
        )
    filed = _place(db, upload, arrival) if verdict.state == "filed" else None
    conclude(db, upload, verdict if filed is None else Verdict("filed", instance_id=filed.id))
    return filed


def conclude(db: Tx, upload: Upload, verdict: Verdict) -> None:
    """Write down what became of a file. Bytes that are of no more use go. The caller records the event."""
    upload.state, upload.reason, upload.instance_id = verdict.state, verdict.reason, verdict.instance_id
    upload.disagreeing = list(verdict.disagreeing)
    if verdict.state in ("duplicate", "refused"):
        uploads.drop_bytes(db, upload)


def record(db: Tx, actor: Actor, upload: Upload) -> None:
    """Record what became of one file."""
    reason = {"reason": upload.reason} if upload.reason else {}
    audit.record(
        db,
        actor,
        "image:file",
        organisation_id=upload.organisation_id,
        case_id=upload.case_id,
        object_type="upload",
        object_id=upload.id,
        detail={"state": upload.state, **reason},
    )


def announce(db: Tx, organisation_id: UUID, case_id: UUID, by: UUID | None) -> None:
    """Have it told that pictures came to a case: those of one minute are one piece of news."""
    payload: dict[str, str | int] = {"case_id": str(case_id), **({"by": str(by)} if by else {})}
    jobs.enqueue(db, ARRIVED, payload, organisation_id=organisation_id, run_at=ids.now() + GATHERING, key=str(case_id))


def lies(db: Tx, organisation_id: UUID, case_id: UUID | None, key_id: UUID) -> bool:
    """Whether a study key is still wrapped by the key of the case, or by that of the inbox: filing wraps it anew."""
    above = aliased(WrappedKey)
    query = (
        select(WrappedKey.id).join(above, above.id == WrappedKey.parent_id).where(WrappedKey.kind == "study", WrappedKey.unit_id == key_id)
    )
    if case_id is None:
        return db.scalar(query.where(above.kind == "inbox", above.unit_id == organisation_id)) is not None
    return db.scalar(query.where(above.kind == "case", above.unit_id == case_id)) is not None


def find_study(db: Tx, organisation_id: UUID, case_id: UUID | None, study_instance_uid: str) -> Study | None:
    """The study of that UID in a case, or in the inbox."""
    query = select(Study).where(Study.organisation_id == organisation_id, Study.study_instance_uid == study_instance_uid)
    return db.scalar(query.where(_same_place(Study.case_id, case_id)))


def _place(db: Tx, upload: Upload, arrival: Arrival) -> Instance:
    summary, seen = arrival.seen.summary, arrival.seen
    study = _study(db, upload, arrival)
    series = _series(db, study, arrival)
    row = Instance(
        id=ids.new(),
        series_id=series.id,
        study_id=study.id,
        organisation_id=upload.organisation_id,
        case_id=upload.case_id,
        sop_instance_uid=summary.sop_instance_uid,
        sop_class_uid=summary.sop_class_uid,
        transfer_syntax_uid=summary.transfer_syntax_uid,
        instance_number=summary.instance_number,
        rows=summary.rows,
        columns=summary.columns,
        number_of_frames=summary.number_of_frames,
        bits_allocated=summary.bits_allocated,
        samples_per_pixel=summary.samples_per_pixel,
        photometric_interpretation=summary.plain_photometric_interpretation,
        laterality=summary.side,
        kind=summary.kind,
        state="filed",
        captured_at=summary.captured_at(upload.time_zone),
        uploaded_by=upload.person_id,
        key_id=arrival.key_id,
        body_id=arrival.body_id,
        object_id=arrival.parts[0].object_id,
        parts=len(arrival.parts),
        sealed_size=arrival.parts[0].sealed_size,
        size=arrival.size,
        sha256=arrival.sha256,
    )
    row.header = studies.seal_header(db, row, seen.header)
    row.frame_index = studies.seal_frame_index(db, row, seen.frame_index)
    db.add(row)
    previews.order(db, row)
    if row.case_id is not None:
        announce(db, row.organisation_id, row.case_id, row.uploaded_by)
    return row


def _study(db: Tx, upload: Upload, arrival: Arrival) -> Study:
    summary = arrival.seen.summary
    study = find_study(db, upload.organisation_id, upload.case_id, summary.study_instance_uid)
    if study is None:
        made = arrival.study_id
        if made is not None and not lies(db, upload.organisation_id, upload.case_id, made):
            made = None  # a study of this key has gone into a case
        study = Study(
            id=made or ids.new(),
            organisation_id=upload.organisation_id,
            case_id=upload.case_id,
            study_instance_uid=summary.study_instance_uid,
            study_date=patients.date(summary.study_date),
            modalities=[summary.plain_modality],
            photos=arrival.seen.made is not None and upload.case_id is not None,
        )
        if made is None:
            db.keyring.create_study(db, study.organisation_id, study.id, study.case_id)
        study.header = studies.seal_header(db, study, arrival.seen.study_header)
        db.add(study)
        db.flush()
    elif summary.plain_modality not in study.modalities:
        study.modalities = sorted({*study.modalities, summary.plain_modality})
    return study


def _series(db: Tx, study: Study, arrival: Arrival) -> Series:
    summary = arrival.seen.summary
    query = select(Series).where(Series.study_id == study.id, Series.series_instance_uid == summary.series_instance_uid)
    series = db.scalar(query)
    if series is None:
        series = Series(
            id=ids.new(),
            study_id=study.id,
            organisation_id=study.organisation_id,
            case_id=study.case_id,
            series_instance_uid=summary.series_instance_uid,
            modality=summary.plain_modality,
            series_number=summary.series_number,
        )
        series.header = studies.seal_header(db, series, arrival.seen.series_header)
        db.add(series)
        db.flush()
    return series


def _named_by(db: Tx, organisation_id: UUID, study_instance_uid: str) -> list[Identity]:
    """Whom the studies of that UID name, wherever in the organisation they lie."""
    query = select(Study).where(Study.organisation_id == organisation_id, Study.study_instance_uid == study_instance_uid)
    return [Identity.of_header(studies.header(db, study)) for study in db.scalars(query)]


def _series_taken(db: Tx, upload: Upload, arrival: Arrival) -> bool:
    """Whether a series of that UID belongs to a study of another UID."""
    summary = arrival.seen.summary
    query = select(Series.id).join(Study, Study.id == Series.study_id)
    query = query.where(Series.organisation_id == upload.organisation_id, Series.series_instance_uid == summary.series_instance_uid)
    return db.scalar(query.where(Study.study_instance_uid != summary.study_instance_uid).limit(1)) is not None


def _same_place(column: InstrumentedAttribute[UUID | None], case_id: UUID | None) -> ColumnElement[bool]:
    return column.is_(None) if case_id is None else column == case_id
