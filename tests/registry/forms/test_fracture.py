"""The fracture: its code picked or typed, the same either way; grades of soft tissue only where they belong."""

import datetime as dt

import pytest

from core.errors import Invalid
from registry import redflags
from registry.forms import fields, shown
from registry.forms.fields import Raw
from registry.forms.fracture import AT, Fracture

NOW = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
LEAST: dict[str, str | list[str]] = {"side": "left", "openness": "open"}
PICKED = {**LEAST, "segment": "42", "group": "42c3", "qualifications": ["j"], "modifiers": ["2"]}


def read(raw: Raw) -> Fracture:
    """The fracture that was typed."""
    return Fracture.read(raw, zone="Asia/Shanghai", now=NOW)


def wrong(raw: Raw) -> dict[str, str]:
    """The keys that a form is refused with."""
    with pytest.raises(Invalid) as caught:
        read(raw)
    return caught.value.fields


def code_of(fracture: Fracture) -> str:
    """The code as the read view shows it."""
    rows = [row for section in shown.view(fracture) for row in section.rows]
    return next(row.text for row in rows if row.name == "aoota_code")


def test_a_code_that_is_picked_and_one_that_is_typed_are_the_same_document() -> None:
    assert read(PICKED) == read({**LEAST, "code": "42C3(j)[2]"}) == read({**PICKED, "code": "42c3（j）【2】"})
    assert code_of(read(PICKED)) == "42C3(j)[2]"
    assert read({**LEAST, "code": "42C3(j)[2]"}).code == "", "nothing is stored twice"


def test_what_is_typed_fills_what_was_left_open_and_may_be_more_exact() -> None:
    assert code_of(read({**LEAST, "segment": "42", "group": "42c", "code": "42C3(j)"})) == "42C3(j)"
    assert code_of(read({**LEAST, "segment": "42", "modifiers": ["9"], "code": "42A1"})) == "42A1[9]"


@pytest.mark.parametrize(
    "told",
    [{"segment": "43"}, {"group": "42c2"}, {"modifiers": ["1"]}, {"qualifications": ["i"]}, {"segment": "42", "group": "42c3", "ray": "2"}],
)
def test_a_code_that_disagrees_with_what_was_picked_is_refused(told: Raw) -> None:
    assert set(wrong({**LEAST, "code": "42C3(j)[2]", **told}).values()) & {"field-aoota-disagrees", "field-aoota-place"}


def test_a_wrong_code_is_refused_where_it_was_told() -> None:
    assert wrong({**LEAST, "code": "42B1"}) == {"code": "field-aoota-group"}
    assert wrong({**LEAST, "segment": "41", "group": "42c3"}) == {"group": "field-aoota-group"}
    assert wrong({**LEAST, "segment": "42", "ray": "2"}) == {"ray": "field-aoota-place"}
    assert wrong({**LEAST, "segment": "77", "group": "77a"}) == {"ray": "field-aoota-place-needed"}
    assert wrong({**LEAST, "segment": "42", "group": "42a1", "subgroup": "1"}) == {"subgroup": "field-aoota-subgroup"}
    assert wrong({**LEAST, "segment": "42", "group": "42a1", "qualifications": ["k"]}) == {"qualifications": "field-aoota-qualification"}
    assert wrong({**LEAST, "segment": "42", "modifiers": ["1", "2"]}) == {"modifiers": "field-aoota-modifier-clash"}
    assert set(AT.values()) <= set(Fracture.model_fields)


def test_the_bone_the_side_and_open_or_closed_are_needed_and_no_more() -> None:
    assert wrong({}) == {"side": "field-required", "openness": "field-required"}
    assert wrong({**LEAST}) == {"segment": "field-required"}
    fracture = read({**LEAST, "segment": "42"})
    assert (code_of(fracture), fracture.gustilo, fracture.ofc_skin, fracture.tscherne) == ("42", *["not_assessed"] * 3)
    assert read({"side": "unknown", "openness": "unknown", "segment": "72"}).openness == "unknown"


def test_grades_of_an_open_fracture_do_not_stand_beside_closed_nor_the_reverse() -> None:
    closed = {**LEAST, "segment": "42", "openness": "closed"}
    assert wrong({**closed, "gustilo": "type_2", "ofc_skin": "skin_1"}) == dict.fromkeys(("gustilo", "ofc_skin"), "field-only-when-open")
    assert wrong({**LEAST, "segment": "42", "tscherne": "grade_1"}) == {"tscherne": "field-only-when-closed"}
    assert read({**closed, "tscherne": "grade_1"}).tscherne == "grade_1"
    # nobody has said which it is: nothing contradicts
    assert read({**closed, "openness": "unknown", "gustilo": "type_2"}).gustilo == "type_2"


def test_a_correction_starts_from_the_parts() -> None:
    raw = fields.typed(read({**LEAST, "code": "42C3(j)[2]"}))
    assert (raw["segment"], raw["group"], raw["modifiers"], raw["code"]) == ("42", "42c3", ["2"], "")
    assert code_of(read({**raw, "modifiers": []})) == "42C3(j)", "what is unticked does not come back"


@pytest.mark.parametrize(
    ("told", "urgency"),
    [
        ({"gustilo": "type_3b"}, "urgent"),
        ({"gustilo": "type_3c"}, "urgent"),
        ({"ofc_contamination": "contamination_3b"}, "urgent"),
        ({"ofc_arterial": "arterial_3", "gustilo": "type_3b"}, "emergency"),
    ],
)
def test_a_dangerous_fracture_raises_the_urgency(told: Raw, urgency: str) -> None:
    assert redflags.fired(read({**LEAST, "segment": "42", **told}), NOW)[0].urgency == urgency


def test_a_fracture_that_is_not_dangerous_raises_nothing() -> None:
    told = {"gustilo": "type_3a", "ofc_contamination": "contamination_3a", "ofc_arterial": "arterial_2"}
    assert redflags.fired(read({**LEAST, "segment": "42", **told}), NOW) == []
