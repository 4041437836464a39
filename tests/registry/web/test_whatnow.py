"""What now: the one sentence at the head of a case, for each reader at each step, and what it offers them to do."""

import dataclasses
import datetime as dt

from core import ids
from core.db import Tx
from registry import (
    cases,
    closures,
    decisions,
    entries,
    escalation,
    followups,
    joint,
    opinions,
    presentations,
    questions,
    referrals,
)
from registry.cases import Case
from registry.web import whatnow
from registry.web.case import rights
from registry.web.whatnow import Known, Now
from tests import cast as people_of
from tests import trainees
from tests.cast import Member
from tests.registry.conftest import WORDS, World, run_jobs, stepped_up
from tests.registry.test_blinding import second_hospital
from tests.registry.test_closures import ENDED
from tests.registry.test_escalation import roster
from tests.registry.test_followups import SEEN
from tests.registry.test_joint import TOGETHER, advised
from tests.registry.test_presentations import begin

DAY = dt.timedelta(days=1)


def read(db: Tx, who: Member, case: Case) -> Known:
    """All that somebody's page of the case has read."""
    me = who.actor
    may = rights(db, me, case)
    asked = referrals.for_case(db, me, case.id)
    return Known(
        case=case,
        entries=[item.entry.type for item in entries.for_case(db, me, case.id)],
        asked=asked,
        signed=opinions.for_case(db, me, case.id) if "opinion:read" in may else [],
        decided=decisions.for_case(db, me, case.id),
        seen=followups.for_case(db, me, case.id),
        waiting={a.referral.id: found for a in asked if (found := questions.waiting_for(db, a.referral)) is not None},
        may=may,
        presented=presentations.for_case(db, me, case.id) if "opinion:countersign" in may else [],
    )


def now(db: Tx, who: Member, case: Case) -> Now:
    """The sentence for somebody."""
    return whatnow.of(read(db, who, case), who.actor)


def short(db: Tx, who: Member, case: Case) -> tuple[str, bool, list[str]]:
    """The sentence, whether it waits for the reader, and the acts as far as they go beyond the case: ``!`` first, ``+`` done at once."""
    found = now(db, who, case)
    told = [("!" if act.main else "") + ("+" if act.post else "") + act.key.removeprefix("now-act-") for act in found.acts]
    assert all(act.href.startswith(f"/cases/{case.id}/") for act in found.acts)
    return found.key.removeprefix("now-"), found.mine, told


def test_a_case_is_written_and_then_somebody_is_asked(world: World) -> None:
    surgeon, nurse, coordinator = world.cast.surgeon, world.cast.nurse, world.cast.coordinator
    with world.begin() as db:
        case = world.case(db)
        assert short(db, surgeon, case) == ("injury", True, ["!injury"])
        allocator = people_of.join(db, world.cast.aral, "bai.lin", "白林", "Bai Lin", "coordinator")
        assert short(db, allocator, case) == ("draft", False, [])
        world.injury(db, case)
        assert short(db, surgeon, case) == ("unit", True, ["!unit"])
        world.severed(db, case)
        assert short(db, surgeon, case) == ("refer", True, ["!refer", "pictures"])
        assert short(db, nurse, case) == ("refer", False, ["pictures"])
        fracture = world.case(db, kind="fracture")
        world.injury(db, fracture)
        assert short(db, surgeon, fracture) == ("refer", True, ["!refer", "pictures"]), "nothing is severed"
        row = world.refer(db, case)
        assert short(db, surgeon, case) == ("wait-allocate", False, ["referral"])
        assert short(db, coordinator, case) == ("allocate", True, ["!allocate"])
        for may, key in ((frozenset({"referral:allocate"}), "now-allocate"), (frozenset(), "now-wait-allocate")):
            assert whatnow.of(dataclasses.replace(read(db, coordinator, case), may=may), coordinator.actor).key == key
        with ids.told(ids.now() + DAY):
            assert short(db, surgeon, case) == ("late-allocate", True, ["referral"])
        referrals.allocate(db, coordinator.actor, row.id, expert_id=world.cast.expert.id)
        assert short(db, world.cast.expert, case) == ("acknowledge", True, ["!+acknowledge", "opinion", "decline"])
        assert short(db, coordinator, case) == ("wait-acknowledge", False, ["referral"])
        with ids.told(ids.now() + DAY):
            assert short(db, surgeon, case) == ("late-acknowledge", True, ["referral"])
            assert short(db, coordinator, case) == ("late-acknowledge", True, ["allocate"])
            late = now(db, coordinator, case)
            assert late.waiting is not None
            assert late.hospital == world.cast.taizhou.id
        referrals.acknowledge(db, world.cast.expert.actor, row.id)
        assert short(db, world.cast.expert, case) == ("opinion", True, ["!opinion", "decline"])
        assert now(db, world.cast.expert, case).at == row.acknowledged_at
        assert short(db, surgeon, case) == ("wait-answer", False, ["referral"])
        with ids.told(ids.now() + DAY):
            assert short(db, coordinator, case) == ("late-answer", True, ["allocate"])
        referrals.decline(db, world.cast.expert.actor, row.id, code="no_capacity")
        assert short(db, coordinator, case) == ("allocate", True, ["!allocate"]), "it is given out anew"
        other = world.case(db, kind="fracture")
        world.injury(db, other)
        referrals.decline(db, coordinator.actor, world.refer(db, other).id, code="no_capacity")
        assert short(db, surgeon, other) == ("refer", True, ["!refer", "pictures"]), "and another hospital is asked"


