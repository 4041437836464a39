"""Deliveries: what left the house, by which way, and whether it was taken.

One row is one message by one way: an e-mail to a person, a message to one of their browsers, a text message through a
hospital's gateway, or an event for one of its hooks. It waits, and ends as ``sent`` (taken by the server that was asked; nobody knows who read it),
``failed`` after the last attempt, or ``spared`` when there was nothing left to tell. A failed one is the dead letter: it
stays until somebody has it tried again. A row says no more than its notice does.
"""

import datetime as dt
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import ForeignKey, Index, delete, select, text
from sqlalchemy.orm import Mapped, mapped_column

from auth import rules
from core import ids, jobs
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict, NotFound, Throttled
from core.tables import Base, Code, IdColumn
from registry import hooks, subscriptions
from registry.hooks import Hook
from registry.subscriptions import Subscription

MAIL, GATHER, HOOK, PUSH = "delivery:mail", "delivery:gather", "delivery:hook", "delivery:push"
"""The jobs: letters about these notices, one letter about all that waits for a person, one message to a hook or a browser."""

PAUSES = tuple(dt.timedelta(seconds=seconds) for seconds in (10, 60, 300, 900, 3_600, 14_400))
"""Between attempts: seven in five and a half hours, so that neither a restart nor a greylist costs a message."""

KEPT = dt.timedelta(days=90)
BETWEEN_TRIALS = dt.timedelta(seconds=10)


_BY_MAIL = text("hook_id IS NULL AND subscription_id IS NULL")


