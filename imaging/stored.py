"""Stored: the answer to a STOW-RS request, object by object (PS3.18 §10.5.3, Annex I)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from imaging.examined import Summary
from imaging.uploads import State

Json = dict[str, Any]

# PS3.18 Table I.2-1; 0111 is PS3.7 C.4.2's duplicate SOP instance
NOT_UNDERSTOOD, NO_SUCH_SYNTAX, MISMATCH, OUT_OF_RESOURCES = 0xC000, 0xC122, 0xA900, 0xA700
PROCESSING_FAILURE, DUPLICATE = 0x0110, 0x0111
REASONS = {
    "transfer-syntax": NO_SUCH_SYNTAX,
    "wrong-study": MISMATCH,
    "too-large": OUT_OF_RESOURCES,
    "bomb": OUT_OF_RESOURCES,
    "sandbox-memory": OUT_OF_RESOURCES,
    "sandbox-timeout": PROCESSING_FAILURE,
    "sandbox-fault": PROCESSING_FAILURE,
    "another-patient": PROCESSING_FAILURE,
    "study-of-another-patient": PROCESSING_FAILURE,
    "uid-conflict": DUPLICATE,
    "in-another-case": DUPLICATE,
    "in-inbox": DUPLICATE,
}
"""Our reasons as DICOM failure reasons; all others mean that the object was not understood."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one object. Its identifiers are known once it was understood."""

    state: State
    reason: str | None = None
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""

    @classmethod
    def of(cls, state: State, reason: str | None, summary: Summary) -> Self:
        """Of an object that was understood."""
        return cls(state, reason, summary.sop_class_uid, summary.sop_instance_uid, summary.study_instance_uid, summary.series_instance_uid)

    @property
    def stored(self) -> bool:
        """Whether it is there for whoever asks. What is held waits for a person and counts as failed."""
        return self.state in ("filed", "duplicate")


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything that came of a request."""

    outcomes: Sequence[Outcome]

    @property
    def stored(self) -> Literal["all", "some", "none"]:
        """How much of it is there: answered with 200, 202 and 409 (PS3.18 Table 10.5.3-1)."""
        count = sum(outcome.stored for outcome in self.outcomes)
        return "all" if count == len(self.outcomes) else "some" if count else "none"

    def dataset(self, base_url: str) -> Json:
        """The Store Instances Response as DICOM JSON (Table I.1-1); URLs begin with ``base_url``."""
        stored = [_referenced(each) | _url(f"{base_url}{_path(each)}") for each in self.outcomes if each.stored]
        failed = [_referenced(each) | _failure(each) for each in self.outcomes if not each.stored and each.sop_instance_uid]
        others = [_failure(each) for each in self.outcomes if not each.stored and not each.sop_instance_uid]
        found = {"00081198": failed, "00081199": stored, "0008119A": others}
        dataset: Json = {tag: {"vr": "SQ", "Value": items} for tag, items in found.items() if items}
        studies = {each.study_instance_uid for each in self.outcomes if each.stored}
        if len(studies) == 1:
            dataset |= _url(f"{base_url}/studies/{studies.pop()}")
        return dict(sorted(dataset.items()))


def _path(outcome: Outcome) -> str:
    return f"/studies/{outcome.study_instance_uid}/series/{outcome.series_instance_uid}/instances/{outcome.sop_instance_uid}"


def _url(url: str) -> Json:
    return {"00081190": {"vr": "UR", "Value": [url]}}


def _referenced(outcome: Outcome) -> Json:
    return {
        "00081150": {"vr": "UI", "Value": [outcome.sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [outcome.sop_instance_uid]},
    }


def _failure(outcome: Outcome) -> Json:
    return {"00081197": {"vr": "US", "Value": [REASONS.get(outcome.reason or "", NOT_UNDERSTOOD)]}}
