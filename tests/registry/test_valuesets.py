"""The value sets: whole, labelled in both languages, and used rightly by the fields that name them."""

import re
from importlib.resources import files

import pytest

from registry import valuesets
from registry.entries import TYPES
from registry.forms.opinion import AddendumText, OpinionText

MODELS = [*(model for model, _ in TYPES.values()), OpinionText, AddendumText]


@pytest.mark.parametrize("name", valuesets.names())
def test_a_value_set_is_whole(name: str) -> None:
    found = valuesets.value_set(name)
    assert found.name == name
    assert all((found.zh, found.en, found.source, found.licence))
    codes = [option.code for option in found.options]
    assert len(codes) == len(set(codes))
    for option in found.options:
        assert re.fullmatch(r"[a-z0-9_]{1,64}", option.code)
        assert option.zh.strip()
        assert option.en.strip()
        assert option.zh != option.en
        assert isinstance(option.confirmed, bool)


def test_unknown_and_not_assessed_are_answers_of_their_own() -> None:
    yes_no = valuesets.value_set("yes_no")
    assert [option.code for option in yes_no.options] == ["yes", "no", "unknown", "not_assessed"]
    assert len({yes_no.label(code, "en") for code in yes_no.codes}) == 4


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.TYPE)
def test_every_field_names_a_set_that_exists_and_defaults_to_an_answer_of_it(model: type) -> None:
    for name, note in model.declared().items():
        default = model.model_fields[name].default
        if note.widget in {"choice", "choices"}:
            assert note.values in valuesets.names(), name
        if note.widget in {"choice", "yes_no"} and default:
            assert default in {option.code for option in note.options}, name
            assert default in {"unknown", "not_assessed"}, "a default must not claim anything"


def test_only_the_right_ways_of_cooling_count_as_cold() -> None:
    storage = valuesets.value_set("storage")
    assert {option.extra["counted"] for option in storage.options} == {"warm", "cold"}
    assert {o.code for o in storage.options if o.extra["counted"] == "cold"} == {"sealed_on_ice", "dry_iced", "fridge"}


def test_a_severed_or_devascularised_part_starts_as_an_emergency() -> None:
    kinds = valuesets.value_set("case_kind")
    assert {option.extra["starts"] for option in kinds.options} <= {"emergency", "urgent", "routine"}
    assert kinds.option("amputation").extra["starts"] == kinds.option("devascularised").extra["starts"] == "emergency"


def test_an_unknown_set_or_code_is_a_key_error_and_an_old_code_reads_as_itself() -> None:
    with pytest.raises(KeyError):
        valuesets.value_set("../secrets")
    with pytest.raises(KeyError):
        valuesets.value_set("side").option("up")
    assert valuesets.label("side", "ambidextrous", "zh") == "ambidextrous"
    assert valuesets.label("side", "left", "zh") == "左"
    assert valuesets.label("side", "left", "ug") == "Left"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_labels_frozen_into_an_opinion_are_those_its_form_shows(language: str) -> None:
    shown = dict(
        line.split(" = ", 1)
        for line in (files("registry") / "locale" / language / "forms.ftl").read_text(encoding="utf-8").splitlines()
        if " = " in line
    )
    frozen = valuesets.value_set("opinion_section")
    for model in (OpinionText, AddendumText):
        for name in model.model_fields:
            assert shown[f"form-{model.TYPE}-{name}"] == frozen.label(name, language)
