"""Examining: what a file is by its content, what is read of it, and what is refused; in the real sandbox, without a database."""

import contextlib
import datetime as dt
import io
import json
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from imaging import examined, patients
from imaging.bodies import Memory
from imaging.examined import Examined
from imaging.frameindex import FrameIndex
from imaging.patients import Expected, Identity
from imaging.sandbox import Pool, Refused
from tests.imaging import samples

HERE = uuid4()
ABOUT: Mapping[str, object] = {
    "study_instance_uid": "2.25.1",
    "series_instance_uid": "2.25.2",
    "sop_instance_uid": "2.25.3",
    "instance_number": 4,
    "received": "2026-11-21T09:00:00+06:00",
    "studied": "2026-11-20T08:00:00+06:00",
}
SHIPPED = Path(pydicom.__file__).parent / "data" / "test_files"


def look(pool: Pool, file: bytes) -> Examined:
    return examined.examine(pool, Memory(file), ABOUT, organisation_id=HERE)


REFUSED = [
    ("unknown-type", "program", lambda: b"MZ\x90\x00" + bytes(200)),
    ("unknown-type", "svg", lambda: b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
    ("unknown-type", "elf", lambda: b"\x7fELF" + bytes(300)),
    ("unknown-type", "gif", lambda: b"GIF89a" + bytes(100)),
    ("document", "pdf", lambda: b"%PDF-1.7 /JavaScript"),
    ("archive", "zip", lambda: b"PK\x03\x04\x14\x00\x00\x00" + bytes(100)),
    ("encrypted", "zip", lambda: b"PK\x03\x04\x14\x00\x09\x00" + bytes(100)),
    ("video", "mp4", lambda: b"\x00\x00\x00\x18ftypisom" + bytes(100)),
    ("truncated", "dicom pixels", lambda: samples.dicom()[:-40]),
    ("truncated", "dicom header", lambda: samples.dicom()[:600]),
    ("truncated", "dicom meta", lambda: samples.dicom()[:140]),
    ("truncated", "jpeg", lambda: samples.photo()[:-100]),
    ("truncated", "png", lambda: samples.photo("PNG")[:-60]),
    ("unreadable", "jpeg", lambda: b"\xff\xd8\xff" + bytes(200)),
    ("unreadable", "png", lambda: b"\x89PNG\r\n\x1a\n" + bytes(200)),
    ("bomb", "png", samples.png_bomb),
    ("bomb", "deflated dicom", samples.deflated_bomb),
    ("too-deep", "open sequences", lambda: samples.nested(500, defined=False)),
    ("too-deep", "closed sequences", lambda: samples.nested(40, defined=True)),
    ("inconsistent", "10^9 frames", lambda: samples.dicom(NumberOfFrames="1000000000")),
    ("inconsistent", "1000 frames", lambda: samples.dicom(NumberOfFrames="1000")),
    ("inconsistent", "less than no frames", lambda: samples.dicom(NumberOfFrames="-5")),
    ("too-large", "65535 x 65535", lambda: samples.dicom(Rows=65535, Columns=65535)),
    (
        "too-large",
        "16384 x 16384 bits in 33 kB",
        lambda: samples.dicom(
            syntax=samples.DEFLATED, Rows=16384, Columns=16384, BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=bytes(1 << 25)
        ),
    ),
    ("uid", "no uid", lambda: samples.dicom(SOPInstanceUID="not a uid")),
    ("uid", "study uid missing", lambda: samples.dicom(StudyInstanceUID=None)),
    ("transfer-syntax", "unknown", lambda: samples.dicom(syntax="1.2.3.4.5")),
    ("dicomdir", "climbing out", lambda: samples.dicomdir("..", "..", "ETC", "PASSWD")),
    (
        "inconsistent",
        "rows as UL",
        lambda: samples.dicom().replace(b"\x28\x00\x10\x00US\x02\x00\x10\x00", b"\x28\x00\x10\x00SS\x02\x00\x10\x00"),
    ),
    ("inconsistent", "rows twice", lambda: samples.dicom().replace(b"\x28\x00\x11\x00US", b"\x28\x00\x10\x00US")),
    ("truncated", "a length beyond the end", lambda: samples.dicom().replace(b"LO\x08\x000010234", b"UT\0\0\xf0\xff\xff\x7f")),
    (
        "inconsistent",
        "compressed, in no fragments",
        lambda: samples.dicom().replace(b"UI\x14\x001.2.840.10008.1.2.1\0", b"UI\x14\x001.2.840.10008.1.2.5\0"),
    ),
    ("empty", "nothing", lambda: b""),
]


@pytest.mark.parametrize(("reason", "make"), [pytest.param(reason, make, id=f"{reason}-{name}") for reason, name, make in REFUSED])
def test_what_cannot_be_taken_says_why(pool: Pool, reason: str, make: Callable[[], bytes]) -> None:
    with pytest.raises(Refused) as refused:
        look(pool, make())
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("told", "side"),
    [
        ({"Laterality": "L"}, "L"),
        ({"Laterality": "L", "ImageLaterality": "R"}, "R"),
        ({"ImageLaterality": "B"}, None),
        ({"ImageLaterality": "left"}, None),
        ({}, None),
    ],
)
def test_which_side_a_picture_shows(pool: Pool, told: dict[str, str], side: str | None) -> None:
    assert look(pool, samples.dicom(**told)).summary.side == side


