"""Value sets: the coded answers a form may hold, read from the data files in ``valuesets/``.

A code never changes its meaning; a label may be bettered. ``unknown`` and ``not_assessed`` are answers
of their own and never count as ``no``. Each file names its source and licence, and each code whether a
source confirms it, so that what a clinician has yet to confirm can be told apart. A file whose licence wants
everything of one origin in one place holds several sets, each named ``<file>.<set>``.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

NOT_ASSESSED = "not_assessed"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Option:
    """One code of a value set with its labels; ``extra`` holds what a rule reads (``counted``, ``starts``)."""

    code: str
    zh: str
    en: str
    confirmed: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    def label(self, language: str) -> str:
        """The label in ``zh`` or ``en``; any other language reads English."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True, slots=True)
class ValueSet:
    """A named, ordered list of options."""

    name: str
    zh: str
    en: str
    source: str
    licence: str
    options: tuple[Option, ...]

    @property
    def codes(self) -> frozenset[str]:
        """Every code of the set."""
        return frozenset(option.code for option in self.options)

    def option(self, code: str) -> Option:
        """The option of that code. Raises KeyError for a code the set does not hold."""
        for option in self.options:
            if option.code == code:
                return option
        raise KeyError(f"{self.name}: {code}")

    def label(self, code: str, language: str) -> str:
        """The label of a code; a code from an older edition of the set reads as itself."""
        return self.option(code).label(language) if code in self.codes else code


@cache
def value_set(name: str) -> ValueSet:
    """The value set of that name. Raises KeyError when there is none."""
    stem, _, part = name.partition(".")
    path = files("registry") / "valuesets" / f"{stem}.toml"
    if not path.is_file():
        raise KeyError(name)
    whole = tomllib.loads(path.read_text(encoding="utf-8"))
    data = whole[part] if part else whole
    options = tuple(
        Option(
            code=row["code"],
            zh=row["zh"],
            en=row["en"],
            confirmed=row.get("confirmed", False),
            extra={key: value for key, value in row.items() if key not in {"code", "zh", "en", "confirmed"}},
        )
        for row in data["codes"]
    )
    return ValueSet(name if part else data["name"], data["zh"], data["en"], whole["source"], whole["licence"], options)


def names() -> list[str]:
    """The names of every value set, sorted."""
    found: list[str] = []
    for path in (files("registry") / "valuesets").iterdir():
        stem, _, ending = path.name.rpartition(".")
        if ending == "toml":
            whole = tomllib.loads(path.read_text(encoding="utf-8"))
            found += [stem] if "codes" in whole else [f"{stem}.{part}" for part, data in whole.items() if isinstance(data, dict)]
    return sorted(found)


def label(name: str, code: str, language: str) -> str:
    """The label of ``code`` in the value set ``name``, for a page."""
    return value_set(name).label(code, language)
