"""The Mangled Extremity Severity Score: its table, the doubling over six hours, and the warning it never goes without."""

import datetime as dt
import itertools

import pytest

from registry.forms import shown
from registry.forms.mess import Mess, score
from registry.valuesets import value_set
from registry.web.translations import has

NOW = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
TISSUE = {"low": 1, "medium": 2, "high": 3, "very_high": 4}
ISCHAEMIA = {"none": 0, "reduced": 1, "pulseless": 2, "cool": 3}
SHOCK = {"stable": 0, "transient": 1, "persistent": 2}
AGE = {"under_30": 0, "from_30_to_50": 1, "over_50": 2}


def test_the_total_is_that_of_the_published_table() -> None:
    for tissue, ischaemia, shock, age in itertools.product(TISSUE, ISCHAEMIA, SHOCK, AGE):
        rest = TISSUE[tissue] + SHOCK[shock] + AGE[age]
        assert score(tissue, ischaemia, "no", shock, age) == rest + ISCHAEMIA[ischaemia]
        assert score(tissue, ischaemia, "yes", shock, age) == rest + 2 * ISCHAEMIA[ischaemia]
    assert score("low", "none", "no", "stable", "under_30") == 1
    assert score("very_high", "cool", "yes", "persistent", "over_50") == 14


@pytest.mark.parametrize("open_", range(5))
def test_there_is_no_total_while_a_component_is_open(open_: int) -> None:
    told = ["high", "cool", "yes", "stable", "over_50"]
    told[open_] = "not_assessed"
    assert score(*told) is None


def test_how_long_counts_only_where_there_was_ischaemia() -> None:
    assert score("high", "none", "not_assessed", "stable", "over_50") == 5
    assert score("high", "reduced", "unknown", "stable", "over_50") is None


def test_a_total_never_stands_without_its_warning() -> None:
    raw = {
        "side": "left",
        "limb": "lower",
        "tissue": "high",
        "ischaemia": "cool",
        "over_six_hours": "yes",
        "shock": "stable",
        "age": "over_50",
    }
    document = Mess.read(raw, zone="Asia/Shanghai", now=NOW)
    (total,) = [row for section in shown.view(document) for row in section.rows if row.reckoned]
    assert (total.number, total.warning) == (11, "form-mess-total-warning")
    assert all(has(language, "form-mess-total-warning") for language in ("zh", "en"))
    unfinished = Mess.read({**raw, "age": "not_assessed"}, zone="Asia/Shanghai", now=NOW)
    assert not [row for section in shown.view(unfinished) for row in section.rows if row.reckoned]


def test_the_points_are_confirmed_by_their_source() -> None:
    for name in ("tissue", "ischaemia", "shock", "age"):
        assert all(option.confirmed for option in value_set(f"mess_{name}").options if option.code != "not_assessed")
