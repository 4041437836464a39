"""Frame index: where each frame lies in a file's plain bytes, so that one is read without the rest.

Made once at intake, inside the sandbox, and kept sealed beside the instance as the JSON document that
docs/formats.md ("Frame index") describes. It knows no pixel format: it gives byte ranges.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import orjson

from core.errors import Damaged, NotFound

VERSION = 1

Encoding = Literal["none", "native", "encapsulated", "stream"]
Range = tuple[int, int]
"""(first byte, number of bytes)"""


@dataclass(frozen=True, slots=True)
class FrameIndex:
    """Byte ranges of the frames of one file.

    ``none``          no pixels.
    ``native``        one run of ``frames`` × ``frame_bits`` bits from ``offset``; frames are not padded between.
    ``encapsulated``  ``fragments[frame]`` lists the ranges that together are that frame's bitstream.
    ``stream``        one bitstream for all frames (MPEG-2, H.264, HEVC): ``fragments[0]`` lists its ranges.

    ``deflated``: the ranges count within the inflated data set, not in the file (PS3.5 A.5).
    """

    encoding: Encoding
    frames: int = 0
    offset: int = 0
    frame_bits: int = 0
    fragments: tuple[tuple[Range, ...], ...] = ()
    deflated: bool = False

    def ranges(self, frame: int) -> tuple[Range, ...]:
        """The byte ranges that hold frame ``frame``, counted from 0; NotFound when there is no such frame.

        A native frame whose bits do not fall on bytes (BitsAllocated 1) begins at bit ``first_bit(frame)`` of
        its range.
        """
        if not 0 <= frame < self.frames:
            raise NotFound("frame-not-found")
        if self.encoding == "native":
            first, end = frame * self.frame_bits, (frame + 1) * self.frame_bits
            return ((self.offset + first // 8, (end + 7) // 8 - first // 8),)
        return self.fragments[0 if self.encoding == "stream" else frame]

    def first_bit(self, frame: int) -> int:
        """The bit of the first byte of a native frame's range at which the frame begins."""
        return frame * self.frame_bits % 8

    def encode(self) -> bytes:
        """The document that is sealed."""
        found: dict[str, Any] = {"version": VERSION, "encoding": self.encoding, "frames": self.frames}
        if self.encoding == "native":
            found |= {"offset": self.offset, "frame_bits": self.frame_bits}
        elif self.encoding != "none":
            found["fragments"] = self.fragments
        if self.deflated:
            found["deflated"] = True
        return orjson.dumps(found)

    @classmethod
    def decode(cls, document: bytes, *, size: int | None = None) -> Self:
        """Read a document; Damaged when it breaks the format or, with ``size``, reaches past that many bytes."""
        try:
            found = orjson.loads(document)
            index = cls._read(found)
            index._check(size)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise Damaged("frame-index-damaged") from error
        return index

    @classmethod
    def _read(cls, found: Mapping[str, Any]) -> Self:
        if found["version"] != VERSION or found["encoding"] not in ("none", "native", "encapsulated", "stream"):
            raise ValueError("unknown version or encoding")
        return cls(
            encoding=found["encoding"],
            frames=int(found["frames"]),
            offset=int(found.get("offset", 0)),
            frame_bits=int(found.get("frame_bits", 0)),
            fragments=tuple(tuple((int(start), int(length)) for start, length in frame) for frame in found.get("fragments", ())),
            deflated=found.get("deflated", False) is True,
        )

    def _check(self, size: int | None) -> None:
        listed = {"encapsulated": self.frames, "stream": 1}.get(self.encoding, 0)
        if self.frames < 0 or self.offset < 0 or self.frame_bits < 0 or len(self.fragments) != listed:
            raise ValueError("counts disagree")
        if self.encoding == "native":
            self._within(self.offset, (self.frames * self.frame_bits + 7) // 8, size)
        for frame in self.fragments:
            for start, length in frame:
                self._within(start, length, size)

    def _within(self, start: int, length: int, size: int | None) -> None:
        if start < 0 or length < 0 or (size is not None and not self.deflated and start + length > size):
            raise ValueError("range outside the file")
