"""Grants: who gives them, how far they may be passed on, and that they end at once (attacks 6, 8 and 10)."""

import datetime as dt
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from auth import grants, people, policy
from auth.grants import Grant
from core import ids
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict, Denied, Invalid, NotFound
from tests.cast import Cast, Member, join

CASE = ids.new()
MONTH = dt.timedelta(days=30)


def give(db: Tx, cast: Cast, by: Member, **more: Any) -> Grant:
    """A grant on Aral's case to Taizhou's coordinators unless told otherwise."""
    asked: dict[str, Any] = {
        "case_id": CASE,
        "organisation_id": cast.aral.id,
        "grantee_organisation_id": cast.taizhou.id,
        "role": "coordinator",
        "expires_at": ids.now() + (MONTH if by is cast.surgeon else MONTH - dt.timedelta(hours=1)),
        "reason": "referral",
    } | more
    return grants.give(db, by.actor, **asked)


def sees(db: Tx, member: Member, cast: Cast, action: str = "case:read") -> bool:
    return policy.allowed(db, member.actor, action, organisation_id=cast.aral.id, case_id=CASE)


def test_the_owners_surgeon_lets_in_and_shuts_out(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    with database.begin() as db:
        grant = give(db, cast, cast.surgeon)
        assert sees(db, cast.coordinator, cast)
        assert not sees(db, cast.expert, cast)
        grants.revoke(db, cast.second_surgeon.actor, grant.id, because="withdrawn")
        assert not sees(db, cast.coordinator, cast)
        with pytest.raises(Conflict):
            grants.revoke(db, cast.surgeon.actor, grant.id, because="withdrawn")
    assert log(cast.aral.id)[:2] == ["grant:revoke success", "grant:give success"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("nurse", Denied), ("administrator", NotFound), ("auditor", NotFound), ("expert", NotFound), ("stranger", NotFound)],
)
def test_nobody_else_lets_in(database: Database, cast: Cast, name: str, wanted: type[Exception]) -> None:
    with database.begin() as db:
        grant = give(db, cast, cast.surgeon)
        with pytest.raises(wanted):
            give(db, cast, cast.members[name], role="expert", person_id=cast.expert.id)
        with pytest.raises(wanted):
            grants.revoke(db, cast.members[name].actor, grant.id, because="withdrawn")


