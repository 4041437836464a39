"""Studies: what is seen, as DICOM orders it: study → series → instance (PS3.3 A.1.2).

Only what was filed stands here; a file that was refused or is held stays with its upload. Everything of an
instance (bytes, header, frame index) is sealed under the study key its ``key_id`` names: the study's own, or
that of the upload that brought it, which existed before the first byte came. ``case_id`` is None as long as
the study lies in the hospital's inbox. Nobody holds a row here except through the policy.
"""

import datetime as dt
from typing import Annotated, Any, Literal, cast
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, ForeignKey, Index, String, select, text
from sqlalchemy.orm import Mapped, mapped_column

from auth import policy
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import NotFound
from core.keyring import Unit
from core.tables import Base, Code, IdColumn
from imaging import bodies
from imaging.frameindex import FrameIndex

Uid = Annotated[str, mapped_column(String(64))]
Kind = Literal["radiograph", "ct", "photo", "other"]
Header = dict[str, Any]
"""A DICOM JSON Model object (PS3.18 F.2): tag → {vr, Value | InlineBinary | BulkDataURI}."""

READ = "image:read"


def _unique(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, unique=True, sqlite_where=text(where), postgresql_where=text(where))


class Study(Base):
    """One study of one case, or of the inbox. ``header``: the attributes of patient and study, as first filed."""

    __tablename__ = "studies"
    __table_args__ = (
        _unique("uq_studies_case", "case_id", "study_instance_uid", where="case_id IS NOT NULL"),
        _unique("uq_studies_inbox", "organisation_id", "study_instance_uid", where="case_id IS NULL"),
        _unique("uq_studies_photos", "case_id", where="photos"),
        Index("ix_studies_uid", "organisation_id", "study_instance_uid"),
    )

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID]
    case_id: Mapped[UUID | None] = mapped_column(index=True)
    study_instance_uid: Mapped[Uid]
    study_date: Mapped[dt.date | None]
    modalities: Mapped[list[str]]
    photos: Mapped[bool] = mapped_column(default=False)
    """The one study of its case that our own photographs go into."""
    header: Mapped[bytes]
    created_at: Mapped[dt.datetime] = mapped_column(default=ids.now)


class Series(Base):
    """One series. ``header``: the attributes of the series, as first filed."""

    __tablename__ = "series"
    __table_args__ = (
        Index("uq_series_uid", "study_id", "series_instance_uid", unique=True),
        Index("ix_series_uid", "organisation_id", "series_instance_uid"),
    )

    id: Mapped[IdColumn]
    study_id: Mapped[UUID] = mapped_column(ForeignKey("studies.id"))
    organisation_id: Mapped[UUID]
    case_id: Mapped[UUID | None]
    series_instance_uid: Mapped[Uid]
    modality: Mapped[Code]
    series_number: Mapped[int | None]
    header: Mapped[bytes]
    created_at: Mapped[dt.datetime] = mapped_column(default=ids.now)


class Instance(Base):
    """One object as it came, or as we made it of a photograph; never changed after it was filed.

    ``header``: the whole data set as DICOM JSON, large binary values as ``bulk/{offset}/{length}`` in the plain
    file. ``laterality`` is R or L where it says that it shows one side. ``sha256`` and ``size`` are of the plain file. ``number_of_frames`` 0 means no pixels. A file of one
    part lies in the object ``object_id``, of ``sealed_size`` bytes; ``parts`` > 1 means: ask ``bodies.pieces``.
    """

    __tablename__ = "instances"
    __table_args__ = (
        _unique("uq_instances_sop", "organisation_id", "sop_instance_uid", where="state = 'filed'"),
        Index("ix_instances_study", "study_id"),
        Index("ix_instances_key", "key_id"),
        Index("ix_instances_body", "body_id"),
        Index("ix_instances_series", "series_id", "instance_number"),
        Index("ix_instances_case", "case_id", "sha256"),
    )

    id: Mapped[IdColumn]
    series_id: Mapped[UUID] = mapped_column(ForeignKey("series.id"))
    study_id: Mapped[UUID] = mapped_column(ForeignKey("studies.id"))
    organisation_id: Mapped[UUID]
    case_id: Mapped[UUID | None]
    sop_instance_uid: Mapped[Uid]
    sop_class_uid: Mapped[Uid]
    transfer_syntax_uid: Mapped[Uid]
    instance_number: Mapped[int | None]
    rows: Mapped[int]
    columns: Mapped[int]
    number_of_frames: Mapped[int]
    bits_allocated: Mapped[int]
    samples_per_pixel: Mapped[int]
    photometric_interpretation: Mapped[Code]
    laterality: Mapped[str | None] = mapped_column(String(1))
    kind: Mapped[Kind] = mapped_column(String(16))
    state: Mapped[Literal["filed", "withdrawn"]] = mapped_column(String(16), default="filed")
    captured_at: Mapped[dt.datetime | None]
    uploaded_by: Mapped[UUID | None]
    created_at: Mapped[dt.datetime] = mapped_column(default=ids.now)
    key_id: Mapped[UUID]
    body_id: Mapped[UUID]
    object_id: Mapped[UUID]
    parts: Mapped[int]
    sealed_size: Mapped[bodies.Size]
    size: Mapped[bodies.Size]
    sha256: Mapped[str] = mapped_column(String(64))
    header: Mapped[bytes]
    frame_index: Mapped[bytes]


