"""Messages: the discussion of a case between the two hospitals, sealed, one thread per case.

A message may name people, who are told that they were meant, and pictures of the case, which stand under it. Both lie in
its sealed body: whom somebody calls is nobody's business in a table.
"""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, Index, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, mapped_column

from auth import blinding, people, restrictions, rules
from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Invalid, SignInNeeded
from core.tables import Base, IdColumn
from imaging.studies import Instance
from registry import audience, cases, notices, once
from registry.cases import Case

TEXT_LIMIT = 4000
MOST = 20
"""People, and pictures, that one message names."""


class Message(Base):
    """One message; ``body`` is sealed under the case key. Never changed."""

    __tablename__ = "messages"
    __table_args__ = (UniqueConstraint("case_id", "author_id", "client_key"), Index(None, "case_id", "id"))

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    author_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    author_organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    at: Mapped[dt.datetime]
    body: Mapped[bytes]
    client_key: Mapped[str | None]


class MessageMark(Base):
    """Up to which moment a person has read the thread of a case."""

    __tablename__ = "message_marks"

    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), primary_key=True)
    read_to: Mapped[dt.datetime]


@dataclass(frozen=True, slots=True)
class Words:
    """The sealed body of a message: its text, and the ids of the people it calls and the pictures it shows."""

    text: str
    people: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Post:
    """A message as shown; ``new`` to a reader who had not read it before, ``called`` one whom it names."""

    id: UUID
    author_id: UUID
    author_organisation_id: UUID
    at: dt.datetime
    text: str
    mine: bool
    new: bool
    people: tuple[UUID, ...] = ()
    pictures: tuple[UUID, ...] = ()
    called: bool = False


def post(
    db: Tx,
    actor: Actor,
    *,
    case_id: UUID,
    text: str,
    people_ids: Sequence[UUID] = (),
    picture_ids: Sequence[UUID] = (),
    client_key: str | None = None,
) -> Message:
    """Say something in the discussion of a case; everybody the case concerns is told, and who is called by name that they are.

    The same ``client_key`` sent again gives the first message back (Conflict when the words differ). Raises
    Invalid for an empty or too long text, or one that names a patient whose identity is not shown outside, for people
    who are not among the ``hearers`` and pictures that are not of this case; Conflict on a closed case.
    """
    case = cases.reach(db, actor, case_id, "message:write")
    author_id = _person(actor)
    text = text.strip().replace("\r\n", "\n")
    words = Words(text, *(tuple(dict.fromkeys(map(str, named))) for named in (people_ids, picture_ids)))
    once.lock(db, actor, case.id, client_key)
    if client_key and (known := _by_client_key(db, author_id, case, client_key)):
        if _words(db, case, known) != words:
            raise Conflict("client-key-reused")
        return known
    cases.hold(db, case)
    if case.state == "closed":
        raise Conflict("case-closed")
    if not text or len(text) > TEXT_LIMIT:
        raise Invalid("form-invalid", fields={"text": "field-too-long" if text else "field-required"})
    called = set(people_ids)
    if len(words.people) > MOST or not called <= hearers(db, actor, case):
        raise Invalid("form-invalid", fields={"people": "field-person-not-here"})
    if len(words.pictures) > MOST or not _shows(db, actor, case, set(picture_ids)):
        raise Invalid("form-invalid", fields={"pictures": "field-picture-unknown"})
    audience.screen(db, actor, case, {"text": text})
    message = Message(
        id=ids.new(),
        organisation_id=case.organisation_id,
        case_id=case.id,
        author_id=author_id,
        author_organisation_id=actor.organisation_id,
        at=ids.now(),
        client_key=client_key,
    )
    message.body = cases.seal(db, case, "message", "messages", message.id, json.dumps(asdict(words), ensure_ascii=False).encode())
    db.add(message)
    db.flush()
    cases.note(db, actor, "message:post", case, object_type="message", object_id=message.id)
    notices.tell(db, called, "message-calls", case, but=author_id)
    told = audience.participants(db, case) | authors(db, case)
    notices.tell(db, told - called - _kept_from(db, actor, case, told), "message-posted", case, but=author_id)
    return message


