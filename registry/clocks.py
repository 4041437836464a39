"""The ischaemia clock: how long a severed unit has been without blood, warm and cold, never combined.

Warm runs from injury to proper cooling, cold from there to arterial reflow. Cooling that is unknown,
absent or wrong (direct ice, frozen, immersed) counts as warm, and a time that contradicts another is
never used to make a clock shorter: of several injuries the earliest known time counts, of several reflows of a
part the latest (``registry.entries`` refuses a second that differs). A part whose
circulation is present is not ischaemic and has no clock. Marks are policy with a source, kept in
``marks/ischaemia.toml``; passing one may raise the urgency, nothing here lowers it. Clinical reference §5.
Pure: no database.
"""

import datetime as dt
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict

from registry import valuesets
from registry.forms.amputation import Amputation
from registry.forms.fields import Moment
from registry.forms.injury import Injury
from registry.forms.replant import Replant

URGENCIES = ("routine", "urgent", "emergency")
CIRCULATED = frozenset({"incomplete_viable"})


class Unit(BaseModel):
    """What the clock of one unit needs: codes and instants in UTC, nothing else."""

    model_config = ConfigDict(frozen=True)

    part: str
    side: str
    limb: bool
    injured_at: dt.datetime | None
    precision: str
    storage: str
    cooling_started_at: dt.datetime | None
    reflow_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark of the scale: for ``limb`` or ``digit``, ``warm`` or ``cold``, with its source."""

    part: str
    kind: str
    hours: float
    urgency: str
    source_zh: str
    source_en: str
    confirmed: bool

    @property
    def after(self) -> dt.timedelta:
        """How much ischaemia the mark stands at."""
        return dt.timedelta(hours=self.hours)

    def source(self, language: str) -> str:
        """Where the mark comes from."""
        return self.source_zh if language == "zh" else self.source_en


@dataclass(frozen=True, slots=True)
class Reading:
    """The clocks of one unit at one moment.

    ``warm`` and ``cold`` are durations, or None: warm is None only while the time of injury is unknown,
    cold is None unless the part was properly cooled at a known time. ``running`` says which one still
    counts, or ``stopped`` (reflow) or ``unknown``. ``passed`` are the marks reached, ``next_mark`` the
    next of the running clock and ``next_at`` when it comes. ``problems`` are codes of contradictions.
    """

    unit: Unit
    warm: dt.timedelta | None
    cold: dt.timedelta | None
    running: Literal["warm", "cold", "stopped", "unknown"]
    marks: tuple[Mark, ...]
    passed: tuple[Mark, ...]
    next_mark: Mark | None
    next_at: dt.datetime | None
    problems: tuple[str, ...]

    @property
    def raises_to(self) -> str:
        """The urgency that the passed marks ask for at the least; ``routine`` when none is passed or flow is back."""
        if self.running == "stopped":
            return "routine"
        return max((mark.urgency for mark in self.passed), key=URGENCIES.index, default="routine")


@cache
def marks(limb: bool) -> tuple[Mark, ...]:
    """The marks of a limb with muscle or of a digit, warm before cold, in order of hours."""
    data = tomllib.loads((files("registry") / "marks" / "ischaemia.toml").read_text(encoding="utf-8"))
    part = "limb" if limb else "digit"
    rows = [Mark(**row) for row in data["marks"] if row["part"] == part]
    return tuple(sorted(rows, key=lambda mark: (mark.kind != "warm", mark.hours)))


def units(severed: Mapping[str, Amputation], injuries: Sequence[Injury], replants: Sequence[Replant] = ()) -> list[Unit]:
    """The clocks of a case: one for each severed unit that has no circulation. ``severed`` is keyed as a replant names its unit."""
    return [
        unit(item, injuries, [replant for replant in replants if replant.unit == key])
        for key, item in severed.items()
        if item.completeness not in CIRCULATED
    ]


def unit(document: Amputation, injuries: Sequence[Injury], replants: Iterable[Replant] = ()) -> Unit:
    """The clock of a severed unit; ``replants`` are those of this unit."""
    told = injured_at(document, injuries)
    return Unit(
        part=document.part,
        side=document.side,
        limb=document.has_muscle,
        injured_at=_at(told),
        precision=told.precision if told else "unknown",
        storage=document.storage,
        cooling_started_at=_at(document.cooling_started_at),
        reflow_at=reflow_at(document, replants),
    )


def reflow_at(document: Amputation, replants: Iterable[Replant]) -> dt.datetime | None:
    """The arterial reflow that counts for a severed unit: the latest known, of its own document and its replantations.

    A time that nobody knows stops no clock.
    """
    told = [document.reflow_at, *(replant.reflow_at for replant in replants)]
    return max((moment.at for moment in told if moment and moment.at), default=None)


def disagreements(document: Amputation, injuries: Sequence[Injury], replant: Replant, others: Iterable[Replant]) -> dict[str, str]:
    """What a replantation contradicts that the severed unit, the injuries or the ``others`` of the unit say, as {field: code}.

    Its reflow does not come before the injury or the cooling, and is the minute that another document told already.
    """
    reflow = _at(replant.reflow_at)
    if reflow is None:
        return {}
    injured, cooled = _at(injured_at(document, injuries)), _at(document.cooling_started_at)
    if injured and reflow < injured:
        return {"reflow_at": "field-before-injury"}
    if cooled and reflow < cooled:
        return {"reflow_at": "field-before-cooling"}
    told = reflow_at(document, others)
    return {"reflow_at": "field-reflow-differs"} if told and _minute(told) != _minute(reflow) else {}


def unit_disagreements(document: Amputation, injuries: Sequence[Injury], replants: Iterable[Replant]) -> dict[str, str]:
    """As ``disagreements``, for a severed unit whose replantations are told already."""
    reflow = reflow_at(document.model_copy(update={"reflow_at": None}), replants)
    if reflow is None:
        return {}
    wrong: dict[str, str] = {}
    for name, moment in (("injured_at", injured_at(document, injuries)), ("cooling_started_at", document.cooling_started_at)):
        if moment and moment.at and moment.at > reflow:
            wrong[name] = "field-after-reflow"
    own = _at(document.reflow_at)
    if own and _minute(own) != _minute(reflow):
        wrong["reflow_at"] = "field-reflow-differs"
    return wrong


def _minute(at: dt.datetime) -> dt.datetime:
    """A form tells a time to the minute."""
    return at.replace(second=0, microsecond=0)


def injured_at(document: Amputation, injuries: Iterable[Injury]) -> Moment | None:
    """The time of injury that counts for a severed unit: its own if it is known, else the earliest known of the injuries.

    One more injury, told later or at an unknown time, makes no clock shorter and stops none. Where no time
    is known: that it was said to be unknown, or None when nothing was said.
    """
    own = document.injured_at
    if own is not None and own.at is not None:
        return own
    told = first_injured_at(injuries)
    return told if told and told.at else own or told


def first_injured_at(injuries: Iterable[Injury]) -> Moment | None:
    """The earliest known time of injury; where none is known that it was said to be unknown, None when nothing was said."""
    told = [injury.injured_at for injury in injuries if injury.injured_at is not None]
    known = {moment.at: moment for moment in told if moment.at is not None}
    return known[min(known)] if known else next(iter(told), None)


def _at(moment: Moment | None) -> dt.datetime | None:
    return moment.at if moment else None


def cools(storage: str) -> bool:
    """Whether a way of storing the part counts as cooling: only what the value set says is cold."""
    storages = valuesets.value_set("storage")
    return storage in storages.codes and storages.option(storage).extra["counted"] == "cold"


def read(unit: Unit, now: dt.datetime) -> Reading:
    """The clocks of a unit at ``now`` (aware)."""
    all_marks = marks(unit.limb)
    injured = unit.injured_at
    if injured is None:
        return Reading(unit, None, None, "unknown", all_marks, (), None, None, ("clock-injury-unknown",))
    problems: list[str] = []
    reflow = unit.reflow_at
    if reflow is not None and reflow < injured:
        problems.append("clock-reflow-before-injury")
        reflow = None
    elif reflow is not None and reflow > now:
        problems.append("clock-reflow-in-future")
        reflow = None
    if injured > now:
        problems.append("clock-injury-in-future")
    end = max(reflow or now, injured)
    cooled = _cooled(unit, injured, end, problems)
    warm = (cooled or end) - injured
    cold = end - cooled if cooled is not None else None
    passed = tuple(mark for mark in all_marks if _span(mark, warm, cold) >= mark.after)
    if reflow is not None:
        return Reading(unit, warm, cold, "stopped", all_marks, passed, None, None, tuple(problems))
    running: Literal["warm", "cold"] = "warm" if cooled is None else "cold"
    ahead = [mark for mark in all_marks if mark.kind == running and mark not in passed]
    next_mark = ahead[0] if ahead else None
    next_at = (cooled or injured) + next_mark.after if next_mark else None
    return Reading(unit, warm, cold, running, all_marks, passed, next_mark, next_at, tuple(problems))


def _span(mark: Mark, warm: dt.timedelta, cold: dt.timedelta | None) -> dt.timedelta:
    return warm if mark.kind == "warm" else cold or dt.timedelta(0)


def _cooled(unit: Unit, injured: dt.datetime, end: dt.datetime, problems: list[str]) -> dt.datetime | None:
    """When proper cooling began, or None where all of it counts as warm."""
    started = unit.cooling_started_at
    if not cools(unit.storage):
        if started is not None:
            problems.append("clock-cooling-counts-as-warm")
        return None
    if started is None:
        problems.append("clock-cooling-time-unknown")
        return None
    if started < injured:
        problems.append("clock-cooling-before-injury")
        return None
    if started > end:
        problems.append("clock-cooling-after-end")
        return None
    return started


def raises_to(readings: Iterable[Reading]) -> str:
    """The highest urgency that any of the clocks asks for."""
    return max((reading.raises_to for reading in readings), key=URGENCIES.index, default="routine")
