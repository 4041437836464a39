"""Attributes: reading single values out of a DICOM JSON object (PS3.18 F.2).

Headers come from files of strangers: a value may be missing, of another type or beyond sense. These readers
give a plain value of the asked kind or None, and never raise.
"""

import math
from base64 import b64decode
from binascii import Error
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword

Attributes = Mapping[str, Any]
"""tag (eight upper-case hexadecimal digits) → {vr, Value | InlineBinary | BulkDataURI}"""


@cache
def tag(keyword: str) -> str:
    """The eight hexadecimal digits of a standard attribute. Raises KeyError for a keyword PS3.6 does not know."""
    found = tag_for_keyword(keyword)
    if found is None:
        raise KeyError(keyword)
    return f"{found:08X}"


@cache
def vr(keyword: str) -> str:
    """The value representation of a standard attribute; of several the first."""
    return dictionary_VR(tag(keyword))[:2]


def values(header: Attributes, keyword: str) -> list[Any]:
    """All values of an attribute, empty ones as None."""
    element = header.get(tag(keyword))
    found = element.get("Value") if isinstance(element, Mapping) else None
    return found if isinstance(found, list) else []


def number(header: Attributes, keyword: str, index: int = 0) -> float | None:
    """One finite number."""
    found = values(header, keyword)
    try:
        value = float(found[index])
    except (IndexError, TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def integer(header: Attributes, keyword: str, index: int = 0) -> int | None:
    """One whole number."""
    value = number(header, keyword, index)
    return int(value) if value is not None and value.is_integer() else None


def text(header: Attributes, keyword: str, index: int = 0) -> str | None:
    """One string without padding; of a person's name the first component group there is."""
    found = values(header, keyword)
    if not 0 <= index < len(found):
        return None
    value = found[index]
    if isinstance(value, Mapping):
        value = value.get("Alphabetic") or value.get("Ideographic") or value.get("Phonetic")
    return value.strip() or None if isinstance(value, str) else None


def items(header: Attributes, keyword: str) -> list[Attributes]:
    """The items of a sequence."""
    return [item for item in values(header, keyword) if isinstance(item, Mapping)]


def binary(header: Attributes, keyword: str) -> bytes | None:
    """The bytes of a value that stands in the header; None for bulk data."""
    element = header.get(tag(keyword))
    found = element.get("InlineBinary") if isinstance(element, Mapping) else None
    try:
        return b64decode(found, validate=True) if isinstance(found, str) else None
    except (Error, ValueError):
        return None


def bulk(header: Attributes, keyword: str) -> tuple[int, int] | None:
    """(first byte, number of bytes) in the plain file of a value that intake left there."""
    element = header.get(tag(keyword))
    return bulk_range(element) if isinstance(element, Mapping) else None


def bulk_range(element: Mapping[str, Any]) -> tuple[int, int] | None:
    """The same of one element: ``BulkDataURI`` is ``bulk/{offset}/{length}``."""
    parts = str(element.get("BulkDataURI", "")).split("/")
    if len(parts) != 3 or parts[0] != "bulk" or not (parts[1].isdigit() and parts[2].isdigit()):
        return None
    return int(parts[1]), int(parts[2])


def functional(header: Attributes, macro: str, frame: int) -> Attributes:
    """One functional group of a frame counted from 0, or of all frames (PS3.3 C.7.6.16); empty when there is none."""
    per_frame = items(header, "PerFrameFunctionalGroupsSequence")
    groups = [per_frame[frame]] if 0 <= frame < len(per_frame) else []
    for group in (*groups, *items(header, "SharedFunctionalGroupsSequence")):
        if found := items(group, macro):
            return found[0]
    return {}
