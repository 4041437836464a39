"""The fracture: which bone, how it is broken, and what the soft tissue over it suffered (clinical reference §3 and §4).

One document per broken bone. The AO/OTA code is picked part by part, or typed whole and read into those parts;
``aoota_code`` writes it from them, so that no code can say something else than the fields. A grading of soft
tissue is provisional until the debridement: ``stage`` says at which it was made, the entry by whom.
"""

from typing import Annotated, Any, ClassVar

from pydantic import model_validator

from registry import aoota
from registry.aoota import Code, Unclassifiable
from registry.forms.fields import Document, Field, Reckoned
from registry.valuesets import NOT_ASSESSED

ONE = ("segment", "ray", "phalanx", "third", "group", "subgroup")
MANY = ("qualifications", "modifiers")
OPEN_ONLY = ("gustilo", "ofc_skin", "ofc_muscle", "ofc_arterial", "ofc_contamination", "ofc_bone_loss")
# where each key of a wrong code stands, when the code was picked
AT = {
    "field-aoota-place": "ray",
    "field-aoota-place-needed": "ray",
    "field-aoota-group": "group",
    "field-aoota-subgroup": "subgroup",
    "field-aoota-qualification": "qualifications",
    "field-aoota-modifier": "modifiers",
    "field-aoota-modifier-clash": "modifiers",
}


class Fracture(Document):
    """One broken bone. ``code`` is the whole AO/OTA code typed by hand; it is empty once it has been read into the parts."""

    TYPE: ClassVar[str] = "fracture"

    side: Annotated[str, Field("bone", "choice", values="side", required=True, quick=True)] = ""
    segment: Annotated[str, Field("bone", "choice", values="aoota.segment", quick=True, help=True)] = NOT_ASSESSED
    ray: Annotated[str, Field("bone", "choice", values="aoota.ray", help=True)] = NOT_ASSESSED
    phalanx: Annotated[str, Field("bone", "choice", values="aoota.phalanx")] = NOT_ASSESSED
    third: Annotated[str, Field("bone", "choice", values="aoota.third")] = NOT_ASSESSED

    openness: Annotated[str, Field("cover", "choice", values="openness", required=True, quick=True)] = NOT_ASSESSED
    gustilo: Annotated[str, Field("cover", "choice", values="gustilo", quick=True, help=True)] = NOT_ASSESSED
    stage: Annotated[str, Field("cover", "choice", values="grading_stage", help=True)] = NOT_ASSESSED
    ofc_skin: Annotated[str, Field("cover", "choice", values="ofc_skin")] = NOT_ASSESSED
    ofc_muscle: Annotated[str, Field("cover", "choice", values="ofc_muscle")] = NOT_ASSESSED
    ofc_arterial: Annotated[str, Field("cover", "choice", values="ofc_arterial")] = NOT_ASSESSED
    ofc_contamination: Annotated[str, Field("cover", "choice", values="ofc_contamination")] = NOT_ASSESSED
    ofc_bone_loss: Annotated[str, Field("cover", "choice", values="ofc_bone_loss")] = NOT_ASSESSED
    tscherne: Annotated[str, Field("cover", "choice", values="tscherne")] = NOT_ASSESSED

    group: Annotated[str, Field("aoota", "choice", values="aoota.group", quick=True, within="segment", help=True)] = NOT_ASSESSED
    subgroup: Annotated[str, Field("aoota", "choice", values="aoota.subgroup")] = NOT_ASSESSED
    qualifications: Annotated[list[str], Field("aoota", "choices", values="aoota.qualification", help=True)] = []
    modifiers: Annotated[list[str], Field("aoota", "choices", values="aoota.modifier")] = []
    code: Annotated[str, Field("aoota", "text", help=True)] = ""

    evidence: Annotated[list[str], Field("note", "choices", values="evidence")] = []
    note: Annotated[str, Field("note", "note", quick=True)] = ""

    @model_validator(mode="before")
    @classmethod
    def _read_code(cls, values: Any) -> Any:
        """Fill the parts that were left open from the typed code; where the two disagree both stay, to be refused."""
        if not isinstance(values, dict) or not values.get("code"):
            return values
        try:
            code = aoota.parse(values["code"])
        except Unclassifiable:
            return values
        told = {name: part for name in ONE if (part := getattr(code, name))} | {
            name: list(p) for name in MANY if (p := getattr(code, name))
        }
        picked = {name: part for name in (*ONE, *MANY) if (part := values.get(name)) and part != NOT_ASSESSED}
        if any(_differ(picked.get(name), part) for name, part in told.items()):
            return values
        return values | told | {"code": ""}

    @property
    def picked(self) -> Code:
        """What was picked, as a code that nobody has checked."""
        segment, ray, phalanx, third, group, subgroup = ("" if (part := getattr(self, name)) == NOT_ASSESSED else part for name in ONE)
        return Code(segment, ray, phalanx, third, group, subgroup, tuple(self.qualifications), tuple(self.modifiers))

    def reckoned(self) -> tuple[Reckoned, ...]:
        """The whole AO/OTA code."""
        try:
            return (Reckoned("aoota_code", "bone", text=str(aoota.check(self.picked))),)
        except Unclassifiable:
            return ()

    def contradictions(self) -> dict[str, str]:
        """A code that the table holds, told once or twice the same; no grade of an open fracture for a closed one, nor the reverse."""
        wrong: dict[str, str] = {}
        if self.code:
            try:
                aoota.parse(self.code)
                wrong["code"] = "field-aoota-disagrees"
            except Unclassifiable as error:
                wrong["code"] = error.code
        elif self.segment == NOT_ASSESSED:
            wrong["segment"] = "field-required"
        else:
            try:
                aoota.check(self.picked)
            except Unclassifiable as error:
                wrong[AT[error.code]] = error.code
        if self.openness == "closed":
            wrong |= {name: "field-only-when-open" for name in OPEN_ONLY if getattr(self, name) != NOT_ASSESSED}
        if self.openness == "open" and self.tscherne != NOT_ASSESSED:
            wrong["tscherne"] = "field-only-when-closed"
        return wrong


def _differ(picked: Any, told: str | list[str]) -> bool:
    """Whether something was picked that is not what the code says; a more exact group than was picked is no difference."""
    if not picked:
        return False
    return set(picked) != set(told) if isinstance(told, list) else not told.startswith(picked)
