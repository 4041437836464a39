"""The operation: when, what was done, under which anaesthesia, by whom, and what was found (clinical reference §1 and §5)."""

from typing import Annotated, ClassVar

from registry.forms.fields import Document, Field, Moment
from registry.valuesets import NOT_ASSESSED


class Operation(Document):
    """One operation. It may be entered while it lasts: only its begin and what is done are asked for."""

    TYPE: ClassVar[str] = "operation"

    began_at: Annotated[Moment | None, Field("when", "moment", required=True, quick=True, past=True)] = None
    ended_at: Annotated[Moment | None, Field("when", "moment", past=True)] = None
    procedures: Annotated[list[str], Field("operation", "choices", values="procedure", required=True, quick=True)] = []
    findings: Annotated[str, Field("operation", "note", quick=True, help=True)] = ""
    anaesthesia: Annotated[list[str], Field("theatre", "choices", values="anaesthesia")] = []
    surgeon_role: Annotated[str, Field("theatre", "choice", values="surgeon_role")] = NOT_ASSESSED
    note: Annotated[str, Field("note", "note")] = ""

    def contradictions(self) -> dict[str, str]:
        """An operation does not end before it began."""
        began, ended = self.began_at, self.ended_at
        if began and ended and began.at and ended.at and ended.at < began.at:
            return {"ended_at": "field-before-operation"}
        return {}
