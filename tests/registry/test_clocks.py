"""The ischaemia clock: over zones, midnight and daylight changes, in any order of times, and never in one's favour."""

import datetime as dt
from itertools import permutations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import clocks, valuesets
from registry.clocks import Unit
from registry.forms import fields
from registry.forms.amputation import Amputation
from registry.forms.injury import Injury
from registry.forms.replant import Replant

NOW = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
ZONES = ["Asia/Shanghai", "Asia/Urumqi", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"]
STORAGES = sorted(valuesets.value_set("storage").codes)

_SPAN = [dt.datetime.fromisoformat(day) for day in ("2020-01-01", "2030-01-01")]
instants = st.datetimes(*_SPAN).map(lambda moment: moment.replace(tzinfo=dt.UTC))
spans = st.timedeltas(dt.timedelta(), dt.timedelta(days=3))


def unit(
    injured: dt.datetime | None = None,
    *,
    storage: str = "not_assessed",
    cooled: dt.datetime | None = None,
    reflow: dt.datetime | None = None,
    limb: bool = False,
) -> Unit:
    return Unit(
        part="arm" if limb else "index",
        side="left",
        limb=limb,
        injured_at=injured,
        precision="exact",
        storage=storage,
        cooling_started_at=cooled,
        reflow_at=reflow,
    )


def test_warm_runs_until_proper_cooling_and_cold_from_there() -> None:
    reading = clocks.read(unit(NOW - 5 * HOUR, storage="sealed_on_ice", cooled=NOW - 3 * HOUR), NOW)
    assert (reading.warm, reading.cold, reading.running) == (2 * HOUR, 3 * HOUR, "cold")
    assert reading.passed == ()
    assert reading.next_mark is not None
    assert (reading.next_mark.kind, reading.next_mark.hours) == ("cold", 24)
    assert reading.next_at == NOW + 21 * HOUR


def test_reflow_stops_both_and_nothing_asks_for_more_urgency() -> None:
    reading = clocks.read(unit(NOW - 20 * HOUR, storage="dry_iced", cooled=NOW - 13 * HOUR, reflow=NOW - HOUR), NOW)
    assert (reading.warm, reading.cold, reading.running) == (7 * HOUR, 12 * HOUR, "stopped")
    assert [mark.hours for mark in reading.passed] == [6]
    assert reading.raises_to == "routine"
    assert reading.next_mark is None


@pytest.mark.parametrize("storage", [code for code in STORAGES if not clocks.cools(code)])
def test_unknown_absent_or_wrong_cooling_counts_as_warm(storage: str) -> None:
    reading = clocks.read(unit(NOW - 7 * HOUR, storage=storage, cooled=NOW - 6 * HOUR), NOW)
    assert (reading.warm, reading.cold, reading.running) == (7 * HOUR, None, "warm")
    assert "clock-cooling-counts-as-warm" in reading.problems
    assert reading.raises_to == "emergency"


def test_a_storage_nobody_knows_does_not_cool() -> None:
    assert not clocks.cools("liquid_nitrogen")


def test_cooling_at_an_unknown_time_counts_as_warm() -> None:
    reading = clocks.read(unit(NOW - 4 * HOUR, storage="sealed_on_ice"), NOW)
    assert (reading.warm, reading.cold) == (4 * HOUR, None)
    assert reading.problems == ("clock-cooling-time-unknown",)


@pytest.mark.parametrize(
    ("times", "problem"),
    [
        ({"cooled": NOW - 6 * HOUR}, "clock-cooling-before-injury"),
        ({"cooled": NOW + HOUR}, "clock-cooling-after-end"),
        ({"cooled": NOW - HOUR, "reflow": NOW - 2 * HOUR}, "clock-cooling-after-end"),
        ({"reflow": NOW - 6 * HOUR}, "clock-reflow-before-injury"),
        ({"reflow": NOW + HOUR}, "clock-reflow-in-future"),
    ],
)
def test_a_time_in_the_wrong_order_is_named_and_never_shortens_a_clock(times: dict[str, dt.datetime], problem: str) -> None:
    reading = clocks.read(unit(NOW - 5 * HOUR, storage="sealed_on_ice", **times), NOW)
    assert problem in reading.problems
    usable = [at for name, at in times.items() if name == "reflow" and NOW - 5 * HOUR <= at <= NOW]
    assert reading.warm == (usable[0] if usable else NOW) - (NOW - 5 * HOUR)
    assert reading.cold is None


def test_without_a_time_of_injury_there_is_no_number() -> None:
    reading = clocks.read(unit(None, storage="sealed_on_ice", cooled=NOW), NOW)
    assert (reading.warm, reading.cold, reading.running) == (None, None, "unknown")


def test_an_injury_in_the_future_is_named_and_shows_zero() -> None:
    reading = clocks.read(unit(NOW + HOUR), NOW)
    assert (reading.warm, reading.problems) == (dt.timedelta(0), ("clock-injury-in-future",))


def test_a_part_with_muscle_has_the_marks_of_a_limb() -> None:
    assert [(mark.kind, mark.hours) for mark in clocks.marks(limb=True)] == [("warm", 4), ("warm", 6), ("cold", 12)]
    assert [(mark.kind, mark.hours) for mark in clocks.marks(limb=False)] == [("warm", 6), ("warm", 12), ("cold", 24)]
    for part, level, muscle in (
        ("index", "digit", False),
        ("index", "transmetacarpal", True),
        ("hand", "wrist", True),
        ("toe", "toe", False),
    ):
        assert Amputation(part=part, side="left", level=level).has_muscle is muscle


def test_every_mark_names_its_source_in_both_languages_and_raises_never_to_routine() -> None:
    for mark in (*clocks.marks(limb=True), *clocks.marks(limb=False)):
        assert mark.source("zh")
        assert mark.source("en")
        assert mark.urgency in {"urgent", "emergency"}


@given(injured=instants, warm=spans, cold=spans, later=spans, limb=st.booleans())
def test_warm_and_cold_are_never_combined(
    injured: dt.datetime, warm: dt.timedelta, cold: dt.timedelta, later: dt.timedelta, limb: bool
) -> None:
    cooled = injured + warm
    reading = clocks.read(unit(injured, storage="sealed_on_ice", cooled=cooled, limb=limb), cooled + cold)
    assert (reading.warm, reading.cold) == (warm, cold)
    for mark in reading.passed:
        assert (warm if mark.kind == "warm" else cold) >= mark.after
    after = clocks.read(unit(injured, storage="sealed_on_ice", cooled=cooled, limb=limb), cooled + cold + later)
    assert after.warm == warm, "a cooled part's warm clock stands still"
    assert set(reading.passed) <= set(after.passed), "a mark once passed stays passed"


@given(
    injured=instants,
    cooled=st.none() | instants,
    reflow=st.none() | instants,
    now=instants,
    storage=st.sampled_from(STORAGES),
    limb=st.booleans(),
)
def test_any_order_of_times_gives_a_clock_that_is_at_least_as_long_as_the_truth(
    injured: dt.datetime, cooled: dt.datetime | None, reflow: dt.datetime | None, now: dt.datetime, storage: str, limb: bool
) -> None:
    reading = clocks.read(unit(injured, storage=storage, cooled=cooled, reflow=reflow, limb=limb), now)
    assert reading.warm is not None
    assert reading.warm >= dt.timedelta(0)
    assert reading.cold is None or reading.cold >= dt.timedelta(0)
    end = reflow if reflow is not None and injured <= reflow <= now else max(now, injured)
    assert reading.warm + (reading.cold or dt.timedelta(0)) == end - injured
    if reading.cold is not None:
        assert clocks.cools(storage)
        assert cooled is not None
        assert injured <= cooled <= end
    if not clocks.cools(storage) or cooled is None:
        assert reading.cold is None
    if reading.next_at is not None:
        assert reading.next_at > now


@given(start=instants, span=spans, here=st.sampled_from(ZONES), there=st.sampled_from(ZONES))
def test_the_zone_in_which_a_time_is_told_changes_nothing(start: dt.datetime, span: dt.timedelta, here: str, there: str) -> None:
    start = start.replace(second=0, microsecond=0)
    cooled = (start + span).replace(second=0, microsecond=0)
    told = {
        "injured_at": start.astimezone(ZoneInfo(here)).isoformat(),
        "injured_at.zone": here,
        "mechanism": "crush",
    }
    severed = {
        "part": "index",
        "side": "left",
        "completeness": "complete",
        "storage": "sealed_on_ice",
        "cooling_started_at": cooled.astimezone(ZoneInfo(there)).isoformat(),
        "cooling_started_at.zone": there,
    }
    now = cooled + HOUR
    injury = fields.parse(Injury, told, zone="UTC", now=now)
    part = fields.parse(Amputation, severed, zone="UTC", now=now)
    reading = clocks.read(clocks.unit(part, [injury]), now)
    assert (reading.warm, reading.cold) == (cooled - start, HOUR)


def test_the_clock_runs_over_midnight_between_beijing_and_xinjiang_time() -> None:
    injury = Injury.read({"injured_at": "2026-11-19T23:30", "mechanism": "crush"}, zone="Asia/Urumqi", now=NOW)
    raw = {"part": "thumb", "side": "right", "completeness": "complete", "storage": "dry_iced"}
    cooled = {"cooling_started_at": "2026-11-20T02:10", "cooling_started_at.zone": "Asia/Shanghai"}
    part = Amputation.read({**raw, **cooled}, zone="Asia/Urumqi", now=NOW)
    reading = clocks.read(clocks.unit(part, [injury]), NOW)
    assert reading.warm == dt.timedelta(minutes=40)
    assert reading.cold == dt.timedelta(hours=14, minutes=50)


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 5), ("2026-10-25", 7)])
def test_a_night_of_changing_clocks_has_an_hour_less_or_more(day: str, hours: int) -> None:
    injury = Injury.read({"injured_at": f"{day}T00:00", "mechanism": "crush"}, zone="Europe/Berlin", now=NOW)
    part = Amputation(part="index", side="left", reflow_at=_moment(f"{day}T06:00", "Europe/Berlin"))
    assert clocks.read(clocks.unit(part, [injury]), NOW).warm == hours * HOUR


