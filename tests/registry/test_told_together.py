"""Times told in several entries: the reflow of a replanted part stops the clock of its part, and none contradicts another."""

import datetime as dt

import pytest

from core import ids
from core.errors import Invalid
from registry import board, cases, entries
from registry.entries import Entry
from tests.registry.conftest import World, wall

HOUR = dt.timedelta(hours=1)


def running(world: World, case: cases.Case) -> dict[str, str]:
    """What the clock of each part of a case does."""
    with world.begin() as db:
        return {reading.unit.part: reading.running for reading in board.read(db, world.cast.surgeon.actor, case.id)}


def refused(world: World, case: cases.Case, entry_type: str, raw: dict[str, str | list[str]], old: Entry | None = None) -> dict[str, str]:
    """The fields that are refused, and the code of each."""
    surgeon = world.cast.surgeon.actor
    with world.begin() as db, pytest.raises(Invalid) as caught:
        entries.correct(db, surgeon, old.id, raw, reason="again") if old else entries.submit(db, surgeon, case.id, entry_type, raw)
    return caught.value.fields


def test_the_reflow_of_a_replantation_stops_the_clock_of_its_part_and_of_no_other(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        world.injury(db, case, ago=5 * HOUR)
        index, _ = world.severed(db, case), world.severed(db, case, part="middle")
    assert running(world, case) == {"index": "warm", "middle": "warm"}
    told = {"unit": str(index.chain_id), "state": "good", "reflow_at": wall(ids.now() - HOUR)}
    with world.begin() as db:
        replant = entries.submit(db, surgeon, case.id, "replant", told)
    assert running(world, case) == {"index": "stopped", "middle": "warm"}
    with world.begin() as db:
        entries.correct(db, surgeon, index.id, {"note": "clean ends"}, reason="more")
    assert running(world, case) == {"index": "stopped", "middle": "warm"}, "a later version of the part is the same part"
    with world.begin() as db:
        entries.correct(db, surgeon, replant.id, {"reflow_at": "", "reflow_at.precision": "unknown"}, reason="nobody noted it")
    assert running(world, case) == {"index": "warm", "middle": "warm"}


def test_a_part_of_another_case_or_something_that_is_no_part_is_refused(world: World) -> None:
    with world.begin() as db:
        case, other = world.case(db), world.case(db)
        injury = world.injury(db, case)
        world.injury(db, other)
        elsewhere = world.severed(db, other)
    for unit in (elsewhere.id, injury.id, ids.new()):
        assert refused(world, case, "replant", {"unit": str(unit), "state": "good"}) == {"unit": "field-unit-unknown"}


def test_reflow_comes_after_the_injury_and_after_cooling(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        world.injury(db, case, ago=5 * HOUR)
        part = world.severed(db, case, storage="sealed_on_ice", cooling_started_at=wall(ids.now() - 3 * HOUR))
    unit = {"unit": str(part.chain_id), "state": "good"}
    early, uncooled = wall(ids.now() - 6 * HOUR), wall(ids.now() - 4 * HOUR)
    assert refused(world, case, "replant", {**unit, "reflow_at": early}) == {"reflow_at": "field-before-injury"}
    assert refused(world, case, "replant", {**unit, "reflow_at": uncooled}) == {"reflow_at": "field-before-cooling"}
    assert running(world, case) == {"index": "cold"}


def test_two_entries_tell_the_same_reflow_of_a_part_or_one_is_refused(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    now = ids.now().replace(second=20)
    same, other = wall(now - 2 * HOUR), wall(now - HOUR)
    with world.begin() as db:
        case = world.case(db)
        world.injury(db, case, ago=5 * HOUR)
        part = world.severed(db, case, reflow_at=same)
    unit = {"unit": str(part.chain_id), "state": "good"}
    differs = {"reflow_at": "field-reflow-differs"}
    assert refused(world, case, "replant", {**unit, "reflow_at": other}) == differs
    with world.begin() as db:
        minute = wall(now.replace(second=0, microsecond=0) - 2 * HOUR)
        first = entries.submit(db, surgeon, case.id, "replant", {**unit, "reflow_at": minute})
        entries.submit(db, surgeon, case.id, "replant", unit)
    assert refused(world, case, "replant", {**unit, "reflow_at": other}) == differs
    assert refused(world, case, "replant", {"reflow_at": other}, first) == differs
    assert refused(world, case, "amputation", {"reflow_at": other}, part) == differs
    with world.begin() as db:
        entries.correct(db, surgeon, part.id, {"reflow_at": ""}, reason="told with the replantation")
        entries.correct(db, surgeon, first.id, {"reflow_at": other}, reason="typed wrongly")
        (reading,) = board.read(db, surgeon, case.id)
    assert (reading.running, reading.unit.reflow_at) == ("stopped", now - HOUR)


def test_a_part_is_not_corrected_to_have_been_severed_or_cooled_after_its_reflow(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        world.injury(db, case, ago=5 * HOUR)
        part = world.severed(db, case)
        entries.submit(
            db, surgeon, case.id, "replant", {"unit": str(part.chain_id), "state": "good", "reflow_at": wall(ids.now() - 2 * HOUR)}
        )
    late = wall(ids.now() - HOUR)
    assert refused(world, case, "amputation", {"injured_at": late}, part) == {"injured_at": "field-after-reflow"}
    cooled = {"storage": "sealed_on_ice", "cooling_started_at": late}
    assert refused(world, case, "amputation", cooled, part) == {"cooling_started_at": "field-after-reflow"}
    assert running(world, case) == {"index": "stopped"}


def test_nothing_that_follows_from_an_injury_comes_before_it(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        world.injury(db, case, ago=5 * HOUR)
        world.injury(db, case, ago=2 * HOUR)
    early, between = wall(ids.now() - 6 * HOUR), wall(ids.now() - 3 * HOUR)
    left, found = {"destination": "Taizhou", "departed_at": early}, {"kind": "compartment", "found_at": early}
    assert refused(world, case, "transfer", left) == {"departed_at": "field-before-injury"}
    assert refused(world, case, "complication", found) == {"found_at": "field-before-injury"}
    with world.begin() as db:
        entries.submit(db, world.cast.surgeon.actor, case.id, "transfer", left | {"departed_at": between})
        entries.submit(db, world.cast.surgeon.actor, case.id, "complication", found | {"found_at": between})


def test_a_complication_names_a_part_of_its_own_case_or_none(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        world.injury(db, case)
        part = world.severed(db, case)
    told = {"kind": "cold_intolerance", "found_at": wall(ids.now())}
    assert refused(world, case, "complication", told | {"unit": str(ids.new())}) == {"unit": "field-unit-unknown"}
    with world.begin() as db:
        for unit in ("", str(part.chain_id)):
            entries.submit(db, world.cast.surgeon.actor, case.id, "complication", told | {"unit": unit})


def test_a_complication_only_raises_the_urgency(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db, kind="flap")
        found = wall(ids.now() - HOUR)
        assert cases.get(db, surgeon, case.id).urgency == "routine"
        told = entries.submit(db, surgeon, case.id, "complication", {"kind": "venous_congestion", "found_at": found, "state": "ongoing"})
        assert cases.get(db, surgeon, case.id).urgency == "emergency"
        entries.correct(db, surgeon, told.id, {"state": "resolved"}, reason="revised, pink again")
        assert cases.get(db, surgeon, case.id).urgency == "emergency"
