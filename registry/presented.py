"""The row of a trainee's signed opinion that no senior has countersigned, for ``registry.presentations``, whose verbs check who may.

It stands below the questions, for whoever is waited for is then the senior. It lies apart from the opinions, so that
nothing which reads those can show it, and its bytes are sealed for this place: moved there, they do not open.
"""

import datetime as dt
import json
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, select
from sqlalchemy.orm import Mapped, mapped_column

from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict
from core.tables import Base, Code, IdColumn
from registry import cases, notices, states
from registry.cases import Case
from registry.drafts import Typed
from registry.outgoing import Referral


class Presentation(Base):
    """A trainee's opinion or addendum as signed (see ``opinions.Opinion``), the senior it lies with, and its state.

    ``words`` is why it was returned, sealed. Countersigned, it becomes the opinion of the same id.
    """

    __tablename__ = "presentations"
    __table_args__ = (Index(None, "case_id", "id"), Index(None, "senior_id", "state"), Index(None, "author_id", "state"))

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    referral_id: Mapped[UUID | None] = mapped_column(ForeignKey("referrals.id"), index=True)
    addendum_to: Mapped[UUID | None] = mapped_column(ForeignKey("opinions.id"))
    author_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    author_organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    senior_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    state: Mapped[Code]
    signed_at: Mapped[dt.datetime]
    urgency: Mapped[str | None]
    document: Mapped[bytes]
    sha256: Mapped[str]
    signature: Mapped[bytes]
    public_key: Mapped[bytes]
    decided_at: Mapped[dt.datetime | None]
    words: Mapped[bytes | None]


def move(db: Tx, presentation: Presentation, event: str) -> None:
    """Move a presentation by an event. Raises Conflict ``presentation-state-forbids`` where the table refuses."""
    after = states.PRESENTATIONS[presentation.state, event]
    if after is None:
        raise Conflict("presentation-state-forbids", state=presentation.state)
    presentation.state = after
    if after != "waiting":
        presentation.decided_at = ids.now()
    db.flush()


def of_question(db: Tx, referral: Referral) -> Presentation | None:
    """What waits for a senior as the answer to an open question."""
    rows = select(Presentation).where(
        Presentation.referral_id == referral.id, Presentation.state == "waiting", Presentation.addendum_to.is_(None)
    )
    return db.scalar(rows.order_by(Presentation.id.desc()).limit(1))


def lapse(db: Tx, actor: Actor, case: Case, referral: Referral, *, but: UUID | None = None) -> None:
    """The question lies with somebody else (``but``) or with nobody: what others signed for it is not given any more."""
    rows = select(Presentation).where(Presentation.referral_id == referral.id, Presentation.state == "waiting")
    for presentation in db.scalars(rows.order_by(Presentation.id)):
        if presentation.author_id != but:
            move(db, presentation, "lapse")
            cases.note(
                db, actor, "opinion:lapse", case, object_type="presentation", object_id=presentation.id, person_id=presentation.author_id
            )
            notices.tell(db, {presentation.senior_id, presentation.author_id}, "opinion-lapsed", case, but=actor.person_id)


def grant_reason(referral_id: UUID) -> str:
    """What stands as the reason of every grant that a question gave, a senior's too: they end with it."""
    return f"referral:{referral_id}"


def seniors(db: Tx, referral: Referral, author_id: UUID) -> set[UUID]:
    """Who was asked to countersign an author's answers to a question."""
    return set(
        db.scalars(select(Presentation.senior_id).where(Presentation.referral_id == referral.id, Presentation.author_id == author_id))
    )


def newest(db: Tx, case: Case, author_id: UUID, addendum_to: UUID | None) -> Presentation | None:
    """The last that an author signed for an opinion on the case, or as an addendum to one."""
    rows = select(Presentation).where(
        Presentation.case_id == case.id, Presentation.author_id == author_id, Presentation.addendum_to == addendum_to
    )
    return db.scalar(rows.order_by(Presentation.id.desc()).limit(1))


def reopened(db: Tx, case: Case, author_id: UUID, addendum_to: UUID | None) -> Typed:
    """The words an author goes on from: those of the version that came back, else none."""
    last = newest(db, case, author_id, addendum_to)
    if last is None or last.state != "returned":
        return {}
    return {section["name"]: section["code"] or section["text"] for section in content(db, case, last)["sections"]}


def canonical(db: Tx, case: Case, presentation: Presentation) -> bytes:
    """The very bytes that were signed."""
    return cases.unseal(db, case, "presentation", "presentations", presentation.id, presentation.document)


def content(db: Tx, case: Case, presentation: Presentation) -> dict[str, Any]:
    """What the signed bytes say."""
    told: dict[str, Any] = json.loads(canonical(db, case, presentation))
    return told
