"""Proposals: two people for the rights that matter, and nobody twice (attack 9; ASVS 2.3.5)."""

import dataclasses
import datetime as dt
import itertools
import threading
from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import select

from auth import duties, enrolments, means, people, proposals
from auth.organisations import Organisation
from auth.proposals import EVENTS, STATES, TABLE, Proposal
from core import audit, ids, jobs
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict, Denied, Invalid, NotFound, ShanhaiError, StepUpNeeded
from core.jobs import JobRow
from tests.cast import Cast, Member, join


def fresh(member: Member) -> Actor:
    """The member's actor as after a step-up."""
    return dataclasses.replace(member.actor, stepped_up_at=ids.now())


@pytest.fixture
def second(database: Database, cast: Cast) -> Member:
    """A second administrator of Aral."""
    with database.begin() as db:
        return join(db, cast.aral, "he.yu", "何雨", "He Yu", "administrator")


def give(db: Tx, cast: Cast, role: str = "administrator") -> Proposal:
    """The first administrator proposes a role for the nurse."""
    return proposals.propose(db, fresh(cast.administrator), proposals.GIVE, person_id=cast.nurse.id, role=role)


def told(db: Tx) -> list[tuple[str, str]]:
    """Whom the jobs tell of what."""
    rows = db.scalars(select(JobRow).where(JobRow.kind == "person:tell").order_by(JobRow.id))
    return [(str(row.payload["person_id"]), str(row.payload["kind"])) for row in rows]


def test_the_table_is_total_and_what_has_ended_stays_ended() -> None:
    assert set(TABLE) == set(itertools.product(STATES, EVENTS))
    assert {TABLE["proposed", event] for event in EVENTS} == set(STATES[1:])
    assert {after for (state, _), after in TABLE.items() if state != "proposed"} == {None}


@pytest.mark.parametrize("role", ["administrator", "auditor"])
def test_a_role_that_matters_is_given_by_two(
    database: Database, cast: Cast, second: Member, log: Callable[[UUID], list[str]], role: str
) -> None:
    with database.begin() as db:
        proposal = give(db, cast, role)
        assert people.roles_in(db, cast.nurse.id, cast.aral.id) == {"nurse"}
        assert [one.id for one in proposals.waiting(db, second.actor)] == [proposal.id]
        proposals.confirm(db, fresh(second), proposal.id)
        assert people.roles_in(db, cast.nurse.id, cast.aral.id) == {"nurse", role}
        assert proposals.waiting(db, second.actor) == []
        assert [(one.state, one.ended_by) for one in proposals.ended(db, second.actor)] == [("confirmed", second.id)]
        assert told(db) == [
            (str(second.id), "account-proposal-waiting"),
            (str(cast.administrator.id), "account-proposal-confirmed"),
        ]
    assert log(cast.aral.id)[:3] == ["role:appoint success", "proposal:confirm success", "proposal:make success"]
    with database.begin() as db:
        [made] = audit.events(db, cast.aral.id, actions=("proposal:make",))
        assert (made.person_id, made.detail) == (cast.nurse.id, {"kind": "give-role", "role": role})


@pytest.mark.parametrize("role", ["administrator", "auditor"])
def test_nobody_gives_such_a_role_alone(database: Database, cast: Cast, second: Member, role: str) -> None:
    admin = fresh(cast.administrator)
    with database.begin() as db:
        for act in (
            lambda: people.appoint(db, admin, cast.nurse.id, role),
            lambda: people.create(db, admin, login="gu.lan", name="顾岚", roles=[role]),
        ):
            with pytest.raises(Denied) as refused:
                act()
            assert refused.value.code == "role-needs-second-hand"
        proposal = give(db, cast, role)
        with pytest.raises(Denied) as refused:
            proposals.confirm(db, admin, proposal.id)
        assert refused.value.code == "own-proposal"
        with pytest.raises(Denied):
            proposals.refuse(db, admin, proposal.id)


def test_nobody_confirms_what_is_about_themselves(database: Database, cast: Cast, second: Member) -> None:
    """Self-elevation by way of a colleague's proposal."""
    with database.begin() as db:
        about = proposals.propose(db, fresh(cast.administrator), proposals.GIVE, person_id=second.id, role="auditor")
        with pytest.raises(Denied) as refused:
            proposals.confirm(db, fresh(second), about.id)
        assert refused.value.code == "own-rights"
        with pytest.raises(Denied) as refused:
            proposals.propose(db, fresh(second), proposals.GIVE, person_id=second.id, role="auditor")
        assert refused.value.code == "own-rights"


