"""WADO-RS: what leaves, in which form, and never more than the caller may see."""

import io
import re
from typing import Any

import imagecodecs
import numpy as np
import orjson
import pydicom
import pytest
from PIL import Image
from pydicom.uid import generate_uid

from core import audit, jobs
from core.actor import Actor
from core.errors import Denied, Invalid, NotFound, Unsupported
from imaging import previews, render, rendered, wado
from imaging.dicomweb import Scope
from imaging.rendered import Look
from imaging.studies import Instance, Study
from imaging.wado import Answer, Opened
from tests.imaging import samples, shipped
from tests.imaging.conftest import World
from tests.imaging.visitors import BASE, SCOPE, let_in, subjects, within

STUDY = "1.2.3.4"
MULTIPART = 'multipart/related; type="application/dicom"'
BIG_ENDIAN = "1.2.840.10008.1.2.2"
ANY_FRAME = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'


def file(world: World, data: bytes) -> Instance:
    upload = world.take_in(data)
    assert upload.state == "filed", upload.reason
    return next(row for row in world.rows(Instance) if row.id == upload.instance_id)


def one(world: World, actor: Actor, row: Instance, scope: Scope = SCOPE) -> Opened:
    with world.database.begin() as db:
        [found] = wado.find(db, actor, scope, subjects, study_uid=study_uid(world, row), sop_uid=row.sop_instance_uid)
        return wado.open_one(db, found)


def study_uid(world: World, row: Instance) -> str:
    return next(study.study_instance_uid for study in world.rows(Study) if study.id == row.study_id)


def parts(answer: Answer) -> list[tuple[str, bytes]]:
    """(content type, body) of each part."""
    boundary = answer.content_type.split("boundary=")[1]
    body = b"".join(answer.chunks)
    assert answer.length in (None, len(body))
    pieces = body.split(f"--{boundary}".encode())
    assert pieces[0] == b""
    assert pieces[-1] == b"--\r\n"
    found = []
    for piece in pieces[1:-1]:
        head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        kind = re.search(rb"Content-Type: (.*)", head)
        assert kind
        found.append((kind[1].decode().strip(), content.removesuffix(b"\r\n")))
    return found


def get_objects(world: World, actor: Actor, accept: str = MULTIPART, scope: Scope = SCOPE, **address: str) -> Answer:
    with world.database.begin() as db:
        opened = wado.open_all(db, wado.find(db, actor, scope, subjects, **{"study_uid": STUDY, **address}), accept)
    return wado.objects(opened, world.pool, accept, scope)


def metadata(world: World, actor: Actor, scope: Scope = SCOPE) -> list[dict[str, Any]]:
    with world.database.begin() as db:
        found: list[dict[str, Any]] = orjson.loads(wado.metadata(db, wado.find(db, actor, scope, subjects, study_uid=STUDY), scope))
        return found


def test_an_object_leaves_as_it_came_but_for_its_preamble(world: World) -> None:
    """Attack 24: a program may hide in the 128 bytes before the prefix."""
    data = samples.dicom(StudyInstanceUID=STUDY, preamble=b"MZ" + bytes(126))
    file(world, data)
    [(kind, body)] = parts(get_objects(world, world.surgeon))
    assert kind == "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    assert body == bytes(128) + data[128:]
    alone = get_objects(world, world.surgeon, "application/dicom")
    assert alone.length == len(data)
    assert b"".join(alone.chunks) == body


def test_a_preamble_that_makes_a_file_a_tiff_too_stays(world: World) -> None:
    data = samples.dicom(StudyInstanceUID=STUDY, preamble=b"II*\0" + bytes(124))
    file(world, data)
    assert parts(get_objects(world, world.surgeon))[0][1] == data


def test_a_study_is_one_part_per_instance(world: World) -> None:
    for number in range(3):
        file(world, samples.dicom(StudyInstanceUID=STUDY, InstanceNumber=number + 1, SeriesInstanceUID=f"1.2.{number % 2}"))
    assert len(parts(get_objects(world, world.surgeon))) == 3
    assert len(parts(get_objects(world, world.surgeon, series_uid="1.2.0"))) == 2
    with pytest.raises(Unsupported, match="not-acceptable"):
        get_objects(world, world.surgeon, "application/dicom")
    with pytest.raises(NotFound):
        get_objects(world, world.surgeon, series_uid="1.2.9")


