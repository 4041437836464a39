"""The inbox: studies that reached the hospital without a case, and how they get into one.

Filing moves rows and wraps keys anew; no pixel is sealed twice. From then on the study's key falls with the case's.
"""

from uuid import UUID

from sqlalchemy import select, update

from auth import policy
from core import audit
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, NotFound
from imaging import filing, patients, studies, uploads
from imaging.patients import Expected, Identity
from imaging.studies import Instance, Series, Study
from imaging.uploads import Upload


def file_study(db: Tx, actor: Actor, study_id: UUID, *, case_id: UUID, expected: Expected | None = None, confirmed: bool = False) -> Study:
    """Put a study of the inbox into a case of the same hospital; the study as it lies there.

    Needs ``inbox:file`` and, on the case, ``image:upload``. Raises NotFound, Denied, and Conflict
    (``study-of-another-patient``) when the study names somebody else and nobody has ``confirmed`` it.
    """
    policy.require_in_organisation(actor, "inbox:file")
    uploads.authorise(db, actor, actor.organisation_id, case_id)
    filing.serialise(db, actor.organisation_id)
    own = select(Study).where(Study.id == study_id, Study.organisation_id == actor.organisation_id, Study.case_id.is_(None))
    study = db.scalar(own.with_for_update())
    if study is None:
        raise NotFound("study-not-found")
    there = filing.find_study(db, study.organisation_id, case_id, study.study_instance_uid)
    if not confirmed:
        _check_patient(db, study, there, expected)
    rows = list(db.scalars(select(Instance).where(Instance.study_id == study.id)))
    for key_id in {study.id, *(row.key_id for row in rows)}:
        db.keyring.file_study(db, study.organisation_id, key_id, case_id)
    _take_along_uploads(db, rows, case_id)
    _move(db, study, there, case_id)
    filing.announce(db, study.organisation_id, case_id, actor.person_id)
    audit.record(
        db,
        actor,
        "inbox:file",
        organisation_id=study.organisation_id,
        case_id=case_id,
        object_type="study",
        object_id=study.id,
        detail={"images": len(rows), "confirmed": confirmed},
    )
    return there or study


def check_held(db: Tx, actor: Actor, upload_id: UUID) -> None:
    """Hold the actor to ``inbox:file``, and a file that a person decides about to the inbox of their hospital.

    Raises NotFound and Denied.
    """
    policy.require_in_organisation(actor, "inbox:file")
    own = select(Upload.id).where(Upload.id == upload_id, Upload.organisation_id == actor.organisation_id, Upload.case_id.is_(None))
    if db.scalar(own) is None:
        raise NotFound("upload-not-found")


def _check_patient(db: Tx, study: Study, there: Study | None, expected: Expected | None) -> None:
    identity = Identity.of_header(studies.header(db, study))
    fields = patients.disagreeing(identity, expected) if expected else []
    if fields or (there is not None and patients.differ(identity, Identity.of_header(studies.header(db, there)))):
        raise Conflict("study-of-another-patient", fields=",".join(fields))


def _take_along_uploads(db: Tx, rows: list[Instance], case_id: UUID) -> None:
    """The uploads that brought these instances go with them; what is sealed under the hospital's key is sealed anew."""
    found = select(Upload).where(Upload.instance_id.in_([row.id for row in rows]), Upload.case_id.is_(None))
    for upload in db.scalars(found):
        name = uploads.name(db, upload)
        upload.case_id = case_id
        upload.name = uploads.seal_name(db, upload, name)


def _move(db: Tx, study: Study, there: Study | None, case_id: UUID) -> None:
    if there is None:
        study.case_id = case_id
        for table in (Series, Instance):
            db.execute(update(table).where(table.study_id == study.id).values(case_id=case_id))
        db.flush()
        return
    known = {row.series_instance_uid: row for row in db.scalars(select(Series).where(Series.study_id == there.id))}
    for series in list(db.scalars(select(Series).where(Series.study_id == study.id))):
        target = known.get(series.series_instance_uid) or _moved(db, series, there)
        db.execute(update(Instance).where(Instance.series_id == series.id).values(series_id=target.id, study_id=there.id, case_id=case_id))
        if target is not series:
            db.delete(series)
    there.modalities = sorted({*there.modalities, *study.modalities})
    db.flush()
    db.delete(study)
    db.flush()


def _moved(db: Tx, series: Series, study: Study) -> Series:
    """A series under another study of the same UID, its header sealed under that study's key."""
    document = studies.header_bytes(db, series)
    series.study_id, series.case_id = study.id, study.case_id
    series.header = studies.seal_header(db, series, document)
    db.flush()
    return series
