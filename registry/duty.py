"""Duty: who is to be called now, who is next and when, read from the rosters of a hospital.

A roster belongs to one hospital and one duty: a role and, for experts, a specialty. What it says is kept so that
the past stays as it was: a rotation is a version that ends when the next begins, a cover or an absence ends early
but is never taken out, and none of them reaches back before the moment it was entered. Verbs that change them
are in ``registry.rosters``; what stands here is for the other nouns, whose callers have been checked.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ForeignKey, Index, and_, or_, select, text
from sqlalchemy.orm import Mapped, mapped_column

from auth.people import Membership, Person
from core import audit, ids
from core.db import Tx
from core.tables import Base, Code, IdColumn
from registry import rotation
from registry.rotation import Plan, Rotation, Span, Stretch

ROLES = ("expert", "coordinator", "surgeon")
"""Who stands in rosters; experts by specialty."""

CALLED = 3
"""Who is on duty, the backup and the second backup."""

AHEAD = dt.timedelta(days=62)
"""How far ahead a change is looked for: twice the longest turn and some days."""

_LIVE = text("ended_at IS NULL")
_EVERYTHING = 1_000_000


class Roster(Base):
    """One duty of one hospital; ``specialty`` is empty but for experts. One of each is in use at a time."""

    __tablename__ = "rosters"
    __table_args__ = (
        Index("uq_rosters_live", "organisation_id", "role", "specialty", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),
    )

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    role: Mapped[Code]
    specialty: Mapped[Code]
    created_at: Mapped[dt.datetime]
    ended_at: Mapped[dt.datetime | None]


class RosterVersion(Base):
    """What a roster says from ``since`` up to ``until`` (None: until further notice). Only ``until`` is ever changed."""

    __tablename__ = "roster_versions"

    id: Mapped[IdColumn]
    roster_id: Mapped[UUID] = mapped_column(ForeignKey("rosters.id"), index=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    since: Mapped[dt.datetime]
    until: Mapped[dt.datetime | None]
    time_zone: Mapped[Code]
    handovers: Mapped[list[str]]
    days: Mapped[int]
    begins_on: Mapped[dt.date]
    people: Mapped[list[str]]
    phone: Mapped[str]
    recorded_at: Mapped[dt.datetime]
    recorded_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))

    @property
    def rotation(self) -> Rotation:
        """The rotation as ``registry.rotation`` reckons with it."""
        handovers = tuple(dt.time.fromisoformat(told) for told in self.handovers)
        return Rotation(tuple(UUID(person) for person in self.people), self.time_zone, handovers, self.days, self.begins_on)


class Cover(Base):
    """Somebody who stands in a roster instead of whoever's turn it is."""

    __tablename__ = "roster_covers"

    id: Mapped[IdColumn]
    roster_id: Mapped[UUID] = mapped_column(ForeignKey("rosters.id"), index=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    since: Mapped[dt.datetime]
    until: Mapped[dt.datetime]
    recorded_at: Mapped[dt.datetime]
    recorded_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))


class Absence(Base):
    """Somebody who cannot be called, in any roster of the hospital; ``reason`` is of the value set absence_reason."""

    __tablename__ = "roster_absences"

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    since: Mapped[dt.datetime]
    until: Mapped[dt.datetime]
    reason: Mapped[Code]
    recorded_at: Mapped[dt.datetime]
    recorded_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))


