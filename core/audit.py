"""The audit log: who saw and did what, provably whole, one log per organisation.

``record`` and ``view`` write in the transaction of the act itself: if the event cannot be written,
the act does not happen. The log of an act belongs to the organisation that owns its subject. An event
carries ids and codes, never a word about a patient. What somebody does in a case on which they have broken the
glass has the purpose ``emergency``, whatever the caller says (IHE BALP: purpose of use BTG). ``checkpoint`` signs the log as it stands and
``push`` takes that out of the database's reach; ``verify`` compares the two.
"""

import datetime as dt
import re
from base64 import b64encode
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, contains_eager

from core import ids, ledger, merkle
from core.actor import Actor
from core.checkpoints import KeptLog, Push, checkpoint, kept, push, push_grown, verifier_key
from core.db import Tx
from core.errors import NotFound
from core.ledger import Event, EventPatient, Leaf
from core.verification import Finding, Report, leaves, verify

__all__ = [
    "Event", "Finding", "KeptLog", "Push", "Report", "checkpoint", "events", "events_of", "kept", "leaves", "prove", "push", "push_grown",
    "record", "verifier_key", "verify", "view",
]  # fmt: skip

JOIN_WITHIN = dt.timedelta(minutes=15)
EMERGENCY = "emergency"

_ACTION = re.compile(r"[a-z][a-z-]*:[a-z][a-z-]*")
_CODE = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_LARGEST = 2**53 - 1  # RFC 8785 §3.2.2.3: what every reader of JSON takes for the same number
_DETAIL = re.compile(r"[\x20-\x7e]{0,200}")


def record(
    db: Session,
    actor: Actor,
    action: str,
    *,
    organisation_id: UUID,
    case_id: UUID | None = None,
    patient_ids: Iterable[UUID] = (),
    person_id: UUID | None = None,
    object_type: str = "",
    object_id: UUID | None = None,
    purpose: str = "treatment",
    outcome: str = "success",
    detail: Mapping[str, str | int | bool] | None = None,
) -> Event:
    """Write one event into the log of ``organisation_id``, the owner of the case or subject.

    ``person_id`` is a person acted upon; who acts comes from ``actor``. ``detail`` takes short ASCII
    codes and numbers: anything else is a ValueError, so that no patient's words end up in the clear.
    """
    patients, purpose = sorted(set(patient_ids)), _purpose(actor, case_id, purpose)
    _check(action, object_type, purpose, outcome, detail or {})
    row = ledger.new_event(organisation_id, actor.organisation_id)
    row.action, row.outcome, row.purpose = action, outcome, purpose
    row.actor_id, row.actor_roles = actor.person_id, sorted(actor.roles)
    row.session_id, row.token_id = actor.session_id, actor.token_id
    row.case_id, row.person_id, row.object_type, row.object_id = case_id, person_id, object_type, object_id
    row.named_patients = [str(patient) for patient in patients]
    row.detail = dict(detail or {})
    ledger.add(db, row)
    return row


def view(
    db: Session,
    actor: Actor,
    action: str,
    *,
    organisation_id: UUID,
    case_id: UUID | None = None,
    patient_ids: Iterable[UUID] = (),
    person_id: UUID | None = None,
    object_type: str = "",
    object_id: UUID | None = None,
    purpose: str = "treatment",
    outcome: str = "success",
    detail: Mapping[str, str | int | bool] | None = None,
) -> Event:
    """Write down a look at something, or join the event of a look less than 15 minutes old.

    Joined is what the same session or token did to the same object for the same purpose, if that
    event names all patients shown now. Whoever has neither session nor token joins nothing.
    """
    patients, purpose = frozenset(patient_ids), _purpose(actor, case_id, purpose)
    same = (
        select(Event)
        .where(Event.organisation_id == organisation_id, Event.action == action, Event.purpose == purpose, Event.outcome == outcome)
        .where(
            Event.object_type == object_type, _is(Event.object_id, object_id), _is(Event.case_id, case_id), _is(Event.person_id, person_id)
        )
        .where(_is(Event.actor_id, actor.person_id), Event.actor_organisation_id == actor.organisation_id)
        .where(_is(Event.session_id, actor.session_id), _is(Event.token_id, actor.token_id))
    )
    if actor.session_id or actor.token_id:
        if earlier := _earlier(db, same, patients):
            return earlier
        if db.get_bind().dialect.name == "postgresql":
            # two frames of one study asked for at once: the second waits here, then joins the first
            lock = sha256(f"{actor.session_id}{actor.token_id}{action}{object_id}{case_id}".encode()).digest()
            db.execute(select(func.pg_advisory_xact_lock(int.from_bytes(lock[:8], "big", signed=True))))
            if earlier := _earlier(db, same, patients):
                return earlier
    return record(
        db, actor, action, organisation_id=organisation_id, case_id=case_id, patient_ids=patients, person_id=person_id,
        object_type=object_type, object_id=object_id, purpose=purpose, outcome=outcome, detail=detail,
    )  # fmt: skip


