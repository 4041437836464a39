"""Marks drawn into a picture, so that they are seen on the case page and on paper without the viewer.

Geometry is in image pixels and the picture may be of any size: lines and letters are sized by the picture, points by
its scale. Each author has the colour of their place in ``annotations.authors``, the same as in the viewer, and a
number beside it, since colour alone says nothing to some. Millimetres only where ``spacing`` knows them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Self
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from imaging.annotations import Mark
from imaging.render import Picture
from imaging.spacing import NONE, Origin, Spacing

COLOURS = ("#5cc3cc", "#ffb454", "#c792ea", "#8bd17c", "#ff8fa3", "#82aaff", "#ffe066", "#f78c6c")
"""By the place of the author; from the start again after the last."""
SPOTS = 400
"""How many points of a mark a label looks out for."""
_SHADOW, _GROUND = (8, 12, 16), (8, 12, 16, 200)
_PLANES: Mapping[Origin, str] = {}
Place = tuple[float, float]
Box = tuple[float, float, float, float]


def draw(
    picture: Picture,
    marks: Sequence[Mark],
    *,
    columns: int,
    authors: Sequence[UUID],
    spacing: Spacing = NONE,
    planes: Mapping[Origin, str] = _PLANES,
    font: Path | None = None,
) -> Picture:
    """The picture in colour with the marks in it. ``columns``: how wide the full image is, which gives the scale.

    ``authors`` in the order of their colours; ``planes``: words to put behind millimetres by their origin.
    """
    scale = picture.shape[1] / columns
    image = Image.fromarray(picture).convert("RGB")
    canvas = ImageDraw.Draw(image, "RGBA")
    width = max(2, round(max(image.size) / 500))
    letters = _font(font, max(13, round(max(image.size) / 60)))
    placed = [(mark, [(column * scale, row * scale) for column, row in mark.points], _place(authors, mark.author_id)) for mark in marks]
    for mark, points, place in placed:
        _line(canvas, mark.tool, points, COLOURS[place % len(COLOURS)], width)
    kept_clear = np.array([spot for mark, points, _ in placed for spot in _spots(mark.tool, points, width)]).reshape(-1, 2)
    taken: list[Box] = []
    for mark, points, place in placed:
        said = " ".join(word for word in (measured(mark, spacing, planes), mark.text) if word)
        words = _Words.of(f"{place + 1}  {said}".rstrip(), canvas, letters, image.width * 0.45)
        box = _free(words, _around(mark.tool, points, words, 3.0 * width), image.size, kept_clear, taken)
        taken.append(box)
        words.write(canvas, box, COLOURS[place % len(COLOURS)])
    return np.asarray(image)


def measured(mark: Mark, spacing: Spacing = NONE, planes: Mapping[Origin, str] = _PLANES) -> str:
    """What a length or an angle comes to: ``12.3 mm`` where the spacing is known, else ``84 px``; empty for the others."""
    row_mm, column_mm = spacing.row_mm or 1.0, spacing.column_mm or 1.0
    points = [(column * column_mm, row * row_mm) for column, row in mark.points]
    if mark.tool == "angle":
        return f"{_angle(*points[:3]):.1f}°"
    if mark.tool != "length":
        return ""
    length = math.dist(points[0], points[1])
    if spacing.origin == "none" or spacing.row_mm is None or spacing.column_mm is None:
        return f"{length:.0f} px"
    plane = planes.get(spacing.origin)
    return f"{length:.1f} mm" + (f" ({plane})" if plane else "")


def _angle(one: Place, vertex: Place, other: Place) -> float:
    """Degrees between the two legs, 0 … 180."""
    first = math.atan2(one[1] - vertex[1], one[0] - vertex[0])
    second = math.atan2(other[1] - vertex[1], other[0] - vertex[0])
    turned = abs(math.degrees(first - second)) % 360
    return min(turned, 360 - turned)


def _line(canvas: ImageDraw.ImageDraw, tool: str, points: Sequence[Place], colour: str, width: int) -> None:
    """The mark over a dark shadow, so that it shows on bone as on air."""
    for ink, thick in ((_SHADOW, width + 2), (colour, width)):
        canvas.line(points, fill=ink, width=thick, joint="curve")
        if tool == "arrow":
            for barb in _barbs(points[0], points[1], 7 * width):
                canvas.line((points[1], barb), fill=ink, width=thick)
        elif tool != "freehand":
            for column, row in points:
                radius = thick * 1.2
                canvas.ellipse((column - radius, row - radius, column + radius, row + radius), fill=ink)


def _barbs(tail: Place, head: Place, size: float) -> list[Place]:
    direction = math.atan2(head[1] - tail[1], head[0] - tail[0])
    size = min(size, max(math.dist(tail, head) / 2, 1))
    return [(head[0] - size * math.cos(direction + turn), head[1] - size * math.sin(direction + turn)) for turn in (0.45, -0.45)]


@dataclass(frozen=True, slots=True)
class _Words:
    """A label, laid out: its text in lines, its size, and where its ink begins."""

    text: str
    letters: ImageFont.FreeTypeFont
    width: float
    height: float
    left: float
    top: float

    @classmethod
    def of(cls, said: str, canvas: ImageDraw.ImageDraw, letters: ImageFont.FreeTypeFont, widest: float) -> Self:
        text, pad = "\n".join(_wrapped(said, letters, widest)), letters.size * 0.3
        left, top, right, bottom = canvas.multiline_textbbox((0, 0), text, font=letters, spacing=letters.size * 0.2)
        return cls(text, letters, right - left + 2 * pad, bottom - top + 2 * pad, left - pad, top - pad)

    def write(self, canvas: ImageDraw.ImageDraw, box: Box, colour: str) -> None:
        pad = self.letters.size * 0.3
        canvas.rounded_rectangle(box, radius=pad, fill=_GROUND, outline=colour, width=1)
        at = (box[0] - self.left, box[1] - self.top)
        canvas.multiline_text(at, self.text, font=self.letters, fill=colour, spacing=self.letters.size * 0.2)


def _place(authors: Sequence[UUID], author_id: UUID) -> int:
    return authors.index(author_id) if author_id in authors else len(authors)


def _spots(tool: str, points: Sequence[Place], width: int) -> list[Place]:
    """What a label should not cover: the lines, what an arrow points at, what an outline surrounds."""
    found = list(points)
    for one, other in pairwise(points):
        steps = max(int(math.dist(one, other) / width), 1)
        found += [(one[0] + (other[0] - one[0]) * step / steps, one[1] + (other[1] - one[1]) * step / steps) for step in range(steps)]
    if tool == "arrow":
        reach = 10 * width
        found += [(points[1][0] + reach * math.cos(turn / 4), points[1][1] + reach * math.sin(turn / 4)) for turn in range(25)]
    elif tool == "freehand":
        left, top, right, bottom = _bounds(points)
        found += [(left + (right - left) * column / 6, top + (bottom - top) * row / 6) for column in range(7) for row in range(7)]
    return found[:: len(found) // SPOTS + 1]


def _around(tool: str, points: Sequence[Place], words: _Words, gap: float) -> list[Place]:
    """Top-left corners to try for a label, the best first: behind an arrow's tail, beside the mark, above it, below it."""
    left, top, right, bottom = _bounds(points[:1] if tool == "arrow" else points)
    middle, centre = (top + bottom - words.height) / 2, (left + right - words.width) / 2
    beside = [(right + gap, middle), (left - gap - words.width, middle)]
    if tool == "arrow" and points[1][0] > points[0][0]:
        beside.reverse()
    over = [(centre, top - gap - words.height), (centre, bottom + gap)]
    corners = [(column, row) for column in (right + gap, left - gap - words.width) for row in (top - gap - words.height, bottom + gap)]
    far = [(centre + words.width * step, middle + words.height * 1.5 * turn) for turn in (1, -1, 2, -2, 3, -3) for step in (0, 1, -1)]
    return [*beside, *over, *corners, *far]