def visible(actor: Actor, table: type[Study] | type[Series] | type[Instance], action: str = READ) -> ColumnElement[bool]:
    """The rows of ``table`` the actor may see: for ``where()``."""
    return policy.predicate(actor, action, organisation_id=table.organisation_id, case_id=table.case_id)


def instance(db: Tx, actor: Actor, instance_id: UUID) -> Instance:
    """One filed instance, for reading: recorded as a look at its study. Raises NotFound."""
    found = db.execute(
        select(Instance, Study)
        .join(Study, Study.id == Instance.study_id)
        .where(Instance.id == instance_id, Instance.state == "filed", visible(actor, Instance))
    ).one_or_none()
    if found is None:
        raise NotFound("image-not-found")
    seen(db, actor, found[1])
    return found[0]


def seen(db: Tx, actor: Actor, study: Study) -> None:
    """Record that the actor looks through a study: one event per session, study and purpose (design §2.5)."""
    audit.view(db, actor, READ, organisation_id=study.organisation_id, case_id=study.case_id, object_type="study", object_id=study.id)


def for_case(db: Tx, actor: Actor, case_id: UUID, organisation_id: UUID) -> list[Study]:
    """The studies of a case, oldest first; NotFound when the actor may not see the case's pictures."""
    policy.require(db, actor, READ, organisation_id=organisation_id, case_id=case_id)
    audit.view(db, actor, READ, organisation_id=organisation_id, case_id=case_id, object_type="case", object_id=case_id)
    return list(db.scalars(select(Study).where(Study.case_id == case_id, Study.organisation_id == organisation_id).order_by(Study.id)))


def inbox(db: Tx, actor: Actor) -> list[Study]:
    """What lies in the inbox of the actor's own hospital, oldest first."""
    policy.require_in_organisation(actor, "inbox:read")
    audit.view(db, actor, "inbox:read", organisation_id=actor.organisation_id, object_type="inbox", object_id=actor.organisation_id)
    return list(db.scalars(select(Study).where(Study.case_id.is_(None), Study.organisation_id == actor.organisation_id).order_by(Study.id)))


def series_of(db: Tx, study: Study) -> list[Series]:
    """The series of a study the caller holds, by series number."""
    rows = db.scalars(select(Series).where(Series.study_id == study.id))
    return sorted(rows, key=lambda row: (row.series_number is None, row.series_number or 0, row.id))


def instances_of(db: Tx, study: Study) -> list[Instance]:
    """The filed instances of a study the caller holds, by series and instance number."""
    rows = db.scalars(select(Instance).where(Instance.study_id == study.id, Instance.state == "filed"))
    return sorted(rows, key=lambda row: (row.series_id, row.instance_number is None, row.instance_number or 0, row.id))


def source(db: Tx, row: Instance) -> bodies.Body:
    """The plain file of an instance, read by range; usable after the transaction has ended."""
    if row.parts == 1:
        return bodies.open_body(db, unit(row), [bodies.Piece(row.object_id, 0, row.size, row.sealed_size)])
    return bodies.open_body(db, unit(row), bodies.pieces(db, row.body_id))


def frame_index(db: Tx, row: Instance) -> FrameIndex:
    """Where the frames of an instance lie in its plain file."""
    return FrameIndex.decode(db.keyring.unseal(db, unit(row), "frame-index", Instance.__tablename__, row.id, 1, row.frame_index))


def header(db: Tx, row: Study | Series | Instance) -> Header:
    """The attributes of a study, a series or (all of them) an instance."""
    return cast(Header, orjson.loads(header_bytes(db, row)))


def header_bytes(db: Tx, row: Study | Series | Instance) -> bytes:
    """The same as the JSON document that was made at intake."""
    key = unit(row) if isinstance(row, Instance) else study_unit(row)
    return db.keyring.unseal(db, key, "header", row.__tablename__, row.id, 1, row.header)


def seal_header(db: Tx, row: Study | Series | Instance, document: bytes) -> bytes:
    """What to put into ``row.header``; the row's ids and key must be set."""
    key = unit(row) if isinstance(row, Instance) else study_unit(row)
    return db.keyring.seal(db, key, "header", row.__tablename__, row.id, 1, document)


def seal_frame_index(db: Tx, row: Instance, document: bytes) -> bytes:
    """What to put into ``row.frame_index``; the row's ids and key must be set."""
    return db.keyring.seal(db, unit(row), "frame-index", Instance.__tablename__, row.id, 1, document)


def unit(row: Instance) -> Unit:
    """The key an instance is sealed under."""
    return Unit("study", row.organisation_id, row.key_id)


def study_unit(row: Study | Series) -> Unit:
    """The key of a study's own header, of its series' headers and of renditions."""
    return Unit("study", row.organisation_id, row.id if isinstance(row, Study) else row.study_id)
