"""Rendering against pydicom's own pipeline, on every file it ships, and against the formulas of the standard."""

import io
import time
import tracemalloc
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, apply_windowing

from core.errors import Invalid, Unsupported
from imaging import render
from imaging.attributes import tag
from imaging.bodies import Memory
from imaging.frameindex import FrameIndex
from imaging.frames import Frames, Layout
from imaging.render import Viewport
from imaging.sandbox import Pool
from imaging.tables import Window, lut
from tests.imaging import shipped

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool(1, ("imaging.codecs",))
    yield pool
    pool.close()


def reference(sample: shipped.Sample, frame: int) -> NDArray[np.float64]:
    """The same picture by pydicom, 0 … 255 before rounding."""
    dataset, layout = sample.dataset, sample.frames.layout
    found = dataset.pixel_array[frame] if sample.frames.count > 1 else dataset.pixel_array
    if layout.samples == 3:
        return np.asarray((found >> (layout.bits_stored - 8)), np.float64)
    if layout.photometric == "PALETTE COLOR":
        colours = apply_color_lut(found, dataset)
        return np.asarray(colours >> 8 if colours.dtype == np.uint16 else colours, np.float64)
    shown = apply_voi_lut(apply_modality_lut(found, dataset), dataset).astype(np.float64)
    if "WindowWidth" in dataset:
        low, high = (
            (-(2 ** (layout.bits_stored - 1)), 2 ** (layout.bits_stored - 1) - 1) if layout.signed else (0, 2**layout.bits_stored - 1)
        )
        slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
        low, high = low * slope + intercept, high * slope + intercept
    else:
        low, high = (0, 2**layout.bits_stored - 1) if layout.bits_stored <= 8 else (shown.min(), shown.max())
    return (shown - low) / max(high - low, 1e-12) * 255


@pytest.mark.parametrize("name", shipped.PIXELS)
def test_a_picture_is_that_of_pydicom_within_rounding(name: str, pool: Pool) -> None:
    sample = shipped.load(name)
    for frame in {0, sample.frames.count - 1}:
        ours = render.picture(sample.frames, sample.header, frame, pool)
        theirs = reference(sample, frame)
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("center", "width"), [(40.0, 400.0), (-600.0, 1500.0), (300.0, 1.5)])
def test_a_chosen_window_follows_the_formulas_of_the_standard(function: Any, center: float, width: float, pool: Pool) -> None:
    sample = shipped.load("CT_small")
    ours = render.picture(sample.frames, sample.header, 0, pool, window=Window(center, width, function))
    dataset = sample.dataset
    dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = center, width, function
    dataset.BitsStored = 16
    hounsfield = apply_modality_lut(dataset.pixel_array, dataset)
    low, high = -(2**15) + float(dataset.RescaleIntercept), 2**15 - 1 + float(dataset.RescaleIntercept)
    with np.errstate(over="ignore"):
        theirs = (apply_windowing(hounsfield, dataset) - low) / (high - low) * 255
    assert np.abs(ours - theirs).max() <= 0.5 + 1e-6


def grey(**changed: Any) -> Layout:
    facts: dict[str, Any] = {
        "transfer_syntax_uid": "1.2.840.10008.1.2.1", "rows": 1, "columns": 4, "samples": 1, "bits_allocated": 16, "bits_stored": 12,
        "high_bit": 11, "signed": False, "photometric": "MONOCHROME2", "planar": False, "floating": False, "words": True,
    }  # fmt: skip
    return Layout(**(facts | changed))


WINDOWED = {"00281050": {"vr": "DS", "Value": [2048]}, "00281051": {"vr": "DS", "Value": [4096]}}


def test_monochrome1_shows_large_values_dark() -> None:
    found = np.array([[0, 1000, 3000, 4095]], np.uint16)
    bright = render.from_array(found, WINDOWED, grey())
    dark = render.from_array(found, WINDOWED, grey(photometric="MONOCHROME1"))
    assert bright.tolist() == [[0, 62, 187, 255]]
    assert (bright.astype(int) + dark == 255).all()


def test_bits_that_no_sample_uses_do_not_show() -> None:
    found = np.array([[0, 1000, 3000, 4095]], np.uint16)
    assert (render.from_array(found | 0xF000, WINDOWED, grey()) == render.from_array(found, WINDOWED, grey())).all()


