"""Rendering: a frame as a picture that any browser shows.

The pipeline of PS3.4 N.2 through ``imaging.tables``; colour as RGB; then a part of it at a size, as JPEG, PNG or WebP.
What comes out is made of pixels alone: no metadata, comment or profile of the file travels with it.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.errors import Invalid, Unsupported
from imaging import attributes, codecs, tables
from imaging.attributes import Attributes
from imaging.frames import Frames, Layout
from imaging.sandbox import Pool
from imaging.tables import Floats, Window

Picture = NDArray[np.uint8]
"""(rows, columns) grey or (rows, columns, 3) RGB."""
Mime = Literal["image/jpeg", "image/png", "image/webp"]
MOST_EDGE = 16_384
BAND = 1 << 18
"""Pixels worked on at a time."""
_GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})
_RGB = frozenset({"RGB", "YBR_ICT", "YBR_RCT"})


@dataclass(frozen=True, slots=True)
class Viewport:
    """The largest ``width`` × ``height`` a picture may take, and the part of it to show (PS3.18 §8.3.5.1.3).

    ``part``: (left, top, width, height) in image pixels; a negative size mirrors.
    """

    width: int
    height: int
    part: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        if not (1 <= self.width <= MOST_EDGE and 1 <= self.height <= MOST_EDGE):
            raise Invalid("viewport")


def picture(frames: Frames, header: Attributes, frame: int, pool: Pool, *, window: Window | None = None) -> Picture:
    """A frame, counted from 0, at its full size. ``window`` takes the place of the header's; colour has none.

    Raises NotFound, Unsupported for what cannot be decoded or has no meaning we know, Damaged.
    """
    return from_array(frames.array(frame, pool), header, frames.layout, frame=frame, window=window)


def small(frames: Frames, header: Attributes, frame: int, edge: int, pool: Pool) -> Picture:
    """A frame with its longer side at most ``edge`` pixels. Raises as ``picture`` does."""
    reduced = frames.reduced(frame, edge, pool) if _as_it_is(header, frames.layout, frame) else None
    found = picture(frames, header, frame, pool) if reduced is None else reduced
    return fit(found, Viewport(edge, edge)) if max(found.shape[:2]) > edge else found


def from_array(found: NDArray[Any], header: Attributes, layout: Layout, *, frame: int = 0, window: Window | None = None) -> Picture:
    """Samples as ``Frames.array`` gives them, as a picture. Raises Unsupported.

    Beside the samples and the picture nothing of the size of either is held: a small file can have very many pixels.
    """
    if layout.samples == 3:
        return _by_bands(found, _colour(layout))
    if layout.photometric == "PALETTE COLOR" and layout.bits_allocated <= 16 and not layout.floating:
        colours = tables.palette(header, layout)
        return _by_bands(_codes(found), lambda band: colours[band])
    if layout.photometric not in _GREY:
        raise Unsupported("image-photometric")
    if layout.floating or layout.bits_allocated > 16:
        return _by_bands(found, _wide(found, header, layout, frame, window))
    codes = _codes(found)
    values = tables.values_of(layout)
    looked_up = tables.greys(values, header, layout, frame, window, lambda: _extent([_present(codes, values)], header))
    return _by_bands(codes, lambda band: looked_up[band])


def fit(found: Picture, viewport: Viewport) -> Picture:
    """The part of a picture that ``viewport`` names, scaled down, undistorted, until it fits; never up."""
    image = Image.fromarray(found)
    left, top, width, height = viewport.part or (0, 0, image.width, image.height)
    box = (left, top, left + abs(width), top + abs(height))
    if not (width and height and box[0] >= 0 and box[1] >= 0 and box[2] <= image.width and box[3] <= image.height):
        raise Invalid("viewport")
    ratio = min(viewport.width / abs(width), viewport.height / abs(height), 1)
    size = (max(round(abs(width) * ratio), 1), max(round(abs(height) * ratio), 1))
    scaled = image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
    if width < 0:
        scaled = scaled.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if height < 0:
        scaled = scaled.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return np.asarray(scaled)


def encode(found: Picture, mime: Mime, quality: int = 90) -> bytes:
    """The picture as a file. ``quality`` 1 … 100 counts for JPEG and WebP."""
    out = io.BytesIO()
    image = Image.fromarray(found)
    if mime == "image/png":
        image.save(out, "PNG", compress_level=4)
    elif mime == "image/webp":
        image.save(out, "WEBP", quality=quality, method=4)
    else:
        image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def decode(data: bytes) -> Picture:
    """A picture of our own making (a rendition) again; a stranger's file has no business here."""
    with Image.open(io.BytesIO(data), formats=("WEBP", "JPEG", "PNG")) as image:
        found = np.asarray(image.convert("RGB"))
    grey = (found[..., 0] == found[..., 1]).all() and (found[..., 1] == found[..., 2]).all()
    return found[..., 0] if grey else found


