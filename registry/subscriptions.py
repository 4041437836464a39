"""Subscriptions: the browsers in which somebody wants to be told at once, through the push service of their browser (W3C Push API).

A browser is subscribed by whoever sits at it, in a full session. Address and keys are sealed under the hospital's key, for
whoever has them can send; the hospital has a key of its own by which push services know it (RFC 8292). One browser shows
one person's notices: who subscribes in it takes it over. It ends by hand, by signing out there, and when the push service
says that it is gone.
"""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, select
from sqlalchemy.orm import Mapped, mapped_column

from auth import news, people, rules, webpush
from auth.people import Person
from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Invalid, NotFound, SignInNeeded
from core.keyring import Unit
from core.tables import Base, IdColumn

MOST = 10
"""Browsers a person may have at a time."""
LONGEST = 2000

Fits = Callable[[str], bool]


class Subscription(Base):
    """One browser of one person. ``host`` is its push service; ``digest`` tells the same browser again until it ends."""

    __tablename__ = "push_subscriptions"
    __table_args__ = (Index(None, "person_id"),)

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    name: Mapped[str]
    host: Mapped[str]
    digest: Mapped[str | None] = mapped_column(String(64), unique=True)
    sealed: Mapped[bytes]
    made_at: Mapped[dt.datetime]
    ended_at: Mapped[dt.datetime | None]


@dataclass(frozen=True, slots=True)
class Browser:
    """What is sealed of a subscription, as the browser gave it."""

    endpoint: str
    p256dh: str
    auth: str


def key(db: Tx, actor: Actor) -> str:
    """The ``applicationServerKey`` of the actor's hospital."""
    return webpush.written(webpush.point(db.keyring.push_key(db, actor.organisation_id)))


def subscribe(db: Tx, actor: Actor, browser: Browser, *, name: str, fits: Fits) -> Subscription:
    """Have the actor told in this browser; they are told of it. ``fits`` says whether an address can be asked at all.

    Raises Denied for a token and on a ward device, Conflict ``push-too-many``, and Invalid ``push-unfit`` for what no browser gives.
    """
    rules.refuse_narrowed(actor)
    person = db.get_one(Person, _person(actor))
    if len(browser.endpoint) > LONGEST or not fits(browser.endpoint):
        raise Invalid("push-unfit")
    if not webpush.fits(webpush.read(browser.p256dh), webpush.read(browser.auth)):
        raise Invalid("push-unfit")
    digest = sha256(browser.endpoint.encode()).hexdigest()
    for before in db.scalars(select(Subscription).where(Subscription.digest == digest)):
        _end(before)
    if len(of(db, person.id)) >= MOST:
        raise Conflict("push-too-many", most=MOST)
    db.flush()
    row = Subscription(
        id=ids.new(),
        organisation_id=actor.organisation_id,
        person_id=person.id,
        name=name[:80],
        host=str(urlsplit(browser.endpoint).hostname),
        digest=digest,
        made_at=ids.now(),
    )
    row.sealed = db.keyring.seal(db, _unit(row), "push", "push_subscriptions", row.id, 1, json.dumps(asdict(browser)).encode())
    db.add(row)
    db.flush()
    people.record(db, actor, "person:push-on", person)
    news.tell(db, person, "account-push-added")
    return row


def end(db: Tx, actor: Actor, subscription_id: UUID) -> Subscription:
    """Have nothing told there any more. Raises Denied for a token, and NotFound for one of somebody else's."""
    row = own(db, actor, subscription_id)
    if row.ended_at is None:
        _end(row)
        db.flush()
        people.record(db, actor, "person:push-off", db.get_one(Person, row.person_id))
    return row


def own(db: Tx, actor: Actor, subscription_id: UUID) -> Subscription:
    """One of the actor's own subscriptions. Raises Denied for a token, and NotFound."""
    rules.refuse_token(actor)
    row = db.get(Subscription, subscription_id)
    if row is None or row.person_id != actor.person_id:
        raise NotFound("push-not-found")
    return row


def listed(db: Tx, actor: Actor) -> list[Subscription]:
    """The actor's own, oldest first."""
    return of(db, _person(actor))


def of(db: Tx, person_id: UUID) -> list[Subscription]:
    """A person's browsers, for `registry.telling`."""
    query = select(Subscription).where(Subscription.person_id == person_id, Subscription.ended_at.is_(None))
    return list(db.scalars(query.order_by(Subscription.id)))


def gone(row: Subscription) -> None:
    """Note that the push service knows it no more."""
    _end(row)


@dataclass(frozen=True, slots=True)
class Push:
    """What is posted to a push service."""

    url: str
    body: bytes
    headers: dict[str, str]


def request(db: Tx, row: Subscription, message: bytes, *, urgency: str, ttl: dt.timedelta, contact: str) -> Push:
    """The request that brings ``message`` to the browser (RFC 8030, sections 5.2 and 5.3)."""
    told = db.keyring.unseal(db, _unit(row), "push", "push_subscriptions", row.id, 1, row.sealed)
    browser = Browser(**json.loads(told))
    body = webpush.encrypt(message, p256dh=webpush.read(browser.p256dh), secret=webpush.read(browser.auth))
    signed = webpush.authorization(db.keyring.push_key(db, row.organisation_id), browser.endpoint, contact=contact, now=ids.now())
    headers = {
        "Authorization": signed,
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(int(ttl.total_seconds())),
        "Urgency": "high" if urgency in ("emergency", "urgent") else "normal",
    }
    return Push(browser.endpoint, body, headers)


def _end(row: Subscription) -> None:
    row.ended_at, row.sealed, row.digest = ids.now(), b"", None


def _unit(row: Subscription) -> Unit:
    return Unit("organisation", row.organisation_id, row.organisation_id)


def _person(actor: Actor) -> UUID:
    if actor.person_id is None:
        raise SignInNeeded("sign-in-needed")
    return actor.person_id
