"""Intake: from bytes that arrived to a picture in a case, or a reason why not.

Each file ends as filed, duplicate, held or refused. It is examined in the sandbox while no transaction is open, then
filed in one. A photograph leaves as a new object and its original is let go; a DICOM file stays where it lies, sealed
as it came. Doing it again after a crash ends the same way: an upload that is no longer ``received`` is left alone.
"""

import datetime as dt
import hashlib
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from auth import policy
from core import ids
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict, Damaged, NotFound
from core.jobs import Handler, Job
from imaging import bodies, filing, uploads
from imaging.bodies import Body, Readable
from imaging.examined import Examined, examine
from imaging.filing import Arrival, Verdict
from imaging.patients import Expected
from imaging.sandbox import Pool, Refused
from imaging.studies import Instance, Study
from imaging.uploads import Upload

Expect = Callable[[Tx, UUID], Expected | None]
"""Whom the pictures of a case should name; the registry knows."""

DAMAGED = "damaged"
"""Why a file is refused whose stored bytes are gone or are not what was stored: nobody can file it, but it can be sent again."""
STEP = 1 << 20
_UIDS = UUID("6c1a4b0a-7f0e-4c63-9d58-52b9d1f0c1de")
"""The name space of the UIDs we give to photographs."""


def nobody(_: Tx, __: UUID) -> Expected | None:
    """For callers that know no patients: every file passes."""
    return None


def handlers(pool: Pool, *, expected: Expect = nobody) -> dict[str, Handler]:
    """The job that a finished upload asks for."""

    def handle(database: Database, job: Job) -> None:
        process(database, pool, UUID(str(job.payload["upload_id"])), expected=expected)

    return {uploads.JOB: handle}


def take_in(
    database: Database, pool: Pool, actor: Actor, case_id: UUID | None, name: str, data: bytes, *, expected: Expect = nobody
) -> Upload:
    """Upload and file one small file at once, into a case of the actor's own hospital or its inbox."""
    with database.begin(acting=actor.organisation_id) as db:
        upload = uploads.create(db, actor, organisation_id=actor.organisation_id, case_id=case_id, length=len(data), name=name)
    receiver = uploads.Receiver(database, actor, upload.id, offset=0)
    receiver.feed(data)
    receiver.finish()
    return process(database, pool, upload.id, expected=expected)


def process(
    database: Database, pool: Pool, upload_id: UUID, *, expected: Expect = nobody, actor: Actor | None = None, confirmed: bool = False
) -> Upload:
    """Examine a received upload and file it; as it stands then. ``confirmed``: a held one, as a person has decided.

    What can be read no longer is refused as ``damaged``. Raises NotFound, and Unavailable when the sandbox or the store is.
    """
    ready = "held" if confirmed else "received"
    with database.begin(readonly=True, acting=actor.organisation_id if actor is not None else None) as db:
        upload = db.get(Upload, upload_id)
        if upload is None:
            raise NotFound("upload-not-found")
        if upload.state != ready:
            return upload
        body = bodies.open_body(db, upload.unit, bodies.pieces(db, upload.id))
        about = _about_photo(db, upload)
    sha256 = upload.sha256
    actor = actor or Actor.system(upload.organisation_id)
    try:
        sha256 = sha256 or _sha256(body)
        seen, verdict = _look(database, pool, upload, body, about, sha256)
    except Damaged:
        seen, verdict = None, Verdict("refused", DAMAGED)
    made = _store_made(database, upload, seen)
    try:
        with database.begin(acting=actor.organisation_id) as db:
            upload = db.scalars(select(Upload).where(Upload.id == upload_id).with_for_update()).one()
            if upload.state != ready:
                bodies.discard(db.store, made)
                return upload
            upload.sha256 = sha256
            filing.serialise(db, upload.organisation_id)
            # asked again: of the same photograph sent twice at once the other may have been filed by now
            same = filing.twin(db, upload, sha256) if seen is not None and sha256 is not None else None
            if same is not None:
                seen, verdict = None, Verdict("duplicate", instance_id=same)
                bodies.discard(db.store, made)
            if seen is None:
                filing.conclude(db, upload, verdict)
            else:
                _settle(db, upload, seen, made, expected, confirmed=confirmed)
            filing.record(db, actor, upload)
            return upload
    except BaseException:
        bodies.discard(database.store, made)
        raise


