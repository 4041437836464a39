"""Previews: small renditions of a picture, made by the worker, sealed, and rebuilt whenever they are lost.

A thumbnail is for lists, a preview for a screen before the full picture is there. They hold pixels alone and are never
the record: nothing is lost with them, and whoever asks while there is none gets one rendered on the spot.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from core import ids, jobs
from core.db import Database, Tx
from core.errors import Damaged, Unsupported
from core.jobs import Handler, Job
from core.sealed import Reader, Writer
from core.storage import Store
from core.tables import Base, IdColumn
from imaging import frames, render, studies
from imaging.attributes import Attributes
from imaging.bodies import store_key
from imaging.frames import Frames
from imaging.render import Mime, Picture, Viewport
from imaging.sandbox import Pool
from imaging.studies import Instance

Kind = Literal["thumbnail", "preview"]
EDGES: dict[Kind, int] = {"thumbnail": 320, "preview": 1600}
"""The longer side in pixels; a picture that is smaller stays as it is."""
MIME: Mime = "image/webp"
QUALITY: dict[Kind, int] = {"thumbnail": 75, "preview": 85}
MAKE, DISCARD = "preview", "preview-discard"
PURPOSE = "rendition"


class Rendition(Base):
    """One small picture of a frame, counted from 1, in the object ``object_id`` of ``sealed_size`` bytes."""

    __tablename__ = "renditions"
    __table_args__ = (UniqueConstraint("instance_id", "frame", "kind"),)

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(index=True)
    instance_id: Mapped[UUID] = mapped_column(ForeignKey("instances.id"))
    frame: Mapped[int]
    kind: Mapped[Kind] = mapped_column(String(16))
    mime: Mapped[Mime] = mapped_column(String(16))
    rows: Mapped[int]
    columns: Mapped[int]
    size: Mapped[int]
    sealed_size: Mapped[int]
    object_id: Mapped[UUID]
    created_at: Mapped[dt.datetime] = mapped_column(default=ids.now)


@dataclass(frozen=True, slots=True)
class Small:
    """A rendition ready to be read; it needs no transaction."""

    mime: Mime
    rows: int
    columns: int
    reader: Reader

    def data(self) -> bytes:
        """The file. Raises Damaged when the object is gone or is not what was stored."""
        return self.reader.read(0, self.reader.size)


def representative(count: int) -> int:
    """The frame that stands for all: the middle one, counted from 1."""
    return count // 2 + 1


def order(db: Tx, row: Instance) -> None:
    """Have the renditions of an instance made, in the caller's transaction. Nothing is done for what has no pixels."""
    if row.number_of_frames:
        jobs.enqueue(db, MAKE, {"instance_id": str(row.id)}, organisation_id=row.organisation_id, key=str(row.id))


def rebuild(db: Tx, organisation_id: UUID) -> int:
    """Throw away every rendition of an organisation and have them made again; how many pictures that are."""
    for rendition in db.scalars(select(Rendition).where(Rendition.organisation_id == organisation_id)):
        _drop(db, rendition)
    rows = list(db.scalars(select(Instance).where(Instance.organisation_id == organisation_id, Instance.state == "filed")))
    for row in rows:
        order(db, row)
    return len(rows)


def find(db: Tx, row: Instance, frame: int, kind: Kind) -> Small | None:
    """A rendition of an instance the caller holds; ``frame`` is counted from 1."""
    found = db.scalar(select(Rendition).where(Rendition.instance_id == row.id, Rendition.frame == frame, Rendition.kind == kind))
    return None if found is None else _open(db, row, found)


def handlers(pool: Pool) -> dict[str, Handler]:
    """What the worker does for this module."""
    return {MAKE: lambda database, job: make(database, pool, UUID(str(job.payload["instance_id"]))), DISCARD: discard}


def make(database: Database, pool: Pool, instance_id: UUID) -> None:
    """Render and file both sizes of an instance. Done again, the new ones take the place of the old.

    What cannot be shown gets none: that is no failure. Bytes are stored before the rows that name them.
    """
    with database.begin(readonly=True) as db:
        row = db.get(Instance, instance_id)
        if row is None or row.state != "filed":
            return
        try:
            header = studies.header(db, row)
            opened = frames.open_(db, row, header)
        except Unsupported:
            return
        made = [(kind, ids.new(), ids.new()) for kind in EDGES]
        writers = [_writer(db, row, rendition_id) for _, rendition_id, _ in made]
    frame = representative(opened.count)
    try:
        pictures = _pictures(opened, header, frame - 1, pool)
    except Unsupported:
        return
    renditions: list[Rendition] = []
    for (kind, rendition_id, object_id), writer in zip(made, writers, strict=True):
        data = render.encode(pictures[kind], MIME, QUALITY[kind])
        sealed_size = database.store.put(store_key(object_id), (writer.update(data), writer.finish()))
        rows, columns = pictures[kind].shape[:2]
        renditions.append(
            Rendition(
                id=rendition_id, organisation_id=row.organisation_id, instance_id=row.id, frame=frame, kind=kind, mime=MIME, rows=rows,
                columns=columns, size=len(data), sealed_size=sealed_size, object_id=object_id,
            )
        )  # fmt: skip
    with database.begin() as db:
        if db.get(Instance, instance_id) is None:
            return
        for old in db.scalars(select(Rendition).where(Rendition.instance_id == row.id, Rendition.frame == frame).with_for_update()):
            _drop(db, old)
        db.flush()
        db.add_all(renditions)


def discard(database: Database, job: Job) -> None:
    """Delete the object of a rendition whose row is gone."""
    object_id = UUID(str(job.payload["object_id"]))
    with database.begin(readonly=True) as db:
        used = db.scalar(select(Rendition.id).where(Rendition.object_id == object_id))
    if used is None:
        database.store.delete(store_key(object_id))


def read_or(small: Small | None, render_it: Callable[[], bytes]) -> bytes:
    """The stored rendition, or what ``render_it`` makes where there is none or it is damaged: renditions are no record."""
    if small is not None:
        try:
            return small.data()
        except Damaged:
            pass
    return render_it()


def _pictures(opened: Frames, header: Attributes, frame: int, pool: Pool) -> dict[Kind, Picture]:
    preview = render.small(opened, header, frame, EDGES["preview"], pool)
    edge = EDGES["thumbnail"]
    thumbnail = render.fit(preview, Viewport(edge, edge)) if max(preview.shape[:2]) > edge else preview
    return {"preview": preview, "thumbnail": thumbnail}


def _drop(db: Tx, rendition: Rendition) -> None:
    """Take a rendition away; its object goes once this is committed."""
    jobs.enqueue(
        db, DISCARD, {"object_id": str(rendition.object_id)}, organisation_id=rendition.organisation_id, key=str(rendition.object_id)
    )
    db.delete(rendition)


def _writer(db: Tx, row: Instance, rendition_id: UUID) -> Writer:
    return db.keyring.writer(db, studies.unit(row), PURPOSE, Rendition.__tablename__, rendition_id, 1)


def _open(db: Tx, row: Instance, found: Rendition) -> Small:
    store, key = db.store, store_key(found.object_id)
    reader = db.keyring.reader(
        db, studies.unit(row), PURPOSE, Rendition.__tablename__, found.id, 1, _fetcher(store, key), found.sealed_size
    )
    return Small(found.mime, found.rows, found.columns, reader)


def _fetcher(store: Store, key: str) -> Callable[[int, int], bytes]:
    return lambda start, length: store.read(key, start, length)
