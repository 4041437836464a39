"""De-identification: nothing planted anywhere in an object is left in what leaves for whoever may not see identity."""

import contextlib
import io
import re
import struct
from collections.abc import Iterator
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pydicom.datadict import DicomDictionary, dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset

from imaging import allowlist, codecs, deidentify, frames, part10
from imaging.confined import Refused, Source
from tests.imaging import samples, shipped
from tests.imaging.conftest import World

MARKER = "ZZMARK"
NUMBER = "SH-2026-0147"

_TEXT = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT", "UR"})
PLANTED = sorted(
    tag
    for tag, (vr, vm, _, _, keyword) in DicomDictionary.items()
    if vr in _TEXT and keyword and vm != "0" and tag >> 16 not in (0, 2, 4) and tag > 0x00080005
)
"""Every standard attribute of text."""


def marked(dataset: Dataset, depth: int = 0) -> Dataset:
    for tag in PLANTED:
        if keyword_for_tag(tag) not in ("PhotometricInterpretation", "SpecificCharacterSet"):
            dataset.add_new(tag, dictionary_VR(tag), f"{MARKER}{tag:08X}")
    for keyword, value in {
        "PatientBirthDate": "19010203",
        "StudyTime": "112233",
        "AcquisitionDateTime": "19010203112233",
        "PatientAge": "101Y",
    }.items():
        setattr(dataset, keyword, value)
    dataset.PatientBirthTime = "112233"
    dataset.add_new(0x00090010, "LO", f"{MARKER} PRIVATE")
    dataset.add_new(0x00091001, "UN", MARKER.encode())
    dataset.add_new(0x50003000, "OW", MARKER.encode())
    dataset.add_new(0x60000010, "US", 8)
    dataset.add_new(0x60001500, "LO", MARKER)
    dataset.add_new(0x60003000, "OB", MARKER.encode())
    dataset.add_new(0xFFFCFFFC, "OB", MARKER.encode())
    if depth < 2:
        for keyword in (
            "RequestAttributesSequence",
            "OtherPatientIDsSequence",
            "ReferencedImageSequence",
            "SharedFunctionalGroupsSequence",
        ):
            setattr(dataset, keyword, [marked(Dataset(), depth + 1)])
        dataset.VOILUTSequence = [marked(Dataset(), depth + 1)]
    return dataset


def header_of(dataset: Dataset) -> dict[str, Any]:
    found: dict[str, Any] = dataset.to_json_dict(suppress_invalid_tags=True)
    found["7FE00010"] = {"vr": "OW", "BulkDataURI": "bulk/10/256"}
    return found


@pytest.fixture(scope="module")
def everything() -> dict[str, Any]:
    dataset = marked(Dataset())
    dataset.Rows, dataset.Columns, dataset.PhotometricInterpretation = 16, 8, "MONOCHROME2"
    dataset.StudyInstanceUID, dataset.StudyDate = "1.2.3", "20261120"
    return header_of(dataset)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_marker_in_every_attribute_of_text_is_in_none_that_leaves(everything: dict[str, Any]) -> None:
    assert len(PLANTED) > 1500
    assert str(everything).count(MARKER) > 10_000
    shown = deidentify.header(everything, NUMBER)
    assert MARKER not in str(shown)
    assert "WkhNQVJL" not in str(shown)
    assert not re.search("1901|112233", str(shown))
    assert all(int(name[:4], 16) % 2 == 0 and not name.startswith(("50", "60", "FFFC")) for name in shown)


def test_name_and_id_become_the_case_number_and_the_method_is_named(everything: dict[str, Any]) -> None:
    shown = deidentify.header(everything, NUMBER)
    assert shown["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": NUMBER}]}
    assert shown["00100020"]["Value"] == [NUMBER]
    assert shown["00100030"] == {"vr": "DA"}
    assert shown["00120062"]["Value"] == ["YES"]
    assert [item["00080100"]["Value"][0] for item in shown["00120064"]["Value"]] == ["113100", "113106", "113108", "113110"]
    assert shown["00280303"]["Value"] == ["UNMODIFIED"]


