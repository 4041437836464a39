"""Marks: drawn where they are, in their author's colour, with words that can be read, at any size."""

import dataclasses
import datetime as dt
import math
from itertools import pairwise
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from PIL import ImageColor

from imaging import marks
from imaging.annotations import Mark
from imaging.spacing import NONE, Spacing

LI, CHEN = UUID(int=1), UUID(int=2)


def mark(tool: Any, *points: tuple[float, float], text: str = "", author: UUID = LI) -> Mark:
    return Mark(UUID(int=9), UUID(int=8), 1, tool, points, text, None, 1, author, dt.datetime(2026, 11, 20, tzinfo=dt.UTC))


def drawn(*each: Mark, columns: int = 800, size: tuple[int, int] = (600, 800), **more: Any) -> np.ndarray[Any, Any]:
    return marks.draw(np.full(size, 90, np.uint8), each, columns=columns, authors=[LI, CHEN], **more)


def is_colour(picture: np.ndarray[Any, Any], colour: str) -> np.ndarray[Any, Any]:
    return np.abs(picture.astype(int) - np.array(ImageColor.getrgb(colour))).max(axis=-1) < 40


def centre(found: np.ndarray[Any, Any]) -> tuple[float, float]:
    rows, columns = np.nonzero(found)
    return float(columns.mean()), float(rows.mean())


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.2])
def test_a_line_lies_where_it_was_drawn_at_any_size(scale: float) -> None:
    picture = drawn(mark("freehand", (100, 300), (700, 300)), size=(round(600 * scale), round(800 * scale)))
    for column in (150, 400, 690):
        row = is_colour(picture, marks.COLOURS[0])[:, round(column * scale)]
        assert row[round(300 * scale)], column


def test_each_author_has_a_colour_of_their_own() -> None:
    picture = drawn(mark("freehand", (50, 100), (300, 100)), mark("freehand", (50, 500), (300, 500), author=CHEN))
    ours, theirs = is_colour(picture, marks.COLOURS[0]), is_colour(picture, marks.COLOURS[1])
    assert ours[100, 60:290].all()
    assert theirs[500, 60:290].all()
    assert not theirs[90:110].any()


def test_an_arrow_has_its_head_at_its_second_point() -> None:
    picture = is_colour(drawn(mark("arrow", (100, 300), (600, 300))), marks.COLOURS[0])
    thick_at_head = picture[280:320, 580:600].sum()
    thick_at_tail = picture[280:320, 100:120].sum()
    assert thick_at_head > 1.5 * thick_at_tail


def test_chinese_words_are_letters_and_not_boxes() -> None:
    """Two different words of the same length look different: missing letters would be the same box."""
    one = drawn(mark("arrow", (100, 300), (300, 300), text="桡动脉断端"))
    other = drawn(mark("arrow", (100, 300), (300, 300), text="骨折线移位"))
    none = drawn(mark("arrow", (100, 300), (300, 300)))
    assert (one != other).any()
    assert is_colour(one, marks.COLOURS[0]).sum() > is_colour(none, marks.COLOURS[0]).sum() + 200


def test_words_grow_with_the_picture() -> None:
    def letters(size: tuple[int, int]) -> int:
        """Coloured pixels of the words alone: with them less without them."""
        told = mark("arrow", (300, 300), (600, 300), text="断端缺损")
        counted = [is_colour(drawn(one, size=size), marks.COLOURS[0]).sum() for one in (told, dataclasses.replace(told, text=""))]
        return int(counted[0] - counted[1])

    assert 2.0 < letters((1200, 1600)) / letters((600, 800)) < 6.0


@pytest.mark.parametrize("point", [(799.0, 5.0), (799.0, 599.0), (-700.0, 1100.0)])
def test_words_stay_inside_the_picture(point: tuple[float, float]) -> None:
    text = "一段相当长的说明，写在图像边缘也必须能读到 with some English words at its end"
    picture = drawn(mark("length", (400, 300), point, text=text))
    assert picture.shape == (600, 800, 3)
    assert is_colour(picture, marks.COLOURS[0]).sum() > 2_000


