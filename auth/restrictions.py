"""Restrictions: a case that in its own hospital only its team reaches (a colleague as a patient, a public person, violence).

While it lasts, the roles of the owning hospital reach the case no longer by themselves: a member stands to it as one
of its ``team``, behind a ``glass`` they have broken (`auth.glass` has the verbs), or ``barred``, and the table in `auth.rules` has a column
for each. For the barred the case does not exist. Grants to other hospitals hold as ever. Whoever restricts is of the
team, and one who may lift the restriction stays in it. Children know parents: a restriction knows its case by id alone.
"""

import datetime as dt
from collections.abc import Collection, Iterable
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, Index, Select, and_, false, or_, select, text, true
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from auth import people, rules
from auth.organisations import Organisation
from auth.rules import STANDINGS
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Invalid, NotFound
from core.tables import Base, Code, IdColumn

REASONS = ("colleague", "public-person", "violence", "patient-wish", "other")
REVIEW_WITHIN = dt.timedelta(hours=72)
INSIDE = frozenset(role for role, relation, action in rules.RULES if relation == "team" and action == "case:read")
"""The roles that somebody of a team needs one of: those that read cases."""
LIFTING = frozenset(role for role, relation, action in rules.RULES if relation == "team" and action == "case:restrict")

Ids = ColumnElement[UUID] | ColumnElement[UUID | None] | InstrumentedAttribute[UUID] | InstrumentedAttribute[UUID | None]

_LIFTED = text("lifted_at IS NULL")
_LEFT = text("left_at IS NULL")
_OPEN = text("reviewed_at IS NULL")


class Restriction(Base):
    """One restriction of one case, of ``organisation_id``, until it is lifted."""

    __tablename__ = "restrictions"
    __table_args__ = (
        Index("uq_restrictions_live", "case_id", unique=True, sqlite_where=_LIFTED, postgresql_where=_LIFTED),
        Index("ix_restrictions_organisation_id", "organisation_id"),
    )

    id: Mapped[IdColumn]
    case_id: Mapped[UUID]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id))
    reason: Mapped[Code]
    since: Mapped[dt.datetime] = mapped_column(default=ids.now)
    restricted_by: Mapped[UUID] = mapped_column(ForeignKey(people.Person.id))
    lifted_at: Mapped[dt.datetime | None]
    lifted_by: Mapped[UUID | None] = mapped_column(ForeignKey(people.Person.id))


class Teammate(Base):
    """One person of the team of a restriction, until they leave it."""

    __tablename__ = "restriction_team"
    __table_args__ = (
        Index("uq_restriction_team_live", "restriction_id", "person_id", unique=True, sqlite_where=_LEFT, postgresql_where=_LEFT),
        Index("ix_restriction_team_person_id", "person_id"),
    )

    id: Mapped[IdColumn]
    restriction_id: Mapped[UUID] = mapped_column(ForeignKey(Restriction.id))
    case_id: Mapped[UUID]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id))
    person_id: Mapped[UUID] = mapped_column(ForeignKey(people.Person.id))
    since: Mapped[dt.datetime] = mapped_column(default=ids.now)
    admitted_by: Mapped[UUID] = mapped_column(ForeignKey(people.Person.id))
    left_at: Mapped[dt.datetime | None]


class BrokenGlass(Base):
    """One break of one person on one case. ``words`` and ``review_words`` are sealed under the hospital's own key."""

    __tablename__ = "broken_glass"
    __table_args__ = (
        Index("ix_broken_glass_person_id", "person_id", "until"),
        Index("ix_broken_glass_open", "organisation_id", sqlite_where=_OPEN, postgresql_where=_OPEN),
    )

    id: Mapped[IdColumn]
    case_id: Mapped[UUID]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id))
    person_id: Mapped[UUID] = mapped_column(ForeignKey(people.Person.id))
    reason: Mapped[Code]
    words: Mapped[bytes]
    broken_at: Mapped[dt.datetime]
    until: Mapped[dt.datetime]
    verdict: Mapped[Code | None]
    review_words: Mapped[bytes | None]
    reviewed_by: Mapped[UUID | None] = mapped_column(ForeignKey(people.Person.id))
    reviewed_at: Mapped[dt.datetime | None]

    @property
    def review_due_at(self) -> dt.datetime:
        """By when somebody has to have reviewed it."""
        return self.broken_at + REVIEW_WITHIN


# --- how somebody stands to a case ----------------------------------------------------------------------


