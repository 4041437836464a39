"""Negotiation: which form of a picture a client takes (PS3.18 §8.7.3, RFC 9110 §12.5.1).

Knows media types and transfer syntaxes, not HTTP. What is not offered raises Unsupported with ``not-acceptable``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from core.errors import Unsupported
from imaging.frames import EXPLICIT_LITTLE, NATIVE

DICOM = "application/dicom"
OCTETS = "application/octet-stream"
JSON = "application/dicom+json"
MULTIPART = "multipart/related"
OCTETS_RELATED = 'multipart/related; type="application/octet-stream"'
ANY = "*/*"

MEDIA = {
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70)), "image/jpeg"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{number}" for number in (80, 81)), "image/jls"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{number}" for number in (90, 91)), "image/jp2"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{number}" for number in (92, 93)), "image/jpx"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{number}" for number in (201, 202, 203)), "image/jphc"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{number}" for number in (100, 101)), "video/mpeg"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{number}" for number in range(102, 109)), "video/mp4"),
}
"""PS3.18 tables 8.7.3-4 and 8.7.3-5: what a bitstream is called."""

Media = TypeVar("Media", bound=str)

_PIECE = re.compile(r'(?:[^",;]|"(?:[^"\\]|\\.)*")+|[,;]')


@dataclass(frozen=True, slots=True)
class Wanted:
    """One media range of an Accept header: ``type`` is what is inside a multipart, ``syntax`` a UID, ``*`` or empty."""

    media: str
    type: str
    syntax: str
    weight: float

    @property
    def inner(self) -> str:
        """The media type of the thing itself."""
        return (self.type or ANY) if self.media in (MULTIPART, "multipart/*") else self.media


@dataclass(frozen=True, slots=True)
class Form:
    """What an answer is made of. ``syntax`` is the transfer syntax of its bytes, empty for none."""

    multipart: bool
    media: str
    syntax: str = ""

    @property
    def part_type(self) -> str:
        """The Content-Type of one thing."""
        return f"{self.media}; transfer-syntax={self.syntax}" if self.syntax else self.media


def parse(accept: str) -> list[Wanted]:
    """The media ranges of an Accept header, the most wanted first; a missing header takes anything."""
    found: list[Wanted] = []
    parameters: list[str] = []
    for piece in [*_PIECE.findall(accept.strip() or ANY), ","]:
        if piece != ",":
            if piece != ";":
                parameters.append(piece.strip())
        elif parameters:
            found.append(_wanted(parameters))
            parameters = []
    return sorted((wanted for wanted in found if wanted.weight > 0), key=lambda wanted: -wanted.weight)


def _wanted(pieces: list[str]) -> Wanted:
    named = {name.strip().lower(): value.strip().strip('"') for name, _, value in (piece.partition("=") for piece in pieces[1:])}
    try:
        weight = min(max(float(named.get("q", "1")), 0.0), 1.0)
    except ValueError:
        weight = 0.0
    return Wanted(pieces[0].lower(), named.get("type", "").lower(), named.get("transfer-syntax", ""), weight)


def frames(accept: str, stored: str, *, count: int, decodable: bool) -> Form:
    """The form of ``count`` frames stored in the transfer syntax ``stored``; ``decodable``: we can also give plain pixels.

    Octets without a transfer syntax are uncompressed, as the standard says; with ``*`` they are as stored.
    """
    plain = stored in NATIVE
    media = MEDIA.get(stored, OCTETS)
    for wanted in parse(accept):
        whole = wanted.media in (MULTIPART, "multipart/*", ANY)
        if not whole and count != 1:
            continue
        inner = wanted.inner
        if inner == ANY or (inner != OCTETS and not plain and _covers(inner, media)):
            if wanted.syntax in ("", "*", stored):
                return Form(whole, OCTETS, EXPLICIT_LITTLE) if plain else Form(whole, media, stored)
            inner = OCTETS if inner == ANY else inner
        if inner in (OCTETS, "application/*"):
            if not plain and wanted.syntax in ("*", stored):
                return Form(whole, OCTETS, stored)
            if (plain or decodable) and wanted.syntax in ("", "*", EXPLICIT_LITTLE):
                return Form(whole, OCTETS, EXPLICIT_LITTLE)
    raise Unsupported("not-acceptable")


def instances(accept: str, *, one: bool) -> Form:
    """The form of whole objects. ``syntax`` is what the client wants: a UID, or ``*`` for as stored, also when it names none."""
    for wanted in parse(accept):
        whole = wanted.media in (MULTIPART, "multipart/*", ANY)
        if (whole or one) and wanted.inner in (DICOM, ANY, "application/*"):
            return Form(whole, DICOM, wanted.syntax or "*")
    raise Unsupported("not-acceptable")


def only(accept: str, offered: Sequence[Media]) -> Media:
    """The offered media type that the client wants most; the first offered one where it does not care."""
    for wanted in parse(accept):
        for media in offered:
            if _covers(wanted.media, media):
                return media
    raise Unsupported("not-acceptable")


def json(accept: str) -> str:
    """The media type of metadata and search results."""
    return only(accept, (JSON, "application/json"))


def _covers(media_range: str, media: str) -> bool:
    return media_range in (ANY, media) or (media_range.endswith("/*") and media.startswith(media_range[:-1]))
