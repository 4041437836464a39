"""The flap: its kind and how it was moved are needed, and what was joined agrees with it."""

import datetime as dt

import pytest

from core.errors import Invalid
from registry import redflags, valuesets
from registry.forms.fields import Raw
from registry.forms.flap import Flap

NOW = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
LEAST: dict[str, str | list[str]] = {"flap": "alt", "transfer": ["free"]}


def read(raw: Raw) -> Flap:
    """What was typed beside the least."""
    return Flap.read({**LEAST, **raw}, zone="Asia/Shanghai", now=NOW)


def wrong(raw: Raw) -> dict[str, str]:
    """The keys that a form is refused with."""
    with pytest.raises(Invalid) as caught:
        read(raw)
    return caught.value.fields


def test_which_flap_and_how_it_was_moved_are_needed_and_no_more() -> None:
    assert wrong({"flap": "", "transfer": []}) == {"flap": "field-required", "transfer": "field-required"}
    flap = read({})
    assert (flap.operated_on, flap.state, flap.arteries, flap.donor_side) == (None, "not_assessed", [], "")
    assert wrong({"operated_on": "2026-11-21"}) == {"operated_on": "field-in-the-future"}


def test_one_flap_is_not_free_and_pedicled_at_once() -> None:
    assert wrong({"transfer": ["free", "pedicled"]}) == {"transfer": "field-free-and-pedicled"}
    assert read({"transfer": ["free", "chimeric", "sensate"]})
    assert read({"transfer": ["pedicled", "supercharged"], "arteries": ["radial"]})


@pytest.mark.parametrize(
    "told",
    [
        {"arteries": ["radial"]},
        {"veins": ["cephalic"]},
        {"artery_anastomosis": "end_to_side"},
        {"vein_anastomosis": "coupler"},
        {"coupler": "2.5"},
        {"ischaemia": "64"},
    ],
    ids=lambda told: next(iter(told)),
)
@pytest.mark.parametrize("transfer", ["pedicled", "local", "propeller", "reverse_island", "staged"])
def test_nothing_is_joined_in_a_flap_that_was_merely_turned(transfer: str, told: dict[str, str | list[str]]) -> None:
    assert wrong({"transfer": [transfer], **told}) == {"transfer": "field-flap-not-joined"}
    assert read(told)


def test_nothing_said_of_an_anastomosis_is_no_anastomosis() -> None:
    assert read({"transfer": ["pedicled"], "arteries": ["none"], "veins": ["unknown"], "vein_anastomosis": "unknown"})


def test_no_coupler_where_veins_were_sewn_and_no_vein_beside_none() -> None:
    assert wrong({"vein_anastomosis": "sewn", "coupler": "2.5"}) == {"coupler": "field-no-coupler"}
    assert wrong({"veins_count": "0", "veins": ["cephalic"]}) == {"veins": "field-more-named"}
    assert wrong({"revised": "no", "revised_words": "clot at the artery"}) == {"revised_words": "field-not-revised"}
    assert read({"vein_anastomosis": "coupler", "coupler": "2.5", "veins_count": "1", "veins": ["cephalic"]})


@pytest.mark.parametrize(("state", "fires"), [("good", False), ("pale", True), ("congested", True), ("none", True), ("unknown", False)])
def test_an_ill_perfused_flap_is_an_emergency(state: str, fires: bool) -> None:
    assert [rule.code for rule in redflags.fired(read({"state": state}), NOW)] == ["replant-or-flap-ill-perfused"] * fires


def test_the_list_of_flaps_is_long_and_says_what_no_clinician_has_confirmed() -> None:
    flaps = valuesets.value_set("flap")
    assert len(flaps.options) > 50
    assert {"alt", "msap", "tdap", "gracilis", "latissimus_dorsi", "scip"} <= {o.code for o in flaps.options if o.confirmed}
    assert not flaps.option("dmca").confirmed
