"""Cases: numbered without gaps, raised by rules and never lowered by them, moved by the table alone, seen by policy."""

import datetime as dt
import itertools
from contextlib import suppress

import pytest

from core import audit, ids
from core.errors import Conflict, Denied, Invalid, NotFound, PreconditionFailed
from registry import cases, followups, referrals, states
from registry.cases import Case, Filter
from tests.registry.conftest import World


def test_a_case_is_numbered_per_hospital_and_year(world: World) -> None:
    with world.begin() as db:
        numbers = [world.case(db).number for _ in range(3)]
        year = ids.now().year
        assert numbers == [f"SH-{year}-{n:04d}" for n in (1, 2, 3)]
        later = dt.datetime(year + 1, 1, 5, tzinfo=dt.UTC)
    with ids.told(later), world.begin() as db:
        assert world.case(db).number == f"SH-{year + 1}-0001"


def test_a_number_is_not_taken_by_what_was_rolled_back(world: World) -> None:
    with suppress(Invalid), world.begin() as db:
        case = world.case(db)
        cases.set_urgency(db, world.cast.surgeon.actor, case.id, urgency="soon", version=case.version)
    with world.begin() as db:
        assert world.case(db).number.endswith("-0001")


@pytest.mark.parametrize(
    ("kind", "asked", "gets"),
    [
        ("amputation", "routine", "emergency"),
        ("devascularised", "urgent", "emergency"),
        ("open_fracture", "routine", "urgent"),
        ("flap", "routine", "routine"),
        ("flap", "emergency", "emergency"),
    ],
)
def test_a_kind_starts_at_its_urgency_at_the_least(world: World, kind: str, asked: str, gets: str) -> None:
    with world.begin() as db:
        case = cases.create(db, world.cast.surgeon.actor, patient_id=world.patient(db).id, kind=kind, urgency=asked)
        assert (case.urgency, case.state) == (gets, "draft")


def test_what_is_opened_is_checked(world: World) -> None:
    with world.begin() as db:
        patient = world.patient(db)
        with pytest.raises(Invalid) as caught:
            cases.create(db, world.cast.surgeon.actor, patient_id=patient.id, kind="mystery", urgency="soon")
        assert caught.value.fields == {"kind": "field-code-unknown", "urgency": "field-code-unknown"}
        with pytest.raises(Denied):
            cases.create(db, world.cast.nurse.actor, patient_id=patient.id, kind="flap")
        for member in (world.cast.stranger, world.cast.expert):
            with pytest.raises((NotFound, Denied)):
                cases.create(db, member.actor, patient_id=patient.id, kind="flap")


