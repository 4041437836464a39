"""Entries: the clinical record of a case, an append-only sequence of sealed, typed documents.

What is being typed lives in a draft of its author (one per case, type and version corrected), saved as one
goes and read by nobody else. Submitting checks it and appends an entry; a correction appends a version
that names the one it replaces, and only the version that stands can be corrected: a draft about an earlier
one says nothing about what others corrected since. Nothing is overwritten: there is no verb that changes an
entry. What somebody in training enters stands at once and waits for a senior (``registry.reviews``).
"""

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from auth import training
from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Invalid, NotFound, PreconditionFailed
from core.tables import Base, Code, IdColumn
from imaging.studies import Instance
from registry import audience, board, cases, clocks, drafts, notices, unconfirmed
from registry.cases import Case
from registry.drafts import Draft, Typed
from registry.forms import fields
from registry.forms.amputation import Amputation
from registry.forms.closure import Closure
from registry.forms.complication import Complication
from registry.forms.fields import Document, Raw
from registry.forms.flap import Flap
from registry.forms.followup import FollowUp
from registry.forms.fracture import Fracture
from registry.forms.injury import Injury
from registry.forms.mess import Mess
from registry.forms.operation import Operation
from registry.forms.replant import Replant
from registry.forms.structures import Structures
from registry.forms.transfer import Transfer
from registry.forms.wound import Wound
from registry.unconfirmed import Standing
from registry.valuesets import Option

# type -> its model and the action that writing it is.
TYPES: dict[str, tuple[type[Document], str]] = {
    "injury": (Injury, "case:write"),
    "amputation": (Amputation, "case:write"),
    "fracture": (Fracture, "case:write"),
    "wound": (Wound, "case:write"),
    "structures": (Structures, "case:write"),
    "mess": (Mess, "case:write"),
    "operation": (Operation, "case:write"),
    "replant": (Replant, "case:write"),
    "flap": (Flap, "case:write"),
    "complication": (Complication, "case:write"),
    "transfer": (Transfer, "case:write"),
    "follow-up": (FollowUp, "followup:write"),
    "closure": (Closure, "case:close"),
}


class Entry(Base):
    """One version of one document. Versions of the same document share ``chain_id``; the highest stands."""

    __tablename__ = "entries"
    __table_args__ = (
        UniqueConstraint("chain_id", "version"),
        UniqueConstraint("case_id", "author_id", "client_key"),
        Index(None, "case_id", "type"),
    )

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    type: Mapped[Code]
    schema_id: Mapped[Code]
    chain_id: Mapped[UUID]
    version: Mapped[int]
    replaces_id: Mapped[UUID | None] = mapped_column(ForeignKey("entries.id"))
    author_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    at: Mapped[dt.datetime]
    body: Mapped[bytes]
    reason: Mapped[bytes | None]
    client_key: Mapped[str | None]


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry with its document. ``current`` is False for a version that a later one replaces.

    ``sha256`` is that of the stored document, in hex. ``review`` is how a trainee's version stands with the senior,
    None for one that needs none.
    """

    entry: Entry
    document: Document
    reason: str
    current: bool
    sha256: str
    review: Standing | None = None


# --- drafts --------------------------------------------------------------------------------------------


def draft(db: Tx, actor: Actor, case_id: UUID, entry_type: str, *, replaces: UUID | None = None) -> Draft:
    """The actor's own draft; where there is none, an empty one, or the words of the version to be corrected."""
    case, model = _writable(db, actor, case_id, entry_type)
    cases.seen(db, actor, case)
    return drafts.read(db, actor, case, model, replaces, _start(db, case, _version(db, case, entry_type, replaces)))


