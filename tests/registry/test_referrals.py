"""Referrals: asked with cause, allocated inside the invited hospital, never silent, and access follows each step."""

import datetime as dt
import itertools
from typing import Any

import pytest

from auth import people
from core import audit, ids
from core.actor import Actor
from core.errors import Conflict, Denied, Invalid, NotFound
from core.jobs import JobRow
from registry import audience, cases, decisions, entries, escalation, messages, notices, questions, referrals, states
from registry.cases import Case
from registry.referrals import Referral
from tests.registry.conftest import World, run_jobs

MINUTE = dt.timedelta(minutes=1)
OVERDUE = {escalation.OVERDUE: escalation.overdue}


def kinds(world: World, db: Any, actor: Actor) -> list[str]:
    return [told.kind for told in notices.for_actor(db, actor)]


def test_a_question_is_sealed_told_and_lets_the_other_hospital_in_step_by_step(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        referral = world.refer(db, case, question="能否再植？", reason="本院无显微外科", specialty="microsurgery", rank="chief")
        assert "再植".encode() not in referral.words
        assert (referral.state, referral.urgency, case.state) == ("requested", "emergency", "referred")
        assert kinds(world, db, cast.coordinator.actor) == ["referral-requested"]
        assert cases.get(db, cast.coordinator.actor, case.id)
        with pytest.raises(NotFound):
            cases.get(db, cast.expert.actor, case.id)
        waiting = referrals.waiting_for(db, referral)
        assert waiting is not None
        assert (waiting.event, waiting.contacts[0].name, waiting.contacts[0].phone) == ("allocate", "林芳", "0576-5550101")
        referrals.allocate(db, cast.coordinator.actor, referral.id, expert_id=cast.expert.id)
        assert kinds(world, db, cast.expert.actor) == ["referral-allocated"]
        assert cases.get(db, cast.expert.actor, case.id)
        with pytest.raises(NotFound):
            cases.get(db, cast.second_expert.actor, case.id)
        waiting = referrals.waiting_for(db, referral)
        assert waiting is not None
        assert (waiting.event, waiting.contacts[0].name) == ("acknowledge", "陈浩")
        referrals.acknowledge(db, cast.expert.actor, referral.id)
        referrals.acknowledge(db, cast.expert.actor, referral.id)
        assert kinds(world, db, cast.surgeon.actor) == ["referral-acknowledged"]
        waiting = referrals.waiting_for(db, referral)
        assert waiting is not None
        assert waiting.event == "answer"
        (asked,) = referrals.for_case(db, cast.expert.actor, case.id)
        assert (asked.words.question, asked.words.reason) == ("能否再植？", "本院无显微外科")
        assert [step.event for step in asked.steps] == ["request", "allocate", "acknowledge"]
        assert [step.by_id for step in asked.steps] == [cast.surgeon.id, cast.coordinator.id, cast.expert.id]
    with world.begin() as db:
        events = audit.events(db, cast.aral.id, case_id=case.id, actions=("referral:request", "referral:allocate", "referral:acknowledge"))
        assert [event.object_id for event in events] == [referral.id] * 3


@pytest.mark.parametrize("urgency", states.URGENCIES)
def test_each_step_has_its_clock_counted_from_the_request(world: World, urgency: str) -> None:
    with world.begin() as db:
        case = world.case(db, kind="fracture")
        cases.raise_urgency(db, world.cast.surgeon.actor, case, urgency, "test")
        referral = world.refer(db, case)
        start, within = referral.requested_at, questions.CLOCKS[urgency]
        assert referral.due_at == start + within["requested"]
        referrals.allocate(db, world.cast.coordinator.actor, referral.id, expert_id=world.cast.expert.id)
        assert referral.due_at == start + within["allocated"]
        referrals.acknowledge(db, world.cast.expert.actor, referral.id)
        assert referral.due_at == start + within["acknowledged"]
        assert within["requested"] < within["allocated"] < within["acknowledged"]


def test_the_default_clocks_are_those_of_the_field() -> None:
    emergency = questions.CLOCKS["emergency"]
    assert [emergency[s] / MINUTE for s in ("requested", "allocated", "acknowledged")] == [5, 10, 20]
    assert questions.CLOCKS["urgent"]["acknowledged"] == 30 * MINUTE
    assert questions.CLOCKS["routine"]["acknowledged"] == dt.timedelta(hours=24)


def test_a_silent_step_escalates_once_and_both_sides_are_told(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        referral = world.refer(db, case)
        assert referral.due_at is not None
        late = referral.due_at + MINUTE
        assert all(set(row.payload) == {"referral_id"} for row in db.query(JobRow) if row.kind == escalation.OVERDUE)
    run_jobs(world.database, OVERDUE)
    with world.begin() as db:
        assert db.get_one(Referral, referral.id).state == "requested"
    with ids.told(late):
        run_jobs(world.database, OVERDUE)
        run_jobs(world.database, OVERDUE)
        with world.begin() as db:
            row = db.get_one(Referral, referral.id)
            assert row.state == "escalated"
            assert kinds(world, db, cast.surgeon.actor) == ["referral-escalated"]
            assert kinds(world, db, cast.coordinator.actor) == ["referral-escalated", "referral-requested"]
            waiting = referrals.waiting_for(db, row)
            assert waiting is not None
            assert waiting.overdue
            referrals.allocate(db, cast.coordinator.actor, row.id, expert_id=cast.expert.id)
            assert row.state == "allocated"


def test_whoever_is_given_a_late_question_has_the_time_of_their_step(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        referral = world.asked(db, world.case(db))
    began = referral.requested_at
    own = {"allocated": 5 * MINUTE, "acknowledged": 10 * MINUTE}

    def escalated(at: dt.datetime) -> bool:
        with ids.told(at):
            run_jobs(world.database, OVERDUE)
            with world.begin() as db:
                return db.get_one(Referral, referral.id).state == "escalated"

    assert escalated(began + 21 * MINUTE)
    given = began + 30 * MINUTE
    with ids.told(given), world.begin() as db:
        row = referrals.allocate(db, cast.coordinator.actor, referral.id, expert_id=cast.second_expert.id)
        assert row.allocated_at is not None
        assert row.due_at == row.allocated_at + own["allocated"]
    assert not escalated(given + MINUTE), "the new expert has only just been asked"
    with ids.told(given + 2 * MINUTE), world.begin() as db:
        row = referrals.acknowledge(db, cast.second_expert.actor, referral.id)
        assert row.acknowledged_at is not None
        assert row.due_at == row.acknowledged_at + own["acknowledged"]
    assert not escalated(given + 11 * MINUTE)
    assert escalated(given + 13 * MINUTE), "the time does run"


def test_a_step_taken_in_time_does_not_escalate(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        referral = world.asked(db, case)
        assert referral.due_at is not None
        before = referral.due_at - MINUTE
    with ids.told(before):
        run_jobs(world.database, OVERDUE)
    with world.begin() as db:
        assert db.get_one(Referral, referral.id).state == "acknowledged"


def test_a_case_that_becomes_more_urgent_makes_its_question_as_urgent(world: World) -> None:
    with world.begin() as db:
        case = world.case(db, kind="fracture")
        referral = world.refer(db, case)
        cases.raise_urgency(db, world.cast.surgeon.actor, case, "emergency", "test")
        referrals.allocate(db, world.cast.coordinator.actor, referral.id, expert_id=world.cast.expert.id)
        assert referral.urgency == "emergency"
        assert referral.due_at == referral.requested_at + 10 * MINUTE


def test_a_question_may_go_straight_to_the_expert_on_duty(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        referral = world.refer(db, case, expert_id=cast.expert.id)
        assert (referral.state, referral.expert_id) == ("allocated", cast.expert.id)
        assert cases.get(db, cast.expert.actor, case.id)
        other = world.case(db)
        for wrong in (cast.coordinator.id, cast.surgeon.id, ids.new()):
            with pytest.raises(Invalid) as caught:
                world.refer(db, other, expert_id=wrong)
            assert caught.value.fields == {"expert_id": "person-not-found"}


def test_what_is_missing_is_said_field_by_field(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db, kind="fracture", consent=False)
        with pytest.raises(Invalid) as caught:
            world.refer(db, case, question=" ", to_organisation_id=cast.kashgar.id, specialty="x", rank="y", reason="z" * 4001)
        assert caught.value.fields == {
            "question": "field-required",
            "reason": "field-too-long",
            "specialty": "field-code-unknown",
            "rank": "field-code-unknown",
            "to_organisation_id": "referral-nobody-there",
            "without_consent": "consent-missing",
        }
        for nowhere in (cast.aral.id, ids.new()):
            with pytest.raises(Invalid) as caught:
                world.refer(db, world.case(db), to_organisation_id=nowhere)
            assert caught.value.fields == {"to_organisation_id": "organisation-not-found"}


def test_without_an_agreement_only_an_emergency_goes_and_says_why(world: World) -> None:
    with world.begin() as db:
        there = people.create(db, Actor.system(world.cast.kashgar.id), login="duty", name="值班", name_en="Duty", roles=("coordinator",))
        routine = world.case(db, kind="fracture")
        with pytest.raises(Invalid) as caught:
            world.refer(db, routine, to_organisation_id=world.cast.kashgar.id, without_agreement="close by")
        assert caught.value.fields == {"to_organisation_id": "referral-no-agreement"}
        severed = world.case(db)
        with pytest.raises(Invalid) as caught:
            world.refer(db, severed, to_organisation_id=world.cast.kashgar.id)
        assert caught.value.fields == {"without_agreement": "referral-no-agreement"}
        referral = world.refer(db, severed, to_organisation_id=world.cast.kashgar.id, without_agreement="最近的医院")
        assert referrals.get(db, world.cast.surgeon.actor, referral.id).words.without_agreement == "最近的医院"
        contacts = referrals.waiting_for(db, referral)
        assert contacts is not None
        assert [contact.person_id for contact in contacts.contacts] == [there.id]
        offered = referrals.hospitals(db, world.cast.surgeon.actor)
        assert [(other.id, agreed) for other, agreed in offered] == [(world.cast.taizhou.id, True), (world.cast.kashgar.id, False)]


def test_words_that_give_the_patient_away_are_found_wherever_they_stand(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        injury = world.injury(db, case, note="张卫国，左示指")
        messages.post(db, surgeon, case_id=case.id, text="病案号 A000001")
        with pytest.raises(Invalid) as caught:
            world.refer(db, case, question="张卫国 能否再植？")
        assert caught.value.code == "text-identifies-patient"
        assert caught.value.fields == {
            "question": "text-names-patient",
            "injury.note": "text-names-patient",
            "message.1": "text-has-patient-number",
        }
        other = world.case(db)
        world.injury(db, other, note="张卫国，左示指")
        with pytest.raises(Invalid) as caught:
            world.refer(db, other)
        assert caught.value.fields == {"injury.note": "text-names-patient"}
        item = entries.for_case(db, surgeon, other.id)[0]
        entries.correct(db, surgeon, item.entry.id, {"note": "左示指"}, reason="name taken out")
        world.refer(db, other)
        world.refer(db, case, question="张卫国 能否再植？", sees_identity=True)
        assert injury.version == 1


def refused(world: World, db: Any, case: Case, **more: object) -> dict[str, str]:
    """Where words stand for which a question that does not show the identity is refused."""
    with pytest.raises(Invalid, match="text-identifies-patient") as caught:
        world.refer(db, case, **more)
    return dict(caught.value.fields)


def test_the_reasons_for_going_on_without_are_looked_at_too(world: World) -> None:
    named = "text-names-patient"
    with world.begin() as db:
        people.create(db, Actor.system(world.cast.kashgar.id), login="duty", name="值班", name_en="Duty", roles=("coordinator",))
        case = world.case(db, consent=False)
        told = {"without_consent": "张卫国昏迷", "without_agreement": "张卫国家属要求", "to_organisation_id": world.cast.kashgar.id}
        assert refused(world, db, case, **told) == {"without_consent": named, "without_agreement": named}
        assert world.refer(db, case, **told, sees_identity=True).open


def test_the_reason_of_a_correction_and_each_of_several_units_are_looked_at(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        injury = world.injury(db, case, note="张卫国，左示指")
        entries.correct(db, surgeon, injury.id, {"note": "左示指"}, reason="删去张卫国的名字")
        world.severed(db, case, note="张卫国的示指")
        world.severed(db, case, part="thumb", note="拇指")
        named = "text-names-patient"
        assert refused(world, db, case) == {"injury.reason": named, "amputation.note": named}
        for item in entries.for_case(db, surgeon, case.id):
            entries.correct(db, surgeon, item.entry.id, {"note": "左手"}, reason="重写")
        assert world.refer(db, case).open


def test_what_was_decided_and_asked_before_is_looked_at_where_it_would_be_read(world: World) -> None:
    cast, surgeon = world.cast, world.cast.surgeon.actor
    named = "text-names-patient"
    with world.begin() as db:
        people.create(db, Actor.system(cast.kashgar.id), login="duty", name="值班", name_en="Duty", roles=("coordinator",))
        asked = world.case(db)
        known = world.refer(db, asked, question="张卫国能否再植？", sees_identity=True)
        there = {"to_organisation_id": cast.kashgar.id, "without_agreement": "最近"}
        world.refer(db, asked, **there)
        referrals.withdraw(db, surgeon, known.id)
        assert refused(world, db, asked) == {"question.1": named}
        decided = world.case(db)
        world.asked(db, decided, question="张卫国能否再植？", sees_identity=True)
        opinion = world.sign(db, decided)
        decisions.record(db, surgeon, case_id=decided.id, opinion_id=opinion.id, choice="modify", reason="张卫国不同意")
        assert refused(world, db, decided, **there) == {"question.1": named, "decision.1": named}, "an opinion quotes its question"
        assert world.refer(db, decided, sees_identity=True).open


def test_why_a_question_was_taken_back_or_declined_does_not_name_the_patient_to_who_is_asked_next(world: World) -> None:
    cast, surgeon = world.cast, world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        first = world.refer(db, case)
        with pytest.raises(Invalid) as caught:
            referrals.withdraw(db, surgeon, first.id, reason="张卫国转院")
        assert caught.value.fields == {"reason": "text-names-patient"}
        assert first.open
        referrals.withdraw(db, surgeon, first.id, reason="转院")
        second = world.refer(db, case, sees_identity=True)
        referrals.withdraw(db, surgeon, second.id, reason="张卫国转院")
        assert refused(world, db, case) == {"question.2": "text-names-patient"}
        other = world.case(db)
        third = world.asked(db, other, sees_identity=True)
        referrals.decline(db, cast.expert.actor, third.id, code="other", reason="认识张卫国")
        assert refused(world, db, other) == {"question.1": "text-names-patient"}


def test_a_question_sent_twice_is_asked_once_and_a_hospital_has_one_at_a_time(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        first = world.refer(db, case, client_key="k")
        assert world.refer(db, case, client_key="k") is first
        with pytest.raises(Conflict, match="referral-open-already"):
            world.refer(db, case)


def test_an_expert_declines_with_a_reason_loses_access_and_another_is_found(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        referral = world.asked(db, case)
        for wrong, field in (({"code": "bored"}, "code"), ({"code": "other"}, "reason")):
            with pytest.raises(Invalid) as caught:
                referrals.decline(db, cast.expert.actor, referral.id, **wrong)
            assert list(caught.value.fields) == [field]
        referrals.decline(db, cast.expert.actor, referral.id, code="other", reason="在手术台上")
        assert (referral.state, referral.expert_id, case.state) == ("declined", None, "draft")
        assert "referral-declined" in kinds(world, db, cast.surgeon.actor)
        with pytest.raises(NotFound):
            cases.get(db, cast.expert.actor, case.id)
        step = referrals.get(db, cast.surgeon.actor, referral.id).steps[-1]
        assert (step.code, step.words) == ("other", "在手术台上")
        referrals.allocate(db, cast.coordinator.actor, referral.id, expert_id=cast.second_expert.id)
        assert (referral.state, case.state) == ("allocated", "referred")
        assert cases.get(db, cast.second_expert.actor, case.id)


def test_a_coordinator_may_give_a_question_to_another_and_the_first_loses_it(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        referral = world.asked(db, case)
        referrals.allocate(db, cast.coordinator.actor, referral.id, expert_id=cast.second_expert.id)
        assert (referral.state, referral.acknowledged_at) == ("allocated", None)
        with pytest.raises(NotFound):
            cases.get(db, cast.expert.actor, case.id)
        with pytest.raises(Denied, match="referral-of-other-hospital"):
            referrals.allocate(db, Actor.system(cast.aral.id), referral.id, expert_id=cast.expert.id)
        with pytest.raises(NotFound, match="person-not-found"):
            referrals.allocate(db, cast.coordinator.actor, referral.id, expert_id=cast.surgeon.id)
        referrals.decline(db, cast.coordinator.actor, referral.id, code="no_capacity")
        assert case.state == "draft"


def test_a_hospital_that_says_no_is_let_in_no_longer(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        for give in (world.refer, world.asked):
            referral = give(db, case)
            referrals.decline(db, cast.coordinator.actor, referral.id, code="no_capacity")
            assert (referral.state, referral.expert_id, case.state) == ("declined", None, "draft")
            assert audience.grants(db, case) == []
            for member in (cast.coordinator, cast.expert):
                with pytest.raises(NotFound):
                    cases.get(db, member.actor, case.id)


def test_a_declined_question_is_not_given_out_beside_the_one_asked_since(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        first = world.asked(db, case)
        referrals.decline(db, cast.expert.actor, first.id, code="no_capacity")
        second = world.refer(db, case)
        with pytest.raises(Conflict, match="referral-open-already"):
            referrals.allocate(db, cast.coordinator.actor, first.id, expert_id=cast.second_expert.id)
        assert (first.state, second.state) == ("declined", "requested")
        referrals.allocate(db, cast.coordinator.actor, second.id, expert_id=cast.second_expert.id)


def test_a_question_taken_back_closes_the_case_to_the_other_hospital(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        referral = world.asked(db, case)
        with pytest.raises(Denied):
            referrals.withdraw(db, cast.expert.actor, referral.id)
        referrals.withdraw(db, cast.surgeon.actor, referral.id, reason="转院")
        for member in (cast.expert, cast.coordinator):
            with pytest.raises(NotFound):
                referrals.get(db, member.actor, referral.id)
        assert case.state == "draft"
        assert kinds(world, db, cast.expert.actor)[0] == "referral-withdrawn"
        assert referrals.waiting_for(db, referral) is None
        with pytest.raises(Conflict, match="referral-state-forbids"):
            referrals.withdraw(db, cast.surgeon.actor, referral.id)


def test_every_event_in_every_state_does_what_the_table_says(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        referral = world.asked(db, case)
        for state, event in itertools.product(states.REFERRAL_STATES, states.REFERRAL_EVENTS):
            referral.state = state
            after = states.REFERRALS[state, event]
            if after is None:
                with pytest.raises(Conflict) as caught:
                    questions.move(db, world.cast.coordinator.actor, case, referral, event)
                assert caught.value.params == {"state": state, "event": event}
            else:
                questions.move(db, world.cast.coordinator.actor, case, referral, event)
                assert referral.state == after
                assert referral.open is (after in states.REFERRAL_OPEN)


def test_who_may_do_what_to_a_question(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        for member, error in ((cast.nurse, Denied), (cast.stranger, NotFound), (cast.expert, NotFound), (cast.administrator, NotFound)):
            with pytest.raises(error):
                referrals.request(db, member.actor, case_id=case.id, to_organisation_id=cast.taizhou.id, question="?")
        referral = world.refer(db, case)
        for member, error in ((cast.surgeon, Denied), (cast.nurse, Denied), (cast.stranger, NotFound), (cast.expert, NotFound)):
            with pytest.raises(error):
                referrals.allocate(db, member.actor, referral.id, expert_id=cast.expert.id)
        referrals.allocate(db, cast.coordinator.actor, referral.id, expert_id=cast.expert.id)
        for member, error in (
            (cast.surgeon, Denied),
            (cast.second_expert, NotFound),
            (cast.coordinator, Denied),
            (cast.stranger, NotFound),
        ):
            with pytest.raises(error):
                referrals.acknowledge(db, member.actor, referral.id)
        for member, error in ((cast.surgeon, Denied), (cast.second_expert, NotFound), (cast.stranger, NotFound)):
            with pytest.raises(error):
                referrals.decline(db, member.actor, referral.id, code="no_capacity")
        for member in (cast.stranger, cast.second_expert, cast.administrator):
            with pytest.raises(NotFound):
                referrals.for_case(db, member.actor, case.id)
        with pytest.raises(NotFound):
            referrals.get(db, cast.surgeon.actor, ids.new())


def test_a_visitor_is_shown_the_questions_to_their_own_hospital_alone(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        system = Actor.system(cast.kashgar.id)
        people.create(db, system, login="duty", name="值班", name_en="Duty", roles=("coordinator",))
        case = world.case(db)
        mine = world.asked(db, case)
        theirs = world.refer(db, case, to_organisation_id=cast.kashgar.id, without_agreement="最近")
        assert [asked.referral.id for asked in referrals.for_case(db, cast.expert.actor, case.id)] == [mine.id]
        assert [asked.referral.id for asked in referrals.for_case(db, cast.surgeon.actor, case.id)] == [mine.id, theirs.id]
        with pytest.raises(NotFound):
            referrals.get(db, cast.expert.actor, theirs.id)
        referrals.withdraw(db, cast.surgeon.actor, mine.id)
        assert case.state == "referred", "one question is still out"
