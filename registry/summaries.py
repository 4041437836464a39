"""What a case may be called without naming anybody: codes of the value sets and an age in whole years. Pure."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from registry import valuesets
from registry.identities import Identity


@dataclass(frozen=True, slots=True)
class UnitSummary:
    """One severed unit in codes of the value sets side, part, level, tamai and completeness."""

    part: str
    side: str
    level: str = valuesets.NOT_ASSESSED
    tamai: str = valuesets.NOT_ASSESSED
    completeness: str = valuesets.NOT_ASSESSED


@dataclass(frozen=True, slots=True)
class Summary:
    """What a case may be called without naming anybody: sex, age, kind, side, regions, units, mechanism.

    ``sex`` and ``age`` come from the patient when the case is made; an age over 89 is shown as 90.
    """

    kind: str
    sex: str
    age: int | None
    mechanism: str
    side: str
    regions: tuple[str, ...]
    units: tuple[UnitSummary, ...]

    @classmethod
    def of(cls, kind: str, facts: Mapping[str, Any]) -> "Summary":
        """The summary of a case from its kind and its ``facts``."""
        return cls(
            kind=kind,
            sex=facts.get("sex", "unknown"),
            age=facts.get("age"),
            mechanism=facts.get("mechanism", valuesets.NOT_ASSESSED),
            side=facts.get("side", valuesets.UNKNOWN),
            regions=tuple(facts.get("regions", ())),
            units=tuple(UnitSummary(**unit) for unit in facts.get("units", ())),
        )


def person_facts(who: Identity, now: dt.datetime) -> dict[str, Any]:
    """Sex and age in whole years, the only facts about the person in the clear."""
    age = who.age(now.date())
    return {"sex": who.sex, "age": min(age, 90) if age is not None else None}


def sides(documents: Iterable[object]) -> list[str]:
    """The sides that the record speaks of, donor sites too: ``left``, ``right`` or both."""
    told = {getattr(document, name, "") for document in documents for name in ("side", "donor_side")}
    return sorted(told & {"left", "right"})


def other_side(facts: Mapping[str, Any], laterality: str | None) -> str | None:
    """The side that a picture says it shows (DICOM ``R`` or ``L``), where the record speaks of the other side alone."""
    shown = {"R": "right", "L": "left"}.get(laterality or "")
    told = facts.get("sides", [])
    return shown if shown is not None and told and shown not in told else None
