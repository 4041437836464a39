"""Rotation: who stands in a duty, and from when to when, as plain arithmetic. Nothing here touches a database.

A rotation is an order of people who follow each other, turn by turn, from a day on. Turns change at the wall
clock of the roster's own zone, whatever the offset from UTC is that day. **A handover is at the first moment at
which the clock on that wall shows its time or a later one**: when the clocks go back and show it twice, the first
time counts; when they jump over it, the handover is at the jump. So turns never run backwards, none is lost and
none overlaps another, at midnight too; a turn is an hour longer or shorter on such a day.

The order may name somebody more than once (A, B, C, C, B, A): with day and night turns and an even number of
people the same ones would otherwise have every night.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

_SECOND = dt.timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Rotation:
    """People in order, each for a turn of ``days`` days from ``handovers[0]`` on; with two handovers a day, for half a day."""

    people: tuple[UUID, ...]
    time_zone: str
    handovers: tuple[dt.time, ...]
    days: int
    begins_on: dt.date


@dataclass(frozen=True, slots=True)
class Span:
    """A person over a time: away, or there instead of whoever's turn it is."""

    person_id: UUID
    since: dt.datetime
    until: dt.datetime

    def holds(self, at: dt.datetime) -> bool:
        """Whether it is now: from ``since`` up to but not at ``until``."""
        return self.since <= at < self.until


@dataclass(frozen=True, slots=True)
class Plan:
    """A rotation and while it is in force; ``until`` None is until further notice."""

    rotation: Rotation
    since: dt.datetime
    until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time through which the same people stand in the same order, the first to be called first; empty when nobody is able."""

    begins: dt.datetime
    ends: dt.datetime
    people: tuple[UUID, ...]
    covering: bool = False

    @property
    def first(self) -> UUID | None:
        """Who is on duty."""
        return self.people[0] if self.people else None


def first_moment(wall: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """When a clock of the zone first shows ``wall`` (without a zone) or a later time, in UTC and to the second.

    By PEP 495 a time that is shown twice reads earlier with ``fold=0``, and one that is jumped over reads later.
    """
    one, other = (wall.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
    if one <= other:
        return one
    before, after = other, one
    while after - before > _SECOND:
        middle = before + (after - before) // 2 // _SECOND * _SECOND
        if middle.astimezone(zone).replace(tzinfo=None) < wall:
            before = middle
        else:
            after = middle
    return after


def begin(rotation: Rotation, turn: int) -> dt.datetime:
    """When a turn begins; turns count from 0."""
    a_day = len(rotation.handovers)
    day = rotation.begins_on + dt.timedelta(days=turn // a_day * rotation.days)
    return first_moment(dt.datetime.combine(day, rotation.handovers[turn % a_day]), ZoneInfo(rotation.time_zone))


def turn_at(rotation: Rotation, at: dt.datetime) -> int | None:
    """Which turn it is at that moment; None before the first."""
    today = at.astimezone(ZoneInfo(rotation.time_zone)).date()
    turn = ((today - rotation.begins_on).days // rotation.days + 1) * len(rotation.handovers)
    while turn >= 0 and begin(rotation, turn) > at:
        turn -= 1
    return turn if turn >= 0 else None


def turns(rotation: Rotation, since: dt.datetime) -> Iterator[Stretch]:
    """The turns from the one at hand on, as the order alone has them, without end."""
    turn = turn_at(rotation, since) or 0
    while True:
        yield Stretch(begin(rotation, turn), begin(rotation, turn + 1), _line(rotation, turn))
        turn += 1


def order(
    rotation: Rotation | None,
    at: dt.datetime,
    *,
    covers: Iterable[Span] = (),
    absences: Iterable[Span] = (),
    able: Collection[UUID],
) -> tuple[tuple[UUID, ...], bool]:
    """Whom to call at that moment, the first first, and whether the first stands in for somebody.

    The rotation goes on from the turn at hand, so whoever is next is the backup. Who is absent or not ``able``
    (disabled, without the role) is left out. Who covers stands first, the cover entered last before earlier ones;
    whoever is covered comes last, for they asked to be free. Nobody appears twice.
    """
    away = {span.person_id for span in absences if span.holds(at)}
    there = [span.person_id for span in covers if span.holds(at)]
    instead = [person for person in reversed(there) if person in able and person not in away]
    turn = turn_at(rotation, at) if rotation else None
    line = _line(rotation, turn) if rotation and turn is not None else ()
    if instead:
        line = tuple(person for person in line if person != line[0]) + line[:1]
    called = [*instead, *(person for person in line if person in able and person not in away)]
    return tuple(dict.fromkeys(called)), bool(instead)


def stretches(
    plans: Sequence[Plan],
    since: dt.datetime,
    until: dt.datetime,
    *,
    covers: Sequence[Span] = (),
    absences: Sequence[Span] = (),
    able: Collection[UUID],
) -> Iterator[Stretch]:
    """The time from ``since`` to ``until`` without a gap, cut where the people or their order change."""
    edges = {moment for span in (*covers, *absences) for moment in (span.since, span.until)}
    edges |= {moment for plan in plans for moment in (plan.since, plan.until) if moment}
    at, held = since, None
    while at < until:
        rotation = next((p.rotation for p in plans if p.since <= at and (p.until is None or at < p.until)), None)
        people, covering = order(rotation, at, covers=covers, absences=absences, able=able)
        ends = min([until, *(edge for edge in edges if edge > at), *_turn_end(rotation, at)])
        if held is not None and (held.people, held.covering) == (people, covering):
            held = Stretch(held.begins, ends, people, covering)
        else:
            if held is not None:
                yield held
            held = Stretch(at, ends, people, covering)
        at = ends
    if held is not None:
        yield held


def shifted(before: Sequence[Stretch], after: Sequence[Stretch]) -> tuple[frozenset[UUID], frozenset[UUID]]:
    """Who is on duty at some time ``after`` and not ``before``, and who the other way round, over the time that both tell of.

    A line without stretches is that of a roster that is not there: nobody, at any time.
    """
    told = [line for line in (before, after) if line]
    if not told:
        return frozenset(), frozenset()
    since, until = max(line[0].begins for line in told), min(line[-1].ends for line in told)
    edges = {since, *(one.begins for line in told for one in line if since < one.begins < until)}
    pairs = [(_first_at(before, moment), _first_at(after, moment)) for moment in edges]
    on = frozenset(new for old, new in pairs if new is not None and new != old)
    off = frozenset(old for old, new in pairs if old is not None and new != old)
    return on, off


def _line(rotation: Rotation, turn: int) -> tuple[UUID, ...]:
    place = turn % len(rotation.people)
    return rotation.people[place:] + rotation.people[:place]


def _turn_end(rotation: Rotation | None, at: dt.datetime) -> list[dt.datetime]:
    if rotation is None:
        return []
    turn = turn_at(rotation, at)
    return [begin(rotation, 0 if turn is None else turn + 1)]


def _first_at(line: Sequence[Stretch], at: dt.datetime) -> UUID | None:
    return next((one.first for one in line if one.begins <= at < one.ends), None)