def test_a_phone_that_sends_twice_opens_one_case(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        patient = world.patient(db)
        first = cases.create(db, surgeon, patient_id=patient.id, kind="flap", client_key="k1")
        assert cases.create(db, surgeon, patient_id=patient.id, kind="flap", client_key="k1") is first
        assert cases.create(db, world.cast.second_surgeon.actor, patient_id=patient.id, kind="flap", client_key="k1") is not first
        assert cases.by_client_key(db, surgeon, "k1") is first


def test_a_case_is_read_by_policy_and_every_reading_is_recorded(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
    with world.begin() as db:
        for member in (cast.surgeon, cast.second_surgeon, cast.nurse):
            assert cases.get(db, member.actor, case.id).id == case.id
        for member in (cast.stranger, cast.expert, cast.coordinator, cast.administrator, cast.auditor):
            with pytest.raises(NotFound, match="case-not-found"):
                cases.get(db, member.actor, case.id)
        with pytest.raises(NotFound, match="case-not-found"):
            cases.get(db, cast.surgeon.actor, ids.new())
    with world.begin() as db:
        cases.get(db, cast.nurse.actor, case.id)
        read = audit.events(db, cast.aral.id, case_id=case.id, actions=("case:read",))
        assert [event.actor_id for event in reversed(read)] == [cast.surgeon.id, cast.second_surgeon.id, cast.nurse.id]
        assert all(event.patient_ids == (case.patient_id,) for event in read)


def test_a_list_shows_what_may_be_read_and_is_one_event_that_names_the_patients(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        made = [world.case(db, kind=kind) for kind in ("flap", "amputation", "flap")]
        world.refer(db, made[1])
    with world.begin() as db:
        page = cases.list_(db, cast.surgeon.actor, limit=2)
        rest = cases.list_(db, cast.surgeon.actor, limit=2, after=page.after)
        assert [case.id for case in (*page.cases, *rest.cases)] == sorted((case.id for case in made), reverse=True)
        assert rest.after is None
        assert [case.id for case in cases.list_(db, cast.coordinator.actor).cases] == [made[1].id]
        for member in (cast.stranger, cast.expert, cast.administrator):
            assert cases.list_(db, member.actor).cases == []
        shown = cases.list_(db, cast.surgeon.actor, Filter(states=frozenset({"draft"}), urgency="routine")).cases
        assert {case.id for case in shown} == {made[0].id, made[2].id}
        assert cases.list_(db, cast.second_surgeon.actor, Filter(mine=True)).cases == []
        assert [case.id for case in cases.list_(db, cast.surgeon.actor, Filter(patient_id=made[0].patient_id)).cases] == [made[0].id]
        with pytest.raises(Invalid):
            cases.list_(db, cast.surgeon.actor, Filter(urgency="soon"))
    with world.begin() as db:
        event = audit.events(db, cast.aral.id, actions=("case:list",), actor_id=cast.coordinator.id)[0]
        assert event.patient_ids == (made[1].patient_id,)


def test_rules_raise_the_urgency_and_never_lower_it(world: World) -> None:
    with world.begin() as db:
        case = world.case(db, kind="fracture")
        surgeon = world.cast.surgeon.actor
        for asked, gets, changed in (("urgent", "urgent", True), ("routine", "urgent", False), ("emergency", "emergency", True)):
            assert cases.raise_urgency(db, surgeon, case, asked, "test") is changed
            assert case.urgency == gets
        db.flush()
        read = case.version
        cases.set_urgency(db, surgeon, case.id, urgency="routine", version=read)
        assert case.urgency == "routine"
        with pytest.raises(PreconditionFailed):
            cases.set_urgency(db, surgeon, case.id, urgency="urgent", version=read)
        severed = world.case(db)
        with pytest.raises(Conflict, match="case-urgency-too-low"):
            cases.set_urgency(db, surgeon, severed.id, urgency="urgent", version=severed.version)
        with pytest.raises(Denied):
            cases.set_urgency(db, world.cast.nurse.actor, case.id, urgency="urgent", version=case.version)


@pytest.fixture
def moving(world: World) -> tuple[World, Case]:
    with world.begin() as db:
        return world, world.case(db)


def test_every_event_in_every_state_does_what_the_table_says_and_is_recorded(moving: tuple[World, Case]) -> None:
    world, made = moving
    done = []
    with world.begin() as db:
        case = db.get_one(Case, made.id)
        for state, event in itertools.product(states.CASE_STATES, states.CASE_EVENTS):
            case.state = state
            after = states.CASES[state, event]
            assert cases.can(case, event) is (after is not None)
            if after is None:
                with pytest.raises(Conflict) as caught:
                    cases.advance(db, world.cast.surgeon.actor, case, event)
                assert caught.value.params == {"state": state, "event": event}
                assert case.state == state
            else:
                cases.advance(db, world.cast.surgeon.actor, case, event)
                assert case.state == after
                done.append((f"case:{event}", state, after))
    with world.begin() as db:
        events = audit.events(db, world.cast.aral.id, case_id=made.id, actions=[f"case:{e}" for e in states.CASE_EVENTS], limit=100)
        assert [(event.action, event.detail["from"], event.detail["to"]) for event in reversed(events)] == done


def test_treatment_has_its_day_and_a_closed_case_takes_nothing(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        with pytest.raises(Invalid):
            cases.treat(db, surgeon, case.id, on=ids.now().date() + dt.timedelta(days=3))
        cases.treat(db, surgeon, case.id, on=ids.now().date())
        assert (case.state, case.treated_on) == ("treated", ids.now().date())
        with pytest.raises(Denied):
            cases.close(db, world.cast.nurse.actor, case.id)
        cases.close(db, surgeon, case.id)
        assert case.closed_at is not None
        with pytest.raises(Conflict, match="case-state-forbids"):
            world.refer(db, case)
        with pytest.raises(Conflict, match="case-closed"):
            world.injury(db, case)


def test_a_case_with_a_question_out_cannot_be_closed(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        referral = world.refer(db, case)
        with pytest.raises(Conflict, match="case-question-out"):
            cases.close(db, world.cast.surgeon.actor, case.id)
        referrals.withdraw(db, world.cast.surgeon.actor, referral.id)
        assert case.state == "draft"
        cases.close(db, world.cast.surgeon.actor, case.id)


def test_nor_can_one_whose_second_question_is_out(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        answered, treated, followed = world.case(db), world.case(db), world.case(db)
        for case in (answered, treated, followed):
            world.asked(db, case)
            world.sign(db, case)
        cases.treat(db, surgeon, treated.id, on=ids.now().date())
        followups.plan(db, surgeon, followed.id, treated_on=ids.now().date())
        for case, state in ((answered, "answered"), (treated, "treated"), (followed, "follow-up")):
            second = world.refer(db, case)
            assert case.state == state
            with pytest.raises(Conflict, match="case-question-out"):
                cases.close(db, surgeon, case.id)
            referrals.withdraw(db, surgeon, second.id)
            assert cases.close(db, surgeon, case.id).state == "closed"


def test_identity_reaches_the_expert_only_where_the_referral_shows_it_and_each_look_is_recorded(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        hidden, shown = world.case(db), world.case(db)
        world.asked(db, hidden)
        world.asked(db, shown, sees_identity=True)
    with world.begin() as db:
        with pytest.raises(Denied):
            cases.identity(db, cast.expert.actor, hidden.id)
        with pytest.raises(Denied):
            cases.identity(db, cast.coordinator.actor, shown.id)
        with pytest.raises(NotFound):
            cases.identity(db, cast.stranger.actor, shown.id)
        for _ in range(2):
            assert cases.identity(db, cast.expert.actor, shown.id).name == "张卫国"
            assert cases.identity(db, cast.surgeon.actor, shown.id).name == "张卫国"
    with world.begin() as db:
        events = audit.events(db, cast.aral.id, patient_id=shown.patient_id, actions=("patient:identify",))
        assert [event.actor_id for event in events].count(cast.expert.id) == 2
        assert [event.actor_id for event in events].count(cast.surgeon.id) == 1


def test_an_age_over_89_is_not_told_exactly(world: World) -> None:
    with world.begin() as db:
        old = world.patient(db, name="李老", born=dt.date(1925, 1, 1))
        case = world.case(db, patient_id=old.id)
        assert case.summary.age == 90
        unknown = world.case(db, patient_id=world.patient(db, name="无名氏", born=dt.date(2020, 2, 29)).id)
        assert unknown.summary.age == unknown.created_at.year - 2020 - ((unknown.created_at.month, unknown.created_at.day) < (2, 29))
