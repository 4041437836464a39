"""DICOM: what is read of an object at intake, inside the sandbox.

The file stays bit for bit what it was. Beside it goes what later reading needs, so that no server parses it again:
the data set as DICOM JSON (PS3.18 Annex F) with large binary values as ranges of the file, the attributes of its
study and its series, the frame index, and a short summary for the tables.
"""

import codecs
import re
import warnings
from base64 import b64encode
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import orjson
from pydicom import charset, config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filereader import read_dataset
from pydicom.filewriter import correct_ambiguous_vr
from pydicom.tag import BaseTag
from pydicom.valuerep import PersonName

from imaging.codecs import halved
from imaging.confined import Refused, Reply, Source
from imaging.dicomfile import DEPTH_LIMIT, PIXELS, UNCOMPRESSED, Element, Inflated, Layout, walk
from imaging.frameindex import FrameIndex, Range

INLINE_LIMIT = 1 << 10
"""Binary values up to this many bytes are kept inline in the JSON, look-up tables and nested ones in any case."""
KEPT_LIMIT = 64 << 10
"""Other top-level values longer than this are left in the file."""
HEADER_LIMIT = 32 << 20
LARGEST_IMAGE = 1 << 26
"""Rows × columns; the longest composed radiographs have half of it. A file of some kilobytes can say that it has so many
pixels, and whoever looks at it holds them all in the server."""
FRAMES_LIMIT = 1_000_000

UNREADABLE = "?"
"""What stands for a value that is there and cannot be read: it agrees with nobody, so that the file is held."""
DIRECTORY_RECORDS = 0x0004_1220
_BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
"""Bytes of a word whose order the transfer syntax gives; pydicom leaves it."""
_STREAMS = tuple(f"1.2.840.10008.1.2.4.{number}" for number in range(100, 109))
_STARTS = (b"\xff\xd8", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  ", b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")
"""How a frame's bitstream begins: JPEG and JPEG-LS, JPEG 2000, JP2, JPEG XL."""
_ESCAPE = re.compile(r"\x1b[\x20-\x2f]+[\x30-\x7e]")
"""ISO 2022 shifts, which pydicom leaves in the text it has decoded from GB 2312."""
_KINDS = {"CR": "radiograph", "DX": "radiograph", "RG": "radiograph", "CT": "ct", "XC": "photo"}

_OF_STUDY = (
    "StudyDate StudyTime AccessionNumber IssuerOfAccessionNumberSequence ReferringPhysicianName "
    "ReferringPhysicianIdentificationSequence TimezoneOffsetFromUTC StudyDescription ProcedureCodeSequence PhysiciansOfRecord "
    "PhysiciansOfRecordIdentificationSequence NameOfPhysiciansReadingStudy PhysiciansReadingStudyIdentificationSequence "
    "AdmittingDiagnosesDescription ReferencedStudySequence StudyInstanceUID StudyID"
)
_OF_SERIES = (
    "SeriesDate SeriesTime Modality Manufacturer InstitutionName StationName SeriesDescription SeriesDescriptionCodeSequence "
    "InstitutionalDepartmentName PerformingPhysicianName OperatorsName ManufacturerModelName BodyPartExamined ProtocolName "
    "PatientPosition SeriesInstanceUID SeriesNumber FrameOfReferenceUID Laterality PerformedProcedureStepStartDate "
    "PerformedProcedureStepStartTime PerformedProcedureStepID PerformedProcedureStepDescription RequestAttributesSequence"
)
_STUDY_TAGS, _SERIES_TAGS = ({f"{tag_for_keyword(word):08X}" for word in words.split()} for words in (_OF_STUDY, _OF_SERIES))