class Delivery(Base):
    """One message by one way. A trial has no notice. ``organisation_id`` is the person's home, or the hook's hospital."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("uq_deliveries_hook", "notice_id", "hook_id", unique=True),
        Index("uq_deliveries_push", "notice_id", "subscription_id", unique=True),
        Index("uq_deliveries_mail", "notice_id", unique=True, sqlite_where=_BY_MAIL, postgresql_where=_BY_MAIL),
        Index(None, "subscription_id", "made_at"),
        Index(None, "hook_id", "made_at"),
        Index(None, "person_id", "state"),
    )

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    notice_id: Mapped[UUID | None] = mapped_column(ForeignKey("notices.id"))
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    hook_id: Mapped[UUID | None] = mapped_column(ForeignKey("hooks.id"))
    subscription_id: Mapped[UUID | None] = mapped_column(ForeignKey("push_subscriptions.id"))
    channel: Mapped[Code]
    urgency: Mapped[Code]
    gathered: Mapped[bool]
    state: Mapped[Code]
    attempts: Mapped[int] = mapped_column(default=0)
    made_at: Mapped[dt.datetime] = mapped_column(default=ids.now)
    due_at: Mapped[dt.datetime]
    tried_at: Mapped[dt.datetime | None]
    sent_at: Mapped[dt.datetime | None]
    failed_with: Mapped[str | None]


def by_mail(
    db: Tx, *, organisation_id: UUID, notice_id: UUID, person_id: UUID, urgency: str, at: dt.datetime, gathered: bool
) -> Delivery | None:
    """Have a notice told by e-mail at that time; None when that was asked before."""
    row = _put(db, organisation_id, notice_id, None, channel="email", urgency=urgency, at=at, gathered=gathered, person_id=person_id)
    if row is not None and gathered:
        key = f"{GATHER}:{person_id}:{at:%Y%m%d%H%M}"
        jobs.enqueue(db, GATHER, {"person_id": str(person_id)}, organisation_id=organisation_id, run_at=at, key=key)
    elif row is not None:
        mail_again(db, [row], at)
    return row


def by_hook(db: Tx, hook: Hook, *, notice_id: UUID | None, urgency: str, person_id: UUID | None = None) -> Delivery | None:
    """Have a hook told now, of a notice or (None) as a trial; None when that was asked before."""
    channel = "sms" if hook.form == "sms" else "webhook"
    now = ids.now()
    row = _put(db, hook.organisation_id, notice_id, hook.id, channel=channel, urgency=urgency, at=now, gathered=False, person_id=person_id)
    if row is not None:
        hook_again(db, row, now)
    return row


def by_push(db: Tx, subscription: Subscription, *, organisation_id: UUID, notice_id: UUID | None, urgency: str) -> Delivery | None:
    """Have a person told now in one of their browsers, of a notice or (None) as a trial; None when that was asked before."""
    now = ids.now()
    row = _put(
        db, organisation_id, notice_id, None, channel="push", urgency=urgency, at=now, gathered=False, person_id=subscription.person_id,
        subscription_id=subscription.id,
    )  # fmt: skip
    if row is not None:
        push_again(db, row, now)
    return row


def push_again(db: Tx, row: Delivery, at: dt.datetime) -> None:
    """Ask for a message to a browser."""
    jobs.enqueue(db, PUSH, {"delivery_id": str(row.id)}, organisation_id=row.organisation_id, run_at=at)


def mail_again(db: Tx, rows: list[Delivery], at: dt.datetime) -> None:
    """Ask for one letter about these."""
    told = {"delivery_ids": " ".join(str(row.id) for row in rows)}
    jobs.enqueue(db, MAIL, told, organisation_id=rows[0].organisation_id, run_at=at)


def hook_again(db: Tx, row: Delivery, at: dt.datetime) -> None:
    """Ask for a message to a hook."""
    jobs.enqueue(db, HOOK, {"delivery_id": str(row.id)}, organisation_id=row.organisation_id, run_at=at)


def waiting(db: Tx, delivery_ids: Iterable[UUID]) -> list[Delivery]:
    """Those of the deliveries that still wait, oldest first, held against another worker."""
    query = select(Delivery).where(Delivery.id.in_(list(delivery_ids)), Delivery.state == "waiting")
    return list(db.scalars(query.order_by(Delivery.id).with_for_update()))


def due_for(db: Tx, person_id: UUID) -> list[UUID]:
    """What waits to be gathered for a person and is due by now."""
    query = select(Delivery.id).where(Delivery.person_id == person_id, Delivery.state == "waiting", Delivery.gathered)
    return list(db.scalars(query.where(Delivery.due_at <= ids.now()).order_by(Delivery.id)))


def settle(row: Delivery, state: str, why: str | None = None) -> None:
    """End a delivery, or (``waiting``) note why an attempt came to nothing."""
    row.state, row.failed_with = state, why
    if state == "sent":
        row.sent_at = ids.now()


def recent(db: Tx, actor: Actor, *, each: int = 5) -> dict[UUID, list[Delivery]]:
    """The last deliveries of each hook of the actor's hospital, newest first. Needs ``webhook:manage``."""
    found = {}
    for hook in hooks.listed(db, actor):
        query = select(Delivery).where(Delivery.hook_id == hook.id, Delivery.state != "spared")
        found[hook.id] = list(db.scalars(query.order_by(Delivery.id.desc()).limit(each)))
    return found


def last_mail(db: Tx, actor: Actor) -> Delivery | None:
    """The actor's own last e-mail that was sent or could not be."""
    query = select(Delivery).where(Delivery.person_id == actor.person_id, Delivery.channel == "email")
    return db.scalar(query.where(Delivery.state.in_(("sent", "failed"))).order_by(Delivery.tried_at.desc()).limit(1))


def try_out(db: Tx, actor: Actor, hook_id: UUID) -> Delivery:
    """Send a trial message to a hook. Needs ``webhook:manage`` in a session. Raises Denied, NotFound, Conflict and Throttled."""
    hook = _in_use(db, actor, hook_id)
    last = select(Delivery.made_at).where(Delivery.hook_id == hook.id, Delivery.notice_id.is_(None)).order_by(Delivery.id.desc())
    _not_yet(db.scalar(last.limit(1)))
    row = by_hook(db, hook, notice_id=None, urgency="routine")
    assert row is not None, "a trial is never a second one"
    hooks.record(db, actor, "webhook:try", hook)
    return row


