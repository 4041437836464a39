"""The replanted unit: it names its part, no more than was joined, and raises the urgency where blood does not flow."""

import datetime as dt
from uuid import UUID

import pytest

from core.errors import Invalid
from registry import redflags, valuesets
from registry.forms import shown
from registry.forms.amputation import Amputation
from registry.forms.fields import Raw
from registry.forms.replant import Replant

NOW = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
UNIT = "019370d4-0000-7000-8000-000000000001"
PART = Amputation(part="index", side="left", level="digit")


def read(raw: Raw) -> Replant:
    """What was typed beside the least."""
    return Replant.read({"unit": UNIT, "state": "unknown", **raw}, zone="Asia/Shanghai", now=NOW)


def wrong(raw: Raw) -> dict[str, str]:
    """The keys that a form is refused with."""
    with pytest.raises(Invalid) as caught:
        read(raw)
    return caught.value.fields


def test_the_part_and_how_it_was_perfused_are_needed_and_no_more() -> None:
    replant = read({})
    assert (replant.unit, replant.reflow_at, replant.state, replant.arteries) == (UNIT, None, "unknown", [])
    assert wrong({"unit": "", "state": ""}) == {"unit": "field-required", "state": "field-required"}
    assert wrong({"unit": "the index"}) == {"unit": "field-unit-unknown"}
    assert read({"unit": UUID(UNIT).hex}).unit == UNIT, "however the id is written, it is the same part"


def test_reflow_carries_its_zone_and_how_sure_it_is_and_does_not_lie_in_the_future() -> None:
    told = read({"reflow_at": "2026-11-20T14:10", "reflow_at.zone": "Asia/Urumqi", "reflow_at.precision": "within_30_min"}).reflow_at
    assert told is not None
    assert (told.at, told.precision, told.zone) == (dt.datetime(2026, 11, 20, 8, 10, tzinfo=dt.UTC), "within_30_min", "Asia/Urumqi")
    assert wrong({"reflow_at": "2026-11-20T18:00"}) == {"reflow_at": "field-in-the-future"}


def test_no_more_are_named_than_were_joined() -> None:
    assert wrong({"arteries_count": "1", "arteries": ["radial", "ulnar"]}) == {"arteries": "field-more-named"}
    assert wrong({"nerves_count": "0", "nerves": ["median"]}) == {"nerves": "field-more-named"}
    assert read({"arteries_count": "2", "arteries": ["proper_digital"]}), "two may bear the same name"
    assert read({"arteries_count": "0", "arteries": ["none"]})
    assert read({"arteries": ["radial", "ulnar"]})


def test_a_graft_that_was_not_taken_has_no_length_and_no_donor() -> None:
    told = {"graft_donor": "forearm", "graft_length": "3.5"}
    assert wrong({"graft": "no", **told}) == {"graft_donor": "field-no-graft", "graft_length": "field-no-graft"}
    assert read({"graft": "yes", **told})
    assert read({"graft": "not_assessed", **told})


@pytest.mark.parametrize("state", sorted(valuesets.value_set("perfusion").codes - {"not_assessed"}))
def test_ill_perfusion_is_an_emergency_and_nothing_else_is(state: str) -> None:
    fired = [(rule.code, rule.urgency) for rule in redflags.fired(read({"state": state}), NOW)]
    ill = state in {"pale", "congested", "none"}
    assert fired == ([("replant-or-flap-ill-perfused", "emergency")] if ill else [])


def test_the_form_offers_the_parts_of_the_case_and_chooses_the_only_one() -> None:
    one, other = PART.named(UNIT), PART.model_copy(update={"part": "hand", "level": "wrist"}).named("b")
    assert (one.zh, one.en) == ("示指 · 左", "Index finger · Left")
    assert other.en == "Hand · Left · Wrist"
    alone = shown.describe(Replant, units=[one]).field("unit")
    assert (alone.options, alone.value) == ((one,), UNIT)
    assert shown.describe(Replant, units=[one, other]).field("unit").value == ""


def test_the_read_view_names_the_part_and_not_its_id() -> None:
    rows = {row.name: row for section in shown.view(read({}), units=[PART.named(UNIT)]) for row in section.rows}
    assert [option.label("en") for option in rows["unit"].codes] == ["Index finger · Left"]
