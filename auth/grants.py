"""Grants: what lets a person of another hospital reach one case.

A grant names a case, the organisation that is let in, a role there and perhaps one person; it expires, can
be revoked, and says whether its holder may see who the patient is. It is given by the owning hospital
(who may refer the case) or passed on, inside their own hospital and never for more than they hold, by the
coordinator to whom it was given, or to a senior by whoever needs one (``pass_on``). Children know parents: a grant
knows its case by id alone.
"""

import datetime as dt
from collections.abc import Iterable
from functools import partial
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, Index, and_, or_, select, text
from sqlalchemy.orm import Mapped, mapped_column

from auth import people, restrictions, rules
from auth.organisations import Organisation
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Denied, Invalid, NotFound
from core.tables import Base, Code, IdColumn

_SAME = ("case_id", "grantee_organisation_id", "role")
_LIVE_PERSON = text("revoked_at IS NULL AND person_id IS NOT NULL")
_LIVE_ROLE = text("revoked_at IS NULL AND person_id IS NULL")

GRANTABLE = frozenset(role for role, relation, _ in rules.RULES if relation == "granted")


class Grant(Base):
    """A right on one case. ``organisation_id`` owns the case; ``person_id`` None means every member with ``role``."""

    __tablename__ = "grants"
    __table_args__ = (
        Index("ix_grants_case_id", "case_id"),
        Index("ix_grants_grantee", "grantee_organisation_id", "role", "person_id"),
        Index("ix_grants_until", "grantee_organisation_id", "expires_at"),
        # two indexes, since no NULL equals another
        Index("uq_grants_live_person", *_SAME, "person_id", unique=True, sqlite_where=_LIVE_PERSON, postgresql_where=_LIVE_PERSON),
        Index("uq_grants_live_role", *_SAME, unique=True, sqlite_where=_LIVE_ROLE, postgresql_where=_LIVE_ROLE),
    )

    id: Mapped[IdColumn]
    case_id: Mapped[UUID]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id))
    grantee_organisation_id: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id))
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey(people.Person.id))
    role: Mapped[Code]
    sees_identity: Mapped[bool] = mapped_column(default=False)
    reason: Mapped[str]
    given_by: Mapped[UUID | None]
    given_at: Mapped[dt.datetime] = mapped_column(default=ids.now)
    expires_at: Mapped[dt.datetime]
    revoked_at: Mapped[dt.datetime | None]
    revoked_because: Mapped[Code | None]


def held_by(actor: Actor, at: dt.datetime) -> ColumnElement[bool]:
    """The SQL of `rules.is_live` and `rules.reaches`: grants that let this actor in at that moment."""
    return and_(
        Grant.grantee_organisation_id == actor.organisation_id,
        Grant.role.in_(sorted(rules.holders(actor))),
        or_(Grant.person_id.is_(None), Grant.person_id == actor.person_id),
        Grant.revoked_at.is_(None),
        Grant.expires_at > at,
    )


def holding(db: Tx, actor: Actor, case_id: UUID, *, lock: bool = False) -> list[Grant]:
    """The live grants that let the actor into the case.

    ``lock`` keeps them from being revoked before this transaction ends (and waits for a revocation under
    way), so that nothing is written on a right that has just been withdrawn.
    """
    if actor.person_id is None:
        return []
    query = select(Grant).where(Grant.case_id == case_id, held_by(actor, ids.now())).order_by(Grant.id)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    return list(db.scalars(query))


def give(
    db: Tx,
    actor: Actor,
    *,
    case_id: UUID,
    organisation_id: UUID,
    grantee_organisation_id: UUID,
    role: str,
    person_id: UUID | None = None,
    sees_identity: bool = False,
    expires_at: dt.datetime,
    reason: str,
) -> Grant:
    """Let an organisation's members in a role, or one of them, into a case that ``organisation_id`` owns.

    Who may refer the case may let in anybody. Who may allocate it may let in people of their own hospital,
    not longer and not seeing more than they were let in themselves. An equal grant that is live is
    replaced; of two given at once one is a Conflict, ``written-meanwhile``. Raises NotFound for a case or person
    the actor cannot see, Denied, and Invalid.
    """
    held = holding(db, actor, case_id, lock=True)
    standing = restrictions.standing(db, actor, organisation_id=organisation_id, case_id=case_id)
    may = partial(rules.decide, actor, organisation_id=organisation_id, case_id=case_id, standing=standing, grants=held)
    if not may("case:read"):
        raise NotFound("case-not-found")
    if role not in GRANTABLE:
        raise Invalid(fields={"role": "role-not-grantable"})
    if expires_at <= ids.now():
        raise Invalid(fields={"expires_at": "expiry-past"})
    if not may("case:refer"):
        if not may("referral:allocate"):
            raise Denied("not-allowed")
        _check_passing_on(actor, organisation_id, grantee_organisation_id, held, sees_identity=sees_identity, expires_at=expires_at)
    if not people.serves(db, grantee_organisation_id, role, person_id):
        raise NotFound("person-not-found")
    return _put(
        db,
        actor,
        Grant(
            case_id=case_id,
            organisation_id=organisation_id,
            grantee_organisation_id=grantee_organisation_id,
            person_id=person_id,
            role=role,
            sees_identity=sees_identity,
            reason=reason,
            given_by=actor.person_id,
            expires_at=expires_at,
        ),
    )


