"""Frames: read by range from sealed bytes, decoded confined, refused where they cannot be."""

from typing import Any

import imagecodecs
import numpy as np
import pytest

from core.errors import Damaged, Invalid, NotFound, Unsupported
from imaging import codecs, frames, render, studies
from imaging.attributes import tag
from imaging.bodies import Memory
from imaging.frameindex import FrameIndex
from imaging.frames import Frames, Layout
from imaging.sandbox import Pool
from tests.imaging import samples, shipped
from tests.imaging.conftest import World


class Counting(Memory):
    """Remembers what was read of it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.taken: list[tuple[int, int]] = []

    def read(self, start: int, length: int) -> bytes:
        self.taken.append((start, length))
        return super().read(start, length)


def opened(world: World, data: bytes) -> Frames:
    upload = world.take_in(data)
    assert upload.state == "filed", upload.reason
    assert upload.instance_id
    with world.database.begin() as db:
        row = studies.instance(db, world.surgeon, upload.instance_id)
        return frames.open_(db, row)


def header(**named: Any) -> dict[str, Any]:
    facts = {"Rows": 4, "Columns": 4, "BitsAllocated": 16, "BitsStored": 12, "HighBit": 11, "SamplesPerPixel": 1, **named}
    return {tag(keyword): {"vr": "US", "Value": [value]} for keyword, value in facts.items()}


def test_a_frame_of_a_sealed_file_is_read_after_the_transaction(world: World) -> None:
    pixels = np.arange(3 * 16 * 8, dtype="<u2")
    source = opened(world, samples.dicom(NumberOfFrames=3, PixelData=pixels.tobytes()))
    assert source.count == 3
    for frame in range(3):
        assert source.stored(frame, world.pool) == pixels[frame * 128 : (frame + 1) * 128].tobytes()
        assert source.array(frame, world.pool).tolist() == pixels.reshape(3, 16, 8)[frame].tolist()
    with pytest.raises(NotFound):
        source.stored(3, world.pool)


def test_a_compressed_frame_of_a_sealed_file_is_decoded_in_the_sandbox(world: World) -> None:
    source = opened(world, samples.jpeg_frames(3))
    assert source.stored(2, world.pool).startswith(b"\xff\xd8")
    found = source.array(2, world.pool)
    assert found.shape == (16, 16, 3)
    assert np.abs(found.astype(int) - np.asarray(samples.picture((16, 16), 2))).mean() < 8


def test_only_the_bytes_of_the_frame_are_read(pool: Pool) -> None:
    data = Counting(bytes(1_000) + np.arange(10 * 16, dtype="<u2").tobytes())
    source = Frames(
        data,
        FrameIndex("native", frames=10, offset=1_000, frame_bits=256),
        Layout.of(header(), frames.EXPLICIT_LITTLE),
        shipped.ORGANISATION,
    )
    assert source.array(7, pool).ravel().tolist() == list(range(112, 128))
    assert data.taken == [(1_000 + 7 * 32, 32)]


@pytest.mark.parametrize("name", shipped.ALONE)
def test_bitstreams_that_pydicom_cannot_read_here_are_read(name: str, pool: Pool) -> None:
    sample = shipped.load(name)
    found = sample.frames.array(0, pool)
    assert found.shape[:2] == (sample.dataset.Rows, sample.dataset.Columns)
    assert found.max() > found.min()


@pytest.mark.parametrize("signed", [False, True])
def test_htj2k_is_lossless_both_ways(signed: bool, pool: Pool) -> None:
    pixels = np.random.default_rng(3).integers(-2048 if signed else 0, 2048, (64, 48)).astype("<i2" if signed else "<u2")
    stream = bytes(imagecodecs.htj2k_encode(pixels))
    facts = header(Rows=64, Columns=48, PixelRepresentation=int(signed), BitsStored=16, HighBit=15)
    index = FrameIndex("encapsulated", frames=1, fragments=(((0, 100), (100, len(stream) - 100)),))
    source = Frames(Memory(stream), index, Layout.of(facts, "1.2.840.10008.1.2.4.201"), shipped.ORGANISATION)
    assert (source.array(0, pool) == pixels).all()


def test_one_bit_frames_that_begin_inside_a_byte(pool: Pool) -> None:
    bits = np.random.default_rng(5).integers(0, 2, (3, 3, 3)).astype(np.uint8)
    data = np.packbits(bits.ravel(), bitorder="little").tobytes()
    layout = Layout.of(header(Rows=3, Columns=3, BitsAllocated=1, BitsStored=1, HighBit=0), frames.EXPLICIT_LITTLE)
    source = Frames(Memory(data), FrameIndex("native", frames=3, offset=0, frame_bits=9), layout, shipped.ORGANISATION)
    for frame in range(3):
        assert (source.array(frame, pool) == bits[frame]).all()


def test_odd_frames_of_swapped_bytes_begin_inside_a_word(pool: Pool) -> None:
    """8-bit samples in OW of a big-endian file: the words are swapped across the border of two frames."""
    plain = bytes(range(18))
    swapped = np.frombuffer(plain, ">u2").astype("<u2").tobytes()
    facts = {**header(Rows=3, Columns=3, BitsAllocated=8, BitsStored=8, HighBit=7), "7FE00010": {"vr": "OW", "BulkDataURI": "bulk/0/18"}}
    source = Frames(
        Memory(swapped),
        FrameIndex("native", frames=2, offset=0, frame_bits=72),
        Layout.of(facts, frames.EXPLICIT_BIG),
        shipped.ORGANISATION,
    )
    assert source.raw(0, pool) + source.raw(1, pool) == plain


def test_cleaning_zeroes_the_bits_that_no_sample_uses(pool: Pool) -> None:
    pixels = (np.arange(16, dtype="<u2") + 100) | 0xF000
    layout = Layout.of(header(), frames.EXPLICIT_LITTLE)
    source = Frames(Memory(pixels.tobytes()), FrameIndex("native", frames=1, offset=0, frame_bits=256), layout, shipped.ORGANISATION)
    assert np.frombuffer(source.clean(0, pool), "<u2").tolist() == list(range(100, 116))
    signed = Layout.of(header(PixelRepresentation=1), frames.EXPLICIT_LITTLE)
    negative = (np.arange(-8, 8) & 0xFFF).astype("<u2")
    source = Frames(Memory(negative.tobytes()), FrameIndex("native", frames=1, offset=0, frame_bits=256), signed, shipped.ORGANISATION)
    assert np.frombuffer(source.clean(0, pool), "<i2").tolist() == list(range(-8, 8))


@pytest.mark.parametrize("photometric", ["YBR_FULL_422", "YBR_PARTIAL_422"])
def test_pixels_that_share_their_chrominance_are_read_as_long_as_they_are(photometric: str, pool: Pool) -> None:
    facts = header(Rows=2, Columns=4, BitsAllocated=8, BitsStored=8, HighBit=7, SamplesPerPixel=3)
    facts[tag("PhotometricInterpretation")] = {"vr": "CS", "Value": [photometric]}
    layout = Layout.of(facts, frames.EXPLICIT_LITTLE)
    data = bytes(range(16))
    source = Frames(Memory(data), FrameIndex("native", frames=1, offset=0, frame_bits=128), layout, shipped.ORGANISATION)
    assert source.raw(0, pool) == data
    assert source.array(0, pool)[0, :2].tolist() == [[0, 2, 3], [1, 2, 3]]
    if photometric == "YBR_PARTIAL_422":
        with pytest.raises(Unsupported, match="image-photometric"):
            render.picture(source, facts, 0, pool)


@pytest.mark.parametrize("named", [{"Columns": 3, "Rows": 3}, {"Columns": 5}, {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}])
def test_chrominance_that_cannot_be_shared_is_unsupported(named: dict[str, int], pool: Pool) -> None:
    facts = header(**{"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "SamplesPerPixel": 3, **named})
    facts[tag("PhotometricInterpretation")] = {"vr": "CS", "Value": ["YBR_FULL_422"]}
    layout = Layout.of(facts, frames.EXPLICIT_LITTLE)
    bits = layout.rows * layout.columns * 2 * layout.bits_allocated
    source = Frames(Memory(bytes(64)), FrameIndex("native", frames=1, offset=0, frame_bits=bits), layout, shipped.ORGANISATION)
    with pytest.raises(Unsupported, match="image-format"):
        source.array(0, pool)


def test_a_bitstream_that_cannot_be_held_is_not_read(pool: Pool) -> None:
    data = Counting(bytes(9))
    index = FrameIndex("stream", frames=9, fragments=(((0, codecs.MOST_BYTES), (0, 1)),))
    source = Frames(data, index, Layout.of(header(), "1.2.840.10008.1.2.4.102"), shipped.ORGANISATION)
    with pytest.raises(Unsupported, match="image-too-large"):
        source.stored(3, pool)
    assert data.taken == []


def test_fewer_bytes_than_pixels_are_damage_and_no_picture(pool: Pool) -> None:
    source = Frames(
        Memory(bytes(10)),
        FrameIndex("native", frames=1, offset=0, frame_bits=256),
        Layout.of(header(), frames.EXPLICIT_LITTLE),
        shipped.ORGANISATION,
    )
    with pytest.raises(Damaged):
        source.array(0, pool)


@pytest.mark.parametrize(
    "uid",
    [
        "1.2.840.10008.1.2.4.50",
        "1.2.840.10008.1.2.4.70",
        "1.2.840.10008.1.2.4.80",
        "1.2.840.10008.1.2.4.90",
        "1.2.840.10008.1.2.4.201",
        "1.2.840.10008.1.2.5",
    ],
)
@pytest.mark.parametrize(
    "stream", [b"", b"\xff\xd8\xff\xd9", b"\xff\x4f\xff\x51" + bytes(60), bytes(64), b"\x01\0\0\0\x40\0\0\0" + bytes(56)]
)
def test_a_bitstream_that_is_none_is_not_decodable_and_the_pool_goes_on(uid: str, stream: bytes, pool: Pool) -> None:
    source = Frames(
        Memory(stream),
        FrameIndex("encapsulated", frames=1, fragments=(((0, len(stream)),),)),
        Layout.of(header(), uid),
        shipped.ORGANISATION,
    )
    with pytest.raises(Unsupported, match="image-not-decodable"):
        source.array(0, pool)


def test_a_bitstream_of_another_size_than_its_header_is_refused(pool: Pool) -> None:
    stream = samples.photo(size=(64, 48))
    facts = header(Rows=48, Columns=65, BitsAllocated=8, BitsStored=8, HighBit=7, SamplesPerPixel=3)
    source = Frames(
        Memory(stream),
        FrameIndex("encapsulated", frames=1, fragments=(((0, len(stream)),),)),
        Layout.of(facts, "1.2.840.10008.1.2.4.50"),
        shipped.ORGANISATION,
    )
    with pytest.raises(Unsupported, match="image-not-decodable"):
        source.array(0, pool)


@pytest.mark.parametrize("facts", [{"Rows": 0}, {"BitsAllocated": 12}, {"SamplesPerPixel": 4}, {"BitsStored": 17}, {"Rows": "many"}])
def test_pixels_of_no_kind_we_know_are_unsupported(facts: dict[str, Any]) -> None:
    with pytest.raises(Unsupported):
        Layout.of(header(**facts), frames.EXPLICIT_LITTLE)


def test_video_is_kept_and_not_decoded(pool: Pool) -> None:
    source = Frames(
        Memory(bytes(9)),
        FrameIndex("stream", frames=9, fragments=(((0, 9),),)),
        Layout.of(header(), "1.2.840.10008.1.2.4.102"),
        shipped.ORGANISATION,
    )
    with pytest.raises(Unsupported):
        source.raw(0, pool)
    assert source.stored(0, pool) == bytes(9)


@pytest.mark.parametrize(("text", "expected"), [("1", [0]), ("2,1,2", [1, 0, 1])])
def test_a_frame_list_counts_from_one(text: str, expected: list[int]) -> None:
    assert frames.checked_numbers(text, 3) == expected


@pytest.mark.parametrize("text", ["", "a", "1,", "-1", "1.0", "１", "1" * 12])
def test_what_is_no_frame_list_is_invalid(text: str) -> None:
    with pytest.raises(Invalid):
        frames.checked_numbers(text, 3)


@pytest.mark.parametrize("text", ["0", "4", "1,4"])
def test_a_frame_that_is_not_there_is_not_found(text: str) -> None:
    with pytest.raises(NotFound):
        frames.checked_numbers(text, 3)


def test_a_profile_turns_colours_into_srgb(pool: Pool) -> None:
    """A profile whose red and blue primaries are exchanged: red pixels come out blue."""
    from io import BytesIO

    from PIL import Image, ImageCms

    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.find(b"rXYZ"), profile.find(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = profile[blue : blue + 4], profile[red : red + 4]
    made = BytesIO()
    Image.new("RGB", (16, 16), (255, 0, 0)).save(made, "JPEG", quality=95, subsampling=0)
    stream = made.getvalue()
    facts = header(Rows=16, Columns=16, BitsAllocated=8, BitsStored=8, HighBit=7, SamplesPerPixel=3)
    facts[tag("PhotometricInterpretation")] = {"vr": "CS", "Value": ["YBR_FULL"]}
    index = FrameIndex("encapsulated", frames=1, fragments=(((0, len(stream)),),))
    layout = Layout.of(facts, "1.2.840.10008.1.2.4.50")
    plain = Frames(Memory(stream), index, layout, shipped.ORGANISATION)
    managed = Frames(Memory(stream), index, layout, shipped.ORGANISATION, bytes(profile))
    assert plain.array(0, pool)[8, 8].tolist()[0] > 240
    assert managed.array(0, pool)[8, 8].tolist()[2] > 200
    small = managed.reduced(0, 8, pool)
    assert small is not None
    assert small[4, 4].tolist()[2] > 200
    broken = Frames(Memory(stream), index, layout, shipped.ORGANISATION, b"no profile at all")
    assert (broken.array(0, pool) == plain.array(0, pool)).all()
