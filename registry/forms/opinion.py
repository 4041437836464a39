"""The words of a consultation opinion, in the order in which an expert thinks."""

from typing import Annotated, ClassVar

from registry.forms.fields import Document, Field


class OpinionText(Document):
    """What the expert writes. Findings, recommendation and limits are needed before it can be signed."""

    TYPE: ClassVar[str] = "opinion"

    findings: Annotated[str, Field("opinion", "note", required=True, quick=True, help=True)] = ""
    classification: Annotated[str, Field("opinion", "note", quick=True)] = ""
    recommendation: Annotated[str, Field("opinion", "note", required=True, quick=True, help=True)] = ""
    urgency: Annotated[str, Field("opinion", "choice", values="urgency", required=True, quick=True)] = ""
    monitoring: Annotated[str, Field("opinion", "note", quick=True)] = ""
    limits: Annotated[str, Field("opinion", "note", required=True, quick=True, help=True)] = ""


class JointText(OpinionText):
    """What experts who have each advised say together."""

    TYPE: ClassVar[str] = "joint"

    differences: Annotated[str, Field("opinion", "note", quick=True, help=True)] = ""


class AddendumText(Document):
    """What is added to a signed opinion."""

    TYPE: ClassVar[str] = "addendum"

    addition: Annotated[str, Field("opinion", "note", required=True, quick=True)] = ""
