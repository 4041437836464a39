"""A silent question calls the next expert on duty by itself, again and again, until somebody takes it."""

import contextvars
import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from auth import grants, people
from core import audit, ids, jobs
from core.db import Tx
from core.errors import Denied, NotFound
from core.jobs import JobRow
from registry import cases, escalation, notices, opinions, presentations, questions, referrals, rosters, worklist
from registry.outgoing import Referral
from registry.rotation import Rotation
from tests import cast as people_of
from tests import trainees
from tests.cast import Member
from tests.registry.conftest import WORDS, World, run_jobs, stepped_up

MINUTE = dt.timedelta(minutes=1)
OVERDUE: dict[str, jobs.Handler] = {escalation.OVERDUE: escalation.overdue}


@pytest.fixture
def third(world: World) -> Member:
    with world.begin() as db:
        return people_of.join(
            db, world.cast.taizhou, "a.zhou", "周岚", "Zhou Lan", "expert", specialty="hand_surgery", phone="0576-5550103"
        )


@pytest.fixture
def asked(world: World, third: Member) -> Referral:
    """An emergency that lies with the expert on duty; behind her stand a backup and a second backup."""
    with world.begin() as db:
        roster(db, world, world.cast.expert, world.cast.second_expert, third)
        return world.refer(db, world.case(db), expert_id=world.cast.expert.id)


def roster(db: Tx, world: World, *members: Member) -> None:
    """A hand surgeons' roster that hands over once a week."""
    turns = Rotation(tuple(one.id for one in members), "Asia/Shanghai", (dt.time(8),), 7, ids.now().date() - dt.timedelta(days=1))
    rosters.create(db, world.cast.coordinator.actor, role="expert", specialty="hand_surgery", rotation=turns, phone="0576-5550199")


def later(world: World, referral: Referral, minutes: float) -> None:
    """Do what is due so long after the question was put, once more than needed."""
    with ids.told(referral.requested_at + minutes * MINUTE):
        run_jobs(world.database, OVERDUE)
        run_jobs(world.database, OVERDUE)


def called(world: World, referral: Referral) -> list[object]:
    with world.begin() as db:
        return list(questions.called(db, db.get_one(Referral, referral.id)))


def administrator(db: Tx, world: World) -> Member:
    """Of the invited hospital."""
    return people_of.join(db, world.cast.taizhou, "z.wei", "郑薇", "Zheng Wei", "administrator")


def last_job(world: World) -> dt.datetime:
    """When the question is looked at for the last time, as far as anybody knows now."""
    with world.begin() as db:
        return max(db.scalars(select(JobRow.run_at).where(JobRow.kind == escalation.OVERDUE, JobRow.state == "waiting")))


def told(world: World, member: Member) -> list[str]:
    """The kinds of somebody's notices, oldest first."""
    with world.begin() as db:
        return [one.kind for one in reversed(notices.for_actor(db, member.actor))]


def test_backup_and_second_backup_are_called_and_then_all_again(world: World, asked: Referral, third: Member) -> None:
    cast = world.cast
    later(world, asked, 9)
    assert called(world, asked) == []
    later(world, asked, 10.1)
    assert called(world, asked) == [cast.second_expert.id]
    assert (told(world, cast.second_expert), told(world, third)) == (["referral-called"], [])
    later(world, asked, 15.2)
    assert called(world, asked) == [cast.second_expert.id, third.id]
    assert told(world, third) == ["referral-called"]
    with world.begin() as db:
        row = db.get_one(Referral, asked.id)
        waiting = questions.waiting_for(db, row, asked.requested_at + 16 * MINUTE)
        assert waiting is not None
        assert [one.person_id for one in waiting.contacts] == [third.id, cast.second_expert.id, cast.expert.id]
        assert (waiting.event, waiting.overdue) == ("acknowledge", True)
    # nobody is left: all are told again, each time after twice the pause
    times = [20.3, 30.4, 50.5, 90.6]
    for number, minutes in enumerate(times, 2):
        later(world, asked, minutes - 1)
        assert told(world, cast.surgeon).count("referral-escalated") == number
        later(world, asked, minutes)
        assert told(world, cast.surgeon).count("referral-escalated") == number + 1
    assert told(world, third) == ["referral-called"] + ["referral-escalated"] * len(times)
    assert told(world, cast.expert)[-1] == "referral-escalated"


def test_at_last_it_is_once_a_day(world: World, asked: Referral) -> None:
    due = asked.requested_at
    for _ in range(14):
        before, due = due, last_job(world)
        with ids.told(due):
            run_jobs(world.database, OVERDUE)
    assert due - before > questions.LONGEST_PAUSE - MINUTE
    assert last_job(world) - due < questions.LONGEST_PAUSE + MINUTE