def pass_on(db: Tx, actor: Actor, action: str, *, case_id: UUID, person_id: UUID, reason: str) -> Grant | None:
    """Let a colleague of the same hospital and role into a case of another hospital, by what the actor holds there for ``action``.

    Not longer and not seeing more than the actor. None where the colleague is let in already: nothing of theirs is
    taken. Raises NotFound where the actor holds nothing for it, or for somebody who has no such role there.
    """
    roles = rules.roles_for(actor, "granted", action)
    held = [grant for grant in holding(db, actor, case_id, lock=True) if grant.role in roles]
    if not held:
        raise NotFound("case-not-found")
    own = max(held, key=lambda grant: grant.expires_at)
    if not people.serves(db, actor.organisation_id, own.role, person_id):
        raise NotFound("person-not-found")
    same = select(Grant.id).where(Grant.case_id == case_id, Grant.grantee_organisation_id == actor.organisation_id, Grant.role == own.role)
    if db.scalars(same.where(Grant.person_id == person_id, Grant.revoked_at.is_(None), Grant.expires_at > ids.now())).first():
        return None
    return _put(
        db,
        actor,
        Grant(
            case_id=case_id,
            organisation_id=own.organisation_id,
            grantee_organisation_id=actor.organisation_id,
            person_id=person_id,
            role=own.role,
            sees_identity=own.sees_identity,
            reason=reason,
            given_by=actor.person_id,
            expires_at=own.expires_at,
        ),
    )


def call_in(db: Tx, *, case_id: UUID, grantee_organisation_id: UUID, person_id: UUID, reason: str) -> Grant | None:
    """Let an expert of an invited hospital into the case in the product's own name, when that hospital is silent.

    By what the hospital was given for the same ``reason``: not longer and seeing no more. None where that has ended
    and where the expert is let in already. Raises NotFound for somebody who is no expert there.
    """
    if not people.serves(db, grantee_organisation_id, "expert", person_id):
        raise NotFound("person-not-found")
    live = select(Grant).where(Grant.case_id == case_id, Grant.grantee_organisation_id == grantee_organisation_id)
    live = live.where(Grant.revoked_at.is_(None), Grant.expires_at > ids.now())
    hospital = db.scalars(live.where(Grant.reason == reason, Grant.person_id.is_(None)).order_by(Grant.expires_at.desc())).first()
    if hospital is None or db.scalars(live.where(Grant.person_id == person_id, Grant.role == "expert")).first():
        return None
    return _put(
        db,
        Actor.system(hospital.organisation_id),
        Grant(
            case_id=case_id,
            organisation_id=hospital.organisation_id,
            grantee_organisation_id=grantee_organisation_id,
            person_id=person_id,
            role="expert",
            sees_identity=hospital.sees_identity,
            reason=reason,
            given_by=None,
            expires_at=hospital.expires_at,
        ),
    )


def run_out(db: Tx, case_id: UUID, person_ids: Iterable[UUID]) -> list[Grant]:
    """The last grant of each of these people on the case, where it ended by its time alone and they still serve there."""
    query = select(Grant).where(Grant.case_id == case_id, Grant.person_id.in_(list(person_ids))).order_by(Grant.id)
    last = {grant.person_id: grant for grant in db.scalars(query)}
    return [
        grant
        for grant in last.values()
        if grant.revoked_at is None
        and grant.expires_at <= ids.now()
        and people.serves(db, grant.grantee_organisation_id, grant.role, grant.person_id)
    ]


def renew(db: Tx, grant: Grant, *, until: dt.datetime) -> Grant:
    """Give a grant that ran out once more, in the product's own name: the same right, to the same person, until then."""
    return _put(
        db,
        Actor.system(grant.organisation_id),
        Grant(
            case_id=grant.case_id,
            organisation_id=grant.organisation_id,
            grantee_organisation_id=grant.grantee_organisation_id,
            person_id=grant.person_id,
            role=grant.role,
            sees_identity=grant.sees_identity,
            reason=grant.reason,
            given_by=None,
            expires_at=until,
        ),
    )


