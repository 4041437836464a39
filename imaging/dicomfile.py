"""DICOM files: their outer structure, walked without interpreting a value (PS3.5 §7, PS3.10 §7).

pydicom takes a length that reaches past the end as an empty value and follows nesting until the stack ends; so
this walk comes first and refuses what does not add up. It yields where each top-level element lies, and the items
of encapsulated pixel data. It runs inside the sandbox.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from pydicom.datadict import dictionary_VR
from pydicom.uid import UID

from imaging.confined import BLOCK, Refused, Source
from imaging.frameindex import Range

INFLATED_LIMIT = 128 << 20
"""A deflated data set may grow to this, for it has to be inflated as a whole."""
DEPTH_LIMIT = 32
META_LIMIT = 64 << 10
UNDEFINED = 0xFFFF_FFFF

ITEM, ITEM_END, SEQUENCE_END = 0xFFFE_E000, 0xFFFE_E00D, 0xFFFE_E0DD
TRANSFER_SYNTAX_UID = 0x0002_0010
PIXEL_DATA = 0x7FE0_0010
PIXELS = (0x7FE0_0008, 0x7FE0_0009, PIXEL_DATA)

IMPLICIT, BIG_ENDIAN, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
UNCOMPRESSED = frozenset({IMPLICIT, "1.2.840.10008.1.2.1", BIG_ENDIAN, DEFLATED})
_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})


class Data(Protocol):
    """Bytes by range; ``Source`` is one."""

    size: int

    def at(self, start: int, length: int) -> bytes: ...


class Inflated:
    """A data set in memory: what a deflated one became, or a file we made."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def at(self, start: int, length: int) -> bytes:
        return self._data[start : start + length]


@dataclass(frozen=True, slots=True)
class Element:
    """One top-level element: its header begins at ``start``, its value at ``value``; the next one begins at ``end``."""

    tag: int
    vr: str
    start: int
    value: int
    end: int
    undefined: bool

    @property
    def length(self) -> int:
        return self.end - self.value


@dataclass(slots=True)
class Layout:
    """Where everything lies in ``data``: the file itself, or the inflated data set of a deflated one."""

    data: Data
    transfer_syntax_uid: str
    implicit: bool
    little: bool
    deflated: bool
    elements: list[Element] = field(default_factory=list)
    items: list[Range] = field(default_factory=list)
    """The items of encapsulated pixel data, the offset table first: where each value lies."""


def walk(source: Source | Inflated) -> Layout:
    """The layout of a Part 10 file. Raises Refused: truncated, unreadable, too-deep, bomb, transfer-syntax, inconsistent."""
    if source.at(128, 4) != b"DICM":
        raise Refused("unknown-type")
    syntax, start = _meta(source)
    data: Data = source
    if syntax == DEFLATED:
        data, start = _inflate(source, start), 0
    layout = Layout(data, syntax, syntax == IMPLICIT, syntax != BIG_ENDIAN, syntax == DEFLATED)
    for element in _Walker(data, layout).elements(start):
        if layout.elements and element.tag == layout.elements[-1].tag:
            raise Refused("inconsistent")
        layout.elements.append(element)
    if len({element.tag for element in layout.elements}) != len(layout.elements):
        raise Refused("inconsistent")
    return layout


def _meta(source: Source | Inflated) -> tuple[str, int]:
    """The transfer syntax a file names and where its data set begins. File meta is explicit little endian."""
    head = Inflated(source.at(0, META_LIMIT))
    layout = Layout(head, "", implicit=False, little=True, deflated=False)
    syntax, end = "", 132
    walker = _Walker(head, layout)
    while head.at(end, 2) == b"\x02\x00":
        element = walker.element(end)
        if element.tag == TRANSFER_SYNTAX_UID:
            syntax = head.at(element.value, element.length).rstrip(b"\x00 ").decode("ascii", "replace")
        end = element.end
    if UID(syntax).type != "Transfer Syntax":
        raise Refused("truncated" if source.size < 140 else "transfer-syntax")
    return syntax, end