def test_whoever_may_not_see_identity_gets_another_file_with_the_same_picture(world: World) -> None:
    file(world, samples.dicom(StudyInstanceUID=STUDY, InstitutionName="ARAL", preamble=b"WANG".ljust(128)))
    [(_, body)] = parts(get_objects(world, let_in(world)))
    assert b"WANG" not in body
    assert b"ARAL" not in body
    made = pydicom.dcmread(io.BytesIO(body))
    assert (made.PatientName, made.PatientID, made.PatientIdentityRemoved) == ("SH-2026-0147", "SH-2026-0147", "YES")
    assert made.pixel_array.ravel().tolist() == list(range(128))


def test_a_compressed_object_keeps_its_compression_without_identity(world: World) -> None:
    data = samples.jpeg_frames(3)
    dataset = pydicom.dcmread(io.BytesIO(data))
    row = file(world, data)
    study = str(dataset.StudyInstanceUID)
    [(kind, body)] = parts(get_objects(world, let_in(world), study_uid=study, sop_uid=row.sop_instance_uid))
    assert kind.endswith("1.2.840.10008.1.2.4.50")
    made = pydicom.dcmread(io.BytesIO(body))
    assert made.NumberOfFrames == 3
    assert (made.pixel_array == dataset.pixel_array).all()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_object_is_decompressed_where_that_is_asked_for(world: World) -> None:
    data = samples.jpeg_frames(2)
    study = str(pydicom.dcmread(io.BytesIO(data)).StudyInstanceUID)
    file(world, data)
    for actor, name in ((world.surgeon, "WANG^LEI"), (let_in(world), "SH-2026-0147")):
        [(kind, body)] = parts(get_objects(world, actor, f"{MULTIPART}; transfer-syntax=1.2.840.10008.1.2.1", study_uid=study))
        assert kind.endswith("1.2.840.10008.1.2.1")
        made = pydicom.dcmread(io.BytesIO(body))
        assert (made.PhotometricInterpretation, made.PlanarConfiguration) == ("RGB", 0)
        assert np.abs(made.pixel_array.astype(int) - pydicom.dcmread(io.BytesIO(data)).pixel_array).max() <= 2
        assert made.PatientName == name


def test_a_transfer_syntax_we_do_not_make_is_not_acceptable(world: World) -> None:
    file(world, samples.dicom(StudyInstanceUID=STUDY))
    with pytest.raises(Unsupported, match="not-acceptable"):
        get_objects(world, world.surgeon, f"{MULTIPART}; transfer-syntax=1.2.840.10008.1.2.4.90")


ODD = (
    "MR_small_bigendian",
    "image_dfl",
    "liver_expb_1frame",
    "rtdose",
    "SC_rgb_small_odd_big_endian",
    "examples_palette",
    "SC_rgb_rle",
)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_any_stored_form_leaves_readable_without_identity(world: World) -> None:
    expert = let_in(world)
    for name in ODD:
        data = (shipped.FOLDER / f"{name}.dcm").read_bytes()
        row = file(world, data)
        [(_, body)] = parts(get_objects(world, expert, study_uid=study_uid(world, row), sop_uid=row.sop_instance_uid))
        theirs, ours = pydicom.dcmread(io.BytesIO(data)), pydicom.dcmread(io.BytesIO(body))
        assert (ours.pixel_array == theirs.pixel_array).all(), name
        assert ours.PatientName == "SH-2026-0147"


def test_metadata_is_what_intake_read_with_addresses_for_what_is_large(world: World) -> None:
    row = file(world, samples.dicom(StudyInstanceUID=STUDY))
    [found] = metadata(world, world.surgeon, within(world))
    place = f"{BASE}/cases/{world.case_id}/studies/{STUDY}/series/"
    assert found["00100010"]["Value"] == [{"Alphabetic": "WANG^LEI"}]
    uri = found["7FE00010"]["BulkDataURI"]
    assert uri.startswith(place)
    assert f"/instances/{row.sop_instance_uid}/bulkdata/" in uri
    start, length = (int(part) for part in uri.split("/")[-2:])
    answer = wado.bulk_data(one(world, world.surgeon, row), start, length, world.pool, SCOPE)
    assert parts(answer)[0][1] == np.arange(128, dtype="<u2").tobytes()


