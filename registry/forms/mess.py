"""The Mangled Extremity Severity Score: recorded, shown with its warning, never a decision (clinical reference §4).

Points of its four components stand in the value sets ``mess_*`` (Johansen 1990). Seven and more went with amputation
in the first series; in LEAP (556 limbs) low scores predicted salvage but high ones did not predict amputation, and
PROOVIT (230 limbs) found no independent correlation. Therefore nothing here compares the total with seven.
"""

from typing import Annotated, ClassVar

from registry import valuesets
from registry.forms.fields import Document, Field, Reckoned
from registry.valuesets import NOT_ASSESSED

COMPONENTS = ("tissue", "ischaemia", "shock", "age")


class Mess(Document):
    """The four components of one limb; a score only once all of them are assessed."""

    TYPE: ClassVar[str] = "mess"

    side: Annotated[str, Field("limb", "choice", values="side", required=True, quick=True)] = ""
    limb: Annotated[str, Field("limb", "choice", values="limb", required=True, quick=True)] = NOT_ASSESSED
    tissue: Annotated[str, Field("score", "choice", values="mess_tissue", quick=True, help=True)] = NOT_ASSESSED
    ischaemia: Annotated[str, Field("score", "choice", values="mess_ischaemia", quick=True)] = NOT_ASSESSED
    over_six_hours: Annotated[str, Field("score", "yes_no", quick=True, help=True)] = NOT_ASSESSED
    shock: Annotated[str, Field("score", "choice", values="mess_shock", quick=True)] = NOT_ASSESSED
    age: Annotated[str, Field("score", "choice", values="mess_age", quick=True)] = NOT_ASSESSED
    evidence: Annotated[list[str], Field("note", "choices", values="evidence")] = []
    note: Annotated[str, Field("note", "note", quick=True)] = ""

    def reckoned(self) -> tuple[Reckoned, ...]:
        """The total of 1 to 14, with its warning; nothing while a component is open."""
        total = score(self.tissue, self.ischaemia, self.over_six_hours, self.shock, self.age)
        return () if total is None else (Reckoned("total", "score", number=total, unit="/ 14", warned=True),)


def score(tissue: str, ischaemia: str, over_six_hours: str, shock: str, age: str) -> int | None:
    """The total of the components; the points of ischaemia count twice when it lasted over six hours.

    None while a component is not assessed, or while it is not known how long there was an ischaemia.
    Source: Johansen et al., J Trauma 1990;30:568.
    """
    told = dict(zip(COMPONENTS, (tissue, ischaemia, shock, age), strict=True))
    if NOT_ASSESSED in told.values():
        return None
    points = {name: int(valuesets.value_set(f"mess_{name}").option(code).extra["points"]) for name, code in told.items()}
    if points["ischaemia"] and over_six_hours not in {"yes", "no"}:
        return None
    return sum(points.values()) + (points["ischaemia"] if over_six_hours == "yes" else 0)
