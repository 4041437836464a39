"""Whom a file names: spellings that are one person, and spellings that are not."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging import patients
from imaging.patients import Expected, Identity


@pytest.mark.parametrize(
    ("file", "case"),
    [
        (["WANG^LEI"], ["王雷"]),
        (["Lei Wang"], ["王雷"]),
        (["LEI^WANG^^^"], ["王雷"]),
        (["Wang^Lei", "王^雷"], ["王雷"]),
        (["OUYANG^NA"], ["欧阳娜"]),
        (["XIAO HONG^LI"], ["李小红"]),
        (["SHAN^LEI"], ["单雷"]),
        (["DAN^LEI"], ["单雷"]),
        (["LV^BU"], ["吕布"]),
        (["LYU^BU"], ["吕布"]),
        (["LU^BU"], ["吕布"]),
        (["Müller^Ana"], ["ana muller"]),
        (["ABDURAHMAN^TURSUN"], ["Tursun Abdurahman"]),
        (["阿布都热合曼 吐尔逊"], ["阿布都热合曼·吐尔逊"]),
        ([], ["王雷"]),
        (["^^"], ["王雷"]),
        (["WANG^LEI"], []),
    ],
)
def test_one_person(file: list[str], case: list[str]) -> None:
    assert patients.names_agree(file, case)
    assert patients.names_agree(case, file)


@pytest.mark.parametrize(
    ("file", "case"),
    [
        (["LI^NA"], ["王雷"]),
        (["WANG^LEI", "王^磊"], ["王雷"]),
        (["王^磊"], ["王雷"]),
        (["WANG^LEILEI"], ["王雷"]),
        (["WANG"], ["王雷"]),
        (["?"], ["王雷"]),
        (["ANONYMOUS"], ["王雷"]),
    ],
)
def test_another_person_or_nobody_we_know(file: list[str], case: list[str]) -> None:
    """Where characters are given they decide: many names sound alike."""
    assert not patients.names_agree(file, case)
    assert not patients.names_agree(case, file)


@pytest.mark.parametrize(
    ("says", "fields"),
    [
        (Identity(), []),
        (Identity(("WANG^LEI",), "0010234", "19870203", "M"), []),
        (Identity((), " 10234 ", "1987.02.03", "m"), []),
        (Identity(id="10235"), ["id"]),
        (Identity(birth_date="19870204"), ["birth_date"]),
        (Identity(birth_date="unknown"), ["birth_date"]),
        (Identity(sex="F"), ["sex"]),
        (Identity(sex="O"), []),
        (Identity(("LI^NA",), "1", "20000101", "F"), ["id", "name", "birth_date", "sex"]),
    ],
)
def test_what_disagrees_is_named(says: Identity, fields: list[str]) -> None:
    whom = Expected(names=("王雷",), birth_date=dt.date(1987, 2, 3), sex="M", ids=("10234", "650000198702030011"))
    assert patients.disagreeing(says, whom) == fields
    assert patients.disagreeing(says, Expected()) == []


@settings(deadline=None)
@given(st.lists(st.text(max_size=12), max_size=3), st.lists(st.text(max_size=12), max_size=3))
def test_agreement_goes_both_ways_and_nobody_disagrees_with_themselves(one: list[str], other: list[str]) -> None:
    assert patients.names_agree(one, one)
    assert patients.names_agree(one, other) == patients.names_agree(other, one)
