"""Quick unlock: on a ward device, a person's PIN stands in for a full sign-in, for the work at the bedside.

The device proves with its own passkey that it is there (`auth.devices`), the person with a PIN that is good on this
device alone. What begins so is narrow and short: the actions in ``AT_THE_BEDSIDE``, five minutes without a request, an
hour altogether; nothing that asks for a step-up, and nothing of the person's own account. Five wrong PINs in a row end a
PIN, as do a changed password and whatever shuts the person out; a new one is chosen after a full sign-in there.
"""

import datetime as dt
from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, Index, and_, or_, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from auth import devices, news, passwords, people, rules, sessions, throttle
from auth.ceremonies import Site
from auth.devices import Device
from auth.passwords import Password
from auth.people import Membership, Person
from auth.proofs import Refused
from auth.sessions import Limits
from auth.signin import SignedIn
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Denied, Invalid, NotFound
from core.tables import Base, IdColumn

AT_THE_BEDSIDE = frozenset(
    {
        "case:read", "case:write", "patient:identify", "image:read", "image:upload",
        "annotation:read", "message:read", "message:write", "followup:write", "roster:read",
    }
)  # fmt: skip
SHORTEST, LONGEST = 6, 12
TRIES = 5
LIMITS = Limits(idle=dt.timedelta(minutes=5), absolute=dt.timedelta(hours=1))
ASKED, ASKED_PER = 100, dt.timedelta(minutes=15)

_LIVE = text("ended_at IS NULL")


class Pin(Base):
    """One person's PIN on one device, as its Argon2id hash. ``tries`` counts the wrong ones since the last right one."""

    __tablename__ = "pins"
    __table_args__ = (Index("uq_pins_live", "device_id", "person_id", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),)

    id: Mapped[IdColumn]
    device_id: Mapped[UUID] = mapped_column(ForeignKey(Device.id))
    person_id: Mapped[UUID] = mapped_column(ForeignKey(Person.id), index=True)
    hash: Mapped[str]
    tries: Mapped[int] = mapped_column(default=0)
    set_at: Mapped[dt.datetime]
    last_used_at: Mapped[dt.datetime | None]
    ended_at: Mapped[dt.datetime | None]


def choose(db: Tx, actor: Actor, device: Device, pin: str) -> None:
    """Choose the actor's PIN on this device, in the place of an earlier one; the person is told.

    Needs a full session in the device's hospital and a step-up. Raises NotFound for a device of another hospital, Denied
    for roles without work at the bedside, StepUpNeeded, and Invalid for a PIN that is no 6 to 12 figures or too simple.
    """
    person = _oneself(db, actor, device)
    rules.require_step_up(actor)
    if not (pin.isascii() and pin.isdigit() and SHORTEST <= len(pin) <= LONGEST):
        raise Invalid("form-invalid", fields={"pin": "pin-invalid"})
    if passwords.is_common(pin):
        raise Invalid("form-invalid", fields={"pin": "pin-too-simple"})
    # two that are chosen at once wait for each other, so that one counts
    db.execute(select(Person.id).where(Person.id == person.id).with_for_update(key_share=True))
    _end(db, Pin.device_id == device.id, Pin.person_id == person.id)
    db.add(Pin(id=ids.new(), device_id=device.id, person_id=person.id, hash=passwords.hashed(pin), set_at=ids.now()))
    db.flush()
    _record(db, actor, "pin:choose", person, device)
    news.tell(db, person, "account-pin-chosen")


def drop(db: Tx, actor: Actor, device: Device) -> None:
    """Unlock on this device no more. Needs a full session in the device's hospital. Raises NotFound and Denied."""
    person = _oneself(db, actor, device)
    if _end(db, Pin.device_id == device.id, Pin.person_id == person.id):
        _record(db, actor, "pin:drop", person, device)


def chosen(db: Tx, person_id: UUID, device: Device) -> bool:
    """Whether the person can unlock on this device."""
    return db.scalars(select(Pin.id).join(Person).outerjoin(Password).where(_good(device), Pin.person_id == person_id)).first() is not None


def people_on(db: Tx, device: Device) -> list[Person]:
    """Who can unlock on this device, by name."""
    query = select(Person).join(Pin, Pin.person_id == Person.id).outerjoin(Password, Password.person_id == Person.id)
    return list(db.scalars(query.where(_good(device)).order_by(Person.name, Person.id)))


