"""How a case ended, in the few words that everybody who took part in it is told (出院记录 has the same heads: 病历书写基本规范, 2010, art. 24)."""

from typing import Annotated, ClassVar

from registry.forms.fields import Document, Field
from registry.valuesets import NOT_ASSESSED


class Closure(Document):
    """The summary with which a case is closed."""

    TYPE: ClassVar[str] = "closure"

    result: Annotated[str, Field("outcome", "choice", values="closure_result", required=True, quick=True)] = NOT_ASSESSED
    survival: Annotated[str, Field("outcome", "choice", values="survival", quick=True)] = NOT_ASSESSED
    work_status: Annotated[str, Field("outcome", "choice", values="work_status", quick=True)] = NOT_ASSESSED
    care: Annotated[str, Field("outcome", "choice", values="care", quick=True, help=True)] = NOT_ASSESSED
    summary: Annotated[str, Field("note", "note", quick=True, help=True)] = ""