def test_who_is_called_sees_the_case_as_the_hospital_was_let_in(world: World, asked: Referral) -> None:
    cast = world.cast
    with world.begin() as db, pytest.raises(NotFound):
        cases.get(db, cast.second_expert.actor, asked.case_id)
    later(world, asked, 10.1)
    with world.begin() as db:
        backup = world.again(db, cast.second_expert)
        assert cases.get(db, backup, asked.case_id).number
        with pytest.raises(Denied):
            cases.identity(db, backup, asked.case_id)
        [item] = worklist.items(db, backup).needs
        assert (item.case.id, item.action) == (asked.case_id, "acknowledge")
        given = grants.for_case(db, backup, case_id=asked.case_id, organisation_id=cast.aral.id)
        own, hospital = [one for one in given if one.person_id == backup.person_id], [one for one in given if one.person_id is None]
        assert [(one.expires_at, one.given_by) for one in own] == [(hospital[0].expires_at, None)]
        [event] = audit.events(db, cast.aral.id, case_id=asked.case_id, actions=("grant:give",), limit=1)
        assert (event.actor_id, event.person_id) == (None, backup.person_id)


def test_who_takes_it_has_it_and_the_escalation_ends(world: World, asked: Referral, third: Member) -> None:
    cast = world.cast
    later(world, asked, 10.1)
    with world.begin() as db, pytest.raises((Denied, NotFound)):
        referrals.acknowledge(db, third.actor, asked.id)
    with ids.told(asked.requested_at + 12 * MINUTE), world.begin() as db:
        row = referrals.acknowledge(db, world.again(db, cast.second_expert), asked.id)
        assert (row.state, row.expert_id) == ("acknowledged", cast.second_expert.id)
        assert cases.get(db, world.again(db, cast.expert), asked.case_id), "who was asked first may still read"
        with pytest.raises(Denied):
            referrals.acknowledge(db, world.again(db, cast.expert), asked.id)
    # what was set while it was silent is void
    later(world, asked, 21)
    assert (called(world, asked), told(world, third)) == ([], [])
    # but the one who took it has a clock, too
    later(world, asked, 23)
    assert called(world, asked) == [cast.expert.id]
    assert told(world, cast.expert)[-1] == "referral-called"


def test_who_signs_without_taking_it_first_has_answered_it(world: World, asked: Referral) -> None:
    cast = world.cast
    later(world, asked, 10.1)
    with world.begin() as db:
        opinion = opinions.sign(db, stepped_up(world.again(db, cast.second_expert)), asked.case_id, WORDS)
        row = db.get_one(Referral, asked.id)
        assert (opinion.referral_id, row.state, row.expert_id) == (asked.id, "answered", cast.second_expert.id)
    later(world, asked, 60)
    assert told(world, cast.surgeon).count("referral-escalated") == 1


def test_whoever_is_on_duty_is_called_where_no_coordinator_stirs(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        roster(db, world, cast.expert, cast.second_expert)
        referral = world.refer(db, world.case(db))
    later(world, referral, 5.1)
    assert called(world, referral) == [cast.expert.id]
    later(world, referral, 10.2)
    assert called(world, referral) == [cast.expert.id, cast.second_expert.id]
    with world.begin() as db:
        assert referrals.acknowledge(db, world.again(db, cast.expert), referral.id).expert_id == cast.expert.id


@pytest.mark.parametrize("happens", ["shut-out", "withdrawn", "declined"])
def test_nobody_is_let_in_where_nobody_may_be(world: World, asked: Referral, happens: str) -> None:
    cast = world.cast
    acts: dict[str, Callable[[Tx], object]] = {
        "shut-out": lambda db: people.disable(db, stepped_up(administrator(db, world).actor), cast.second_expert.id),
        "withdrawn": lambda db: referrals.withdraw(db, cast.surgeon.actor, asked.id),
        "declined": lambda db: referrals.decline(db, cast.coordinator.actor, asked.id, code="no_capacity"),
    }
    with world.begin() as db:
        acts[happens](db)
    later(world, asked, 10.1)
    assert cast.second_expert.id not in called(world, asked)
    with world.begin() as db, pytest.raises(NotFound):
        cases.get(db, cast.second_expert.actor, asked.case_id)


def test_what_waits_for_a_senior_is_nobody_elses_to_answer(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        trainee = trainees.expert(db, cast)
        roster(db, world, cast.expert, cast.second_expert)
        referral = world.refer(db, world.case(db), expert_id=trainee.id)
        presentations.present(db, stepped_up(trainee.actor), referral.case_id, WORDS, senior_id=cast.expert.id)
    later(world, referral, 30)
    assert (called(world, referral), told(world, cast.second_expert)) == ([], ["referral-backup"])
    with world.begin() as db, pytest.raises(NotFound):
        cases.get(db, cast.second_expert.actor, referral.case_id)


def test_of_many_workers_one_escalates(world: World, asked: Referral) -> None:
    with ids.told(asked.requested_at + 10.1 * MINUTE), ThreadPoolExecutor(4) as pool:
        # a thread's clock is told by the context it runs in
        for done in [pool.submit(contextvars.copy_context().run, run_jobs, world.database, OVERDUE) for _ in range(4)]:
            done.result()
    assert called(world, asked) == [world.cast.second_expert.id]
    assert told(world, world.cast.second_expert) == ["referral-called"]