def examine(source: Source | Inflated) -> Reply:
    """(summary, [header, study header, series header, frame index]) of a Part 10 file. Raises Refused."""
    layout = walk(source)
    if any(element.tag == DIRECTORY_RECORDS for element in layout.elements):
        raise Refused("dicomdir")
    dataset = _dataset(layout)
    index = _frame_index(layout, dataset)
    header = _json(dataset, layout.elements, little=layout.little)
    parts = (header, _only(header, lambda tag: tag.startswith("0010") or tag in _STUDY_TAGS), _only(header, _SERIES_TAGS.__contains__))
    return _summary(layout, dataset, index), [*map(_dumps, parts), index.encode()]


def warm() -> None:
    """Load whatever pydicom loads on demand, for a worker can open no file."""
    warnings.simplefilter("ignore")
    config.settings.reading_validation_mode = config.IGNORE
    for name in charset.python_encoding.values():
        codecs.lookup(name)
    encapsulate([b"\x00\x00"])
    sample = Dataset()
    sample.SpecificCharacterSet = "GB18030"
    sample.PatientName = "Wang^Lei=王^雷"
    sample.PatientAge, sample.PatientWeight, sample.PixelSpacing = "030Y", "70.5", ["0.1", "0.1"]
    sample.RequestAttributesSequence = [Dataset()]
    _json(sample, ())


# -- the data set ---------------------------------------------------------------------------------------


def _dataset(layout: Layout) -> Dataset:
    """The data set without what stays in the file, its ambiguous representations settled."""
    kept = [element for element in layout.elements if _is_kept(element)]
    if sum(element.end - element.start for element in kept) > HEADER_LIMIT:
        raise Refused("too-large")
    data = b"".join(layout.data.at(element.start, element.end - element.start) for element in kept)
    try:
        dataset = read_dataset(BytesIO(data), layout.implicit, layout.little)
        correct_ambiguous_vr(dataset, layout.little)
    except RecursionError:
        raise Refused("too-deep") from None
    return dataset


def _is_kept(element: Element) -> bool:
    if element.tag in PIXELS:
        return False
    if element.undefined or element.vr == "SQ" or element.tag >> 16 == 0x0028:
        return True
    return element.length <= (INLINE_LIMIT if element.vr in _BINARY else KEPT_LIMIT)


