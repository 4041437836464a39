"""The work list: one action per case, most urgent first, for each role what needs it and whom it waits for."""

import datetime as dt

from core import audit, ids
from registry import cases, decisions, escalation, followups, messages, referrals, worklist
from registry.board import Glance
from registry.worklist import Item
from tests.registry.conftest import World, run_jobs, wall

HOUR = dt.timedelta(hours=1)


def pairs(items: list[Item]) -> list[tuple[str, str]]:
    return [(item.action, item.case.number[-4:]) for item in items]


def test_the_most_urgent_comes_first_and_what_is_overdue_before_what_is_not(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        routine, open_, severed = (world.case(db, kind=kind) for kind in ("fracture", "open_fracture", "amputation"))
        for case in (routine, open_, severed):
            world.asked(db, case)
        found = worklist.items(db, cast.expert.actor)
        assert pairs(found.needs) == [("answer", "0003"), ("answer", "0002"), ("answer", "0001")]
        assert not any(item.overdue for item in found.needs)
    with ids.told(ids.now() + HOUR), world.begin() as db:
        found = worklist.items(db, cast.expert.actor)
        assert [item.overdue for item in found.needs] == [True, True, False]
        second = world.case(db)
        world.asked(db, second)
        assert pairs(worklist.items(db, cast.expert.actor).needs)[:2] == [("answer", "0003"), ("answer", "0004")]


def test_one_case_is_one_line_with_the_most_pressing_action(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        messages.post(db, cast.surgeon.actor, case_id=case.id, text="colour worse")
        (item,) = worklist.items(db, cast.expert.actor).needs
        assert (item.action, item.unread) == ("answer", 1)
        world.sign(db, case)
        (item,) = worklist.items(db, cast.expert.actor).needs
        assert item.action == "read-messages"
        messages.thread(db, cast.expert.actor, case.id)
        assert worklist.items(db, cast.expert.actor).needs == []


def test_the_surgeon_waits_with_a_number_to_call_and_is_told_when_time_is_up(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.refer(db, case)
        found = worklist.items(db, cast.surgeon.actor)
        assert found.needs == []
        (item,) = found.waiting
        assert item.waiting is not None
        assert (item.waiting.event, item.waiting.contacts[0].phone) == ("allocate", "0576-5550101")
    with ids.told(ids.now() + HOUR):
        run_jobs(world.database, {escalation.OVERDUE: escalation.overdue})
        with world.begin() as db:
            found = worklist.items(db, cast.surgeon.actor)
            assert (pairs(found.needs), found.waiting) == ([("call", "0001")], [])
            assert found.needs[0].overdue
            assert pairs(worklist.items(db, cast.coordinator.actor).needs) == [("allocate", "0001")]


def test_a_coordinator_calls_an_expert_who_is_silent(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.refer(db, case, expert_id=cast.expert.id)
        assert worklist.items(db, cast.coordinator.actor).needs == []
    with ids.told(ids.now() + HOUR), world.begin() as db:
        (item,) = worklist.items(db, cast.coordinator.actor).needs
        assert item.action == "call"
        assert item.waiting is not None
        assert item.waiting.contacts[0].name == "陈浩"


def test_an_expert_past_the_deadline_is_called_also_after_it_was_told(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        world.refer(db, world.case(db), expert_id=cast.expert.id)
    with ids.told(ids.now() + HOUR):
        run_jobs(world.database, {escalation.OVERDUE: escalation.overdue})
        with world.begin() as db:
            assert pairs(worklist.items(db, cast.coordinator.actor).needs) == [("call", "0001")]


def test_a_question_the_hospital_declined_leaves_its_list_also_when_it_is_asked_anew(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        referrals.decline(db, cast.coordinator.actor, world.refer(db, case).id, code="no_capacity")
        assert worklist.items(db, cast.coordinator.actor).needs == []
        assert pairs(worklist.items(db, cast.surgeon.actor).needs) == [("refer-again", "0001")]
        world.asked(db, case)
        world.sign(db, case)
        assert worklist.items(db, cast.coordinator.actor).needs == []


def test_a_question_an_expert_declined_leaves_the_list_with_the_case(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        referrals.decline(db, cast.expert.actor, world.asked(db, case).id, code="no_capacity")
        assert pairs(worklist.items(db, cast.coordinator.actor).needs) == [("allocate", "0001")]
        cases.close(db, cast.surgeon.actor, case.id)
        assert worklist.items(db, cast.coordinator.actor).needs == []


def test_a_declined_question_comes_back_to_the_surgeon_and_the_coordinator(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        referral = world.asked(db, case)
        referrals.decline(db, cast.expert.actor, referral.id, code="no_capacity")
        assert pairs(worklist.items(db, cast.surgeon.actor).needs) == [("refer-again", "0001")]
        assert pairs(worklist.items(db, cast.coordinator.actor).needs) == [("allocate", "0001")]
        assert worklist.items(db, cast.expert.actor).needs == []


def test_an_opinion_asks_for_a_decision_then_for_the_treatment_then_for_follow_up(world: World) -> None:
    cast = world.cast
    surgeon = cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        opinion = world.sign(db, case)
        (item,) = worklist.items(db, surgeon).needs
        assert (item.action, item.opinion_id) == ("decide", opinion.id)
        assert pairs(worklist.items(db, cast.second_surgeon.actor).needs) == [("decide", "0001")]
        decisions.record(db, surgeon, case_id=case.id, opinion_id=opinion.id, choice="accept")
        assert pairs(worklist.items(db, surgeon).needs) == [("treat", "0001")]
        today = ids.now().date()
        followups.plan(db, surgeon, case.id, treated_on=today)
        assert worklist.items(db, surgeon).needs == []
        followups.plan(db, surgeon, case.id, treated_on=today - dt.timedelta(days=14))
        found = worklist.items(db, cast.nurse.actor)
        assert found.needs[0].urgency == "routine", "the urgency went with the treatment"
        assert (pairs(found.needs), found.follow_ups_due) == ([("follow-up", "0001")], 1)


def test_clocks_run_beside_the_case_until_it_is_treated(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        world.injury(db, case, ago=3 * HOUR)
        world.severed(db, case, storage="dry_iced", cooling_started_at=wall(ids.now() - HOUR))
        (item,) = worklist.items(db, world.cast.surgeon.actor).needs
        (reading,) = item.glance.readings
        assert (reading.running, reading.unit.part) == ("cold", "index")
        cases.treat(db, world.cast.surgeon.actor, case.id, on=ids.now().date())
        assert worklist.items(db, world.cast.surgeon.actor).needs == []


def test_nobody_sees_what_is_not_theirs_and_the_log_names_whom_a_list_showed(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        world.case(db)
    with world.begin() as db:
        for member in (cast.stranger, cast.second_expert, cast.administrator, cast.auditor):
            found = worklist.items(db, member.actor)
            assert (found.needs, found.waiting) == ([], [])
        worklist.items(db, cast.expert.actor)
        assert [item.case.number[-4:] for item in worklist.items(db, cast.second_surgeon.actor).waiting] == ["0001"]
    with world.begin() as db:
        events = audit.events(db, cast.aral.id, actions=("case:worklist",))
        assert [(event.actor_id, event.patient_ids) for event in reversed(events)] == [
            (cast.expert.id, (case.patient_id,)),
            (cast.second_surgeon.id, (case.patient_id,)),
        ]


def test_a_closed_case_asks_for_nothing(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        world.sign(db, case)
        cases.close(db, world.cast.surgeon.actor, case.id)
        for member in (world.cast.surgeon, world.cast.expert, world.cast.coordinator):
            assert worklist.items(db, member.actor).needs == []


def test_a_late_question_on_a_treated_case_is_as_urgent_as_it_was_asked(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        late, routine = world.case(db), world.case(db, kind="fracture")
        cases.treat(db, cast.surgeon.actor, late.id, on=ids.now().date())
        world.asked(db, routine)
        world.asked(db, late)
        found = worklist.items(db, cast.expert.actor).needs
        assert [(item.case.id, item.urgency) for item in found] == [(late.id, "emergency"), (routine.id, "routine")]
        assert found[0].glance == Glance()
