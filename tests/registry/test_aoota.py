"""The AO/OTA code: what is written reads the same again, and what the table does not hold is refused by name."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import aoota
from registry.aoota import Code, Unclassifiable
from registry.valuesets import value_set

SHAFTS = {"12", "2r2", "2u2", "32", "42", "4f2"}


def known(name: str) -> list[str]:
    """The codes of a set of the table, in order."""
    return [option.code for option in value_set(f"aoota.{name}").options if option.code != "not_assessed"]


@st.composite
def valid(draw: st.DrawFn) -> Code:
    """Any code that can be picked."""
    segment = draw(st.sampled_from(known("segment")))
    kind = aoota.kind_of(segment)
    place = {name: draw(st.sampled_from(known(name))) for name in aoota.PLACES.get(kind, ())}
    groups = [option.code for option in value_set("aoota.group").options if option.extra.get("of") == segment]
    group = draw(st.sampled_from(["", *groups]))
    letters = group.removeprefix(segment)
    subgroup = draw(st.sampled_from(["", "1", "2", "3"])) if kind == "end" and len(letters) == 2 else ""
    fitting = [o.code for o in value_set("aoota.qualification").options if letters and letters[0].upper() in o.extra["types"]]
    qualifications = draw(st.lists(st.sampled_from(fitting), unique=True)) if kind == "diaphysis" and fitting else []
    modifiers = draw(st.lists(st.sampled_from(known("modifier")), unique=True, max_size=4))
    for one, other in aoota.EXCLUSIVE:
        if {one, other} <= set(modifiers):
            modifiers.remove(other)
    ordered = [sorted(told, key=known(name).index) for name, told in (("qualification", qualifications), ("modifier", modifiers))]
    return Code(segment, **place, group=group, subgroup=subgroup, qualifications=tuple(ordered[0]), modifiers=tuple(ordered[1]))


def wrong(text: str) -> str:
    """The key that a typed code is refused with."""
    with pytest.raises(Unclassifiable) as caught:
        aoota.parse(text)
    return caught.value.code


@given(code=valid())
def test_what_is_picked_and_written_reads_the_same_again(code: Code) -> None:
    assert aoota.check(code) is code
    assert aoota.parse(str(code)) == code


@given(code=valid())
def test_signs_of_a_chinese_keyboard_and_small_letters_are_taken_as_meant(code: Code) -> None:
    wide = str.maketrans("()[],.0123456789", "（）【】，．０１２３４５６７８９")
    head, mark, rest = re.fullmatch(r"([^(\[]*)([(\[]?)(.*)", str(code)).groups()  # type: ignore[union-attr]
    assert aoota.parse(f" {head.lower()} {mark}{rest}".translate(wide)) == code


@given(
    text=st.one_of(
        st.text(max_size=12), st.from_regex(r"\d[A-Z\d]?\d(\.\d){0,3}[A-D]?\d?(\.\d)?(\([a-z]\))?(\[\d{1,2}[a-f]?\])?", fullmatch=True)
    )
)
def test_whatever_is_typed_is_a_code_of_the_table_or_refused_with_a_key(text: str) -> None:
    try:
        code = aoota.parse(text)
    except Unclassifiable as error:
        refused = error.code
    else:
        refused = ""
    if refused:
        assert re.fullmatch(r"field-aoota-[a-z-]+", refused)
        return
    assert code.segment in known("segment")
    assert not code.group or code.group in known("group")
    assert set(code.modifiers) <= set(known("modifier"))
    assert aoota.parse(str(code)) == code


@given(segment=st.sampled_from(known("segment")), letters=st.sampled_from([f"{t}{g}" for t in "ABC" for g in ("", 1, 2, 3)]))
def test_a_type_or_group_that_the_table_does_not_hold_is_refused(segment: str, letters: str) -> None:
    told = {"77": ".2.1", "87": ".2.1", "78": ".2.1.1", "88": ".2.1.1"}.get(segment, "")
    text = f"{segment.upper()}{told}{letters}"
    if segment + letters.lower() in known("group"):
        assert str(aoota.parse(text)) == text
    else:
        assert wrong(text) == "field-aoota-group"


def test_the_groups_of_a_shaft_and_of_an_end() -> None:
    for segment in known("segment"):
        letters = [o.code.removeprefix(segment).upper() for o in value_set("aoota.group").options if o.extra.get("of") == segment]
        groups = [letter for letter in letters if len(letter) == 2]
        if segment in SHAFTS:
            assert groups == ["A1", "A2", "A3", "B2", "B3", "C2", "C3"]
        if segment in {"13", "2r3", "33", "41", "43", "44"}:
            assert groups == [f"{letter}{number}" for letter in "ABC" for number in "123"]
    assert [o.code for o in value_set("aoota.group").options if o.extra.get("of") == "11" and len(o.code) == 4] == (
        ["11a1", "11a2", "11a3", "11b1", "11c1", "11c3"]
    )


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("", "field-aoota-unreadable"),
        ("tibia", "field-aoota-unreadable"),
        ("42C3j", "field-aoota-unreadable"),
        ("42C3(j", "field-aoota-unreadable"),
        ("42C3[2](j)", "field-aoota-unreadable"),
        ("42D1", "field-aoota-unreadable"),
        ("99A1", "field-aoota-segment"),
        ("51A1", "field-aoota-segment"),
        ("42B1", "field-aoota-group"),
        ("42C1", "field-aoota-group"),
        ("2U3B1", "field-aoota-group"),
        ("72B", "field-aoota-group"),
        ("42.1A1", "field-aoota-place"),
        ("77.6.1A", "field-aoota-place"),
        ("77.2.1.1A", "field-aoota-place"),
        ("77A", "field-aoota-place-needed"),
        ("78.2.3A", "field-aoota-place-needed"),
        ("42A1.1", "field-aoota-subgroup"),
        ("2R3C3.4", "field-aoota-subgroup"),
        ("42A1(i)", "field-aoota-qualification"),
        ("42C3(a)", "field-aoota-qualification"),
        ("42(a)", "field-aoota-qualification"),
        ("41A1(a)", "field-aoota-qualification"),
        ("42A1[15]", "field-aoota-modifier"),
        ("42A1[5]", "field-aoota-modifier"),
        ("42A1[2,]", "field-aoota-modifier"),
        ("42A1[1,2]", "field-aoota-modifier-clash"),
        ("41C1[3a,4]", "field-aoota-modifier-clash"),
    ],
)
def test_what_is_wrong_is_said_by_its_part(text: str, key: str) -> None:
    assert wrong(text) == key


def test_the_parts_of_a_code() -> None:
    assert aoota.parse("42C3(j)[2]") == Code("42", group="42c3", qualifications=("j",), modifiers=("2",))
    assert aoota.parse("2R3C3.1[5a,2]") == Code("2r3", group="2r3c3", subgroup="1", modifiers=("2", "5a"))
    assert aoota.parse("78.2.3.1A") == Code("78", ray="2", phalanx="3", third="1", group="78a")
    assert str(aoota.parse("77.2")) == "77.2"
    assert aoota.parse("42C3").letters == "C3"


def test_everything_of_the_classification_stands_in_one_file_with_its_licence() -> None:
    for name in ("segment", "group", "subgroup", "qualification", "modifier", "ray", "phalanx", "third"):
        assert "not commercially" in value_set(f"aoota.{name}").licence
