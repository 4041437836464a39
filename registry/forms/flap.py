"""The flap: which, how it was moved, what it was joined to, and how it looked at the end (clinical reference §6).

One document per flap. Lengths in cm, the coupler in mm, ischaemia in minutes. A flap that was merely turned has no
anastomosis; one that was joined says so under ``transfer``.
"""

import datetime as dt
from typing import Annotated, ClassVar

from registry.forms.fields import Document, Field
from registry.valuesets import NOT_ASSESSED, UNKNOWN

NOTHING = frozenset({"none", UNKNOWN, NOT_ASSESSED})
# of these ways of moving a flap, vessels are joined in the first alone
JOINED = frozenset({"free", "flow_through", "supercharged"})
JOINS = ("arteries", "artery_anastomosis", "veins", "vein_anastomosis", "coupler", "ischaemia")


class Flap(Document):
    """One flap. Its kind, and how it was moved, are asked for; everything else may wait."""

    TYPE: ClassVar[str] = "flap"

    flap: Annotated[str, Field("flap", "choice", values="flap", required=True, quick=True)] = NOT_ASSESSED
    transfer: Annotated[list[str], Field("flap", "choices", values="flap_transfer", required=True, quick=True, help=True)] = []
    donor_side: Annotated[str, Field("flap", "choice", values="side", quick=True)] = ""
    operated_on: Annotated[dt.date | None, Field("flap", "date", past=True, quick=True)] = None
    composition: Annotated[list[str], Field("flap", "choices", values="flap_composition")] = []

    state: Annotated[str, Field("flow", "choice", values="perfusion", quick=True, help=True)] = NOT_ASSESSED
    ischaemia: Annotated[float | None, Field("flow", "integer", unit="min", least=0, most=1440, help=True)] = None

    length: Annotated[float | None, Field("size", "decimal", unit="cm", quick=True, least=0, most=60)] = None
    width: Annotated[float | None, Field("size", "decimal", unit="cm", quick=True, least=0, most=60)] = None
    perforators: Annotated[float | None, Field("size", "integer", least=0, most=10)] = None
    pedicle: Annotated[float | None, Field("size", "decimal", unit="cm", least=0, most=40)] = None
    thinned: Annotated[str, Field("size", "yes_no")] = NOT_ASSESSED
    donor_closure: Annotated[str, Field("size", "choice", values="donor_closure")] = NOT_ASSESSED

    side: Annotated[str, Field("recipient", "choice", values="side", quick=True)] = ""
    region: Annotated[str, Field("recipient", "choice", values="region", quick=True)] = NOT_ASSESSED
    arteries: Annotated[list[str], Field("recipient", "choices", values="flap_artery")] = []
    artery_anastomosis: Annotated[str, Field("recipient", "choice", values="artery_anastomosis")] = NOT_ASSESSED
    veins: Annotated[list[str], Field("recipient", "choices", values="flap_vein")] = []
    veins_count: Annotated[str, Field("recipient", "choice", values="vein_count")] = NOT_ASSESSED
    vein_anastomosis: Annotated[str, Field("recipient", "choice", values="vein_anastomosis")] = NOT_ASSESSED
    coupler: Annotated[float | None, Field("recipient", "decimal", unit="mm", least=0.5, most=10)] = None
    graft: Annotated[str, Field("recipient", "yes_no", help=True)] = NOT_ASSESSED
    injury_zone: Annotated[str, Field("recipient", "choice", values="injury_zone")] = NOT_ASSESSED

    regime: Annotated[list[str], Field("regime", "choices", values="regime")] = []
    regime_words: Annotated[str, Field("regime", "text", help=True)] = ""
    pressors: Annotated[str, Field("regime", "yes_no")] = NOT_ASSESSED
    revised: Annotated[str, Field("regime", "yes_no", help=True)] = NOT_ASSESSED
    revised_words: Annotated[str, Field("regime", "text")] = ""

    note: Annotated[str, Field("note", "note", quick=True)] = ""

    def contradictions(self) -> dict[str, str]:
        """Nothing is joined in a flap that was merely turned, no coupler where veins were sewn, no vein beside none."""
        wrong: dict[str, str] = {}
        if {"free", "pedicled"} <= set(self.transfer):
            wrong["transfer"] = "field-free-and-pedicled"
        elif self.transfer and not JOINED & set(self.transfer) and any(map(self._told, JOINS)):
            wrong["transfer"] = "field-flap-not-joined"
        if self.coupler is not None and self.vein_anastomosis == "sewn":
            wrong["coupler"] = "field-no-coupler"
        if self.veins_count == "0" and self._told("veins"):
            wrong["veins"] = "field-more-named"
        if self.revised == "no" and self.revised_words:
            wrong["revised_words"] = "field-not-revised"
        return wrong

    def _told(self, name: str) -> bool:
        """Whether a field says that something was done."""
        value = getattr(self, name)
        if isinstance(value, list):
            return bool(set(value) - NOTHING)
        return value is not None and value not in NOTHING
