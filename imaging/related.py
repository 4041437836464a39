"""Related: a ``multipart/related`` body taken apart while it streams in (RFC 2387, RFC 2046 §5.1).

What the headers of a part claim is not looked at: a file is what its content says. Sizes are nobody's word either;
a part ends where the boundary stands.
"""

from collections.abc import Callable
from typing import Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header

from core.errors import Invalid, Unsupported

BOUNDARY_LIMIT = 200
"""RFC 2046 says 70, but Orthanc's DICOMweb plugin makes boundaries of 73 characters."""


class Taker(Protocol):
    """Whoever takes the parts: ``begin``, then ``data`` as often as needed, then ``end``, for each."""

    def begin(self) -> None: ...
    def data(self, data: bytes) -> None: ...
    def end(self) -> None: ...


class Related:
    """Feeds the parts of one body to a taker. Raises Unsupported for another ``Content-Type`` than asked for."""

    def __init__(self, content_type: str, media_type: str, taker: Taker) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/related" or options.get(b"type", media_type.encode()).lower() != media_type.encode():
            raise Unsupported("stow-content-type")
        if not 0 < len(boundary) <= BOUNDARY_LIMIT:
            raise Invalid("stow-boundary")
        self._count = 0

        def begin() -> None:
            self._count += 1
            taker.begin()

        def data(chunk: bytes, start: int, end: int) -> None:
            taker.data(chunk[start:end])

        self._parser = MultipartParser(boundary, {"on_part_begin": begin, "on_part_data": data, "on_part_end": taker.end})

    def feed(self, data: bytes) -> None:
        """Take more of the body. Raises Invalid when it is not made of parts."""
        self._parse(lambda: self._parser.write(data))

    def finish(self) -> None:
        """The body is at its end. Raises Invalid when it broke off, or held no part."""
        self._parse(self._parser.finalize)
        if self._parser.state != MultipartState.END:
            raise Invalid("stow-body-incomplete")
        if not self._count:
            raise Invalid("stow-body-empty")

    def _parse(self, act: Callable[[], object]) -> None:
        try:
            act()
        except FormParserError:
            raise Invalid("stow-body-malformed") from None
