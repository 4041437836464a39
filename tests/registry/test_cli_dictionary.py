"""``shanhai dictionary``: every field and every code of the record, in both languages, with source and licence."""

import csv
import io

import pytest
from typer.testing import CliRunner

from registry import valuesets
from registry.cli import app
from registry.entries import TYPES


def printed(*options: str) -> list[dict[str, str]]:
    """What the command prints, row by row."""
    done = CliRunner().invoke(app, ["dictionary", *options])
    assert done.exit_code == 0
    return list(csv.DictReader(io.StringIO(done.stdout)))


def test_every_field_of_every_entry_stands_there_once_with_its_labels() -> None:
    rows = printed()
    assert [(row["entry"], row["field"]) for row in rows] == [
        (kind, name) for kind, (model, _) in TYPES.items() for name in model.model_fields
    ]
    for row in rows:
        assert row["label_zh"]
        assert row["label_en"]
        assert not row["label_en"].startswith("form-")
        assert row["schema"] == f"{row['entry']}/1"
    (shortening,) = [row for row in rows if (row["entry"], row["field"]) == ("replant", "shortening")]
    told = {name: shortening[name] for name in ("label_zh", "unit", "least", "most", "required", "many", "value_set")}
    assert told == {"label_zh": "骨短缩", "unit": "mm", "least": "0", "most": "300", "required": "no", "many": "no", "value_set": ""}


def test_every_code_that_a_field_can_hold_stands_there_with_source_licence_and_whether_it_is_confirmed() -> None:
    rows = printed("--codes")
    for model, _ in TYPES.values():
        for name, note in model.declared().items():
            if note.options:
                here = [row["code"] for row in rows if row["value_set"] == (note.values or "yes_no")]
                assert here == [option.code for option in note.options], name
    assert all(row[column] for row in rows for column in row)
    confirmed = {(row["value_set"], row["code"]) for row in rows if row["confirmed"] == "yes"}
    assert ("flap", "alt") in confirmed
    assert ("flap", "dmca") not in confirmed
    aoota = next(row for row in rows if row["value_set"] == "aoota.segment")
    assert aoota["licence"] == valuesets.value_set("aoota.segment").licence


@pytest.mark.parametrize("options", [(), ("--codes",)])
def test_a_comma_in_a_label_stays_in_its_cell(options: tuple[str, ...]) -> None:
    assert all(None not in row and None not in row.values() for row in printed(*options))