def test_both_steps_need_a_step_up_and_a_session(database: Database, cast: Cast, second: Member) -> None:
    machine = dataclasses.replace(fresh(second), token_id=ids.new(), scopes=frozenset({"people:manage"}))
    with database.begin() as db:
        with pytest.raises(StepUpNeeded):
            proposals.propose(db, cast.administrator.actor, proposals.GIVE, person_id=cast.nurse.id, role="auditor")
        with pytest.raises(Denied):
            proposals.propose(db, machine, proposals.SEPARATE)
        proposal = give(db, cast)
        with pytest.raises(StepUpNeeded):
            proposals.confirm(db, second.actor, proposal.id)
        for act in (proposals.confirm, proposals.refuse, proposals.withdraw):
            with pytest.raises(Denied):
                act(db, machine, proposal.id)


def test_only_administrators_of_the_hospital_have_a_hand_in_it(database: Database, cast: Cast, second: Member) -> None:
    with database.begin() as db:
        stranger = join(db, cast.kashgar, "ya.sen", "亚森", "Yasen", "administrator")
        proposal = give(db, cast)
        for act in (proposals.confirm, proposals.refuse, proposals.withdraw):
            with pytest.raises(NotFound):
                act(db, fresh(stranger), proposal.id)
            for other in (cast.nurse, cast.surgeon, cast.auditor):
                with pytest.raises(Denied):
                    act(db, fresh(other), proposal.id)
        with pytest.raises(NotFound):
            proposals.propose(db, fresh(stranger), proposals.GIVE, person_id=cast.nurse.id, role="administrator")
        with pytest.raises(Denied):
            proposals.propose(db, fresh(cast.nurse), "make-king")
        for listed in (proposals.waiting, proposals.ended):
            with pytest.raises(Denied):
                listed(db, cast.nurse.actor)
        assert proposals.waiting(db, stranger.actor) == []
        assert proposals.ended(db, second.actor) == []
        proposals.refuse(db, second.actor, proposal.id)
        assert proposals.ended(db, stranger.actor) == []


def test_of_those_that_have_ended_the_last_are_shown(
    database: Database, cast: Cast, second: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proposals, "SHOWN", 1)
    with database.begin() as db:
        proposals.refuse(db, second.actor, give(db, cast).id)
        last = proposals.refuse(db, second.actor, give(db, cast).id)
        assert proposals.ended(db, second.actor) == [last]


def test_it_is_refused_by_the_other_and_withdrawn_by_the_proposer(database: Database, cast: Cast, second: Member) -> None:
    with database.begin() as db:
        first = give(db, cast)
        with pytest.raises(Denied):
            proposals.withdraw(db, fresh(second), first.id)
        assert proposals.refuse(db, second.actor, first.id).state == "refused"
        assert told(db)[-1] == (str(cast.administrator.id), "account-proposal-refused")
        again = give(db, cast)
        assert proposals.withdraw(db, cast.administrator.actor, again.id).state == "withdrawn"
        for ended in (first, again):
            for act, by in ((proposals.confirm, second), (proposals.refuse, second), (proposals.withdraw, cast.administrator)):
                with pytest.raises(Conflict) as refused:
                    act(db, fresh(by), ended.id)
                assert refused.value.code == "proposal-ended"
        assert people.roles_in(db, cast.nurse.id, cast.aral.id) == {"nurse"}


def test_it_is_good_for_seven_days(database: Database, cast: Cast, second: Member, log: Callable[[UUID], list[str]]) -> None:
    with database.begin() as db:
        proposal = give(db, cast)
    late = ids.now() + dt.timedelta(days=7, seconds=1)
    with ids.told(late):
        with database.begin() as db, pytest.raises(Conflict) as refused:
            proposals.confirm(db, fresh(second), proposal.id)
        assert refused.value.code == "proposal-too-late"
        with database.begin() as db:
            assert proposals.waiting(db, second.actor) == []
        while jobs.run_once(database, {proposals.EXPIRE: proposals.expire, "person:tell": lambda *_: None}):
            pass
        with database.begin() as db:
            assert db.get_one(Proposal, proposal.id).state == "expired"
            give(db, cast)
    assert "proposal:expire success" in log(cast.aral.id)


