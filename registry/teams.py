"""Teams: who alone reaches a restricted case in its own hospital, put together by a surgeon of it.

The rule itself is `auth.restrictions`; here stands the case, held while it changes, and the notices to those taken in.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from auth import glass, restrictions
from auth.people import Person
from auth.restrictions import BrokenGlass, Restriction, Teammate
from core.actor import Actor
from core.db import Tx
from registry import cases, notices
from registry.cases import Case

RESTRICT = "case:restrict"


@dataclass(frozen=True, slots=True)
class Team:
    """How a case is restricted: None when it is not; its team, the glass that is broken, and who might be taken in."""

    restriction: Restriction | None
    mates: list[Teammate]
    broken: list[BrokenGlass]
    candidates: list[Person]


def of_case(db: Tx, actor: Actor, case_id: UUID) -> Team:
    """The restriction of a case with its team, for who may change it; recorded. Raises NotFound and Denied."""
    case = cases.reach(db, actor, case_id, RESTRICT)
    cases.seen(db, actor, case)
    restriction = restrictions.of_case(db, case.id)
    mates = restrictions.team(db, restriction) if restriction else []
    inside = {mate.person_id for mate in mates} | (set() if restriction else {actor.person_id})
    candidates = [person for person in restrictions.may_join(db, case.organisation_id) if person.id not in inside]
    return Team(restriction, mates, glass.holding(db, case.id), candidates)


def restrict(db: Tx, actor: Actor, case_id: UUID, *, reason: str, person_ids: Iterable[UUID]) -> Restriction:
    """Restrict a case to the actor and these colleagues (`restrictions.restrict`); they are told."""
    case, person_ids = _held(db, actor, case_id), list(person_ids)
    made = restrictions.restrict(
        db, actor, case_id=case.id, organisation_id=case.organisation_id, reason=reason, person_ids=person_ids
    )  # fmt: skip
    notices.tell(db, person_ids, "team-joined", case, but=actor.person_id)
    return made


def lift(db: Tx, actor: Actor, case_id: UUID) -> Restriction:
    """Open a case to its hospital again (`restrictions.lift`)."""
    case = _held(db, actor, case_id)
    return restrictions.lift(db, actor, case_id=case.id, organisation_id=case.organisation_id)


def admit(db: Tx, actor: Actor, case_id: UUID, *, person_id: UUID) -> None:
    """Take a colleague into the team (`restrictions.admit`); they are told."""
    case = _held(db, actor, case_id)
    restrictions.admit(db, actor, case_id=case.id, organisation_id=case.organisation_id, person_id=person_id)
    notices.tell(db, [person_id], "team-joined", case, but=actor.person_id)


def release(db: Tx, actor: Actor, case_id: UUID, *, person_id: UUID) -> None:
    """Let somebody go from the team (`restrictions.release`)."""
    case = _held(db, actor, case_id)
    restrictions.release(db, actor, case_id=case.id, organisation_id=case.organisation_id, person_id=person_id)


def _held(db: Tx, actor: Actor, case_id: UUID) -> Case:
    case = cases.reach(db, actor, case_id, RESTRICT)
    cases.hold(db, case)
    return case