def test_metadata_without_identity_names_nobody(world: World) -> None:
    file(world, samples.dicom(StudyInstanceUID=STUDY, PatientComments='"BulkDataURI":"bulk/1/2'))
    [found] = metadata(world, let_in(world))
    assert "WANG" not in str(found)
    assert found["00100020"]["Value"] == ["SH-2026-0147"]
    assert found["00280010"]["Value"] == [16]
    [whole] = metadata(world, world.surgeon)
    assert whole["00104000"]["Value"] == ['"BulkDataURI":"bulk/1/2']


def test_bulk_data_is_only_what_the_shown_header_names(world: World) -> None:
    row = file(world, samples.dicom(StudyInstanceUID=STUDY, EncapsulatedDocument=b"WANG LEI " * 300))
    [found] = metadata(world, world.surgeon)
    start, length = (int(part) for part in found["00420011"]["BulkDataURI"].split("/")[-2:])
    answer = wado.bulk_data(one(world, world.surgeon, row), start, length, world.pool, SCOPE)
    assert b"".join(answer.chunks).startswith(b"WANG LEI ")
    for actor, at, size in ((let_in(world), start, length), (world.surgeon, 0, 1_000), (world.surgeon, start, length - 1)):
        with pytest.raises(NotFound):
            wado.bulk_data(one(world, actor, row), at, size, world.pool, SCOPE)


LARGE: dict[str, tuple[str, bytes]] = {
    "00420011": ("OB", b"WANG LEI " * 300),
    "54001010": ("OW", np.arange(600_000, dtype="<u2").tobytes()),
    "00720073": ("OD", np.arange(3_000, dtype="<f8").tobytes()),
    "00720075": ("OL", np.arange(3_000, dtype="<u4").tobytes()),
}


def with_large_values(syntax: str) -> bytes:
    order = ">" if syntax == BIG_ENDIAN else "<"
    made = pydicom.dcmread(io.BytesIO(samples.dicom(StudyInstanceUID=STUDY, PixelData=None)))
    for name, (vr, value) in LARGE.items():
        width = {"OB": 1, "OW": 2, "OL": 4, "OD": 8}[vr]
        made.add_new(int(name, 16), vr, np.frombuffer(value, f"<u{width}").astype(f"{order}u{width}").tobytes())
    made.file_meta.TransferSyntaxUID = syntax
    out = io.BytesIO()
    pydicom.dcmwrite(out, made, enforce_file_format=True, implicit_vr=False, little_endian=order == "<")
    return out.getvalue()


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", samples.DEFLATED, BIG_ENDIAN])
def test_a_large_value_is_the_same_however_the_file_is_encoded(world: World, syntax: str) -> None:
    """The ranges of a deflated file count in what it becomes; words of a big-endian one are turned round (PS3.18 §8.7.3.3)."""
    row = file(world, with_large_values(syntax))
    [found] = metadata(world, world.surgeon)
    for name, (_, value) in LARGE.items():
        start, length = (int(part) for part in found[name]["BulkDataURI"].split("/")[-2:])
        answer = wado.bulk_data(one(world, world.surgeon, row), start, length, world.pool, SCOPE)
        assert answer.length == length == len(value)
        assert b"".join(answer.chunks) == value


def test_a_large_value_of_unknown_words_is_not_acceptable(world: World) -> None:
    made = with_large_values(BIG_ENDIAN).replace(b"\x00\x72\x00\x75OL", b"\x00\x72\x00\x75UN")
    row = file(world, made)
    [found] = metadata(world, world.surgeon)
    start, length = (int(part) for part in found["00720075"]["BulkDataURI"].split("/")[-2:])
    with pytest.raises(Unsupported, match="not-acceptable"):
        wado.bulk_data(one(world, world.surgeon, row), start, length, world.pool, SCOPE)