def test_an_opinion_is_decided_on_and_the_patient_followed_up(world: World) -> None:
    surgeon, nurse, expert = world.cast.surgeon, world.cast.nurse, world.cast.expert
    with world.begin() as db:
        case = world.case(db, kind="fracture")
        world.asked(db, case)
        opinion = world.sign(db, case)
        key, mine, acts = short(db, surgeon, case)
        assert (key, mine, acts) == ("decide", True, ["!accept", "modify", "reject"])
        assert all(f"opinion={opinion.id}&choice=" in act.href for act in now(db, surgeon, case).acts)
        assert short(db, expert, case) == ("answered", False, [])
        assert short(db, nurse, case)[0] == "treat"
        decisions.record(db, surgeon.actor, case_id=case.id, opinion_id=opinion.id, choice="accept")
        assert short(db, surgeon, case) == ("treat", True, ["!plan"])
        planned = followups.plan(db, surgeon.actor, case.id, treated_on=ids.now().date() - DAY)
        assert short(db, surgeon, case) == ("visit-planned", False, ["follow-up"])
        assert now(db, surgeon, case).visit == planned[0].code
        assert short(db, expert, case) == ("follow-up", False, [])
        for day, standing in ((planned[0].due_on, "due"), (planned[0].late_after + DAY, "overdue")):
            with ids.told(dt.datetime.combine(day, dt.time(4), dt.UTC)):
                assert short(db, nurse, case) == (f"visit-{standing}", True, ["!follow-up"])
                assert f"visit={planned[0].id}" in now(db, nurse, case).acts[0].href
        with ids.told(dt.datetime.combine(planned[-1].due_on, dt.time(4), dt.UTC)):
            for visit in planned:
                followups.record(db, nurse.actor, case.id, {**SEEN, "seen_on": visit.due_on.isoformat()}, visit_id=visit.id)
            assert short(db, surgeon, case) == ("visits-done", False, ["!close"])
            assert short(db, nurse, case) == ("visits-done", False, [])
            closures.close(db, surgeon.actor, case.id, ENDED)
            for who in (surgeon, nurse, expert, world.cast.coordinator):
                assert short(db, who, case) == ("closed", False, [])