def save(
    db: Tx,
    actor: Actor,
    case_id: UUID,
    entry_type: str,
    raw: Raw,
    *,
    replaces: UUID | None = None,
    version: int | None = None,
    reason: str | None = None,
    client_key: str | None = None,
) -> Draft:
    """Keep what was typed, unchecked: the fields in ``raw`` replace those saved before, the others stay.

    Names the document does not declare are dropped; ``reason`` is why a version is corrected. Raises
    PreconditionFailed when ``version`` is given and another device saved meanwhile, TooLarge over 512 KiB,
    Conflict when an entry was made under ``client_key`` already: then the draft comes too late.
    """
    case, model = _writable(db, actor, case_id, entry_type)
    start = _start(db, case, _version(db, case, entry_type, replaces))
    # or the entry that is being made at this moment would not be seen
    cases.hold(db, case)
    if client_key and by_client_key(db, actor, case, client_key):
        raise Conflict("client-key-reused")
    return drafts.save(db, actor, case, model, replaces, start, raw, version, reason)


def discard(db: Tx, actor: Actor, case_id: UUID, entry_type: str, *, replaces: UUID | None = None) -> None:
    """Throw the actor's own draft away; nothing happens when there is none."""
    case, model = _writable(db, actor, case_id, entry_type)
    _version(db, case, entry_type, replaces)
    if drafts.drop(db, actor, case, model, replaces):
        cases.note(db, actor, "entry:discard", case, object_type="draft")


# --- the record ----------------------------------------------------------------------------------------


def submit(db: Tx, actor: Actor, case_id: UUID, entry_type: str, raw: Raw | None = None, *, client_key: str | None = None) -> Entry:
    """Append a new entry from the draft, with ``raw`` over it; the draft is gone afterwards.

    The same ``client_key`` sent again gives the first entry back (Conflict when it said something else).
    Raises Invalid with a code for each field that is wrong.
    """
    case, model = _writable(db, actor, case_id, entry_type)
    return _append(db, actor, case, model, raw or {}, None, "", client_key)


def correct(
    db: Tx,
    actor: Actor,
    entry_id: UUID,
    raw: Raw | None = None,
    *,
    reason: str,
    client_key: str | None = None,
) -> Entry:
    """Append a version that replaces an entry. ``raw`` lies over the draft, the draft over what stood.

    Raises PreconditionFailed when that entry was corrected meanwhile, Invalid without a reason or for one as long as no note may be.
    """
    old = _reachable(db, actor, entry_id)
    case, model = _writable(db, actor, old.case_id, old.type)
    if not reason.strip():
        raise Invalid("form-invalid", fields={"reason": "field-required"})
    if len(reason) > fields.NOTE_LIMIT:
        raise Invalid("form-invalid", fields={"reason": "field-too-long"})
    return _append(db, actor, case, model, raw or {}, old, reason.strip(), client_key)


def get(db: Tx, actor: Actor, entry_id: UUID) -> Recorded:
    """One entry with its document; the reading of the case is recorded."""
    entry = _reachable(db, actor, entry_id)
    case = cases.get(db, actor, entry.case_id)
    return _recorded(db, case, entry, current=_newest(db, entry).id == entry.id, review=unconfirmed.standings(db, case.id).get(entry.id))


def standing(db: Tx, actor: Actor, entry_id: UUID) -> Entry:
    """The version that stands of the document an entry is a version of."""
    return _newest(db, _reachable(db, actor, entry_id))


def for_case(db: Tx, actor: Actor, case_id: UUID, *, entry_type: str | None = None, history: bool = False) -> list[Recorded]:
    """The entries of a case in the order they were written; replaced versions only with ``history``."""
    case = cases.get(db, actor, case_id)
    return recorded(db, case, entry_type=entry_type, history=history)


def recorded(db: Tx, case: Case, *, entry_type: str | None = None, history: bool = False) -> list[Recorded]:
    """As ``for_case``, for another noun that holds the case and has recorded the reading."""
    rows = select(Entry).where(Entry.case_id == case.id).order_by(Entry.at, Entry.id)
    if entry_type is not None:
        rows = rows.where(Entry.type == entry_type)
    found = list(db.scalars(rows))
    newest: dict[UUID, Entry] = {}
    for entry in found:
        if entry.chain_id not in newest or newest[entry.chain_id].version < entry.version:
            newest[entry.chain_id] = entry
    shown = [(entry, newest[entry.chain_id] is entry) for entry in found]
    reviews = unconfirmed.standings(db, case.id)
    return [_recorded(db, case, entry, current=current, review=reviews.get(entry.id)) for entry, current in shown if current or history]


