"""A restricted case: who stands how to it, who may change that, and that somebody stays who can lift it."""

import threading
from uuid import UUID

import pytest

from auth import people, policy, restrictions
from auth.restrictions import Restriction
from core import audit, ids
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict, Denied, Invalid, NotFound, StepUpNeeded
from tests.cast import Cast, Member
from tests.registry.conftest import stepped_up


def restrict(db: Tx, cast: Cast, case_id: UUID, *members: Member, reason: str = "colleague") -> Restriction:
    return restrictions.restrict(
        db, stepped_up(cast.surgeon.actor), case_id=case_id, organisation_id=cast.aral.id, reason=reason, person_ids=[m.id for m in members]
    )


def reads(db: Tx, cast: Cast, member: Member, case_id: UUID) -> bool:
    return policy.allowed(db, member.actor, "case:read", organisation_id=cast.aral.id, case_id=case_id)


def test_a_restriction_leaves_the_team_alone(database: Database, cast: Cast) -> None:
    case, other = ids.new(), ids.new()
    with database.begin() as db:
        assert all(reads(db, cast, one, case) for one in (cast.surgeon, cast.second_surgeon, cast.nurse))
        restrict(db, cast, case, cast.nurse)
        assert {name for name, one in cast.members.items() if reads(db, cast, one, case)} == {"surgeon", "nurse"}
        assert reads(db, cast, cast.second_surgeon, other)
        for action in policy.ACTIONS:
            where = {"organisation_id": cast.aral.id, "case_id": case}
            barred = policy.allowed(db, cast.second_surgeon.actor, action, **where)
            assert barred is (action == "glass:break"), action
            assert policy.allowed(db, cast.nurse.actor, action, **where) is (
                action != "glass:break" and policy.allowed(db, cast.nurse.actor, action, organisation_id=cast.aral.id, case_id=other)
            ), action


def test_what_is_restricted_is_not_found_and_the_audit_of_it_goes_on(database: Database, cast: Cast) -> None:
    case = ids.new()
    where = {"organisation_id": cast.aral.id, "case_id": case}
    with database.begin() as db:
        restrict(db, cast, case)
        for action in ("case:read", "case:write", "case:restrict", "image:upload"):
            with pytest.raises(NotFound):
                policy.require(db, cast.second_surgeon.actor, action, **where)
        policy.require(db, cast.auditor.actor, "audit:read", **where)
        policy.require(db, cast.administrator.actor, "audit:read", **where)
        policy.require(db, Actor.system(cast.aral.id), "case:read", **where)


def test_team_members_come_and_go_and_the_restriction_is_lifted(database: Database, cast: Cast) -> None:
    case = ids.new()
    where = {"case_id": case, "organisation_id": cast.aral.id}
    with database.begin() as db:
        surgeon = stepped_up(cast.surgeon.actor)
        restrict(db, cast, case)
        restrictions.admit(db, surgeon, **where, person_id=cast.second_surgeon.id)
        restrictions.admit(db, surgeon, **where, person_id=cast.second_surgeon.id)
        assert reads(db, cast, cast.second_surgeon, case)
        restrictions.release(db, stepped_up(cast.second_surgeon.actor), **where, person_id=cast.surgeon.id)
        assert not reads(db, cast, cast.surgeon, case)
        restrictions.lift(db, stepped_up(cast.second_surgeon.actor), **where)
        assert all(reads(db, cast, one, case) for one in (cast.surgeon, cast.nurse))
        restrict(db, cast, case)
        assert not reads(db, cast, cast.second_surgeon, case), "a new restriction begins with a team of its own"
    with database.begin() as db:
        told = [f"{event.action} {event.person_id == cast.second_surgeon.id}" for event in audit.events(db, cast.aral.id, case_id=case)]
    assert told[::-1] == [
        *("case:restrict False", "case:admit False", "case:admit True", "case:release False"),
        *("case:unrestrict False", "case:restrict False", "case:admit False"),
    ]


