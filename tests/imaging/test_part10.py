"""Part 10: files written anew are what other programs read, and hold nothing but what they were given."""

import io
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset

from imaging import frames, part10
from imaging.sandbox import Pool
from tests.imaging import shipped


def write(sample: shipped.Sample, pool: Pool, syntax: str | None = None, *, clean: bool = False) -> bytes:
    wanted = syntax or part10.target(sample.frames, "*", pool, clean=clean)
    return b"".join(part10.write(sample.header, sample.frames, pool, transfer_syntax_uid=wanted, clean=clean))


@pytest.mark.parametrize("clean", [False, True])
@pytest.mark.parametrize("name", shipped.PIXELS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_shipped_file_written_anew_has_the_same_pixels_and_attributes(name: str, clean: bool, pool: Pool) -> None:
    sample = shipped.load(name)
    made = pydicom.dcmread(io.BytesIO(write(sample, pool, clean=clean)))
    assert (made.pixel_array == sample.dataset.pixel_array).all()
    for keyword in ("Rows", "Columns", "PhotometricInterpretation", "SOPInstanceUID", "BitsStored", "PatientID"):
        assert made.get(keyword) == sample.dataset.get(keyword), keyword
    assert made.file_meta.MediaStorageSOPInstanceUID == sample.dataset.SOPInstanceUID


@pytest.mark.parametrize("name", shipped.COMPRESSED)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_compressed_file_can_be_written_uncompressed(name: str, pool: Pool) -> None:
    sample = shipped.load(name)
    made = pydicom.dcmread(io.BytesIO(write(sample, pool, frames.EXPLICIT_LITTLE)))
    assert made.file_meta.TransferSyntaxUID == frames.EXPLICIT_LITTLE
    assert np.abs(made.pixel_array.astype(np.int64) - sample.dataset.pixel_array.astype(np.int64)).max() == 0


@pytest.mark.parametrize("name", ["CT_small", "examples_palette", "examples_ybr_color", "liver_1frame", "rtdose"])
def test_dcmtk_reads_what_is_written(name: str, pool: Pool, tmp_path: Path) -> None:
    path = tmp_path / "made.dcm"
    path.write_bytes(write(shipped.load(name), pool, clean=True))
    dcmdump = shutil.which("dcmdump")
    if dcmdump is None:  # dcmtk is a peer of Debian's; where it is not there pydicom alone has the word
        assert pydicom.dcmread(path).PixelData
        return
    done = subprocess.run([dcmdump, "-q", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "PixelData" in done.stdout
    assert not [line for line in done.stderr.splitlines() if line.startswith(("E:", "F:"))]


VRS = sorted({vr for vr, *_ in DicomDictionary.values() if len(vr) == 2 and vr not in ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UN")})
VALUES: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("AE", "CS"), st.text("ABC 1", min_size=1, max_size=10).map(str.strip).filter(bool)),
    **dict.fromkeys(("LO", "SH", "UC"), st.text("ABC d王", min_size=1, max_size=10).map(str.strip).filter(bool)),
    **dict.fromkeys(("LT", "ST", "UT"), st.text("ab王\n", min_size=1, max_size=20).map(str.rstrip).filter(bool)),
    "PN": st.sampled_from(["Wang^Lei", "Wang^Lei=王^雷", "A"]),
    "UI": st.sampled_from(["1.2", "1.2.3"]),
    "DA": st.just("20261120"),
    "TM": st.just("101500.5"),
    "DT": st.just("20261120101500"),
    "AS": st.just("034Y"),
    "UR": st.just("https://example.org"),
    "IS": st.integers(-(2**31), 2**31 - 1),
    "DS": st.floats(-1e6, 1e6).map(lambda value: round(value, 4)),
    "US": st.integers(0, 65535),
    "SS": st.integers(-32768, 32767),
    "UL": st.integers(0, 2**32 - 1),
    "SL": st.integers(-(2**31), 2**31 - 1),
    "UV": st.integers(0, 2**64 - 1),
    "SV": st.integers(-(2**63), 2**63 - 1),
    "FL": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "FD": st.floats(allow_nan=False, allow_infinity=False),
    "AT": st.just(0x00280010),
}


@settings(deadline=None)
@given(st.data())
def test_any_value_comes_back_as_it_went(data: st.DataObject) -> None:
    vr = data.draw(st.sampled_from(sorted(VALUES)))
    tag = next(tag for tag, entry in sorted(DicomDictionary.items()) if entry[0] == vr and tag > 0x00080005)
    inner, outer = Dataset(), Dataset()
    for dataset in (inner, outer):
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.add_new(tag, vr, data.draw(VALUES[vr]))
    outer.RequestAttributesSequence = [Dataset(), inner]
    document = outer.to_json_dict()
    read = pydicom.dcmread(io.BytesIO(part10.meta({}, frames.EXPLICIT_LITTLE) + part10.data_set(document)), force=True)
    assert read.to_json_dict() == document


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["00100010", "00280010", "00080008", "00091001"]), st.fixed_dictionaries(
    {"vr": st.sampled_from(["PN", "US", "DS", "UN", "SQ", "AT", "OW", "XX"])},
    optional={"Value": st.lists(st.none() | st.text(max_size=3) | st.integers() | st.dictionaries(st.just("Alphabetic"), st.text(max_size=3)), max_size=2), "InlineBinary": st.text(max_size=8)},
)))  # fmt: skip
def test_a_header_of_any_shape_is_written_or_left_out(found: dict[str, Any]) -> None:
    written = part10.data_set(found)
    assert len(written) % 2 == 0


def test_a_text_that_is_too_long_for_its_kind_is_still_written() -> None:
    written = part10.data_set({"00081030": {"vr": "LO", "Value": ["x" * 70_000]}})
    assert written[4:6] == b"UN"
    assert len(written) == 12 + 70_000


@pytest.mark.parametrize("bits", [1, 7, 9, 12, 64])
def test_frames_of_single_bits_are_joined_without_padding(bits: int) -> None:
    planes = np.random.default_rng(bits).integers(0, 2, (5, bits)).astype(np.uint8)
    padded = (np.packbits(plane, bitorder="little").tobytes() for plane in planes)
    assert b"".join(part10._joined(padded, bits)) == np.packbits(planes.ravel(), bitorder="little").tobytes()
