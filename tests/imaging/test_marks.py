"""Marks: drawn where they are, in their author's colour, with words that can be read, at any size."""

import datetime as dt
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
    small = drawn(mark("arrow", (100, 300), (300, 300), text="断端"), size=(600, 800))
    large = drawn(mark("arrow", (100, 300), (300, 300), text="断端"), size=(1200, 1600))

    def letters(picture: np.ndarray[Any, Any], scale: int) -> int:
        return int(is_colour(picture, marks.COLOURS[0])[:, 320 * scale :].sum())

    assert 2.0 < letters(large, 2) / letters(small, 1) < 6.0


@pytest.mark.parametrize("point", [(799.0, 5.0), (799.0, 599.0), (-700.0, 1100.0)])
def test_words_stay_inside_the_picture(point: tuple[float, float]) -> None:
    text = "一段相当长的说明，写在图像边缘也必须能读到 with some English words at its end"
    picture = drawn(mark("length", (400, 300), point, text=text))
    assert picture.shape == (600, 800, 3)
    assert is_colour(picture, marks.COLOURS[0]).sum() > 2_000


def test_labels_do_not_lie_on_one_another() -> None:
    same = [mark("arrow", (100, 300), (300, 300), text="第一处" * 3), mark("arrow", (100, 300), (300, 300), text="第二处" * 3, author=CHEN)]
    picture = drawn(*same)
    ours, theirs = is_colour(picture, marks.COLOURS[0])[:, 330:], is_colour(picture, marks.COLOURS[1])[:, 330:]
    assert abs(centre(ours)[1] - centre(theirs)[1]) > 10
    assert ours.sum() > 300
    assert theirs.sum() > 300


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
