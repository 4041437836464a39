"""Part 10: a DICOM file written anew from its attributes as JSON and its frames, streamed (PS3.10 §7, PS3.5 §7).

For what leaves otherwise than as it came: de-identified, or decompressed. Always Explicit VR Little Endian outside the
pixels. Nothing of the stored file is copied but what the attributes name and the frames themselves: preamble, padding,
group lengths and whatever else lay between the elements stay behind.
"""

import re
import struct
from base64 import b64decode
from binascii import Error
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from pydicom.valuerep import format_number_as_ds

from core.errors import Unsupported
from imaging import attributes, frames
from imaging.attributes import Attributes, tag
from imaging.frames import EXPLICIT_LITTLE, Frames
from imaging.sandbox import Pool

IMPLEMENTATION_CLASS_UID = "2.25.329800735698586629295641978511506172918"
"""The same that our own photographs bear."""
PIXEL_TAGS = tuple(tag(keyword) for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"))

_LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_PACKED = {"US": "<H", "SS": "<h", "UL": "<L", "SL": "<l", "FL": "<f", "FD": "<d", "SV": "<q", "UV": "<Q"}
_KNOWN = frozenset({"AE", "AS", "AT", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI", *_LONG, *_PACKED})
_TAG = re.compile(r"[0-9A-F]{8}")
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0"

Bulk = Callable[[Attributes], bytes | None]
"""Fetches the value of an element that has a BulkDataURI; None leaves the element out."""


def write(
    header: Attributes, source: Frames | None, pool: Pool, *, transfer_syntax_uid: str, clean: bool = False, bulk: Bulk = lambda _: None
) -> Iterator[bytes]:
    """The file, piece by piece. ``transfer_syntax_uid`` is the stored one of compressed frames or Explicit VR Little Endian.

    ``clean``: frames without what can carry words beside the picture. Raises Unsupported when a frame cannot be decoded
    or cleaned, for later frames only once the first pieces are out.
    """
    if source is not None and source.layout.compressed and transfer_syntax_uid == EXPLICIT_LITTLE:
        header = decompressed(header, source)
    body = {name: element for name, element in header.items() if name not in PIXEL_TAGS and name[:4] not in ("0000", "0002")}
    yield meta(header, transfer_syntax_uid) + data_set(body, bulk)
    if source is None:
        return
    pixels = next((name for name in PIXEL_TAGS if name in header), PIXEL_TAGS[0])
    if transfer_syntax_uid != EXPLICIT_LITTLE:
        yield from _encapsulated(source, pool, clean=clean)
    else:
        yield from _native(pixels, source, pool, clean=clean)


def decompressed(header: Attributes, source: Frames) -> Attributes:
    """The attributes after compressed frames were decoded: colour is RGB, by pixel."""
    if source.layout.samples == 1:
        return header
    return {
        **header,
        tag("PhotometricInterpretation"): {"vr": "CS", "Value": ["RGB"]},
        tag("PlanarConfiguration"): {"vr": "US", "Value": [0]},
    }


def meta(header: Attributes, transfer_syntax_uid: str) -> bytes:
    """Preamble, prefix and file meta information (PS3.10 §7.1)."""
    group = data_set(
        {
            "00020001": {"vr": "OB", "InlineBinary": "AAE="},
            "00020002": {"vr": "UI", "Value": [attributes.text(header, "SOPClassUID")]},
            "00020003": {"vr": "UI", "Value": [attributes.text(header, "SOPInstanceUID")]},
            "00020010": {"vr": "UI", "Value": [transfer_syntax_uid]},
            "00020012": {"vr": "UI", "Value": [IMPLEMENTATION_CLASS_UID]},
        }
    )
    return bytes(128) + b"DICM" + data_set({"00020000": {"vr": "UL", "Value": [len(group)]}}) + group


def data_set(header: Attributes, bulk: Bulk = lambda _: None) -> bytes:
    """The elements of a DICOM JSON object in order of their tags; strings in UTF-8."""
    found = bytearray()
    for name in sorted(header):
        element = header[name]
        vr = element.get("vr") if isinstance(element, Mapping) else None
        if not isinstance(vr, str) or vr not in _KNOWN or not _TAG.fullmatch(name):
            continue
        value = bulk(element) if "BulkDataURI" in element else _value(vr, element, bulk)
        if value is not None:
            found += _element(name, vr, value)
    return bytes(found)


def _element(name: str, vr: str, value: bytes) -> bytes:
    if len(value) % 2:
        value += b"\0" if vr == "UI" or vr in _BINARY else b" "
    if vr not in _LONG and len(value) > 0xFFFF:
        vr = "UN"
    return _head(name, vr, len(value)) + value


def _head(name: str, vr: str, length: int) -> bytes:
    group, number = int(name[:4], 16), int(name[4:], 16)
    if vr in _LONG:
        return struct.pack("<HH2s2xL", group, number, vr.encode(), length)
    return struct.pack("<HH2sH", group, number, vr.encode(), length)


def _value(vr: str, element: Attributes, bulk: Bulk) -> bytes | None:
    if vr == "SQ":
        items = (data_set(item, bulk) for item in element.get("Value") or () if isinstance(item, Mapping))
        return b"".join(_ITEM + struct.pack("<L", len(item)) + item for item in items)
    if "InlineBinary" in element:
        try:
            return b64decode(element["InlineBinary"], validate=True)
        except (Error, TypeError, ValueError):
            return None
    values = element.get("Value") or []
    try:
        if vr in _PACKED:
            return b"".join(struct.pack(_PACKED[vr], value) for value in values if value is not None)
        if vr in _BINARY:
            return b"".join(struct.pack("<H", value & 0xFFFF) for value in values) if vr == "OW" else b""
        if vr == "AT":
            return b"".join(struct.pack("<HH", int(value[:4], 16), int(value[4:], 16)) for value in values)
        return "\\".join(_string(vr, value) for value in values).encode()
    except (struct.error, TypeError, ValueError, OverflowError):
        return None


def _string(vr: str, value: Any) -> str:
    if value is None:
        return ""
    if vr == "DS" and isinstance(value, int | float):
        return str(value) if isinstance(value, int) else format_number_as_ds(value)
    if vr == "PN" and isinstance(value, Mapping):
        groups = [str(value.get(group) or "") for group in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(groups).rstrip("=")
    return str(value)


def _native(name: str, source: Frames, pool: Pool, *, clean: bool) -> Iterator[bytes]:
    layout = source.layout
    bits = layout.rows * layout.columns * (2 if layout.halved else layout.samples) * layout.bits_allocated
    length = (bits * source.count + 7) // 8
    if length + length % 2 >= _UNDEFINED:
        raise Unsupported("image-too-large-uncompressed")
    vr = {PIXEL_TAGS[1]: "OF", PIXEL_TAGS[2]: "OD"}.get(name, "OB" if layout.bits_allocated <= 8 else "OW")
    yield _head(name, vr, length + length % 2)
    get = source.masked if clean else source.raw
    if bits % 8:
        yield from _joined((get(frame, pool) for frame in range(source.count)), bits)
    else:
        for frame in range(source.count):
            yield get(frame, pool)
    yield bytes(length % 2)


def _joined(planes: Iterator[bytes], bits: int) -> Iterator[bytes]:
    """Frames of ``bits`` bits without the padding between them (PS3.5 §8.1.1); one at a time is spread out."""
    rest = np.empty(0, np.uint8)
    for plane in planes:
        found = np.concatenate((rest, np.unpackbits(np.frombuffer(plane, np.uint8), bitorder="little")[:bits]))
        whole = len(found) // 8 * 8
        yield np.packbits(found[:whole], bitorder="little").tobytes()
        rest = found[whole:]
    yield np.packbits(rest, bitorder="little").tobytes()


def _encapsulated(source: Frames, pool: Pool, *, clean: bool) -> Iterator[bytes]:
    """One fragment for each frame, behind a basic offset table (PS3.5 A.4)."""
    if source.encoding == "stream":
        lengths = [sum(length for _, length in source.ranges(0))]
    else:
        lengths = [sum(length for _, length in source.ranges(frame)) for frame in range(source.count)]
    offsets = [0]
    for length in lengths:
        offsets.append(offsets[-1] + 8 + length + length % 2)
    table = b"".join(struct.pack("<L", offset) for offset in offsets[:-1]) if offsets[-1] < _UNDEFINED else b""
    yield _head(PIXEL_TAGS[0], "OB", _UNDEFINED) + _ITEM + struct.pack("<L", len(table)) + table
    for frame, (start, end) in enumerate(pairwise(offsets)):
        data = source.clean(frame, pool) if clean else source.stored(frame, pool)
        yield _ITEM + struct.pack("<L", end - start - 8) + data + bytes(end - start - 8 - len(data))
    yield _SEQUENCE_END + bytes(4)


def target(source: Frames | None, wanted: str, pool: Pool, *, clean: bool) -> str:
    """The transfer syntax an object leaves in: ``wanted`` is its UID, or ``*`` for as it is stored.

    What cannot be cleaned as it is leaves decompressed. Raises Unsupported (``not-acceptable``) when neither is possible.
    """
    if source is None or not source.layout.compressed:
        if wanted in ("*", EXPLICIT_LITTLE):
            return EXPLICIT_LITTLE
        raise Unsupported("not-acceptable")
    stored = source.layout.transfer_syntax_uid
    try:
        if wanted in ("*", stored):
            if clean:
                source.clean(0, pool)
            return stored
    except Unsupported:
        if wanted == stored:
            raise Unsupported("not-acceptable") from None
    if wanted not in ("*", EXPLICIT_LITTLE):
        raise Unsupported("not-acceptable")
    try:
        source.raw(0, pool)
    except Unsupported:
        raise Unsupported("not-acceptable") from None
    return frames.EXPLICIT_LITTLE
