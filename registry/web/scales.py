"""The ischaemia clock as it is drawn: a neutral scale with sourced marks, one for warm, one for cold.

Geometry and words only; what counts is decided in ``registry.clocks``. The two scales are never added,
and nothing here has a reassuring colour. A scale reaches a quarter past its last mark, or past the time
itself once that is longer, so that the dot never leaves it.
"""

import datetime as dt
from dataclasses import dataclass

from registry import clocks
from registry.web.moments import Clock
from registry.web.pages import label
from registry.web.translations import PSEUDO, pseudo, translate

HEADROOM = 1.25
PAST_HEADROOM = 1.08


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the scale; ``at`` is a percentage of its length."""

    at: float
    words: str
    anchor: str
    passed: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """One scale. ``kind`` is ``warm`` or ``cold``; ``at`` a percentage; ``words`` what a screen reader says."""

    kind: str
    minutes: int
    running: bool
    at: float
    ticks: tuple[Tick, ...]
    words: str


@dataclass(frozen=True, slots=True)
class UnitClock:
    """The clocks of one severed unit with what has to be said about them."""

    name: str
    scales: tuple[Scale, ...]
    notes: tuple[str, ...]
    sources: tuple[str, ...]


def of(reading: clocks.Reading, when: Clock) -> UnitClock:
    """What is drawn for one reading."""
    language = when.language
    spans = (("warm", reading.warm), ("cold", reading.cold))
    scales = tuple(_scale(kind, span, reading, when) for kind, span in spans if span is not None)
    notes = [translate(language, code) for code in reading.problems]
    if reading.running == "stopped" and reading.unit.reflow_at:
        notes.append(translate(language, "clock-stopped", at=when.exact(reading.unit.reflow_at)))
    elif reading.next_mark and reading.next_at:
        mark = reading.next_mark
        notes.append(translate(language, f"clock-next-{mark.kind}", hours=_hours(mark.hours), at=when.exact(reading.next_at)))
    sources = tuple(
        translate(language, "clock-source", hours=_hours(m.hours), kind=translate(language, f"clock-{m.kind}"), source=_source(language, m))
        for m in reading.marks
    )
    name = f"{label(language, 'part', reading.unit.part)} · {label(language, 'side', reading.unit.side)}"
    return UnitClock(name, scales, tuple(notes), sources)


def _source(language: str, mark: clocks.Mark) -> str:
    text = mark.source(language)
    return pseudo(text) if language == PSEUDO else text


def running(reading: clocks.Reading, when: Clock) -> list[dict[str, str | int | bool]]:
    """The clocks of one unit for the viewer's corner: label, seconds so far, whether they go on."""
    unit = of(reading, when)
    return [
        {
            "label": f"{translate(when.language, f'clock-{scale.kind}')} · {unit.name}",
            "seconds": scale.minutes * 60,
            "running": scale.running,
        }
        for scale in unit.scales
    ]


def _scale(kind: str, span: dt.timedelta, reading: clocks.Reading, when: Clock) -> Scale:
    language = when.language
    marks = [mark for mark in reading.marks if mark.kind == kind]
    hours = span.total_seconds() / 3600
    reach = max(HEADROOM * max((mark.hours for mark in marks), default=12.0), PAST_HEADROOM * hours)
    ticks = tuple(
        Tick(round(100 * m.hours / reach, 2), translate(language, "clock-mark", hours=_hours(m.hours)), "middle", m in reading.passed)
        for m in marks
    )
    told = translate(language, f"clock-words-{kind}", span=when.span(span), marks=", ".join(tick.words for tick in ticks) or "–")
    return Scale(kind, int(span.total_seconds() // 60), reading.running == kind, round(100 * hours / reach, 2), ticks, told)


def _hours(hours: float) -> str:
    return f"{hours:g}"
