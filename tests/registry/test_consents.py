"""Consents: each purpose by itself, moved by the table, never in the way of an emergency, and ended at once."""

import itertools

import pytest

from core import audit
from core.errors import Conflict, Denied, Invalid, NotFound
from registry import cases, consents, escalation, notices, referrals, states
from registry.referrals import Referral
from tests.registry.conftest import World, run_jobs

HOW = {"given": ["give"], "refused": ["refuse"], "withdrawn": ["give", "withdraw"], "excused": ["excuse"], "none": []}


def test_every_statement_after_every_standing_does_what_the_table_says(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        for standing, statement in itertools.product(states.CONSENT_STANDINGS, states.CONSENT_STATEMENTS):
            case = world.case(db, consent=False)

            def say(word: str) -> consents.Consent:
                if word == "excuse":
                    return consents.excuse(db, surgeon, case, "teaching", "unconscious")  # noqa: B023
                return consents.record(db, surgeon, case_id=case.id, purpose="teaching", statement=word)  # noqa: B023

            for word in HOW[standing]:
                say(word)
            after = states.CONSENTS[standing, statement]
            if after is None:
                with pytest.raises(Conflict, match="consent-statement-senseless"):
                    say(statement)
            else:
                assert say(statement).standing == after
            others = {purpose: row for purpose, row in consents.newest(db, case).items() if purpose != "teaching"}
            assert others == dict.fromkeys(("treatment", "transfer", "research"))


def test_what_is_recorded_is_checked_sealed_and_named_in_the_log(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db, consent=False)
        with pytest.raises(Invalid) as caught:
            consents.record(db, surgeon, case_id=case.id, purpose="x", statement="give", giver="y", note="z" * 1001)
        assert caught.value.fields == {"purpose": "field-code-unknown", "giver": "field-code-unknown", "note": "field-too-long"}
        with pytest.raises(Invalid):
            consents.record(db, surgeon, case_id=case.id, purpose="treatment", statement="excuse")
        told = consents.record(db, surgeon, case_id=case.id, purpose="treatment", statement="give", giver="relative", note="由妻子签字")
        assert told.note is not None
        assert "由妻子".encode() not in told.note
        assert consents.note(db, surgeon, told) == "由妻子签字"
        standing = consents.standing(db, surgeon, case.id)
        assert list(standing) == list(consents.PURPOSES)
        assert standing["treatment"] is told
        for member, error in ((world.cast.nurse, Denied), (world.cast.stranger, NotFound), (world.cast.expert, NotFound)):
            with pytest.raises(error):
                consents.record(db, member.actor, case_id=case.id, purpose="treatment", statement="withdraw")
    with world.begin() as db:
        (event,) = audit.events(db, world.cast.aral.id, case_id=case.id, actions=("consent:give",))
        assert event.detail == {"purpose": "treatment", "standing": "given"}


def test_a_missing_consent_stops_what_can_wait_and_not_an_emergency(world: World) -> None:
    with world.begin() as db:
        routine = world.case(db, kind="fracture", consent=False)
        with pytest.raises(Invalid) as caught:
            world.refer(db, routine, without_consent="nobody could be asked")
        assert caught.value.fields == {"without_consent": "consent-missing"}
        with pytest.raises(Conflict, match="consent-excused-only-in-emergency"):
            consents.excuse(db, world.cast.surgeon.actor, routine, "treatment", "because")
        severed = world.case(db, consent=False)
        with pytest.raises(Invalid) as caught:
            world.refer(db, severed)
        assert caught.value.fields == {"without_consent": "consent-missing"}
        world.refer(db, severed, without_consent="昏迷，家属未到")
        rows = consents.newest(db, severed)
        assert {rows[p].standing for p in consents.NEEDED_TO_REFER if rows[p]} == {"excused"}  # type: ignore[union-attr]
        assert consents.missing(db, severed) == list(consents.NEEDED_TO_REFER), "it stays due"
        excused = rows["treatment"]
        assert excused is not None
        assert consents.note(db, world.cast.surgeon.actor, excused) == "昏迷，家属未到"


def test_withdrawal_ends_access_at_once_takes_the_question_back_and_erases_nothing(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        referral = world.asked(db, case)
        entry = world.injury(db, case)
    with world.begin() as db:
        cases.get(db, cast.expert.actor, case.id)
        consents.record(db, cast.surgeon.actor, case_id=case.id, purpose="research", statement="give")
        consents.record(db, cast.surgeon.actor, case_id=case.id, purpose="research", statement="withdraw")
        cases.get(db, cast.expert.actor, case.id)
        consents.record(db, cast.surgeon.actor, case_id=case.id, purpose="treatment", statement="withdraw")
        for member in (cast.expert, cast.coordinator):
            with pytest.raises(NotFound):
                cases.get(db, member.actor, case.id)
    run_jobs(world.database, {consents.WITHDRAWN: referrals.consent_withdrawn, escalation.OVERDUE: escalation.overdue})
    with world.begin() as db:
        assert db.get_one(Referral, referral.id).state == "withdrawn"
        assert cases.get(db, cast.surgeon.actor, case.id).state == "draft"
        asked = referrals.get(db, cast.surgeon.actor, referral.id)
        assert asked.steps[-1].code == "consent-withdrawn"
        assert entry.body
        told = notices.for_actor(db, cast.expert.actor)
        assert (told[0].kind, told[0].case_number) == ("consent-withdrawn", None)
        assert told[0].case_id is None
        consents.record(db, cast.surgeon.actor, case_id=case.id, purpose="treatment", statement="give")
        world.refer(db, case)


def test_a_question_asked_anew_after_a_withdrawal_is_left_alone(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        consents.record(db, surgeon, case_id=case.id, purpose="transfer", statement="withdraw")
        referral = world.refer(db, case, without_consent="手术中，家属电话同意")
    run_jobs(world.database, {consents.WITHDRAWN: referrals.consent_withdrawn, escalation.OVERDUE: escalation.overdue})
    with world.begin() as db:
        assert db.get_one(Referral, referral.id).state == "requested"


def test_of_a_closed_case_a_consent_can_be_withdrawn_and_nothing_else_recorded(world: World) -> None:
    cast, surgeon = world.cast, world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        world.sign(db, case)
        cases.close(db, surgeon, case.id)
        for statement in ("give", "refuse"):
            with pytest.raises(Conflict, match="case-closed"):
                consents.record(db, surgeon, case_id=case.id, purpose="teaching", statement=statement)
        assert consents.newest(db, case)["teaching"] is None
        assert cases.get(db, cast.expert.actor, case.id)
        assert consents.record(db, surgeon, case_id=case.id, purpose="transfer", statement="withdraw").standing == "withdrawn"
        with pytest.raises(NotFound):
            cases.get(db, cast.expert.actor, case.id)
        with pytest.raises(Conflict, match="case-closed"):
            consents.record(db, surgeon, case_id=case.id, purpose="transfer", statement="give")
    run_jobs(world.database, {consents.WITHDRAWN: referrals.consent_withdrawn, escalation.OVERDUE: escalation.overdue})
    with world.begin() as db:
        assert cases.get(db, surgeon, case.id).state == "closed"