def _inflate(source: Source | Inflated, start: int) -> Inflated:
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    found = bytearray()
    while not machine.eof:
        packed = machine.unconsumed_tail
        if not packed:
            packed = source.at(start, BLOCK)
            start += len(packed)
        try:
            more = machine.decompress(packed, 1 << 20)
        except zlib.error:
            raise Refused("unreadable") from None
        if not packed and not more:
            break
        found += more
        if len(found) > INFLATED_LIMIT:
            raise Refused("bomb")
    if not machine.eof:
        raise Refused("truncated")
    return Inflated(bytes(found))


class _Walker:
    """Reads headers of elements and items. Every length is checked against what is there."""

    def __init__(self, data: Data, layout: Layout) -> None:
        self._data = data
        self._layout = layout
        self._order: str = "little" if layout.little else "big"

    def elements(self, at: int) -> Iterator[Element]:
        """The top-level elements from ``at`` to the end. Zeros after the last one are padding."""
        size = self._data.size
        while at < size:
            if self._padding(at):
                return
            element = self.element(at)
            yield element
            at = element.end

    def element(self, at: int) -> Element:
        tag, vr, value, length = self._header(at, self._layout.implicit)
        if tag >> 16 == 0xFFFE:
            raise Refused("unreadable")
        if length != UNDEFINED:
            return Element(tag, vr, at, value, self._end(value, length), undefined=False)
        if tag == PIXEL_DATA:
            return Element(tag, vr, at, value, self._encapsulated(value), undefined=True)
        return Element(tag, vr, at, value, self._sequence(value, self._layout.implicit or vr == "UN"), undefined=True)

    def _end(self, value: int, length: int) -> int:
        if value + length > self._data.size:
            raise Refused("truncated")
        return value + length

    def _padding(self, at: int) -> bool:
        rest = self._data.size - at
        return rest <= META_LIMIT and self._data.at(at, 4) in (bytes(4), bytes(rest)) and not any(self._data.at(at, rest))

    def _header(self, at: int, implicit: bool) -> tuple[int, str, int, int]:
        """(tag, VR, where the value begins, length) of the element or item at ``at``."""
        raw = self._data.at(at, 12)
        if len(raw) < 8:
            raise Refused("truncated")
        group, number = self._number(raw[0:2]), self._number(raw[2:4])
        tag = group << 16 | number
        if group == 0xFFFE:
            return tag, "", at + 8, self._number(raw[4:8])
        if implicit:
            return tag, _vr(tag), at + 8, self._number(raw[4:8])
        vr = raw[4:6]
        if not (vr.isalpha() and vr.isupper()):
            raise Refused("unreadable")
        if vr not in _LONG:
            return tag, vr.decode(), at + 8, self._number(raw[6:8])
        if len(raw) < 12:
            raise Refused("truncated")
        return tag, vr.decode(), at + 12, self._number(raw[8:12])

    def _number(self, raw: bytes) -> int:
        return int.from_bytes(raw, "little" if self._layout.little else "big")

    def _encapsulated(self, at: int) -> int:
        """Collect the items of encapsulated pixel data (PS3.5 A.4); the end of the sequence."""
        while True:
            tag, _, value, length = self._header(at, implicit=True)
            if tag == SEQUENCE_END:
                return value
            if tag != ITEM or length == UNDEFINED:
                raise Refused("unreadable")
            at = self._end(value, length)
            self._layout.items.append((value, length))

    def _sequence(self, at: int, implicit: bool) -> int:
        """The end of a sequence of undefined length whose first item begins at ``at``."""
        levels = [(True, implicit)]  # (a list of items?, are its elements implicit?)
        while levels:
            of_items, implicit = levels[-1]
            tag, vr, value, length = self._header(at, implicit)
            at = value
            if of_items and tag == ITEM:
                if length == UNDEFINED:
                    levels.append((False, implicit))
                else:
                    at = self._end(value, length)
            elif tag == (SEQUENCE_END if of_items else ITEM_END):
                levels.pop()
            elif of_items or tag >> 16 == 0xFFFE:
                raise Refused("unreadable")
            elif length == UNDEFINED:
                levels.append((True, implicit or vr == "UN"))
            else:
                at = self._end(value, length)
            if len(levels) > 2 * DEPTH_LIMIT:
                raise Refused("too-deep")
        return at


def _vr(tag: int) -> str:
    try:
        return dictionary_VR(tag)[:2]
    except KeyError:
        return "UN"
