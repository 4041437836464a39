"""Bodies: the bytes of one file, sealed in parts and read again by range.

A body is what somebody sent or what we made of it: a DICOM file, a photograph, at most a few gigabytes. It is
sealed as it streams in, in parts of a bounded size, so that neither a broken line nor a small memory loses it, and
no plain byte touches the disk. A part is one stored object, named by a UUIDv7 that is also the row its seal is
bound to: parts cannot be swapped, and an orphan tells its age.
"""

import logging
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol
from uuid import UUID

from sqlalchemy import BigInteger, Index, delete, event, select
from sqlalchemy.orm import Mapped, SessionTransaction, mapped_column

from core import ids, sealed
from core.db import Database, Tx
from core.errors import ShanhaiError
from core.keyring import Unit
from core.storage import Store
from core.tables import Base, IdColumn

PURPOSE = "image"
PART_BYTES = 8 << 20
"""Plain bytes of one part: what one upload holds in memory."""
PARTS_LIMIT = 4_096
_STEP = 1 << 20

Size = Annotated[int, mapped_column(BigInteger)]

log = logging.getLogger("shanhai.imaging")


class Readable(Protocol):
    """Plain bytes of a known size, read by range. ``read`` past the end gives what there is."""

    @property
    def size(self) -> int: ...

    def read(self, start: int, length: int) -> bytes: ...


class Part(Base):
    """One sealed object of a body: ``length`` plain bytes from ``start``, ``sealed_size`` bytes in the store."""

    __tablename__ = "image_parts"
    __table_args__ = (Index("uq_image_parts_body", "body_id", "start", unique=True),)

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID]
    body_id: Mapped[UUID]
    start: Mapped[Size]
    length: Mapped[Size]
    sealed_size: Mapped[Size]


@dataclass(frozen=True, slots=True)
class Piece:
    """Where one part lies: the object, its first plain byte within the body, its plain and sealed sizes."""

    object_id: UUID
    start: int
    length: int
    sealed_size: int


class Memory:
    """A body that is in memory already."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, start: int, length: int) -> bytes:
        return self._data[start : start + length]


class Body:
    """A sealed body as a ``Readable``: it needs no transaction once it is open."""

    def __init__(self, pieces: Sequence[tuple[Piece, sealed.Reader]]) -> None:
        self._starts = [piece.start for piece, _ in pieces]
        self._pieces = pieces
        self.size = sum(piece.length for piece, _ in pieces)

    def read(self, start: int, length: int) -> bytes:
        """``length`` plain bytes from ``start``. Raises Damaged when a part is not what was stored."""
        end = min(start + length, self.size)
        found: list[bytes] = []
        while start < end:
            piece, reader = self._pieces[bisect_right(self._starts, start) - 1]
            take = min(end, piece.start + piece.length) - start
            found.append(reader.read(start - piece.start, take))
            start += take
        return found[0] if len(found) == 1 else b"".join(found)


class Sink:
    """Takes the bytes of a body as they come and puts them away in sealed parts, in no transaction of its own.

    ``put`` is told of each part once it is durable; until then at most ``part_bytes`` plain bytes are in memory.
    """

    def __init__(
        self, database: Database, unit: Unit, put: Callable[[Piece], None], *, start: int = 0, part_bytes: int = PART_BYTES
    ) -> None:
        self._database = database
        self._unit = unit
        self._put = put
        self._part_bytes = part_bytes
        self._start = start
        self._held = bytearray()

    @property
    def end(self) -> int:
        """Where the next byte belongs."""
        return self._start + len(self._held)

    def feed(self, data: bytes | bytearray) -> None:
        """Take more bytes."""
        rest = memoryview(data)
        while rest:
            taken = rest[: self._part_bytes - len(self._held)]
            self._held += taken
            rest = rest[len(taken) :]
            if len(self._held) == self._part_bytes:
                self.flush()

    def flush(self) -> None:
        """Put away what is held, as a part of its own."""
        if not self._held:
            return
        with self._database.begin(readonly=True, acting=self._unit.organisation_id) as db:
            object_id, writer = new_writer(db, self._unit)
        piece = put(self._database.store, object_id, writer, self._start, self._held)
        self._start += len(self._held)
        self._held = bytearray()
        self._put(piece)


def store_key(object_id: UUID) -> str:
    """The name of an object in the store; its last byte spreads the folders, for a UUIDv7 begins with the time."""
    return f"{object_id.hex[-2:]}/{object_id}"


def pieces(db: Tx, body_id: UUID) -> list[Piece]:
    """The parts of a body in order."""
    rows = db.execute(select(Part.id, Part.start, Part.length, Part.sealed_size).where(Part.body_id == body_id).order_by(Part.start))
    return [Piece(*row) for row in rows]


def open_body(db: Tx, unit: Unit, parts: Iterable[Piece]) -> Body:
    """A reader over parts sealed under ``unit``. Raises NotFound when the key is destroyed."""
    return Body([(piece, _reader(db, unit, piece)) for piece in parts])


def _reader(db: Tx, unit: Unit, piece: Piece) -> sealed.Reader:
    fetch = _fetcher(db.store, store_key(piece.object_id))
    return db.keyring.reader(db, unit, PURPOSE, Part.__tablename__, piece.object_id, 1, fetch, piece.sealed_size)


def _fetcher(store: Store, key: str) -> Callable[[int, int], bytes]:
    return lambda start, length: store.read(key, start, length)


def new_writer(db: Tx, unit: Unit) -> tuple[UUID, sealed.Writer]:
    """The id of a new part and what seals its bytes."""
    object_id = ids.new()
    return object_id, db.keyring.writer(db, unit, PURPOSE, Part.__tablename__, object_id, 1)


def put(store: Store, object_id: UUID, writer: sealed.Writer, start: int, data: bytes | bytearray) -> Piece:
    """Seal and store ``data`` as the part that begins at ``start``; durable when it returns. The row is the caller's."""
    size = store.put(store_key(object_id), _sealed(writer, data))
    return Piece(object_id, start, len(data), size)