def _json(dataset: Dataset, elements: Sequence[Element], depth: int = 0, *, little: bool = True) -> dict[str, Any]:
    """PS3.18 F.2. An element whose value cannot be read keeps its VR and has no value. ``elements`` names what stays in the file."""
    if depth > DEPTH_LIMIT:
        raise Refused("too-deep")
    found: dict[str, Any] = {}
    for tag in dataset.keys():  # noqa: SIM118 - iterating a data set reads its values, and one may be unreadable
        if tag & 0xFFFF:
            found[f"{tag:08X}"] = _json_element(dataset, tag, depth, little=little)
    for element in elements:
        if not _is_kept(element):
            vr = "UN" if len(element.vr) != 2 else element.vr
            found[f"{element.tag:08X}"] = {"vr": vr, "BulkDataURI": f"bulk/{element.value}/{element.length}"}
    if "00080005" in found:
        found["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    return dict(sorted(found.items()))


def _json_element(dataset: Dataset, tag: BaseTag, depth: int, *, little: bool) -> dict[str, Any]:
    vr = "UN"
    try:
        element = dataset[tag]
        vr = element.VR if len(element.VR) == 2 else "UN"
        if vr == "SQ":
            return {"vr": vr, "Value": [_json(item, (), depth + 1, little=little) for item in element.value]}
        if vr in _BINARY or len(element.VR) != 2:
            value = element.value
            if value and not little and len(value) % (width := _WORDS.get(vr, 1)) == 0:
                value = np.frombuffer(value, f"u{width}").byteswap().tobytes()  # inline binary is little endian (PS3.18 F.2)
            return {"vr": vr, "InlineBinary": b64encode(value).decode()} if value else {"vr": vr}
        return element.to_json_dict(None, 0)
    except (Refused, RecursionError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - pydicom raises nearly anything for a value that breaks its VR
        return {"vr": vr}


def _only(header: dict[str, Any], wanted: Callable[[str], bool]) -> dict[str, Any]:
    return {tag: value for tag, value in header.items() if wanted(tag)}


def _dumps(document: dict[str, Any]) -> bytes:
    try:
        found = orjson.dumps(document)
    except TypeError:  # a lone surrogate, or a number no JSON reader would take
        return orjson.dumps(_cleaned(document))
    return orjson.dumps(_cleaned(document)) if b"\\u001b" in found else found


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cleaned(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(each) for each in value]
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return None
    if value is None or isinstance(value, int | float):
        return value
    return _ESCAPE.sub("", str(value)).encode("utf-8", "replace").decode()


# -- the summary ----------------------------------------------------------------------------------------


def _summary(layout: Layout, dataset: Dataset, index: FrameIndex) -> dict[str, Any]:
    modality = _text(dataset, "Modality")
    return {
        "sop_class_uid": _text(dataset, "SOPClassUID"),
        "sop_instance_uid": _text(dataset, "SOPInstanceUID"),
        "study_instance_uid": _text(dataset, "StudyInstanceUID"),
        "series_instance_uid": _text(dataset, "SeriesInstanceUID"),
        "transfer_syntax_uid": layout.transfer_syntax_uid,
        "modality": modality,
        "series_number": _whole(dataset, "SeriesNumber"),
        "instance_number": _whole(dataset, "InstanceNumber"),
        "rows": _size(dataset, "Rows") if index.frames else 0,
        "columns": _size(dataset, "Columns") if index.frames else 0,
        "number_of_frames": index.frames,
        "bits_allocated": _size(dataset, "BitsAllocated") if index.frames else 0,
        "samples_per_pixel": _size(dataset, "SamplesPerPixel") if index.frames else 0,
        "photometric_interpretation": _text(dataset, "PhotometricInterpretation"),
        "laterality": _text(dataset, "ImageLaterality") or _text(dataset, "Laterality"),
        "kind": _KINDS.get(modality, "other"),
        "study_date": _text(dataset, "StudyDate"),
        "captured": _captured(dataset),
        "time_zone_offset": _text(dataset, "TimezoneOffsetFromUTC"),
        "accession_number": _text(dataset, "AccessionNumber"),
        "patient_id": _text(dataset, "PatientID"),
        "patient_names": _names(dataset),
        "patient_birth_date": _text(dataset, "PatientBirthDate"),
        "patient_sex": _text(dataset, "PatientSex"),
    }


def _value(dataset: Dataset, keyword: str) -> Any:
    """The value of an element; None when there is none, ``UNREADABLE`` when it cannot be read."""
    try:
        return dataset.get(keyword)
    except (RecursionError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - as above
        return UNREADABLE


def _text(dataset: Dataset, keyword: str) -> str:
    value = _value(dataset, keyword)
    return _ESCAPE.sub("", str(value)).strip("\x00 ") if value is not None else ""


def _names(dataset: Dataset) -> list[str]:
    value = _value(dataset, "PatientName")
    groups = value.components if isinstance(value, PersonName) else [] if value is None else [value]
    return [text for text in (_ESCAPE.sub("", str(group)).strip() for group in groups) if text.strip("^")][:3]


def _whole(dataset: Dataset, keyword: str) -> int | None:
    value = _value(dataset, keyword)
    return int(value) if isinstance(value, int) and abs(value) < 1 << 31 else None


def _captured(dataset: Dataset) -> list[str]:
    """[date, time] of the acquisition, or else of the content, as written; [] when nothing says when."""
    moment = _text(dataset, "AcquisitionDateTime")
    if len(moment) >= 8:
        return [moment[:8], moment[8:]]
    for name in ("Acquisition", "Content", "Series", "Study"):
        if date := _text(dataset, f"{name}Date"):
            return [date, _text(dataset, f"{name}Time")]
    return []


# -- frames ---------------------------------------------------------------------------------------------


def _size(dataset: Dataset, keyword: str) -> int:
    """A number of the image pixel module, which must be what the standard says it is: one US (PS3.3 C.7.6.3)."""
    value = _value(dataset, keyword)
    if not isinstance(value, int) or not 0 < value <= 0xFFFF or dictionary_VR(keyword) != dataset[keyword].VR:
        raise Refused("inconsistent")
    return value


def _frame_index(layout: Layout, dataset: Dataset) -> FrameIndex:
    pixels = next((element for element in layout.elements if element.tag in PIXELS), None)
    if pixels is None or not pixels.length or "Rows" not in dataset or "Columns" not in dataset:
        return FrameIndex("none")
    if _size(dataset, "Rows") * _size(dataset, "Columns") > LARGEST_IMAGE:
        raise Refused("too-large")
    frames = _whole(dataset, "NumberOfFrames") if _value(dataset, "NumberOfFrames") is not None else 1
    if frames is None or not 0 < frames <= FRAMES_LIMIT:
        raise Refused("inconsistent")
    if layout.transfer_syntax_uid in UNCOMPRESSED:
        return _native(layout, dataset, pixels, frames)
    if not pixels.undefined or len(layout.items) < 2:
        raise Refused("inconsistent")
    if layout.transfer_syntax_uid.startswith(_STREAMS):
        return FrameIndex("stream", frames, fragments=(tuple(layout.items[1:]),))
    return FrameIndex("encapsulated", frames, fragments=_grouped(layout, dataset, frames))


def _native(layout: Layout, dataset: Dataset, pixels: Element, frames: int) -> FrameIndex:
    samples = _size(dataset, "SamplesPerPixel")
    if halved(_text(dataset, "PhotometricInterpretation"), samples):
        samples = 2
    bits = _size(dataset, "Rows") * _size(dataset, "Columns") * samples * _size(dataset, "BitsAllocated")
    if pixels.undefined:
        raise Refused("inconsistent")
    if frames * bits > pixels.length * 8:
        raise Refused("inconsistent")
    return FrameIndex("native", frames, pixels.value, bits, deflated=layout.deflated)


def _grouped(layout: Layout, dataset: Dataset, frames: int) -> tuple[tuple[Range, ...], ...]:
    """The fragments of each frame: by the extended or basic offset table where one fits, else by their number or look."""
    table, fragments = layout.items[0], layout.items[1:]
    if frames == 1:
        return (tuple(fragments),)
    starts = _extended_offsets(dataset) or _basic_offsets(layout, table)
    first = fragments[0][0] - 8
    heads = {start - 8 - first: number for number, (start, _) in enumerate(fragments)}
    if len(starts) == frames and starts[0] == 0 and all(start in heads for start in starts):
        return _cut(fragments, [heads[start] for start in starts])
    if len(fragments) == frames:
        return tuple((fragment,) for fragment in fragments)
    found = [number for number, (start, _) in enumerate(fragments) if layout.data.at(start, 12).startswith(_STARTS)]
    if len(found) != frames or found[0] != 0:
        raise Refused("inconsistent")
    return _cut(fragments, found)


def _cut(fragments: list[Range], heads: list[int]) -> tuple[tuple[Range, ...], ...]:
    if sorted(set(heads)) != heads:
        raise Refused("inconsistent")
    return tuple(tuple(fragments[head:end]) for head, end in zip(heads, [*heads[1:], len(fragments)], strict=True))


def _extended_offsets(dataset: Dataset) -> list[int]:
    """PS3.3 C.7.6.3.1.8: 64-bit offsets from the first item after the basic table."""
    return _offsets(_value(dataset, "ExtendedOffsetTable"), 8)


def _basic_offsets(layout: Layout, table: Range) -> list[int]:
    """PS3.5 A.4: 32-bit offsets of the same kind."""
    return _offsets(layout.data.at(*table), 4)


def _offsets(table: object, width: int) -> list[int]:
    if not isinstance(table, bytes) or len(table) % width:
        return []
    return [int.from_bytes(table[at : at + width], "little") for at in range(0, len(table), width)]
