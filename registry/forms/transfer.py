"""The transfer: from where to where, when, how, in what condition, with what, and who is waiting there (clinical reference §5)."""

from typing import Annotated, ClassVar

from registry.forms.fields import Document, Field, Moment


class Transfer(Document):
    """One way from one hospital to another. It may be entered before it begins: only where it leads is asked for."""

    TYPE: ClassVar[str] = "transfer"
    AFTER_INJURY: ClassVar[tuple[str, ...]] = ("departed_at", "arrived_at")

    origin: Annotated[str, Field("way", "text", quick=True)] = ""
    destination: Annotated[str, Field("way", "text", required=True, quick=True)] = ""
    means: Annotated[str, Field("way", "choice", values="transport", quick=True)] = "not_assessed"
    departed_at: Annotated[Moment | None, Field("way", "moment", quick=True, help=True)] = None
    arrived_at: Annotated[Moment | None, Field("way", "moment", past=True, quick=True)] = None

    receiver: Annotated[str, Field("receiver", "text", quick=True)] = ""
    phone: Annotated[str, Field("receiver", "phone", quick=True, help=True)] = ""
    accepted_at: Annotated[Moment | None, Field("receiver", "moment", past=True)] = None

    condition: Annotated[list[str], Field("departure", "choices", values="transfer_condition", quick=True, help=True)] = []
    goes_with: Annotated[list[str], Field("departure", "choices", values="goes_with", quick=True, help=True)] = []

    note: Annotated[str, Field("note", "note", quick=True)] = ""

    def contradictions(self) -> dict[str, str]:
        """Nobody arrives before they left, and nobody is stable and in shock at once."""
        wrong: dict[str, str] = {}
        left, came = self.departed_at, self.arrived_at
        if left and came and left.at and came.at and came.at < left.at:
            wrong["arrived_at"] = "field-before-departure"
        if "stable" in self.condition and {"shock", "bleeding", "unconscious"} & set(self.condition):
            wrong["condition"] = "field-not-stable"
        return wrong
