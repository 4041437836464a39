"""JPEG: the scan data of a photograph, without all that a camera or an attacker wrote around it (ITU-T T.81 B.1).

Kept are the tables, the frame and the scans, byte for byte. Gone are every APPn and COM segment (EXIF, GPS, XMP,
thumbnails, comments) and whatever follows the end of the image (a second picture, a film, a script).
"""

from dataclasses import dataclass
from re import compile as pattern

from imaging.confined import Refused

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
_SOS = 0xDA
_SEQUENTIAL = frozenset({0xC0, 0xC1})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_METADATA = frozenset({*range(0xE0, 0xF0), *range(0xF0, 0xFE), 0xFE})
_ADOBE = b"Adobe"
_MARKER = pattern(rb"\xff+[^\x00\xd0-\xd7\xff]")
"""In scan data 0xFF 0x00 is a stuffed byte and 0xFFD0 to 0xFFD7 are restarts; anything else ends the scan."""


@dataclass(frozen=True, slots=True)
class Stripped:
    """A JPEG without its metadata. ``process`` is the SOF marker; ``components`` the component identifiers."""

    data: bytes
    process: int
    precision: int
    rows: int
    columns: int
    components: tuple[int, ...]
    transform: int | None
    """The colour transform an Adobe segment names: 0 none, 1 YCbCr, 2 YCCK."""
    ended: bool
    """Whether its end was there. Where it was not, one scan holds the picture and may have lost some of it too."""

    @property
    def keeps_its_meaning(self) -> bool:
        """Whether a decoder that sees no metadata shows the same colours: baseline, grey or plain YCbCr."""
        if self.process != 0xC0 or self.precision != 8:
            return False
        if len(self.components) == 1:
            return True
        return len(self.components) == 3 and self.transform in (None, 1) and bytes(self.components) != b"RGB"


def strip(data: bytes) -> Stripped:
    """Walk the segments and keep what the picture is made of. Raises Refused: truncated, unreadable."""
    kept: list[bytes] = [SOI]
    frame: bytes | None = None
    process, transform, at, ended = 0, None, 2, True
    while ended:
        at, marker = _marker(data, at)
        if marker == EOI[1]:
            break
        length = int.from_bytes(data[at : at + 2], "big")
        segment = data[at : at + length]
        if length < 2 or len(segment) < length:
            raise Refused("truncated" if at + length > len(data) else "unreadable")
        at += length
        if marker == 0xEE and segment[2:7] == _ADOBE and length >= 14:
            transform = segment[13]
        if marker in _METADATA:
            continue
        if marker in _FRAMES:
            if frame is not None:
                raise Refused("unreadable")
            process, frame = marker, segment
        kept.append(bytes((0xFF, marker)) + segment)
        if marker == _SOS:
            end = _MARKER.search(data, at)
            if end is None and not _holds_all(segment, process, frame):
                raise Refused("truncated")
            ended = end is not None
            kept.append(data[at : end.start()] if end else data[at:].rstrip(b"\xff"))
            at = end.start() if end else len(data)
    if frame is None or len(frame) < 8 or len(frame) < 8 + 3 * frame[7]:
        raise Refused("unreadable")
    parts = [frame[8 + 3 * number : 11 + 3 * number] for number in range(frame[7])]
    return Stripped(
        data=b"".join((*kept, EOI)),
        process=process,
        precision=frame[2],
        rows=int.from_bytes(frame[3:5], "big"),
        columns=int.from_bytes(frame[5:7], "big"),
        components=tuple(part[0] for part in parts),
        transform=transform,
        ended=ended,
    )


def _holds_all(scan: bytes, process: int, frame: bytes | None) -> bool:
    """Whether a scan is all there is to come: sequential, and of every component."""
    return process in _SEQUENTIAL and frame is not None and len(frame) > 7 and scan[2:3] == frame[7:8]


def _marker(data: bytes, at: int) -> tuple[int, int]:
    """(where the segment of the next marker begins, the marker); fill bytes may precede it."""
    start = at
    while data[at : at + 1] == b"\xff":
        at += 1
    if at >= len(data):
        raise Refused("truncated")
    if at == start or data[at] in (0x00, 0x01) or 0xD0 <= data[at] <= 0xD8:
        raise Refused("unreadable")
    return at + 1, data[at]