def events(
    db: Session,
    organisation_id: UUID,
    *,
    case_id: UUID | None = None,
    patient_id: UUID | None = None,
    patient_ids: Collection[UUID] = (),
    actor_id: UUID | None = None,
    person_id: UUID | None = None,
    actions: Collection[str] = (),
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    before: UUID | None = None,
    limit: int = 100,
) -> list[Event]:
    """Committed events of an organisation's log, newest first; each knows its ``leaf_index``.

    ``actor_id`` asks what a person did and saw, ``patient_id`` (or any of ``patient_ids``) and ``case_id`` who saw it. Times are
    ``since`` ≤ t < ``until``. For the next page give the last event's id as ``before``.
    """
    query = select(Event).join(Event.leaf).options(contains_eager(Event.leaf)).where(Leaf.organisation_id == organisation_id)
    query = _filtered(query, case_id, {*patient_ids, *([patient_id] if patient_id else [])}, actor_id, actions, since, until)
    if person_id:
        query = query.where(Event.person_id == person_id)
    if before is not None:
        last = select(Leaf.leaf_index).where(Leaf.organisation_id == organisation_id, Leaf.event_id == before)
        query = query.where(Leaf.leaf_index < last.scalar_subquery())
    return list(db.scalars(query.order_by(Leaf.leaf_index.desc()).limit(limit)))


def events_of(
    db: Session,
    organisation_id: UUID,
    actor_id: UUID,
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    before: UUID | None = None,
    limit: int = 100,
) -> list[Event]:
    """What a person did in an organisation's log, and on its behalf in the logs of others, newest first; ``before`` as in ``events``."""
    query = select(Event).join(Event.leaf).options(contains_eager(Event.leaf))
    query = query.where(or_(Event.organisation_id == organisation_id, Event.actor_organisation_id == organisation_id))
    query = _filtered(query, None, (), actor_id, (), since, until)
    if before is not None:
        last = select(Event.at).where(Event.id == before).scalar_subquery()
        query = query.where(or_(Event.at < last, and_(Event.at == last, Event.id < before)))
    return list(db.scalars(query.order_by(Event.at.desc(), Event.id.desc()).limit(limit)))


def prove(db: Tx, event_id: UUID) -> tuple[bytes, str]:
    """An event's leaf and a C2SP tlog-proof (v1) that the log's present checkpoint contains it.

    Anybody with the log's verifier key can check the two off-line. Reads every leaf hash of the log.
    Raises NotFound, and Damaged when the log is not what was signed.
    """
    row = db.scalar(select(Event).join(Event.leaf).options(contains_eager(Event.leaf)).where(Event.id == event_id))
    if row is None or row.leaf is None:
        raise NotFound("event-not-found")
    index, organisation_id, leaf = row.leaf.leaf_index, row.organisation_id, ledger.encode(row)
    note = checkpoint(db, organisation_id)
    hashes = db.scalars(select(Leaf.leaf_hash).where(Leaf.organisation_id == organisation_id).order_by(Leaf.leaf_index)).all()
    path = "".join(f"{b64encode(node).decode()}\n" for node in merkle.inclusion_path(hashes, index))
    return leaf, f"c2sp.org/tlog-proof@v1\nindex {index}\n{path}\n{note}"


def _purpose(actor: Actor, case_id: UUID | None, purpose: str) -> str:
    return EMERGENCY if case_id in actor.emergencies else purpose


def _earlier(db: Session, same: Select[Event], patients: frozenset[UUID]) -> Event | None:
    now = ids.now()
    recent = same.where(Event.at > now - JOIN_WITHIN, Event.at <= now).order_by(Event.at.desc())
    return next((row for row in db.scalars(recent) if patients.issubset(row.patient_ids)), None)


def _is(column: InstrumentedAttribute[UUID | None], value: UUID | None) -> ColumnElement[bool]:
    return column.is_(None) if value is None else column == value


def _check(action: str, object_type: str, purpose: str, outcome: str, detail: Mapping[str, str | int | bool]) -> None:
    if not _ACTION.fullmatch(action):
        raise ValueError("an action is written noun:verb")
    if not all(_CODE.fullmatch(code) for code in (object_type or "x", purpose, outcome, *detail)):
        raise ValueError("object types, purposes, outcomes and names of details are codes")
    for value in detail.values():
        fits = _DETAIL.fullmatch(value) if isinstance(value, str) else isinstance(value, int) and abs(value) <= _LARGEST
        if not fits:
            raise ValueError("a detail is a short ASCII code or a number, never free text")


def _filtered(
    query: Select[Event],
    case_id: UUID | None,
    patient_ids: Collection[UUID],
    actor_id: UUID | None,
    actions: Collection[str],
    since: dt.datetime | None,
    until: dt.datetime | None,
) -> Select[Event]:
    if case_id:
        query = query.where(Event.case_id == case_id)
    if patient_ids:
        query = query.where(Event.id.in_(select(EventPatient.event_id).where(EventPatient.patient_id.in_(patient_ids))))
    if actor_id:
        query = query.where(Event.actor_id == actor_id)
    if actions:
        query = query.where(Event.action.in_(actions))
    if since:
        query = query.where(Event.at >= since)
    if until:
        query = query.where(Event.at < until)
    return query