def test_what_a_picture_is_read_by_stays(everything: dict[str, Any]) -> None:
    shown = deidentify.header(everything, NUMBER)
    assert (shown["00280010"]["Value"], shown["00280004"]["Value"]) == ([16], ["MONOCHROME2"])
    assert shown["0020000D"]["Value"] == ["1.2.3"]
    assert shown["00080020"]["Value"] == ["20261120"]
    assert shown["7FE00010"] == {"vr": "OW", "BulkDataURI": "bulk/10/256"}


def test_an_age_over_ninety_says_ninety(everything: dict[str, Any]) -> None:
    assert deidentify.header(everything, NUMBER)["00101010"]["Value"] == ["090Y"]
    assert deidentify.header({**everything, "00101010": {"vr": "AS", "Value": ["034Y"]}}, NUMBER)["00101010"]["Value"] == ["034Y"]
    assert "00101010" not in deidentify.header({**everything, "00101010": {"vr": "AS", "Value": ["WANG"]}}, NUMBER)


def test_words_outside_the_list_go_and_those_inside_stay() -> None:
    found = {
        "00180015": {"vr": "CS", "Value": ["HAND"]},
        "00200060": {"vr": "CS", "Value": ["WANG LEI"]},
        "00080008": {"vr": "CS", "Value": ["ORIGINAL", "PRIMARY", "WANG LEI"]},
        "00185101": {"vr": "CS", "Value": ["PA"]},
    }
    shown = deidentify.header(found, NUMBER)
    assert shown["00180015"]["Value"] == ["HAND"]
    assert shown["00200060"] == {"vr": "CS"}
    assert shown["00080008"]["Value"] == ["ORIGINAL", "PRIMARY"]
    assert shown["00185101"]["Value"] == ["PA"]


def test_a_code_keeps_the_meaning_of_the_standard_and_not_the_one_it_came_with() -> None:
    def code(value: str, scheme: str, meaning: str) -> dict[str, Any]:
        return {
            "00080100": {"vr": "SH", "Value": [value]},
            "00080102": {"vr": "SH", "Value": [scheme]},
            "00080104": {"vr": "LO", "Value": [meaning]},
        }

    found = {"00082218": {"vr": "SQ", "Value": [code("85562004", "SCT", "Hand of WANG"), code("WANG", "99LOCAL", "WANG")]}}
    assert deidentify.header(found, NUMBER)["00082218"]["Value"] == [code("85562004", "SCT", "Hand")]


def test_a_number_that_is_no_number_goes() -> None:
    found = {
        "00280030": {"vr": "DS", "Value": ["WANG", 0.1]},
        "00180050": {"vr": "DS", "Value": [1.5]},
        "00280010": {"vr": "US", "Value": [True]},
    }
    assert deidentify.header(found, NUMBER) == {"00180050": {"vr": "DS", "Value": [1.5]}}


def test_no_attribute_of_the_list_takes_text() -> None:
    """Codes and words are checked against lists; what is copied has to be a number, a UID, a date or a table."""
    copied = allowlist.NUMBERS | allowlist.UIDS | allowlist.DATES
    assert not {keyword for keyword in copied if deidentify._vr(keyword) in _TEXT}
    assert {deidentify._vr(keyword) for keyword in allowlist.BINARY} <= {"OW", "OB", "US"}


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["00100010", "00280010", "00082218", "52009229", "7FE00010", "00091001", "xyz", "00280009"]), st.recursive(
    st.none() | st.text(max_size=5) | st.integers() | st.floats(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["vr", "Value", "InlineBinary", "BulkDataURI", "00280010"]), inner, max_size=3), max_leaves=8,
)))  # fmt: skip
def test_a_header_of_any_shape_is_taken(found: dict[str, Any]) -> None:
    deidentify.header(found, NUMBER)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({"00280301": {"vr": "CS", "Value": ["YES"]}}, "yes"),
        ({"00280301": {"vr": "CS", "Value": ["NO"]}, "00080060": {"vr": "CS", "Value": ["US"]}}, "no"),
        ({"00080060": {"vr": "CS", "Value": ["US"]}}, "suspected"),
        ({"00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.7"]}}, "suspected"),
        ({"00080064": {"vr": "CS", "Value": ["SD"]}, "00080060": {"vr": "CS", "Value": ["CR"]}}, "suspected"),
        ({"00080064": {"vr": "CS", "Value": ["DI"]}, "00080060": {"vr": "CS", "Value": ["XC"]}}, "no"),
        ({"00080060": {"vr": "CS", "Value": ["CT"]}}, "no"),
    ],
)
def test_words_in_the_picture_are_suspected_where_they_are_usual(named: dict[str, Any], expected: str) -> None:
    assert deidentify.burned_in(named) == expected