def test_samples_that_do_not_begin_at_the_lowest_bit_are_moved_there() -> None:
    found = np.array([[0, 1000, 3000, 4095]], np.uint16)
    assert (render.from_array(found << 4, WINDOWED, grey(high_bit=15)) == render.from_array(found, WINDOWED, grey())).all()


def test_a_signed_sample_of_twelve_bits_keeps_its_sign() -> None:
    found = (np.array([[-2048, -1, 0, 2047]]) & 0xFFF).astype(np.uint16).view(np.int16)
    assert render.from_array(found, {}, grey(signed=True)).tolist() == [[0, 127, 128, 255]]


def test_padding_around_the_picture_does_not_darken_it() -> None:
    header = {"00280120": {"vr": "US", "Value": [0]}}
    found = np.array([[0, 1000, 1100, 1200]], np.uint16)
    assert render.from_array(found, header, grey()).tolist() == [[0, 0, 128, 255]]


def test_a_voi_lut_goes_before_a_window_and_a_chosen_window_before_both() -> None:
    item = {"00283002": {"vr": "US", "Value": [4, 1, 8]}, "00283006": {"vr": "OW", "InlineBinary": "AAAKABQAHgA="}}
    header = {**WINDOWED, "00283010": {"vr": "SQ", "Value": [item]}}
    found = np.array([[0, 2, 3, 4095]], np.uint16)
    assert render.from_array(found, header, grey()).tolist() == [[0, 10, 20, 30]]
    assert render.from_array(found, header, grey(), window=Window(2048, 4096)).tolist() == [[0, 0, 0, 255]]


def test_a_modality_lut_goes_before_the_window() -> None:
    item = {"00283002": {"vr": "US", "Value": [4, 0, 16]}, "00283006": {"vr": "US", "Value": [0, 4095, 2048, 0]}}
    header = {**WINDOWED, "00283000": {"vr": "SQ", "Value": [item]}}
    assert render.from_array(np.array([[0, 1, 2, 3]], np.uint16), header, grey()).tolist() == [[0, 255, 128, 0]]


def test_the_window_of_an_enhanced_picture_is_that_of_its_frame() -> None:
    groups = [
        {"00289132": {"vr": "SQ", "Value": [{"00281050": {"vr": "DS", "Value": [c]}, "00281051": {"vr": "DS", "Value": [200]}}]}}
        for c in (100, 1100)
    ]
    header = {"52009230": {"vr": "SQ", "Value": groups}}
    found = np.array([[0, 200, 1000, 1200]], np.uint16)
    assert render.from_array(found, header, grey(), frame=0).tolist() == [[0, 255, 255, 255]]
    assert render.from_array(found, header, grey(), frame=1).tolist() == [[0, 0, 0, 255]]


def test_a_segmented_palette_is_expanded() -> None:
    """Discrete 2 entries, linear 3 up to 40, indirect: the discrete one again (PS3.3 C.7.9.2)."""
    header: dict[str, Any] = {}
    words = np.array([0, 2, 0x1000, 0x0A00, 1, 3, 0x2800, 2, 1, 0, 0], "<u2")
    for descriptor, data in (("00281101", "00281221"), ("00281102", "00281222"), ("00281103", "00281223")):
        header[descriptor] = {"vr": "US", "Value": [7, 0, 16]}
        header[data] = {"vr": "OW", "InlineBinary": b64encode(words.tobytes()).decode()}
    layout = grey(photometric="PALETTE COLOR", bits_allocated=8, bits_stored=8, high_bit=7, columns=7)
    found = render.from_array(np.arange(7, dtype=np.uint8).reshape(1, 7), header, layout)
    assert found[0, :, 0].tolist() == [0x10, 0x0A, 0x14, 0x1E, 0x28, 0x10, 0x0A]


@pytest.mark.parametrize("broken", [{}, {"00281101": {"vr": "US", "Value": [256, 0, 16]}}, {"00281101": {"vr": "US", "Value": ["x"]}}])
def test_a_palette_picture_without_a_whole_palette_says_so(broken: dict[str, Any]) -> None:
    with pytest.raises(Unsupported, match="image-palette"):
        render.from_array(
            np.zeros((1, 4), np.uint8), broken, grey(photometric="PALETTE COLOR", bits_allocated=8, bits_stored=8, high_bit=7)
        )