def test_a_header_gives_what_tables_and_matching_need(pool: Pool) -> None:
    seen = look(pool, samples.dicom(PatientName="Wang^Lei=王^雷", AccessionNumber="A-17"))
    summary = seen.summary
    assert summary.identity == Identity(("Wang^Lei", "王^雷"), "0010234", "19870203", "M")
    assert (summary.kind, summary.modality, summary.series_number, summary.instance_number) == ("ct", "CT", 2, 7)
    assert (summary.bits_allocated, summary.samples_per_pixel, summary.photometric_interpretation) == (16, 1, "MONOCHROME2")
    assert summary.accession_number == "A-17"
    assert summary.side is None
    assert seen.made is None
    study, series = json.loads(seen.study_header), json.loads(seen.series_header)
    assert study["00100010"]["Value"] == [{"Alphabetic": "Wang^Lei", "Ideographic": "王^雷"}]
    assert "00100010" not in series
    assert set(study) & set(series) == set()


@pytest.mark.parametrize(("modality", "kind"), [("DX", "radiograph"), ("CR", "radiograph"), ("CT", "ct"), ("MR", "other"), ("", "other")])
def test_the_modality_says_the_kind(pool: Pool, modality: str, kind: str) -> None:
    assert look(pool, samples.dicom(Modality=modality)).summary.kind == kind


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("GB18030", "Wang^Lei=王^雷".encode("gb18030")),
        ("GBK", "Wang^Lei=王^雷".encode("gbk")),
        ("ISO_IR 192", "Wang^Lei=王^雷".encode()),
        (["", "ISO 2022 IR 58"], b"Wang^Lei=\x1b$)A\xcd\xf5^\x1b$)A\xc0\xd7"),
    ],
    ids=lambda value: str(value) if isinstance(value, str | list) else "",
)
def test_chinese_in_its_own_encodings_is_read(pool: Pool, charset: str | list[str], name: bytes) -> None:
    seen = look(pool, samples.dicom(SpecificCharacterSet=charset, PatientName=name))
    assert seen.summary.identity.names == ("Wang^Lei", "王^雷")
    assert json.loads(seen.header)["00080005"]["Value"] == ["ISO_IR 192"]


def test_a_name_that_cannot_be_read_is_not_taken_for_none(pool: Pool) -> None:
    """Else a file of anybody would pass for one that names nobody."""
    unreadable = samples.dicom(PatientName="Wang^Lei").replace(b"PN\x08\x00Wang^Lei", b"FD\x08\x00Wang^Le")
    with pytest.raises(Refused):
        look(pool, unreadable)
    several = look(pool, samples.dicom(PatientName=["WANG^LEI", "LI^NA"])).summary.identity
    assert patients.disagreeing(several, Expected(names=("王雷",))) == ["name"]
    number = samples.dicom(PatientID="0010234").replace(b"LO\x08\x000010234 ", b"FL\x08\x000010234 ")
    assert look(pool, number).summary.identity.id not in ("", "0010234")


