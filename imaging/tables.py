"""Look-up tables: from what is stored in a pixel to the grey a screen shows (PS3.3 C.7.6.3, C.11.1, C.11.2; PS3.4 N.2).

A sample of up to 16 bits has at most 65,536 values, so the whole grey-scale pipeline (unused bits, sign, modality LUT
or rescale, VOI LUT or window, inversion) is worked out once per value and then looked up per pixel.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from core.errors import Unsupported
from imaging import attributes
from imaging.attributes import Attributes
from imaging.frames import Layout

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Shape = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]


@dataclass(frozen=True, slots=True)
class Window:
    """A VOI window in modality units, such as HU: PS3.3 C.11.2.1.2 and C.11.2.1.3."""

    center: float
    width: float
    function: Shape = "LINEAR"

    def apply(self, values: Floats) -> Floats:
        """0 … 1 for each value. The formulas are those of C.11.2.1.2.1, C.11.2.1.3.1 and C.11.2.1.3.2."""
        if self.function == "SIGMOID":
            found: Floats = 1 / (1 + np.exp(np.clip(-4 * (values - self.center) / self.width, -700, 700)))
            return found
        center, width = (self.center, self.width) if self.function == "LINEAR_EXACT" else (self.center - 0.5, self.width - 1)
        if width <= 0:
            return (values > center).astype(np.float64)
        return np.clip((values - center) / width + 0.5, 0, 1)


@dataclass(frozen=True, slots=True)
class Table:
    """A LUT of a header: entries for the inputs from ``first`` on, each of ``bits`` bits; the ends serve what lies outside."""

    first: int
    bits: int
    entries: NDArray[np.uint16]

    def apply(self, values: NDArray[Any]) -> NDArray[np.uint16]:
        places = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1)
        found: NDArray[np.uint16] = self.entries[places.astype(np.int64)]
        return found


def window_of(header: Attributes, frame: int) -> Window | None:
    """The first window a frame's header names; None without one."""
    group = attributes.functional(header, "FrameVOILUTSequence", frame) or header
    center, width = attributes.number(group, "WindowCenter"), attributes.number(group, "WindowWidth")
    if center is None or width is None or width < 0:
        return None
    named = attributes.text(group, "VOILUTFunction")
    function: Shape = next((shape for shape in get_args(Shape) if shape == named), "LINEAR")
    if width == 0 and function != "LINEAR":
        return None
    return Window(center, max(width, 1) if function == "LINEAR" else width, function)


def to_modality(values: Floats, header: Attributes, frame: int, *, signed: bool) -> Floats:
    """Stored values in the units of the modality: through its LUT, else rescaled (PS3.3 C.11.1)."""
    if table := lut(next(iter(attributes.items(header, "ModalityLUTSequence")), {}), "LUT", signed=signed):
        return table.apply(values).astype(np.float64)
    group = attributes.functional(header, "PixelValueTransformationSequence", frame) or header
    slope, intercept = attributes.number(group, "RescaleSlope"), attributes.number(group, "RescaleIntercept")
    if slope is None or intercept is None:
        return values
    return values * slope + intercept


def lut(item: Attributes, stem: str, *, signed: bool) -> Table | None:
    """The table ``<stem>Descriptor`` and ``<stem>Data`` describe (PS3.3 C.11.1.1); None when there is none or it is broken."""
    described = [attributes.integer(item, f"{stem}Descriptor", place) for place in range(3)]
    count, first, bits = described
    if count is None or first is None or bits is None or not 1 <= bits <= 16:
        return None
    count = (count & 0xFFFF) or 1 << 16
    first &= 0xFFFF
    if signed and first >= 1 << 15:
        first -= 1 << 16
    entries = _entries(item, f"{stem}Data", count, bits)
    return None if entries is None else Table(first, bits, entries)