def strip(data: bytes, uid: str, bits: int = 16) -> bytes:
    """The sandbox task, called as the worker calls it."""
    source = Source(len(data), lambda start, length: data[start : start + length])
    return codecs.strip(source, [[0, len(data)]], uid, bits)[1][0]


def spiked_jpeg(**options: Any) -> bytes:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = MARKER
    samples.picture((64, 48)).save(file, "JPEG", comment=MARKER.encode(), exif=exif, icc_profile=MARKER.encode() * 9, **options)
    return file.getvalue()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_a_jpeg_keeps_its_picture_and_loses_its_words(options: dict[str, Any]) -> None:
    data = spiked_jpeg(**options) + MARKER.encode()
    assert data.count(MARKER.encode()) > 3
    clean = strip(data, "1.2.840.10008.1.2.4.50")
    assert MARKER.encode() not in clean
    assert len(clean) == len(data)
    with Image.open(io.BytesIO(clean)) as ours, Image.open(io.BytesIO(data)) as theirs:
        assert ours.tobytes() == theirs.tobytes()


def test_a_jpeg_2000_loses_its_comments_in_every_header() -> None:
    sample = shipped.load("JPEG2000")
    ((start, length),) = sample.frames.ranges(0)
    data = sample.data[start : start + length]
    comment = b"\xff\x64" + struct.pack(">HH", 4 + len(MARKER), 1) + MARKER.encode()
    at = data.index(b"\xff\x52")
    spiked = data[:at] + comment + data[at:] + b"\xff\xd9"[: 0 if data.endswith(b"\xff\xd9") else 2]
    clean = strip(spiked, "1.2.840.10008.1.2.4.90")
    assert MARKER.encode() not in clean
    assert len(clean) == len(spiked)


CLEANED = [name for name in shipped.COMPRESSED if "rle" not in name.lower()]


@pytest.mark.parametrize("name", CLEANED)
def test_every_shipped_bitstream_decodes_the_same_when_it_was_cleaned(name: str) -> None:
    sample = shipped.load(name)
    data = b"".join(sample.data[start : start + length] for start, length in sample.frames.ranges(0))
    clean = strip(data, sample.frames.layout.transfer_syntax_uid)
    assert len(clean) == len(data)
    spec = {name: getattr(sample.frames.layout, name) for name in sample.frames.layout.__slots__}

    def decoded(stream: bytes) -> bytes:
        source = Source(len(stream), lambda start, length: stream[start : start + length])
        return codecs.decode(source, [[0, len(stream)]], spec)[1][0]

    assert decoded(clean) == decoded(data)


def rle(pixels: NDArray[np.uint16]) -> bytes:
    """One frame of 16 bits in literal runs (PS3.5 Annex G), an identifier where the offsets of further segments would be."""
    segments = []
    for plane in ((pixels >> 8).astype(np.uint8), pixels.astype(np.uint8)):
        data = plane.tobytes()
        segments.append(b"".join(bytes((len(data[at : at + 128]) - 1,)) + data[at : at + 128] for at in range(0, len(data), 128)))
    high, low = (segment + bytes(len(segment) % 2) for segment in segments)
    return struct.pack("<3I52s", 2, 64, 64 + len(high), MARKER.encode()) + high + low


