"""Codecs: sandbox tasks that turn the bitstream of one frame into plain pixels.

The pool runs these on byte ranges of a file that somebody sent. What comes back is little endian, colour
by pixel, as wide as BitsAllocated says, and always exactly as many bytes as rows, columns and samples make:
a bitstream that says otherwise is refused as ``inconsistent``.
"""

import io
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from imaging.confined import Refused, Reply, Source, task
from imaging.dicomfile import INFLATED_LIMIT

MOST_BYTES = 512 << 20
"""Plain pixels of one frame: a 12,000 × 12,000 picture in colour."""
MOST_INFLATED = INFLATED_LIMIT
"""No file is taken whose data set grows beyond this."""

JPEG = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"})
JPEG_LOSSLESS = frozenset({"1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"})
JPEG_LS = frozenset({"1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"})
JPEG_2000 = frozenset({"1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"})
HTJ2K = frozenset({"1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203"})
RLE = frozenset({"1.2.840.10008.1.2.5"})
DECODED = JPEG | JPEG_LOSSLESS | JPEG_LS | JPEG_2000 | HTJ2K | RLE
CLEANED = DECODED - RLE
"""What can leave as a bitstream without words in it; RLE has room for them behind its runs, where nothing has to be decoded."""
YBR = frozenset({"YBR_FULL", "YBR_FULL_422"})
_HALVED = frozenset({"YBR_FULL_422", "YBR_PARTIAL_422"})

Pixels = NDArray[Any]
Ranges = Sequence[Sequence[int]]

_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_LS_FRAME = 0xF7
"""Segments that begin with the bits of a sample (ITU-T T.81 B.2.2, T.87 C.2.2)."""
_ADOBE = 12
"""Bytes of a whole Adobe segment; a shorter one says nothing."""
_SEGMENT = struct.Struct(">H")
_J2K_START, _J2K_COMMENT, _J2K_TILE, _J2K_DATA, _J2K_END = b"\xff\x4f", 0x64, 0x90, 0x93, 0xD9
_J2K_SEGMENTS = frozenset(
    {0x50, 0x51, 0x52, 0x53, 0x55, 0x57, 0x58, 0x59, 0x5C, 0x5D, 0x5E, 0x5F, 0x60, 0x61, 0x63, _J2K_COMMENT, _J2K_TILE, _J2K_DATA}
)


def warm() -> None:
    """Load every codec: a confined process can open no file."""
    Image.init()
    ImageCms.createProfile("sRGB")
    grey = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    narrow = grey.astype(np.uint8)
    imagecodecs.jpeg8_decode(imagecodecs.jpeg8_encode(narrow))
    imagecodecs.jpegls_decode(imagecodecs.jpegls_encode(grey))
    imagecodecs.jpeg2k_decode(imagecodecs.jpeg2k_encode(grey, codecformat="j2k"))
    imagecodecs.htj2k_decode(imagecodecs.htj2k_encode(grey))
    imagecodecs.dicomrle_decode(struct.pack("<16I", 1, 64, *[0] * 14) + b"\x01\x05\x06", "u1")
    scaled = io.BytesIO()
    Image.fromarray(narrow).save(scaled, "JPEG")
    Image.open(scaled, formats=("JPEG",)).convert("RGB").resize((8, 8)).tobytes()