@dataclass(frozen=True, slots=True)
class OnDuty:
    """Somebody in a duty. ``until`` is when another takes this place; None when nobody does as far as can be seen."""

    person_id: UUID
    name: str
    name_en: str
    title: str
    phone: str
    until: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Duty:
    """A duty at one moment: who is called in which order, who is first after the handover, and the duty's own telephone."""

    roster_id: UUID
    organisation_id: UUID
    role: str
    specialty: str
    time_zone: str
    phone: str
    people: tuple[OnDuty, ...]
    covering: bool
    next: OnDuty | None
    handover: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Book:
    """The rosters of one hospital that are in use at ``at``, with all that bears on who stands in them from then on."""

    at: dt.datetime
    rosters: tuple[Roster, ...]
    versions: Mapping[UUID, Sequence[RosterVersion]]
    covers: Mapping[UUID, Sequence[Cover]]
    absences: Sequence[Absence]
    able: Mapping[str, frozenset[UUID]]
    people: Mapping[UUID, Person]

    def find(self, role: str, specialty: str) -> Roster | None:
        """The roster of a duty."""
        return next((row for row in self.rosters if (row.role, row.specialty) == (role, specialty)), None)

    def stretches(self, roster: Roster, until: dt.datetime) -> Iterator[Stretch]:
        """Who stands in a roster from ``at`` to ``until``, in stretches without a gap."""
        plans = [Plan(version.rotation, version.since, version.until) for version in self.versions[roster.id]]
        covers = [Span(row.person_id, row.since, row.until) for row in self.covers.get(roster.id, ())]
        absences = [Span(row.person_id, row.since, row.until) for row in self.absences]
        able = self.able.get(roster.role, frozenset())
        return rotation.stretches(plans, self.at, until, covers=covers, absences=absences, able=able)

    def gaps(self, roster: Roster, until: dt.datetime) -> list[Stretch]:
        """The stretches up to ``until`` in which nobody is able."""
        return [stretch for stretch in self.stretches(roster, until) if not stretch.people]

    def version(self, roster: Roster) -> RosterVersion:
        """What the roster says at ``at``, or will say first."""
        versions = self.versions[roster.id]
        return next((row for row in versions if row.since <= self.at and (row.until is None or self.at < row.until)), versions[0])

    def duty(self, roster: Roster) -> Duty:
        """The duty at ``at``."""
        line = self.stretches(roster, self.at + AHEAD)
        now = next(line)
        ends: dict[int, dt.datetime] = {}
        after: Stretch | None = None
        for stretch in line:
            for place, person in enumerate(now.people[:CALLED]):
                if stretch.people[place : place + 1] != (person,):
                    ends.setdefault(place, stretch.begins)
            if stretch.first != now.first:
                after = stretch
                break
        version = self.version(roster)
        return Duty(
            roster_id=roster.id,
            organisation_id=roster.organisation_id,
            role=roster.role,
            specialty=roster.specialty,
            time_zone=version.time_zone,
            phone=version.phone,
            people=tuple(self._on_duty(person, ends.get(place)) for place, person in enumerate(now.people[:CALLED])),
            covering=now.covering,
            next=self._on_duty(after.first, None) if after and after.first else None,
            handover=after.begins if after else None,
        )

    def duties_of(self, person_id: UUID) -> list[Duty]:
        """The duties in which this person is the one to be called at ``at``."""
        duties = (self.duty(roster) for roster in self.rosters if person_id in self.able.get(roster.role, ()))
        return [found for found in duties if found.people and found.people[0].person_id == person_id]

    def _on_duty(self, person_id: UUID, until: dt.datetime | None) -> OnDuty:
        person = self.people[person_id]
        return OnDuty(person.id, person.name, person.name_en, person.title, person.phone, until)