def test_the_units_own_time_of_injury_goes_before_that_of_the_injury() -> None:
    injury = Injury(injured_at=_moment("2026-11-20T08:00", "UTC"), mechanism="crush")
    part = Amputation(part="index", side="left", injured_at=_moment("2026-11-20T07:00", "UTC"))
    assert clocks.read(clocks.unit(part, [injury]), NOW).warm == 2 * HOUR
    unknown = Amputation(part="index", side="left", injured_at=fields.Moment(at=None, precision="unknown"))
    assert clocks.read(clocks.unit(unknown, [injury]), NOW).warm == HOUR


def test_of_several_injuries_the_earliest_known_time_counts_in_any_order() -> None:
    early, late = (Injury(injured_at=_moment(f"2026-11-20T0{hour}:00", "UTC"), mechanism="crush") for hour in (5, 8))
    unknown = Injury(injured_at=fields.Moment(at=None, precision="unknown"), mechanism="crush")
    part = Amputation(part="index", side="left")
    for told in permutations((early, late, unknown)):
        assert clocks.injured_at(part, told) == early.injured_at
        assert clocks.read(clocks.unit(part, told), NOW).warm == 4 * HOUR
    assert clocks.injured_at(part, [unknown]) == unknown.injured_at
    assert clocks.read(clocks.unit(part, [unknown]), NOW).running == "unknown"
    assert clocks.injured_at(part, []) is None