def _sealed(writer: sealed.Writer, data: bytes | bytearray) -> Iterator[bytes]:
    for at in range(0, len(data), _STEP):
        yield writer.update(bytes(data[at : at + _STEP]))
    yield writer.finish()


def add(db: Tx, organisation_id: UUID, body_id: UUID, piece: Piece) -> None:
    """Name a stored part in its body."""
    db.add(
        Part(
            id=piece.object_id,
            organisation_id=organisation_id,
            body_id=body_id,
            start=piece.start,
            length=piece.length,
            sealed_size=piece.sealed_size,
        )
    )


def forget(db: Tx, body_id: UUID) -> None:
    """Take a body's parts out of the tables, and their objects out of the store once that is committed."""
    gone = pieces(db, body_id)
    if not gone:
        return
    db.execute(delete(Part).where(Part.body_id == body_id))
    db.info.setdefault("bodies.gone", []).append((db.get_nested_transaction() or db.get_transaction(), gone))


def discard(store: Store, parts: Iterable[Piece]) -> None:
    """Delete objects that no row names. What the store will not delete now stays an orphan until it is swept."""
    for piece in parts:
        try:
            store.delete(store_key(piece.object_id))
        except ShanhaiError as error:
            log.warning("object %s not deleted: %s", piece.object_id, error.code)


@event.listens_for(Tx, "after_commit")
def _let_go(db: Tx) -> None:
    if not db.in_nested_transaction():  # the release of a savepoint comes here too, and may yet be undone
        for _, gone in db.info.pop("bodies.gone", []):
            discard(db.store, gone)


@event.listens_for(Tx, "after_soft_rollback")
def _keep(db: Tx, undone: SessionTransaction) -> None:
    """What was forgotten in a savepoint that is undone, or in one inside it, stays."""
    if found := db.info.get("bodies.gone"):
        db.info["bodies.gone"] = [(where, gone) for where, gone in found if not _within(where, undone)]


def _within(where: SessionTransaction | None, other: SessionTransaction) -> bool:
    while where is not None and where is not other:
        where = where.parent
    return where is not None
