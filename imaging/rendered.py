"""Rendered: pictures of an opened instance as a browser shows them (PS3.18 §10.4.1.1.2), from a rendition where one will do.

The window, the size and the quality come from the URL; what the caller may see was settled when it was opened.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import get_args

from core.errors import Invalid, NotFound, Unsupported
from imaging import negotiation, previews, render
from imaging.previews import Small
from imaging.render import Mime, Picture, Viewport
from imaging.sandbox import Pool
from imaging.tables import Shape, Window
from imaging.wado import Answer, Opened

FORMATS: tuple[Mime, ...] = get_args(Mime)
_FUNCTIONS: dict[str, Shape] = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}


@dataclass(frozen=True, slots=True)
class Look:
    """How a picture is to be rendered: PS3.18 §8.3.5.1."""

    window: Window | None = None
    viewport: Viewport | None = None
    quality: int = 85

    @classmethod
    def parse(cls, pairs: Sequence[tuple[str, str]]) -> "Look":
        """From the decoded names and values of a URL. Raises Invalid."""
        look, wrong = cls(), dict[str, str]()
        for name, value in pairs:
            try:
                if name == "window":
                    look = replace(look, window=_window(value))
                elif name == "viewport":
                    look = replace(look, viewport=_viewport(value))
                elif name == "quality":
                    look = replace(look, quality=_quality(value))
                elif name not in ("accept", "annotation", "iccprofile"):
                    wrong[name[:64]] = "query-key-unknown"
            except (ValueError, KeyError, Invalid):
                wrong[name] = "query-value"
        if wrong:
            raise Invalid("query-invalid", fields=wrong)
        return look


def answer(one: Opened, number: int | None, look: Look, pool: Pool, accept: str) -> Answer:
    """A frame (counted from 1; None: the one in the middle) as a picture, never larger than it is. Raises NotFound, Unsupported."""
    mime = negotiation.only(accept, FORMATS)
    if one.frames is None:
        raise Unsupported("image-without-pixels")
    middle = previews.representative(one.frames.count)
    frame = middle if number is None else number
    if not 1 <= frame <= one.frames.count:
        raise NotFound("frame-not-found")
    small = _fitting(one, look) if frame == middle else None
    data = (
        previews.read_or(None, lambda: _render(one, frame - 1, look, pool, mime))
        if small is None
        else _from_small(one, small, look, mime, pool)
    )
    return Answer(mime, iter((data,)), len(data))


def _fitting(one: Opened, look: Look) -> Small | None:
    """The smallest rendition that holds all that is asked for."""
    viewport = look.viewport
    if look.window is not None or viewport is None or viewport.part is not None or one.frames is None:
        return None
    longest = max(one.frames.layout.rows, one.frames.layout.columns)
    for kind, edge in sorted(previews.EDGES.items(), key=lambda item: item[1]):
        if kind in one.previews and max(viewport.width, viewport.height) <= min(edge, longest):
            return one.previews[kind]
    return None


def _from_small(one: Opened, small: Small, look: Look, mime: Mime, pool: Pool) -> bytes:
    viewport = look.viewport
    fits = viewport is None or (small.columns <= viewport.width and small.rows <= viewport.height)

    def afresh() -> bytes:
        return _render(one, previews.representative(one.found.row.number_of_frames) - 1, look, pool, mime)

    if fits and small.mime == mime:
        return previews.read_or(small, afresh)
    held = previews.read_or(small, lambda: b"")
    if not held:
        return afresh()
    picture = render.decode(held)
    return render.encode(picture if fits or viewport is None else render.fit(picture, viewport), mime, look.quality)


def _render(one: Opened, frame: int, look: Look, pool: Pool, mime: Mime) -> bytes:
    assert one.frames is not None
    viewport = look.viewport
    if viewport is not None and viewport.part is None and look.window is None:
        picture = render.small(one.frames, one.header, frame, max(viewport.width, viewport.height), pool)
    else:
        picture = render.picture(one.frames, one.header, frame, pool, window=look.window)
    if viewport is not None:
        picture = render.fit(picture, viewport)
    return render.encode(picture, mime, look.quality)


def small(one: Opened, number: int, edge: int, pool: Pool) -> Picture:
    """A frame (counted from 1) with its longer side at most ``edge``, from its preview where that will do. Raises Unsupported."""
    if one.frames is None:
        raise Unsupported("image-without-pixels")
    stored = (
        one.previews.get("preview") if number == previews.representative(one.frames.count) and edge <= previews.EDGES["preview"] else None
    )
    held = previews.read_or(stored, lambda: b"")
    if not held:
        return render.small(one.frames, one.header, number - 1, edge, pool)
    return render.fit(render.decode(held), Viewport(edge, edge))


def _window(value: str) -> Window:
    center, width, *function = value.split(",")
    if len(function) > 1:
        raise ValueError(value)
    found = Window(float(center), float(width), _FUNCTIONS[function[0].strip().lower()] if function else "LINEAR")
    low = 1 if found.function == "LINEAR" else 0
    if not (-1e9 < found.center < 1e9 and low <= found.width < 1e9 and (low or found.width)):
        raise ValueError(value)
    return found


def _viewport(value: str) -> Viewport:
    numbers = [float(part) for part in value.split(",") if part.strip()]
    if not all(map(isfinite, numbers)):
        raise ValueError(value)
    if len(numbers) == 2:
        return Viewport(int(numbers[0]), int(numbers[1]))
    if len(numbers) == 6:
        return Viewport(int(numbers[0]), int(numbers[1]), (numbers[2], numbers[3], numbers[4], numbers[5]))
    raise ValueError(value)


def _quality(value: str) -> int:
    quality = int(value)
    if not 1 <= quality <= 100:
        raise ValueError(value)
    return quality
