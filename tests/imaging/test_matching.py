"""Matching: which queries are taken, and what they match (PS3.4 C.2.2.2)."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.errors import Invalid
from imaging import matching
from imaging.attributes import tag, vr


def shown(**named: Any) -> dict[str, Any]:
    found = {}
    for keyword, value in named.items():
        values = value if isinstance(value, list) else [value]
        found[tag(keyword)] = {
            "vr": vr(keyword),
            "Value": [{"Alphabetic": one} if vr(keyword) == "PN" and isinstance(one, str) else one for one in values],
        }
    return found


def matches(key: str, value: str, held: Any, *, level: Any = "instance", **options: str) -> bool:
    query = matching.parse(level, [(key, value), *options.items()])
    return query.matches(shown(**{key: held}))


@pytest.mark.parametrize(
    ("key", "asked", "held", "expected"),
    [
        ("PatientID", "0010234", "0010234", True),
        ("PatientID", "0010234", "00102345", False),
        ("PatientID", "00102*", "0010234", True),
        ("PatientID", "001?234", "0010234", True),
        ("PatientID", "001?34", "0010234", False),
        ("PatientID", "*234", "0010234", True),
        ("PatientID", "a.c", "abc", False),
        ("PatientID", "", "anything", True),
        ("PatientID", "*", "anything", True),
        ("PatientName", "wang^lei", "WANG^LEI", True),
        ("PatientName", "WANG*", "WANG^LEI", True),
        ("PatientName", "WANG^LEI", "WANG^LEI^^^", True),
        ("PatientName", "WANG", "WANG^LEI", False),
        ("PatientName", "王^雷", {"Alphabetic": "WANG^LEI", "Ideographic": "王^雷"}, True),
        ("PatientName", "王*", {"Alphabetic": "WANG^LEI", "Ideographic": "王^雷"}, True),
        ("PatientName", "李*", {"Alphabetic": "WANG^LEI", "Ideographic": "王^雷"}, False),
        ("StudyDate", "20261120", "20261120", True),
        ("StudyDate", "20261101-20261130", "20261120", True),
        ("StudyDate", "20261121-", "20261120", False),
        ("StudyDate", "-20261120", "20261120", True),
        ("StudyDate", "-20261119", "20261120", False),
        ("StudyTime", "10", "101500", True),
        ("StudyTime", "1015-1016", "101659.5", True),
        ("StudyTime", "1015-1016", "101700", False),
        ("StudyInstanceUID", "1.2,1.3", "1.3", True),
        ("StudyInstanceUID", "1.2\\1.3", "1.2", True),
        ("StudyInstanceUID", "1.2", "1.23", False),
        ("InstanceNumber", "7", 7, True),
        ("InstanceNumber", "07", 7, True),
        ("InstanceNumber", "7", 70, False),
        ("ModalitiesInStudy", "CT", ["CR", "CT"], True),
        ("ModalitiesInStudy", "MR", ["CR", "CT"], False),
        ("Modality", "C?", "CT", True),
        ("AccessionNumber", "A1", [], False),
        ("AccessionNumber", "*", [], True),
    ],
)
def test_a_key_matches_as_the_standard_says(key: str, asked: str, held: Any, expected: bool) -> None:
    assert matches(key, asked, held) is expected


@pytest.mark.parametrize(("asked", "expected"), [("lei", True), ("LE WA", True), ("wei", False), ("wang l*", True)])
def test_fuzzy_matching_begins_words_of_the_name(asked: str, expected: bool) -> None:
    assert matches("PatientName", asked, "WANG^LEI", fuzzymatching="true") is expected
    assert matches("PatientName", "LEI", "WANG^LEI") is False


@pytest.mark.parametrize(
    ("pairs", "field"),
    [
        ([("Nonsense", "1")], "Nonsense"),
        ([("PixelData", "1")], "PixelData"),
        ([("SOPInstanceUID", "1.2")], "SOPInstanceUID"),
        ([("StudyDate", "2026-11-20")], "StudyDate"),
        ([("StudyDate", "20261320")], "StudyDate"),
        ([("StudyDate", "-")], "StudyDate"),
        ([("StudyDate", "2026112*")], "StudyDate"),
        ([("StudyTime", "25")], "StudyTime"),
        ([("StudyInstanceUID", "1.2*")], "StudyInstanceUID"),
        ([("StudyInstanceUID", "' or 1=1")], "StudyInstanceUID"),
        ([("limit", "-1")], "limit"),
        ([("limit", "many")], "limit"),
        ([("offset", "1.5")], "offset"),
        ([("limit", "1"), ("limit", "2")], "limit"),
        ([("fuzzymatching", "maybe")], "fuzzymatching"),
        ([("includefield", "Nonsense")], "includefield"),
        ([("PatientID", "a"), ("PatientID", "b")], "PatientID"),
        ([("PatientName", "a\x00b")], "PatientName"),
        ([("PatientName", "a" * 5000)], "PatientName"),
    ],
)
def test_what_is_no_query_is_invalid_and_named(pairs: list[tuple[str, str]], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        matching.parse("study", pairs)
    assert field in caught.value.fields


def test_keys_may_be_tags_and_fields_come_singly_or_in_lists() -> None:
    query = matching.parse(
        "study", [("00100020", "7"), ("includefield", "StudyDescription,00081030"), ("includefield", "PatientSex"), ("limit", "5")]
    )
    assert query.keys == {"PatientID": "7"}
    assert query.include == {"00081030", "00100040"}
    assert (query.limit, query.offset, query.everything) == (5, 0, False)
    assert matching.parse("study", [("includefield", "all")]).everything


def test_uids_may_be_repeated() -> None:
    assert matching.parse("study", [("StudyInstanceUID", "1.2"), ("StudyInstanceUID", "1.3")]).uids == {"StudyInstanceUID": ["1.2", "1.3"]}


def naive(held: str, asked: str) -> bool:
    """The wildcards by their definition, every way tried."""
    if not asked:
        return not held
    if asked[0] == "*":
        return any(naive(held[at:], asked[1:]) for at in range(len(held) + 1))
    return bool(held) and asked[0] in ("?", held[0]) and naive(held[1:], asked[1:])


@settings(max_examples=500, deadline=None)
@given(st.text("ab.\n", max_size=7), st.text("ab.*?", min_size=1, max_size=6))
@example("ab", "?*?")
@example("aab", "*a?")
@example("ab", "**b*")
def test_wildcards_match_as_every_way_tried_would(held: str, asked: str) -> None:
    assert matching._wild(held, asked) is naive(held, asked)


def test_many_stars_are_answered_without_trying_every_way() -> None:
    """Each star that may be taken back would multiply the ways: with 64 of them the answer never came."""
    held = "a" * 60_000
    assert not matches("StudyDescription", "*a" * 64 + "*b", held)
    assert matches("StudyDescription", "*a" * 64 + "*", held)
    assert not matches("StudyDescription", "*?a" * 64 + "*b*", held)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([*sorted(matching.KEYS["instance"]), "limit", "offset", "includefield", "x"]), st.text(max_size=20)))
)
def test_any_query_is_read_or_refused_and_matches_without_error(pairs: list[tuple[str, str]]) -> None:
    try:
        query = matching.parse("instance", pairs)
    except Invalid:
        return
    query.matches({})
    query.matches(shown(PatientName="A^B", StudyDate="20261120", StudyTime="101500", Rows=5, Modality="CT", StudyInstanceUID="1.2"))