def revoke(db: Tx, actor: Actor, grant_id: UUID, *, because: str) -> Grant:
    """End a grant at once, for a reason given as a code.

    For who may refer the case, within their own hospital for who may allocate it, for the person it names and
    for who passed it on. Raises NotFound where the actor cannot see the case, Denied, and Conflict when the grant has
    been revoked before.
    """
    grant = db.get(Grant, grant_id)
    if grant is None:
        raise NotFound("grant-not-found")
    held = holding(db, actor, grant.case_id)
    standing = restrictions.standing(db, actor, organisation_id=grant.organisation_id, case_id=grant.case_id)
    may = partial(rules.decide, actor, organisation_id=grant.organisation_id, case_id=grant.case_id, standing=standing, grants=held)
    if not may("case:read"):
        raise NotFound("grant-not-found")
    inside = grant.grantee_organisation_id == actor.organisation_id and may("referral:allocate")
    giving_up = grant.person_id is not None and grant.person_id == actor.person_id
    passed_on = actor.person_id is not None and grant.given_by == actor.person_id and grant.grantee_organisation_id == actor.organisation_id
    if not may("case:refer") and not inside and not giving_up and not passed_on:
        raise Denied("not-allowed")
    db.refresh(grant, with_for_update={"key_share": True})
    if grant.revoked_at is not None:
        raise Conflict("grant-already-revoked")
    grant.revoked_at, grant.revoked_because = ids.now(), because
    db.flush()
    _record(db, actor, "grant:revoke", grant, detail={"role": grant.role, "because": because})
    return grant


def for_case(db: Tx, actor: Actor, *, case_id: UUID, organisation_id: UUID) -> list[Grant]:
    """Every grant ever given on the case, oldest first, for whoever may read the case.

    A visitor is shown only those of their own hospital. Raises NotFound.
    """
    held = holding(db, actor, case_id)
    standing = restrictions.standing(db, actor, organisation_id=organisation_id, case_id=case_id)
    if not rules.decide(actor, "case:read", organisation_id=organisation_id, case_id=case_id, standing=standing, grants=held):
        raise NotFound("case-not-found")
    query = select(Grant).where(Grant.case_id == case_id, Grant.organisation_id == organisation_id).order_by(Grant.id)
    if actor.organisation_id != organisation_id:
        query = query.where(Grant.grantee_organisation_id == actor.organisation_id)
    return list(db.scalars(query))


def _check_passing_on(
    actor: Actor, organisation_id: UUID, to: UUID, held: list[Grant], *, sees_identity: bool, expires_at: dt.datetime
) -> None:
    """Who only allocates stays inside their own hospital and passes on no more than they hold."""
    if to != actor.organisation_id:
        raise Denied("grant-outside-hospital")
    allocating = rules.roles_for(actor, "granted", "referral:allocate")
    if actor.organisation_id != organisation_id and not any(
        grant.role in allocating and expires_at <= grant.expires_at and (grant.sees_identity or not sees_identity) for grant in held
    ):
        raise Denied("grant-beyond-own")


def _put(db: Tx, actor: Actor, grant: Grant) -> Grant:
    """Write a grant in the place of an equal one that is live."""
    equal = select(Grant).where(Grant.case_id == grant.case_id, Grant.grantee_organisation_id == grant.grantee_organisation_id)
    equal = equal.where(Grant.role == grant.role, Grant.person_id == grant.person_id, Grant.revoked_at.is_(None)).order_by(Grant.id)
    for old in db.scalars(equal.with_for_update(key_share=True), execution_options={"populate_existing": True}):
        old.revoked_at, old.revoked_because = ids.now(), "replaced"
    db.flush()
    db.add(grant)
    db.flush()
    detail: dict[str, str | int | bool] = {"role": grant.role, "sees_identity": grant.sees_identity}
    _record(db, actor, "grant:give", grant, detail={**detail, "expires_at": grant.expires_at.isoformat()})
    return grant


def _record(db: Tx, actor: Actor, action: str, grant: Grant, *, detail: dict[str, str | int | bool]) -> None:
    audit.record(
        db,
        actor,
        action,
        organisation_id=grant.organisation_id,
        case_id=grant.case_id,
        person_id=grant.person_id,
        object_type="grant",
        object_id=grant.id,
        detail={**detail, "grantee_organisation_id": str(grant.grantee_organisation_id)},
    )
