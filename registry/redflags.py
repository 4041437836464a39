"""Red flags: rules that propose a higher urgency from what is recorded. They only raise.

That no rule fired proves nothing. The rules are proposals of the clinical reference §8 which clinicians
set; each has a code that is recorded with the urgency it raised. Pure.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from registry import valuesets
from registry.clocks import URGENCIES
from registry.forms.amputation import Amputation
from registry.forms.complication import Complication
from registry.forms.fields import Document
from registry.forms.flap import Flap
from registry.forms.fracture import Fracture
from registry.forms.injury import Injury
from registry.forms.replant import Replant
from registry.forms.structures import Structures
from registry.forms.transfer import Transfer
from registry.forms.wound import Wound

HIGH_RISK = frozenset({"agricultural", "faecal", "sewage", "aquatic"})
TOURNIQUET_LIMIT = dt.timedelta(hours=2)
LOWEST_PRESSURE = 90
EXPOSED = frozenset({"vessel", "joint", "implant"})
# how a complication stands that asks for nothing any more
OVER = frozenset({"resolved", "permanent"})
# seconds
SLOWEST_REFILL = 3


@dataclass(frozen=True, slots=True)
class Rule:
    """A code, the urgency it raises to, and the test of one document at a moment."""

    code: str
    urgency: str
    fires: Callable[[Document, dt.datetime], bool]


def _severed(document: Document, now: dt.datetime) -> bool:
    return isinstance(document, Amputation) and document.completeness != "incomplete_viable"


def _partly_severed(document: Document, now: dt.datetime) -> bool:
    return isinstance(document, Amputation)


def _tourniquet(document: Document, now: dt.datetime) -> bool:
    if not isinstance(document, Injury) or document.tourniquet_on_at is None or document.tourniquet_on_at.at is None:
        return False
    off = document.tourniquet_off_at
    end = off.at if off and off.at else now
    return end - document.tourniquet_on_at.at > TOURNIQUET_LIMIT


def _pressure(document: Document, now: dt.datetime) -> bool:
    return isinstance(document, Injury) and document.systolic is not None and document.systolic < LOWEST_PRESSURE


def _injected(document: Document, now: dt.datetime) -> bool:
    return isinstance(document, Injury) and document.mechanism == "high_pressure_injection"


def _dirty(document: Document, now: dt.datetime) -> bool:
    if isinstance(document, Fracture):
        return document.ofc_contamination == "contamination_3b"
    return isinstance(document, Injury | Wound) and bool(HIGH_RISK & set(document.contamination))


def _no_blood(document: Document, now: dt.datetime) -> bool:
    return isinstance(document, Fracture) and document.ofc_arterial == "arterial_3"


def _uncovered(document: Document, now: dt.datetime) -> bool:
    return isinstance(document, Fracture) and document.gustilo in {"type_3b", "type_3c"}


def _exposed(document: Document, now: dt.datetime) -> bool:
    return isinstance(document, Wound) and bool(EXPOSED & set(document.exposed))


def _ill_perfused(document: Document, now: dt.datetime) -> bool:
    if not isinstance(document, Structures):
        return False
    return document.pulse == "absent" or (document.refill is not None and document.refill > SLOWEST_REFILL)


def _without_flow(document: Document, now: dt.datetime) -> bool:
    if not isinstance(document, Replant | Flap):
        return False
    states = valuesets.value_set("perfusion")
    return document.state in states.codes and states.option(document.state).extra["counted"] == "ill"


def _complicated(flag: str) -> Callable[[Document, dt.datetime], bool]:
    """Whether a complication is of a kind that has this flag, and not said to be over."""

    def fires(document: Document, now: dt.datetime) -> bool:
        if not isinstance(document, Complication) or document.state in OVER:
            return False
        kinds = valuesets.value_set("complication")
        return document.kind in kinds.codes and kinds.option(document.kind).extra.get("flag") == flag

    return fires


def _left_in_shock(document: Document, now: dt.datetime) -> bool:
    return isinstance(document, Transfer) and "shock" in document.condition


RULES = (
    Rule("severed-or-devascularised", "emergency", _severed),
    Rule("partly-severed", "urgent", _partly_severed),
    Rule("tourniquet-over-two-hours", "emergency", _tourniquet),
    Rule("low-blood-pressure", "emergency", _pressure),
    Rule("high-pressure-injection", "urgent", _injected),
    Rule("high-risk-contamination", "urgent", _dirty),
    Rule("fracture-with-distal-ischaemia", "emergency", _no_blood),
    Rule("open-fracture-type-3b-or-3c", "urgent", _uncovered),
    Rule("vessel-joint-or-implant-exposed", "urgent", _exposed),
    Rule("no-pulse-or-slow-refill", "urgent", _ill_perfused),
    Rule("replant-or-flap-ill-perfused", "emergency", _without_flow),
    Rule("vascular-crisis", "emergency", _complicated("vascular-crisis")),
    Rule("compartment-syndrome", "emergency", _complicated("compartment-syndrome")),
    Rule("necrotising-infection", "emergency", _complicated("necrotising-infection")),
    Rule("reperfusion-or-crush", "emergency", _complicated("reperfusion-or-crush")),
    Rule("septic-joint", "urgent", _complicated("septic-joint")),
    Rule("left-in-shock", "emergency", _left_in_shock),
)


def fired(document: Document, now: dt.datetime) -> list[Rule]:
    """The rules that fire on a document, highest urgency first."""
    found = [rule for rule in RULES if rule.fires(document, now)]
    return sorted(found, key=lambda rule: -URGENCIES.index(rule.urgency))