def try_push(db: Tx, actor: Actor, subscription_id: UUID) -> Delivery:
    """Send a trial to one of the actor's own browsers. Raises Denied for a token, NotFound and Throttled."""
    row = subscriptions.own(db, actor, subscription_id)
    if row.ended_at is not None:
        raise NotFound("push-not-found")
    last = select(Delivery.made_at).where(Delivery.subscription_id == row.id, Delivery.notice_id.is_(None)).order_by(Delivery.id.desc())
    _not_yet(db.scalar(last.limit(1)))
    made = by_push(db, row, organisation_id=actor.organisation_id, notice_id=None, urgency="routine")
    assert made is not None, "a trial is never a second one"
    return made


def last_push(db: Tx, actor: Actor) -> dict[UUID, Delivery]:
    """The last message to each of the actor's own browsers that was sent or could not be."""
    found = {}
    for row in subscriptions.listed(db, actor):
        query = select(Delivery).where(Delivery.subscription_id == row.id, Delivery.state.in_(("sent", "failed")))
        if (last := db.scalar(query.order_by(Delivery.tried_at.desc()).limit(1))) is not None:
            found[row.id] = last
    return found


def again(db: Tx, actor: Actor, delivery_id: UUID) -> Delivery:
    """Have a failed message to a hook tried again, with all its attempts. Needs ``webhook:manage`` in a session.

    Raises Denied, NotFound, and Conflict for one that has not failed.
    """
    rules.require_in_organisation(actor, "webhook:manage")
    row = db.scalar(select(Delivery).where(Delivery.id == delivery_id).with_for_update())
    if row is None or row.hook_id is None or row.organisation_id != actor.organisation_id:
        raise NotFound("delivery-not-found")
    hook = _in_use(db, actor, row.hook_id)
    if row.state != "failed":
        raise Conflict("delivery-not-failed")
    row.state, row.attempts, row.due_at = "waiting", 0, ids.now()
    hook_again(db, row, row.due_at)
    hooks.record(db, actor, "webhook:again", hook)
    return row


def sweep(database: Database) -> None:
    """Forget deliveries after 90 days."""
    with database.begin() as db:
        db.execute(delete(Delivery).where(Delivery.made_at < ids.now() - KEPT))


def _not_yet(before: dt.datetime | None) -> None:
    """Trials come one after the other. Raises Throttled."""
    if before is not None and (left := (before + BETWEEN_TRIALS - ids.now()).total_seconds()) > 0:
        raise Throttled(retry_after=int(left) + 1)


def _in_use(db: Tx, actor: Actor, hook_id: UUID) -> Hook:
    rules.refuse_token(actor)
    hook = hooks.get(db, actor, hook_id)
    if hook.ended_at is not None:
        raise Conflict("hook-ended")
    return hook


def _put(
    db: Tx, organisation_id: UUID, notice_id: UUID | None, hook_id: UUID | None, *, channel: str, urgency: str, at: dt.datetime,
    gathered: bool, person_id: UUID | None, subscription_id: UUID | None = None,
) -> Delivery | None:  # fmt: skip
    if notice_id is not None:
        # IS NOT DISTINCT FROM: the way is told by both, empty or not
        same = Delivery.hook_id.is_not_distinct_from(hook_id), Delivery.subscription_id.is_not_distinct_from(subscription_id)
        before = select(Delivery.id).where(Delivery.notice_id == notice_id, *same)
        if db.scalar(before.limit(1)) is not None:
            return None
    row = Delivery(
        id=ids.new(),
        organisation_id=organisation_id,
        notice_id=notice_id,
        person_id=person_id,
        hook_id=hook_id,
        subscription_id=subscription_id,
        channel=channel,
        urgency=urgency,
        gathered=gathered,
        state="waiting",
        due_at=at,
    )
    db.add(row)
    db.flush()
    return row