def standing(db: Tx, actor: Actor, *, organisation_id: UUID, case_id: UUID, lock: bool = False) -> str:
    """How the actor stands to a case of ``organisation_id``: ``own``, ``team``, ``glass`` or ``barred``, which everybody from elsewhere is.

    ``lock`` keeps them in the team until this transaction ends (or waits for their leaving that is under way).
    """
    if actor.organisation_id != organisation_id:
        return "barred"
    live = select(Restriction.id).where(Restriction.case_id == case_id, Restriction.organisation_id == organisation_id)
    restriction_id = db.scalar(live.where(Restriction.lifted_at.is_(None)))
    if restriction_id is None:
        return "own"
    mine = select(Teammate).where(Teammate.restriction_id == restriction_id, Teammate.left_at.is_(None))
    mine = mine.where(Teammate.person_id == actor.person_id)
    if lock:
        mine = mine.with_for_update(key_share=True).execution_options(populate_existing=True)
    if db.scalars(mine).first() is not None:
        return "team"
    return "glass" if case_id in actor.emergencies else "barred"


def broken_by(db: Tx, person_id: UUID, organisation_id: UUID) -> frozenset[UUID]:
    """The cases of the organisation on which the person's broken glass holds now; for `auth.actors`.

    It ends with the restriction, and for somebody who is taken into the team.
    """
    of_team = select(Teammate.id).where(
        Teammate.restriction_id == Restriction.id, Teammate.person_id == BrokenGlass.person_id, Teammate.left_at.is_(None)
    )
    query = select(BrokenGlass.case_id).join(Restriction, Restriction.case_id == BrokenGlass.case_id)
    query = query.where(BrokenGlass.person_id == person_id, BrokenGlass.until > ids.now())
    query = query.where(BrokenGlass.organisation_id == organisation_id, Restriction.lifted_at.is_(None), ~of_team.exists())
    return frozenset(db.scalars(query))


def stands(actor: Actor, case_id: Ids, relations: Collection[str]) -> ColumnElement[bool]:
    """The SQL of ``standing``: the cases of the actor's own organisation to which they stand in one of these ways.

    Ordinary cases are the many and restricted ones the few: what is named in the query is the few.
    """
    others = [relation for relation in STANDINGS if relation not in relations]
    if "own" in relations:
        return and_(true(), *(case_id.not_in(_restricted(actor, relation)) for relation in others))
    return or_(false(), *(case_id.in_(_restricted(actor, relation)) for relation in relations))


def of_case(db: Tx, case_id: UUID) -> Restriction | None:
    """The restriction a case is under now, for a caller that may know of it."""
    return db.scalars(select(Restriction).where(Restriction.case_id == case_id, Restriction.lifted_at.is_(None))).first()


def among(db: Tx, case_ids: Iterable[UUID]) -> frozenset[UUID]:
    """Those of the cases, which the caller shows, that are restricted: for a mark beside them."""
    query = select(Restriction.case_id).where(Restriction.case_id.in_(list(case_ids)), Restriction.lifted_at.is_(None))
    return frozenset(db.scalars(query))


def team(db: Tx, restriction: Restriction) -> list[Teammate]:
    """Who is of the team now, in the order they came, for a caller that may know of it."""
    query = select(Teammate).where(Teammate.restriction_id == restriction.id, Teammate.left_at.is_(None))
    return list(db.scalars(query.order_by(Teammate.since, Teammate.id)))


def shut_out(db: Tx, case_id: UUID, person_ids: Iterable[UUID]) -> set[UUID]:
    """Those of these people who work in the case's own hospital and are barred from it by a restriction."""
    restriction = of_case(db, case_id)
    if restriction is None:
        return set()
    here = select(people.Membership.person_id).where(people.Membership.organisation_id == restriction.organisation_id)
    members = set(db.scalars(here.where(people.Membership.person_id.in_(list(person_ids)))))
    return members - {mate.person_id for mate in team(db, restriction)}


def is_orphaned(db: Tx, restriction: Restriction, *, without: UUID | None = None) -> bool:
    """Whether nobody of the team could lift the restriction any more (``without``: once that person had left)."""
    able = {person.id for role in LIFTING for person in people.members(db, restriction.organisation_id, role)}
    return not any(mate.person_id in able for mate in team(db, restriction) if mate.person_id != without)


def may_join(db: Tx, organisation_id: UUID) -> list[people.Person]:
    """The people of an organisation who can be of a team: at work, in a role that reads cases."""
    found = {person.id: person for role in INSIDE for person in people.members(db, organisation_id, role)}
    return sorted(found.values(), key=lambda person: person.login)


# --- verbs ------------------------------------------------------------------------------------------------