def units(items: Iterable[Recorded]) -> list[Option]:
    """The severed parts among what was read of a case, as other documents choose and name them."""
    named = {str(item.entry.chain_id): item.document for item in items if isinstance(item.document, Amputation)}
    return [document.named(key) for key, document in named.items()]


# --- inside ----------------------------------------------------------------------------------------------


def _append(
    db: Tx,
    actor: Actor,
    case: Case,
    model: type[Document],
    raw: Raw,
    old: Entry | None,
    reason: str,
    client_key: str | None,
) -> Entry:
    replaces = old.id if old else None
    cases.hold(db, case)
    known = by_client_key(db, actor, case, client_key) if client_key else None
    if known is not None and old is not None:
        return known
    if case.state == "closed":
        raise Conflict("case-closed")
    if old is not None and _newest(db, old).id != old.id:
        raise PreconditionFailed("entry-corrected-meanwhile")
    typed: Typed = {} if known else drafts.read(db, actor, case, model, replaces, _start(db, case, old)).raw
    now = ids.now()
    document = fields.parse(model, drafts.laid(actor, model, typed, raw), zone=actor.time_zone, now=now)
    if known is not None:
        if _document(db, case, known) != document and raw:
            raise Conflict("client-key-reused")
        return known
    _fits(db, case, document, old.chain_id if old else None)
    audience.screen(db, actor, case, document.free_texts() | ({"reason": reason} if reason else {}))
    entry = Entry(
        id=ids.new(),
        organisation_id=case.organisation_id,
        case_id=case.id,
        type=model.TYPE,
        schema_id=model.schema_id(),
        version=old.version + 1 if old else 1,
        replaces_id=replaces,
        author_id=actor.person_id,
        at=now,
        client_key=client_key,
        reason=None,
    )
    entry.chain_id = old.chain_id if old else entry.id
    body = document.model_dump_json().encode()
    entry.body = cases.seal(db, case, "entry", "entries", entry.id, body, entry.version)
    if reason:
        entry.reason = cases.seal(db, case, "entry-reason", "entries", entry.id, reason.encode(), entry.version)
    db.add(entry)
    db.flush()
    if old is not None:
        unconfirmed.replace(db, old.id)
    if actor.person_id is not None and training.in_training(db, actor.person_id, case.organisation_id):
        unconfirmed.ask(db, case, entry.id, actor.person_id)
    drafts.drop(db, actor, case, model, replaces)
    action = "entry:correct" if old else "entry:submit"
    detail: dict[str, str | int | bool] = {"type": entry.type, "version": entry.version}
    cases.note(db, actor, action, case, object_type="entry", object_id=entry.id, detail=detail)
    board.project(db, actor, case, {item.entry.chain_id: item.document for item in recorded(db, case)}, document)
    if case.state != "draft":
        notices.tell(db, audience.participants(db, case), "entry-added", case, but=actor.person_id)
    return entry


