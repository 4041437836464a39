"""Names: compared by characters and by sound, and found in free text without crying wolf."""

import datetime as dt
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


POLYPHONES = {
    "单": "shan dan chan", "解": "xie jie", "仇": "qiu chou", "曾": "zeng ceng", "朴": "piao pu", "盖": "ge gai", "查": "zha cha",
    "区": "ou qu", "缪": "miao mou", "种": "chong zhong", "翟": "zhai di", "覃": "qin tan", "郇": "xun huan", "乜": "nie mie",
    "佴": "nai er", "祭": "zhai ji", "车": "che ju", "褚": "chu zhu", "牟": "mou mu", "召": "shao zhao", "折": "she zhe",
    "洗": "xian xi", "句": "gou ju", "繁": "po fan", "谌": "chen shen", "呙": "guo wo", "万": "wan mo", "尉": "yu wei",
    "澹": "tan dan", "任": "ren", "乐": "yue le", "长": "chang zhang", "重": "chong zhong", "行": "xing hang", "朝": "chao zhao",
}  # fmt: skip


@pytest.mark.parametrize(("character", "said"), POLYPHONES.items())
def test_a_character_with_several_readings_has_them_all_whatever_stands_beside_it(character: str, said: str) -> None:
    for beside in ("", "乐", "经", "行", "庆", "位"):
        rest = sorted(names.readings(beside)) or [""]
        assert {one + rest[0] for one in said.split()} <= names.readings(character + beside), beside


@given(st.lists(st.sampled_from(sorted(POLYPHONES)), min_size=1, max_size=4), st.data())
def test_who_hears_a_name_and_writes_other_characters_finds_it(written: list[str], data: st.DataObject) -> None:
    homophones = {
        reading: "".join(c for c in POLYPHONES if reading in POLYPHONES[c].split())
        for said in POLYPHONES.values()
        for reading in said.split()
    }
    heard = [data.draw(st.sampled_from(POLYPHONES[character].split())) for character in written]
    again = [data.draw(st.sampled_from(homophones[syllable])) for syllable in heard]
    name, other = "".join(written), "".join(again)
    assert names.readings(other, names.SOUGHT_LIMIT) & names.readings(name, names.SOUGHT_LIMIT)
    if len(name) < 4:
        assert names.readings(other, names.SOUGHT_LIMIT) & names.readings(name)


def test_a_long_name_keeps_each_other_reading_of_each_character() -> None:
    name = "阿卜杜热合曼阿卜杜克里木"
    usual = ["a", "bo", "du", "re", "he", "man", "a", "bo", "du", "ke", "li", "mu"]
    assert "".join(usual) in names.readings(name)
    assert len(names.readings(name)) <= names.READINGS_LIMIT
    for at, character in enumerate(name):
        for other in names.readings(character):
            assert "".join([*usual[:at], other, *usual[at + 1 :]]) in names.readings(name), (character, other)


@pytest.mark.parametrize("point", [*"·•・･‧⋅∙᛫ꞏㆍ丶.．。- ", ""])
def test_whichever_point_stands_in_an_ethnic_name_it_is_the_same(point: str) -> None:
    assert names.forms(f"买买提{point}吐尔逊") == names.forms("买买提·吐尔逊")
    assert names.readings(f"买买提{point}图尔逊") & names.readings("买买提·吐尔逊")


@pytest.mark.parametrize(
    ("traditional", "simple"), [("張偉國", "张伟国"), ("葉劍鋒", "叶剑锋"), ("鄭曉東", "郑晓东"), ("過維漢", "过维汉")]
)
def test_traditional_characters_name_the_same_person(traditional: str, simple: str) -> None:
    assert set(names.forms(traditional)) & set(names.forms(simple))


@pytest.mark.parametrize(
    "name", ["Lindgren Maria", "LINDGREN, Maria", "maria  lindgren", "Ｍａｒｉａ Lindgren"]
)  # fmt: skip
def test_the_order_of_latin_words_does_not_count(name: str) -> None:
    assert set(names.forms(name)) & set(names.forms("Maria Lindgren"))


@pytest.mark.parametrize("latin", ["Zhang Weiguo", "ZHANG WEI GUO", "Weiguo Zhang", "Zhāng Wèiguó", "zhangweiguo"])
def test_a_name_in_pinyin_sounds_like_its_characters(latin: str) -> None:
    assert names.readings(latin) & names.readings("张卫国")


@pytest.mark.parametrize("latin", ["Lü Bu", "Lyu Bu", "Lv Bu", "Lǚ Bù"])
def test_the_vowel_that_keyboards_lack_has_one_sound(latin: str) -> None:
    assert names.readings(latin) & names.readings("吕布")


@given(st.lists(st.from_regex("[a-z]{1,8}", fullmatch=True), min_size=2, max_size=4), st.randoms())
def test_any_order_of_words_is_one_name(words: list[str], shuffle: random.Random) -> None:
    other = shuffle.sample(words, len(words))
    assert set(names.forms(" ".join(words))) & set(names.forms(" ".join(other)))


@given(
    st.integers(110000, 659999), st.dates(dt.date(1900, 1, 1), dt.date(1999, 12, 31)), st.integers(0, 999)
)  # fmt: skip
def test_a_national_id_in_15_and_in_18_digits_is_one_person(area: int, born: dt.date, order: int) -> None:
    short = f"{area}{born:%y%m%d}{order:03d}"
    plain, longer = names.number_forms(short)
    assert plain == short
    assert longer.startswith(f"{area}{born:%Y%m%d}{order:03d}")
    assert not names.mistyped(longer.upper())
    assert short in names.number_forms(longer.upper())
    for digit in set("0123456789x") - {longer[-1]}:
        assert names.mistyped(longer[:-1] + digit)
    if longer[9] != longer[8]:
        assert names.mistyped(longer[:8] + longer[9] + longer[8] + longer[10:]) or not _is_date(
            longer[6:8] + longer[9] + longer[8] + longer[10:14]
        )


def _is_date(digits: str) -> bool:
    try:
        dt.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("number", ["11010519491231002X", "440524188001010014"])
def test_the_examples_of_the_standard_hold(number: str) -> None:
    """GB 11643-1999, appendix."""
    assert not names.mistyped(number)


@pytest.mark.parametrize("number", ["", "A-1001", "650101881305001", "123456789012345678", "E12345678", "65010120010230001X"])
def test_other_numbers_stay_as_they_are(number: str) -> None:
    assert names.number_forms(number) == (names.squeezed(number),)
    assert not names.mistyped(number)
