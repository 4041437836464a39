"""The replanted unit: what was done to one severed part, and when blood came back to it (clinical reference §5).

One document per part. Its ``reflow_at`` stops the ischaemia clock of that part, as ``Amputation.reflow_at`` does: which
of the two counts is decided in ``registry.clocks``. Lengths in mm and cm, times in minutes.
"""

from typing import Annotated, ClassVar

from registry.forms.fields import Document, Field, Moment
from registry.valuesets import NOT_ASSESSED, UNKNOWN

NOTHING = frozenset({"none", UNKNOWN, NOT_ASSESSED})
# what else says that a graft was taken
GRAFT = ("graft_donor", "graft_length")


class Replant(Document):
    """One replanted or revascularised part, and how it was perfused at the end; everything else may wait.

    ``unit`` is the id of the document of the severed part, its first version's.
    """

    TYPE: ClassVar[str] = "replant"

    unit: Annotated[str, Field("replanted", "unit", required=True, quick=True, help=True)] = ""
    reflow_at: Annotated[Moment | None, Field("flow", "moment", past=True, quick=True, help=True)] = None
    state: Annotated[str, Field("flow", "choice", values="perfusion", required=True, quick=True, help=True)] = NOT_ASSESSED

    shortening: Annotated[float | None, Field("skeleton", "integer", unit="mm", least=0, most=300, quick=True)] = None
    fixation: Annotated[list[str], Field("skeleton", "choices", values="fixation", quick=True)] = []

    arteries_count: Annotated[float | None, Field("anastomoses", "integer", least=0, most=10, quick=True)] = None
    veins_count: Annotated[str, Field("anastomoses", "choice", values="vein_count", quick=True)] = NOT_ASSESSED
    arteries: Annotated[list[str], Field("anastomoses", "choices", values="artery")] = []
    no_vein: Annotated[list[str], Field("anastomoses", "choices", values="no_vein", help=True)] = []
    graft: Annotated[str, Field("anastomoses", "yes_no")] = NOT_ASSESSED
    graft_donor: Annotated[str, Field("anastomoses", "text", help=True)] = ""
    graft_length: Annotated[float | None, Field("anastomoses", "decimal", unit="cm", least=0, most=60)] = None
    shunt: Annotated[str, Field("anastomoses", "yes_no")] = NOT_ASSESSED

    nerves_count: Annotated[float | None, Field("repairs", "integer", least=0, most=20, quick=True)] = None
    nerves: Annotated[list[str], Field("repairs", "choices", values="nerve")] = []
    tendons: Annotated[list[str], Field("repairs", "choices", values="tendon")] = []

    skin: Annotated[list[str], Field("closure", "choices", values="skin_cover", quick=True)] = []
    fasciotomy: Annotated[str, Field("closure", "yes_no", help=True)] = NOT_ASSESSED

    regime: Annotated[list[str], Field("regime", "choices", values="regime")] = []
    regime_words: Annotated[str, Field("regime", "text", help=True)] = ""
    minutes: Annotated[float | None, Field("regime", "integer", unit="min", least=0, most=2880)] = None

    note: Annotated[str, Field("note", "note", quick=True)] = ""

    def contradictions(self) -> dict[str, str]:
        """No more vessels or nerves named than were joined, and no length or donor of a graft that was not taken."""
        wrong: dict[str, str] = {}
        for names, count in (("arteries", self.arteries_count), ("nerves", self.nerves_count)):
            told = set(getattr(self, names)) - NOTHING
            if count is not None and len(told) > count:
                wrong[names] = "field-more-named"
        if self.graft == "no":
            wrong |= {name: "field-no-graft" for name in GRAFT if getattr(self, name)}
        return wrong
