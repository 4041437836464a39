"""Patients as pictures name them: does a file speak of the person it is filed for?

Imaging knows no patients. The registry hands it what is expected (``Expected``), and this module compares it with
what a file says (``Identity``). What a file leaves empty disagrees with nothing; what it says and does not fit holds
it until a person confirms. X-ray machines write a Chinese name in pinyin, in either order, with or without spaces;
every reading of every character counts, for a heteronym surname is misread more often than not.
"""

import datetime as dt
import itertools
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from pypinyin import Style, pinyin

READINGS_LIMIT = 64
Field = Literal["id", "name", "birth_date", "sex"]

_SEPARATORS = re.compile(r"[\s^=,.·•'’\-]+")
_HAN = re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff]")
_SEXES = frozenset({"M", "F"})


@dataclass(frozen=True)
class Expected:
    """Whom a case is about: every spelling of the name, every number the patient is known by. None: not known."""

    names: tuple[str, ...] = ()
    birth_date: dt.date | None = None
    sex: Literal["M", "F"] | None = None
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Identity:
    """Whom a file names. Empty: it does not say."""

    names: tuple[str, ...] = ()
    id: str = ""
    birth_date: str = ""
    sex: str = ""

    @classmethod
    def of_header(cls, header: Mapping[str, Any]) -> Self:
        """From the DICOM JSON of a study."""
        names: Any = next(iter(_values(header, "00100010")), {})
        return cls(
            names=tuple(filter(None, names.values())) if isinstance(names, dict) else (),
            id=_first(header, "00100020"),
            birth_date=_first(header, "00100030"),
            sex=_first(header, "00100040"),
        )


def disagreeing(identity: Identity, expected: Expected) -> list[Field]:
    """What of a file's identity contradicts what is expected, in a fixed order."""
    found: list[Field] = []
    if identity.id.strip() and expected.ids and plain_id(identity.id) not in map(plain_id, expected.ids):
        found.append("id")
    if not names_agree(identity.names, expected.names):
        found.append("name")
    if identity.birth_date.strip() and expected.birth_date and date(identity.birth_date) != expected.birth_date:
        found.append("birth_date")
    if identity.sex.strip().upper() in _SEXES and expected.sex and identity.sex.strip().upper() != expected.sex:
        found.append("sex")
    return found


def differ(one: Identity, other: Identity) -> bool:
    """Whether two files under one study cannot be of one person: by number if both have one, else by name."""
    if one.id.strip() and other.id.strip():
        return plain_id(one.id) != plain_id(other.id)
    return not names_agree(one.names, other.names)


def names_agree(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether two sets of spellings have one in common; an empty set agrees with any.

    Where both are written in Chinese characters these decide, for many names sound alike.
    """
    first, second = list(filter(_tokens, one)), list(filter(_tokens, other))
    if not first or not second:
        return True
    written = [[name for name in names if _HAN.search(name)] for names in (first, second)]
    if all(written):
        return not _turned(written[0]).isdisjoint(_turned(written[1]))
    return not _spellings(first).isdisjoint(_spellings(second))


def plain_id(text: str) -> str:
    """A patient's number without space, case and leading zeros."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text)).casefold().lstrip("0")


def date(text: str) -> dt.date | None:
    """A DICOM date (PS3.5 6.2, with the dots of ACR-NEMA too); None when it is none."""
    try:
        return dt.datetime.strptime(text.strip().replace(".", ""), "%Y%m%d").replace(tzinfo=dt.UTC).date()
    except ValueError:
        return None


def _turned(names: Iterable[str]) -> set[str]:
    """Every way the parts of each name can be run together, any part first."""
    found: set[str] = set()
    for name in names:
        tokens = _tokens(name)
        found |= {"".join(tokens[turn:] + tokens[:turn]) for turn in range(len(tokens))}
    return found


def _spellings(names: Iterable[str]) -> set[str]:
    turned = _turned(names)
    return turned.union(*map(_readings, turned))


def _tokens(name: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", name).casefold()
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return [token for token in _SEPARATORS.split(plain)[:4] if token]


def _readings(name: str) -> set[str]:
    """Pinyin, without tones, of a name in Chinese characters; its parts in either order."""
    if not _HAN.search(name):
        return set()
    syllables = [[reading.replace("ü", "v") for reading in each] for each in pinyin(name, style=Style.NORMAL, heteronym=True)]
    ways = itertools.islice(itertools.product(*syllables), READINGS_LIMIT)
    found: set[str] = set()
    for way in ways:
        for family in (0, 1, 2):  # a surname of one character or of two, before or after
            found.add("".join(way[family:] + way[:family]))
    return found | {each.replace("v", "u") for each in found} | {each.replace("v", "yu") for each in found}


def _values(header: Mapping[str, Any], tag: str) -> list[Any]:
    value = header.get(tag, {}).get("Value", [])
    return value if isinstance(value, list) else []


def _first(header: Mapping[str, Any], tag: str) -> str:
    return str(next(iter(_values(header, tag)), None) or "")
