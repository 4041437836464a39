"""Multipart: writing ``multipart/related`` as DICOMweb answers with it (PS3.18 §8.6.1.2.1, RFC 2387)."""

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its media type with parameters, its bytes by pieces, and where it came from."""

    content_type: str
    chunks: Iterable[bytes]
    location: str = ""


def new_boundary() -> str:
    """A boundary that is in nobody's bytes."""
    return secrets.token_hex(16)


def content_type(boundary: str, media_type: str, transfer_syntax_uid: str = "") -> str:
    """The header of the whole answer."""
    syntax = f"; transfer-syntax={transfer_syntax_uid}" if transfer_syntax_uid else ""
    return f'multipart/related; type="{media_type}"{syntax}; boundary={boundary}'


def write(parts: Iterable[Part], boundary: str) -> Iterator[bytes]:
    """The body, piece by piece; a part is asked for only when the one before it has been taken."""
    lead = b""
    for part in parts:
        location = f"\r\nContent-Location: {part.location}" if part.location else ""
        yield lead + f"--{boundary}\r\nContent-Type: {part.content_type}{location}\r\n\r\n".encode()
        yield from part.chunks
        lead = b"\r\n"
    yield lead + f"--{boundary}--\r\n".encode()
