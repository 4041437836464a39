"""The complication: which, when it was found, how grave, what was done, and what became of it (clinical reference §8).

One document per complication. For an infection of a fracture the signs of the FRI consensus are ticked, and what they
add up to is shown beside its source and never as a diagnosis: early, delayed and late, which the consensus itself calls
arbitrary, are left out.
"""

from typing import Annotated, ClassVar

from registry import valuesets
from registry.forms.fields import Document, Field, Moment, Reckoned
from registry.valuesets import NOT_ASSESSED, UNKNOWN

OPEN = frozenset({"none", UNKNOWN, NOT_ASSESSED})


class Complication(Document):
    """One complication. ``unit`` names the severed part that it befell, by the id of its document."""

    TYPE: ClassVar[str] = "complication"
    AFTER_INJURY: ClassVar[tuple[str, ...]] = ("found_at", "reoperated_at")

    kind: Annotated[str, Field("complication", "choice", values="complication", required=True, quick=True)] = NOT_ASSESSED
    found_at: Annotated[Moment | None, Field("complication", "moment", required=True, past=True, quick=True)] = None
    unit: Annotated[str, Field("complication", "unit", quick=True)] = ""
    grade: Annotated[str, Field("complication", "choice", values="clavien_dindo", quick=True, help=True)] = NOT_ASSESSED
    state: Annotated[str, Field("complication", "choice", values="complication_state", quick=True, help=True)] = NOT_ASSESSED
    lost: Annotated[float | None, Field("complication", "integer", unit="%", least=0, most=100, help=True)] = None

    confirmatory: Annotated[list[str], Field("fri", "choices", values="fri_confirmatory", help=True)] = []
    suggestive: Annotated[list[str], Field("fri", "choices", values="fri_suggestive")] = []

    treatment: Annotated[str, Field("done", "note", quick=True, help=True)] = ""
    reoperation: Annotated[str, Field("done", "choice", values="reoperation", quick=True)] = NOT_ASSESSED
    reoperated_at: Annotated[Moment | None, Field("done", "moment", past=True)] = None

    amputation: Annotated[str, Field("amputated", "choice", values="amputation_timing")] = NOT_ASSESSED
    amputation_level: Annotated[str, Field("amputated", "choice", values="level")] = NOT_ASSESSED
    amputation_reason: Annotated[str, Field("amputated", "text", help=True)] = ""

    evidence: Annotated[list[str], Field("note", "choices", values="evidence")] = []
    note: Annotated[str, Field("note", "note", quick=True)] = ""

    def reckoned(self) -> tuple[Reckoned, ...]:
        """What the ticked signs of the FRI consensus add up to, with its warning; nothing while none was looked for."""
        code = fri(self.confirmatory, self.suggestive)
        option = valuesets.value_set("fri_criteria").option(code) if code else None
        return (Reckoned("criteria", "fri", option=option, warned=True),) if option else ()

    def contradictions(self) -> dict[str, str]:
        """A death is grade V and the reverse; nothing of an operation or an amputation that there was not."""
        wrong: dict[str, str] = {}
        if self.grade not in {NOT_ASSESSED, UNKNOWN} and (self.grade == "grade_5") != (self.kind == "death"):
            wrong["grade"] = "field-grade-of-death"
        if self.lost is not None and self.kind not in {"partial_necrosis", "total_loss"}:
            wrong["lost"] = "field-only-of-necrosis"
        if self.reoperated_at and self.reoperated_at.at and self.reoperation == "none":
            wrong["reoperated_at"] = "field-no-reoperation"
        if self.amputation == "none" and (self.amputation_level != NOT_ASSESSED or self.amputation_reason):
            wrong["amputation"] = "field-amputation-told"
        if self.kind == "amputation" and self.amputation == "none":
            wrong["amputation"] = "field-amputation-told"
        return wrong


def fri(confirmatory: list[str], suggestive: list[str]) -> str | None:
    """The code of ``fri_criteria`` that the ticked signs add up to; None unless signs of both kinds were looked for, or one is there.

    One confirmatory sign is enough; suggestive signs alone ask for more investigation.
    Source: Metsemakers et al., Injury 2018;49:505.
    """
    if set(confirmatory) - OPEN:
        return "confirmatory"
    if set(suggestive) - OPEN:
        return "suggestive"
    return "none" if "none" in confirmatory and "none" in suggestive else None
