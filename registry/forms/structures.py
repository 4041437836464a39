"""Injured vessels, nerves and tendons: which, in which zone, and in what state (clinical reference §1 and §4).

One document says one state for its arteries, one for its veins, nerves and tendons; where two of a kind differ
(one divided, one contused) a second document is entered. Refill in seconds.
"""

from typing import Annotated, ClassVar

from registry.forms.fields import Document, Field, Figure
from registry.valuesets import NOT_ASSESSED, UNKNOWN

KINDS = {"arteries": "artery_state", "veins": "vein_state", "nerves": "nerve_state", "tendons": "tendon_state"}
NOTHING = frozenset({"none", UNKNOWN, NOT_ASSESSED})


class Structures(Document):
    """What lies under a wound and was hurt, at one place of one side."""

    TYPE: ClassVar[str] = "structures"
    FIGURES: ClassVar[tuple[Figure, ...]] = ("hands", "body")

    side: Annotated[str, Field("place", "choice", values="side", required=True, quick=True)] = ""
    region: Annotated[str, Field("place", "choice", values="region", required=True, quick=True)] = NOT_ASSESSED

    pulse: Annotated[str, Field("vessels", "choice", values="pulse", quick=True)] = NOT_ASSESSED
    refill: Annotated[float | None, Field("vessels", "decimal", unit="s", quick=True, least=0, most=60, help=True)] = None
    arteries: Annotated[list[str], Field("vessels", "choices", values="artery")] = []
    artery_state: Annotated[str, Field("vessels", "choice", values="structure_state")] = NOT_ASSESSED
    veins: Annotated[list[str], Field("vessels", "choices", values="vein")] = []
    vein_state: Annotated[str, Field("vessels", "choice", values="structure_state")] = NOT_ASSESSED

    sensation_lost: Annotated[str, Field("nerves", "yes_no", quick=True)] = NOT_ASSESSED
    nerves: Annotated[list[str], Field("nerves", "choices", values="nerve")] = []
    nerve_state: Annotated[str, Field("nerves", "choice", values="structure_state")] = NOT_ASSESSED

    motion_lost: Annotated[str, Field("tendons", "yes_no", quick=True)] = NOT_ASSESSED
    tendons: Annotated[list[str], Field("tendons", "choices", values="tendon")] = []
    tendon_state: Annotated[str, Field("tendons", "choice", values="structure_state")] = NOT_ASSESSED
    digits: Annotated[list[str], Field("tendons", "choices", values="digit", help=True)] = []
    flexor_zone: Annotated[str, Field("tendons", "choice", values="flexor_zone")] = NOT_ASSESSED
    extensor_zone: Annotated[str, Field("tendons", "choice", values="extensor_zone")] = NOT_ASSESSED

    evidence: Annotated[list[str], Field("note", "choices", values="evidence")] = []
    note: Annotated[str, Field("note", "note", quick=True)] = ""

    def contradictions(self) -> dict[str, str]:
        """A state belongs to something that is named: none of an artery nobody named, none of no artery."""
        wrong: dict[str, str] = {}
        for names, state in KINDS.items():
            told = getattr(self, state) not in {NOT_ASSESSED, UNKNOWN}
            if told and set(getattr(self, names)) <= NOTHING:
                wrong[names] = "field-state-of-nothing"
        if self.nerve_state == "thrombosed":
            wrong["nerve_state"] = "field-only-of-vessels"
        if self.tendon_state == "thrombosed":
            wrong["tendon_state"] = "field-only-of-vessels"
        return wrong