def confirm(database: Database, pool: Pool, actor: Actor, upload_id: UUID, *, expected: Expect = nobody) -> Upload:
    """File a held upload: a person has looked and says that it is of this patient.

    Needs ``image:upload`` on the case. Raises NotFound, Denied, and Conflict when it is not held, or held for what
    no person can decide (identifiers that something else has).
    """
    with database.begin(acting=actor.organisation_id) as db:
        upload = _held(db, actor, upload_id)
        if upload.reason not in filing.CONFIRMABLE:
            raise Conflict("image-not-confirmable")
    return process(database, pool, upload_id, expected=expected, actor=actor, confirmed=True)


def reject(db: Tx, actor: Actor, upload_id: UUID) -> Upload:
    """Let go of a held upload: it is not of this patient. Needs ``image:upload``; raises NotFound and Conflict."""
    upload = _held(db, actor, upload_id)
    uploads.discard(db, upload, "not-this-patient")
    filing.record(db, actor, upload)
    return upload


def _held(db: Tx, actor: Actor, upload_id: UUID) -> Upload:
    upload = db.scalar(select(Upload).where(Upload.id == upload_id).with_for_update())
    if upload is None:
        raise NotFound("upload-not-found")
    policy.require(db, actor, uploads.UPLOAD, organisation_id=upload.organisation_id, case_id=upload.case_id)
    if upload.state != "held":
        raise Conflict("upload-not-held")
    return upload


def _look(
    database: Database, pool: Pool, upload: Upload, body: Body, about: dict[str, Any], sha256: str
) -> tuple[Examined | None, Verdict]:
    """What the file is; or, without an answer, the verdict that needs none."""
    if upload.offset != upload.length or upload.declared_sha256 not in (None, sha256):
        return None, Verdict("refused", "checksum")
    with database.begin(readonly=True, acting=upload.organisation_id) as db:
        same = filing.twin(db, upload, sha256)
    if same is not None:
        return None, Verdict("duplicate", instance_id=same)
    try:
        return examine(pool, body, about, organisation_id=upload.organisation_id), Verdict("received")
    except Refused as refused:
        return None, Verdict("refused", refused.reason)


def _store_made(database: Database, upload: Upload, seen: Examined | None) -> list[bodies.Piece]:
    """Put away the object made of a photograph, before any row names it."""
    made: list[bodies.Piece] = []
    if seen is not None and seen.made is not None:
        sink = bodies.Sink(database, upload.unit, made.append, part_bytes=len(seen.made))
        sink.feed(seen.made)
    return made


def _settle(db: Tx, upload: Upload, seen: Examined, made: list[bodies.Piece], expected: Expect, *, confirmed: bool) -> None:
    whom = expected(db, upload.case_id) if upload.case_id else None
    if seen.made is None:
        arrival = Arrival(seen, upload.id, upload.key_id, bodies.pieces(db, upload.id), upload.sha256 or "", upload.length)
        filing.settle(db, upload, arrival, whom, confirmed=confirmed)
        return
    arrival = Arrival(seen, ids.new(), upload.key_id, made, hashlib.sha256(seen.made).hexdigest(), len(seen.made))
    if filing.settle(db, upload, arrival, whom, confirmed=confirmed) is None:
        bodies.discard(db.store, made)
        return
    for piece in made:
        bodies.add(db, upload.organisation_id, arrival.body_id, piece)
    bodies.forget(db, upload.id)


def _about_photo(db: Tx, upload: Upload) -> dict[str, Any]:
    """What the object made of a photograph says of itself. The UIDs follow from ids: made again, it is the same object.

    All photographs of a case are one study, dated when the case was opened.
    """
    whole = upload.case_id or upload.id
    zone = ZoneInfo(upload.time_zone)
    photos = select(func.count()).select_from(Instance).join(Study, Study.id == Instance.study_id)
    number = db.scalar(photos.where(Study.case_id == upload.case_id, Study.photos)) if upload.case_id else 0
    return {
        "study_instance_uid": _uid(whole, "study"),
        "series_instance_uid": _uid(whole, "series"),
        "sop_instance_uid": _uid(upload.id, "instance"),
        "instance_number": (number or 0) + 1,
        "received": upload.created_at.astimezone(zone).isoformat(),
        "studied": (_made_at(whole) or upload.created_at).astimezone(zone).isoformat(),
    }


def _uid(whose: UUID, what: str) -> str:
    """A UID under 2.25 (PS3.5 B.2)."""
    return f"2.25.{uuid5(_UIDS, f'{what}:{whose}').int}"


def _made_at(whose: UUID) -> dt.datetime | None:
    """The time inside a UUIDv7."""
    return dt.datetime.fromtimestamp((whose.int >> 80) / 1_000, dt.UTC) if whose.version == 7 else None


def _sha256(body: Readable) -> str:
    digest = hashlib.sha256()
    for start in range(0, body.size, STEP):
        digest.update(body.read(start, STEP))
    return digest.hexdigest()
