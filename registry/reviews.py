"""Reviews: a senior's countersignature on what somebody in training entered into the record.

A senior is somebody of the same hospital with ``entry:countersign`` who is not in training and did not write the
entry. They countersign the version, or return it with words; then the trainee corrects it and it waits again. The
entry stands in the record all the while, urgency and clocks follow it at once, and nothing is overwritten. A case
that is closed meanwhile can still be countersigned, for that changes no word of it.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from auth import rules, training
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Denied, Invalid, NotFound
from registry import cases, entries, notices, unconfirmed
from registry.cases import Case
from registry.entries import Entry, Recorded
from registry.forms import fields
from registry.unconfirmed import Review

ACTION = "entry:countersign"


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A trainee's version before a senior: what it says, and whether this reader may countersign it."""

    item: Recorded
    case: Case
    mine: bool


def get(db: Tx, actor: Actor, entry_id: UUID) -> Reviewed:
    """The version to look through; recorded as reading the case. NotFound for one that needs no senior."""
    item = entries.get(db, actor, entry_id)
    review = unconfirmed.of_entry(db, entry_id)
    if review is None:
        raise NotFound("entry-not-found")
    return Reviewed(item, cases.reach(db, actor, item.entry.case_id, "case:read"), is_senior(db, actor, review))


def countersign(db: Tx, actor: Actor, entry_id: UUID) -> Entry:
    """Countersign one version, over the hash of its document.

    Raises NotFound, Denied for the writer, for somebody in training and for a token, Conflict by the state.
    """
    review, item, case = _hold(db, actor, entry_id)
    unconfirmed.move(db, review, "countersign")
    unconfirmed.say(db, actor, case, review, "countersign", item.sha256)
    return item.entry


def give_back(db: Tx, actor: Actor, entry_id: UUID, *, words: str) -> Entry:
    """Return one version to its writer with words. Raises Invalid without them, Conflict ``case-closed``, else as ``countersign``."""
    review, item, case = _hold(db, actor, entry_id)
    if case.state == "closed":
        raise Conflict("case-closed")
    if wrong := fields.wrong_words(words):
        raise Invalid("form-invalid", fields={"words": wrong})
    said = words.strip()
    unconfirmed.move(db, review, "return")
    unconfirmed.say(db, actor, case, review, "return", item.sha256, said)
    notices.tell(db, {review.author_id}, "entry-returned", case, but=actor.person_id)
    return item.entry


def said(db: Tx, actor: Actor, case: Case, entry_ids: list[UUID]) -> dict[UUID, str]:
    """Why versions were returned, by entry, for readers of the case's own hospital who hold it; nothing for others."""
    return unconfirmed.said(db, case, entry_ids) if actor.organisation_id == case.organisation_id else {}


def is_senior(db: Tx, actor: Actor, review: Review) -> bool:
    """Whether the actor could countersign the version, were it waiting."""
    own = actor.organisation_id == review.organisation_id and bool(rules.roles_for(actor, "own", ACTION))
    return own and actor.person_id != review.author_id and not training.in_training(db, actor.person_id, actor.organisation_id)


def waiting(db: Tx, actor: Actor, *, limit: int) -> list[tuple[Review, Case]]:
    """The versions that wait for the actor, oldest first, for a caller that records what it shows."""
    if training.in_training(db, actor.person_id, actor.organisation_id):
        return []
    rows = (
        select(Review, Case)
        .join(Case, Case.id == Review.case_id)
        .where(cases.visible(actor, ACTION), Review.organisation_id == actor.organisation_id)
        .where(Review.state == "waiting", Review.author_id != actor.person_id)
        .order_by(Review.id)
        .limit(limit)
    )
    return [(review, case) for review, case in db.execute(rows)]


def own(db: Tx, actor: Actor, *, limit: int) -> list[tuple[Review, Case]]:
    """The actor's own versions that wait or were returned, oldest first, for a caller that records what it shows."""
    rows = (
        select(Review, Case)
        .join(Case, Case.id == Review.case_id)
        .where(cases.visible(actor), Review.author_id == actor.person_id, Review.state.in_(("waiting", "returned")))
        .order_by(Review.id)
        .limit(limit)
    )
    return [(review, case) for review, case in db.execute(rows)]


def _hold(db: Tx, actor: Actor, entry_id: UUID) -> tuple[Review, Recorded, Case]:
    item = entries.get(db, actor, entry_id)
    case = cases.reach(db, actor, item.entry.case_id, ACTION)
    rules.refuse_narrowed(actor)
    cases.hold(db, case)
    review = unconfirmed.of_entry(db, entry_id)
    if review is None:
        raise NotFound("entry-not-found")
    db.refresh(review)
    if review.author_id == actor.person_id:
        raise Denied("own-entry")
    if training.in_training(db, actor.person_id, actor.organisation_id):
        raise Denied("in-training")
    return review, item, case