def test_a_table_that_is_shorter_than_it_says_is_no_table() -> None:
    assert lut({"00283002": {"vr": "US", "Value": [9, 0, 16]}, "00283006": {"vr": "US", "Value": [1, 2]}}, "LUT", signed=False) is None


def test_a_viewport_scales_undistorted_crops_and_mirrors() -> None:
    found = np.zeros((100, 200), np.uint8)
    found[:, 150:] = 255
    assert render.fit(found, Viewport(50, 50)).shape == (25, 50)
    part = render.fit(found, Viewport(100, 100, (100, 0, 100, 100)))
    mirrored = render.fit(found, Viewport(100, 100, (100, 0, -100, 100)))
    assert part[50, 10] == 0
    assert part[50, 90] == 255
    assert (mirrored == part[:, ::-1]).all()


@pytest.mark.parametrize("part", [(150.0, 0.0, 100.0, 100.0), (-1.0, 0.0, 10.0, 10.0), (0.0, 0.0, 0.0, 10.0)])
def test_a_viewport_outside_the_picture_is_refused(part: tuple[float, float, float, float]) -> None:
    with pytest.raises(Invalid):
        render.fit(np.zeros((100, 200), np.uint8), Viewport(50, 50, part))


def test_a_viewport_beyond_sense_is_refused() -> None:
    with pytest.raises(Invalid):
        Viewport(100_000, 10)


@pytest.mark.parametrize("mime", ["image/jpeg", "image/png", "image/webp"])
def test_each_format_is_what_it_says_and_carries_pixels_alone(mime: Any) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
    with Image.open(io.BytesIO(render.encode(ramp, mime))) as image:
        assert Image.MIME[image.format or ""] == mime
        assert not image.getexif()
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "loop", "background", "timestamp", "duration"}
        assert np.abs(np.asarray(image.convert("L")).astype(int) - ramp).max() <= 6


def test_a_small_photograph_is_decoded_small_and_looks_the_same(pool: Pool) -> None:
    sample = shipped.load("examples_ybr_color")
    quick = render.small(sample.frames, sample.header, 0, 160, pool)
    slow = render.fit(render.picture(sample.frames, sample.header, 0, pool), Viewport(160, 160))
    assert quick.shape == slow.shape == (120, 160, 3)
    assert np.abs(quick.astype(int) - slow).mean() < 3


VOI = {"00283002": {"vr": "US", "Value": [256, 0, 8]}, "00283006": {"vr": "US", "Value": list(range(255, -1, -1))}}
GROUPS: dict[str, dict[str, Any]] = {
    "FrameVOILUTSequence": {"00281050": {"vr": "DS", "Value": [60]}, "00281051": {"vr": "DS", "Value": [41]}},
    "PixelValueTransformationSequence": {"00281052": {"vr": "DS", "Value": [0]}, "00281053": {"vr": "DS", "Value": [-1]}},
}


@pytest.mark.parametrize(
    ("named", "quick"),
    [
        ({}, True),
        ({"00281050": {"vr": "DS", "Value": [128]}, "00281051": {"vr": "DS", "Value": [256]}}, True),
        ({"00281050": {"vr": "DS", "Value": [60]}, "00281051": {"vr": "DS", "Value": [41]}}, False),
        ({"00281052": {"vr": "DS", "Value": [0]}, "00281053": {"vr": "DS", "Value": [-1]}}, False),
        ({"00283010": {"vr": "SQ", "Value": [VOI]}}, False),
        ({"00283000": {"vr": "SQ", "Value": [VOI]}}, False),
        ({"00280103": {"vr": "US", "Value": [1]}}, False),
        *(
            ({groups: {"vr": "SQ", "Value": [{tag(name): {"vr": "SQ", "Value": [GROUPS[name]]}}]}}, False)
            for groups in ("52009229", "52009230")
            for name in GROUPS
        ),
    ],
)
def test_a_small_radiograph_is_windowed_as_the_large_one(named: dict[str, Any], quick: bool, pool: Pool) -> None:
    """Thumbnails and marked pictures are read too: an 8-bit JPEG radiograph was shown raw when it was made small."""
    file = io.BytesIO()
    Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (128, 1))).save(file, "JPEG", quality=95)
    facts = {"Rows": 128, "Columns": 256, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "SamplesPerPixel": 1}
    header: dict[str, Any] = {tag(keyword): {"vr": "US", "Value": [value]} for keyword, value in facts.items()} | named
    data = file.getvalue()
    index = FrameIndex("encapsulated", frames=1, fragments=(((0, len(data)),),))
    source = Frames(Memory(data), index, Layout.of(header, "1.2.840.10008.1.2.4.50"), shipped.ORGANISATION)
    full = render.picture(source, header, 0, pool)
    for edge in (64, 320):
        small, whole = render.small(source, header, 0, edge, pool), render.fit(full, Viewport(edge, edge))
        assert small.shape == whole.shape
        assert np.abs(small.astype(int) - whole).max() <= (4 if quick else 0)
    raw = source.reduced(0, 64, pool)
    assert raw is not None
    assert bool(np.abs(raw.astype(int) - render.fit(full, Viewport(64, 64))).max() <= 4) is quick