def frames(world: World, actor: Actor, row: Instance, numbers: str = "1", accept: str = ANY_FRAME) -> Answer:
    return wado.frame_list(one(world, actor, row), numbers, world.pool, accept, SCOPE)


def test_frames_leave_as_stored_raw_or_alone(world: World) -> None:
    row = file(world, samples.jpeg_frames(3))
    stored = frames(world, world.surgeon, row, "3,1")
    assert [kind for kind, _ in parts(stored)] == ["application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.50"] * 2
    named = parts(frames(world, world.surgeon, row, "2", 'multipart/related; type="image/jpeg"'))
    assert named[0][0] == "image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50"
    assert named[0][1].startswith(b"\xff\xd8")
    raw = frames(world, world.surgeon, row, "2", "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1")
    assert raw.length == 16 * 16 * 3
    assert len(b"".join(raw.chunks)) == raw.length
    assert frames(world, world.surgeon, row).length is not None
    with pytest.raises(NotFound):
        frames(world, world.surgeon, row, "4")
    with pytest.raises(Unsupported):
        frames(world, world.surgeon, row, "1", "image/png")


def test_a_film_has_no_frames_to_give_and_is_not_read(world: World) -> None:
    """It is one bitstream: a frame of it would be the whole of it."""
    film = samples.dicom(
        StudyInstanceUID=STUDY, syntax="1.2.840.10008.1.2.4.102", frames=[b"\0\0\1\xba" * 99], NumberOfFrames=50, SamplesPerPixel=3,
        PlanarConfiguration=0, PhotometricInterpretation="YBR_PARTIAL_420", BitsAllocated=8, BitsStored=8, HighBit=7,
    )  # fmt: skip
    row = file(world, film)
    for actor in (world.surgeon, let_in(world)):
        for accept in (ANY_FRAME, "*/*", "video/mp4"):
            with pytest.raises(Unsupported, match="not-acceptable"):
                frames(world, actor, row, "1", accept)
    [found] = metadata(world, world.surgeon)
    start, length = (int(part) for part in found["7FE00010"]["BulkDataURI"].split("/")[-2:])
    with pytest.raises(Unsupported, match="not-acceptable"):
        wado.bulk_data(one(world, world.surgeon, row), start, length, world.pool, SCOPE)
    assert parts(get_objects(world, world.surgeon))[0][1] == film


def test_colour_that_is_filed_and_cannot_be_shown_says_so(world: World) -> None:
    row = file(
        world,
        samples.dicom(
            SamplesPerPixel=3, PlanarConfiguration=0, PhotometricInterpretation="YBR_PARTIAL_422", BitsAllocated=8, BitsStored=8, HighBit=7,
            PixelData=bytes(range(256)),
        ),
    )  # fmt: skip
    assert parts(frames(world, world.surgeon, row))[0][1] == bytes(range(256))
    for viewport in ({}, {"viewport": "8,8"}):
        with pytest.raises(Unsupported, match="image-photometric"):
            look(world, row, **viewport)


def test_run_lengths_leave_as_pixels_without_identity(world: World) -> None:
    """Behind and between them is room for words, where no decoder looks."""
    row = file(world, (shipped.FOLDER / "MR_small_RLE.dcm").read_bytes())
    expert, uid = let_in(world), "1.2.840.10008.1.2.5"
    assert parts(frames(world, world.surgeon, row))[0][0].endswith(uid)
    [(kind, body)] = parts(frames(world, expert, row))
    assert kind.endswith("1.2.840.10008.1.2.1")
    assert body == np.asarray(shipped.load("MR_small_RLE").dataset.pixel_array).astype("<i2").tobytes()
    address = {"study_uid": study_uid(world, row), "sop_uid": row.sop_instance_uid}
    assert parts(get_objects(world, expert, **address))[0][0].endswith("1.2.840.10008.1.2.1")
    with pytest.raises(Unsupported, match="not-acceptable"):
        get_objects(world, expert, f"{MULTIPART}; transfer-syntax={uid}", **address)


