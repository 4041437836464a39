"""The complication: what its signs add up to and never more, and which of them raise the urgency until they are over."""

import datetime as dt

import pytest

from core.errors import Invalid
from registry import redflags, valuesets
from registry.forms import shown
from registry.forms.complication import Complication, fri
from registry.forms.fields import Raw

NOW = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
LEAST: dict[str, str | list[str]] = {"kind": "fri", "found_at": "2026-11-20T14:00"}
EMERGENCIES = {
    "arterial_thrombosis": "vascular-crisis",
    "venous_congestion": "vascular-crisis",
    "compartment": "compartment-syndrome",
    "infection_necrotising": "necrotising-infection",
    "reperfusion_kidney": "reperfusion-or-crush",
    "reperfusion_potassium": "reperfusion-or-crush",
    "reperfusion_acidosis": "reperfusion-or-crush",
    "crush_syndrome": "reperfusion-or-crush",
}


def read(raw: Raw) -> Complication:
    """What was typed beside the least."""
    return Complication.read({**LEAST, **raw}, zone="Asia/Shanghai", now=NOW)


def wrong(raw: Raw) -> dict[str, str]:
    """The keys that a form is refused with."""
    with pytest.raises(Invalid) as caught:
        read(raw)
    return caught.value.fields


def test_which_it_is_and_when_it_was_found_are_needed_and_no_more() -> None:
    assert wrong({"kind": "", "found_at": ""}) == {"kind": "field-required", "found_at": "field-required"}
    assert wrong({"found_at": "2026-11-20T18:00"}) == {"found_at": "field-in-the-future"}
    assert read({}).unit == ""


@pytest.mark.parametrize(
    ("confirmatory", "suggestive", "code"),
    [
        (["pus"], [], "confirmatory"),
        (["cultures"], ["fever", "markers"], "confirmatory"),
        (["histology_cells"], ["none"], "confirmatory"),
        ([], ["drainage"], "suggestive"),
        (["none"], ["culture"], "suggestive"),
        (["none"], ["none"], "none"),
        (["none"], [], None),
        ([], ["none"], None),
        ([], [], None),
        (["unknown"], ["unknown"], None),
        (["not_assessed"], ["none"], None),
    ],
)
def test_the_signs_add_up_as_the_consensus_says(confirmatory: list[str], suggestive: list[str], code: str | None) -> None:
    assert fri(confirmatory, suggestive) == code
    found = read({"confirmatory": confirmatory, "suggestive": suggestive}).reckoned()
    assert [item.option.code for item in found if item.option] == ([code] if code else [])


@pytest.mark.parametrize("code", sorted(valuesets.value_set("fri_confirmatory").codes - {"none", "unknown", "not_assessed"}))
def test_any_one_confirmatory_sign_is_enough(code: str) -> None:
    assert fri([code], []) == "confirmatory"


@pytest.mark.parametrize("code", sorted(valuesets.value_set("fri_suggestive").codes - {"none", "unknown", "not_assessed"}))
def test_no_suggestive_sign_confirms(code: str) -> None:
    assert fri([], [code]) == "suggestive"


def test_what_the_signs_add_up_to_never_stands_without_its_warning() -> None:
    rows = [row for section in shown.view(read({"confirmatory": ["pus"]})) for row in section.rows if row.reckoned]
    assert [(row.name, row.warning, row.codes[0].code) for row in rows] == [
        ("criteria", "form-complication-criteria-warning", "confirmatory")
    ]
    assert "diagnos" not in " ".join(option.en.lower() for option in valuesets.value_set("fri_criteria").options)


def test_grade_v_is_death_and_death_is_grade_v() -> None:
    assert wrong({"kind": "haematoma", "grade": "grade_5"}) == {"grade": "field-grade-of-death"}
    assert wrong({"kind": "death", "grade": "grade_4b"}) == {"grade": "field-grade-of-death"}
    assert read({"kind": "death", "grade": "grade_5"})
    assert read({"kind": "death"})
    assert read({"kind": "haematoma", "grade": "grade_3b"})


def test_nothing_is_told_of_what_there_was_not() -> None:
    assert wrong({"lost": "20"}) == {"lost": "field-only-of-necrosis"}
    assert read({"kind": "partial_necrosis", "lost": "20"})
    assert wrong({"reoperation": "none", "reoperated_at": "2026-11-20T15:00"}) == {"reoperated_at": "field-no-reoperation"}
    assert wrong({"amputation": "none", "amputation_level": "wrist"}) == {"amputation": "field-amputation-told"}
    assert wrong({"amputation": "none", "amputation_reason": "clotted again"}) == {"amputation": "field-amputation-told"}
    assert wrong({"kind": "amputation", "amputation": "none"}) == {"amputation": "field-amputation-told"}
    assert read({"amputation": "late", "amputation_level": "wrist"})


@pytest.mark.parametrize("kind", sorted(valuesets.value_set("complication").codes - {"not_assessed"}))
def test_what_is_dangerous_raises_the_urgency_until_it_is_over_and_nothing_else_does(kind: str) -> None:
    expected = [(EMERGENCIES[kind], "emergency")] if kind in EMERGENCIES else [("septic-joint", "urgent")] if kind == "septic_joint" else []
    for state in ("ongoing", "unknown", "not_assessed"):
        assert [(rule.code, rule.urgency) for rule in redflags.fired(read({"kind": kind, "state": state}), NOW)] == expected, state
    for state in ("resolved", "permanent"):
        assert redflags.fired(read({"kind": kind, "state": state}), NOW) == []


def test_every_flag_of_a_kind_is_that_of_a_rule() -> None:
    flags = {option.extra["flag"] for option in valuesets.value_set("complication").options if "flag" in option.extra}
    assert flags == {*EMERGENCIES.values(), "septic-joint"}
    assert flags <= {rule.code for rule in redflags.RULES}