def test_the_coordinator_passes_on_inside_their_hospital(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        give(db, cast, cast.surgeon)
        passed = give(db, cast, cast.coordinator, role="expert", person_id=cast.expert.id)
        assert sees(db, cast.expert, cast, "opinion:sign")
        assert not sees(db, cast.second_expert, cast)
        grants.revoke(db, cast.coordinator.actor, passed.id, because="reallocated")
        assert not sees(db, cast.expert, cast)


def test_the_coordinator_passes_on_no_more_than_was_given(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        held = give(db, cast, cast.surgeon)
        for more in ({"sees_identity": True}, {"expires_at": held.expires_at + dt.timedelta(seconds=1)}):
            with pytest.raises(Denied) as refused:
                give(db, cast, cast.coordinator, role="expert", person_id=cast.expert.id, **more)
            assert refused.value.code == "grant-beyond-own"
        with pytest.raises(Denied) as refused:
            give(db, cast, cast.coordinator, role="expert", grantee_organisation_id=cast.kashgar.id)
        assert refused.value.code == "grant-outside-hospital"
        give(db, cast, cast.surgeon, sees_identity=True)
        give(db, cast, cast.coordinator, role="expert", person_id=cast.expert.id, sees_identity=True)
        assert sees(db, cast.expert, cast, "patient:identify")


def test_an_expert_passes_nothing_on_and_may_give_up_their_own(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        coordinators = give(db, cast, cast.surgeon)
        mine = give(db, cast, cast.surgeon, role="expert", person_id=cast.expert.id)
        other = give(db, cast, cast.surgeon, role="expert", person_id=cast.second_expert.id)
        with pytest.raises(Denied):
            give(db, cast, cast.expert, role="expert", person_id=cast.second_expert.id)
        for grant in (coordinators, other):
            with pytest.raises(Denied):
                grants.revoke(db, cast.expert.actor, grant.id, because="declined")
        grants.revoke(db, cast.expert.actor, mine.id, because="declined")
        assert not sees(db, cast.expert, cast)
        assert sees(db, cast.second_expert, cast)


def test_a_grant_cannot_be_given_on_a_case_by_naming_another_owner(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        with pytest.raises(NotFound):
            give(db, cast, cast.stranger, grantee_organisation_id=cast.kashgar.id, role="expert")
        forged = give(db, cast, cast.stranger, organisation_id=cast.kashgar.id)
        assert not sees(db, cast.coordinator, cast)
        assert policy.allowed(db, cast.coordinator.actor, "case:read", organisation_id=cast.kashgar.id, case_id=forged.case_id)


@pytest.mark.parametrize("role", ["surgeon", "nurse", "administrator", "auditor", "operator", "learner", "system"])
def test_only_roles_that_can_use_one_are_granted(database: Database, cast: Cast, role: str) -> None:
    with database.begin() as db, pytest.raises(Invalid):
        give(db, cast, cast.surgeon, role=role)


def test_a_grant_needs_somebody_to_use_it_and_a_time_ahead(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        with pytest.raises(NotFound):
            give(db, cast, cast.surgeon, role="expert", person_id=cast.coordinator.id)
        with pytest.raises(NotFound):
            give(db, cast, cast.surgeon, role="expert", grantee_organisation_id=cast.kashgar.id)
        with pytest.raises(Invalid):
            give(db, cast, cast.surgeon, expires_at=ids.now())


def test_giving_again_replaces(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        first = give(db, cast, cast.surgeon, sees_identity=True)
        second = give(db, cast, cast.surgeon)
        assert (first.revoked_because, second.revoked_at) == ("replaced", None)
        grants.revoke(db, cast.surgeon.actor, second.id, because="withdrawn")
        assert not sees(db, cast.coordinator, cast)


@pytest.mark.parametrize("named", [True, False], ids=["a-person", "a-role"])
def test_of_two_given_at_once_one_stays(database: Database, cast: Cast, named: bool) -> None:
    member = cast.expert if named else cast.coordinator
    whom: dict[str, Any] = {"role": "expert", "person_id": cast.expert.id} if named else {"role": "coordinator"}
    together, outcomes = threading.Barrier(2), []

    def let_in() -> None:
        together.wait()
        try:
            with database.begin() as db:
                give(db, cast, cast.surgeon, **whom)
                time.sleep(0.3)
            outcomes.append("given")
        except Conflict as conflict:
            outcomes.append(conflict.code)

    threads = [threading.Thread(target=let_in) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "given" in outcomes
    assert set(outcomes) <= {"given", "written-meanwhile"}
    with database.begin() as db:
        live = [g for g in grants.for_case(db, cast.surgeon.actor, case_id=CASE, organisation_id=cast.aral.id) if g.revoked_at is None]
        assert len(live) == 1
        assert sees(db, member, cast)
        grants.revoke(db, cast.surgeon.actor, live[0].id, because="withdrawn")
        assert not sees(db, member, cast)


def test_what_a_case_has_given_is_shown_to_who_reads_it(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        join(db, cast.kashgar, "yu.bo", "于波", "Yu Bo", "expert")
        mine = give(db, cast, cast.surgeon)
        other = give(db, cast, cast.surgeon, role="expert", grantee_organisation_id=cast.kashgar.id)
        shown = {
            name: [g.id for g in grants.for_case(db, cast.members[name].actor, case_id=CASE, organisation_id=cast.aral.id)]
            for name in ("surgeon", "nurse", "coordinator")
        }
        assert shown == {"surgeon": [mine.id, other.id], "nurse": [mine.id, other.id], "coordinator": [mine.id]}
        for name in ("expert", "administrator", "stranger"):
            with pytest.raises(NotFound):
                grants.for_case(db, cast.members[name].actor, case_id=CASE, organisation_id=cast.aral.id)


def test_who_leaves_the_role_leaves_the_case(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        give(db, cast, cast.surgeon, role="expert", person_id=cast.expert.id)
        people.dismiss(db, Actor.system(cast.taizhou.id), cast.expert.id, "expert")
        left = Actor(person_id=cast.expert.id, organisation_id=cast.taizhou.id, roles=people.roles_in(db, cast.expert.id, cast.taizhou.id))
        assert not policy.allowed(db, left, "case:read", organisation_id=cast.aral.id, case_id=CASE)


def test_a_write_and_a_revocation_at_once_come_one_after_the_other(database: Database, cast: Cast) -> None:
    """Whoever has been checked for a write keeps the right until they have written; the revocation waits."""
    with database.begin() as db:
        grant = give(db, cast, cast.surgeon, role="expert", person_id=cast.expert.id)
    order: list[str] = []
    checked = threading.Event()

    def write() -> None:
        with database.begin() as db:
            policy.require(db, cast.expert.actor, "annotation:write", organisation_id=cast.aral.id, case_id=CASE)
            checked.set()
            time.sleep(0.3)
            order.append("written")

    def revoke() -> None:
        checked.wait()
        with database.begin() as db:
            grants.revoke(db, cast.surgeon.actor, grant.id, because="withdrawn")
            order.append("revoked")

    threads = [threading.Thread(target=work) for work in (write, revoke)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order == ["written", "revoked"]
    with database.begin() as db:
        assert not sees(db, cast.expert, cast)
