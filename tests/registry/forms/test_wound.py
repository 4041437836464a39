"""Wounds and the structures under them: sizes and states that agree, and what raises the urgency."""

import datetime as dt

import pytest

from core.errors import Invalid
from registry import redflags
from registry.forms.fields import Document, Raw
from registry.forms.structures import Structures
from registry.forms.wound import Wound

NOW = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
PLACE: dict[str, str | list[str]] = {"side": "right", "region": "leg"}


def read(model: type[Document], raw: Raw) -> Document:
    """The document that was typed."""
    return model.read({**PLACE, **raw}, zone="Asia/Shanghai", now=NOW)


def wrong(model: type[Document], raw: Raw) -> dict[str, str]:
    """The keys that a form is refused with."""
    with pytest.raises(Invalid) as caught:
        read(model, raw)
    return caught.value.fields


def rules(document: Document) -> list[str]:
    """The red flags of a document."""
    return [rule.code for rule in redflags.fired(document, NOW)]


def test_an_area_is_no_larger_than_length_by_width() -> None:
    assert wrong(Wound, {"length": "8", "width": "5", "area": "41"}) == {"area": "field-area-over-size"}
    assert read(Wound, {"length": "8", "width": "5", "area": "40"})
    assert read(Wound, {"length": "8", "area": "40"}), "a width nobody measured contradicts nothing"


def test_the_shares_of_the_bed_are_no_more_than_the_whole() -> None:
    assert wrong(Wound, {"granulating": "60", "slough": "30", "necrotic": "11"}) == {"necrotic": "field-over-hundred"}
    assert read(Wound, {"granulating": "60", "slough": "30", "necrotic": "10"})


def test_no_exudate_has_no_amount() -> None:
    assert wrong(Wound, {"exudate": "none", "exudate_amount": "low"}) == {"exudate_amount": "field-no-exudate"}
    assert read(Wound, {"exudate": "serous", "exudate_amount": "low"})
    assert read(Wound, {"exudate": "none", "exudate_amount": "unknown"})


@pytest.mark.parametrize("model", [Wound, Structures])
def test_a_wound_and_what_lies_under_it_need_their_place_alone(model: type[Document]) -> None:
    with pytest.raises(Invalid) as caught:
        model.read({}, zone="Asia/Shanghai", now=NOW)
    assert caught.value.fields == {"side": "field-required", "region": "field-required"}
    assert read(model, {})


@pytest.mark.parametrize(("names", "state"), [("arteries", "artery"), ("veins", "vein"), ("nerves", "nerve"), ("tendons", "tendon")])
def test_a_state_says_of_what(names: str, state: str) -> None:
    for told in ([], ["none"], ["unknown"]):
        assert wrong(Structures, {names: told, f"{state}_state": "divided"}) == {names: "field-state-of-nothing"}
    assert read(Structures, {names: ["other"], f"{state}_state": "divided"})
    assert read(Structures, {f"{state}_state": "unknown"})


def test_only_a_vessel_is_thrombosed() -> None:
    assert wrong(Structures, {"nerves": ["ulnar"], "nerve_state": "thrombosed"}) == {"nerve_state": "field-only-of-vessels"}
    assert wrong(Structures, {"tendons": ["fdp"], "tendon_state": "thrombosed"}) == {"tendon_state": "field-only-of-vessels"}
    assert read(Structures, {"arteries": ["ulnar"], "artery_state": "thrombosed"})


@pytest.mark.parametrize("exposed", ["vessel", "joint", "implant"])
def test_an_exposed_vessel_joint_or_implant_is_urgent(exposed: str) -> None:
    assert rules(read(Wound, {"exposed": [exposed]})) == ["vessel-joint-or-implant-exposed"]


def test_dirt_of_high_risk_is_urgent_and_other_dirt_is_not() -> None:
    assert rules(read(Wound, {"contamination": ["sewage"]})) == ["high-risk-contamination"]
    assert rules(read(Wound, {"contamination": ["soil_sand"], "exposed": ["bone"]})) == []


def test_no_pulse_or_a_refill_over_three_seconds_is_urgent() -> None:
    assert rules(read(Structures, {"pulse": "absent"})) == ["no-pulse-or-slow-refill"]
    assert rules(read(Structures, {"refill": "3.1"})) == ["no-pulse-or-slow-refill"]
    assert rules(read(Structures, {"refill": "3", "pulse": "weak"})) == []
    assert rules(read(Structures, {"pulse": "unknown"})) == []
