"""The times of an open fracture: antibiotic, debridement and cover, each against the limit that published policy sets from the injury.

They are the items with a time of the British standard for open fractures (BOAST, December 2017), which excludes the
hand, the wrist and the forefoot. Limits are policy with a source, kept in ``marks/open_fracture.toml``. What is not
known never makes a limit longer: without an energy told as low or medium the limit of high energy holds. Clinical
reference §4. Pure: no database.
"""

import datetime as dt
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict

from registry.forms.fields import Document, Moment
from registry.forms.flap import Flap
from registry.forms.fracture import Fracture
from registry.forms.injury import Injury
from registry.forms.operation import Operation
from registry.forms.structures import Structures
from registry.forms.wound import Wound
from registry.redflags import HIGH_RISK

# carpus, metacarpals, phalanges, forefoot: the standard leaves them out
EXCLUDED = ("7", "87", "88", "89")
LOW_ENERGY = frozenset({"low", "medium"})
LOW_GRADES = frozenset({"type_1", "type_2", "unknown", "not_assessed"})
COVERING = frozenset({"primary_closure", "skin_graft", "local_flap", "free_flap"})


@dataclass(frozen=True, slots=True)
class Limit:
    """How many hours from the injury a step is asked for, by which rule, and whose word that is."""

    step: str
    rule: str
    hours: float
    source_zh: str
    source_en: str
    confirmed: bool

    def source(self, language: str) -> str:
        """Where the limit comes from."""
        return self.source_zh if language == "zh" else self.source_en


@dataclass(frozen=True, slots=True)
class Step:
    """One step at one moment: ``done`` or ``due`` with its limit; ``at`` is when it was done.

    ``due_at`` is None, and ``state`` ``unknown`` unless it is done, while the time of injury is not known. ``after`` is
    how long after the injury a step was done. ``untimed``: it was done, and nobody told when.
    """

    limit: Limit
    state: Literal["done", "untimed", "due", "overdue", "unknown"]
    at: dt.datetime | None
    due_at: dt.datetime | None
    after: dt.timedelta | None

    @property
    def late(self) -> bool:
        """Whether it was done after its limit."""
        return self.at is not None and self.due_at is not None and self.at > self.due_at


class Ahead(BaseModel):
    """A step that is not recorded, as the board of a case keeps it: which limit holds, and until when (None: not known)."""

    model_config = ConfigDict(frozen=True)

    step: str
    rule: str
    due_at: dt.datetime | None


@cache
def limits() -> tuple[Limit, ...]:
    """Every limit, in the order in which the steps are taken."""
    data = tomllib.loads((files("registry") / "marks" / "open_fracture.toml").read_text(encoding="utf-8"))
    return tuple(Limit(**row) for row in data["limits"])


def read(documents: Sequence[Document], now: dt.datetime) -> tuple[Step, ...]:
    """The steps of a case at ``now`` (aware) from the documents that stand; empty where no open fracture is asked about."""
    if not any(isinstance(item, Fracture) and _counts(item) for item in documents):
        return ()
    injuries = [item for item in documents if isinstance(item, Injury)]
    injured = min(_known(item.injured_at for item in injuries), default=None)
    rules = {"antibiotic": "antibiotic", "debridement": _urgency_of_debridement(documents), "cover": "cover"}
    chosen = [limit for limit in limits() if rules[limit.step] == limit.rule]
    return tuple(_step(limit, injured, now, *_done(limit.step, documents)) for limit in chosen)


def ahead(documents: Sequence[Document], now: dt.datetime) -> tuple[Ahead, ...]:
    """What is not recorded as done, for ``upcoming`` to be read from later."""
    steps = [step for step in read(documents, now) if step.state in ("due", "overdue", "unknown")]
    return tuple(Ahead(step=step.limit.step, rule=step.limit.rule, due_at=step.due_at) for step in steps)


def upcoming(kept: Sequence[Ahead], now: dt.datetime) -> tuple[Step, ...]:
    """What to show of it at ``now`` in a line or two: the step whose limit passed first or is not known, and the one that comes next."""
    known = {(limit.step, limit.rule): limit for limit in limits()}
    first = sorted(kept, key=lambda one: one.due_at or dt.datetime.min.replace(tzinfo=dt.UTC))
    steps = [_open(known[one.step, one.rule], one.due_at, now) for one in first]
    groups = ([step for step in steps if step.state != "due"], [step for step in steps if step.state == "due"])
    return tuple(group[0] for group in groups if group)


def _counts(fracture: Fracture) -> bool:
    return fracture.openness == "open" and not fracture.segment.startswith(EXCLUDED)


def _urgency_of_debridement(documents: Sequence[Document]) -> str:
    injuries = [item for item in documents if isinstance(item, Injury)]
    fractures = [item for item in documents if isinstance(item, Fracture) and _counts(item)]
    dirty = any(isinstance(item, Injury | Wound) and HIGH_RISK & set(item.contamination) for item in documents)
    dirty = dirty or any(item.ofc_contamination == "contamination_3b" for item in fractures)
    bloodless = any(item.ofc_arterial == "arterial_3" or item.gustilo == "type_3c" for item in fractures)
    bloodless = bloodless or any(isinstance(item, Structures) and item.pulse == "absent" for item in documents)
    if dirty or bloodless:
        return "at_once"
    mild = bool(injuries) and all(item.energy in LOW_ENERGY for item in injuries) and all(item.gustilo in LOW_GRADES for item in fractures)
    return "low_energy" if mild else "high_energy"


def _done(step: str, documents: Iterable[Document]) -> tuple[bool, list[dt.datetime]]:
    """Whether the step is recorded as done at all, and the times at which it was."""
    if step == "antibiotic":
        given = [item for item in documents if isinstance(item, Injury)]
        return any(item.antibiotic or "antibiotic" in item.first_aid for item in given), list(_known(item.antibiotic_at for item in given))
    wanted = frozenset({"debridement"}) if step == "debridement" else COVERING
    done = [item for item in documents if isinstance(item, Operation) and wanted & set(item.procedures)]
    # a flap tells its day, no time
    flap = step == "cover" and any(isinstance(item, Flap) for item in documents)
    return bool(done) or flap, list(_known(item.began_at for item in done))


def _step(limit: Limit, injured: dt.datetime | None, now: dt.datetime, done: bool, times: list[dt.datetime]) -> Step:
    due_at = injured + dt.timedelta(hours=limit.hours) if injured else None
    # what was done before the injury, or is yet to come, was not done for it
    fitting = [at for at in times if at <= now and (injured is None or at >= injured)]
    if fitting:
        at = min(fitting)
        return Step(limit, "done", at, due_at, at - injured if injured else None)
    if done and not times:
        return Step(limit, "untimed", None, due_at, None)
    return _open(limit, due_at, now)


def _open(limit: Limit, due_at: dt.datetime | None, now: dt.datetime) -> Step:
    if due_at is None:
        return Step(limit, "unknown", None, None, None)
    return Step(limit, "overdue" if now > due_at else "due", None, due_at, None)


def _known(moments: Iterable[Moment | None]) -> Iterator[dt.datetime]:
    return (moment.at for moment in moments if moment is not None and moment.at is not None)
