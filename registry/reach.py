"""Reach: who can see a case, and why, from the same table and grants that the decision itself rests on.

For who may refer the case, and for auditors of its hospital, who see nothing of what is in it.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from auth import glass, people, policy, restrictions, rules
from auth.grants import Grant
from auth.people import Person
from auth.restrictions import BrokenGlass, Restriction, Teammate
from auth.rules import Way
from core import audit
from core.actor import Actor
from core.db import Tx
from core.errors import NotFound
from registry import audience, cases
from registry.cases import Case
from registry.outgoing import Referral

READ, IDENTIFY = "case:read", "patient:identify"


@dataclass(frozen=True, slots=True)
class Let:
    """One grant that holds, with the question that gave it."""

    grant: Grant
    referral: Referral | None


@dataclass(frozen=True, slots=True)
class Reach:
    """Who reaches a case: by role (role, its people), or the team alone where it is ``restricted``; by grant; by broken glass."""

    case: Case
    restriction: Restriction | None
    by_role: list[tuple[str, list[Person]]]
    team: list[Teammate]
    lets: list[Let]
    broken: list[BrokenGlass]


@dataclass(frozen=True, slots=True)
class Why:
    """Why a person can see a case from where they work, or why not.

    ``ways`` let them read it, ``identity`` lets them see who the patient is (`policy.explain`). ``obstacle`` says why not:
    ``barred`` by the restriction, a ``role`` that reads no cases, ``revoked`` or ``expired`` (``ended`` is that grant), or
    ``not-let-in``.
    """

    organisation_id: UUID
    ways: list[Way]
    identity: list[Way]
    obstacle: str | None = None
    ended: Grant | None = None


def of_case(db: Tx, actor: Actor, case_id: UUID) -> Reach:
    """Everybody who can see the case now; recorded. Raises NotFound, and Denied for who may read it and not refer it."""
    case = _case(db, actor, case_id)
    audit.view(
        db, actor, "case:explain", organisation_id=case.organisation_id, case_id=case.id, patient_ids=case.patient_ids,
        object_type="case", object_id=case.id, purpose="audit",
    )  # fmt: skip
    restriction = restrictions.of_case(db, case.id)
    reading = [role for role in rules.ROLES if (role, "own", READ) in rules.RULES]
    grants = audience.grants(db, case)
    return Reach(
        case,
        restriction,
        by_role=[] if restriction else [(role, people.members(db, case.organisation_id, role)) for role in reading],
        team=restrictions.team(db, restriction) if restriction else [],
        lets=[Let(grant, _referral(db, grant)) for grant in grants],
        broken=glass.holding(db, case.id),
    )


def candidates(db: Tx, case: Case) -> dict[UUID, list[Person]]:
    """The people the question may be asked about, by hospital: the owner's, and those of every hospital that was ever let in."""
    rows = select(Grant.grantee_organisation_id).where(Grant.case_id == case.id).distinct()
    places = dict.fromkeys((case.organisation_id, *sorted(db.scalars(rows))))
    return {place: people.members(db, place) for place in places}


def why(db: Tx, case: Case, person_id: UUID) -> list[Why]:
    """Why a person can see the case, or why not, from each of these hospitals they work in; for a caller that holds ``of_case``.

    Raises NotFound for somebody who works in none of them.
    """
    places = [place for place, members in candidates(db, case).items() if person_id in {person.id for person in members}]
    if not places:
        raise NotFound("person-not-found")
    return [_why(db, case, person_id, place) for place in places]


def _why(db: Tx, case: Case, person_id: UUID, organisation_id: UUID) -> Why:
    them = policy.standing_for(db, person_id, organisation_id)
    assert them is not None
    where = {"organisation_id": case.organisation_id, "case_id": case.id}
    ways, identity = (policy.explain(db, them, action, **where) for action in (READ, IDENTIFY))
    if ways:
        return Why(organisation_id, ways, identity)
    if organisation_id == case.organisation_id:
        return Why(organisation_id, [], [], "barred" if rules.roles_for(them, "own", READ) else "role")
    if not rules.roles_for(them, "granted", READ):
        return Why(organisation_id, [], [], "role")
    ended = _ended(db, case, them)
    obstacle = "not-let-in" if ended is None else "revoked" if ended.revoked_at else "expired"
    return Why(organisation_id, [], [], obstacle, ended)


def _ended(db: Tx, case: Case, them: Actor) -> Grant | None:
    """The newest grant that once let somebody in who is let in by none now."""
    rows = select(Grant).where(Grant.case_id == case.id, Grant.grantee_organisation_id == them.organisation_id)
    return next((grant for grant in db.scalars(rows.order_by(Grant.id.desc())) if rules.reaches(grant, them)), None)


def _referral(db: Tx, grant: Grant) -> Referral | None:
    kind, _, number = grant.reason.partition(":")
    return db.get(Referral, UUID(number)) if kind == "referral" else None


def _case(db: Tx, actor: Actor, case_id: UUID) -> Case:
    """The case, for its auditors without what is in it, and for who may refer it."""
    case = db.get(Case, case_id)
    if case is None or case.organisation_id != actor.organisation_id:
        raise NotFound("case-not-found")
    if policy.allowed(db, actor, "audit:read", organisation_id=case.organisation_id, case_id=case.id):
        return case
    return cases.reach(db, actor, case_id, "case:refer")