def _as_it_is(header: Attributes, layout: Layout, frame: int) -> bool:
    """Whether samples are shown without a window, a table or a sign: only then may a decoder make them smaller first."""
    if layout.samples == 3:
        return True
    if layout.floating or layout.bits_allocated != 8 or layout.photometric != "MONOCHROME2":
        return False
    greys = tables.greys(tables.values_of(layout), header, layout, frame, None, lambda: (0, 0))
    return bool((greys == np.arange(256)).all())


def _bands(found: NDArray[Any]) -> Iterator[slice]:
    step = max(BAND // found.shape[1], 1)
    return (slice(top, top + step) for top in range(0, found.shape[0], step))


def _by_bands(found: NDArray[Any], shade: Callable[[NDArray[Any]], Picture]) -> Picture:
    """The picture that ``shade`` makes, some rows at a time: what is wide on the way is never as large as the picture."""
    made: Picture | None = None
    for band in _bands(found):
        shaded = shade(found[band])
        if made is None:
            made = np.empty((found.shape[0], *shaded.shape[1:]), np.uint8)
        made[band] = shaded
    assert made is not None  # no layout is without rows
    return made


def _codes(found: NDArray[Any]) -> NDArray[Any]:
    return found.view(f"<u{found.dtype.itemsize}") if found.dtype.kind == "i" else found


def _present(codes: NDArray[Any], values: Floats) -> Floats:
    present = np.zeros(len(values), np.bool_)
    for band in _bands(codes):
        present[codes[band]] = True
    return values[present]


def _wide(found: NDArray[Any], header: Attributes, layout: Layout, frame: int, window: Window | None) -> Callable[[NDArray[Any]], Picture]:
    """Grey for samples of more values than a table holds."""

    def values(band: NDArray[Any]) -> Floats:
        return (band if layout.floating else tables.meaning(band, layout)).astype(np.float64)

    def numbers(band: NDArray[Any]) -> Floats:
        return np.nan_to_num(values(band))

    ends = [end for band in _bands(found) for each in (numbers(found[band]),) for end in (each.min(), each.max())]
    ends = [min(ends), max(ends)]
    extent = cache(lambda: _extent((values(found[band]) for band in _bands(found)), header))

    def shade(band: NDArray[Any]) -> Picture:
        # a table of the header is read by whether any value of the picture is negative, so each band sees its ends
        seen = np.concatenate((ends, numbers(band).ravel()))
        return tables.greys(seen, header, layout, frame, window, extent)[2:].reshape(band.shape)

    return shade


def _extent(parts: Iterable[Floats], header: Attributes) -> tuple[float, float]:
    """Smallest and largest of what was measured: padding around the picture is not (PS3.3 C.7.5.1.1.2)."""
    padding = attributes.number(header, "PixelPaddingValue")
    least, most = np.inf, -np.inf
    for values in parts:
        measured = values[np.isfinite(values)]
        if padding is not None:
            limit = attributes.number(header, "PixelPaddingRangeLimit")
            low, high = sorted((padding, padding if limit is None else limit))
            measured = measured[(measured < low) | (measured > high)]
        if measured.size:
            least, most = min(least, float(measured.min())), max(most, float(measured.max()))
    return (least, most) if least <= most else (0.0, 0.0)


def _colour(layout: Layout) -> Callable[[NDArray[Any]], Picture]:
    if layout.floating or (layout.photometric not in _RGB and layout.photometric not in codecs.YBR):
        raise Unsupported("image-photometric")

    def shade(band: NDArray[Any]) -> Picture:
        used = tables.meaning(band, layout) if layout.bits_stored < layout.bits_allocated else band
        narrow: Picture = (used >> max(layout.bits_stored - 8, 0)).astype(np.uint8)
        if layout.photometric in codecs.YBR and not layout.compressed:
            turned: Picture = codecs.ybr_to_rgb(narrow)
            return turned
        return narrow

    return shade
