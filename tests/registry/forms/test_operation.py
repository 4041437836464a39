"""The operation: its begin and what was done are needed, and it does not end before it began."""

import datetime as dt

import pytest

from core.errors import Invalid
from registry.forms.fields import Raw
from registry.forms.operation import Operation

NOW = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
LEAST: dict[str, str | list[str]] = {"began_at": "2026-11-20T14:00", "procedures": ["debridement"]}


def wrong(raw: Raw) -> dict[str, str]:
    """The keys that a form is refused with."""
    with pytest.raises(Invalid) as caught:
        Operation.read(raw, zone="Asia/Shanghai", now=NOW)
    return caught.value.fields


def test_when_it_began_and_what_was_done_are_needed_and_no_more() -> None:
    assert wrong({}) == {"began_at": "field-required", "procedures": "field-required"}
    operation = Operation.read(LEAST, zone="Asia/Shanghai", now=NOW)
    assert (operation.ended_at, operation.anaesthesia, operation.surgeon_role) == (None, [], "not_assessed")


def test_it_does_not_end_before_it_began_nor_in_the_future() -> None:
    assert wrong({**LEAST, "ended_at": "2026-11-20T13:59"}) == {"ended_at": "field-before-operation"}
    assert wrong({**LEAST, "ended_at": "2026-11-20T18:00"}) == {"ended_at": "field-in-the-future"}
    assert Operation.read({**LEAST, "ended_at": "2026-11-20T14:00"}, zone="Asia/Shanghai", now=NOW)
    assert Operation.read({**LEAST, "ended_at.precision": "unknown"}, zone="Asia/Shanghai", now=NOW)
