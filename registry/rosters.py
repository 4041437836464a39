"""Rosters: who keeps them, and what may be asked of them.

Coordinators and administrators set a rotation, put somebody in instead, and enter absences; everybody enters
their own. A change begins now or later, never earlier: the past stays as it was, and every change is in the log. Who
is put on or taken off within the next two days is told. A hospital sees its own rosters whole; of another's,
under an agreement or while a question is open between the two, who is on duty, who is next and the telephone.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

from sqlalchemy import and_, or_, select

from auth import agreements, news, organisations, people, rules
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Invalid, NotFound, PreconditionFailed
from registry import duty, rotation, valuesets
from registry.duty import ROLES, Absence, Book, Cover, Duty, OnDuty, Roster, RosterVersion, on_duty
from registry.outgoing import Referral
from registry.rotation import Rotation, Stretch, turns
from registry.states import REFERRAL_OPEN

__all__ = [
    "ROLES",
    "SOON",
    "Absence",
    "Book",
    "Cover",
    "Duty",
    "OnDuty",
    "Roster",
    "RosterVersion",
    "absent",
    "ahead",
    "ask",
    "change",
    "cover",
    "create",
    "end",
    "end_absence",
    "end_cover",
    "history",
    "kept",
    "on_duty",
    "own",
    "shows_reason",
    "whole",
]

SOON = dt.timedelta(hours=48)
LONGEST_TURN = 28
LONGEST_ORDER = 60
LONGEST_SPAN = dt.timedelta(days=400)
EARLIEST = dt.timedelta(days=-4000)
PHONE = re.compile(r"[+0-9][0-9 ()\-#*,;]{0,39}|")


def create(db: Tx, actor: Actor, *, role: str, specialty: str = "", rotation: Rotation, phone: str = "") -> Roster:
    """Begin the roster of a duty, at the first handover or now, whichever is later.

    Raises Denied, Invalid naming the fields, and Conflict ``roster-exists`` when the duty has one.
    """
    rules.require_in_organisation(actor, "roster:manage")
    _check(db, actor, role, specialty, rotation, phone)
    if whole(db, actor).find(role, specialty):
        raise Conflict("roster-exists")
    with _telling(db, actor):
        row = Roster(
            id=ids.new(), organisation_id=actor.organisation_id, role=role, specialty=specialty, created_at=ids.now(), ended_at=None
        )
        db.add(row)
        db.flush()
        version = _begin(db, actor, row, rotation, phone)
    _record(db, actor, "roster:create", row, version=str(version.id), role=role, specialty=specialty)
    return row


def change(db: Tx, actor: Actor, roster_id: UUID, *, rotation: Rotation, phone: str = "", version_id: UUID) -> RosterVersion:
    """Let a roster go on by another rotation; what was until then stays as it was.

    ``version_id`` is the version the change was made from. Raises NotFound, Denied, Invalid, and
    PreconditionFailed ``roster-changed-meanwhile`` when somebody else changed it first.
    """
    row = _managed(db, actor, roster_id)
    if history(db, actor, roster_id)[0].id != version_id:
        raise PreconditionFailed("roster-changed-meanwhile")
    _check(db, actor, row.role, row.specialty, rotation, phone)
    with _telling(db, actor):
        version = _begin(db, actor, row, rotation, phone)
    _record(db, actor, "roster:change", row, version=str(version.id))
    return version


def end(db: Tx, actor: Actor, roster_id: UUID) -> None:
    """End a roster now: from now on the duty has none. Raises NotFound and Denied."""
    row = _managed(db, actor, roster_id)
    with _telling(db, actor):
        row.ended_at = ids.now()
    _record(db, actor, "roster:end", row)


def cover(db: Tx, actor: Actor, roster_id: UUID, *, person_id: UUID, since: dt.datetime | None = None, until: dt.datetime) -> Cover:
    """Let somebody stand in a roster instead of whoever's turn it is; ``since`` None or past is now.

    Raises NotFound, Denied, and Invalid for somebody without the role or a time that makes no sense.
    """
    row = _managed(db, actor, roster_id)
    if not people.serves(db, actor.organisation_id, row.role, person_id):
        raise Invalid("form-invalid", fields={"person_id": "roster-person-unable"})
    begins = _span(since, until)
    with _telling(db, actor):
        instead = Cover(
            id=ids.new(), roster_id=row.id, organisation_id=row.organisation_id, person_id=person_id, since=begins, until=until,
            recorded_at=ids.now(), recorded_by=actor.person_id,
        )  # fmt: skip
        db.add(instead)
    _record(db, actor, "roster:cover", row, person_id=person_id, since=begins.isoformat(), until=until.isoformat())
    return instead


def end_cover(db: Tx, actor: Actor, cover_id: UUID) -> None:
    """Let the rotation go on again, now or instead of a cover that has not begun. Raises NotFound, Denied, and Conflict when it is over."""
    instead = db.get(Cover, cover_id)
    if instead is None or instead.organisation_id != actor.organisation_id:
        raise NotFound("roster-cover-not-found")
    row = _managed(db, actor, instead.roster_id)
    with _telling(db, actor):
        instead.until = _cut(instead.since, instead.until)
    _record(db, actor, "roster:end-cover", row, person_id=instead.person_id)


def absent(db: Tx, actor: Actor, *, person_id: UUID, since: dt.datetime | None = None, until: dt.datetime, reason: str) -> Absence:
    """Enter that somebody cannot be called for a time, in no roster of the hospital; ``since`` None or past is now.

    One's own with ``roster:read`` at a session, a colleague's with ``roster:manage``. Raises Denied and Invalid.
    """
    _of_person(actor, person_id)
    wrong = {} if reason in valuesets.value_set("absence_reason").codes else {"reason": "field-code-unknown"}
    if not people.roles_in(db, person_id, actor.organisation_id):
        wrong["person_id"] = "person-not-found"
    if wrong:
        raise Invalid("form-invalid", fields=wrong)
    begins = _span(since, until)
    with _telling(db, actor):
        away = Absence(
            id=ids.new(), organisation_id=actor.organisation_id, person_id=person_id, since=begins, until=until, reason=reason,
            recorded_at=ids.now(), recorded_by=actor.person_id,
        )  # fmt: skip
        db.add(away)
    _record_absence(db, actor, "roster:absent", away, reason=reason, since=begins.isoformat(), until=until.isoformat())
    return away


def end_absence(db: Tx, actor: Actor, absence_id: UUID) -> None:
    """Somebody is back, or will not be away after all. Raises NotFound, Denied, and Conflict when it is over."""
    away = db.get(Absence, absence_id)
    if away is None or away.organisation_id != actor.organisation_id:
        raise NotFound("roster-absence-not-found")
    _of_person(actor, away.person_id)
    with _telling(db, actor):
        away.until = _cut(away.since, away.until)
    _record_absence(db, actor, "roster:back", away)


# --- reading -------------------------------------------------------------------------------------------------------


def whole(db: Tx, actor: Actor, at: dt.datetime | None = None) -> Book:
    """The rosters of the actor's own hospital now, or as they stood at a past moment. Needs ``roster:read``."""
    rules.require_in_organisation(actor, "roster:read")
    return duty.book(db, actor.organisation_id, at)