def test_bits_that_no_pixel_uses_leave_in_no_frame_without_identity(world: World) -> None:
    """Twelve bits are stored; an overlay stands in the sixteenth."""
    pixels = np.arange(128, dtype=np.uint16).reshape(16, 8)
    stream = bytes(imagecodecs.jpeg2k_encode(pixels | 0x8000, level=0, codecformat="j2k"))
    row = file(world, samples.dicom(syntax="1.2.840.10008.1.2.4.90", frames=[stream]))
    for accept in (ANY_FRAME, "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"):
        answer = frames(world, let_in(world), row, "1", accept)
        body = b"".join(answer.chunks) if accept != ANY_FRAME else parts(answer)[0][1]
        assert body == pixels.astype("<u2").tobytes()


def test_identity_that_is_withdrawn_ends_an_answer_on_its_way(world: World) -> None:
    """A grant replaced by one that hides identity, while a file with the name in it is being sent."""
    file(world, samples.dicom(StudyInstanceUID=STUDY))
    expert = let_in(world, sees_identity=True)
    with world.database.begin() as db:
        found = wado.find(db, expert, SCOPE, subjects, study_uid=STUDY)
        assert [each.identified for each in found] == [True]
        wado.still(db, expert, found)
    let_in(world, sees_identity=False)
    with world.database.begin() as db, pytest.raises(Denied):
        wado.still(db, expert, found)
    with world.database.begin() as db:
        hidden = wado.find(db, expert, SCOPE, subjects, study_uid=STUDY)
        assert [each.identified for each in hidden] == [False]
        wado.still(db, expert, hidden)


def test_a_frame_loses_its_comments_without_identity(world: World) -> None:
    spiked = samples.photo(size=(16, 16), comment=b"WANG LEI")
    data = samples.dicom(
        syntax="1.2.840.10008.1.2.4.50", frames=[spiked], Rows=16, Columns=16, BitsAllocated=8, BitsStored=8, HighBit=7, SamplesPerPixel=3,
        PlanarConfiguration=0, PhotometricInterpretation="YBR_FULL_422",
    )  # fmt: skip
    row = file(world, data)
    assert b"WANG LEI" in parts(frames(world, world.surgeon, row))[0][1]
    [(kind, body)] = parts(frames(world, let_in(world), row))
    assert kind.endswith("1.2.840.10008.1.2.4.50")
    assert b"WANG" not in body
    assert Image.open(io.BytesIO(body)).size == (16, 16)


def test_a_frame_that_cannot_be_cleaned_leaves_as_pixels(world: World) -> None:
    """A JP2 file where a codestream should be: its boxes may hold words, so it goes decoded."""
    pixels = np.arange(128, dtype=np.uint16).reshape(16, 8)
    boxed = bytes(imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="jp2"))
    assert boxed[4:8] == b"jP  "
    row = file(world, samples.dicom(syntax="1.2.840.10008.1.2.4.90", frames=[boxed], BitsStored=16, HighBit=15))
    [(kind, body)] = parts(frames(world, let_in(world), row))
    assert kind.endswith("1.2.840.10008.1.2.1")
    assert body == pixels.astype("<u2").tobytes()
    assert parts(frames(world, world.surgeon, row))[0][1].startswith(boxed[:12])


def look(world: World, row: Instance, accept: str = "image/png", number: int | None = None, **named: str) -> np.ndarray[Any, Any]:
    answer = rendered.answer(one(world, world.surgeon, row), number, Look.parse(list(named.items())), world.pool, accept)
    return np.asarray(Image.open(io.BytesIO(b"".join(answer.chunks))).convert("L"))


def test_a_picture_is_rendered_with_window_viewport_and_quality(world: World) -> None:
    row = file(world, samples.dicom())
    assert look(world, row).ravel().tolist() == np.rint(np.arange(128) / 127 * 255).astype(int).tolist()
    assert set(np.unique(look(world, row, window="64,1"))) == {0, 255}
    assert look(world, row, viewport="4,4").shape == (4, 2)
    assert look(world, row, viewport="400,400").shape == (16, 8)
    assert look(world, row, viewport="8,8,0,8,8,8").shape == (8, 8)
    answer = rendered.answer(one(world, world.surgeon, row), 1, Look(), world.pool, "image/jpeg")
    assert (answer.content_type, answer.length is not None) == ("image/jpeg", True)
    with pytest.raises(NotFound):
        look(world, row, number=2)
    with pytest.raises(Unsupported, match="not-acceptable"):
        look(world, row, "text/html")


