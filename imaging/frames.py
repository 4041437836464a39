"""Frames: one picture out of a file, read by range from the sealed bytes and turned into plain pixels.

``stored`` gives a frame as it lies in the file, ``raw`` as uncompressed little-endian pixels (PS3.5 A.2), ``array``
as numbers. Compressed frames are decoded in the sandbox only. Colour that was compressed comes back as RGB.
Everything here works after the transaction that opened it has ended.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.db import Tx
from core.errors import Damaged, Invalid, NotFound, Unsupported
from imaging import attributes, codecs, studies
from imaging.attributes import Attributes
from imaging.bodies import Readable
from imaging.frameindex import FrameIndex, Range
from imaging.sandbox import Pool, Refused

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG})
WIDTHS = frozenset({1, 8, 16, 32, 64})
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Layout:
    """How the pixels of an instance are laid out: PS3.3 C.7.6.3 and PS3.5 §8."""

    transfer_syntax_uid: str
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric: str
    planar: bool
    floating: bool
    words: bool
    """Pixel data is OW: in a big-endian file its 8-bit samples are swapped in pairs."""

    @classmethod
    def of(cls, header: Attributes, transfer_syntax_uid: str) -> Self:
        """Read from an instance's header. Raises Unsupported when it describes no pixels that we know."""
        whole = {
            name: attributes.integer(header, name)
            for name in ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit")
        }
        rows, columns, bits = whole["Rows"] or 0, whole["Columns"] or 0, whole["BitsAllocated"] or 0
        stored = whole["BitsStored"] or bits
        samples = whole["SamplesPerPixel"] or 1
        pixel_data = header.get(attributes.tag("PixelData"), {})
        if rows < 1 or columns < 1 or samples not in (1, 3) or bits not in WIDTHS or not 1 <= stored <= bits:
            raise Unsupported("image-format")
        return cls(
            transfer_syntax_uid=transfer_syntax_uid,
            rows=rows,
            columns=columns,
            samples=samples,
            bits_allocated=bits,
            bits_stored=stored,
            high_bit=min(max(whole["HighBit"] if whole["HighBit"] is not None else stored - 1, stored - 1), bits - 1),
            signed=attributes.integer(header, "PixelRepresentation") == 1,
            photometric=(attributes.text(header, "PhotometricInterpretation") or ("RGB" if samples == 3 else "MONOCHROME2")),
            planar=samples == 3 and attributes.integer(header, "PlanarConfiguration") == 1,
            floating=attributes.tag("FloatPixelData") in header or attributes.tag("DoubleFloatPixelData") in header,
            words=pixel_data.get("vr") == "OW",
        )

    @property
    def compressed(self) -> bool:
        """Whether frames are bitstreams."""
        return self.transfer_syntax_uid not in NATIVE

    @property
    def halved(self) -> bool:
        """Whether two pixels share their chrominance."""
        return not self.compressed and codecs.halved(self.photometric, self.samples)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The number type of a sample as it lies in little-endian pixel data."""
        if self.floating and self.bits_allocated >= 32:
            return np.dtype(f"<f{self.bits_allocated // 8}")
        return np.dtype(f"<{'i' if self.signed else 'u'}{max(self.bits_allocated // 8, 1)}")


class Frames:
    """The frames of one instance. Frames are counted from 0."""

    def __init__(self, source: Readable, index: FrameIndex, layout: Layout, organisation_id: UUID, profile: bytes = b"") -> None:
        self.layout = layout
        self.count = index.frames
        self.encoding: Literal["none", "native", "encapsulated", "stream"] = index.encoding
        self._source, self._index, self._profile = source, index, profile
        self._organisation_id = organisation_id

    def ranges(self, frame: int) -> tuple[Range, ...]:
        """Where a frame lies in the plain file. Raises NotFound."""
        return self._index.ranges(frame)

    def stored(self, frame: int, pool: Pool) -> bytes:
        """The bytes of a frame as they lie in the file: its bitstream, or its native pixels.

        Raises NotFound, and Unsupported for what is too large to be held: a film is one bitstream.
        """
        ranges = self.ranges(frame)
        if sum(length for _, length in ranges) > codecs.MOST_BYTES:
            raise Unsupported("image-too-large")
        if self._index.deflated:
            ((start, length),) = ranges
            return pool.run("codecs.inflate", self._source, start, length, organisation_id=self._organisation_id).blobs[0]
        return b"".join(self._read(start, length) for start, length in ranges)

    def raw(self, frame: int, pool: Pool, *, srgb: bool = False) -> bytes:
        """A frame as uncompressed little-endian pixels, colour by pixel if it was compressed, else as it lies.

        ``srgb``: compressed colour is taken through its ICC profile. Raises NotFound, Unsupported for what cannot be
        decoded, Damaged when there are fewer bytes than pixels.
        """
        layout = self.layout
        if self.encoding == "native":
            return self._native(frame, pool)
        if self.encoding != "encapsulated" or layout.transfer_syntax_uid not in codecs.DECODED:
            raise Unsupported("image-not-decodable")
        profile = (self._profile,) if srgb and self._profile else ()
        try:
            result = pool.run(
                "codecs.decode", self._source, self.ranges(frame), asdict(layout), organisation_id=self._organisation_id, blobs=profile
            )
        except Refused as refused:
            raise Unsupported("image-not-decodable", reason=refused.reason) from refused
        if len(result.blobs[0]) != layout.rows * layout.columns * layout.samples * layout.dtype.itemsize:
            raise Unsupported("image-not-decodable")
        return result.blobs[0]

    def array(self, frame: int, pool: Pool) -> NDArray[Any]:
        """A frame as numbers, (rows, columns) or (rows, columns, 3), native YBR as it is. Unused bits are still in it.

        Raises what ``raw`` does.
        """
        data, layout = self.raw(frame, pool, srgb=True), self.layout
        if layout.halved and (layout.columns % 2 or layout.bits_allocated < 8):
            raise Unsupported("image-format")
        if layout.bits_allocated == 1:
            bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
            return bits[: layout.rows * layout.columns * layout.samples].reshape(self._shape())
        found = np.frombuffer(data, layout.dtype)
        if layout.halved:
            return _spread(found, layout)
        if layout.planar and not layout.compressed:
            return np.moveaxis(found.reshape(layout.samples, layout.rows, layout.columns), 0, -1)
        return found.reshape(self._shape())

    def reduced(self, frame: int, edge: int, pool: Pool) -> NDArray[np.uint8] | None:
        """A small version of an 8-bit JPEG frame, decoded no finer than needed; None when it is not one."""
        layout = self.layout
        plain = layout.photometric in codecs.YBR or (layout.photometric == "MONOCHROME2" and layout.samples == 1)
        if (
            layout.transfer_syntax_uid != "1.2.840.10008.1.2.4.50"
            or self.encoding != "encapsulated"
            or not plain
            or layout.bits_stored != 8
        ):
            return None
        profile = (self._profile,) if self._profile else ()
        try:
            result = pool.run("codecs.reduce", self._source, self.ranges(frame), edge, organisation_id=self._organisation_id, blobs=profile)
            rows, columns, samples = (int(number) for number in result.value)
            found = np.frombuffer(result.blobs[0], np.uint8).reshape((rows, columns, samples)[: 2 if layout.samples == 1 else 3])
            if samples != layout.samples:
                raise ValueError(samples)
        except (Refused, ValueError, TypeError, IndexError) as error:
            raise Unsupported("image-not-decodable") from error
        return found

    def clean(self, frame: int, pool: Pool) -> bytes:
        """``stored`` without what can carry words: segments of comment and application, bits no pixel uses.

        Raises NotFound, Unsupported when a bitstream is not of a kind that can be cleaned.
        """
        layout = self.layout
        if self.encoding == "native":
            return self.masked(frame, pool)
        if self.encoding != "encapsulated" or layout.transfer_syntax_uid not in codecs.CLEANED:
            raise Unsupported("image-not-cleanable")
        arguments = (self.ranges(frame), layout.transfer_syntax_uid, layout.bits_stored)
        try:
            return pool.run("codecs.strip", self._source, *arguments, organisation_id=self._organisation_id).blobs[0]
        except Refused as refused:
            raise Unsupported("image-not-cleanable", reason=refused.reason) from refused

    def masked(self, frame: int, pool: Pool) -> bytes:
        """``raw`` without the bits that no pixel uses: what leaves for whoever may not see identity. Raises as it does."""
        return _mask(self.raw(frame, pool), self.layout)

    def _native(self, frame: int, pool: Pool) -> bytes:
        layout, swap = self.layout, self._swap()
        data = self._paired(frame, pool) if swap == 2 and layout.bits_allocated <= 8 else swapped(self.stored(frame, pool), swap)
        if shift := self._index.first_bit(frame):
            bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[shift:]
            data = np.packbits(bits[: layout.rows * layout.columns * layout.samples], bitorder="little").tobytes()
        wanted = layout.rows * layout.columns * (2 if layout.halved else layout.samples) * layout.bits_allocated
        if len(data) * 8 < wanted:
            raise Damaged("image-truncated")
        return data[: (wanted + 7) // 8]

    def _swap(self) -> int:
        """Bytes of the words that have to be turned round; 1 means none."""
        if self.layout.transfer_syntax_uid != EXPLICIT_BIG:
            return 1
        if self.layout.bits_allocated <= 8:
            return 2 if self.layout.words else 1
        return self.layout.bits_allocated // 8

    def _paired(self, frame: int, pool: Pool) -> bytes:
        """A frame of 8-bit or 1-bit samples out of swapped 16-bit words: whole words are read, for it may begin inside one."""
        ((start, length),) = self.ranges(frame)
        ((first, _),) = self.ranges(0)
        lead = (start - first) % 2
        whole = Frames(self._source, _run(start - lead, lead + length + (lead + length) % 2), self.layout, self._organisation_id)
        return swapped(whole.stored(0, pool), 2)[lead : lead + length]

    def _read(self, start: int, length: int) -> bytes:
        found = self._source.read(start, length)
        if len(found) != length:
            raise Damaged("image-truncated")
        return found

    def _shape(self) -> tuple[int, ...]:
        layout = self.layout
        return (layout.rows, layout.columns) if layout.samples == 1 else (layout.rows, layout.columns, layout.samples)


def open_(db: Tx, row: studies.Instance, header: Attributes | None = None) -> Frames:
    """The frames of an instance the caller holds (``studies.instance``); usable after the transaction.

    Raises Unsupported when it has no pixels, or pixels of no kind we know.
    """
    header = studies.header(db, row) if header is None else header
    index = studies.frame_index(db, row)
    if index.encoding == "none" or not index.frames:
        raise Unsupported("image-without-pixels")
    source = studies.source(db, row)
    return Frames(
        source, index, Layout.of(header, row.transfer_syntax_uid), row.organisation_id, icc_profile(header, source, row.transfer_syntax_uid)
    )


def icc_profile(header: Attributes, source: Readable, transfer_syntax_uid: str) -> bytes:
    """The ICC profile of an instance, wherever intake left it; empty when there is none or it is beyond sense.

    Compressed colour alone is taken through it, so nothing of a deflated data set is inflated for it.
    """
    found = attributes.binary(header, "ICCProfile")
    if found is None and transfer_syntax_uid != DEFLATED and (place := attributes.bulk(header, "ICCProfile")):
        found = source.read(*place) if place[1] <= CHUNK else b""
    return found or b""


def checked_numbers(wanted: str, count: int) -> list[int]:
    """The frame list of a URL (``1,3,4``), counted from 0. Raises Invalid for what is no list, NotFound past the end."""
    parts = wanted.split(",")
    if not all(part.isascii() and part.isdigit() and 0 < len(part) < 10 for part in parts):
        raise Invalid("frame-list")
    numbers = [int(part) - 1 for part in parts]
    if any(not 0 <= number < count for number in numbers):
        raise NotFound("frame-not-found")
    return numbers


def _run(start: int, length: int) -> FrameIndex:
    return FrameIndex("native", frames=1, offset=start, frame_bits=length * 8)


def swapped(data: bytes, width: int) -> bytes:
    """Big-endian words of ``width`` bytes as little-endian ones, as many as are whole."""
    if width == 1:
        return data
    return np.frombuffer(data[: len(data) // width * width], f">u{width}").astype(f"<u{width}").tobytes()


def _mask(data: bytes, layout: Layout) -> bytes:
    """Uncompressed pixels with every bit that no sample uses set to the sign, or to zero: overlays used to live there."""
    spare = layout.bits_allocated - layout.bits_stored
    if layout.floating or not spare or layout.bits_allocated < 8:
        return data
    above = layout.bits_allocated - 1 - layout.high_bit
    found = np.frombuffer(data, layout.dtype)
    kept = (found << above >> spare) << (spare - above)
    return kept.astype(layout.dtype, copy=False).tobytes()


def _spread(found: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """Y1 Y2 Cb Cr for each two pixels to three samples for each pixel."""
    pairs = found.reshape(-1, 4)
    spread = np.empty((len(pairs), 2, 3), found.dtype)
    spread[:, :, 0] = pairs[:, :2]
    spread[:, :, 1] = pairs[:, 2:3]
    spread[:, :, 2] = pairs[:, 3:4]
    return spread.reshape(layout.rows, layout.columns, 3)
