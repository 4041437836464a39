"""De-identification: what of an object whoever may not see identity gets.

Attributes by allowlist (``imaging.allowlist``): everything else goes, private groups, overlays, curves, free text and
nested identifiers included. Name and id become the case number. PS3.15 Annex E, with the options that
``allowlist.METHOD`` names; UIDs are retained. Pixels are not looked at: what may be written in them is flagged.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydicom.datadict import dictionary_VR, keyword_for_tag

from imaging import attributes
from imaging.allowlist import BINARY, CODES, DATES, EMPTY, METHOD, NUMBERS, PIXELS, REPLACED, SEQUENCES, TAGS, UIDS, WORDS
from imaging.attributes import Attributes, tag

Header = dict[str, Any]
DEPTH = 8
OLDEST = 90
"""Years from which on an age identifies (PS3.15 E.3.6, after 45 CFR 164.514)."""

_UID = re.compile(r"\d+(\.\d+)*")
_DATE = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_AGE = re.compile(r"\d{3}[DWMY]")
_TAG = re.compile(r"[0-9A-F]{8}")
_SCREEN_CLASSES = ("1.2.840.10008.5.1.4.1.1.7",)
_SCREEN_MODALITIES = frozenset({"US", "XA", "RF", "ES", "SC", "OT", "ECG", "DOC", "OP", "NM", "PT"})

Words = Literal["no", "suspected", "yes"]


def header(found: Attributes, number: str) -> Header:
    """The de-identified attributes of an instance, a series or a study; ``number`` is the number of the case.

    What concerns the patient and the de-identification itself is put in where patient attributes are asked for at all.
    """
    kept = _keep(found, 0)
    kept |= {tag(keyword): {"vr": _vr(keyword)} for keyword in EMPTY if tag(keyword) in found}
    if tag("PatientID") in found or tag("PatientName") in found:
        kept |= subject(number)
        if age := _age(found):
            kept[tag("PatientAge")] = {"vr": "AS", "Value": [age]}
    return dict(sorted(kept.items()))


def subject(number: str) -> Header:
    """Who the patient is, for whoever may not know: the case number, and how it was de-identified (PS3.15 E.2)."""
    codes = [
        {
            tag("CodeValue"): {"vr": "SH", "Value": [code]},
            tag("CodingSchemeDesignator"): {"vr": "SH", "Value": ["DCM"]},
            tag("CodeMeaning"): {"vr": "LO", "Value": [meaning]},
        }
        for code, meaning in METHOD
    ]
    return {
        tag("PatientName"): {"vr": "PN", "Value": [{"Alphabetic": number}]},
        tag("PatientID"): {"vr": "LO", "Value": [number]},
        tag("PatientBirthDate"): {"vr": "DA"},
        tag("PatientIdentityRemoved"): {"vr": "CS", "Value": ["YES"]},
        tag("DeidentificationMethod"): {"vr": "LO", "Value": ["Allowlist of attributes; pixels unchanged"]},
        tag("DeidentificationMethodCodeSequence"): {"vr": "SQ", "Value": codes},
        tag("LongitudinalTemporalInformationModified"): {"vr": "CS", "Value": ["UNMODIFIED"]},
    }


def burned_in(found: Attributes) -> Words:
    """Whether words may stand in the picture itself: as its header says, else by what makes pictures with words in them."""
    said = attributes.text(found, "BurnedInAnnotation")
    if said in ("YES", "NO"):
        return "yes" if said == "YES" else "no"
    screen = (attributes.text(found, "SOPClassUID") or "").startswith(_SCREEN_CLASSES)
    modality = attributes.text(found, "Modality")
    converted = tag("ConversionType") in found and (modality != "XC" or attributes.text(found, "ConversionType") != "DI")
    return "suspected" if screen or converted or modality in _SCREEN_MODALITIES else "no"


def may_keep(keyword: str) -> bool:
    """Whether anything of an attribute is left: what may not be shown may not be asked for either."""
    return keyword in _RULES or keyword in CODES or keyword in SEQUENCES or keyword in REPLACED


def _keep(found: Attributes, depth: int) -> Header:
    kept: Header = {}
    for name, element in found.items():
        keyword = keyword_for_tag(int(name, 16)) if _TAG.fullmatch(name) else ""
        if not keyword or not isinstance(element, Mapping):
            continue
        if keyword in SEQUENCES:
            entries = [] if depth >= DEPTH else [_keep(item, depth + 1) for item in attributes.items(found, keyword)]
            kept[name] = {"vr": "SQ", "Value": entries} if entries else {"vr": "SQ"}
        elif keyword in CODES:
            kept[name] = {"vr": "SQ", "Value": _codes(found, keyword)}
        elif keyword in _RULES and (value := _RULES[keyword](keyword, element)) is not None:
            kept[name] = value
    return kept


def _codes(found: Attributes, keyword: str) -> list[Header]:
    kept: list[Header] = []
    for item in attributes.items(found, keyword):
        scheme, code = attributes.text(item, "CodingSchemeDesignator"), attributes.text(item, "CodeValue")
        if scheme and code and (meaning := CODES[keyword].get((scheme, code))):
            kept.append(
                {
                    tag("CodeValue"): {"vr": "SH", "Value": [code]},
                    tag("CodingSchemeDesignator"): {"vr": "SH", "Value": [scheme]},
                    tag("CodeMeaning"): {"vr": "LO", "Value": [meaning]},
                }
            )
    return kept


def _vr(keyword: str) -> str:
    return dictionary_VR(tag(keyword))[:2]


def _values(element: Attributes) -> list[Any]:
    found = element.get("Value")
    return found if isinstance(found, list) else []


def _numbers(keyword: str, element: Attributes) -> Header | None:
    found = _values(element)
    if not all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in found):
        return None
    vr = str(element.get("vr"))
    vr = vr if vr in ("US", "SS") and dictionary_VR(tag(keyword)) == "US or SS" else _vr(keyword)
    return {"vr": vr, "Value": found} if found else {"vr": vr}


def _matching(fits: Callable[[str], bool]) -> Callable[[str, Attributes], Header | None]:
    def keep(keyword: str, element: Attributes) -> Header | None:
        found = _values(element)
        kept = [value for value in found if isinstance(value, str) and fits(value)]
        if len(kept) != len(found) and keyword not in ("ImageType", "FrameType"):
            kept = []
        return {"vr": _vr(keyword), "Value": kept} if kept else {"vr": _vr(keyword)}

    return keep


def _binary(keyword: str, element: Attributes) -> Header | None:
    vr = str(element.get("vr"))
    vr = vr if vr in ("OB", "OW", "US", "SS") else "OW"
    if isinstance(element.get("InlineBinary"), str):
        return {"vr": vr, "InlineBinary": element["InlineBinary"]}
    kept = _numbers(keyword, element)
    return None if kept is None else {**kept, "vr": "US"}


def _pixels(_: str, element: Attributes) -> Header | None:
    place = attributes.bulk_range(element)
    vr = str(element.get("vr"))
    return {"vr": vr if vr in ("OB", "OW", "OF", "OD") else "OW", "BulkDataURI": f"bulk/{place[0]}/{place[1]}"} if place else None


def _pointers(_: str, element: Attributes) -> Header | None:
    found = [value for value in _values(element) if isinstance(value, str) and _TAG.fullmatch(value)]
    return {"vr": "AT", "Value": found} if found and all(may_keep(keyword_for_tag(int(value, 16))) for value in found) else None


def _age(found: Attributes) -> str | None:
    age = attributes.text(found, "PatientAge")
    if age is None or not _AGE.fullmatch(age):
        return None
    return f"{OLDEST:03d}Y" if age[3] == "Y" and int(age[:3]) >= OLDEST else age


_RULES: dict[str, Callable[[str, Attributes], Header | None]] = {
    **dict.fromkeys(NUMBERS, _numbers),
    **dict.fromkeys(BINARY, _binary),
    **dict.fromkeys(PIXELS, _pixels),
    **dict.fromkeys(TAGS, _pointers),
    **dict.fromkeys(UIDS, _matching(lambda value: len(value) <= 64 and _UID.fullmatch(value) is not None)),
    **dict.fromkeys(DATES, _matching(lambda value: _DATE.fullmatch(value) is not None)),
    **{keyword: _matching(words.__contains__) for keyword, words in WORDS.items()},
}
