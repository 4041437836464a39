"""The transfer: where it leads is needed, its times follow each other, and its number can be called."""

import datetime as dt

import pytest

from core.errors import Invalid
from registry import redflags
from registry.forms import shown
from registry.forms.fields import Raw
from registry.forms.shown import Kind
from registry.forms.transfer import Transfer

NOW = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)


def read(raw: Raw) -> Transfer:
    """What was typed beside the least."""
    return Transfer.read({"destination": "Seaview Hospital", **raw}, zone="Asia/Shanghai", now=NOW)


def wrong(raw: Raw) -> dict[str, str]:
    """The keys that a form is refused with."""
    with pytest.raises(Invalid) as caught:
        read(raw)
    return caught.value.fields


def test_where_it_leads_is_needed_and_no_more() -> None:
    assert wrong({"destination": " "}) == {"destination": "field-required"}
    assert read({}).goes_with == []


def test_nobody_arrives_before_they_left_or_in_the_future_but_a_departure_may_be_planned() -> None:
    assert wrong({"departed_at": "2026-11-20T14:00", "arrived_at": "2026-11-20T13:59"}) == {"arrived_at": "field-before-departure"}
    assert wrong({"arrived_at": "2026-11-20T18:00"}) == {"arrived_at": "field-in-the-future"}
    assert read({"departed_at": "2026-11-20T18:00"}).arrived_at is None
    assert read({"departed_at": "2026-11-20T14:00", "arrived_at.precision": "unknown"})


@pytest.mark.parametrize("phone", ["0576-5550101", "+86 576 5550101", "(0576) 5550101", "0576-5550101 转 801", "0576-5550101 ext 801"])
def test_a_telephone_number_is_taken_as_people_write_it(phone: str) -> None:
    rows = {row.name: row for section in shown.view(read({"phone": phone})) for row in section.rows}
    assert (rows["phone"].kind, rows["phone"].text) == (Kind.PHONE, phone)


@pytest.mark.parametrize("phone", ["the ward", "12", "javascript:1", "0576-5550101; rm", "1" * 60])
def test_what_cannot_be_called_is_refused(phone: str) -> None:
    assert wrong({"phone": phone}) == {"phone": "field-not-a-telephone"}


def test_nobody_is_stable_and_in_shock_at_once() -> None:
    assert wrong({"condition": ["stable", "shock"]}) == {"condition": "field-not-stable"}
    assert read({"condition": ["stable", "pain"]})


def test_whoever_leaves_in_shock_is_an_emergency() -> None:
    assert [(rule.code, rule.urgency) for rule in redflags.fired(read({"condition": ["shock"]}), NOW)] == [("left-in-shock", "emergency")]
    assert redflags.fired(read({"condition": ["stable"]}), NOW) == []


def test_its_words_are_looked_through_for_the_patient() -> None:
    told = read({"origin": "Aral", "receiver": "Dr Shen", "phone": "0576-5550101", "note": "by night"})
    assert set(told.free_texts()) == {"origin", "destination", "receiver", "phone", "note"}