def test_a_rendered_picture_of_a_stored_file_is_that_of_the_pipeline(world: World) -> None:
    for name in ("MR_small_RLE", "examples_palette", "JPEG-lossy"):
        row = file(world, (shipped.FOLDER / f"{name}.dcm").read_bytes())
        sample = shipped.load(name)
        answer = rendered.answer(one(world, world.surgeon, row), None, Look(), world.pool, "image/png")
        found = np.asarray(Image.open(io.BytesIO(b"".join(answer.chunks))))
        assert (found == render.picture(sample.frames, sample.header, 0, world.pool)).all(), name


@pytest.mark.parametrize(
    "pair",
    [
        ("window", "1"),
        ("window", "a,b"),
        ("window", "1,0"),
        ("window", "1,2,cubic"),
        ("window", "nan,1"),
        ("viewport", "0,5"),
        ("viewport", "1,2,3"),
        ("viewport", "99999,5"),
        ("viewport", "inf,inf"),
        ("viewport", "1e400,5"),
        ("viewport", "nan,5"),
        ("viewport", "5,5,0,0,inf,-inf"),
        ("quality", "0"),
        ("quality", "x"),
        ("zoom", "2"),
    ],
)
def test_what_is_no_rendering_is_invalid(pair: tuple[str, str]) -> None:
    with pytest.raises(Invalid):
        Look.parse([pair])


def test_renditions_serve_small_pictures_and_are_never_needed(world: World) -> None:
    row = file(world, samples.photo(size=(2400, 1800)))
    before = look(world, row, "image/webp", viewport="320,320")
    while jobs.run_once(world.database, previews.handlers(world.pool)):
        pass
    opened = one(world, world.surgeon, row)
    assert set(opened.previews) == {"thumbnail", "preview"}
    after = look(world, row, "image/webp", viewport="320,320")
    assert after.shape == before.shape == (240, 320)
    assert np.abs(after.astype(int) - before).mean() < 4
    assert look(world, row, "image/jpeg", viewport="800,800").shape == (600, 800)
    assert look(world, row, viewport="2000,2000").shape == (1500, 2000)
    for key in list(world.database.store.keys()):
        if key.split("/")[1] in {str(each.object_id) for each in world.rows(previews.Rendition)}:
            world.database.store.delete(key)
    assert look(world, row, "image/webp", viewport="320,320").shape == (240, 320)


def test_the_middle_of_a_series_stands_for_it(world: World) -> None:
    uid = generate_uid()
    rows = [file(world, samples.dicom(StudyInstanceUID=STUDY, SeriesInstanceUID=uid, InstanceNumber=number)) for number in (3, 1, 2)]
    with world.database.begin() as db:
        found = wado.find(db, world.surgeon, SCOPE, subjects, study_uid=STUDY)
        assert wado.representative(found).row.id == rows[2].id


def test_what_is_not_theirs_is_not_found(world: World) -> None:
    """Attack 3."""
    file(world, samples.dicom(StudyInstanceUID=STUDY))
    expert = let_in(world, case_id=world.other_case_id)
    for actor, scope in (
        (world.stranger, SCOPE),
        (expert, SCOPE),
        (world.cast.administrator.actor, SCOPE),
        (world.surgeon, within(world, world.other_case_id)),
        (world.stranger, within(world)),
    ):
        with pytest.raises(NotFound):
            get_objects(world, actor, scope=scope)


def test_looking_through_a_study_is_one_event(world: World) -> None:
    rows = [file(world, samples.dicom(StudyInstanceUID=STUDY, InstanceNumber=number)) for number in (1, 2)]
    expert = let_in(world)
    for row in (*rows, *rows):
        frames(world, expert, row)
    metadata(world, expert)
    with world.database.begin() as db:
        events = audit.events(db, world.cast.aral.id, actions=["image:read"], actor_id=expert.person_id)
        assert [event.object_id for event in events] == [rows[0].study_id]