def kept(db: Tx, actor: Actor) -> Book:
    """The same for who may change them. Needs ``roster:manage``."""
    rules.require_in_organisation(actor, "roster:manage")
    return whole(db, actor)


def ahead(db: Tx, actor: Actor, *, role: str, specialty: str = "", rotation: Rotation, phone: str = "") -> Iterator[Stretch]:
    """The turns that would follow from a rotation, from now on and without end; nothing is changed. Raises as ``create``."""
    rules.require_in_organisation(actor, "roster:manage")
    _check(db, actor, role, specialty, rotation, phone)
    return turns(rotation, ids.now())


def own(db: Tx, actor: Actor) -> list[Duty]:
    """The duties in which the actor is the one to be called now."""
    return duty.book(db, actor.organisation_id).duties_of(actor.person_id) if actor.person_id else []


def history(db: Tx, actor: Actor, roster_id: UUID) -> list[RosterVersion]:
    """What a roster of the actor's hospital has said, the newest version first. Raises NotFound and Denied."""
    rules.require_in_organisation(actor, "roster:read")
    row = db.get(Roster, roster_id)
    if row is None or row.organisation_id != actor.organisation_id:
        raise NotFound("roster-not-found")
    rows = select(RosterVersion).where(RosterVersion.roster_id == roster_id)
    return list(db.scalars(rows.order_by(RosterVersion.recorded_at.desc(), RosterVersion.id.desc())))


def ask(db: Tx, actor: Actor, *, organisation_id: UUID, role: str, specialty: str = "") -> Duty:
    """A duty now, of one's own hospital or of one that may know it; of another's, who is on duty and next and no more.

    Raises Denied, and NotFound for a hospital there is nothing between (as for one that is not there) and where the
    duty has no roster.
    """
    rules.require_in_organisation(actor, "roster:read")
    at_home = organisation_id == actor.organisation_id
    if not at_home and not _acquainted(db, actor.organisation_id, organisation_id):
        raise NotFound("organisation-not-found")
    found = duty.of(db, organisation_id, role, specialty)
    if found is None:
        raise NotFound("roster-not-found")
    return found if at_home else replace(found, people=found.people[:1])


def shows_reason(actor: Actor, away: Absence) -> bool:
    """Whether the actor is told why somebody is away: their own affair, and that of who keeps the roster."""
    return away.person_id == actor.person_id or bool(rules.roles_for(actor, "own", "roster:manage"))


# --- inside ----------------------------------------------------------------------------------------------------------


def _managed(db: Tx, actor: Actor, roster_id: UUID) -> Roster:
    rules.require_in_organisation(actor, "roster:manage")
    row = db.get(Roster, roster_id, with_for_update=True)
    if row is None or row.organisation_id != actor.organisation_id or row.ended_at is not None:
        raise NotFound("roster-not-found")
    return row


def _of_person(actor: Actor, person_id: UUID) -> None:
    if person_id == actor.person_id:
        rules.require_in_organisation(actor, "roster:read")
        rules.refuse_token(actor)
    else:
        rules.require_in_organisation(actor, "roster:manage")