def _entries(item: Attributes, keyword: str, count: int, bits: int) -> NDArray[np.uint16] | None:
    data = attributes.binary(item, keyword)
    if data is not None:
        narrow = bits <= 8 and len(data) in (count, count + 1)
        found = np.frombuffer(data[: len(data) // 2 * 2] if not narrow else data, np.uint8 if narrow else "<u2").astype(np.uint16)
    else:
        listed = attributes.values(item, keyword)
        if not all(isinstance(value, int) and -32768 <= value < 1 << 16 for value in listed):
            return None
        found = (np.array(listed, np.int64) & 0xFFFF).astype(np.uint16)
    return found[:count] if len(found) >= count else None


def values_of(layout: Layout) -> Floats:
    """What each possible content of a sample of at most 16 bits means as a number; index = the bits as they lie."""
    codes = np.arange(1 << layout.bits_allocated, dtype=np.uint32)
    return meaning(codes, layout).astype(np.float64)


def meaning(codes: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """Samples without the bits that no sample uses, signed where they are (PS3.5 §8.1.1)."""
    low = layout.high_bit - layout.bits_stored + 1
    used = (codes.astype(np.int64) >> low) & ((1 << layout.bits_stored) - 1)
    return np.where(used >> (layout.bits_stored - 1), used - (1 << layout.bits_stored), used) if layout.signed else used


def greys(
    values: Floats, header: Attributes, layout: Layout, frame: int, window: Window | None, seen: Callable[[], tuple[float, float]]
) -> Bytes:
    """0 … 255 for stored ``values``: modality, VOI, inversion for MONOCHROME1.

    ``window``: what the reader chose, instead of what the header names. ``seen`` finds the smallest and the largest stored
    value of the picture, which become the window where nobody names one.
    """
    modality = to_modality(values, header, frame, signed=layout.signed)
    voi = next(iter(attributes.items(header, "VOILUTSequence")), {})
    table = None if window else lut(voi, "LUT", signed=bool(modality.size and modality.min() < 0))
    window = window or window_of(header, frame)
    if table is not None:
        shown = table.apply(modality) / ((1 << table.bits) - 1)
    elif window is not None:
        shown = window.apply(modality)
    else:
        low, high = np.sort(to_modality(np.array(_extent(layout, header, frame, seen)), header, frame, signed=layout.signed))
        shown = np.clip((modality - low) / max(high - low, 1e-12), 0, 1)
    if layout.photometric == "MONOCHROME1":
        shown = 1 - shown
    found: Bytes = np.rint(shown * 255).astype(np.uint8)
    return found


def _extent(layout: Layout, header: Attributes, frame: int, seen: Callable[[], tuple[float, float]]) -> tuple[float, float]:
    """Without a window, a picture of up to 8 unsigned bits is shown as it is and any other from its darkest to its brightest."""
    rescaled = attributes.functional(header, "PixelValueTransformationSequence", frame) or header
    plain = layout.bits_stored <= 8 and not layout.signed and attributes.tag("RescaleSlope") not in rescaled
    return (0, (1 << layout.bits_stored) - 1) if plain else seen()


def palette(header: Attributes, layout: Layout) -> Bytes:
    """Red, green and blue of 8 bits for each possible content of a palette picture's sample (PS3.3 C.7.9).

    Raises Unsupported without a whole palette.
    """
    values = values_of(layout)
    columns: list[Bytes] = []
    for colour in ("Red", "Green", "Blue"):
        stem = f"{colour}PaletteColorLookupTable"
        table = lut(header, stem, signed=layout.signed) or _segmented(header, stem, signed=layout.signed)
        if table is None:
            raise Unsupported("image-palette")
        columns.append((table.apply(values) >> max(table.bits - 8, 0)).astype(np.uint8))
    return np.stack(columns, axis=-1)


def _segmented(header: Attributes, stem: str, *, signed: bool) -> Table | None:
    """A palette given as segments (PS3.3 C.7.9.2): discrete 0, linear 1, indirect 2 (a copy of earlier segments)."""
    count, first, bits = (attributes.integer(header, f"{stem}Descriptor", place) for place in range(3))
    data = attributes.binary(header, f"Segmented{stem}Data")
    if data is None or count is None or first is None or bits not in (8, 16):
        return None
    count = (count & 0xFFFF) or 1 << 16
    words = np.frombuffer(data[: len(data) // 2 * 2], "<u2") if bits == 16 else np.frombuffer(data, np.uint8)
    entries = _expand([int(word) for word in words], count, wide=bits == 16)
    first &= 0xFFFF
    if len(entries) != count:
        return None
    return Table(first - (1 << 16) if signed and first >= 1 << 15 else first, bits, np.array(entries, np.uint16))


def _expand(
    words: list[int], count: int, *, wide: bool, start: int = 0, segments: int | None = None, found: list[int] | None = None
) -> list[int]:
    entries: list[int] = [] if found is None else found
    at = start
    while at + 2 <= len(words) and len(entries) < count and (segments is None or segments > 0):
        kind, length = words[at], words[at + 1]
        if kind == 0:
            entries += words[at + 2 : at + 2 + length]
            at += 2 + length
        elif kind == 1 and entries and at + 2 < len(words):
            entries += [round(value) for value in np.linspace(entries[-1], words[at + 2], length + 1)[1:]]
            at += 3
        elif kind == 2 and segments is None and at + (4 if wide else 6) <= len(words):
            place = words[at + 2 : at + (4 if wide else 6)]
            offset = sum(word << ((16 if wide else 8) * number) for number, word in enumerate(place))
            _expand(words, count, wide=wide, start=offset // (2 if wide else 1), segments=length, found=entries)
            at += 4 if wide else 6
        else:
            break
        segments = None if segments is None else segments - 1
    return entries[:count]