@pytest.mark.parametrize(
    ("captured", "expected"),
    [
        ({"AcquisitionDateTime": "20261120101500.25+0800"}, "2026-11-20T02:15:00.250000+00:00"),
        ({"AcquisitionDateTime": "20261120101500"}, "2026-11-20T04:15:00+00:00"),
        ({"TimezoneOffsetFromUTC": "-0330"}, "2026-11-20T13:46:22.500000+00:00"),
        ({"AcquisitionDate": None, "AcquisitionTime": None}, "2026-11-20T04:15:00+00:00"),
        ({"AcquisitionTime": "99"}, None),
        ({"AcquisitionDate": "20261340"}, None),
        ({"AcquisitionDate": None, "StudyDate": None}, None),
    ],
)
def test_the_time_a_picture_was_taken(pool: Pool, captured: Mapping[str, str | None], expected: str | None) -> None:
    found = look(pool, samples.dicom(**captured)).summary.captured_at("Asia/Urumqi")
    assert (found and found.isoformat()) == expected


def test_large_values_stay_in_the_file_and_small_ones_do_not(pool: Pool) -> None:
    file = samples.dicom(EncapsulatedDocument=bytes(range(256)) * 8, ICCProfile=bytes(2000))
    header = json.loads(look(pool, file).header)
    _, start, length = header["00420011"]["BulkDataURI"].split("/")
    assert file[int(start) : int(start) + int(length)] == bytes(range(256)) * 8
    assert "InlineBinary" in header["00282000"]


def test_the_words_of_a_table_are_little_endian_whatever_the_file_is(pool: Pool) -> None:
    """PS3.18 F.2. A palette of a big-endian file came out with its bytes changed over, and so did its colours."""
    table = np.arange(256, dtype="<u2")
    for syntax, order in (("1.2.840.10008.1.2.1", "<"), ("1.2.840.10008.1.2.2", ">")):
        made, item, file = pydicom.dcmread(io.BytesIO(samples.dicom(PixelData=None))), pydicom.Dataset(), io.BytesIO()
        item.add_new(0x00283006, "OW", table.astype(f"{order}u2").tobytes())
        made.add_new(0x00281201, "OW", table.astype(f"{order}u2").tobytes())
        made.add_new(0x00283010, "SQ", [item])
        made.file_meta.TransferSyntaxUID = syntax
        pydicom.dcmwrite(file, made, enforce_file_format=True, implicit_vr=False, little_endian=order == "<")
        header = json.loads(look(pool, file.getvalue()).header)
        for held in (header["00281201"], header["00283010"]["Value"][0]["00283006"]):
            assert b64decode(held["InlineBinary"]) == table.tobytes()


def test_a_value_that_breaks_its_representation_is_left_out_and_the_rest_kept(pool: Pool) -> None:
    header = json.loads(look(pool, samples.dicom().replace(b"IS\x02\x007 ", b"IS\x02\x00x ")).header)
    assert header["00200013"] == {"vr": "IS"}
    assert header["00200011"] == {"vr": "IS", "Value": [2]}


# -- frames ---------------------------------------------------------------------------------------------


def index_of(seen: Examined) -> FrameIndex:
    return FrameIndex.decode(seen.frame_index)


def gathered(file: bytes, index: FrameIndex, frame: int) -> bytes:
    return b"".join(file[start : start + length] for start, length in index.ranges(frame))


def test_native_frames_are_found(pool: Pool) -> None:
    pixels = np.arange(3 * 128, dtype="<u2").tobytes()
    file = samples.dicom(NumberOfFrames=3, PixelData=pixels)
    index = index_of(look(pool, file))
    assert [gathered(file, index, number) for number in range(3)] == [pixels[at : at + 256] for at in (0, 256, 512)]


def test_frames_of_single_bits_are_found(pool: Pool) -> None:
    file = samples.dicom(NumberOfFrames=3, Rows=3, Columns=3, BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=b"\x01\x02\x03\x04")
    index = index_of(look(pool, file))
    assert [(gathered(file, index, number), index.first_bit(number)) for number in range(3)] == [
        (b"\x01\x02", 0),
        (b"\x02\x03", 1),
        (b"\x03\x04", 2),
    ]