def test_the_job_leaves_alone_what_was_decided(database: Database, cast: Cast, second: Member, log: Callable[[UUID], list[str]]) -> None:
    with database.begin() as db:
        proposal = give(db, cast)
        proposals.confirm(db, fresh(second), proposal.id)
    with ids.told(ids.now() + dt.timedelta(days=8)):
        while jobs.run_once(database, {proposals.EXPIRE: proposals.expire, "person:tell": lambda *_: None}):
            pass
    with database.begin() as db:
        ended = db.get_one(Proposal, proposal.id)
        assert (ended.state, ended.ended_by) == ("confirmed", second.id)
    assert "proposal:expire success" not in log(cast.aral.id)


def test_the_job_waits_for_who_decides_at_that_moment(database: Database, cast: Cast, second: Member) -> None:
    with database.begin() as db:
        proposal = give(db, cast)

    def late() -> None:
        with ids.told(ids.now() + dt.timedelta(days=8)):
            jobs.run_once(database, {proposals.EXPIRE: proposals.expire})

    job = threading.Thread(target=late)
    with database.begin() as db:
        proposals.confirm(db, fresh(second), proposal.id)
        job.start()
        job.join(1.0)
        assert job.is_alive()
    job.join()
    with database.begin() as db:
        assert db.get_one(Proposal, proposal.id).state == "confirmed"


def test_a_proposal_falls_with_its_proposers_right(database: Database, cast: Cast, second: Member) -> None:
    with database.begin() as db:
        third = join(db, cast.aral, "gu.lan", "顾岚", "Gu Lan", "administrator")
        proposal = give(db, cast)
        people.dismiss(db, fresh(second), cast.administrator.id, "administrator")
        with pytest.raises(Conflict) as refused:
            proposals.confirm(db, fresh(third), proposal.id)
        assert refused.value.code == "proposer-gone"


def test_what_could_not_be_done_is_not_proposed(database: Database, cast: Cast, second: Member) -> None:
    admin = fresh(cast.administrator)
    with database.begin() as db:
        new = people.create(db, admin, login="gu.lan", name="顾岚")
        give(db, cast)
        for kind, whom, role, code in (
            (proposals.GIVE, cast.nurse.id, "administrator", "proposal-open-already"),
            (proposals.GIVE, cast.auditor.id, "auditor", "role-held-already"),
            (proposals.GIVE, new.id, "auditor", "person-never-signed-in"),
            (proposals.ENABLE, cast.nurse.id, None, "person-not-disabled"),
            (proposals.JOIN, None, None, "duties-so-already"),
        ):
            with pytest.raises(Conflict) as refused:
                proposals.propose(db, admin, kind, person_id=whom, role=role)
            assert refused.value.code == code
        for kind, whom, role in (
            ("make-king", None, None),
            (proposals.GIVE, None, "auditor"),
            (proposals.GIVE, cast.nurse.id, None),
            (proposals.GIVE, cast.nurse.id, "operator"),
            (proposals.GIVE, cast.nurse.id, "surgeon"),
            (proposals.SEPARATE, cast.nurse.id, None),
            (proposals.ENABLE, cast.nurse.id, "auditor"),
        ):
            with pytest.raises(Invalid):
                proposals.propose(db, admin, kind, person_id=whom, role=role)


def test_a_way_in_handed_out_before_ends_with_the_new_right(database: Database, cast: Cast, second: Member) -> None:
    """Or one administrator would hold the key of the administrator they proposed."""
    with database.begin() as db:
        means.retire(db, fresh(cast.administrator), cast.nurse.id)
        secret = enrolments.issue(db, fresh(cast.administrator), cast.nurse.id)
        proposal = give(db, cast)
        assert enrolments.shown(db, secret)
        proposals.confirm(db, fresh(second), proposal.id)
        with pytest.raises(NotFound):
            enrolments.shown(db, secret)


def test_duties_are_separated_and_joined_by_two(database: Database, cast: Cast, second: Member) -> None:
    with database.begin() as db:
        for kind, after in ((proposals.SEPARATE, True), (proposals.JOIN, False)):
            proposal = proposals.propose(db, fresh(cast.administrator), kind)
            assert db.get_one(Organisation, cast.aral.id).separate_duties is not after
            with pytest.raises(Denied):
                proposals.confirm(db, fresh(cast.administrator), proposal.id)
            proposals.confirm(db, fresh(second), proposal.id)
            assert db.get_one(Organisation, cast.aral.id).separate_duties is after


