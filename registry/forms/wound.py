"""The wound: how large and deep, how dirty, what lies open in it, and how its bed and edges look (clinical reference §4).

Lengths in cm, areas in cm². What is seen on a photograph alone says so under ``evidence``: drainage and refill are
poorly seen from afar.
"""

from typing import Annotated, ClassVar

from registry.forms.fields import Document, Field, Figure
from registry.valuesets import NOT_ASSESSED


class Wound(Document):
    """One wound at one time. ``length``, ``width`` and ``depth`` are its greatest, so that no area exceeds length by width."""

    TYPE: ClassVar[str] = "wound"
    FIGURES: ClassVar[tuple[Figure, ...]] = ("body",)

    side: Annotated[str, Field("place", "choice", values="side", required=True, quick=True)] = ""
    region: Annotated[str, Field("place", "choice", values="region", required=True, quick=True)] = NOT_ASSESSED
    site: Annotated[str, Field("place", "text", help=True)] = ""

    length: Annotated[float | None, Field("size", "decimal", unit="cm", quick=True, least=0, most=200)] = None
    width: Annotated[float | None, Field("size", "decimal", unit="cm", quick=True, least=0, most=200)] = None
    depth: Annotated[float | None, Field("size", "decimal", unit="cm", least=0, most=50)] = None
    area: Annotated[float | None, Field("size", "decimal", unit="cm²", least=0, most=20000)] = None
    tissue_loss: Annotated[float | None, Field("size", "integer", unit="%", least=0, most=100, help=True)] = None

    contamination: Annotated[list[str], Field("wound", "choices", values="contamination", quick=True, help=True)] = []
    exposed: Annotated[list[str], Field("wound", "choices", values="exposed", quick=True)] = []
    foreign_body: Annotated[str, Field("wound", "yes_no")] = NOT_ASSESSED
    maggots: Annotated[str, Field("wound", "yes_no")] = NOT_ASSESSED
    morel_lavallee: Annotated[str, Field("wound", "yes_no", help=True)] = NOT_ASSESSED

    bed: Annotated[str, Field("looks", "choice", values="wound_bed")] = NOT_ASSESSED
    granulating: Annotated[float | None, Field("looks", "integer", unit="%", least=0, most=100)] = None
    slough: Annotated[float | None, Field("looks", "integer", unit="%", least=0, most=100)] = None
    necrotic: Annotated[float | None, Field("looks", "integer", unit="%", least=0, most=100)] = None
    exudate: Annotated[str, Field("looks", "choice", values="exudate")] = NOT_ASSESSED
    exudate_amount: Annotated[str, Field("looks", "choice", values="amount")] = NOT_ASSESSED
    odour: Annotated[str, Field("looks", "yes_no")] = NOT_ASSESSED
    edge: Annotated[list[str], Field("looks", "choices", values="wound_edge")] = []
    peri_wound: Annotated[list[str], Field("looks", "choices", values="peri_wound")] = []

    vacuum_pressure: Annotated[float | None, Field("dressing", "integer", unit="mmHg", least=0, most=300, help=True)] = None
    vacuum_days: Annotated[float | None, Field("dressing", "integer", unit="d", least=0, most=365)] = None
    culture: Annotated[str, Field("dressing", "text")] = ""

    evidence: Annotated[list[str], Field("note", "choices", values="evidence")] = []
    note: Annotated[str, Field("note", "note", quick=True)] = ""

    def contradictions(self) -> dict[str, str]:
        """No area over length by width, no bed of more than 100 %, no amount of an exudate that is not there."""
        wrong: dict[str, str] = {}
        if self.area is not None and self.length is not None and self.width is not None and self.area > self.length * self.width:
            wrong["area"] = "field-area-over-size"
        if sum(share for share in (self.granulating, self.slough, self.necrotic) if share is not None) > 100:
            wrong["necrotic"] = "field-over-hundred"
        if self.exudate == "none" and self.exudate_amount not in {NOT_ASSESSED, "unknown"}:
            wrong["exudate_amount"] = "field-no-exudate"
        return wrong