def ask(db: Tx, device: Device, *, site: Site, address: str) -> dict[str, Any]:
    """What the browser is asked for to prove that it is the device. Raises Throttled."""
    throttle.hit(db, f"challenge:{throttle.network(address)}", ASKED, ASKED_PER)
    return devices.ask(db, device, site=site)


def unlock(
    db: Tx,
    device: Device,
    *,
    person_id: UUID,
    pin: str,
    given: str,
    site: Site,
    address: str,
    agent: str = "",
    presented: str | None = None,
) -> SignedIn | Refused:
    """Begin a narrow session for the person whose PIN this is, on the device that answered.

    Refused ``device-refused`` when the device did not prove itself, ``pin-wrong`` whatever was wrong with person or
    PIN, ``pin-ended`` at the fifth wrong one in a row. ``presented`` is the session cookie the browser still sent.
    """
    if not devices.proves(db, device, given, site=site):
        _refused(db, None, device, "device")
        return Refused("device-refused")
    row = _held(db, device, person_id)
    person = db.get(Person, person_id) if row is not None else None
    right = passwords.verified(row.hash if row is not None else None, pin)
    if row is None or person is None:
        return Refused("pin-wrong")
    if not right:
        row.tries += 1
        if row.tries >= TRIES:
            row.ended_at = ids.now()
            news.tell(db, person, "account-pin-ended")
        db.flush()
        _refused(db, person, device, "pin")
        return Refused("pin-wrong" if row.ended_at is None else "pin-ended")
    row.tries, row.last_used_at = 0, ids.now()
    here = device.organisation_id
    if presented:
        sessions.end_presented(db, Actor(person.id, here, people.roles_in(db, person.id, here)), presented)
    network = throttle.network(address)
    begun = sessions.start(
        db,
        person,
        organisation_id=here,
        by="ward-device",
        network=network,
        agent=agent,
        limits=LIMITS,
        device_id=device.id,
        scopes=AT_THE_BEDSIDE,
    )
    return SignedIn(*begun)


def _held(db: Tx, device: Device, person_id: UUID) -> Pin | None:
    """The person's PIN on this device if it is good, locked until the transaction ends: wrong ones are counted one by one."""
    query = select(Pin).join(Person, Person.id == Pin.person_id).outerjoin(Password, Password.person_id == Person.id)
    query = query.where(_good(device), Pin.person_id == person_id).with_for_update(of=Pin)
    return db.scalars(query, execution_options={"populate_existing": True}).first()


def _good(device: Device) -> ColumnElement[bool]:
    """A PIN that counts: chosen since the password was, by somebody who is not shut out and works at the bedside there."""
    bedside = sorted(role for role in rules.ROLES if _treats({role}))
    works = select(Membership.person_id).where(Membership.organisation_id == device.organisation_id, Membership.role.in_(bedside))
    return and_(
        Pin.device_id == device.id,
        Pin.ended_at.is_(None),
        Person.disabled_at.is_(None),
        or_(Person.void_before.is_(None), Pin.set_at > Person.void_before),
        or_(Password.changed_at.is_(None), Pin.set_at > Password.changed_at),
        Pin.person_id.in_(works),
    )


def _treats(roles: Collection[str]) -> bool:
    """Whether the roles bring somebody to the bedside at all."""
    return "case:read" in rules.actions_of(roles)


def _oneself(db: Tx, actor: Actor, device: Device) -> Person:
    if actor.person_id is None or actor.session_id is None:
        raise Denied("session-needed")
    rules.refuse_narrowed(actor)
    if device.organisation_id != actor.organisation_id:
        raise NotFound("device-not-found")
    if not _treats(actor.roles):
        raise Denied("not-allowed")
    return db.get_one(Person, actor.person_id)


def _end(db: Tx, *which: ColumnElement[bool]) -> int:
    ending = update(Pin).where(*which, Pin.ended_at.is_(None)).values(ended_at=ids.now())
    return len(db.execute(ending.returning(Pin.id)).all())


def _refused(db: Tx, person: Person | None, device: Device, step: str) -> None:
    _record(db, Actor.system(device.organisation_id), "session:refuse", person, device, outcome="failure", step=step)


def _record(db: Tx, actor: Actor, action: str, person: Person | None, device: Device, *, outcome: str = "success", **detail: str) -> None:
    audit.record(
        db, actor, action, organisation_id=device.organisation_id, person_id=person.id if person else None, object_type="device",
        object_id=device.id, purpose="administration", outcome=outcome, detail=detail,
    )  # fmt: skip
