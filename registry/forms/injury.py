"""The injury: when, how, where, to whom, and what was done first (clinical reference §2)."""

from typing import Annotated, ClassVar

from registry.forms.fields import Document, Field, Figure, Moment
from registry.valuesets import NOT_ASSESSED


class Injury(Document):
    """One injury event. Only its time and its mechanism are asked for; everything else may wait."""

    TYPE: ClassVar[str] = "injury"
    FIGURES: ClassVar[tuple[Figure, ...]] = ("body",)

    injured_at: Annotated[Moment | None, Field("when", "moment", required=True, quick=True, past=True, help=True)] = None
    mechanism: Annotated[str, Field("how", "choice", values="mechanism", required=True, quick=True)] = NOT_ASSESSED
    side: Annotated[str, Field("where", "choice", values="side", quick=True)] = "unknown"
    region: Annotated[list[str], Field("where", "choices", values="region", quick=True)] = []
    cause: Annotated[str, Field("how", "choice", values="cause")] = NOT_ASSESSED
    energy: Annotated[str, Field("how", "choice", values="energy")] = NOT_ASSESSED
    contamination: Annotated[list[str], Field("how", "choices", values="contamination", help=True)] = []
    intent: Annotated[str, Field("how", "choice", values="intent")] = NOT_ASSESSED
    work_related: Annotated[str, Field("how", "yes_no")] = NOT_ASSESSED
    insurance: Annotated[str, Field("how", "choice", values="insurance")] = NOT_ASSESSED

    first_aid: Annotated[list[str], Field("first_aid", "choices", values="first_aid")] = []
    tourniquet_on_at: Annotated[Moment | None, Field("first_aid", "moment", past=True)] = None
    tourniquet_off_at: Annotated[Moment | None, Field("first_aid", "moment", past=True)] = None
    antibiotic: Annotated[str, Field("first_aid", "text", help=True)] = ""
    antibiotic_at: Annotated[Moment | None, Field("first_aid", "moment", past=True)] = None
    tetanus: Annotated[str, Field("first_aid", "choice", values="tetanus")] = NOT_ASSESSED

    dominance: Annotated[str, Field("host", "choice", values="dominance")] = NOT_ASSESSED
    occupation: Annotated[str, Field("host", "text")] = ""
    smoking: Annotated[str, Field("host", "choice", values="smoking")] = NOT_ASSESSED
    host_factors: Annotated[list[str], Field("host", "choices", values="host_factor")] = []
    allergy: Annotated[str, Field("host", "text", help=True)] = ""
    last_meal_at: Annotated[Moment | None, Field("host", "moment", past=True)] = None

    systolic: Annotated[float | None, Field("vitals", "integer", unit="mmHg", least=0, most=300)] = None
    diastolic: Annotated[float | None, Field("vitals", "integer", unit="mmHg", least=0, most=200)] = None
    heart_rate: Annotated[float | None, Field("vitals", "integer", unit="/min", least=0, most=300)] = None
    oxygen_saturation: Annotated[float | None, Field("vitals", "integer", unit="%", least=0, most=100)] = None
    coma_scale: Annotated[float | None, Field("vitals", "integer", unit="GCS", least=3, most=15)] = None
    associated_injury: Annotated[list[str], Field("vitals", "choices", values="associated")] = []
    severity_score: Annotated[float | None, Field("vitals", "integer", unit="ISS", least=0, most=75)] = None

    evidence: Annotated[list[str], Field("note", "choices", values="evidence")] = []
    note: Annotated[str, Field("note", "note", quick=True)] = ""

    def contradictions(self) -> dict[str, str]:
        """A tourniquet or a drug cannot come before the injury, nor a tourniquet off before it was on."""
        wrong: dict[str, str] = {}
        injured = self.injured_at.at if self.injured_at else None
        for name in ("tourniquet_on_at", "antibiotic_at"):
            moment: Moment | None = getattr(self, name)
            if injured and moment and moment.at and moment.at < injured:
                wrong[name] = "field-before-injury"
        on, off = self.tourniquet_on_at, self.tourniquet_off_at
        if on and off and on.at and off.at and off.at < on.at:
            wrong["tourniquet_off_at"] = "field-before-tourniquet"
        if self.systolic is not None and self.diastolic is not None and self.diastolic > self.systolic:
            wrong["diastolic"] = "field-over-systolic"
        return wrong