def test_what_is_closed_waits_for_nobody(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case, other, *_ = advised(db, world)
        joint.sign(db, stepped_up(cast.expert.actor), case.id, TOGETHER)
        assert short(db, other, case) == ("join", True, ["!join"])
        assert short(db, cast.expert, case)[0] == "answered", "its signer has joined"
        cases.close(db, cast.surgeon.actor, case.id)
        for who in (cast.surgeon, cast.coordinator, cast.expert, other):
            assert short(db, who, case) == ("closed", False, [])


def test_of_opinions_that_were_joined_the_joint_one_is_decided_on(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case, other, *_ = advised(db, world)
        together = joint.sign(db, stepped_up(cast.expert.actor), case.id, TOGETHER)
        joint.join(db, stepped_up(other.actor), together.id)
        decisions.record(db, cast.surgeon.actor, case_id=case.id, opinion_id=together.id, choice="accept")
        assert short(db, cast.surgeon, case)[0] == "treat"


def test_who_is_called_takes_the_question(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        third = people_of.join(db, cast.taizhou, "a.zhou", "周岚", "Zhou Lan", "expert", specialty="hand_surgery")
        roster(db, world, cast.expert, cast.second_expert, third)
        case = world.case(db)
        row = world.refer(db, case, expert_id=cast.expert.id)
    with ids.told(row.requested_at + dt.timedelta(minutes=30)):
        run_jobs(world.database, {escalation.OVERDUE: escalation.overdue})
    with world.begin() as db:
        case = db.get_one(Case, case.id)
        assert short(db, cast.second_expert, case) == ("called", True, ["!+acknowledge", "opinion"])
        assert short(db, cast.expert, case) == ("acknowledge", True, ["!+acknowledge", "opinion", "decline"])
        with ids.told(row.requested_at + dt.timedelta(minutes=31)):
            referrals.acknowledge(db, cast.second_expert.actor, row.id)
            assert short(db, cast.second_expert, case) == ("opinion", True, ["!opinion", "decline"])


def test_what_a_trainee_signed_lies_with_the_senior(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        trainee = trainees.expert(db, cast)
        case = world.case(db)
        row = world.refer(db, case)
        referrals.allocate(db, cast.coordinator.actor, row.id, expert_id=trainee.id)
        referrals.acknowledge(db, trainee.actor, row.id)
        assert short(db, trainee, case)[0] == "opinion"
        presented = presentations.present(db, stepped_up(trainee.actor), case.id, WORDS, senior_id=cast.expert.id)
        assert short(db, cast.expert, case) == ("countersign", True, ["!countersign"])
        assert now(db, cast.expert, case).acts[0].href.endswith(f"/presentations/{presented.id}")
        assert short(db, trainee, case) == ("wait-countersign", False, ["referral"])
        with ids.told(ids.now() + DAY):
            assert short(db, trainee, case) == ("late-countersign", False, ["referral"])
            assert short(db, cast.coordinator, case) == ("late-countersign", True, ["allocate"])
        trainees.begin(db, cast.expert)
        assert short(db, trainee, case) == ("name-senior", True, ["!name-senior"])
        trainees.end(db, cast.expert)
        presentations.give_back(db, cast.expert.actor, presented.id, words="Say which vessel.")
        assert short(db, trainee, case) == ("returned", True, ["!opinion", "returned", "decline"])
        presentations.present(db, stepped_up(trainee.actor), case.id, WORDS, senior_id=cast.expert.id)
        other = world.case(db)
        again = world.refer(db, other)
        referrals.allocate(db, cast.coordinator.actor, again.id, expert_id=trainee.id)
        referrals.acknowledge(db, trainee.actor, again.id)
        assert short(db, trainee, case)[0] == "wait-countersign", "it lies with the senior again"
        assert short(db, trainee, other)[0] == "opinion"
        presentations.give_back(db, cast.expert.actor, presentations.for_case(db, trainee.actor, case.id)[-1].presentation.id, words="No.")
        assert short(db, cast.expert, case)[0] == "wait-answer"


def test_a_second_question_to_a_trainee_waits_for_them_whatever_became_of_the_first(world: World) -> None:
    with world.begin() as db:
        ward = begin(world, db)
        ward.countersign(db, ward.present(db))
        ward.present(db, findings="On second thoughts.")
        row = world.refer(db, ward.case)
        referrals.allocate(db, world.cast.coordinator.actor, row.id, expert_id=ward.trainee.id)
        referrals.acknowledge(db, ward.trainee.actor, row.id)
        assert short(db, ward.trainee, ward.case) == ("opinion", True, ["!opinion", "decline"])
        bare = dataclasses.replace(read(db, ward.trainee, ward.case), may=frozenset())
        assert whatnow.of(bare, ward.trainee.actor).key == "now-wait-answer", "who may not write is not asked to"


def test_a_coordinator_gives_out_the_questions_of_their_own_hospital(world: World) -> None:
    with world.begin() as db:
        case = world.case(db, kind="fracture")
        expert, coordinator = second_hospital(db, world.cast)
        there = world.refer(db, case, to_organisation_id=world.cast.kashgar.id)
        referrals.allocate(db, coordinator.actor, there.id, expert_id=expert.id)
        world.refer(db, case)
        known = dataclasses.replace(read(db, coordinator, case), asked=referrals.for_case(db, world.cast.surgeon.actor, case.id))
        assert len(known.asked) == 2
        assert whatnow.of(known, coordinator.actor).key == "now-wait-acknowledge"


def test_of_what_waits_for_a_senior_an_addendum_outlives_the_case(world: World) -> None:
    with world.begin() as db:
        ward = begin(world, db)
        opinion = ward.countersign(db, ward.present(db))
        ward.present(db, findings="On second thoughts.")
        assert short(db, ward.senior, ward.case) == ("countersign", True, ["!countersign"])
        cases.close(db, world.cast.surgeon.actor, ward.case.id)
        assert short(db, ward.senior, ward.case) == ("closed", False, [])
        presentations.present(
            db,
            stepped_up(ward.trainee.actor),
            ward.case.id,
            {"addition": "Mind the vein."},
            senior_id=ward.senior.id,
            addendum_to=opinion.id,
        )
        assert short(db, ward.senior, ward.case) == ("countersign", True, ["!countersign"])