def test_a_radiograph_is_rendered_by_table_at_once() -> None:
    """2500 × 2048 at 12 bit: the table makes it a look-up, 108 ms by the plain formula."""
    found = np.random.default_rng(1).integers(0, 4096, (2500, 2048), np.uint16)
    layout = grey(rows=2500, columns=2048)
    render.from_array(found, WINDOWED, layout)
    began = time.process_time()
    render.from_array(found, WINDOWED, layout)
    assert time.process_time() - began < 0.1


WIDE: dict[str, tuple[str, dict[str, Any]]] = {
    "bits": ("u1", {"bits_allocated": 1, "bits_stored": 1, "high_bit": 0}),
    "signed bits": ("u1", {"bits_allocated": 1, "bits_stored": 1, "high_bit": 0, "signed": True}),
    "radiograph": ("<u2", {}),
    "signed": ("<i2", {"signed": True, "bits_stored": 16, "high_bit": 15}),
    "long": ("<u4", {"bits_allocated": 32, "bits_stored": 32, "high_bit": 31}),
    "float": ("<f4", {"bits_allocated": 32, "bits_stored": 32, "high_bit": 31, "floating": True}),
    "double": ("<f8", {"bits_allocated": 64, "bits_stored": 64, "high_bit": 63, "floating": True}),
    "colour": ("<u2", {"samples": 3, "photometric": "RGB"}),
    "luminance": ("u1", {"samples": 3, "photometric": "YBR_FULL", "bits_allocated": 8, "bits_stored": 8, "high_bit": 7}),
}


@pytest.mark.parametrize("kind", WIDE)
def test_a_picture_takes_the_memory_of_itself_and_not_of_wider_copies(kind: str) -> None:
    """A deflated file of 33 kB may hold 2²⁸ one-bit pixels: counting them as 64-bit numbers took 2 GB of the server."""
    dtype, facts = WIDE[kind]
    layout = grey(rows=2048, columns=4096, **facts)
    found = np.zeros((2048, 4096, 3)[: 2 if layout.samples == 1 else 3], dtype)
    found[0, 0] = 1
    tracemalloc.start()
    try:
        made = render.from_array(found, {}, layout)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert made.shape == found.shape
    assert peak < made.nbytes + (24 << 20)  # one copy of 64 bits would be 64 MiB


@pytest.mark.parametrize("kind", ["long", "float", "double"])
def test_bands_of_a_picture_are_shaded_alike(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the extent of the whole picture, and a table by whether any value of it is negative."""
    dtype, facts = WIDE[kind]
    layout = grey(rows=64, columns=32, signed=kind == "long", **facts)
    found = np.linspace(-1000, 1000, 64 * 32).reshape(64, 32).astype(dtype.replace("u", "i"))
    item = {"00283002": {"vr": "US", "Value": [4, 0xFFFF, 8]}, "00283006": {"vr": "US", "Value": [10, 20, 30, 40]}}
    for header in ({}, {"00280120": {"vr": "US", "Value": [0]}}, {"00283010": {"vr": "SQ", "Value": [item]}}):
        whole = render.from_array(found, header, layout)
        with monkeypatch.context() as patch:
            patch.setattr(render, "BAND", 100)
            assert (render.from_array(found, header, layout) == whole).all()
