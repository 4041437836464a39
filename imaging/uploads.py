"""Uploads: one file on its way in, over a line that breaks (tus 1.0 without its HTTP).

    receiving → received → filed | duplicate | held | refused
        └──────────┴─────→ discarded (by the person, or expired while receiving)

A row says how far a file has come and what became of it. Each byte is sealed under the upload's own study key
before it touches the disk, and counts once the part it lies in is committed: after a crash the offset is where the
sender goes on. Every call is authorised afresh. There is no lock: a part is committed only where the offset still
stands where the part begins, so of two senders one wins and a dead connection hinders nobody.
"""

import contextlib
import datetime as dt
import hashlib
import unicodedata
from typing import Any, Literal
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, Index, String, func, select
from sqlalchemy.orm import Mapped, mapped_column

from auth import policy
from core import audit, ids, jobs
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict, Denied, Invalid, NotFound, TooLarge
from core.jobs import JobRow
from core.keyring import Unit
from core.tables import Base, Code, IdColumn
from imaging import bodies
from imaging.bodies import Part, Piece, Size

LARGEST = 4 << 30
KEPT_FOR = dt.timedelta(hours=72)
OPEN_LIMIT = 1_000
OPEN_BYTES_LIMIT = 64 << 30
"""How many uploads, and bytes of them, one person may have under way."""
NAME_LIMIT = 255
JOB = "intake"
ASKED_AGAIN_AFTER = dt.timedelta(hours=1)
UPLOAD = "image:upload"

State = Literal["receiving", "received", "filed", "duplicate", "held", "refused", "discarded"]
_SHA256 = frozenset("0123456789abcdef")
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})


class Upload(Base):
    """One file. ``length`` and ``offset`` count plain bytes; ``sha256`` is of the plain file, once it is known.

    ``key_id`` names the study key its bytes are sealed under, ``reason`` says why it was held or refused (the
    catalogue key ``image-<reason>``), ``disagreeing`` what about the patient did not agree.
    """

    __tablename__ = "uploads"
    __table_args__ = (
        Index("ix_uploads_case", "case_id", "state"),
        Index("ix_uploads_person", "person_id", "state"),
        Index("ix_uploads_sha256", "organisation_id", "sha256"),
        Index("ix_uploads_expiry", "state", "expires_at"),
    )

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID]
    case_id: Mapped[UUID | None]
    person_id: Mapped[UUID | None]
    door: Mapped[Literal["tus", "stow"]] = mapped_column(String(8))
    state: Mapped[State] = mapped_column(String(16), default="receiving")
    reason: Mapped[Code | None]
    disagreeing: Mapped[list[str]] = mapped_column(default=list)
    instance_id: Mapped[UUID | None]
    key_id: Mapped[UUID]
    name: Mapped[bytes | None]
    identity: Mapped[bytes | None]
    length: Mapped[Size]
    offset: Mapped[Size] = mapped_column(default=0)
    declared_sha256: Mapped[str | None] = mapped_column(String(64))
    sha256: Mapped[str | None] = mapped_column(String(64))
    time_zone: Mapped[Code]
    created_at: Mapped[dt.datetime] = mapped_column(default=ids.now)
    expires_at: Mapped[dt.datetime]

    @property
    def unit(self) -> Unit:
        """The key its bytes are sealed under."""
        return Unit("study", self.organisation_id, self.key_id)

    @property
    def owner(self) -> Unit:
        """The key its name is sealed under, which outlives the bytes: the case's, or the hospital's."""
        if self.case_id is None:
            return Unit("organisation", self.organisation_id, self.organisation_id)
        return Unit("case", self.organisation_id, self.case_id)


