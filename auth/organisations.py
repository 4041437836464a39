"""Organisations: the hospitals, and the agreements between them.

An organisation owns its cases, people and log, and has keys of its own. A referral crosses from one to
another only under an agreement (合作协议) that is in force; whether an emergency may cross without one is
the referral's rule, not this module's. An agreement binds both ways, whoever recorded it.
"""

import datetime as dt
from collections.abc import Iterable
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, and_, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from auth import rules
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Invalid, NotFound
from core.tables import Base, Code, IdColumn

LONGEST_NAME = 200
ZONES = frozenset(available_timezones())


class Organisation(Base):
    """One hospital."""

    __tablename__ = "organisations"

    id: Mapped[IdColumn]
    name: Mapped[str]
    name_en: Mapped[str]
    city: Mapped[str]
    time_zone: Mapped[Code]
    created_at: Mapped[dt.datetime] = mapped_column(default=ids.now)


class Agreement(Base):
    """What two hospitals agreed on, from ``starts`` until ``ends`` (None: open) or until it was ended early."""

    __tablename__ = "agreements"
    __table_args__ = (CheckConstraint("organisation_id <> other_id", name="two_parties"),)

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id), index=True)
    other_id: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id), index=True)
    starts: Mapped[dt.datetime]
    ends: Mapped[dt.datetime | None]
    scope: Mapped[str]
    recorded_by: Mapped[UUID | None]
    recorded_at: Mapped[dt.datetime] = mapped_column(default=ids.now)
    ended_at: Mapped[dt.datetime | None]


def create(db: Tx, *, name: str, name_en: str, city: str, time_zone: str = "Asia/Shanghai") -> Organisation:
    """Found an organisation with keys of its own. For the command line: no session reaches this. Raises Invalid."""
    wrong = {key: "text-missing" for key, value in {"name": name, "name_en": name_en}.items() if not value.strip()}
    wrong |= {key: "text-too-long" for key, value in {"name": name, "name_en": name_en, "city": city}.items() if len(value) > LONGEST_NAME}
    if time_zone not in ZONES:
        wrong["time_zone"] = "time-zone-unknown"
    if wrong:
        raise Invalid(fields=wrong)
    organisation = Organisation(id=ids.new(), name=name.strip(), name_en=name_en.strip(), city=city.strip(), time_zone=time_zone)
    db.add(organisation)
    db.flush()
    db.keyring.create_organisation(db, organisation.id)
    audit.record(
        db,
        Actor.system(organisation.id),
        "organisation:create",
        organisation_id=organisation.id,
        object_type="organisation",
        object_id=organisation.id,
    )
    return organisation


def get(db: Tx, organisation_id: UUID) -> Organisation:
    """The organisation; names of hospitals are no secret among them. Raises NotFound."""
    organisation = db.get(Organisation, organisation_id)
    if organisation is None:
        raise NotFound("organisation-not-found")
    return organisation


def named(db: Tx, organisation_ids: Iterable[UUID]) -> dict[UUID, Organisation]:
    """Those of the organisations that exist, by id."""
    query = select(Organisation).where(Organisation.id.in_(set(organisation_ids)))
    return {organisation.id: organisation for organisation in db.scalars(query)}


def every(db: Tx) -> list[Organisation]:
    """All organisations, oldest first."""
    return list(db.scalars(select(Organisation).order_by(Organisation.id)))


def agree(db: Tx, actor: Actor, *, other_id: UUID, starts: dt.datetime, ends: dt.datetime | None = None, scope: str = "") -> Agreement:
    """Record an agreement between the actor's organisation and another; logged by both.

    Needs ``organisation:manage``. Raises Denied, NotFound for an unknown organisation, and Invalid.
    """
    rules.require_in_organisation(actor, "organisation:manage")
    get(db, other_id)
    if other_id == actor.organisation_id:
        raise Invalid(fields={"other_id": "agreement-with-itself"})
    if ends is not None and ends <= starts:
        raise Invalid(fields={"ends": "ends-before-start"})
    agreement = Agreement(
        organisation_id=actor.organisation_id, other_id=other_id, starts=starts, ends=ends, scope=scope, recorded_by=actor.person_id
    )
    db.add(agreement)
    db.flush()
    _record(db, actor, "agreement:record", agreement)
    return agreement


def end_agreement(db: Tx, actor: Actor, agreement_id: UUID) -> Agreement:
    """End an agreement of the actor's organisation now; referrals under way keep their grants.

    Needs ``organisation:manage``. Raises Denied, NotFound and Conflict when it has been ended before.
    """
    rules.require_in_organisation(actor, "organisation:manage")
    agreement = db.get(Agreement, agreement_id)
    if agreement is None or actor.organisation_id not in (agreement.organisation_id, agreement.other_id):
        raise NotFound("agreement-not-found")
    if agreement.ended_at is not None:
        raise Conflict("agreement-already-ended")
    agreement.ended_at = ids.now()
    db.flush()
    _record(db, actor, "agreement:end", agreement)
    return agreement


def agreement_between(db: Tx, a: UUID, b: UUID, at: dt.datetime) -> Agreement | None:
    """The agreement in force between two organisations at that moment, in either direction; the newest if several."""
    query = select(Agreement).where(_in_force(at), _party(a), _party(b))
    return db.scalars(query.order_by(Agreement.starts.desc(), Agreement.id.desc()).limit(1)).first() if a != b else None


def partners(db: Tx, organisation_id: UUID, at: dt.datetime) -> list[Organisation]:
    """The organisations this one has an agreement in force with at that moment, oldest first."""
    found = db.scalars(select(Agreement).where(_in_force(at), _party(organisation_id)))
    others = {agreement.other_id if agreement.organisation_id == organisation_id else agreement.organisation_id for agreement in found}
    return sorted(named(db, others).values(), key=lambda organisation: organisation.id)


def _party(organisation_id: UUID) -> ColumnElement[bool]:
    return or_(Agreement.organisation_id == organisation_id, Agreement.other_id == organisation_id)


def _in_force(at: dt.datetime) -> ColumnElement[bool]:
    return and_(
        Agreement.starts <= at,
        or_(Agreement.ends.is_(None), Agreement.ends > at),
        or_(Agreement.ended_at.is_(None), Agreement.ended_at > at),
    )


def _record(db: Tx, actor: Actor, action: str, agreement: Agreement) -> None:
    for organisation_id in (agreement.organisation_id, agreement.other_id):
        audit.record(
            db, actor, action, organisation_id=organisation_id, object_type="agreement", object_id=agreement.id, purpose="administration"
        )