def book(db: Tx, organisation_id: UUID, at: dt.datetime | None = None) -> Book:
    """The rosters of a hospital as they stand now, or as they stood at a moment that is past."""
    now = ids.now()
    at = at or now
    in_use = select(Roster).where(Roster.organisation_id == organisation_id, or_(Roster.ended_at.is_(None), Roster.ended_at > at))
    found = db.scalars(in_use.where(Roster.created_at <= at))
    rosters = sorted(found, key=lambda row: (ROLES.index(row.role), row.specialty))
    versions: dict[UUID, list[RosterVersion]] = {roster.id: [] for roster in rosters}
    covers: dict[UUID, list[Cover]] = {}
    if not rosters:
        return Book(at, (), {}, {}, (), {}, {})
    for version in db.scalars(
        select(RosterVersion)
        .where(RosterVersion.roster_id.in_(versions))
        # one that was replaced before it began was never in force
        .where(or_(RosterVersion.until.is_(None), and_(RosterVersion.until > at, RosterVersion.until > RosterVersion.since)))
        .order_by(RosterVersion.since, RosterVersion.id)
    ):
        versions[version.roster_id].append(version)
    for cover in db.scalars(select(Cover).where(Cover.roster_id.in_(versions), Cover.until > at).order_by(Cover.id)):
        covers.setdefault(cover.roster_id, []).append(cover)
    absences = [*db.scalars(select(Absence).where(Absence.organisation_id == organisation_id, Absence.until > at).order_by(Absence.since))]
    able = _able(db, organisation_id) if at >= now else _able_then(db, organisation_id, at)
    named = {UUID(person) for found in versions.values() for version in found for person in version.people}
    named |= {cover.person_id for found in covers.values() for cover in found}
    people = {person.id: person for person in db.scalars(select(Person).where(Person.id.in_(named)))}
    return Book(at, tuple(roster for roster in rosters if versions[roster.id]), versions, covers, absences, able, people)


def on_duty(db: Tx, organisation_id: UUID, role: str, specialty: str = "", at: dt.datetime | None = None) -> list[OnDuty]:
    """Whom to call for a duty of a hospital: the first, the backup, the second backup; empty without a roster or anybody able."""
    found = of(db, organisation_id, role, specialty, at)
    return list(found.people) if found else []


def of(db: Tx, organisation_id: UUID, role: str, specialty: str = "", at: dt.datetime | None = None) -> Duty | None:
    """A duty of a hospital at a moment; None when it has no roster for it."""
    found = book(db, organisation_id, at)
    roster = found.find(role, specialty)
    return found.duty(roster) if roster else None


def backup(db: Tx, organisation_id: UUID, role: str, specialty: str, silent_id: UUID) -> OnDuty | None:
    """Whom to call when somebody is silent: the first of the roster who is somebody else."""
    return next((one for one in on_duty(db, organisation_id, role, specialty) if one.person_id != silent_id), None)


def _able(db: Tx, organisation_id: UUID) -> dict[str, frozenset[UUID]]:
    """Who has which role in the hospital and is not disabled."""
    rows = select(Membership.role, Membership.person_id).join(Person, Person.id == Membership.person_id)
    rows = rows.where(Membership.organisation_id == organisation_id, Person.disabled_at.is_(None))
    return _by_role({(role, person_id) for role, person_id in db.execute(rows)})


def _able_then(db: Tx, organisation_id: UUID, at: dt.datetime) -> dict[str, frozenset[UUID]]:
    """The same at a moment that is past: what was recorded of roles and accounts since is taken back, newest first.

    Memberships keep no history of their own; the log does.
    """
    rows = select(Membership.role, Membership.person_id).where(Membership.organisation_id == organisation_id)
    held = {(role, person_id) for role, person_id in db.execute(rows)}
    out = set(db.scalars(select(Person.id).where(Person.disabled_at.is_not(None))))
    acts = ("role:appoint", "role:dismiss", "person:disable", "person:enable")
    for event in audit.events(db, organisation_id, actions=acts, since=at, limit=_EVERYTHING):
        if event.person_id is None:
            continue
        match event.action:
            case "role:appoint":
                held.discard((str(event.detail["role"]), event.person_id))
            case "role:dismiss":
                held.add((str(event.detail["role"]), event.person_id))
            case "person:disable":
                out.discard(event.person_id)
            case _:
                out.add(event.person_id)
    return _by_role({(role, person_id) for role, person_id in held if person_id not in out})


def _by_role(held: set[tuple[str, UUID]]) -> dict[str, frozenset[UUID]]:
    return {role: frozenset(person for other, person in held if other == role) for role, _ in held}
