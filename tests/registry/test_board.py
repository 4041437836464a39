"""The board: clocks and urgency follow the record, and a mark that passes is noticed without anybody looking."""

import datetime as dt

import pytest

from core import audit, ids
from core.db import Database, Tx
from core.jobs import Job, JobRow
from registry import board, cases, entries, notices, worklist
from registry.cases import Case
from tests.registry.conftest import World, run_jobs, wall

HOUR = dt.timedelta(hours=1)


def test_the_clocks_are_sealed_and_follow_every_correction(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        assert board.read(db, surgeon, case.id) == []
        injury = world.injury(db, case, ago=3 * HOUR)
        world.severed(db, case, storage="sealed_on_ice", cooling_started_at=wall(ids.now() - 2 * HOUR))
        (reading,) = board.read(db, surgeon, case.id)
        assert reading.warm is not None
        assert abs(reading.warm - HOUR) < dt.timedelta(seconds=5)
        assert case.board is not None
        assert b"sealed_on_ice" not in case.board
        entries.correct(db, surgeon, injury.id, {"injured_at": wall(ids.now() - 4 * HOUR)}, reason="asked again")
        (reading,) = board.read(db, surgeon, case.id)
        assert reading.warm is not None
        assert abs(reading.warm - 2 * HOUR) < dt.timedelta(seconds=5)


def test_the_hours_of_an_open_fracture_follow_the_record(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    began = ids.now() - 5 * HOUR
    with world.begin() as db:
        case = world.case(db, kind="open_fracture")

        def comes() -> list[tuple[str, str]]:
            return [(step.limit.step, step.state) for step in board.glance(db, case).fracture]

        entries.submit(db, surgeon, case.id, "fracture", {"side": "left", "segment": "42", "openness": "open"})
        assert comes() == [("antibiotic", "unknown")]
        injury = world.injury(db, case, ago=5 * HOUR, energy="high", region=["leg"])
        assert comes() == [("antibiotic", "overdue"), ("debridement", "due")]
        given = {"antibiotic": "cefazolin", "antibiotic_at": wall(began + HOUR / 2)}
        entries.correct(db, surgeon, injury.id, given, reason="found in the ambulance's notes")
        assert comes() == [("debridement", "due")]
        [step] = board.glance(db, case).fracture
        assert step.due_at is not None
        assert abs(step.due_at - began - 12 * HOUR) < dt.timedelta(minutes=1)
        assert b"debridement" not in (case.board or b"")
        entries.submit(db, surgeon, case.id, "operation", {"began_at": wall(ids.now() - HOUR), "procedures": ["debridement"]})
        assert comes() == [("cover", "due")]
        (item,) = worklist.items(db, surgeon).needs
        assert [step.limit.step for step in item.glance.fracture] == ["cover"]
        entries.submit(db, surgeon, case.id, "operation", {"began_at": wall(ids.now() - HOUR), "procedures": ["local_flap"]})
        assert comes() == []


def test_a_board_from_before_the_open_fracture_was_on_it_is_read(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        world.injury(db, case)
        world.severed(db, case)
        (unit,) = (reading.unit for reading in board.readings(db, case))
        plain = b"[%b]" % unit.model_dump_json().encode()
        case.board = cases.seal(db, case, "board", "cases", case.id, plain, case.board_version)
        assert [reading.unit for reading in board.readings(db, case)] == [unit]
        assert board.glance(db, case).fracture == ()


def test_an_older_board_cannot_be_put_back(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        world.injury(db, case)
        old = case.board
        world.severed(db, case)
    with world.begin() as db:
        row = db.get_one(Case, case.id)
        row.board = old
        with pytest.raises(Exception, match="sealed"):
            board.readings(db, row)
        db.rollback()


@pytest.mark.parametrize(
    ("raw", "urgency", "rule"),
    [
        ({"systolic": "80", "diastolic": "40"}, "emergency", "low-blood-pressure"),
        ({"contamination": ["agricultural"]}, "urgent", "high-risk-contamination"),
        ({"mechanism": "high_pressure_injection"}, "urgent", "high-pressure-injection"),
        ({"tourniquet_on_at": "-3"}, "emergency", "tourniquet-over-two-hours"),
        ({"note": "nothing"}, "routine", None),
    ],
)
def test_a_red_flag_raises_the_urgency_and_says_which_rule(world: World, raw: dict[str, str], urgency: str, rule: str | None) -> None:
    if "tourniquet_on_at" in raw:
        raw = {"tourniquet_on_at": wall(ids.now() - 3 * HOUR)}
    with world.begin() as db:
        case = world.case(db, kind="fracture")
        world.injury(db, case, ago=4 * HOUR, **raw)
        assert case.urgency == urgency
    with world.begin() as db:
        events = audit.events(db, world.cast.aral.id, case_id=case.id, actions=("case:urgency",))
        assert [event.detail["rule"] for event in events] == ([rule] if rule else [])


def test_a_severed_part_in_a_case_of_another_kind_makes_it_an_emergency(world: World) -> None:
    with world.begin() as db:
        case = world.case(db, kind="hand_injury")
        world.injury(db, case)
        world.severed(db, case, completeness="incomplete_viable")
        assert case.urgency == "urgent"
        world.severed(db, case, part="middle")
        assert case.urgency == "emergency"


def test_one_more_injury_makes_no_clock_shorter_and_stops_none(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        world.injury(db, case, ago=5 * HOUR)
        world.severed(db, case)
        world.injury(db, case, ago=HOUR / 6, mechanism="crush")
        assert case.summary.mechanism == "crush"
        (reading,) = board.read(db, surgeon, case.id)
        assert reading.warm is not None
        assert reading.warm >= 5 * HOUR
        unknown = {"injured_at": "", "injured_at.precision": "unknown", "mechanism": "avulsion"}
        last = entries.submit(db, surgeon, case.id, "injury", unknown)
        (reading,) = board.read(db, surgeon, case.id)
        assert reading.running == "warm"
        entries.correct(db, surgeon, last.id, {"injured_at": wall(ids.now() - 7 * HOUR), "injured_at.precision": "exact"}, reason="told")
        (reading,) = board.read(db, surgeon, case.id)
        assert reading.warm is not None
        assert reading.warm >= 7 * HOUR


def test_a_part_with_circulation_stays_in_the_summary_and_gets_a_clock_once_it_has_none(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db, kind="hand_injury")
        world.injury(db, case, ago=14 * HOUR)
        part = world.severed(db, case, completeness="incomplete_viable")
        assert board.read(db, surgeon, case.id) == []
        assert [unit.completeness for unit in case.summary.units] == ["incomplete_viable"]
        assert case.urgency == "urgent"
        assert not [row for row in db.query(JobRow) if row.kind == board.RECHECK]
        entries.correct(db, surgeon, part.id, {"completeness": "incomplete_nonviable"}, reason="pale now")
        assert [reading.running for reading in board.read(db, surgeon, case.id)] == ["warm"]
        assert case.urgency == "emergency"


def test_a_mark_that_passes_raises_the_urgency_by_itself_and_tells_who_is_concerned(world: World) -> None:
    with world.begin() as db:
        case = world.case(db, kind="hand_injury")
        world.severed(db, case, injured_at=wall(ids.now() - 5 * HOUR))
        lowered(db, world, case)
        (job,) = (row for row in db.query(JobRow) if row.kind == board.RECHECK)
        due = job.run_at
        assert HOUR <= due - ids.now() + dt.timedelta(seconds=5) < HOUR + 2 * board.GRAIN
        assert (due.minute % 5, due.second, due.microsecond) == (0, 0, 0)
        assert list(job.payload) == ["case_id"]
    run_jobs(world.database, {board.RECHECK: board.recheck})
    with world.begin() as db:
        assert db.get_one(Case, case.id).urgency == "urgent"
    with ids.told(due + dt.timedelta(seconds=1)):
        run_jobs(world.database, {board.RECHECK: board.recheck})
        with world.begin() as db:
            assert cases.get(db, world.cast.surgeon.actor, case.id).urgency == "emergency"
            assert [told.kind for told in notices.for_actor(db, world.cast.surgeon.actor)] == ["urgency-raised"]
    run_again(world.database, case)
    with world.begin() as db:
        assert len(notices.for_actor(db, world.cast.surgeon.actor)) == 1


def test_flow_that_is_back_asks_for_nothing(world: World) -> None:
    with world.begin() as db:
        case = world.case(db, kind="hand_injury")
        world.severed(db, case, injured_at=wall(ids.now() - 9 * HOUR), reflow_at=wall(ids.now() - HOUR))
        lowered(db, world, case)
        assert not [row for row in db.query(JobRow) if row.kind == board.RECHECK]


def test_the_age_of_the_summary_is_that_when_the_case_was_opened(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        before = case.summary.age
    with ids.told(ids.now() + dt.timedelta(days=800)), world.begin() as db:
        entries.submit(db, world.cast.surgeon.actor, case.id, "injury", {"injured_at": wall(ids.now()), "mechanism": "crush"})
        assert db.get_one(Case, case.id).summary.age == before


def lowered(db: Tx, world: World, case: Case) -> None:
    """Somebody judges the case to be no emergency, and the record goes on."""
    cases.set_urgency(db, world.cast.surgeon.actor, case.id, urgency="urgent", version=case.version)
    world.injury(db, case)
    assert case.urgency == "urgent"


def run_again(database: Database, case: Case) -> None:
    """A job runs at least once: the same one a second time."""
    job = Job(ids.new(), board.RECHECK, {"case_id": str(case.id)}, case.organisation_id, 1, ids.new())
    board.recheck(database, job)


def test_a_case_a_person_set_lower_is_raised_again_by_the_next_mark(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db, kind="hand_injury")
        world.injury(db, case, ago=HOUR)
        world.severed(db, case)
        assert case.urgency == "emergency"
        board.set_urgency(db, surgeon, case.id, urgency="routine", version=case.version)
        assert case.urgency == "routine"
    later = ids.now() + 13 * HOUR
    with ids.told(later):
        run_jobs(world.database, {board.RECHECK: board.recheck})
    with world.begin() as db:
        assert db.get_one(Case, case.id).urgency != "routine"