def restrict(db: Tx, actor: Actor, *, case_id: UUID, organisation_id: UUID, reason: str, person_ids: Iterable[UUID] = ()) -> Restriction:
    """Restrict a case to the actor and these colleagues, from their next request on.

    Raises NotFound and Denied by the table, StepUpNeeded, Invalid for a reason that is none of REASONS or
    somebody who has no role here that reads cases, and Conflict when the case is restricted already.
    """
    _require(db, actor, case_id, organisation_id)
    if reason not in REASONS:
        raise Invalid("form-invalid", fields={"reason": "field-code-unknown"})
    if of_case(db, case_id) is not None:
        raise Conflict("case-restricted-already")
    assert actor.person_id is not None
    restriction = Restriction(
        id=ids.new(), case_id=case_id, organisation_id=organisation_id, reason=reason, restricted_by=actor.person_id
    )  # fmt: skip
    db.add(restriction)
    db.flush()
    _record(db, actor, "case:restrict", restriction, reason=reason)
    for person_id in dict.fromkeys((actor.person_id, *person_ids)):
        take_in(db, actor, restriction, person_id)
    return restriction


def lift(db: Tx, actor: Actor, *, case_id: UUID, organisation_id: UUID) -> Restriction:
    """Open a case to its hospital again. Raises as ``restrict``, and Conflict when it is not restricted."""
    restriction = _held(db, actor, case_id, organisation_id)
    restriction.lifted_at, restriction.lifted_by = ids.now(), actor.person_id
    db.flush()
    _record(db, actor, "case:unrestrict", restriction)
    return restriction


def admit(db: Tx, actor: Actor, *, case_id: UUID, organisation_id: UUID, person_id: UUID) -> None:
    """Take a colleague into the team; a second time changes nothing. Raises as ``lift``, and Invalid for somebody without a role."""
    take_in(db, actor, _held(db, actor, case_id, organisation_id), person_id)


def release(db: Tx, actor: Actor, *, case_id: UUID, organisation_id: UUID, person_id: UUID) -> None:
    """Let somebody go from the team. Raises as ``lift``, and Conflict for the last one who could lift the restriction."""
    restriction = _held(db, actor, case_id, organisation_id)
    mate = next((mate for mate in team(db, restriction) if mate.person_id == person_id), None)
    if mate is None:
        raise NotFound("person-not-found")
    if is_orphaned(db, restriction, without=person_id):
        raise Conflict("team-needs-surgeon")
    mate.left_at = ids.now()
    db.flush()
    _record(db, actor, "case:release", restriction, person_id=person_id)


def take_in(db: Tx, actor: Actor, restriction: Restriction, person_id: UUID) -> None:
    """Put a person of the owning hospital into the team, for a caller that has checked who acts. Raises Invalid."""
    if not any(people.serves(db, restriction.organisation_id, role, person_id) for role in INSIDE):
        raise Invalid("form-invalid", fields={"person": "person-not-found"})
    if any(mate.person_id == person_id for mate in team(db, restriction)):
        return
    assert actor.person_id is not None
    db.add(
        Teammate(
            restriction_id=restriction.id, case_id=restriction.case_id, organisation_id=restriction.organisation_id,
            person_id=person_id, admitted_by=actor.person_id,
        )
    )  # fmt: skip
    db.flush()
    _record(db, actor, "case:admit", restriction, person_id=person_id)


# --- inside -----------------------------------------------------------------------------------------------


def _restricted(actor: Actor, relation: str) -> Select[UUID]:
    """The restricted cases of the actor's organisation to which they stand as ``team``, behind ``glass``, or ``barred``."""
    of_team = select(Teammate.id).where(
        Teammate.restriction_id == Restriction.id, Teammate.person_id == actor.person_id, Teammate.left_at.is_(None)
    )
    query = select(Restriction.case_id).where(Restriction.organisation_id == actor.organisation_id, Restriction.lifted_at.is_(None))
    if relation == "team":
        return query.where(of_team.exists())
    behind_glass = Restriction.case_id.in_(actor.emergencies)
    return query.where(~of_team.exists(), behind_glass if relation == "glass" else ~behind_glass)


def _require(db: Tx, actor: Actor, case_id: UUID, organisation_id: UUID) -> None:
    stands = standing(db, actor, organisation_id=organisation_id, case_id=case_id, lock=True)
    rules.require(actor, "case:restrict", organisation_id=organisation_id, case_id=case_id, standing=stands)
    rules.require_step_up(actor)


def _held(db: Tx, actor: Actor, case_id: UUID, organisation_id: UUID) -> Restriction:
    """The case's restriction, for somebody who may change it; two who change it wait for each other."""
    _require(db, actor, case_id, organisation_id)
    restriction = of_case(db, case_id)
    if restriction is not None:
        db.refresh(restriction, with_for_update=True)
    if restriction is None or restriction.lifted_at is not None:
        raise Conflict("case-not-restricted")
    return restriction


def _record(db: Tx, actor: Actor, action: str, restriction: Restriction, *, person_id: UUID | None = None, **detail: str) -> None:
    audit.record(
        db, actor, action, organisation_id=restriction.organisation_id, case_id=restriction.case_id, person_id=person_id,
        object_type="restriction", object_id=restriction.id, purpose="administration", detail=dict(detail),
    )  # fmt: skip