def test_who_could_lift_it_last_cannot_leave(database: Database, cast: Cast) -> None:
    case = ids.new()
    where = {"case_id": case, "organisation_id": cast.aral.id}
    with database.begin() as db:
        restriction = restrict(db, cast, case, cast.nurse, cast.second_surgeon)
        restrictions.release(db, stepped_up(cast.surgeon.actor), **where, person_id=cast.second_surgeon.id)
        with pytest.raises(Conflict) as refused:
            restrictions.release(db, stepped_up(cast.surgeon.actor), **where, person_id=cast.surgeon.id)
        assert refused.value.code == "team-needs-surgeon"
        assert not restrictions.is_orphaned(db, restriction)
        people.disable(db, cast.administrator.actor, cast.surgeon.id)
        assert restrictions.is_orphaned(db, restriction)


def test_who_may_not_restrict_and_how_not(database: Database, cast: Cast) -> None:
    case = ids.new()
    where = {"case_id": case, "organisation_id": cast.aral.id}
    with database.begin() as db:
        with pytest.raises(StepUpNeeded):
            restrictions.restrict(db, cast.surgeon.actor, **where, reason="colleague")
        with pytest.raises(Denied):
            restrictions.restrict(db, stepped_up(cast.nurse.actor), **where, reason="colleague")
        with pytest.raises(NotFound):
            restrictions.restrict(db, stepped_up(cast.stranger.actor), **where, reason="colleague")
        with pytest.raises(Invalid):
            restrict(db, cast, case, reason="because")
        for nobody in (cast.administrator, cast.expert):
            with pytest.raises(Invalid), db.begin_nested():
                restrict(db, cast, case, nobody)
        restrict(db, cast, case)
        with pytest.raises(Conflict):
            restrict(db, cast, case)
        for verb in (restrictions.admit, restrictions.release):
            with pytest.raises(NotFound):
                verb(db, stepped_up(cast.second_surgeon.actor), **where, person_id=cast.second_surgeon.id)
        with pytest.raises(NotFound):
            restrictions.lift(db, stepped_up(cast.second_surgeon.actor), **where)


def test_a_write_and_a_leaving_at_once_come_one_after_the_other(database: Database, cast: Cast) -> None:
    """Attack 10: nothing is written on a place in the team that has just been taken away."""
    case = ids.new()
    where = {"case_id": case, "organisation_id": cast.aral.id}
    with database.begin() as db:
        restrict(db, cast, case, cast.nurse)
    outcome: list[str] = []

    def write() -> None:
        with database.begin() as db:
            outcome.append(str(policy.allowed(db, cast.nurse.actor, "case:write", **where)))

    with database.begin() as db:
        restrictions.release(db, stepped_up(cast.surgeon.actor), **where, person_id=cast.nurse.id)
        writer = threading.Thread(target=write)
        writer.start()
        writer.join(timeout=1)
        assert writer.is_alive(), "the write waits for the leaving"
    writer.join(timeout=30)
    assert outcome == ["False"]


def test_each_restriction_has_a_team_and_an_end_of_its_own(database: Database, cast: Cast) -> None:
    first, second, ordinary = ids.new(), ids.new(), ids.new()
    with database.begin() as db:
        one, other = restrict(db, cast, first, cast.nurse), restrict(db, cast, second, cast.second_surgeon)
        assert [{mate.person_id for mate in restrictions.team(db, row)} for row in (one, other)] == [
            {cast.surgeon.id, cast.nurse.id},
            {cast.surgeon.id, cast.second_surgeon.id},
        ]
        assert [restrictions.of_case(db, case) for case in (first, second, ordinary)] == [one, other, None]
        assert restrictions.among(db, [first, ordinary]) == {first}
        everybody = [member.id for member in cast.members.values()]
        assert restrictions.shut_out(db, first, [cast.nurse.id, cast.second_surgeon.id, cast.expert.id]) == {cast.second_surgeon.id}
        assert restrictions.shut_out(db, ordinary, everybody) == set()
        with pytest.raises(NotFound, match="person-not-found"):
            restrictions.release(
                db, stepped_up(cast.surgeon.actor), case_id=first, organisation_id=cast.aral.id, person_id=cast.second_surgeon.id
            )
        restrictions.lift(db, stepped_up(cast.surgeon.actor), case_id=first, organisation_id=cast.aral.id)
        assert restrictions.of_case(db, first) is None
        assert restrictions.among(db, [first, second]) == {second}
