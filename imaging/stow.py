"""STOW-RS: a request body of any size taken apart as it streams in, and each object filed (PS3.18 §10.5).

    bytes → parts of multipart/related → examined in the sandbox → sealed → filed, some at a time

A part of the usual size is held in memory until it is whole, so that it is examined, found to be there already or
sealed under its study's key with no detour; a longer one is sealed as it streams, under a key of its own. Either way
the memory of a request is bounded by a few parts, not by its length. What became of each object stands in the answer
and in a row of ``uploads``.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from core import audit, ids
from core.actor import Actor
from core.db import Database, Tx
from core.errors import TooLarge
from imaging import bodies, filing, uploads
from imaging.bodies import Memory, Piece, Readable, Sink
from imaging.examined import Examined, examine
from imaging.filing import Arrival, Verdict
from imaging.intake import Expect, nobody
from imaging.patients import Expected
from imaging.related import Related
from imaging.sandbox import Pool, Refused
from imaging.stored import Answer, Outcome
from imaging.uploads import Upload

MEDIA_TYPE = "application/dicom"
SMALL = bodies.PART_BYTES
"""Up to this many bytes a part is held in memory."""
BATCH, BATCH_BYTES = 32, 16 << 20
"""How many objects, and bytes of them, are filed together."""


@dataclass(slots=True)
class _Object:
    """One understood object: in memory (``data``) until it is filed, or put away in ``parts`` of its own key as it came."""

    seen: Examined
    upload: Upload
    sha256: str
    data: bytes | None
    parts: list[Piece] = field(default_factory=list)


class Request:
    """One STOW-RS request. ``feed`` the body as it comes, then ``finish``; both work at length, so call them on a thread.

    Into a case, or (``case_id`` None) into the inbox of the actor's hospital; with ``study_instance_uid`` objects of
    other studies are refused. Needs ``image:upload`` all the while. Raises NotFound, Denied, Unsupported for another
    content type, Invalid for a malformed body, TooLarge; what was filed before that stays filed.
    """

    def __init__(
        self,
        database: Database,
        pool: Pool,
        actor: Actor,
        *,
        content_type: str,
        organisation_id: UUID,
        case_id: UUID | None,
        study_instance_uid: str | None = None,
        expected: Expect = nobody,
        largest: int = uploads.LARGEST,
    ) -> None:
        self._database, self._pool, self._actor = database, pool, actor
        self._organisation_id, self._case_id = organisation_id, case_id
        self._study_instance_uid, self._expected, self._largest = study_instance_uid, expected, largest
        self._body = Related(content_type, MEDIA_TYPE, self)
        self._outcomes: list[Outcome] = []
        self._batch: list[_Object] = []
        self._made: dict[str, UUID] = {}
        """The study keys made in this request, by Study Instance UID."""
        self._part: _Part | None = None
        with database.begin(acting=actor.organisation_id) as db:
            self._authorise(db)

    def feed(self, data: bytes) -> None:
        """Take more of the body."""
        self._body.feed(data)

    def finish(self) -> Answer:
        """The body is at its end: file what is left and say what became of everything."""
        try:
            self._body.finish()
        finally:
            self.close()
        return Answer(self._outcomes)

    def close(self) -> None:
        """File what came whole and let go of the rest; also when the sender went away."""
        part, self._part = self._part, None
        if part is not None:
            part.drop()
        self._file()

    # -- what Related tells of ------------------------------------------------------------------

    def begin(self) -> None:
        self._part = _Part(self._database, self._new_upload(), self._largest)

    def data(self, data: bytes) -> None:
        assert self._part is not None
        self._part.feed(data)

    def end(self) -> None:
        part, self._part = self._part, None
        assert part is not None
        try:
            found = part.whole(self._look(part))
        except Refused as refused:
            part.drop()
            self._refuse(part.upload, refused.reason)
            return
        self._batch.append(found)
        if len(self._batch) >= BATCH or sum(len(each.data or b"") for each in self._batch) >= BATCH_BYTES:
            self._file()

    def _look(self, part: "_Part") -> Examined:
        seen = examine(self._pool, part.readable(), None, organisation_id=self._organisation_id)
        if self._study_instance_uid not in (None, seen.summary.study_instance_uid):
            raise Refused("wrong-study")
        return seen

    def _refuse(self, upload: Upload, reason: str) -> None:
        with self._database.begin(acting=self._actor.organisation_id) as db:
            self._authorise(db)
            filing.conclude(db, upload, Verdict("refused", reason))
            db.add(upload)
            filing.record(db, self._actor, upload)
        self._outcomes.append(Outcome("refused", reason))

    # -- filing ---------------------------------------------------------------------------------

    def _file(self) -> None:
        """File the batch, again from the start if its study has gone from the inbox into a case meanwhile."""
        batch, self._batch = self._batch, []
        if not batch:
            return
        try:
            while not self._filed(batch):
                bodies.discard(self._database.store, _parts(_small(batch)))
        except BaseException:
            bodies.discard(self._database.store, _parts(batch))
            raise
        bodies.discard(self._database.store, _parts(each for each in batch if each.upload.state not in ("filed", "held")))
        self._outcomes += [Outcome.of(each.upload.state, each.upload.reason, each.seen.summary) for each in batch]

    def _filed(self, batch: list[_Object]) -> bool:
        """Keys first, then bytes, then rows; False, and nothing filed, when a key no longer lies where it was made."""
        self._put_away(batch)
        with self._database.begin(acting=self._actor.organisation_id) as db:
            self._authorise(db)
            filing.serialise(db, self._organisation_id)
            if not all(self._lies(db, key_id) for key_id in {each.upload.key_id for each in _small(batch)}):
                return False
            whom = self._expected(db, self._case_id) if self._case_id else None
            for each in batch:
                self._settle(db, each, whom)
            self._record(db, [each.upload for each in batch])
        return True

    def _put_away(self, batch: list[_Object]) -> None:
        with self._database.begin(acting=self._actor.organisation_id) as db:
            self._authorise(db)
            writers = []
            for each in batch:
                if each.data is not None:
                    each.upload.key_id = self._study_key(db, each.seen.summary.study_instance_uid)
                    writers.append((each, each.data, *bodies.new_writer(db, each.upload.unit)))
        for each, data, object_id, writer in writers:
            each.parts = [bodies.put(self._database.store, object_id, writer, 0, data)]

    def _study_key(self, db: Tx, study_instance_uid: str) -> UUID:
        """The key of the study an object belongs to, made here if there is no such study yet."""
        study = filing.find_study(db, self._organisation_id, self._case_id, study_instance_uid)
        if study is not None:
            return study.id
        made = self._made.get(study_instance_uid)
        if made is None or not self._lies(db, made):
            made = self._made[study_instance_uid] = ids.new()
            db.keyring.create_study(db, self._organisation_id, made, self._case_id)
        return made

    def _lies(self, db: Tx, key_id: UUID) -> bool:
        return filing.lies(db, self._organisation_id, self._case_id, key_id)

    def _settle(self, db: Tx, each: _Object, whom: Expected | None) -> None:
        upload = each.upload
        upload.sha256 = each.sha256
        db.add(upload)
        same = filing.twin(db, upload, each.sha256)
        if same is not None:
            filing.conclude(db, upload, Verdict("duplicate", instance_id=same))
            return
        study_id = self._made.get(each.seen.summary.study_instance_uid)
        filing.settle(db, upload, Arrival(each.seen, upload.id, upload.key_id, each.parts, each.sha256, upload.length, study_id), whom)
        if upload.state in ("filed", "held"):
            for piece in each.parts:
                bodies.add(db, self._organisation_id, upload.id, piece)

    def _record(self, db: Tx, settled: list[Upload]) -> None:
        """One event for what was filed together."""
        audit.record(
            db,
            self._actor,
            "image:upload",
            organisation_id=self._organisation_id,
            case_id=self._case_id,
            object_type="upload",
            object_id=settled[0].id,
            detail={"door": "stow", "bytes": sum(upload.length for upload in settled), **Counter(upload.state for upload in settled)},
        )

    def _new_upload(self) -> Upload:
        return uploads.new(self._actor, organisation_id=self._organisation_id, case_id=self._case_id, length=0, door="stow")

    def _authorise(self, db: Tx) -> None:
        uploads.authorise(db, self._actor, self._organisation_id, self._case_id)


class _Part:
    """One object as it streams in: in memory at first, and once it is long in sealed parts under its upload's own key."""

    def __init__(self, database: Database, upload: Upload, largest: int) -> None:
        self.upload = upload
        self._database, self._largest = database, largest
        self._held = bytearray()
        self._digest = hashlib.sha256()
        self._sink: Sink | None = None
        self._pieces: list[Piece] = []

    def feed(self, data: bytes) -> None:
        self.upload.length += len(data)
        self.upload.offset = self.upload.length
        if self.upload.length > self._largest:
            raise TooLarge("upload-too-large", limit=self._largest)
        self._digest.update(data)
        if self._sink is not None:
            self._sink.feed(data)
            return
        self._held += data
        if len(self._held) > SMALL:
            with self._database.begin(acting=self.upload.organisation_id) as db:
                db.keyring.create_study(db, self.upload.organisation_id, self.upload.key_id, self.upload.case_id)
            self._sink = Sink(self._database, self.upload.unit, self._pieces.append)
            self._sink.feed(self._held)
            self._held = bytearray()

    def readable(self) -> Readable:
        if self._sink is None:
            return Memory(bytes(self._held))
        self._sink.flush()
        with self._database.begin(readonly=True, acting=self.upload.organisation_id) as db:
            return bodies.open_body(db, self.upload.unit, self._pieces)

    def whole(self, seen: Examined) -> _Object:
        data = bytes(self._held) if self._sink is None else None
        return _Object(seen, self.upload, self._digest.hexdigest(), data, self._pieces)

    def drop(self) -> None:
        """Let go of the bytes, and of the key they had of their own."""
        bodies.discard(self._database.store, self._pieces)
        if self._sink is not None:
            with self._database.begin(acting=self.upload.organisation_id) as db:
                db.keyring.destroy(db, self.upload.unit)


def _small(objects: Iterable[_Object]) -> Iterator[_Object]:
    """Those in memory, sealed under the key of their study."""
    return (each for each in objects if each.data is not None)


def _parts(objects: Iterable[_Object]) -> list[Piece]:
    return [piece for each in objects for piece in each.parts]
