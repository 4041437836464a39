"""The times of an open fracture in words: one line per step with what it was held against. What counts is decided in ``registry.open_fractures``."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from registry import open_fractures
from registry.forms.fields import Document
from registry.open_fractures import Limit, Step
from registry.web.moments import Clock
from registry.web.translations import PSEUDO, pseudo, translate


@dataclass(frozen=True, slots=True)
class Line:
    """One step: its name, how it stands (``done``, ``due``, ``overdue`` …), the sentence, and the rule with its limit."""

    name: str
    state: str
    words: str
    rule: str


@dataclass(frozen=True, slots=True)
class Times:
    """The steps of a case and where their limits come from."""

    lines: tuple[Line, ...]
    sources: tuple[str, ...]


def of(documents: Sequence[Document], now: dt.datetime, when: Clock) -> Times | None:
    """What is shown for the documents that stand; None where there is no open fracture that the standard covers."""
    steps = open_fractures.read(documents, now)
    if not steps:
        return None
    return Times(tuple(line(step, when) for step in steps), tuple(_source(limit, when.language) for limit in open_fractures.limits()))


def line(step: Step, when: Clock) -> Line:
    """One step in words."""
    language, limit = when.language, step.limit
    rule = translate(language, f"open-fracture-rule-{limit.rule.replace('_', '-')}", hours=f"{limit.hours:g}")
    at_once = limit.rule == "at_once"
    code = {"done": "done-late" if step.late and not at_once else "done", "overdue": "now" if at_once else "overdue"}.get(
        step.state, step.state
    )
    if step.state == "done" and step.after is None:
        code = "done-at"
    words = translate(
        language,
        f"open-fracture-{code}",
        at=when.exact(step.at) if step.at else "",
        after=when.span(step.after) if step.after is not None else "",
        due=when.exact(step.due_at) if step.due_at else "",
        relative=when.ago(step.due_at) if step.due_at else "",
    )
    return Line(translate(language, f"open-fracture-step-{limit.step}"), step.state, words, rule)


def _source(limit: Limit, language: str) -> str:
    text = limit.source(language)
    return pseudo(text) if language == PSEUDO else text
