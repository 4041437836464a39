"""The one path that must always work, verb by verb: case, referral, opinion, decision, follow-up, access."""

import datetime as dt

from core import ids
from registry import access, cases, decisions, followups, notices, patients, referrals, verdicts, worklist
from tests.registry.conftest import World


def test_a_case_goes_from_the_surgeon_to_the_audit_page(world: World) -> None:
    cast = world.cast
    surgeon, expert, coordinator = cast.surgeon.actor, cast.expert.actor, cast.coordinator.actor
    with world.begin() as db:
        case = world.case(db)
        assert case.number == f"SH-{ids.now().year}-0001"
        assert case.urgency == "emergency"
        world.injury(db, case)
        world.severed(db, case)
        assert [item.action for item in worklist.items(db, surgeon).needs] == ["refer"]
        world.refer(db, case)
    with world.begin() as db:
        (item,) = worklist.items(db, coordinator).needs
        assert (item.action, item.case.id) == ("allocate", case.id)
        assert item.referral_id
        referrals.allocate(db, coordinator, item.referral_id, expert_id=cast.expert.id)
    with world.begin() as db:
        (item,) = worklist.items(db, expert).needs
        assert item.action == "acknowledge"
        assert item.glance.readings[0].running == "warm"
        assert item.referral_id
        referrals.acknowledge(db, expert, item.referral_id)
        assert [item.action for item in worklist.items(db, expert).needs] == ["answer"]
        assert [told.kind for told in notices.for_actor(db, expert)] == ["referral-allocated"]
    with world.begin() as db:
        opinion = world.sign(db, case)
    with world.begin() as db:
        assert cases.get(db, surgeon, case.id).state == "answered"
        assert [item.action for item in worklist.items(db, surgeon).needs] == ["decide"]
        assert verdicts.verify(db, surgeon, opinion.id).whole
        decisions.record(db, surgeon, case_id=case.id, opinion_id=opinion.id, choice="accept")
        assert [item.action for item in worklist.items(db, surgeon).needs] == ["treat"]
        visits = followups.plan(db, surgeon, case.id, treated_on=ids.now().date() - dt.timedelta(days=15))
        (item,) = worklist.items(db, cast.nurse.actor).needs
        assert (item.action, item.visit) == ("follow-up", visits[0])
    with world.begin() as db:
        told = {"seen_on": ids.now().date().isoformat(), "survival": "survived", "pain": "2", "work_status": "none"}
        followups.record(db, cast.nurse.actor, case.id, told, visit_id=visits[0].id)
    with world.begin() as db:
        assert followups.for_case(db, expert, case.id)[0].record is not None
        assert "outcome-recorded" in [told.kind for told in notices.for_actor(db, expert)]
        (found,) = patients.find(db, cast.administrator.actor, name="张卫国", birth_date=dt.date(1988, 3, 5))
        told_by = access.who_saw_patient(db, cast.administrator.actor, found.patient_id)
    assert {row.person_name for row in told_by} >= {"李娜", "陈浩", "林芳", "阿依古丽"}
    assert any(row.action == "opinion:sign" for row in told_by)