def _fits(db: Tx, case: Case, document: Document, chain_id: UUID | None) -> None:
    """What a document has to agree with outside itself.

    Its pictures and severed units are of this case, a severed unit has a time of injury, and its times and those of its
    replantations hold together. ``chain_id`` is that of the document that is corrected.
    """
    _own_pictures(db, case, document)
    rest = {str(item.entry.chain_id): item.document for item in recorded(db, case) if item.entry.chain_id != chain_id}
    injuries = [item for item in rest.values() if isinstance(item, Injury)]
    replants = [item for item in rest.values() if isinstance(item, Replant)]
    first = clocks.first_injured_at(injuries)
    moments = {name: getattr(document, name) for name in document.AFTER_INJURY}
    wrong = {
        name: "field-before-injury" for name, told in moments.items() if told and told.at and first and first.at and told.at < first.at
    }
    for name, note in document.declared().items():
        named = getattr(document, name) if note.widget == "unit" else ""
        if named and not isinstance(rest.get(named), Amputation):
            wrong[name] = "field-unit-unknown"
    if isinstance(document, Amputation):
        told = clocks.injured_at(document, injuries)
        if told is None:
            raise Invalid("form-invalid", fields={"injured_at": "field-injury-time-needed"})
        wrong = clocks.unit_disagreements(document, injuries, [item for item in replants if item.unit == str(chain_id)])
        if told.at is not None:
            wrong |= document.model_copy(update={"injured_at": told}).contradictions()
    elif isinstance(document, Replant) and not wrong and isinstance(unit := rest[document.unit], Amputation):
        wrong = clocks.disagreements(unit, injuries, document, [item for item in replants if item.unit == document.unit])
    if wrong:
        raise Invalid("form-invalid", fields=wrong)


def _own_pictures(db: Tx, case: Case, document: Document) -> None:
    for name, note in document.declared().items():
        if note.widget != "pictures":
            continue
        try:
            named = {UUID(text) for text in getattr(document, name)}
        except ValueError:
            raise Invalid("form-invalid", fields={name: "field-picture-unknown"}) from None
        rows = select(Instance.id).where(Instance.id.in_(named), Instance.case_id == case.id, Instance.state == "filed")
        if set(db.scalars(rows)) != named:
            raise Invalid("form-invalid", fields={name: "field-picture-unknown"})


def _writable(db: Tx, actor: Actor, case_id: UUID, entry_type: str) -> tuple[Case, type[Document]]:
    if entry_type not in TYPES:
        raise NotFound("entry-type-not-found")
    model, action = TYPES[entry_type]
    return cases.reach(db, actor, case_id, action), model


def _reachable(db: Tx, actor: Actor, entry_id: UUID) -> Entry:
    entry = db.get(Entry, entry_id)
    if entry is None:
        raise NotFound("entry-not-found")
    cases.reach(db, actor, entry.case_id, "case:read")
    return entry


def _version(db: Tx, case: Case, entry_type: str, entry_id: UUID | None) -> Entry | None:
    """The version of this case that is to be corrected, or None for a new entry."""
    entry = db.get(Entry, entry_id) if entry_id else None
    if entry_id and (entry is None or entry.case_id != case.id or entry.type != entry_type):
        raise NotFound("entry-not-found")
    return entry


def _newest(db: Tx, entry: Entry) -> Entry:
    rows = select(Entry).where(Entry.chain_id == entry.chain_id).order_by(Entry.version.desc()).limit(1)
    return db.scalars(rows).one()


def _start(db: Tx, case: Case, target: Entry | None) -> Typed:
    return fields.typed(_document(db, case, target)) if target else {}


def _plain(db: Tx, case: Case, entry: Entry) -> bytes:
    return cases.unseal(db, case, "entry", "entries", entry.id, entry.body, entry.version)


def _parsed(entry: Entry, plain: bytes) -> Document:
    return TYPES[entry.type][0].model_validate_json(plain)


def _document(db: Tx, case: Case, entry: Entry) -> Document:
    return _parsed(entry, _plain(db, case, entry))


def _recorded(db: Tx, case: Case, entry: Entry, *, current: bool, review: Standing | None) -> Recorded:
    reason = ""
    if entry.reason is not None:
        plain = cases.unseal(db, case, "entry-reason", "entries", entry.id, entry.reason, entry.version)
        reason = plain.decode()
    plain = _plain(db, case, entry)
    return Recorded(entry, _parsed(entry, plain), reason, current, hashlib.sha256(plain).hexdigest(), review)


def by_client_key(db: Tx, actor: Actor, case: Case, client_key: str) -> Entry | None:
    """The entry an author sent under this key, for a caller that holds the case."""
    return db.scalar(select(Entry).where(Entry.case_id == case.id, Entry.author_id == actor.person_id, Entry.client_key == client_key))