def test_the_reflow_of_a_replantation_stops_the_clock_of_its_own_unit_alone() -> None:
    injury = Injury(injured_at=_moment("2026-11-20T01:00", "UTC"), mechanism="crush")
    part = Amputation(part="index", side="left", completeness="complete")
    replant = Replant(unit="a", reflow_at=_moment("2026-11-20T06:00", "UTC"))
    first, second = (clocks.read(unit, NOW) for unit in clocks.units({"a": part, "b": part}, [injury], [replant]))
    assert (first.running, first.warm, first.raises_to) == ("stopped", 5 * HOUR, "routine")
    assert (second.running, second.warm) == ("warm", 8 * HOUR)


def test_a_reflow_at_an_unknown_time_stops_no_clock_and_of_several_the_latest_counts() -> None:
    injury = Injury(injured_at=_moment("2026-11-20T01:00", "UTC"), mechanism="crush")
    part = Amputation(part="index", side="left", reflow_at=_moment("2026-11-20T05:00", "UTC"))
    unknown = Replant(unit="a", reflow_at=fields.Moment(at=None, precision="unknown"))
    late = Replant(unit="a", reflow_at=_moment("2026-11-20T06:00", "UTC"))
    silent = part.model_copy(update={"reflow_at": None})
    assert clocks.read(clocks.unit(silent, [injury], [unknown]), NOW).running == "warm"
    for replants in ([unknown, late], [late, unknown]):
        assert clocks.read(clocks.unit(part, [injury], replants), NOW).warm == 5 * HOUR
    early = Replant(unit="a", reflow_at=_moment("2026-11-20T04:00", "UTC"))
    assert clocks.read(clocks.unit(part, [injury], [early]), NOW).warm == 4 * HOUR


@pytest.mark.parametrize("completeness", sorted(valuesets.value_set("completeness").codes))
def test_a_part_that_has_its_circulation_has_no_clock_and_every_other_has_one(completeness: str) -> None:
    injury = Injury(injured_at=_moment("2026-11-20T07:00", "UTC"), mechanism="crush")
    part = Amputation(part="index", side="left", completeness=completeness)
    assert len(clocks.units({"a": part, "b": part}, [injury])) == (0 if completeness == "incomplete_viable" else 2)


def test_the_highest_of_several_clocks_counts() -> None:
    slow = clocks.read(unit(NOW - HOUR), NOW)
    late = clocks.read(unit(NOW - 7 * HOUR), NOW)
    assert clocks.raises_to([slow, late]) == "emergency"
    assert clocks.raises_to([slow]) == clocks.raises_to([]) == "routine"


def _moment(text: str, zone: str) -> fields.Moment:
    at = fields.instant(dt.datetime.fromisoformat(text), ZoneInfo(zone))
    return fields.Moment(at=at, zone=zone)
