"""Names: compared by characters and by sound, and found in free text without crying wolf."""

import datetime as dt

import pytest

from registry import names

BORN = dt.date(1988, 3, 5)


@pytest.mark.parametrize(
    ("one", "other"),
    [("张卫国", " 张 卫国 "), ("Anna·Li", "ａｎｎａ li"), ("买买提·吐尔逊", "买买提吐尔逊"), ("A-0012", "a0012")],
)
def test_width_case_spaces_and_points_make_no_difference(one: str, other: str) -> None:
    assert names.squeezed(one) == names.squeezed(other)


def test_homophones_share_a_reading_and_every_reading_of_a_surname_counts() -> None:
    assert names.readings("张卫国") & names.readings("章伟国")
    assert "zengwei" in names.readings("曾伟")
    assert names.readings("单雄") >= {"shanxiong", "danxiong"}
    assert not names.readings("张卫国") & names.readings("王卫国")
    assert names.readings("") == frozenset()


def test_a_name_of_many_readings_stays_bounded() -> None:
    assert len(names.readings("行重长乐乐行重长")) <= names.READINGS_LIMIT


@pytest.mark.parametrize("query", ["张", "卫国", "zhang", "zhangw", "ZWG", "zwg", "A00", "a001"])
def test_part_pinyin_initials_and_start_of_a_number_find_somebody(query: str) -> None:
    assert names.matches(query, "张卫国", ("A0012",))


@pytest.mark.parametrize("query", ["", " · ", "guo", "012", "wg", "王"])
def test_other_words_do_not(query: str) -> None:
    assert not names.matches(query, "张卫国", ("A0012",))


def test_a_latin_name_is_found_by_its_initials() -> None:
    assert names.matches("ml", "Maria Lindgren")
    assert names.matches("maria", "Maria Lindgren")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("患者张卫国，男", "text-names-patient"),
        ("患者张 卫 国", "text-names-patient"),
        ("Zhang Weiguo was hurt", "text-names-patient"),
        ("patient: WEIGUO ZHANG.", "text-names-patient"),
        ("zhang-wei-guo", "text-names-patient"),
        ("病案号 A0012 见附件", "text-has-patient-number"),
        ("病案号 A 0012", "text-has-patient-number"),
        ("id 650101 19880305 0017", "text-has-patient-number"),
        ("致电 138 0000 1234", "text-has-patient-phone"),
        ("生于1988年3月5日", "text-has-birth-date"),
        ("born 1988-03-05", "text-has-birth-date"),
        ("DOB 19880305", "text-has-birth-date"),
    ],
)
def test_an_identifier_in_free_text_is_found(text: str, code: str) -> None:
    found = names.found_in(text, name="张卫国", numbers=("A0012", "650101198803050017"), phone="13800001234", birth_date=BORN)
    assert found == code


@pytest.mark.parametrize(
    "text",
    ["", "左示指完全离断，断端整齐", "BA00123", "a clinical finding", "1988-03-05T", "伤后 2 小时", "卫国", "zhang fei", "13800001235"],
)
def test_ordinary_words_are_left_alone(text: str) -> None:
    born = BORN if "1988" not in text else None
    assert names.found_in(text, name="张卫国", numbers=("A0012",), phone="13800001234", birth_date=born) is None


def test_a_short_name_is_not_found_inside_a_longer_word() -> None:
    assert names.found_in("clinical picture", name="李娜") is None
    assert names.found_in("seen by li na", name="李娜") == "text-names-patient"
    assert names.found_in("the ann arbor scale", name="Ann") is None