@pytest.mark.parametrize("table", ["basic", "none", "extended", "wrong"])
@pytest.mark.parametrize("fragments", [1, 3])
def test_encapsulated_frames_are_found_with_and_without_an_offset_table(pool: Pool, table: str, fragments: int) -> None:
    frames = [samples.photo(size=(16, 16), colour=number) for number in range(4)]
    file = samples.encapsulated(frames, table=table, fragments=fragments)
    index = index_of(look(pool, file))
    assert [gathered(file, index, number).rstrip(b"\0") for number in range(4)] == frames


def test_a_deflated_data_set_is_indexed_as_if_inflated(pool: Pool) -> None:
    seen = look(pool, samples.dicom(syntax=samples.DEFLATED))
    assert index_of(seen).deflated
    assert seen.summary.rows == 16


def test_an_index_that_reaches_out_of_the_file_is_refused() -> None:
    outside = FrameIndex("native", 2, 100, 800).encode()
    FrameIndex.decode(outside, size=300)
    with pytest.raises(examined.Damaged):
        FrameIndex.decode(outside, size=299)


@pytest.fixture(scope="module")
def taken_over() -> Iterator[Pool]:
    made = Pool(1, ["tests.imaging.hostile"])
    yield made
    made.close()


@pytest.mark.parametrize(
    "index",
    [
        FrameIndex("native", 1, 0, 8 * 4_097),
        FrameIndex("native", 1, 4_000, 8 * 97),
        FrameIndex("native", 1 << 20, 0, 1 << 20),
        FrameIndex("native", 1, -8, 64),
        FrameIndex("encapsulated", 2, fragments=(((0, 10),), ((10, 10), (4_090, 7)))),
        FrameIndex("encapsulated", 1, fragments=(((1 << 40, 1),),)),
        FrameIndex("stream", 9, fragments=(((4_096, 1),),)),
    ],
)
def test_a_worker_that_was_taken_over_gets_no_bytes_but_those_of_its_file(
    pool: Pool, taken_over: Pool, index: FrameIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index it answers with is kept and read by for ever; a range outside the file is refused before that."""
    file = Memory(bytes(4_096))
    said = {"summary": look(pool, samples.dicom()).summary.model_dump(), "frame_index": index.encode().decode()}
    inside = FrameIndex("native", 1, 4_000, 8 * 96).encode()
    monkeypatch.setattr(examined, "TASK", "hostile.claim")
    with pytest.raises(Refused, match="image-sandbox-fault"):
        examined.examine(taken_over, file, said, organisation_id=HERE)
    assert examined.examine(taken_over, file, {**said, "frame_index": inside.decode()}, organisation_id=HERE).frame_index == inside


@settings(deadline=None)
@given(
    st.binary(max_size=80)
    | st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists).map(lambda value: json.dumps(value).encode())
)
def test_no_frame_index_but_ours_is_read(document: bytes) -> None:
    with pytest.raises(examined.Damaged):
        FrameIndex.decode(document)


# -- photographs ----------------------------------------------------------------------------------------


def stored(seen: Examined) -> tuple[pydicom.Dataset, Image.Image]:
    assert seen.made is not None
    dataset = pydicom.dcmread(io.BytesIO(seen.made))
    return dataset, Image.open(io.BytesIO(next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1))))


def test_an_upright_jpeg_keeps_its_scan_and_loses_everything_else(pool: Pool) -> None:
    """Attacks 28, 29: place, comments and what hides behind the picture are gone, and no pixel was touched."""
    hidden = b"<script>alert(1)</script>"
    file = samples.photo(exif=samples.exif(), comment=hidden) + hidden
    dataset, image = stored(look(pool, file))
    made = look(pool, file).made
    assert made is not None
    for secret in (hidden, b"43.79N", b"Exif", b"JFIF"):
        assert secret not in made
    scan = file[file.index(b"\xff\xda") : file.rindex(b"\xff\xd9")]
    assert scan in made
    assert np.array_equal(np.asarray(image), np.asarray(Image.open(io.BytesIO(file))))
    assert (dataset.ImageType[0], dataset.LossyImageCompression, dataset.get("DerivationDescription")) == ("ORIGINAL", "01", None)
    assert dataset.AcquisitionDateTime == "20261120083015+0600"
    assert (dataset.PatientName, dataset.PatientID, dataset.InstanceNumber) == ("", "", 4)
    assert "PixelSpacing" not in dataset


@pytest.mark.parametrize("kind", ["JPEG", "HEIF", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_every_photograph_stands_upright(pool: Pool, kind: str, orientation: int) -> None:
    """As a viewer that honours the orientation shows it; the white corner tells."""
    file = samples.photo(kind, exif=samples.exif(orientation=orientation), quality=95)
    _, image = stored(look(pool, file))
    corner = {1: (0, 0), 3: (-1, -1), 6: (0, -1), 8: (-1, 0)}[orientation]
    pixels = np.asarray(image.convert("RGB"))
    assert pixels[corner].min() > 240
    assert image.size == ((48, 64) if orientation in (6, 8) else (64, 48))
    assert sum(pixels[each].min() > 240 for each in ((0, 0), (0, -1), (-1, 0), (-1, -1))) == 1


@pytest.mark.parametrize("kind", ["PNG", "HEIF", "WEBP"])
def test_what_had_to_be_decoded_says_so_and_looks_the_same(pool: Pool, kind: str) -> None:
    file = samples.photo(kind, **({"lossless": True} if kind == "WEBP" else {"quality": 100} if kind == "HEIF" else {}))
    dataset, image = stored(look(pool, file))
    assert (dataset.ImageType[0], dataset.LossyImageCompression) == ("DERIVED", "01")
    assert "quality 95" in dataset.DerivationDescription
    difference = np.abs(np.asarray(image.convert("RGB"), dtype=int) - np.asarray(samples.picture(), dtype=int))
    assert difference.mean() < 3
    sampling = image.info.get("subsampling", 0) if hasattr(image, "layer") else 0
    assert sampling == 0
    assert {layer[1:3] for layer in image.layer} == {(1, 1)}


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "I;16", "CMYK"])
def test_every_kind_of_pixel_becomes_grey_or_colour(pool: Pool, mode: str) -> None:
    source = samples.picture().convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        source = Image.fromarray(np.asarray(source, dtype="uint16") * 257)
    file = io.BytesIO()
    source.save(file, "JPEG" if mode == "CMYK" else "PNG")
    dataset, image = stored(look(pool, file.getvalue()))
    grey = mode in ("L", "1", "I;16")
    assert (dataset.PhotometricInterpretation, dataset.SamplesPerPixel) == (("MONOCHROME2", 1) if grey else ("YBR_FULL_422", 3))
    assert np.asarray(image.convert("L"))[2, 2] > 240


def test_the_colour_profile_is_kept_and_what_is_none_is_not(pool: Pool) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in ("JPEG", "PNG"):
        assert stored(look(pool, samples.photo(kind, icc_profile=profile)))[0].ICCProfile[: len(profile)] == profile
    for false in (b"<script>" * 40, profile[:-4], profile.replace(b"RGB ", b"GRAY", 1)):
        assert "ICCProfile" not in stored(look(pool, samples.photo(icc_profile=false)))[0]


@pytest.mark.parametrize(
    ("taken", "offset", "expected"),
    [
        ("2026:11:20 08:30:15", "+06:00", dt.datetime(2026, 11, 20, 2, 30, 15, tzinfo=dt.UTC)),
        ("2026:11:20 08:30:15", None, dt.datetime(2026, 11, 20, 0, 30, 15, tzinfo=dt.UTC)),
        ("0000:00:00 00:00:00", None, dt.datetime(2026, 11, 21, 1, 0, tzinfo=dt.UTC)),
        (None, None, dt.datetime(2026, 11, 21, 1, 0, tzinfo=dt.UTC)),
    ],
)
def test_when_a_photograph_was_taken(pool: Pool, taken: str | None, offset: str | None, expected: dt.datetime) -> None:
    """A camera without a zone is taken by the hospital's clock; one without a clock counts as taken when it came."""
    file = samples.photo(exif=samples.exif(taken=taken, offset=offset))
    assert look(pool, file).summary.captured_at("Asia/Shanghai") == expected


def test_texts_and_trailers_of_every_kind_are_gone(pool: Pool) -> None:
    """Attacks 27 to 29: text chunks, a comment, a zip behind the picture, a page before it."""
    secret = b"secret-of-the-sender"
    info = PngInfo()
    info.add_text("Comment", secret.decode())
    info.add_itxt("XML:com.adobe.xmp", secret.decode())
    for file in (
        samples.photo("PNG", pnginfo=info),
        samples.photo("WEBP", exif=samples.exif(secret=secret.decode()), xmp=secret),
        samples.photo("HEIF", exif=samples.exif(secret=secret.decode())),
        samples.photo(comment=secret, exif=samples.exif(secret=secret.decode())) + b"PK\x03\x04" + secret,
        samples.photo().replace(b"\xff\xdb", b"\xff\xe1\x00\x16" + secret + b"\xff\xdb", 1),
        samples.photo().replace(b"\xff\xdb", b"\xff\xfe\x00\x16" + secret + b"\xff\xdb", 1),
    ):
        assert secret in file or file[:4] in (b"RIFF", b"\x89PNG") or b"ftyp" in file[:12]
        seen = look(pool, file)
        assert seen.made is not None
        assert secret not in seen.made
        assert secret not in seen.header


def test_a_program_in_the_preamble_makes_it_no_program_and_loses_nothing(pool: Pool) -> None:
    """Attack 24, CVE-2019-11687: it is DICOM by its content and kept as it came; nobody is ever handed the preamble."""
    for start in (b"MZ\x90\x00", b"\x7fELF", b"<html><script>", b"II*\x00", b"\xff\xd8\xff\xe0"):
        seen = look(pool, samples.dicom(preamble=start.ljust(128, b"\0")))
        assert (seen.summary.kind, seen.made) == ("ct", None)


def test_a_progressive_jpeg_is_developed_for_the_standard_knows_only_baseline(pool: Pool) -> None:
    dataset, image = stored(look(pool, samples.photo(progressive=True)))
    assert dataset.ImageType[0] == "DERIVED"
    assert not image.info.get("progressive")


def test_animations_are_refused(pool: Pool) -> None:
    for kind in ("PNG", "WEBP"):
        file = io.BytesIO()
        samples.picture().save(file, kind, save_all=True, append_images=[samples.picture(colour=200)], duration=100)
        with pytest.raises(Refused, match="image-animated"):
            look(pool, file.getvalue())


@pytest.mark.parametrize("orientation", [1, 6])
def test_of_a_camera_file_with_several_pictures_the_first_is_the_photograph(pool: Pool, orientation: int) -> None:
    """Multi-picture files (CIPA DC-007) hold a preview or a depth map behind the photograph."""
    whole = io.BytesIO()
    preview = samples.picture((32, 24), colour=200)
    samples.picture().save(whole, "MPO", save_all=True, append_images=[preview], exif=samples.exif(orientation=orientation), quality=95)
    with Image.open(io.BytesIO(whole.getvalue())) as opened:
        assert (opened.format, getattr(opened, "n_frames", 1)) == ("MPO", 2)
    seen = look(pool, whole.getvalue())
    dataset, image = stored(seen)
    assert (dataset.ImageType[0], image.format) == ("ORIGINAL" if orientation == 1 else "DERIVED", "JPEG")
    assert image.size == ((64, 48) if orientation == 1 else (48, 64))
    upright = np.asarray(samples.picture() if orientation == 1 else samples.picture().transpose(Image.Transpose.ROTATE_270), dtype=int)
    assert np.abs(np.asarray(image, dtype=int) - upright).mean() < 3
    assert seen.made is not None
    assert seen.made.count(b"\xff\xd8\xff") == 1
    assert b"MPF" not in seen.made


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("options", [{}, {"subsampling": 2}, {"optimize": True}, {"exif": samples.exif(orientation=6)}])
def test_a_photograph_that_lacks_its_end_alone_is_taken_and_one_that_lacks_pixels_is_not(
    pool: Pool, mode: str, options: dict[str, Any]
) -> None:
    made = io.BytesIO()
    samples.picture().convert(mode).save(made, "JPEG", quality=90, **options)
    file = made.getvalue()
    theirs, ours = stored(look(pool, file))[1], stored(look(pool, file[:-2]))[1]
    assert np.array_equal(np.asarray(ours), np.asarray(theirs))
    assert np.array_equal(np.asarray(stored(look(pool, file[:-1]))[1]), np.asarray(theirs))
    for lost in (3, 4, 5, 7, 11, 40, 200, len(file) - file.index(b"\xff\xda") - 20):
        with pytest.raises(Refused, match="image-truncated"):
            look(pool, file[:-lost])


def test_a_progressive_photograph_without_its_end_may_lack_whole_scans(pool: Pool) -> None:
    with pytest.raises(Refused, match="image-truncated"):
        look(pool, samples.photo(progressive=True)[:-2])


@pytest.mark.parametrize("kind", ["JPEG", "HEIF", "PNG"])
def test_our_objects_pass_the_validators(pool: Pool, tmp_path: Path, kind: str) -> None:
    seen = look(pool, samples.photo(kind, exif=samples.exif()))
    assert seen.made is not None
    path = tmp_path / "photo.dcm"
    path.write_bytes(seen.made)
    assert pydicom.dcmread(path).pixel_array.shape == (48, 64, 3)
    for command, wrong in (("dcmdump", "E:"), ("dciodvfy", "Error")):
        if shutil.which(command):
            ran = subprocess.run([command, str(path)], capture_output=True, check=False)
            assert wrong not in (ran.stdout + ran.stderr).decode("latin-1"), command


# -- whatever else there is -----------------------------------------------------------------------------


REFUSED_OF_SHIPPED = {
    "ExplVR_BigEndNoMeta.dcm": "unknown-type", "ExplVR_LitEndNoMeta.dcm": "unknown-type", "no_meta.dcm": "unknown-type",
    "rtstruct.dcm": "unknown-type", "README.txt": "unknown-type", "crayons.icc": "unknown-type", "rtplan.dump": "unknown-type",
    "rtstruct.dump": "unknown-type", "test1.json": "unknown-type", "test_PN.json": "unknown-type", "zipMR.gz": "archive",
    "MR_truncated.dcm": "truncated", "rtplan_truncated.dcm": "truncated", "meta_missing_tsyntax.dcm": "transfer-syntax",
    "SC_rgb_jpeg.dcm": "unreadable", "badVR.dcm": "inconsistent",
    **dict.fromkeys(("JPEGLSNearLossless_08.dcm", "JPEGLSNearLossless_16.dcm", "SC_rgb_jls_lossy_line.dcm", "SC_rgb_jls_lossy_sample.dcm",
                     "UN_sequence.dcm", "empty_charset_LEI.dcm", "nested_priv_SQ.dcm", "no_meta_group_length.dcm", "priv_SQ.dcm"), "uid"),
}  # fmt: skip
"""Without preamble, cut off, without the identifiers an object must have, or no DICOM at all."""


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.*")), ids=lambda path: path.name)
def test_every_file_pydicom_ships_is_read_or_refused_for_a_reason(pool: Pool, path: Path) -> None:
    file = path.read_bytes()
    if reason := REFUSED_OF_SHIPPED.get(path.name):
        with pytest.raises(Refused, match=f"image-{reason}"):
            look(pool, file)
        return
    seen = look(pool, file)
    dataset = pydicom.dcmread(path)
    assert seen.summary.sop_instance_uid == dataset.SOPInstanceUID
    index = index_of(seen)
    if "PixelData" not in dataset or index.deflated:
        return
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        assert dataset.PixelData.startswith(gathered(file, index, 0))
        return
    theirs = list(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=index.frames))
    assert [gathered(file, index, number) for number in range(index.frames)] == theirs


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_and_never_an_error(pool: Pool, data: st.DataObject) -> None:
    """Bytes of good files changed, cut out and put in at random."""
    file = bytearray(data.draw(st.sampled_from(WELL)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(file)))
        length = data.draw(st.integers(0, 16))
        file[at : at + length] = data.draw(st.binary(max_size=16))
    with contextlib.suppress(Refused):
        look(pool, bytes(file))


WELL = [samples.dicom(), samples.jpeg_frames(2), samples.photo(exif=samples.exif()), samples.photo("PNG"), samples.nested(3, defined=False)]