@task(seconds=30, result=MOST_BYTES)
def decode(source: Source, ranges: Ranges, spec: dict[str, Any], profile: bytes = b"") -> Reply:
    """One frame from the byte ranges of its bitstream; ``spec`` is ``frames.Layout`` as a dict.

    Colour comes back as RGB, and as sRGB where an ICC ``profile`` is given. The JSON answer is empty.
    """
    stream = _stream(source, ranges)
    rows, columns, samples = spec["rows"], spec["columns"], spec["samples"]
    if rows * columns * samples * max(spec["bits_allocated"] // 8, 1) > MOST_BYTES:
        raise Refused("too-large")
    found = _decoder(spec["transfer_syntax_uid"])(stream, spec)
    shape = (rows, columns) if samples == 1 else (rows, columns, samples)
    if found.shape != shape:
        raise Refused("inconsistent")
    if profile and samples == 3 and found.dtype == np.uint8:
        found = np.asarray(_to_srgb(Image.fromarray(found), profile))
    return None, [found.astype(_dtype(spec), copy=False).tobytes()]


@task(seconds=30)
def reduce(source: Source, ranges: Ranges, edge: int, profile: bytes = b"") -> Reply:
    """A baseline JPEG of 8 bits at about ``edge`` pixels on its longer side, never smaller unless the picture is.

    Answers [rows, columns, samples] and the pixels. The decoder leaves out what the small picture does not need,
    which makes a thumbnail of a 12-megapixel photograph five times as fast.
    """
    with Image.open(io.BytesIO(_stream(source, ranges)), formats=("JPEG",)) as image:
        if image.mode not in ("L", "RGB"):
            raise Refused("inconsistent")
        longer = max(image.size)
        if longer > edge:
            image.draft(None, (max(image.width * edge // longer, 1), max(image.height * edge // longer, 1)))
        if image.width * image.height * 3 > MOST_BYTES:
            raise Refused("too-large")
        image.load()
        small: Image.Image = image
        if max(image.size) > edge:
            ratio = edge / max(image.size)
            small = image.resize(
                (max(round(image.width * ratio), 1), max(round(image.height * ratio), 1)), Image.Resampling.LANCZOS, reducing_gap=3.0
            )
        if profile and small.mode == "RGB":
            small = _to_srgb(small, profile)
        return [small.height, small.width, len(small.getbands())], [small.tobytes()]


@task(seconds=30, result=MOST_BYTES)
def inflate(source: Source, start: int, length: int) -> Reply:
    """``length`` bytes from ``start`` of the inflated data set of a deflated file (PS3.5 A.5)."""
    head = source.at(128, 16)
    if head[:4] != b"DICM" or head[4:10] != b"\x02\x00\x00\x00UL":
        raise Refused("unreadable")
    source.seek(144 + int.from_bytes(head[12:16], "little"))
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    found, at, end = bytearray(), 0, start + length
    if end > MOST_INFLATED:
        raise Refused("bomb")
    while at < end and not stream.eof:
        piece = stream.decompress(stream.unconsumed_tail or source.read(1 << 16), 1 << 20)
        if not piece and not stream.unconsumed_tail and source.tell() >= source.size:
            break
        found += piece[max(start - at, 0) : max(end - at, 0)]
        at += len(piece)
    if len(found) != length:
        raise Refused("truncated")
    return None, [bytes(found)]


@task(seconds=10, result=MOST_BYTES)
def strip(source: Source, ranges: Ranges, uid: str, bits: int) -> Reply:
    """The same bitstream with every comment and application segment blanked in place; nothing moves.

    JFIF and Adobe segments stay, for they say what the colours mean; what follows the end of the picture goes.
    A JPEG 2000 stream inside a JP2 file is refused as ``unreadable``: its boxes are no part of DICOM (PS3.5 A.4.4).
    Samples of more than ``bits`` bits are refused as ``inconsistent``: an overlay may stand in those that no pixel uses.
    """
    if uid not in CLEANED:
        raise Refused("transfer-syntax")
    stream = bytearray(_stream(source, ranges))
    if uid in JPEG_2000 | HTJ2K:
        _strip_j2k(stream, bits)
    else:
        _strip_jpeg(stream, bits)
    return None, [bytes(stream)]


def halved(photometric: str, samples: int) -> bool:
    """Whether two pixels share their chrominance in uncompressed data (PS3.3 C.7.6.3.1.2)."""
    return samples == 3 and photometric in _HALVED


def _stream(source: Source, ranges: Ranges) -> bytes:
    return b"".join(source.at(start, length) for start, length in ranges)


def _dtype(spec: dict[str, Any]) -> np.dtype[Any]:
    return np.dtype(f"<u{max(-(-spec['bits_allocated'] // 8), 1)}")


def _decoder(uid: str) -> Callable[[bytes, dict[str, Any]], Pixels]:
    for uids, decoder in (
        (JPEG, _jpeg),
        (JPEG_LOSSLESS, _jpeg_lossless),
        (JPEG_LS, _jpeg_ls),
        (JPEG_2000, _jpeg_2000),
        (HTJ2K, _htj2k),
        (RLE, _rle),
    ):
        if uid in uids:
            return decoder
    raise Refused("transfer-syntax")


def _jpeg(stream: bytes, spec: dict[str, Any]) -> Pixels:
    if spec["samples"] == 1:
        return np.asarray(imagecodecs.jpeg8_decode(stream))
    ybr = _is_ybr(stream, spec["photometric"])
    space = None if ybr is None else "YCBCR" if ybr else "RGB"
    return np.asarray(imagecodecs.jpeg8_decode(stream, colorspace=space, outcolorspace="RGB"))


def _is_ybr(stream: bytes, photometric: str) -> bool | None:
    """Whether the components are luminance and chrominance; None leaves it to an Adobe marker.

    A JFIF segment means that they are and component names RGB that they are not, whatever the header says.
    """
    for marker, at, length in _jpeg_segments(stream):
        content = stream[at : at + length]
        if marker == 0xE0 and content.startswith(b"JFIF"):
            return True
        if marker == 0xEE and content.startswith(b"Adobe") and length >= _ADOBE:
            return None
        if marker in _FRAMES:
            names = bytes(content[6 + 3 * number] for number in range(content[5]))
            return photometric in YBR and names.upper() != b"RGB"
    return photometric in YBR


def _jpeg_segments(stream: bytes | bytearray) -> list[tuple[int, int, int]]:
    """(marker, first byte of content, length of content) of each segment, entropy-coded data left out."""
    found: list[tuple[int, int, int]] = []
    at = 2
    while match := _MARKER.search(stream, at):
        marker = stream[match.start() + 1]
        at = match.end()
        if marker == 0xD9:
            found.append((marker, at, 0))
            break
        if marker == 0xD8 or at + 2 > len(stream):
            continue
        length = max(_SEGMENT.unpack_from(stream, at)[0], 2)
        found.append((marker, at + 2, min(length - 2, len(stream) - at - 2)))
        at += length
    return found


def _strip_jpeg(stream: bytearray, bits: int) -> None:
    if not stream.startswith(b"\xff\xd8"):
        raise Refused("unreadable")
    for marker, at, length in _jpeg_segments(stream):
        content = stream[at : at + length]
        if (marker in _FRAMES or marker == _JPEG_LS_FRAME) and content[:1] > bytes((bits,)):
            raise Refused("inconsistent")
        kept = (marker == 0xE0 and content.startswith(b"JFIF\0")) or (marker == 0xEE and content.startswith(b"Adobe"))
        if marker == 0xFE or (0xE0 <= marker <= 0xEF and not kept):
            stream[at : at + length] = bytes(length)
        elif kept:  # neither a thumbnail nor anything else behind the fields that are defined
            stream[at : at + length] = _fields(content)
        elif marker == 0xD9:
            stream[at:] = bytes(len(stream) - at)


def _fields(content: bytearray) -> bytes:
    if content.startswith(b"Adobe"):
        return bytes(content[:12]) + bytes(max(len(content) - 12, 0))
    return bytes(content[:12]) + bytes(len(content) - 12)


def _strip_j2k(stream: bytearray, bits: int) -> None:
    if not stream.startswith(_J2K_START):
        raise Refused("unreadable")
    if any((depth & 0x7F) + 1 > bits for depth in _j2k_depths(stream)):
        raise Refused("inconsistent")
    at, tile_end = 2, 0
    while at + 4 <= len(stream) and stream[at] == 0xFF and (marker := stream[at + 1]) in _J2K_SEGMENTS:
        length = _SEGMENT.unpack_from(stream, at + 2)[0]
        if marker == _J2K_TILE:
            size = int.from_bytes(stream[at + 6 : at + 10], "big")
            tile_end = at + size if size else max(stream.rfind(b"\xff\xd9"), at)
        elif marker == _J2K_COMMENT:
            stream[at + 6 : at + 2 + length] = bytes(max(min(length - 4, len(stream) - at - 6), 0))
        at = max(tile_end, at + 2) if marker == _J2K_DATA else at + 2 + length
    if at < len(stream) and stream[at : at + 2] != bytes((0xFF, _J2K_END)):
        raise Refused("unreadable")
    stream[at + 2 :] = bytes(max(len(stream) - at - 2, 0))


def _j2k_depths(stream: bytes | bytearray) -> bytes:
    """Ssiz of each component; empty when the stream does not begin with its SIZ segment (ISO/IEC 15444-1 A.5.1)."""
    return bytes(stream[42 : 42 + 3 * int.from_bytes(stream[40:42], "big") : 3]) if stream[2:4] == b"\xff\x51" else b""


def _jpeg_lossless(stream: bytes, spec: dict[str, Any]) -> Pixels:
    space = "RGB" if spec["samples"] == 3 else None
    return _from_ybr(np.asarray(imagecodecs.jpeg8_decode(stream, colorspace=space, outcolorspace=space)), spec)


def _jpeg_ls(stream: bytes, spec: dict[str, Any]) -> Pixels:
    found = np.asarray(imagecodecs.jpegls_decode(stream))
    precision = next((stream[at] for marker, at, _ in _jpeg_segments(stream) if marker == _JPEG_LS_FRAME), spec["bits_stored"])
    return _from_ybr(_signed(found, precision, spec), spec)


def _jpeg_2000(stream: bytes, spec: dict[str, Any]) -> Pixels:
    return _from_ybr(_signed(np.asarray(imagecodecs.jpeg2k_decode(stream)), _precision(stream, spec), spec), spec)


def _htj2k(stream: bytes, spec: dict[str, Any]) -> Pixels:
    return _from_ybr(_signed(np.asarray(imagecodecs.htj2k_decode(stream)), _precision(stream, spec), spec), spec)


def _precision(stream: bytes, spec: dict[str, Any]) -> int:
    """Bits of the first component, which is what the decoder went by."""
    depths = _j2k_depths(stream) if stream.startswith(_J2K_START) else b""
    return (depths[0] & 0x7F) + 1 if depths else int(spec["bits_stored"])


def _signed(found: Pixels, precision: int, spec: dict[str, Any]) -> Pixels:
    """As signed as the header says: the bitstream often disagrees, or cannot say (JPEG-LS)."""
    width = found.dtype.itemsize * 8
    if found.dtype.kind not in "iu" or precision > width or (found.dtype.kind == "i") == spec["signed"]:
        return found
    shift = width - precision
    turned: Pixels = (found.view(f"{'i' if spec['signed'] else 'u'}{found.dtype.itemsize}") << shift) >> shift
    return turned.astype(f"<i{_dtype(spec).itemsize}") if spec["signed"] else turned


def _rle(stream: bytes, spec: dict[str, Any]) -> Pixels:
    samples, dtype = spec["samples"], _dtype(spec)
    found = np.frombuffer(imagecodecs.dicomrle_decode(stream, dtype.str), dtype)
    if found.size != samples * spec["rows"] * spec["columns"]:
        raise Refused("inconsistent")
    planes = found.reshape(samples, spec["rows"], spec["columns"])
    return planes[0] if samples == 1 else _from_ybr(np.moveaxis(planes, 0, -1), spec)


def _from_ybr(found: Pixels, spec: dict[str, Any]) -> Pixels:
    return ybr_to_rgb(found, spec["bits_stored"]) if spec["photometric"] in YBR and found.ndim == 3 and found.dtype.kind == "u" else found


def ybr_to_rgb(found: Pixels, bits: int = 8) -> Pixels:
    """YBR_FULL to RGB (PS3.3 C.7.6.3.1.2): the inverse of the matrix given there."""
    luminance, blue, red = (found[..., band].astype(np.float32) for band in range(3))
    blue -= 1 << (bits - 1)
    red -= 1 << (bits - 1)
    turned = np.stack((luminance + 1.402 * red, luminance - 0.344136 * blue - 0.714136 * red, luminance + 1.772 * blue), axis=-1)
    narrow: Pixels = np.clip(np.rint(turned), 0, (1 << bits) - 1).astype(found.dtype)
    return narrow


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        found = ImageCms.profileToProfile(image, theirs, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return found or image
