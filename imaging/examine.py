"""Examine: the one question intake asks the sandbox: what is this file, by its content?

A name or a declared type is never believed. What is not taken is told apart as far as it helps the person who sent
it: a zip has to be unpacked, a PDF or a film has no room yet.
"""

from typing import Any, Literal

from imaging import dicom, photo
from imaging.confined import Refused, Reply, Source, task
from imaging.dicomfile import Inflated

What = Literal["dicom", "jpeg", "png", "heic", "webp"]

_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_REFUSED = (
    (b"PK\x03\x04", "archive"),
    (b"PK\x05\x06", "archive"),
    (b"Rar!\x1a\x07", "archive"),
    (b"7z\xbc\xaf\x27\x1c", "archive"),
    (b"\x1f\x8b", "archive"),
    (b"%PDF-", "document"),
    (b"\x1aE\xdf\xa3", "video"),
)


def what(head: bytes) -> What:
    """The kind of file its first 132 bytes or more make it. Raises Refused with the reason for all others."""
    if head[128:132] == b"DICM":
        return "dicom"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        if head[8:12] in _HEIC:
            return "heic"
        raise Refused("unknown-type" if head[8:12] in (b"avif", b"avis") else "video")
    for magic, reason in _REFUSED:
        if head.startswith(magic):
            encrypted = magic == b"PK\x03\x04" and bool(head[6:7]) and head[6] & 1
            raise Refused("encrypted" if encrypted else reason)
    raise Refused("unknown-type" if head else "empty")


@task(seconds=30, result=192 << 20)
def examine(source: Source, about: dict[str, Any] | None) -> Reply:
    """(summary, [header, study header, series header, frame index] and, of a photograph, the file made of it).

    ``about`` is what ``photo.make`` needs; without it photographs are not taken. Raises Refused.
    """
    kind = what(source.at(0, 132))
    if kind == "dicom":
        return dicom.examine(source)
    if about is None:
        raise Refused("unknown-type")
    made = photo.make(source, kind, about)
    summary, parts = dicom.examine(Inflated(made))
    return summary, [*parts, made]


@task(seconds=30)
def sheet(source: Source) -> Reply:
    """A signed sheet of paper: ("image/jpeg", [the photograph, upright and without metadata]) or ("application/pdf", []).

    A PDF is looked at from outside alone, kept as it came, and never shown as a page of ours. Raises Refused.
    """
    head = source.at(0, 132)
    if head.startswith(b"%PDF-"):
        # ISO 32000-2 §7.5.5: the last line is the end-of-file marker; readers look for it in the last 1024 bytes
        if b"%%EOF" not in source.at(max(0, source.size - 1024), 1024):
            raise Refused("truncated")
        return "application/pdf", []
    kind = what(head)
    if kind == "dicom":
        raise Refused("unknown-type")
    return "image/jpeg", [photo.plain(source, kind)]


def warm() -> None:
    """Load what the parsers load on demand."""
    dicom.warm()
    photo.warm()
