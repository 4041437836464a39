"""Preferences: how a person wants to be told of what waits for them when they are not looking.

Whoever touches nothing is told of emergencies and of what is urgent at once, and of the rest in one letter a day. In
the quiet hours nothing is sent but what breaks through: an emergency for somebody who is on duty or named by it. That
cannot be turned off. Times of day are those of the person's own time zone.
"""

import datetime as dt
from dataclasses import asdict, dataclass, replace
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from auth import people, rules
from auth.people import Person
from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Invalid, SignInNeeded
from core.tables import Base, Code

HOW = ("at-once", "digest", "never")
URGENCIES = ("emergency", "urgent", "routine")
TIMES = ("quiet_from", "quiet_until", "digest_at")


class Preference(Base):
    """What a person chose; one row at the most. Times are ``HH:MM``."""

    __tablename__ = "notice_preferences"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), primary_key=True)
    emergency: Mapped[Code]
    urgent: Mapped[Code]
    routine: Mapped[Code]
    quiet: Mapped[bool]
    quiet_from: Mapped[Code]
    quiet_until: Mapped[Code]
    digest_at: Mapped[Code]
    changed_at: Mapped[dt.datetime]


@dataclass(frozen=True, slots=True)
class Choices:
    """How and when; ``emergency`` is for one who is neither on duty nor named."""

    emergency: str = "at-once"
    urgent: str = "at-once"
    routine: str = "digest"
    quiet: bool = True
    quiet_from: str = "22:00"
    quiet_until: str = "07:00"
    digest_at: str = "07:30"

    def of(self, urgency: str) -> str:
        """How something of that urgency is told; what nobody knows, as urgent."""
        return {"emergency": self.emergency, "routine": self.routine}.get(urgency, self.urgent)


@dataclass(frozen=True, slots=True)
class Timing:
    """When something is sent, and whether by itself or gathered with what else waits until then."""

    at: dt.datetime
    gathered: bool


def own(db: Tx, actor: Actor) -> Choices:
    """The actor's own choices."""
    return of(db, _person(actor))


def of(db: Tx, person_id: UUID) -> Choices:
    """A person's choices, for `registry.telling`."""
    row = db.get(Preference, person_id)
    return Choices(**{name: getattr(row, name) for name in asdict(Choices())}) if row is not None else Choices()


def choose(db: Tx, actor: Actor, choices: Choices) -> Choices:
    """Choose how one is told. Raises Invalid naming the fields, and Denied for a token."""
    rules.refuse_token(actor)
    person = db.get_one(Person, _person(actor))
    wrong = {urgency: "field-code-unknown" for urgency in URGENCIES if getattr(choices, urgency) not in HOW}
    wrong |= {name: "time-of-day-invalid" for name in TIMES if _time(getattr(choices, name)) is None}
    if wrong:
        raise Invalid(fields=wrong)
    begins, ends, digest = (f"{_time(getattr(choices, name)):%H:%M}" for name in TIMES)
    choices = replace(choices, quiet_from=begins, quiet_until=ends, digest_at=digest)
    row = db.get(Preference, person.id)
    if row is None:
        row = Preference(person_id=person.id)
        db.add(row)
    for name, value in asdict(choices).items():
        setattr(row, name, value)
    row.changed_at = ids.now()
    db.flush()
    people.record(db, actor, "person:set-notices", person)
    return choices


def timing(choices: Choices, time_zone: str, urgency: str, *, breaks_through: bool, now: dt.datetime) -> Timing | None:
    """When a person is told of something of that urgency; None when not at all."""
    if urgency == "emergency" and breaks_through:
        return Timing(now, gathered=False)
    how = choices.of(urgency)
    if how == "never":
        return None
    local = now.astimezone(_zone(time_zone))
    if how == "digest":
        return Timing(_next(local, choices.digest_at), gathered=True)
    if choices.quiet and _within(local.time(), choices.quiet_from, choices.quiet_until):
        return Timing(_next(local, choices.quiet_until), gathered=True)
    return Timing(now, gathered=False)


def _within(at: dt.time, begins: str, ends: str) -> bool:
    first, last = dt.time.fromisoformat(begins), dt.time.fromisoformat(ends)
    return first <= at < last if first <= last else at >= first or at < last


def _next(local: dt.datetime, told: str) -> dt.datetime:
    """The next time it is ``told`` o'clock, in UTC."""
    found = dt.datetime.combine(local.date(), dt.time.fromisoformat(told), local.tzinfo)
    if found <= local:
        found = dt.datetime.combine(local.date() + dt.timedelta(days=1), found.timetz().replace(tzinfo=None), local.tzinfo)
    return found.astimezone(dt.UTC)


def _time(told: str) -> dt.time | None:
    try:
        return dt.time.fromisoformat(told).replace(second=0, microsecond=0, tzinfo=None)
    except ValueError:
        return None


def _zone(name: str) -> dt.tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("Asia/Shanghai")


def _person(actor: Actor) -> UUID:
    if actor.person_id is None:
        raise SignInNeeded("sign-in-needed")
    return actor.person_id
