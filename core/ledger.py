"""The tables of the audit log and how an event becomes a leaf of its organisation's Merkle tree.

Rows are only ever added. An event is written when it is recorded, and takes its place in the tree
when the transaction commits: a listener locks the head of each log concerned, in the order of the
organisations' ids, and appends. If that fails, the transaction fails. The place in the tree is the
order of the log; the clock is only written down.
"""

import datetime as dt
import json
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint, event, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from core import ids, merkle
from core.db import Tx
from core.tables import Base, Code, IdColumn, Json

SCHEMA = 1
"""The number of the encoding below; a leaf says which one it is in."""

_PENDING = "audit.pending"


class Event(Base):
    """Who did what, when, to which thing, for what purpose, and how it went. Ids and codes only."""

    __tablename__ = "audit_events"
    __table_args__ = (
        Index(None, "organisation_id", "case_id"),
        Index(None, "organisation_id", "actor_id"),
        Index(None, "actor_organisation_id"),
        Index(None, "session_id", "object_id"),
        Index(None, "token_id", "object_id"),
    )

    id: Mapped[IdColumn]
    schema: Mapped[int] = mapped_column(default=SCHEMA)
    organisation_id: Mapped[UUID]
    at: Mapped[dt.datetime]
    action: Mapped[Code]
    outcome: Mapped[Code]
    purpose: Mapped[Code]
    actor_id: Mapped[UUID | None]
    actor_organisation_id: Mapped[UUID]
    actor_roles: Mapped[list[str]]
    session_id: Mapped[UUID | None]
    token_id: Mapped[UUID | None]
    case_id: Mapped[UUID | None]
    person_id: Mapped[UUID | None]
    object_type: Mapped[Code]
    object_id: Mapped[UUID | None]
    detail: Mapped[Json]
    named_patients: Mapped[list[str]]

    leaf: Mapped["Leaf | None"] = relationship(lazy="raise", viewonly=True)

    @property
    def patient_ids(self) -> tuple[UUID, ...]:
        """The patients this event shows or concerns."""
        return tuple(UUID(hex=patient) for patient in self.named_patients)

    @property
    def leaf_index(self) -> int | None:
        """The event's place in its log, of an event that ``audit.events`` gave."""
        return self.leaf.leaf_index if self.leaf else None


class EventPatient(Base):
    """Finds the events of one patient; says nothing that the event does not say itself."""

    __tablename__ = "audit_event_patients"

    patient_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(ForeignKey("audit_events.id"), primary_key=True, index=True)


class Leaf(Base):
    """The place of an event in its organisation's tree, and its leaf hash."""

    __tablename__ = "audit_leaves"
    __table_args__ = (UniqueConstraint("event_id"),)

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    leaf_index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    event_id: Mapped[UUID] = mapped_column(ForeignKey("audit_events.id"))
    leaf_hash: Mapped[bytes] = mapped_column(LargeBinary(32))


class Head(Base):
    """The tree of one organisation as it stands, and as it was last signed. The one row that changes."""

    __tablename__ = "audit_heads"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(default=0)
    frontier: Mapped[bytes] = mapped_column(default=b"")
    signed_size: Mapped[int] = mapped_column(default=0)
    signed_frontier: Mapped[bytes] = mapped_column(default=b"")
    signed_note: Mapped[str | None]


def encode(row: Event) -> bytes:
    """The leaf of an event: RFC 8785 canonical JSON of every column (docs/formats.md).

    Names and values are ASCII and the numbers whole, so sorted compact JSON is the canonical one.
    """
    leaf = {
        "schema": row.schema,
        "id": str(row.id),
        "organisation": str(row.organisation_id),
        "at": stamp(row.at),
        "action": row.action,
        "outcome": row.outcome,
        "purpose": row.purpose,
        "actor": _text(row.actor_id),
        "actor_organisation": str(row.actor_organisation_id),
        "actor_roles": row.actor_roles,
        "session": _text(row.session_id),
        "token": _text(row.token_id),
        "case": _text(row.case_id),
        "person": _text(row.person_id),
        "object_type": row.object_type,
        "object": _text(row.object_id),
        "patients": row.named_patients,
        "detail": row.detail,
    }
    return json.dumps(leaf, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True).encode()


def stamp(at: dt.datetime) -> str:
    """A time as leaves write it: UTC, always six digits of a second, ``Z``."""
    return at.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def add(db: Session, row: Event) -> None:
    """Write an event; it takes its place in the tree when the transaction commits."""
    db.add(row)
    db.info.setdefault(_PENDING, []).append(row)


def waiting(db: Session) -> set[UUID]:
    """The events of this transaction that have no place in the tree yet."""
    return {row.id for row in db.info.get(_PENDING, [])}


def lock_head(db: Session, organisation_id: UUID) -> Head:
    """The head of a log, held against every other transaction until this one ends."""
    query = select(Head).where(Head.organisation_id == organisation_id).with_for_update()
    head = db.scalar(query.execution_options(populate_existing=True))
    if head is None:
        dialect_insert = postgres_insert if db.get_bind().dialect.name == "postgresql" else sqlite_insert
        db.execute(dialect_insert(Head).values(organisation_id=organisation_id).on_conflict_do_nothing())
        head = db.scalars(query.execution_options(populate_existing=True)).one()
    return head


@event.listens_for(Tx, "before_commit")
def _sequence(db: Session) -> None:
    """Append what this transaction recorded to the trees, before anything of it is committed."""
    if db.in_nested_transaction():
        return
    recorded: list[Event] = [row for row in db.info.pop(_PENDING, []) if row in db]
    db.flush()
    if patients := [{"patient_id": patient, "event_id": row.id} for row in recorded for patient in row.patient_ids]:
        db.execute(insert(EventPatient), patients)
    for organisation_id in sorted({row.organisation_id for row in recorded}):
        head = lock_head(db, organisation_id)
        tree = merkle.Frontier(head.size, head.frontier)
        leaves = []
        for row in recorded:
            if row.organisation_id == organisation_id:
                leaf = merkle.leaf_hash(encode(row))
                leaves.append({"organisation_id": organisation_id, "leaf_index": tree.size, "event_id": row.id, "leaf_hash": leaf})
                tree.append(leaf)
        db.execute(insert(Leaf), leaves)
        grown = update(Head).where(Head.organisation_id == organisation_id).values(size=tree.size, frontier=tree.encode())
        db.execute(grown, execution_options={"synchronize_session": False})


def new_event(organisation_id: UUID, actor_organisation_id: UUID) -> Event:
    """An event with its id and its time."""
    return Event(id=ids.new(), schema=SCHEMA, organisation_id=organisation_id, actor_organisation_id=actor_organisation_id, at=ids.now())


def _text(value: UUID | None) -> str | None:
    return str(value) if value else None
