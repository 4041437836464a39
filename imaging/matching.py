"""Matching: a QIDO-RS query read from its URL and held against the attributes an answer would show.

PS3.18 §8.3.4 and §10.6, PS3.4 C.2.2.2: single value, list of UIDs, wildcard, range and universal matching, names
without regard to case. A key we do not match on, or a value that breaks its type, is Invalid and nothing is searched.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from pydicom.datadict import dictionary_VR, keyword_for_tag

from core.errors import Invalid
from imaging.attributes import Attributes, tag

Level = Literal["study", "series", "instance"]
LEVELS: tuple[Level, ...] = ("study", "series", "instance")
MOST = 10_000
ALL = "all"

_STUDY = """
StudyDate StudyTime AccessionNumber ModalitiesInStudy ReferringPhysicianName PatientName PatientID PatientBirthDate PatientSex
StudyInstanceUID StudyID StudyDescription
"""
_SERIES = "Modality SeriesInstanceUID SeriesNumber SeriesDescription BodyPartExamined Laterality PerformedProcedureStepStartDate"
_INSTANCE = "SOPClassUID SOPInstanceUID InstanceNumber Rows Columns BitsAllocated NumberOfFrames"
KEYS: dict[Level, frozenset[str]] = {
    "study": frozenset(_STUDY.split()),
    "series": frozenset([*_STUDY.split(), *_SERIES.split()]),
    "instance": frozenset([*_STUDY.split(), *_SERIES.split(), *_INSTANCE.split()]),
}
"""What may be asked for at each level."""

_WILD = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_UID = re.compile(r"[0-9.]{1,64}")
_WHOLE = re.compile(r"-?\d{1,10}")
_DATE = re.compile(r"(\d{4})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d(([0-5]\d|60)(\.\d{1,6})?)?)?")
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


@dataclass(frozen=True, slots=True)
class Query:
    """One search. ``keys``: keyword → value as asked; ``include``: tags to answer with besides the usual; ``everything``: all there are."""

    level: Level
    keys: Mapping[str, str] = field(default_factory=dict)
    include: frozenset[str] = frozenset()
    everything: bool = False
    limit: int = MOST
    offset: int = 0
    fuzzy: bool = False

    @property
    def uids(self) -> dict[str, list[str]]:
        """The UIDs asked for, by keyword: what a database can narrow by."""
        return {keyword: _list(value) for keyword, value in self.keys.items() if dictionary_VR(tag(keyword)) == "UI" and value}

    def matches(self, shown: Attributes) -> bool:
        """Whether attributes match every key. They are those that the caller would be shown, and no others."""
        return all(_matches(shown.get(tag(keyword)), keyword, value, fuzzy=self.fuzzy) for keyword, value in self.keys.items())


def parse(level: Level, pairs: Iterable[tuple[str, str]]) -> Query:
    """A query from the decoded names and values of a URL. Raises Invalid with the names that are wrong."""
    keys: dict[str, str] = {}
    include: set[str] = set()
    options: dict[str, str] = {}
    wrong: dict[str, str] = {}
    for name, value in pairs:
        if name == "includefield":
            include.update(part.strip() for part in value.split(",") if part.strip())
        elif name in ("limit", "offset", "fuzzymatching", "accept"):
            if name in options:
                wrong[name] = "query-repeated"
            options[name] = value
        elif (keyword := _keyword(name)) not in KEYS[level]:
            wrong[name[:64]] = "query-key-unknown"
        elif keyword in keys and dictionary_VR(tag(keyword)) != "UI":
            wrong[keyword] = "query-repeated"
        else:
            keys[keyword] = f"{keys[keyword]},{value.strip()}" if keyword in keys else value.strip()
    wrong |= {keyword: "query-value" for keyword, value in keys.items() if not _sound(keyword, value)}
    numbers = {name: _count(options.get(name), default) for name, default in (("limit", MOST), ("offset", 0))}
    wrong |= {name: "query-value" for name, number in numbers.items() if number is None}
    if options.get("fuzzymatching", "false").lower() not in ("true", "false"):
        wrong["fuzzymatching"] = "query-value"
    fields = _include(include, wrong)
    if wrong:
        raise Invalid("query-invalid", fields=wrong)
    return Query(
        level=level,
        keys=keys,
        include=fields,
        everything=ALL in include,
        limit=min(cast(int, numbers["limit"]), MOST),
        offset=cast(int, numbers["offset"]),
        fuzzy=options.get("fuzzymatching", "").lower() == "true",
    )


def is_uid(value: str) -> bool:
    """Whether a text may be a UID (PS3.5 §9.1)."""
    return _UID.fullmatch(value) is not None


def day_range(value: str) -> tuple[str, str]:
    """First and last day of a date key that ``parse`` let through; empty where it is open."""
    first, dash, last = value.partition("-")
    return (first, last) if dash else (first, first)


def plain(value: str) -> bool:
    """Whether a value stands for itself alone: neither empty nor with wildcards."""
    return bool(value) and not set(value) & {"*", "?"}


def _keyword(name: str) -> str:
    return keyword_for_tag(int(name, 16)) if _TAG.fullmatch(name) else name


def _include(names: set[str], wrong: dict[str, str]) -> frozenset[str]:
    found: set[str] = set()
    for name in names:
        if name == ALL:
            continue
        try:
            found.add(name.upper() if _TAG.fullmatch(name) else tag(name.split(".")[0]))
        except KeyError:
            wrong["includefield"] = "query-field-unknown"
    return frozenset(found)


def _count(value: str | None, default: int) -> int | None:
    if value is None:
        return default
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


def _list(value: str) -> list[str]:
    return [part.strip() for part in re.split(r"[,\\]", value) if part.strip()]


def _sound(keyword: str, value: str) -> bool:
    vr = dictionary_VR(tag(keyword))
    if not value or len(value) > 4_096:
        return not value
    if vr == "UI":
        return bool(_list(value)) and all(_UID.fullmatch(part) for part in _list(value))
    if vr in ("DA", "TM"):
        form = _DATE if vr == "DA" else _TIME
        parts = value.split("-")
        return len(parts) <= 2 and any(parts) and all(not part or form.fullmatch(part) for part in parts)
    if vr in ("IS", "US"):
        return _WHOLE.fullmatch(value) is not None
    return not any(unicodedata.category(letter) == "Cc" for letter in value)


def _matches(element: Mapping[str, Any] | None, keyword: str, value: str, *, fuzzy: bool) -> bool:
    if not value.strip("*"):
        return True
    held = [one for one in (element or {}).get("Value") or [] if one is not None]
    vr = dictionary_VR(tag(keyword))
    if vr == "UI":
        return bool(set(_list(value)) & {str(one) for one in held})
    if vr == "DA":
        return any(_in_range(str(one), value) for one in held)
    if vr == "TM":
        return any(_in_range(_padded(str(one), "0"), _time_range(value)) for one in held)
    if vr in ("IS", "US"):
        return any(isinstance(one, int | float) and one == int(value) for one in held)
    if vr == "PN":
        return any(_name_matches(one, value, fuzzy=fuzzy) for one in held)
    return any(_wild(str(one).strip(), value) for one in held)


def _in_range(held: str, asked: str) -> bool:
    first, last = day_range(asked)
    return bool(held) and held >= first and (not last or held <= last)


def _time_range(asked: str) -> str:
    """A time of less precision stands for all it covers: 10 means 100000.000000-105959.999999."""
    first, last = day_range(asked)
    return f"{_padded(first, '0') if first else ''}-{_padded(last, '9') if last else ''}"


def _padded(time: str, digit: str) -> str:
    whole, _, fraction = time.partition(".")
    whole += "".join(("00" if digit == "0" else "59") for _ in range((6 - len(whole)) // 2))
    return f"{whole}.{fraction.ljust(6, digit)}"


def _wild(held: str, asked: str) -> bool:
    """Wildcards of PS3.4 C.2.2.2.4. Each run of letters takes its first place and keeps it, so that stars never multiply."""
    if plain(asked):
        return held == asked
    head, *rest = (_run(part) for part in re.sub(r"\*+", "*", asked).split("*"))
    pattern = head + "".join(f"(?>.*?{part})" for part in rest[:-1]) + (f".*{rest[-1]}" if rest else "")
    return re.fullmatch(pattern, held, re.DOTALL) is not None


def _run(letters: str) -> str:
    return "".join("." if letter == "?" else re.escape(letter) for letter in letters)


def _name_matches(held: object, asked: str, *, fuzzy: bool) -> bool:
    """A name by any of its component groups; fuzzy: each word asked for begins some word of the name."""
    groups = [str(held.get(group) or "") for group in _GROUPS] if isinstance(held, Mapping) else str(held).split("=")
    wanted = [_folded(part) for part in asked.split("=") if part]
    for group in filter(None, map(_folded, groups)):
        if fuzzy:
            words = re.split(r"[\^\s]+", group)
            if all(any(word.startswith(part) for word in words) for part in re.split(r"[\^\s*?]+", " ".join(wanted)) if part):
                return True
        elif any(_wild(group, part) for part in wanted):
            return True
    return False


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().strip().rstrip("^").strip()
