"""What a case is called: one line made of coded pieces, without naming anybody.

``Severed index finger, left`` · ``左示指离断``. Word order is the catalogue's; the pieces are labels of
the value sets.
"""

from dataclasses import dataclass

from registry import valuesets
from registry.forms.amputation import SEVERED
from registry.summaries import Summary
from registry.web.pages import label
from registry.web.translations import translate

NOTHING = frozenset({valuesets.UNKNOWN, valuesets.NOT_ASSESSED, "not_applicable", ""})


@dataclass(frozen=True, slots=True)
class Title:
    """``line`` names the case; ``person`` is sex and age; ``facts`` what else is known, shortest first."""

    line: str
    person: str
    sign: str
    facts: tuple[str, ...]


def of(summary: Summary, language: str) -> Title:
    """The title of a case in a language."""
    return Title(_line(summary, language), _person(summary, language), _sign(summary, language), _facts(summary, language))


def _line(summary: Summary, language: str) -> str:
    by_side: dict[str, list[str]] = {}
    for unit in summary.units:
        by_side.setdefault(unit.side, []).append(_word(language, "part", unit.part))
    if not by_side:
        parts = [_word(language, "region", region) for region in summary.regions if region not in NOTHING]
        by_side = {summary.side: parts}
    between = translate(language, "case-title-and")
    told = [_piece(language, summary.kind, side, between.join(dict.fromkeys(parts))) for side, parts in by_side.items()]
    line = translate(language, "case-title-also").join(told)
    return line[:1].upper() + line[1:]


def _piece(language: str, kind: str, side: str, parts: str) -> str:
    told = "sided" if side not in NOTHING else "plain"
    where = _word(language, "side", side) if told == "sided" else ""
    if not parts:
        return translate(language, "case-title-bare-" + told, kind=label(language, "case_kind", kind), side=where)
    shape = kind.replace("_", "-") if kind in SEVERED else "other"
    return translate(language, f"case-title-{shape}-{told}", kind=label(language, "case_kind", kind), side=where, parts=parts)


def _word(language: str, value_set: str, code: str) -> str:
    text = label(language, value_set, code)
    return text if language == "zh" else text[:1].lower() + text[1:]


def _sign(summary: Summary, language: str) -> str:
    sign = {"male": "♂", "female": "♀"}.get(summary.sex, "")
    return f"{sign} {summary.age}".strip() if summary.age is not None else sign


def _person(summary: Summary, language: str) -> str:
    sex = label(language, "sex", summary.sex)
    if summary.age is None:
        return translate(language, "case-person-no-age", sex=sex)
    return translate(language, "case-person", sex=sex, age=summary.age)


def _facts(summary: Summary, language: str) -> tuple[str, ...]:
    zones = {label(language, "tamai", unit.tamai) for unit in summary.units if unit.tamai not in NOTHING}
    short = [translate(language, "case-tamai", zone=zone.split(":")[0].split("：")[0]) for zone in sorted(zones)]
    levels = {label(language, "level", unit.level) for unit in summary.units if unit.level not in NOTHING | {"digit", "toe"}}
    mechanism = [label(language, "mechanism", summary.mechanism)] if summary.mechanism not in NOTHING else []
    return (*short, *sorted(levels), *mechanism)