def thread(db: Tx, actor: Actor, case_id: UUID, *, mark: bool = True) -> list[Post]:
    """The discussion, oldest first, without what a blinding keeps from the actor; recorded. ``mark`` moves the actor's read mark to its end."""
    case = cases.reach(db, actor, case_id, "message:read")
    cases.seen(db, actor, case, "message:read")
    reader = _person(actor)
    once.lock(db, actor, case.id, "thread")
    before = db.get(MessageMark, (case.id, reader))
    rows = list(db.scalars(select(Message).where(Message.case_id == case.id, open_to(actor)).order_by(Message.at, Message.id)))
    said = {row.id: _words(db, case, row) for row in rows}
    posts = [
        Post(
            id=row.id,
            author_id=row.author_id,
            author_organisation_id=row.author_organisation_id,
            at=row.at,
            text=said[row.id].text,
            mine=row.author_id == reader,
            new=row.author_id != reader and (before is None or row.at > before.read_to),
            people=tuple(map(UUID, said[row.id].people)),
            pictures=tuple(map(UUID, said[row.id].pictures)),
            called=str(reader) in said[row.id].people,
        )
        for row in rows
    ]
    if mark and rows:
        if before is None:
            db.add(MessageMark(case_id=case.id, person_id=reader, read_to=rows[-1].at))
        else:
            before.read_to = max(before.read_to, rows[-1].at)
        db.flush()
    return posts


def unread(db: Tx, actor: Actor, case_ids: list[UUID]) -> dict[UUID, int]:
    """How many messages of others the actor has not read, by case, for cases the caller has checked."""
    reader = _person(actor)
    rows = (
        select(Message.case_id, func.count())
        .outerjoin(MessageMark, (MessageMark.case_id == Message.case_id) & (MessageMark.person_id == reader))
        .where(Message.case_id.in_(case_ids), Message.author_id != reader, open_to(actor))
        .where(MessageMark.read_to.is_(None) | (Message.at > MessageMark.read_to))
        .group_by(Message.case_id)
    )
    return dict(list(db.execute(rows)))


def texts(db: Tx, case: Case) -> list[str]:
    """The words of the discussion, for the check before a referral."""
    rows = select(Message).where(Message.case_id == case.id).order_by(Message.at, Message.id)
    return [_words(db, case, row).text for row in db.scalars(rows)]


def authors(db: Tx, case: Case) -> set[UUID]:
    """Everybody of the owning hospital who has spoken: they are told of what is said next."""
    rows = select(Message.author_id).where(Message.case_id == case.id, Message.author_organisation_id == case.organisation_id)
    return set(db.scalars(rows))


def hearers(db: Tx, actor: Actor, case: Case) -> set[UUID]:
    """Whom the actor may call by name: who takes part or has spoken, and of their own hospital who reads its discussions."""
    found = audience.participants(db, case) | authors(db, case)
    if actor.organisation_id == case.organisation_id:
        readers = [role for role in rules.ROLES if (role, "own", "message:read") in rules.RULES]
        found |= {person.id for role in readers for person in people.members(db, case.organisation_id, role)}
    return found - restrictions.shut_out(db, case.id, found) - _kept_from(db, actor, case, found) - {actor.person_id}


def open_to(actor: Actor) -> ColumnElement[bool]:
    """The rows of messages that no blinding keeps from this actor."""
    return blinding.open_to(
        actor,
        organisation_id=Message.organisation_id,
        case_id=Message.case_id,
        author_id=Message.author_id,
        author_organisation_id=Message.author_organisation_id,
    )


def _kept_from(db: Tx, actor: Actor, case: Case, person_ids: set[UUID]) -> set[UUID]:
    """Those of the people who are not to hear what the actor says, since a blinding keeps it from them."""
    return blinding.kept_from(db, case.id, author_id=_person(actor), author_organisation_id=actor.organisation_id, person_ids=person_ids)


def _shows(db: Tx, actor: Actor, case: Case, picture_ids: set[UUID]) -> bool:
    """Whether these are pictures of the case, and the actor may see them."""
    if not picture_ids:
        return True
    cases.reach(db, actor, case.id, "image:read")
    rows = select(Instance.id).where(Instance.id.in_(picture_ids), Instance.case_id == case.id, Instance.state == "filed")
    return set(db.scalars(rows)) == picture_ids


def _words(db: Tx, case: Case, message: Message) -> Words:
    told = json.loads(cases.unseal(db, case, "message", "messages", message.id, message.body))
    return Words(told["text"], tuple(told["people"]), tuple(told["pictures"]))


def _by_client_key(db: Tx, author_id: UUID, case: Case, client_key: str) -> Message | None:
    return db.scalar(select(Message).where(Message.case_id == case.id, Message.author_id == author_id, Message.client_key == client_key))


def _person(actor: Actor) -> UUID:
    if actor.person_id is None:
        raise SignInNeeded("sign-in-needed")
    return actor.person_id