def _free(words: _Words, tried: Sequence[Place], size: tuple[int, int], kept_clear: NDArray[np.float64], taken: Sequence[Box]) -> Box:
    """The first of the places, moved inside the picture, that covers nothing; else the one that covers least."""
    best, least = (0.0, 0.0, words.width, words.height), math.inf
    for left, top in tried:
        left, top = max(min(left, size[0] - words.width - 1), 0.0), max(min(top, size[1] - words.height - 1), 0.0)
        box = (left, top, left + words.width, top + words.height)
        covered = int((((kept_clear >= box[:2]) & (kept_clear <= box[2:])).all(axis=1)).sum())
        covered += 100 * sum(box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in taken)
        if covered < least:
            best, least = box, covered
    return best


def _bounds(points: Sequence[Place]) -> Box:
    columns, rows = zip(*points, strict=True)
    return min(columns), min(rows), max(columns), max(rows)


def _wrapped(words: str, letters: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """Lines no wider than ``width``, at most six; Chinese may break anywhere, other words between them."""
    lines: list[str] = []
    for paragraph in words.split("\n"):
        line = ""
        for piece in _pieces(paragraph):
            if line and letters.getlength(line + piece) > width:
                lines.append(line.rstrip())
                line = piece.lstrip()
            else:
                line += piece
        lines.append(line.rstrip())
    return lines if len(lines) <= 6 else [*lines[:5], lines[5].rstrip() + "…"]


def _pieces(text: str) -> list[str]:
    """Where a line may break: around each wide letter, behind each space, and inside words that nothing could hold."""
    pieces: list[str] = []
    for letter in text:
        if not pieces or ord(letter) > 0x2E7F or ord(pieces[-1][-1]) > 0x2E7F or pieces[-1].endswith(" ") or len(pieces[-1]) >= 24:
            pieces.append(letter)
        else:
            pieces[-1] += letter
    return pieces


@lru_cache(maxsize=16)
def _font(path: Path | None, size: int) -> ImageFont.FreeTypeFont:
    if path is None:
        from pylopdf_fonts_zh_cn import sans_path

        path = sans_path()
    return ImageFont.truetype(str(path), size)