def test_what_changed_meanwhile_is_looked_at_again(database: Database, cast: Cast, second: Member) -> None:
    """Duties were separated between the proposal of a second role and its confirmation."""
    with database.begin() as db:
        third = join(db, cast.aral, "gu.lan", "顾岚", "Gu Lan", "administrator")
        proposal = proposals.propose(db, fresh(cast.administrator), proposals.GIVE, person_id=third.id, role="auditor")
        duties.switch(db, Actor.system(cast.aral.id), separate=True)
    with pytest.raises(Conflict) as refused, database.begin() as db:
        proposals.confirm(db, fresh(second), proposal.id)
    assert refused.value.code == "duties-separate"
    with database.begin() as db:
        assert db.get_one(Proposal, proposal.id).state == "proposed"
        assert people.roles_in(db, third.id, cast.aral.id) == {"administrator"}


def test_a_role_is_proposed_for_nobody_who_may_not_have_it(database: Database, cast: Cast, second: Member) -> None:
    admin = fresh(cast.administrator)
    with database.begin() as db:
        duties.switch(db, Actor.system(cast.aral.id), separate=True)
        with pytest.raises(Conflict) as refused:
            proposals.propose(db, admin, proposals.GIVE, person_id=cast.auditor.id, role="administrator")
        assert refused.value.code == "duties-separate"
        proposal = give(db, cast, "auditor")
        people.disable(db, admin, cast.nurse.id)
        with pytest.raises(Conflict) as refused:
            give(db, cast, "administrator")
        assert refused.value.code == "person-disabled"
    with pytest.raises(Conflict) as refused, database.begin() as db:
        proposals.confirm(db, fresh(second), proposal.id)
    assert refused.value.code == "person-disabled"
    with database.begin() as db:
        assert people.roles_in(db, cast.nurse.id, cast.aral.id) == {"nurse"}


def test_a_disabled_administrator_comes_back_by_two(database: Database, cast: Cast, second: Member) -> None:
    with database.begin() as db:
        third = join(db, cast.aral, "gu.lan", "顾岚", "Gu Lan", "administrator")
        people.disable(db, fresh(cast.administrator), third.id)
        with pytest.raises(Denied) as refused:
            people.enable(db, fresh(cast.administrator), third.id)
        assert refused.value.code == "enable-needs-second-hand"
        proposal = proposals.propose(db, fresh(cast.administrator), proposals.ENABLE, person_id=third.id)
        proposals.confirm(db, fresh(second), proposal.id)
        assert people.serves(db, cast.aral.id, "administrator", third.id)


def test_where_there_is_no_second_the_operator_confirms(database: Database, cast: Cast) -> None:
    system = Actor.system(cast.aral.id)
    with database.begin() as db:
        proposal = give(db, cast)
        assert told(db) == []
        with pytest.raises(Denied):
            proposals.propose(db, system, proposals.SEPARATE)
        proposals.confirm(db, system, proposal.id)
        assert "administrator" in people.roles_in(db, cast.nurse.id, cast.aral.id)
        # now there are two
        again = proposals.propose(db, fresh(cast.administrator), proposals.SEPARATE)
        with pytest.raises(Conflict) as refused:
            proposals.confirm(db, system, again.id)
        assert refused.value.code == "second-administrator-there"


def test_two_who_decide_at_once_come_one_after_the_other(database: Database, cast: Cast, second: Member) -> None:
    with database.begin() as db:
        third = join(db, cast.aral, "gu.lan", "顾岚", "Gu Lan", "administrator")
        proposal = give(db, cast)
    outcomes: list[str] = []
    together = threading.Barrier(2)

    def decide(act: Callable[[Tx, Actor, UUID], Proposal], by: Member) -> None:
        together.wait()
        try:
            with database.begin() as db:
                outcomes.append(act(db, fresh(by), proposal.id).state)
        except ShanhaiError as error:
            outcomes.append(error.code)

    threads = [
        threading.Thread(target=decide, args=(proposals.confirm, second)),
        threading.Thread(target=decide, args=(proposals.refuse, third)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) in (["confirmed", "proposal-ended"], ["proposal-ended", "refused"])
    with database.begin() as db:
        given = "administrator" in people.roles_in(db, cast.nurse.id, cast.aral.id)
        assert given is ("confirmed" in outcomes)
