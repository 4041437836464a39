"""The rows of what a senior has to say of a trainee's entries, for ``registry.reviews``, whose verbs check who may, and for ``entries``.

A version of an entry that its writer enters while in training waits for one countersignature; it stands in the
record meanwhile like any other. What the senior then says is a step of its own, over the hash of the document.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ForeignKey, Index, select
from sqlalchemy.orm import Mapped, mapped_column

from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict
from core.tables import Base, Code, IdColumn
from registry import cases, states
from registry.cases import Case


class Review(Base):
    """That one version of an entry needs a senior, and where that has got to (``states.REVIEWS``)."""

    __tablename__ = "entry_reviews"
    __table_args__ = (Index(None, "organisation_id", "state", "id"), Index(None, "author_id", "state"), Index(None, "case_id"))

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    entry_id: Mapped[UUID] = mapped_column(ForeignKey("entries.id"), unique=True)
    author_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    at: Mapped[dt.datetime]
    state: Mapped[Code]


class ReviewStep(Base):
    """What a senior said of a version, appended and never changed: who, when, over which bytes; ``words`` is sealed."""

    __tablename__ = "entry_review_steps"

    id: Mapped[IdColumn]
    review_id: Mapped[UUID] = mapped_column(ForeignKey("entry_reviews.id"), index=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    event: Mapped[Code]
    by_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    at: Mapped[dt.datetime]
    sha256: Mapped[str]
    words: Mapped[bytes | None]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a trainee's version stands: its state, and who said so when (None while it waits)."""

    state: str
    by_id: UUID | None = None
    at: dt.datetime | None = None


def ask(db: Tx, case: Case, entry_id: UUID, author_id: UUID) -> None:
    """Have a version of an entry wait for a senior."""
    row = Review(organisation_id=case.organisation_id, case_id=case.id, entry_id=entry_id, author_id=author_id, at=ids.now())
    row.id, row.state = ids.new(), states.REVIEW_STATES[0]
    db.add(row)
    db.flush()


def move(db: Tx, review: Review, event: str) -> None:
    """Move a review by an event. Raises Conflict ``review-state-forbids`` where the table refuses."""
    after = states.REVIEWS[review.state, event]
    if after is None:
        raise Conflict("review-state-forbids", state=review.state)
    review.state = after
    db.flush()


def replace(db: Tx, entry_id: UUID) -> None:
    """A later version came: the one before waits for nobody any more."""
    if (review := of_entry(db, entry_id)) is not None:
        move(db, review, "replace")


def of_entry(db: Tx, entry_id: UUID) -> Review | None:
    """The review of one version; None where it needed none."""
    return db.scalar(select(Review).where(Review.entry_id == entry_id))


def standings(db: Tx, case_id: UUID) -> dict[UUID, Standing]:
    """How each trainee's version of a case stands, by entry."""
    rows = select(Review, ReviewStep).outerjoin(ReviewStep, ReviewStep.review_id == Review.id).where(Review.case_id == case_id)
    return {
        review.entry_id: Standing(review.state, step.by_id if step else None, step.at if step else None)
        for review, step in db.execute(rows)
    }


def say(db: Tx, actor: Actor, case: Case, review: Review, event: str, sha256: str, words: str = "") -> ReviewStep:
    """Append what a senior said of a version whose document has this hash, and record it."""
    assert actor.person_id is not None
    step = ReviewStep(
        id=ids.new(),
        review_id=review.id,
        organisation_id=case.organisation_id,
        case_id=case.id,
        event=event,
        by_id=actor.person_id,
        at=ids.now(),
        sha256=sha256,
        words=None,
    )
    if words:
        step.words = cases.seal(db, case, "review", "entry_review_steps", step.id, words.encode())
    db.add(step)
    db.flush()
    told = {"object_type": "entry", "object_id": review.entry_id, "person_id": review.author_id}
    cases.note(db, actor, f"entry:{event}", case, detail={"sha256": sha256}, **told)
    return step


def said(db: Tx, case: Case, entry_ids: Iterable[UUID]) -> dict[UUID, str]:
    """The words with which versions were returned, by entry, for readers of the case's own hospital."""
    rows = select(Review.entry_id, ReviewStep).join(ReviewStep, ReviewStep.review_id == Review.id)
    rows = rows.where(Review.entry_id.in_(set(entry_ids)), ReviewStep.words.is_not(None))
    return {
        entry_id: cases.unseal(db, case, "review", "entry_review_steps", step.id, step.words).decode()
        for entry_id, step in db.execute(rows)
        if step.words is not None
    }
