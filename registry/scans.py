"""Scans: the consent sheet with its signature, photographed or as PDF, kept with the consents it says were given.

It names the patient. So it lies apart from the pictures and letters of the case, no viewer and no DICOMweb knows of it,
and it is shown to whoever may see identity alone, recorded each time. A photograph is examined in the sandbox and made upright
and free of metadata; a PDF is kept as it came and only handed out as a file. Nothing takes a scan away again: after a
withdrawal it still says what was agreed to before. Sealed under the case key, so it goes with the case.
"""

import datetime as dt
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, String, select
from sqlalchemy.orm import Mapped, mapped_column

from auth import documents, policy
from core import ids, sealed
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Invalid, NotFound
from core.tables import Base, Code, IdColumn
from imaging import examined
from imaging.sandbox import Pool, Refused
from registry import cases, consents
from registry.cases import Case

LARGEST = documents.LARGEST
_FOLDER = "consents"
_PURPOSE = "consent-scan"
_STEP = 1 << 20


class Scan(Base):
    """One sheet; ``purposes`` are the consents it covers. Its id is also the stored object's."""

    __tablename__ = "consent_scans"

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    purposes: Mapped[list[str]] = mapped_column(JSON)
    media_type: Mapped[Code]
    size: Mapped[int]
    sealed_size: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    at: Mapped[dt.datetime]
    attached_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file that was looked at and may be kept."""

    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _Held:
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, start: int, length: int) -> bytes:
        return self.data[start : start + length]


def look(pool: Pool, data: bytes, *, organisation_id: UUID) -> Sheet:
    """Have a file examined in the sandbox, while no transaction is open. Raises Invalid with a code for the field ``scan``."""
    wrong = "field-required" if not data else "document-too-large" if len(data) > LARGEST else ""
    if wrong:
        raise Invalid("form-invalid", fields={"scan": wrong})
    try:
        made = examined.sheet(pool, _Held(data), organisation_id=organisation_id)
    except Refused:
        raise Invalid("form-invalid", fields={"scan": "scan-unreadable"}) from None
    return Sheet("application/pdf", data) if made is None else Sheet("image/jpeg", made)


def attach(db: Tx, actor: Actor, case_id: UUID, sheet: Sheet, *, purposes: list[str]) -> Scan:
    """Keep a signed sheet with the consents it covers, of a closed case too. Invalid without a purpose or for an unknown one."""
    case = cases.reach(db, actor, case_id, "consent:write")
    covered = [purpose for purpose in consents.PURPOSES if purpose in purposes]
    if not covered or len(covered) != len(set(purposes)):
        raise Invalid("form-invalid", fields={"purpose": "field-code-unknown" if purposes else "field-required"})
    row = Scan(
        id=ids.new(),
        organisation_id=case.organisation_id,
        case_id=case.id,
        purposes=covered,
        media_type=sheet.media_type,
        size=len(sheet.data),
        sha256=sha256(sheet.data).hexdigest(),
        at=ids.now(),
        attached_by=actor.person_id,
    )
    writer = db.keyring.writer(db, cases.unit(case), _PURPOSE, Scan.__tablename__, row.id, 1)
    pieces = (sheet.data[at : at + _STEP] for at in range(0, len(sheet.data), _STEP))
    row.sealed_size = db.store.put(_key(row.id), writer.stream(pieces))
    db.add(row)
    db.flush()
    cases.note(db, actor, "consent:attach", case, object_type="scan", object_id=row.id, detail={"sha256": row.sha256})
    return row


def of_case(db: Tx, actor: Actor, case: Case) -> list[Scan]:
    """The signed sheets of a case the actor holds, newest first; none for whoever may not see identity."""
    if not policy.allowed(db, actor, "patient:identify", organisation_id=case.organisation_id, case_id=case.id):
        return []
    return list(db.scalars(select(Scan).where(Scan.case_id == case.id).order_by(Scan.id.desc())))


def read(db: Tx, actor: Actor, case_id: UUID, scan_id: UUID) -> tuple[Scan, sealed.Reader]:
    """A signed sheet, recorded each time; the reader outlives the transaction.

    Raises NotFound, and Denied for whoever may not see who the patient is.
    """
    case = reach(db, actor, case_id)
    row = db.get(Scan, scan_id)
    if row is None or row.case_id != case.id:
        raise NotFound("scan-not-found")
    cases.note(db, actor, "consent:open", case, object_type="scan", object_id=row.id)
    store, key = db.store, _key(row.id)
    reader = db.keyring.reader(
        db, cases.unit(case), _PURPOSE, Scan.__tablename__, row.id, 1, lambda start, length: store.read(key, start, length), row.sealed_size
    )
    return row, reader


def reach(db: Tx, actor: Actor, case_id: UUID) -> Case:
    """The case, for whoever may read it and see who the patient is: an administrator sees identity alone, and no sheet."""
    cases.reach(db, actor, case_id, "case:read")
    return cases.reach(db, actor, case_id, "patient:identify")


def sweep(database: Database, *, at: dt.datetime | None = None) -> int:
    """Delete sheets older than a day that no row names (a transaction that came to nothing left them); how many."""
    latest = ((at or ids.now()) - documents.SAFE_AGE).timestamp() * 1_000
    old = {scan_id for key in database.store.keys(f"{_FOLDER}/") if (scan_id := UUID(key.rpartition("/")[2])).int >> 80 < latest}
    with database.begin(readonly=True) as db:
        lost = old - set(db.scalars(select(Scan.id)))
    for scan_id in lost:
        database.store.delete(_key(scan_id))
    return len(lost)


def _key(scan_id: UUID) -> str:
    # in a folder of its own, which the sweeping of pictures leaves alone
    return f"{_FOLDER}/{scan_id}"
