"""From an exact identifier to a restricted case (attack 7): nothing else finds it, and a try that finds nothing leaves no word."""

import datetime as dt

import pytest

from auth import news, restrictions
from auth.proofs import Refused
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Denied, Invalid, StepUpNeeded, Throttled
from registry import cases, emergencies, notices, patients
from registry.cases import Case
from tests.registry.conftest import World, run_jobs, stepped_up

WHY = {"reason": "treatment-now", "words": "Bleeding again on the ward."}
BORN = dt.date(1988, 3, 5)


def secret(world: World, db: Tx, number: str = "R26-77") -> Case:
    """A restricted case of somebody with a number of their own."""
    who = {
        "name": "梅傲雪",
        "sex": "female",
        "birth_date": dt.date(1990, 1, 2),
        "record_number": number,
        "national_id": "650100199001021234",
    }
    patient = patients.create(db, world.cast.surgeon.actor, **who, despite_duplicates=True)  # type: ignore[arg-type]
    case = world.case(db, patient_id=patient.id)
    world.restrict(db, case)
    return case


def tried(db: Tx, actor: Actor, **typed: object) -> object:
    return emergencies.break_in(db, stepped_up(actor), **{**WHY, **typed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "typed",
    [{"number": "r26-77"}, {"number": "6501 0019 9001 0212 34"}, {"name": "梅傲雪", "birth_date": dt.date(1990, 1, 2)}, {}],
    ids=["record-number", "national-id", "name-and-birth", "case-number"],
)
def test_an_exact_identifier_breaks_the_glass(world: World, typed: dict[str, object]) -> None:
    nurse = world.cast.nurse
    with world.begin() as db:
        case = secret(world, db)
        (broken,) = tried(db, nurse.actor, **(typed or {"number": case.number.lower()}))  # type: ignore[attr-defined]
        assert broken.case_id == case.id
        assert cases.get(db, world.again(db, nurse), case.id) is case


@pytest.mark.parametrize(
    "typed",
    [
        {"number": "R26-7"},
        {"number": "R26-778"},
        {"number": "SH-2026-9999"},
        {"name": "梅傲雪", "birth_date": dt.date(1990, 1, 3)},
        {"name": "梅", "birth_date": dt.date(1990, 1, 2)},
        {"name": "没傲雪", "birth_date": dt.date(1990, 1, 2)},
        {"number": "R26-77", "name": "梅傲雪", "birth_date": dt.date(1990, 1, 3)},
    ],
    ids=["short", "long", "no-case", "other-day", "surname", "sounds-alike", "contradiction"],
)
def test_what_is_not_exact_finds_nothing(world: World, typed: dict[str, object]) -> None:
    with world.begin() as db:
        secret(world, db)
        assert tried(db, world.cast.nurse.actor, **typed) == Refused("glass-nothing-found")
        assert world.again(db, world.cast.nurse).emergencies == frozenset()


def test_a_name_alone_or_nothing_is_not_looked_for(world: World) -> None:
    with world.begin() as db:
        secret(world, db)
        for typed in ({"name": "梅傲雪"}, {"number": ""}, {"birth_date": dt.date(1990, 1, 2)}):
            with pytest.raises(Invalid):
                tried(db, world.cast.nurse.actor, **typed)


def test_nobody_there_open_to_all_of_the_team_and_of_another_hospital_are_answered_alike(world: World) -> None:
    """Attack 5 as well: the answer tells a guess about a stranger from none of these, and so does the log of the hospital."""
    cast = world.cast
    with world.begin() as db:
        secret(world, db)
        open_to_all = world.case(db)
        number = patients.unsealed(db, cases.patient_of(db, open_to_all)).record_number
        answers = [
            tried(db, cast.nurse.actor, number="NOBODY-1"),
            tried(db, cast.nurse.actor, number=number),
            tried(db, cast.surgeon.actor, number="R26-77"),
            tried(db, cast.stranger.actor, number="R26-77"),
        ]
        assert answers == [Refused("glass-nothing-found")] * 4
    with world.begin() as db:
        failures = [e for org in (cast.aral.id, cast.kashgar.id) for e in audit.events(db, org, actions=("glass:break",))]
        assert len(failures) == 4
        for event in failures:
            assert (event.outcome, event.case_id, event.object_id, event.named_patients) == ("failure", None, None, [])
            assert event.detail == {"by": "number"}


def test_wrong_identifiers_are_throttled_and_right_ones_are_not(world: World) -> None:
    cast, begun = world.cast, ids.now()
    with world.begin() as db:
        case = secret(world, db)
        for _ in range(5):
            assert isinstance(tried(db, cast.nurse.actor, number="NOBODY-1"), Refused)
        for number in ("NOBODY-1", "R26-77"):
            with pytest.raises(Throttled), db.begin_nested():
                tried(db, cast.nurse.actor, number=number)
        assert isinstance(tried(db, cast.second_surgeon.actor, number="R26-77"), list), "by person: a colleague is not kept out"
        with ids.told(begun + dt.timedelta(minutes=16)):
            assert isinstance(tried(db, cast.nurse.actor, number="R26-77"), list)
            assert restrictions.broken_by(db, cast.nurse.id, cast.aral.id) == {case.id}


def test_over_a_day_there_are_twenty_tries(world: World) -> None:
    """Slowly enough for the quarter of an hour, and still no more than twenty and the one that comes back meanwhile."""
    begun = ids.now()
    with world.begin() as db:
        for number in range(21):
            with ids.told(begun + dt.timedelta(minutes=4 * number)):
                assert isinstance(tried(db, world.cast.nurse.actor, number="NOBODY-1"), Refused)
        with ids.told(begun + dt.timedelta(minutes=84)), pytest.raises(Throttled), db.begin_nested():
            tried(db, world.cast.nurse.actor, number="NOBODY-1")


def test_what_is_missing_is_said_before_anything_is_looked_for(world: World) -> None:
    """No oracle for free: a try without a reason, a step-up or a right is not told whether the number was right."""
    cast = world.cast
    with world.begin() as db:
        secret(world, db)
        for number in ("R26-77", "NOBODY-1"):
            with pytest.raises(Invalid) as refused:
                tried(db, cast.nurse.actor, number=number, reason="")
            assert refused.value.fields == {"reason": "field-required"}
            with pytest.raises(StepUpNeeded):
                emergencies.break_in(db, cast.nurse.actor, number=number, **WHY)
            with pytest.raises(Denied):
                tried(db, cast.administrator.actor, number=number)
        assert audit.events(db, cast.aral.id, actions=("glass:break",)) == []


def test_of_two_patients_with_one_name_and_day_a_number_has_to_say_which(world: World) -> None:
    with world.begin() as db:
        for _ in range(2):
            world.restrict(db, world.case(db))
        assert tried(db, world.cast.nurse.actor, name="张卫国", birth_date=BORN) == Refused("glass-nothing-found")


def test_every_restricted_case_of_the_patient_is_opened_and_no_other(world: World) -> None:
    with world.begin() as db:
        first = secret(world, db)
        second = world.case(db, kind="flap", patient_id=first.patient_id)
        third, other = world.case(db, kind="flap", patient_id=first.patient_id), secret(world, db, "R26-78")
        world.restrict(db, second)
        broken = tried(db, world.cast.nurse.actor, number="R26-77")
        assert {one.case_id for one in broken} == {first.id, second.id}  # type: ignore[attr-defined]
        assert world.again(db, world.cast.nurse).emergencies == {first.id, second.id}
        assert other.id not in world.again(db, world.cast.nurse).emergencies
        assert cases.reach(db, world.cast.nurse.actor, third.id, "case:read")


def test_team_and_reviewers_are_told_and_the_log_names_the_patient(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = secret(world, db)
        tried(db, cast.nurse.actor, number="R26-77")
        team = notices.for_actor(db, cast.surgeon.actor)
        assert [(one.kind, one.case_number) for one in team] == [("glass-on-case", case.number)]
    with world.begin() as db:
        (event,) = audit.events(db, cast.aral.id, actions=("glass:break",), patient_id=case.patient_id)
        assert (event.purpose, event.outcome, event.case_id) == ("emergency", "success", case.id)
        assert "Bleeding" not in str(event.detail)
    run_jobs(world.database, {news.TELL: notices.told})
    with world.begin() as db:
        for member in (cast.auditor, cast.administrator):
            assert [(one.kind, one.case_id) for one in notices.for_actor(db, member.actor)] == [("glass-broken", None)]


def test_the_review_counts_what_was_opened(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = secret(world, db)
        (broken,) = tried(db, cast.nurse.actor, number="R26-77")  # type: ignore[attr-defined]
        behind = world.again(db, cast.nurse)
        cases.get(db, behind, case.id)
        cases.identity(db, behind, case.id)
        cases.list_(db, behind)
        cases.get(db, behind, world.case(db).id)
    with world.begin() as db:
        assert emergencies.looked_at(db, broken) == {"case:read": 1, "patient:identify": 1}
        lists = audit.events(db, cast.aral.id, actor_id=cast.nurse.id, actions=("case:list",))
        assert [(event.purpose, event.patient_ids) for event in lists] == [("emergency", (case.patient_id,))]
