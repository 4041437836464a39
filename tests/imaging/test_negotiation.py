"""Negotiation: what is answered to which Accept header."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Unsupported
from imaging import negotiation
from imaging.negotiation import Form

RAW, IMPLICIT, JPEG, JLS, HTJ2K, RLE = (
    "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.5",
)  # fmt: skip
OCTETS = "application/octet-stream"


@pytest.mark.parametrize(
    ("accept", "stored", "expected"),
    [
        # what Cornerstone3D and OHIF send
        ('multipart/related; type="application/octet-stream"; transfer-syntax=*', RAW, Form(True, OCTETS, RAW)),
        ('multipart/related; type="application/octet-stream"; transfer-syntax=*', JPEG, Form(True, OCTETS, JPEG)),
        ("multipart/related; type=application/octet-stream; transfer-syntax=*", JLS, Form(True, OCTETS, JLS)),
        # octets without a syntax are uncompressed
        ('multipart/related; type="application/octet-stream"', JLS, Form(True, OCTETS, RAW)),
        ('multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.1', JPEG, Form(True, OCTETS, RAW)),
        ("application/octet-stream", IMPLICIT, Form(False, OCTETS, RAW)),
        ("application/octet-stream; transfer-syntax=*", JPEG, Form(False, OCTETS, JPEG)),
        # the bitstream by its own name
        ('multipart/related; type="image/jpeg"', JPEG, Form(True, "image/jpeg", JPEG)),
        ('multipart/related; type="image/jls"; transfer-syntax=1.2.840.10008.1.2.4.80', JLS, Form(True, "image/jls", JLS)),
        ('multipart/related; type="image/jphc"', HTJ2K, Form(True, "image/jphc", HTJ2K)),
        ('multipart/related; type="image/dicom-rle"', RLE, Form(True, "image/dicom-rle", RLE)),
        ("image/jpeg", JPEG, Form(False, "image/jpeg", JPEG)),
        # anything goes: as it is
        ("*/*", JPEG, Form(True, "image/jpeg", JPEG)),
        ("*/*", RAW, Form(True, OCTETS, RAW)),
        ("", RAW, Form(True, OCTETS, RAW)),
        ("multipart/related", JLS, Form(True, "image/jls", JLS)),
        # the first that can be had, by weight
        ('multipart/related; type="image/jphc"; q=0.9, multipart/related; type="image/jls"; q=0.5', JLS, Form(True, "image/jls", JLS)),
        ('multipart/related; type="image/jp2", multipart/related; type="application/octet-stream"', JLS, Form(True, OCTETS, RAW)),
    ],
)
def test_frames_leave_in_the_form_that_was_asked_for(accept: str, stored: str, expected: Form) -> None:
    assert negotiation.frames(accept, stored, count=1, decodable=True) == expected


@pytest.mark.parametrize(
    ("accept", "stored", "count"),
    [
        ('multipart/related; type="image/jphc"', RAW, 1),
        ('multipart/related; type="image/jpeg"; transfer-syntax=1.2.840.10008.1.2.4.70', JPEG, 1),
        ("application/json", RAW, 1),
        ("application/octet-stream", RAW, 2),
        ('multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.4.90', RAW, 1),
        ('multipart/related; type="application/octet-stream"; q=0', RAW, 1),
    ],
)
def test_what_cannot_be_given_is_not_acceptable(accept: str, stored: str, count: int) -> None:
    with pytest.raises(Unsupported, match="not-acceptable"):
        negotiation.frames(accept, stored, count=count, decodable=True)


def test_a_bitstream_nobody_can_decode_leaves_only_as_it_is() -> None:
    video = "1.2.840.10008.1.2.4.102"
    with pytest.raises(Unsupported):
        negotiation.frames('multipart/related; type="application/octet-stream"', video, count=1, decodable=False)
    assert negotiation.frames("*/*", video, count=1, decodable=False) == Form(True, "video/mp4", video)


@pytest.mark.parametrize(
    ("accept", "one", "expected"),
    [
        ('multipart/related; type="application/dicom"', False, Form(True, "application/dicom", "*")),
        ('multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1', False, Form(True, "application/dicom", RAW)),
        ("application/dicom", True, Form(False, "application/dicom", "*")),
        ("application/dicom; transfer-syntax=*", True, Form(False, "application/dicom", "*")),
        ("*/*", False, Form(True, "application/dicom", "*")),
    ],
)
def test_objects_leave_as_multipart_or_one_alone(accept: str, one: bool, expected: Form) -> None:
    assert negotiation.instances(accept, one=one) == expected


def test_a_series_is_no_single_object() -> None:
    with pytest.raises(Unsupported):
        negotiation.instances("application/dicom", one=False)
    with pytest.raises(Unsupported):
        negotiation.instances('multipart/related; type="image/jpeg"', one=True)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "image/webp"),
        ("image/png", "image/png"),
        ("image/*", "image/jpeg"),
        ("", "image/jpeg"),
        ("text/html, image/png;q=0.5, image/webp;q=0.4", "image/png"),
    ],
)
def test_pictures_leave_in_the_format_wanted_most(accept: str, expected: str) -> None:
    assert negotiation.only(accept, ("image/jpeg", "image/png", "image/webp")) == expected


def test_metadata_is_json_and_never_xml() -> None:
    assert negotiation.json("application/dicom+json") == "application/dicom+json"
    assert negotiation.json("application/json") == "application/json"
    with pytest.raises(Unsupported):
        negotiation.json('multipart/related; type="application/dicom+xml"')


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_header_is_read_or_refused(accept: str) -> None:
    with contextlib.suppress(Unsupported):
        assert negotiation.frames(accept, RAW, count=1, decodable=True).syntax == RAW
