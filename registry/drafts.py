"""Drafts: what somebody is typing into a case, sealed, saved as one goes, read by nobody but its author.

One draft per case, author, kind (an entry type, ``opinion``, ``addendum``) and slot (the version being
corrected, the opinion added to, or none). Nothing is checked here: a draft may hold what cannot be submitted
yet, up to 512 KiB, which is more than any form of ours takes. The verbs of ``entries`` and ``opinions`` check
who may.
"""

import datetime as dt
import json
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import PreconditionFailed, SignInNeeded, TooLarge
from core.tables import Base, Code, IdColumn
from registry import cases, once
from registry.cases import Case
from registry.forms import fields
from registry.forms.fields import Document, Raw

LIMIT = 512 * 1024
# beside the fields, under a name that no field can have
REASON = ":reason"
SUBJECT = ":subject"
Typed = dict[str, str | list[str]]


class DraftRow(Base):
    """A draft at rest; ``slot`` is the id (hex) of the version it corrects or of what it adds to, or empty."""

    __tablename__ = "drafts"
    __table_args__ = (UniqueConstraint("case_id", "author_id", "kind", "slot"),)

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    author_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    kind: Mapped[Code]
    slot: Mapped[str]
    version: Mapped[int]
    saved_at: Mapped[dt.datetime]
    body: Mapped[bytes]


@dataclass(frozen=True, slots=True)
class Draft:
    """What was typed so far: ``version`` 0 and ``saved_at`` None when nothing was saved yet.

    ``model`` is the document type being written (for ``shown.describe``), ``about`` what is corrected or
    added to, ``reason`` why it is corrected, ``subject`` whom the case was about when it was begun (`Case.subject`).
    """

    model: type[Document]
    raw: Typed
    version: int
    saved_at: dt.datetime | None
    about: UUID | None
    reason: str = ""
    subject: str = ""


def read(db: Tx, actor: Actor, case: Case, model: type[Document], about: UUID | None, start: Typed) -> Draft:
    """The author's draft, or ``start`` where nothing was saved."""
    row = _row(db, actor, case, model, about)
    if row is None:
        return Draft(model, start, 0, None, about)
    return _draft(model, _raw(db, case, row), row, about)


def save(
    db: Tx,
    actor: Actor,
    case: Case,
    model: type[Document],
    about: UUID | None,
    start: Typed,
    raw: Raw,
    version: int | None,
    reason: str | None = None,
) -> Draft:
    """Lay ``raw`` over what was saved (or ``start``); names the document does not declare are dropped.

    Raises PreconditionFailed when ``version`` is given and is not the newest, TooLarge over 512 KiB.
    """
    once.lock(db, actor, case.id, model.TYPE, _slot(about))
    row = _row(db, actor, case, model, about)
    if version is not None and version != (row.version if row else 0):
        raise PreconditionFailed("draft-changed-meanwhile")
    after = laid(actor, model, _raw(db, case, row) if row else start, raw)
    after.setdefault(SUBJECT, case.subject)
    if reason is not None:
        after |= {REASON: reason}
    text = json.dumps(after, ensure_ascii=False).encode()
    if len(text) > LIMIT:
        raise TooLarge("draft-too-large", limit=LIMIT)
    if row is None:
        row = DraftRow(
            id=ids.new(),
            organisation_id=case.organisation_id,
            case_id=case.id,
            author_id=author(actor),
            kind=model.TYPE,
            slot=_slot(about),
            version=0,
            saved_at=ids.now(),
            body=b"",
        )
        db.add(row)
    row.version += 1
    row.saved_at = ids.now()
    row.body = cases.seal(db, case, "draft", "drafts", row.id, text, row.version)
    db.flush()
    cases.seen(db, actor, case, f"{_noun(model)}:draft", object_type="draft", object_id=row.id)
    return _draft(model, after, row, about)


def drop(db: Tx, actor: Actor, case: Case, model: type[Document], about: UUID | None) -> bool:
    """Throw the draft away. False when there was none."""
    row = _row(db, actor, case, model, about)
    if row is None:
        return False
    db.delete(row)
    db.flush()
    return True


def started(db: Tx, actor: Actor, case_ids: list[UUID]) -> set[tuple[UUID, str]]:
    """The (case, kind) pairs in which the actor has a draft."""
    rows = select(DraftRow.case_id, DraftRow.kind).where(DraftRow.author_id == author(actor), DraftRow.case_id.in_(case_ids))
    return {(case_id, kind) for case_id, kind in db.execute(rows)}


def laid(actor: Actor, model: type[Document], before: Typed, raw: Raw) -> Typed:
    """``raw`` over what was there ``before``: a time that came back as the form showed it stays as it was told."""
    return before | known(model, raw) | fields.untouched(model, before, raw, zone=actor.time_zone)


def known(model: type[Document], raw: Raw) -> Typed:
    """What of ``raw`` the document declares."""
    names = model.declared()
    return {name: value for name, value in raw.items() if name.split(".", 1)[0] in names}


def author(actor: Actor) -> UUID:
    """The person who writes. Raises SignInNeeded for the system."""
    if actor.person_id is None:
        raise SignInNeeded("sign-in-needed")
    return actor.person_id


def _draft(model: type[Document], raw: Typed, row: DraftRow, about: UUID | None) -> Draft:
    words = {name: value for name, value in raw.items() if name not in (REASON, SUBJECT)}
    return Draft(model, words, row.version, row.saved_at, about, fields.one(raw, REASON), fields.one(raw, SUBJECT))


def _noun(model: type[Document]) -> str:
    return "opinion" if model.TYPE in ("opinion", "joint", "addendum") else "entry"


def _slot(about: UUID | None) -> str:
    return about.hex if about else ""


def _row(db: Tx, actor: Actor, case: Case, model: type[Document], about: UUID | None) -> DraftRow | None:
    return db.scalar(
        select(DraftRow).where(
            DraftRow.case_id == case.id,
            DraftRow.author_id == author(actor),
            DraftRow.kind == model.TYPE,
            DraftRow.slot == _slot(about),
        )
    )


def _raw(db: Tx, case: Case, row: DraftRow) -> Typed:
    raw: Typed = json.loads(cases.unseal(db, case, "draft", "drafts", row.id, row.body, row.version))
    return raw
