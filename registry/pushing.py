"""Pushing: one attempt at telling a person in one of their browsers, through the push service of its maker (RFC 8030).

The service sees when, how urgent and how long; the words are sealed for the browser (`auth.webpush`). Where its address may
lead is `auth.outward`'s to say, each time.
"""

import datetime as dt
import logging
from uuid import UUID

from auth.people import Person
from core import ids
from core.db import Database, Tx
from core.errors import Unavailable
from registry import deliveries, subscriptions
from registry.deliveries import PAUSES, Delivery
from registry.notices import Notice
from registry.subscriptions import Subscription
from registry.ways import STALE, Item, Outside, item_of, untold, why

TRIAL = "push-trial"

log = logging.getLogger("shanhai.telling")


def push(database: Database, outside: Outside, delivery_id: UUID) -> None:
    """Make one attempt at a browser."""
    with database.begin() as db:
        rows = untold(db, [delivery_id])
        if not rows:
            return
        row, subscription = rows[0], db.get_one(Subscription, rows[0].subscription_id)
        person = db.get_one(Person, row.person_id)
        left = row.made_at + STALE - ids.now()
        if subscription.ended_at is not None or person.disabled_at is not None or left <= dt.timedelta():
            deliveries.settle(row, "spared")
            return
        notice = db.get_one(Notice, row.notice_id) if row.notice_id is not None else None
        item = item_of(db, notice, person.id) if notice else Item(TRIAL, "routine", row.made_at, "/account/notices", None, about_case=False)
        message = outside.words.pushed(person, item, str(row.id)).encode()
        made = subscriptions.request(db, subscription, message, urgency=row.urgency, ttl=left, contact=outside.words.address("/"))
        row.attempts, row.tried_at = row.attempts + 1, ids.now()
    failure: str | None = None
    try:
        outside.caller.send(made.url, made.body, made.headers)
    except Unavailable as error:
        failure = why(error)
    with database.begin() as db:
        for row in deliveries.waiting(db, [delivery_id]):
            _settle_push(db, row, failure)


def _settle_push(db: Tx, row: Delivery, failure: str | None) -> None:
    if failure is None:
        deliveries.settle(row, "sent")
        return
    log.warning("push %s not taken in attempt %d: %s", row.id, row.attempts, failure)
    if failure in ("gone", "missing"):  # RFC 8030, section 7.3
        subscriptions.gone(db.get_one(Subscription, row.subscription_id))
        deliveries.settle(row, "failed", failure)
    elif row.notice_id is not None and row.attempts <= len(PAUSES):
        deliveries.settle(row, "waiting", failure)
        deliveries.push_again(db, row, ids.now() + PAUSES[row.attempts - 1])
    else:
        deliveries.settle(row, "failed", failure)
