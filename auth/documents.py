"""Documents: the signed file of an agreement, a sealed copy for each hospital under its own key.

Each side archives its own (远程医疗服务管理规范, archiving): neither reads through the other's key, and one that is gone
takes nothing from the other. A file is a PDF, a JPEG or a PNG by its first bytes, whatever its name says; nothing
here looks further into it. An object is stored before its row and named by a UUIDv7 that is also the row its seal
is bound to; what no row names is swept after a day.
"""

import datetime as dt
from hashlib import sha256
from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from core import ids, sealed
from core.db import Database, Tx
from core.errors import Invalid
from core.keyring import Unit
from core.tables import Base, Code, IdColumn

LARGEST = 20 << 20
SAFE_AGE = dt.timedelta(hours=24)
TYPES = {b"%PDF-": "application/pdf", b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}
"""First bytes and media type (ISO 32000-2 §7.5.2, ITU-T T.81 B.1.1.3, PNG §5.2)."""

_FOLDER = "agreements"
_PURPOSE = "document"
_STEP = 1 << 20


class Document(Base):
    """One hospital's copy; its id is also the stored object's. ``size`` and ``sha256`` (hex) are of the plain file."""

    __tablename__ = "agreement_documents"
    __table_args__ = (UniqueConstraint("agreement_id", "organisation_id"),)

    id: Mapped[IdColumn]
    agreement_id: Mapped[UUID] = mapped_column(ForeignKey("agreements.id"))
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    media_type: Mapped[Code]
    size: Mapped[int]
    sealed_size: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[dt.datetime] = mapped_column(default=ids.now)


def wrong(data: bytes) -> str | None:
    """The code of what keeps a file from being archived; None when nothing does."""
    if len(data) > LARGEST:
        return "document-too-large"
    return None if _media_type(data) else "document-type"


def archive(db: Tx, organisation_id: UUID, agreement_id: UUID, data: bytes) -> Document:
    """Seal and store a hospital's copy, and name it in a row. Raises Invalid ``document-type`` or ``document-too-large``."""
    if code := wrong(data):
        raise Invalid(fields={"document": code})
    document = Document(
        id=ids.new(),
        agreement_id=agreement_id,
        organisation_id=organisation_id,
        media_type=_media_type(data),
        size=len(data),
        sha256=sha256(data).hexdigest(),
    )
    writer = db.keyring.writer(db, _unit(organisation_id), _PURPOSE, Document.__tablename__, document.id, 1)
    document.sealed_size = db.store.put(store_key(document.id), writer.stream(data[at : at + _STEP] for at in range(0, len(data), _STEP)))
    db.add(document)
    return document


def of(db: Tx, organisation_id: UUID, agreement_id: UUID) -> Document | None:
    """A hospital's own copy, for a caller that may see the agreement."""
    return db.scalar(select(Document).where(Document.organisation_id == organisation_id, Document.agreement_id == agreement_id))


def reader(db: Tx, document: Document) -> sealed.Reader:
    """The plain file, read by range; usable after the transaction has ended. Raises NotFound when the key is destroyed."""
    store, key = db.store, store_key(document.id)
    return db.keyring.reader(
        db,
        _unit(document.organisation_id),
        _PURPOSE,
        Document.__tablename__,
        document.id,
        1,
        lambda start, length: store.read(key, start, length),
        document.sealed_size,
    )


def store_key(document_id: UUID) -> str:
    """The name of a copy in the store: in a folder of its own, which the sweeping of pictures leaves alone."""
    return f"{_FOLDER}/{document_id}"


def sweep(database: Database, *, at: dt.datetime | None = None) -> int:
    """Delete copies older than a day that no row names (a transaction that came to nothing left them); how many."""
    latest = ((at or ids.now()) - SAFE_AGE).timestamp() * 1_000
    lying = {UUID(key.rpartition("/")[2]) for key in database.store.keys(f"{_FOLDER}/")}
    old = {document_id for document_id in lying if document_id.int >> 80 < latest}
    with database.begin(readonly=True) as db:
        lost = old - set(db.scalars(select(Document.id)))
    for document_id in lost:
        database.store.delete(store_key(document_id))
    return len(lost)


def _media_type(data: bytes) -> str | None:
    return next((media_type for start, media_type in TYPES.items() if data.startswith(start)), None)


def _unit(organisation_id: UUID) -> Unit:
    return Unit("organisation", organisation_id, organisation_id)