def encoded(uid: str, pixels: NDArray[np.uint16]) -> bytes:
    if uid == "1.2.840.10008.1.2.5":
        return rle(pixels)
    if uid == "1.2.840.10008.1.2.4.70":
        return bytes(imagecodecs.ljpeg_encode(pixels, bitspersample=16))
    if uid == "1.2.840.10008.1.2.4.80":
        return bytes(imagecodecs.jpegls_encode(pixels))
    if uid == "1.2.840.10008.1.2.4.90":
        return bytes(imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k"))
    return bytes(imagecodecs.htj2k_encode(pixels))


@pytest.mark.parametrize("wanted", [frames.EXPLICIT_LITTLE, "*"])
@pytest.mark.parametrize(
    "uid",
    ["1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.201"],
)
def test_an_overlay_in_the_unused_bits_of_compressed_pixels_stays_behind(world: World, uid: str, wanted: str) -> None:
    """Twelve bits are stored and the bitstream has sixteen: words were drawn in the others by old modalities."""
    pixels = np.arange(128, dtype=np.uint16).reshape(16, 8)
    drawn = pixels.copy()
    drawn[3:9, 2:6] |= 0x8000
    upload = world.take_in(samples.dicom(syntax=uid, frames=[encoded(uid, drawn)]))
    assert upload.state == "filed", upload.reason
    out = b"".join(written(world, upload.instance_id, wanted))
    assert MARKER.encode() not in out
    made = pydicom.dcmread(io.BytesIO(out))
    assert made.file_meta.TransferSyntaxUID == frames.EXPLICIT_LITTLE
    assert (np.frombuffer(made.PixelData, "<u2").reshape(16, 8) == pixels).all()


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.201"])
@settings(deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_cleaned_or_refused(uid: str, data: bytes) -> None:
    for start in (b"", b"\xff\xd8\xff\xe0", b"\xff\x4f\xff\x51\x00\x04\x00\x00\xff\x90"):
        with contextlib.suppress(Refused, struct.error, IndexError):
            assert len(strip(start + data, uid)) == len(start + data)


@pytest.fixture
def spiked() -> bytes:
    """A CT slice with an identifier in every corner that a header does not name."""
    pixels = np.arange(128, dtype="<u2") | 0xA000  # an overlay in the unused bits
    file = samples.dicom(
        preamble=MARKER.encode().ljust(128, b"\0"),
        PixelData=pixels.tobytes() + MARKER.encode(),
        PatientComments=MARKER,
        InstitutionName=MARKER,
    )
    return file + struct.pack("<HH2sHI", 0xFFFC, 0xFFFC, b"OB", 0, 8) + MARKER.encode() + b"  "


def test_a_file_written_anew_has_nothing_of_what_lay_around_its_attributes(world: World, spiked: bytes) -> None:
    upload = world.take_in(spiked)
    assert upload.state == "filed", upload.reason
    out = b"".join(written(world, upload.instance_id))
    assert MARKER.encode() not in out
    assert b"WANG" not in out
    made = pydicom.dcmread(io.BytesIO(out))
    assert made.PatientName == NUMBER
    assert made.pixel_array.ravel().tolist() == list(range(128))
    assert max(np.frombuffer(made.PixelData, "<u2")) == 127


def written(world: World, instance_id: Any, wanted: str = frames.EXPLICIT_LITTLE) -> Iterator[bytes]:
    from imaging import studies

    with world.database.begin() as db:
        row = studies.instance(db, world.surgeon, instance_id)
        header = studies.header(db, row)
        opened = frames.open_(db, row, header)
    syntax = part10.target(opened, wanted, world.pool, clean=True)
    return part10.write(deidentify.header(header, NUMBER), opened, world.pool, transfer_syntax_uid=syntax, clean=True)
