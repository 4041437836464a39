"""Phantoms: a place on a bone is where the picture shows it, on film and photograph, so that marks can be put there."""

import io

import numpy as np
import pytest
from PIL import Image

from imaging.phantoms import films, photos
from imaging.phantoms.hand import Cut, Hand

THUMB = Hand(side="right", cuts=(Cut("thumb-proximal", 0.55, -14.0),), seed=23)
INDEX = Hand(side="left", cuts=(Cut("index-middle", 0.45, 8.0),), seed=11)


@pytest.mark.parametrize("hand", [THUMB, INDEX], ids=["right thumb", "left index"])
def test_a_film_shows_bone_up_to_the_cut_and_air_beyond(hand: Hand) -> None:
    film, bone, cut = films.radiograph(hand), hand.cuts[0].bone, hand.cuts[0].fraction

    def shade(fraction: float) -> int:
        column, row = films.pixel(hand, bone, fraction)
        return int(film[round(row), round(column)])

    assert min(shade(cut * part) for part in (0.2, 0.5, 0.8)) > 2 * max(shade(cut + 0.2), shade(0.9))


@pytest.mark.parametrize("hand", [THUMB, INDEX], ids=["right thumb", "left index"])
def test_a_photograph_shows_skin_up_to_the_cut_and_the_drape_beyond(hand: Hand) -> None:
    picture, bone, cut = np.asarray(Image.open(io.BytesIO(photos.hand_photo(hand)))), hand.cuts[0].bone, hand.cuts[0].fraction

    def is_warm(fraction: float) -> bool:
        column, row = photos.pixel(hand, bone, fraction)
        red, _, blue = (int(part) for part in picture[round(row), round(column)])
        return red > blue

    assert [is_warm(fraction) for fraction in (0.1, cut * 0.6, cut + 0.3)] == [True, True, False]
