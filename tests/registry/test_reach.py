"""Who can see a case and why: for who may refer it and its auditors, and in agreement with the decision itself."""

import datetime as dt
import itertools

import pytest

from auth import policy
from core import audit, ids
from core.errors import Denied, NotFound
from registry import reach, referrals
from tests.registry.conftest import World


def test_an_ordinary_case_is_seen_by_role_and_by_who_was_asked(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        referral = world.asked(db, case, sees_identity=True)
        found = reach.of_case(db, cast.surgeon.actor, case.id)
        assert found.restriction is None
        assert {role: {person.id for person in people} for role, people in found.by_role if people} == {
            "surgeon": {cast.surgeon.id, cast.second_surgeon.id},
            "nurse": {cast.nurse.id},
        }
        assert {(one.grant.role, one.grant.person_id, one.grant.sees_identity) for one in found.lets} == {
            ("coordinator", None, True),
            ("expert", cast.expert.id, True),
        }
        assert {one.referral for one in found.lets} == {referral}
    with world.begin() as db:
        (event,) = audit.events(db, cast.aral.id, actions=("case:explain",))
        assert (event.case_id, event.purpose) == (case.id, "audit")


def test_a_restricted_case_is_seen_by_its_team_and_through_broken_glass(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.restrict(db, case, cast.second_surgeon)
        world.behind_glass(db, cast.nurse, case)
        found = reach.of_case(db, cast.auditor.actor, case.id)
        assert found.by_role == []
        assert [mate.person_id for mate in found.team] == [cast.surgeon.id, cast.second_surgeon.id]
        assert [one.person_id for one in found.broken] == [cast.nurse.id]
        (why,) = reach.why(db, case, cast.nurse.id)
        assert {way.relation for way in why.ways} == {"glass"}


def test_who_is_not_asked_and_who_may_not(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        with pytest.raises(Denied):
            reach.of_case(db, cast.nurse.actor, case.id)
        for member in (cast.stranger, cast.expert):
            with pytest.raises(NotFound):
                reach.of_case(db, member.actor, case.id)
        with pytest.raises(NotFound):
            reach.why(db, case, cast.stranger.id)
        world.restrict(db, case)
        with pytest.raises(NotFound):
            reach.of_case(db, cast.second_surgeon.actor, case.id)


def test_why_not_says_what_stands_in_the_way(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        referral = world.asked(db, case)
        assert [why.obstacle for why in reach.why(db, case, cast.second_expert.id)] == ["not-let-in"]
        assert [why.obstacle for why in reach.why(db, case, cast.auditor.id)] == ["role"]
        world.restrict(db, case)
        assert [why.obstacle for why in reach.why(db, case, cast.nurse.id)] == ["barred"]
        with ids.told(ids.now() + referrals.ACCESS + dt.timedelta(days=1)):
            assert [why.obstacle for why in reach.why(db, case, cast.expert.id)] == ["expired"]
        referrals.withdraw(db, cast.surgeon.actor, referral.id)
        (why,) = reach.why(db, case, cast.expert.id)
        assert (why.obstacle, why.ended is not None and why.ended.revoked_because) == ("revoked", "referral-ended")


def test_what_is_said_is_what_is_decided(world: World) -> None:
    """For everybody of the three hospitals, on cases that stand in every way."""
    cast = world.cast
    with world.begin() as db:
        ordinary, restricted, asked = (world.case(db) for _ in range(3))
        for case in (restricted, asked):
            world.asked(db, case)
        world.restrict(db, restricted, cast.second_surgeon)
        world.behind_glass(db, cast.nurse, restricted)
        for case, member in itertools.product((ordinary, restricted, asked), cast.members.values()):
            if member.actor.organisation_id not in reach.candidates(db, case):
                continue
            (why,) = reach.why(db, case, member.id)
            where = {"organisation_id": case.organisation_id, "case_id": case.id}
            actor = world.again(db, member)
            assert bool(why.ways) is policy.allowed(db, actor, "case:read", **where), member.login
            assert bool(why.identity) is (bool(why.ways) and policy.allowed(db, actor, "patient:identify", **where)), member.login
            assert (why.obstacle is None) is bool(why.ways)