def _acquainted(db: Tx, a: UUID, b: UUID) -> bool:
    """Whether an agreement is in force between two hospitals, or a question open."""
    if agreements.agreement_between(db, a, b, ids.now()) is not None:
        return True
    ways = [and_(Referral.organisation_id == one, Referral.to_organisation_id == other) for one, other in ((a, b), (b, a))]
    return db.scalar(select(Referral.id).where(Referral.state.in_(REFERRAL_OPEN), or_(*ways)).limit(1)) is not None


def _check(db: Tx, actor: Actor, role: str, specialty: str, given: Rotation, phone: str) -> None:
    wrong: dict[str, str] = {}
    if role not in ROLES:
        raise Invalid("form-invalid", fields={"role": "role-unknown"})
    if specialty not in (valuesets.value_set("specialty").codes if role == "expert" else {""}):
        wrong["specialty"] = "field-code-unknown"
    if given.time_zone not in organisations.ZONES:
        wrong["time_zone"] = "time-zone-unknown"
    if not 1 <= given.days <= (LONGEST_TURN if len(given.handovers) == 1 else 1):
        wrong["days"] = "field-out-of-range"
    if len(given.handovers) not in (1, 2) or list(given.handovers) != sorted(set(given.handovers)):
        wrong["handovers"] = "roster-handovers"
    if not EARLIEST <= given.begins_on - ids.now().date() <= LONGEST_SPAN:
        wrong["begins_on"] = "field-out-of-range"
    able = {person.id for person in people.members(db, actor.organisation_id, role)}
    if not given.people or len(given.people) > LONGEST_ORDER:
        wrong["people"] = "roster-people-missing"
    elif not able.issuperset(given.people):
        wrong["people"] = "roster-person-unable"
    if not PHONE.fullmatch(phone):
        wrong["phone"] = "roster-phone"
    if wrong:
        raise Invalid("form-invalid", fields=wrong)


def _begin(db: Tx, actor: Actor, row: Roster, given: Rotation, phone: str) -> RosterVersion:
    """Append a version; those before it end where it begins, and what would have begun later never does."""
    now = ids.now()
    since = max(now, rotation.begin(given, 0))
    going_on = or_(RosterVersion.until.is_(None), RosterVersion.until > since)
    for earlier in db.scalars(select(RosterVersion).where(RosterVersion.roster_id == row.id, going_on)):
        earlier.until = max(since, earlier.since)
    version = RosterVersion(
        id=ids.new(), roster_id=row.id, organisation_id=row.organisation_id, since=since, until=None, time_zone=given.time_zone,
        handovers=[told.isoformat("minutes") for told in given.handovers], days=given.days, begins_on=given.begins_on,
        people=[str(person) for person in given.people], phone=phone, recorded_at=now, recorded_by=actor.person_id,
    )  # fmt: skip
    db.add(version)
    db.flush()
    return version


def _span(since: dt.datetime | None, until: dt.datetime) -> dt.datetime:
    """When a cover or an absence begins: as asked, but never in the past. Raises Invalid."""
    begins = max(since or ids.now(), ids.now())
    if until <= begins:
        raise Invalid("form-invalid", fields={"until": "ends-before-start"})
    if until - begins > LONGEST_SPAN or begins - ids.now() > LONGEST_SPAN:
        raise Invalid("form-invalid", fields={"until": "roster-too-long"})
    return begins


def _cut(since: dt.datetime, until: dt.datetime) -> dt.datetime:
    """When something ends that is to end now: what has not begun never does."""
    if until <= ids.now():
        raise Conflict("roster-over")
    return max(since, ids.now())


@contextmanager
def _telling(db: Tx, actor: Actor) -> Iterator[None]:
    """Tell everybody whom a change puts on or takes off a turn within the next two days, but who made it."""
    before = _soon(db, actor)
    yield
    db.flush()
    after = _soon(db, actor)
    for kind, place in (("roster-put-on", 0), ("roster-taken-off", 1)):
        told = {
            person for key in before.keys() | after.keys() for person in rotation.shifted(before.get(key, []), after.get(key, []))[place]
        }
        news.tell_all(db, actor.organisation_id, sorted(told - {actor.person_id}), kind)


def _soon(db: Tx, actor: Actor) -> Mapping[UUID, list[Stretch]]:
    found = duty.book(db, actor.organisation_id)
    return {row.id: list(found.stretches(row, found.at + SOON)) for row in found.rosters}


def _record(db: Tx, actor: Actor, action: str, row: Roster, *, person_id: UUID | None = None, **detail: str) -> None:
    audit.record(
        db, actor, action, organisation_id=row.organisation_id, person_id=person_id, object_type="roster", object_id=row.id,
        purpose="administration", detail=dict(detail),
    )  # fmt: skip


def _record_absence(db: Tx, actor: Actor, action: str, away: Absence, **detail: str) -> None:
    audit.record(
        db, actor, action, organisation_id=away.organisation_id, person_id=away.person_id, object_type="absence", object_id=away.id,
        purpose="administration", detail=dict(detail),
    )  # fmt: skip
