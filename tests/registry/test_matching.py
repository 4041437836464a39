"""What intake compares a picture with: the patient of the case under every spelling, and nobody else."""

import datetime as dt

from imaging.patients import Identity, disagreeing
from registry import matching, patients
from tests.registry.conftest import World


def test_a_film_in_pinyin_agrees_and_one_of_somebody_else_does_not(world: World) -> None:
    with world.begin() as db:
        patient = patients.create(
            db, world.cast.surgeon.actor, name="曾卫国", sex="male", birth_date=dt.date(1988, 3, 5), record_number="A-17", national_id="65"
        )
        case = world.case(db, patient_id=patient.id)
        expected = matching.expected(db, case.id)
    for name in ("ZENG^WEIGUO", "Weiguo Zeng", "曾卫国", "CENG WEI GUO"):
        assert disagreeing(Identity(names=(name,), id="A-17", birth_date="19880305", sex="M"), expected) == []
    other = Identity(names=("LI^NA",), id="B-2", birth_date="19900101", sex="F")
    assert disagreeing(other, expected) == ["id", "name", "birth_date", "sex"]


def test_what_is_not_known_of_a_patient_disagrees_with_nothing(world: World) -> None:
    with world.begin() as db:
        patient = patients.create(db, world.cast.surgeon.actor, name="无名氏", sex="other")
        expected = matching.expected(db, world.case(db, patient_id=patient.id).id)
    assert (expected.birth_date, expected.sex, expected.ids) == (None, None, ())
