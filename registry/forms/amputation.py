"""The severed or devascularised unit: one document, and one ischaemia clock, per part (clinical reference §5)."""

from typing import Annotated, ClassVar

from registry import valuesets
from registry.forms.fields import Document, Field, Figure, Moment
from registry.valuesets import NOT_ASSESSED, Option

# the kinds of case that are about severed units
SEVERED = frozenset({"amputation", "devascularised"})
# Hand and foot proximal to the digits hold muscle, so they keep a limb's marks (cautious reading).
DIGITS = frozenset({"thumb", "index", "middle", "ring", "little", "great_toe", "toe"})
MUSCLE_LEVELS = frozenset({"transmetacarpal", "transmetatarsal"})
UPPER_LEVELS = frozenset(
    {"shoulder", "upper_arm_proximal", "upper_arm_middle", "upper_arm_distal", "elbow", "forearm_proximal"}
    | {"forearm_middle", "forearm_distal", "wrist", "transmetacarpal", "digit"}
)
LOWER_LEVELS = frozenset(
    {"hip", "thigh_proximal", "thigh_middle", "thigh_distal", "knee", "leg_proximal", "leg_middle", "leg_distal"}
    | {"ankle", "transmetatarsal", "toe"}
)
# levels that say no more than the part does
ITSELF = frozenset({"digit", "toe"})
LOWER_PARTS = frozenset({"great_toe", "toe", "foot", "leg", "thigh"})


class Amputation(Document):
    """One severed unit. ``injured_at`` is told only where it differs from the injury's own time."""

    TYPE: ClassVar[str] = "amputation"
    FIGURES: ClassVar[tuple[Figure, ...]] = ("hands", "body")

    part: Annotated[str, Field("unit", "choice", values="part", required=True, quick=True)] = ""
    side: Annotated[str, Field("unit", "choice", values="side", required=True, quick=True)] = ""
    completeness: Annotated[str, Field("unit", "choice", values="completeness", required=True, quick=True, help=True)] = NOT_ASSESSED
    level: Annotated[str, Field("unit", "choice", values="level", quick=True)] = NOT_ASSESSED
    tamai: Annotated[str, Field("unit", "choice", values="tamai")] = NOT_ASSESSED

    storage: Annotated[str, Field("cooling", "choice", values="storage", quick=True, help=True)] = NOT_ASSESSED
    cooling_started_at: Annotated[Moment | None, Field("cooling", "moment", past=True, quick=True, help=True)] = None

    injured_at: Annotated[Moment | None, Field("times", "moment", past=True, help=True)] = None
    arrived_at: Annotated[Moment | None, Field("times", "moment", past=True)] = None
    decided_at: Annotated[Moment | None, Field("times", "moment", past=True)] = None
    departed_at: Annotated[Moment | None, Field("times", "moment", past=True)] = None
    transfer_arrived_at: Annotated[Moment | None, Field("times", "moment", past=True)] = None
    operating_room_at: Annotated[Moment | None, Field("times", "moment", past=True)] = None
    reflow_at: Annotated[Moment | None, Field("times", "moment", past=True, help=True)] = None

    mechanism: Annotated[str, Field("grading", "choice", values="mechanism", help=True)] = NOT_ASSESSED
    ishikawa: Annotated[str, Field("grading", "choice", values="ishikawa")] = NOT_ASSESSED
    yamano: Annotated[str, Field("grading", "choice", values="yamano")] = NOT_ASSESSED
    urbaniak: Annotated[str, Field("grading", "choice", values="urbaniak")] = NOT_ASSESSED

    part_brought: Annotated[str, Field("condition", "yes_no")] = NOT_ASSESSED
    condition: Annotated[list[str], Field("condition", "choices", values="segment_condition")] = []
    crush_percent: Annotated[float | None, Field("condition", "integer", unit="%", least=0, most=100)] = None
    segments: Annotated[float | None, Field("condition", "integer", least=1, most=20)] = None
    multi_level: Annotated[str, Field("condition", "yes_no")] = NOT_ASSESSED
    bilateral: Annotated[str, Field("condition", "yes_no")] = NOT_ASSESSED

    evidence: Annotated[list[str], Field("note", "choices", values="evidence")] = []
    note: Annotated[str, Field("note", "note", quick=True)] = ""

    @property
    def has_muscle(self) -> bool:
        """Whether the part holds muscle, so that a limb's marks apply instead of a digit's."""
        return self.part not in DIGITS or self.level in MUSCLE_LEVELS

    def named(self, code: str) -> Option:
        """The part as another document chooses it: under ``code``, by its name, side and, of a limb, level."""
        words = [("part", self.part), ("side", self.side), *([("level", self.level)] if self.level not in {NOT_ASSESSED, *ITSELF} else [])]
        zh, en = (" · ".join(valuesets.label(name, told, language) for name, told in words) for language in ("zh", "en"))
        return Option(code, zh, en)

    def contradictions(self) -> dict[str, str]:
        """Cooling, arrival or reflow cannot come before the injury, and an arm has no level of a leg."""
        wrong: dict[str, str] = {}
        injured = self.injured_at.at if self.injured_at else None
        for name in ("cooling_started_at", "arrived_at", "operating_room_at", "reflow_at"):
            moment: Moment | None = getattr(self, name)
            if injured and moment and moment.at and moment.at < injured:
                wrong[name] = "field-before-injury"
        cooled, reflow = self.cooling_started_at, self.reflow_at
        if cooled and reflow and cooled.at and reflow.at and reflow.at < cooled.at:
            wrong.setdefault("reflow_at", "field-before-cooling")
        lower = self.part in LOWER_PARTS
        if self.level in (UPPER_LEVELS if lower else LOWER_LEVELS):
            wrong["level"] = "field-level-of-other-limb"
        return wrong