def create(
    db: Tx,
    actor: Actor,
    *,
    organisation_id: UUID,
    case_id: UUID | None,
    length: int,
    name: str = "",
    sha256: str | None = None,
    largest: int = LARGEST,
) -> Upload:
    """Begin an upload of ``length`` bytes into a case, or (None) into the inbox of the actor's hospital.

    ``sha256`` (hexadecimal) is checked against the whole file at the end. Raises NotFound or Denied by policy,
    Invalid, and TooLarge over ``largest`` bytes or the person's quota.
    """
    authorise(db, actor, organisation_id, case_id)
    wrong = {"length": "upload-length-invalid"} if length <= 0 else {}
    if sha256 is not None and not (len(sha256) == 64 and _SHA256.issuperset(sha256)):
        wrong["sha256"] = "upload-sha256-invalid"
    if wrong:
        raise Invalid(fields=wrong)
    if length > largest:
        raise TooLarge("upload-too-large", limit=largest)
    _check_quota(db, actor, length)
    upload = new(actor, organisation_id=organisation_id, case_id=case_id, length=length, door="tus")
    upload.declared_sha256 = sha256
    upload.name = seal_name(db, upload, name)
    db.keyring.create_study(db, organisation_id, upload.key_id, case_id)
    db.add(upload)
    db.flush()
    _record(db, actor, "image:upload", upload)
    return upload


def new(actor: Actor, *, organisation_id: UUID, case_id: UUID | None, length: int, door: Literal["tus", "stow"]) -> Upload:
    """A row not yet added, whose key is its own unless the caller says otherwise."""
    upload_id = ids.new()
    return Upload(
        id=upload_id,
        key_id=upload_id,
        organisation_id=organisation_id,
        case_id=case_id,
        person_id=actor.person_id,
        door=door,
        state="receiving",
        length=length,
        offset=0,
        disagreeing=[],
        time_zone=actor.time_zone,
        expires_at=ids.now() + KEPT_FOR,
    )


def get(db: Tx, actor: Actor, upload_id: UUID) -> Upload:
    """The actor's own upload. Raises NotFound for anybody else's, for one let go, or when they may no longer upload there."""
    return _own(db, actor, upload_id)


