"""The arithmetic of turns: no gap, no overlap, nobody twice, in every zone and over every change of the clocks."""

import datetime as dt
from itertools import islice, pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry import rotation
from registry.rotation import Plan, Rotation, Span, Stretch

PEOPLE = tuple(UUID(int=number) for number in range(1, 8))
A, B, C, D, *_ = PEOPLE
EIGHT, TWENTY = dt.time(8), dt.time(20)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
# with clocks that change at night, at midnight, by half an hour, in the southern summer, over the date line, and not at all
ZONES = (
    "Asia/Shanghai", "Asia/Urumqi", "Asia/Almaty", "Europe/Berlin", "America/New_York", "America/Havana", "Africa/Cairo",
    "Asia/Beirut", "America/Sao_Paulo", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Auckland", "Asia/Kathmandu",
)  # fmt: skip

moments = st.integers(946_684_800, 2_177_452_800).map(lambda second: dt.datetime.fromtimestamp(second, dt.UTC))
times = st.integers(0, 24 * 12 - 1).map(lambda five: dt.time(five // 12, five % 12 * 5))


@st.composite
def rotations(draw: st.DrawFn) -> Rotation:
    handovers = tuple(sorted(draw(st.lists(times, min_size=1, max_size=2, unique=True))))
    days = 1 if len(handovers) == 2 else draw(st.integers(1, 28))
    people = tuple(draw(st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=9)))
    begins_on = draw(st.dates(dt.date(2000, 1, 1), dt.date(2038, 1, 1)))
    return Rotation(people, draw(st.sampled_from(ZONES)), handovers, days, begins_on)


@st.composite
def spans(draw: st.DrawFn, around: dt.datetime) -> Span:
    since = around + dt.timedelta(hours=draw(st.integers(-200, 200)))
    return Span(draw(st.sampled_from(PEOPLE)), since, since + dt.timedelta(hours=draw(st.integers(0, 200))))


def utc(*told: int) -> dt.datetime:
    return dt.datetime(*told, tzinfo=dt.UTC)  # type: ignore[misc, arg-type]


def daily(*people: UUID, zone: str = "Asia/Shanghai", at: dt.time = EIGHT, days: int = 1, on: dt.date = dt.date(2026, 3, 1)) -> Rotation:
    return Rotation(people, zone, (at,), days, on)


@settings(max_examples=400, deadline=None)
@given(rotations(), moments)
def test_every_moment_lies_in_one_turn(made: Rotation, at: dt.datetime) -> None:
    turn = rotation.turn_at(made, at)
    if turn is None:
        assert at < rotation.begin(made, 0)
    else:
        assert rotation.begin(made, turn) <= at < rotation.begin(made, turn + 1)


@settings(max_examples=200, deadline=None)
@given(rotations(), st.integers(0, 5000))
def test_turns_never_run_backwards_and_change_when_the_wall_first_shows_the_time(made: Rotation, turn: int) -> None:
    begins = rotation.begin(made, turn)
    assert begins <= rotation.begin(made, turn + 1)
    zone, a_day = ZoneInfo(made.time_zone), len(made.handovers)
    wall = dt.datetime.combine(made.begins_on + turn // a_day * made.days * DAY, made.handovers[turn % a_day])
    assert begins.astimezone(zone).replace(tzinfo=None) >= wall
    # at no second of the two days before did the clock show it or a later time
    for before in (dt.timedelta(seconds=1), dt.timedelta(minutes=1), HOUR, 2 * HOUR, DAY, 2 * DAY):
        assert (begins - before).astimezone(zone).replace(tzinfo=None) < wall


@pytest.mark.parametrize(
    ("zone", "wall", "first"),
    [
        ("Europe/Berlin", (2026, 3, 29, 2, 30), utc(2026, 3, 29, 1)),  # 02:00 became 03:00
        ("Europe/Berlin", (2026, 10, 25, 2, 30), utc(2026, 10, 25, 0, 30)),  # 02:30 twice
        ("Africa/Cairo", (2026, 4, 24, 0, 0), utc(2026, 4, 23, 22)),  # midnight became 01:00
        ("America/Havana", (2026, 11, 1, 0, 0), utc(2026, 11, 1, 4)),  # midnight twice
        ("Pacific/Apia", (2011, 12, 30, 12, 0), utc(2011, 12, 30, 10)),  # a day that was not
        ("Asia/Urumqi", (2026, 3, 29, 0, 0), utc(2026, 3, 28, 18)),
        ("Asia/Shanghai", (2026, 3, 29, 8, 0), utc(2026, 3, 29, 0)),
    ],
)
def test_gap_and_overlap(zone: str, wall: tuple[int, ...], first: dt.datetime) -> None:
    assert rotation.first_moment(dt.datetime(*wall), ZoneInfo(zone)) == first  # type: ignore[arg-type]  # noqa: DTZ001


def test_a_night_turn_is_an_hour_shorter_in_spring_and_longer_in_autumn() -> None:
    for on, hours in ((dt.date(2026, 3, 28), 11), (dt.date(2026, 10, 24), 13), (dt.date(2026, 6, 1), 12)):
        made = Rotation((A, B), "Europe/Berlin", (EIGHT, TWENTY), 1, on)
        assert rotation.begin(made, 2) - rotation.begin(made, 1) == hours * HOUR


def test_turns_of_half_a_day_a_day_and_a_week() -> None:
    zone = ZoneInfo("Asia/Shanghai")
    half = Rotation((A, B, C), "Asia/Shanghai", (EIGHT, TWENTY), 1, dt.date(2026, 3, 2))
    firsts = [stretch.first for stretch in islice(rotation.turns(half, utc(2026, 3, 2, 1)), 7)]
    assert firsts == [A, B, C, A, B, C, A]
    week = daily(A, B, days=7, on=dt.date(2026, 3, 2))
    turns = list(islice(rotation.turns(week, utc(2026, 3, 1)), 3))
    assert [turn.begins.astimezone(zone).strftime("%d %H:%M") for turn in turns] == ["02 08:00", "09 08:00", "16 08:00"]
    assert [turn.people for turn in turns] == [(A, B), (B, A), (A, B)]


def test_an_order_may_name_somebody_twice_so_that_nights_change() -> None:
    made = Rotation((A, B, B, A), "Asia/Shanghai", (EIGHT, TWENTY), 1, dt.date(2026, 3, 2))
    nights = [stretch.first for stretch in islice(rotation.turns(made, utc(2026, 3, 2, 1)), 1, 4, 2)]
    assert nights == [B, A]
    assert rotation.order(made, utc(2026, 3, 2, 1), able=PEOPLE) == ((A, B), False)


def test_before_it_begins_nobody_but_who_covers() -> None:
    made, at = daily(A, B), utc(2026, 2, 1)
    assert rotation.order(made, at, able=PEOPLE) == ((), False)
    assert rotation.order(made, at, covers=[Span(C, at, at + HOUR)], able=PEOPLE) == ((C,), True)


def test_who_covers_stands_first_and_who_is_covered_last() -> None:
    made, at = daily(A, B, C), utc(2026, 3, 1, 1)
    one, two = Span(D, at - HOUR, at + HOUR), Span(C, at - HOUR, at + HOUR)
    assert rotation.order(made, at, able=PEOPLE) == ((A, B, C), False)
    assert rotation.order(made, at, covers=[one], able=PEOPLE) == ((D, B, C, A), True)
    assert rotation.order(made, at, covers=[one, two], able=PEOPLE) == ((C, D, B, A), True)
    assert rotation.order(made, at + HOUR, covers=[one, two], able=PEOPLE) == ((A, B, C), False)
    # a cover by somebody who cannot come is none
    assert rotation.order(made, at, covers=[one], absences=[one], able=PEOPLE) == ((A, B, C), False)
    assert rotation.order(made, at, covers=[one], able={A, B}) == ((A, B), False)


@settings(max_examples=300, deadline=None)
@given(st.data(), rotations(), moments)
def test_nobody_twice_nobody_absent_nobody_unable(data: st.DataObject, made: Rotation, at: dt.datetime) -> None:
    covers, absences = (data.draw(st.lists(spans(at), max_size=4)) for _ in range(2))
    able = data.draw(st.sets(st.sampled_from(PEOPLE)))
    people, covering = rotation.order(made, at, covers=covers, absences=absences, able=able)
    assert len(people) == len(set(people))
    assert able.issuperset(people)
    assert not any(span.holds(at) and span.person_id in people for span in absences)
    there = {span.person_id for span in covers if span.holds(at)}
    assert covering == bool(there & set(people))
    assert not covering or people[0] in there
    turn = rotation.turn_at(made, at)
    in_order = set(made.people) if turn is not None else set()
    away = {span.person_id for span in absences if span.holds(at)}
    assert set(people) == ((in_order | there) & able) - away, "everybody who can be called is called"


@settings(max_examples=150, deadline=None)
@given(st.data(), rotations(), moments)
def test_stretches_fill_the_time_and_agree_with_every_moment_in_it(data: st.DataObject, made: Rotation, at: dt.datetime) -> None:
    other = data.draw(rotations())
    change = at + dt.timedelta(hours=data.draw(st.integers(-50, 50)))
    plans = [Plan(made, at - DAY * 30, change), Plan(other, change)]
    covers, absences = (data.draw(st.lists(spans(at), max_size=4)) for _ in range(2))
    until = at + DAY * 9
    found = list(rotation.stretches(plans, at, until, covers=covers, absences=absences, able=PEOPLE[:5]))
    assert (found[0].begins, found[-1].ends) == (at, until)
    for one, then in pairwise(found):
        assert one.ends == then.begins
        assert (one.people, one.covering) != (then.people, then.covering), "cut where nothing changes"
    for hours in range(0, 9 * 24, 7):
        moment = at + hours * HOUR
        stands = next(one for one in found if one.begins <= moment < one.ends)
        now = made if moment < change else other
        assert (stands.people, stands.covering) == rotation.order(now, moment, covers=covers, absences=absences, able=PEOPLE[:5])


def test_who_is_put_on_and_who_is_taken_off() -> None:
    at = utc(2026, 3, 1)

    def line(*people: UUID | None, late: dt.timedelta = dt.timedelta()) -> list[Stretch]:
        return [
            Stretch(at + number * DAY + (late if not number else 0 * DAY), at + (number + 1) * DAY, (person,) if person else ())
            for number, person in enumerate(people)
        ]

    assert rotation.shifted(line(A, B), line(A, B)) == (frozenset(), frozenset())
    assert rotation.shifted(line(A, B), line(B, A)) == ({A, B}, {A, B})
    assert rotation.shifted(line(A, B), line(A, C)) == ({C}, {B})
    assert rotation.shifted(line(A, None), line(A, C)) == ({C}, frozenset())
    assert rotation.shifted([], line(A)) == ({A}, frozenset())
    assert rotation.shifted(line(A), []) == (frozenset(), {A})
    assert rotation.shifted([], []) == (frozenset(), frozenset())
    # looked at a moment later: what only one of them tells of is no change
    assert rotation.shifted(line(A, B), line(A, B, C, late=HOUR)) == (frozenset(), frozenset())
