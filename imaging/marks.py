"""Marks drawn into a picture, so that they are seen on the case page and on paper without the viewer.

Geometry is in image pixels and the picture may be of any size: lines and letters are sized by the picture, points by
its scale. Each author has the colour of their place in ``annotations.authors``, the same as in the viewer, and a
number beside it, since colour alone says nothing to some. Millimetres only where ``spacing`` knows them.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from uuid import UUID

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from imaging.annotations import Mark
from imaging.render import Picture
from imaging.spacing import NONE, Origin, Spacing

COLOURS = ("#5cc3cc", "#ffb454", "#c792ea", "#8bd17c", "#ff8fa3", "#82aaff", "#ffe066", "#f78c6c")
"""By the place of the author; from the start again after the last."""
_SHADOW, _GROUND = (8, 12, 16), (8, 12, 16, 200)
_PLANES: Mapping[Origin, str] = {}
Place = tuple[float, float]


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
    taken: list[tuple[float, float, float, float]] = []
    for mark in marks:
        place = authors.index(mark.author_id) if mark.author_id in authors else len(authors)
        points = [(column * scale, row * scale) for column, row in mark.points]
        _line(canvas, mark.tool, points, COLOURS[place % len(COLOURS)], width)
    for mark in marks:
        place = authors.index(mark.author_id) if mark.author_id in authors else len(authors)
        points = [(column * scale, row * scale) for column, row in mark.points]
        said = " ".join(word for word in (measured(mark, spacing, planes), mark.text) if word)
        _label(image, canvas, f"{place + 1}  {said}".rstrip(), points, COLOURS[place % len(COLOURS)], letters, taken)
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


def _label(
    image: Image.Image,
    canvas: ImageDraw.ImageDraw,
    words: str,
    points: Sequence[Place],
    colour: str,
    letters: ImageFont.FreeTypeFont,
    taken: list[tuple[float, float, float, float]],
) -> None:
    """The words beside the mark, inside the picture, below any label that stands there already."""
    text = "\n".join(_wrapped(words, letters, image.width * 0.45))
    pad = letters.size * 0.3
    left, top, right, bottom = canvas.multiline_textbbox((0, 0), text, font=letters, spacing=letters.size * 0.2)
    wide, high = right - left + 2 * pad, bottom - top + 2 * pad
    anchor = max(points, key=lambda point: point[0])
    x = min(max(anchor[0] + letters.size * 0.6, 0), max(image.width - wide, 0))
    y = min(max(anchor[1] - high / 2, 0), max(image.height - high, 0))
    for _ in range(len(taken)):
        under = [box for box in taken if x < box[2] and box[0] < x + wide and y < box[3] and box[1] < y + high]
        if not under:
            break
        y = max(box[3] for box in under) + 1
    if y + high > image.height:
        y = max(image.height - high, 0)
    taken.append((x, y, x + wide, y + high))
    canvas.rounded_rectangle((x, y, x + wide, y + high), radius=pad, fill=_GROUND, outline=colour, width=1)
    canvas.multiline_text((x + pad - left, y + pad - top), text, font=letters, fill=colour, spacing=letters.size * 0.2)


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