def test_labels_do_not_lie_on_one_another() -> None:
    same = [mark("arrow", (100, 300), (300, 300), text="第一处" * 3), mark("arrow", (100, 300), (300, 300), text="第二处" * 3, author=CHEN)]
    picture = drawn(*same)
    ours, theirs = is_colour(picture, marks.COLOURS[0]), is_colour(picture, marks.COLOURS[1])
    ours[280:320, 95:305] = theirs[280:320, 95:305] = False
    assert math.dist(centre(ours), centre(theirs)) > 20
    assert ours.sum() > 300
    assert theirs.sum() > 300


@pytest.mark.parametrize(
    "one",
    [
        mark(
            "freehand", (640, 240), (700, 200), (760, 260), (700, 320), (640, 240), text="撕脱区，需清创至正常内膜 debride to normal intima"
        ),
        mark("length", (600, 330), (730, 200), text="残留近节骨 remaining proximal phalanx"),
        mark("angle", (760, 560), (700, 580), (640, 540), text="成角 angulated by this much"),
        mark("arrow", (60, 60), (140, 140), text="骨折线 fracture line"),
        mark("arrow", (790, 590), (700, 500), text="骨折线 fracture line"),
    ],
)
def test_a_label_covers_neither_its_mark_nor_what_it_points_at(one: Mark) -> None:
    picture = drawn(one)
    for start, end in pairwise(one.points):
        for step in range(1, 20):
            column, row = (round(a + (b - a) * step / 20) for a, b in zip(start, end, strict=True))
            assert is_colour(picture[row - 2 : row + 3, column - 2 : column + 3], marks.COLOURS[0]).any(), (column, row)
    aim = one.points[1] if one.tool == "arrow" else np.mean(one.points, axis=0) if one.tool == "freehand" else None
    if aim is not None:
        near = picture[round(aim[1]) - 12 : round(aim[1]) + 12, round(aim[0]) - 12 : round(aim[0]) + 12]
        assert (near == 90).all(axis=-1).mean() > 0.6


DETECTOR, CALIBRATED = Spacing(0.1, 0.2, "detector"), Spacing(0.1, 0.1, "calibrated")


@pytest.mark.parametrize(
    ("one", "spacing", "expected"),
    [
        (mark("length", (0, 0), (30, 40)), NONE, "50 px"),
        (mark("length", (0, 0), (30, 40)), CALIBRATED, "5.0 mm"),
        (mark("length", (0, 0), (100, 0)), DETECTOR, "20.0 mm (detector)"),
        (mark("length", (0, 0), (0, 100)), DETECTOR, "10.0 mm (detector)"),
        (mark("length", (0, 0), (30, 40)), Spacing(None, None, "calibrated"), "50 px"),
        (mark("angle", (10, 0), (0, 0), (0, 10)), NONE, "90.0°"),
        (mark("angle", (10, 0), (0, 0), (-10, 1e-9)), NONE, "180.0°"),
        (mark("angle", (10, 0), (0, 0), (5, -5)), NONE, "45.0°"),
        (mark("arrow", (0, 0), (30, 40)), CALIBRATED, ""),
        (mark("freehand", (0, 0), (30, 40)), CALIBRATED, ""),
    ],
)
def test_millimetres_only_with_a_known_spacing_and_its_origin(one: Mark, spacing: Spacing, expected: str) -> None:
    assert marks.measured(one, spacing, {"detector": "detector"}) == expected


def test_an_angle_is_measured_in_space_and_not_in_pixels() -> None:
    assert marks.measured(mark("angle", (10, 0), (0, 0), (10, 10)), Spacing(0.1, 0.2, "calibrated")) == "26.6°"


def test_a_colour_picture_keeps_its_colours() -> None:
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[..., 1] = 77
    assert marks.draw(picture, [], columns=80, authors=[])[5, 5].tolist() == [0, 77, 0]


def test_a_label_looks_out_for_a_bounded_number_of_points() -> None:
    ring = [(400 + 200 * math.cos(at), 300 + 200 * math.sin(at)) for at in np.linspace(0, 2 * math.pi, 5_000)]
    assert marks.SPOTS / 2 < len(marks._spots("freehand", ring, 2)) <= marks.SPOTS