class Receiver:
    """One PATCH: bytes from ``offset`` on. ``feed`` what comes, then ``finish``, also when the line broke.

    ``checksum`` (SHA-256 of the bytes of this PATCH): nothing counts before it was found right. Raises, at each step,
    NotFound, Conflict (``upload-offset`` with the ``offset`` that stands, ``upload-finished``) and TooLarge (over the
    declared length, or in far too many parts).
    """

    def __init__(self, database: Database, actor: Actor, upload_id: UUID, *, offset: int, checksum: bytes | None = None) -> None:
        self._database, self._actor, self._upload_id = database, actor, upload_id
        self._checksum = checksum
        self._patch = hashlib.sha256() if checksum is not None else None
        self._waiting: list[Piece] = []
        with database.begin(acting=actor.organisation_id) as db:
            upload = _own(db, actor, upload_id)
            _check_receiving(upload, offset)
            self._length = upload.length
            part_bytes = max(bodies.PART_BYTES, 8 * upload.length // bodies.PARTS_LIMIT)
            self._sink = bodies.Sink(database, upload.unit, self._put, start=offset, part_bytes=part_bytes)
        self._whole = hashlib.sha256() if offset == 0 else None

    def feed(self, data: bytes) -> None:
        """Take more bytes; those beyond the declared length are refused, those before them are kept."""
        room = self._length - self._sink.end
        taken = data[:room] if len(data) > room else data
        for digest in (self._patch, self._whole):
            if digest is not None:
                digest.update(taken)
        self._sink.feed(taken)
        if len(data) > room:
            if self._checksum is None:
                self._sink.flush()
            raise TooLarge("upload-over-length", length=self._length)

    def finish(self) -> int:
        """Put away the rest; the offset that stands now. Raises Invalid (``upload-checksum``) if it was wrong."""
        self._sink.flush()
        if self._patch is not None:
            if self._patch.digest() != self._checksum:
                bodies.discard(self._database.store, self._waiting)
                raise Invalid("upload-checksum")
            self._commit(self._waiting)
        return self._sink.end

    def _put(self, piece: Piece) -> None:
        if self._checksum is not None:
            self._waiting.append(piece)
        else:
            self._commit([piece])

    def _commit(self, parts: list[Piece]) -> None:
        if not parts:
            return
        try:
            with self._database.begin(acting=self._actor.organisation_id) as db:
                upload = _own(db, self._actor, self._upload_id, lock=True)
                _check_receiving(upload, parts[0].start)
                if (db.scalar(select(func.count()).where(Part.body_id == upload.id)) or 0) >= bodies.PARTS_LIMIT:
                    raise TooLarge("upload-too-many-parts")
                for piece in parts:
                    bodies.add(db, upload.organisation_id, upload.id, piece)
                    upload.offset += piece.length
                if upload.offset == upload.length:
                    upload.sha256 = self._whole.hexdigest() if self._whole else None
                    upload.state = "received"
                    jobs.enqueue(db, JOB, {"upload_id": str(upload.id)}, organisation_id=upload.organisation_id, key=str(upload.id))
        except BaseException:
            bodies.discard(self._database.store, parts)
            raise


def terminate(db: Tx, actor: Actor, upload_id: UUID) -> None:
    """Throw an upload away that was not filed. Raises NotFound, and Conflict once it was."""
    upload = _own(db, actor, upload_id, lock=True)
    if upload.state not in ("receiving", "received", "held", "refused"):
        raise Conflict("upload-finished")
    discard(db, upload, "thrown-away")
    _record(db, actor, "image:discard", upload)


def discard(db: Tx, upload: Upload, reason: str) -> None:
    """Let go of the bytes of an upload and of the key that was theirs alone."""
    drop_bytes(db, upload)
    upload.state, upload.reason = "discarded", reason


def drop_bytes(db: Tx, upload: Upload) -> None:
    """Delete what was received, and destroy its key if nothing else is sealed under it."""
    bodies.forget(db, upload.id)
    if upload.key_id == upload.id:
        with contextlib.suppress(NotFound):  # what never left memory had none
            db.keyring.destroy(db, upload.unit)


def expire(database: Database, *, at: dt.datetime | None = None) -> int:
    """Discard what was begun and not finished in 72 hours; how many there were."""
    late = select(Upload.id).where(Upload.state == "receiving", Upload.expires_at < (at or ids.now())).limit(1_000)
    with database.begin(readonly=True) as db:
        found = list(db.scalars(late))
    for upload_id in found:
        with database.begin() as db:
            upload = db.scalar(select(Upload).where(Upload.id == upload_id, Upload.state == "receiving").with_for_update())
            if upload is not None:
                discard(db, upload, "expired")
                _record(db, Actor.system(upload.organisation_id), "image:discard", upload)
    return len(found)


def ask_again(database: Database, *, at: dt.datetime | None = None) -> int:
    """Ask anew for the filing of what came whole an hour ago and nothing works on any more; how many there were.

    A job that failed to its last attempt gets them all again an hour after it, since what it leans on may be back.
    """
    late = (at or ids.now()) - ASKED_AGAIN_AFTER
    with database.begin() as db:
        found = {str(row.id): row for row in db.scalars(select(Upload).where(Upload.state == "received", Upload.created_at < late))}
        failed: dict[str, UUID] = {}
        for job in db.scalars(select(JobRow).where(JobRow.kind == JOB).order_by(JobRow.id)) if found else ():
            if job.state != "dead" or (job.leased_until is not None and job.leased_until >= late):
                found.pop(job.key or "", None)
            elif job.key is not None:
                failed[job.key] = job.id
        for key, upload in found.items():
            if key in failed:
                jobs.revive(db, failed[key])
            else:
                jobs.enqueue(db, JOB, {"upload_id": key}, organisation_id=upload.organisation_id, key=key)
    return len(found)


def for_case(db: Tx, actor: Actor, case_id: UUID, organisation_id: UUID) -> list[Upload]:
    """What was sent into a case and what became of each file, newest first; NotFound or Denied by policy."""
    authorise(db, actor, organisation_id, case_id)
    return _listed(db, Upload.case_id == case_id, Upload.organisation_id == organisation_id)


def in_inbox(db: Tx, actor: Actor) -> list[Upload]:
    """The same for the inbox of the actor's hospital."""
    policy.require_in_organisation(actor, "inbox:read")
    return _listed(db, Upload.case_id.is_(None), Upload.organisation_id == actor.organisation_id)


def name(db: Tx, upload: Upload) -> str:
    """The file name its sender gave, made harmless; "" when it had none. It is never a path of ours."""
    if upload.name is None:
        return ""
    return db.keyring.unseal(db, upload.owner, "file-name", Upload.__tablename__, upload.id, 1, upload.name).decode()


def identity(db: Tx, actor: Actor, upload: Upload) -> dict[str, Any]:
    """Whom a held file names: names, id, birth_date, sex. Needs ``patient:identify``; the look is recorded."""
    policy.require(db, actor, "patient:identify", organisation_id=upload.organisation_id, case_id=upload.case_id)
    _record(db, actor, "patient:identify", upload)
    if upload.identity is None:
        return {}
    found: dict[str, Any] = orjson.loads(
        db.keyring.unseal(db, upload.owner, "identity", Upload.__tablename__, upload.id, 1, upload.identity)
    )
    return found


def seal_identity(db: Tx, upload: Upload, found: dict[str, Any]) -> bytes:
    """What to put into ``upload.identity``."""
    return db.keyring.seal(db, upload.owner, "identity", Upload.__tablename__, upload.id, 1, orjson.dumps(found))


def plain_name(text: str) -> str:
    """A file name without folders, control and direction characters, of at most 255 characters."""
    last = text.replace("\\", "/").rpartition("/")[2]
    return "".join(c for c in last if unicodedata.category(c) not in _HIDDEN).strip()[:NAME_LIMIT]


def authorise(db: Tx, actor: Actor, organisation_id: UUID, case_id: UUID | None) -> None:
    """Hold the actor to ``image:upload`` on the case, or (None) in the inbox of their own hospital."""
    if case_id is None and organisation_id != actor.organisation_id:
        raise NotFound("not-found")
    policy.require(db, actor, UPLOAD, organisation_id=organisation_id, case_id=case_id)


def _own(db: Tx, actor: Actor, upload_id: UUID, *, lock: bool = False) -> Upload:
    query = select(Upload).where(Upload.id == upload_id, Upload.person_id == actor.person_id)
    upload = db.scalar(query.with_for_update() if lock else query)
    if upload is None or upload.state == "discarded" or (upload.state == "receiving" and upload.expires_at < ids.now()):
        raise NotFound("upload-not-found")
    try:
        authorise(db, actor, upload.organisation_id, upload.case_id)
    except Denied:
        raise NotFound("upload-not-found") from None
    return upload


def _check_receiving(upload: Upload, offset: int) -> None:
    if upload.state != "receiving":
        raise Conflict("upload-finished")
    if upload.offset != offset:
        raise Conflict("upload-offset", offset=upload.offset)


def _check_quota(db: Tx, actor: Actor, length: int) -> None:
    under_way = select(func.count(), func.coalesce(func.sum(Upload.length), 0))
    count, total = db.execute(under_way.where(Upload.person_id == actor.person_id, Upload.state == "receiving")).one()
    if count >= OPEN_LIMIT or total + length > OPEN_BYTES_LIMIT:
        raise TooLarge("upload-quota")


def _listed(db: Tx, *where: ColumnElement[bool]) -> list[Upload]:
    return list(db.scalars(select(Upload).where(*where).order_by(Upload.id.desc()).limit(1_000)))


def seal_name(db: Tx, upload: Upload, text: str) -> bytes | None:
    """What to put into ``upload.name``."""
    plain = plain_name(text)
    return db.keyring.seal(db, upload.owner, "file-name", Upload.__tablename__, upload.id, 1, plain.encode()) if plain else None


def _record(db: Tx, actor: Actor, action: str, upload: Upload) -> None:
    audit.record(
        db,
        actor,
        action,
        organisation_id=upload.organisation_id,
        case_id=upload.case_id,
        object_type="upload",
        object_id=upload.id,
        detail={"door": upload.door, "bytes": upload.length},
    )
