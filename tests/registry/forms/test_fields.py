"""Fields: what was typed becomes a document or a code per field, and a document can be typed again."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from core.errors import Invalid
from registry.entries import TYPES
from registry.forms import fields, shown
from registry.forms.amputation import Amputation
from registry.forms.fields import Document, Moment
from registry.forms.followup import FollowUp
from registry.forms.injury import Injury
from registry.forms.opinion import AddendumText, JointText, OpinionText
from registry.forms.shown import Kind, describe
from registry.valuesets import Option

NOW = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
MODELS = [*(model for model, _ in TYPES.values()), OpinionText, JointText, AddendumText]
LEAST = {"injured_at": "2026-11-20T14:32", "mechanism": "crush"}


def wrong(model: type[Document], raw: dict[str, str | list[str]], zone: str = "Asia/Shanghai") -> dict[str, str]:
    """The codes that a raw form gets."""
    with pytest.raises(Invalid) as caught:
        fields.parse(model, raw, zone=zone, now=NOW)
    assert caught.value.code == "form-invalid"
    return caught.value.fields


def test_an_injury_needs_its_time_and_mechanism_alone_and_claims_nothing_else() -> None:
    injury = Injury.read(LEAST, zone="Asia/Shanghai", now=NOW)
    assert injury.injured_at == Moment(at=dt.datetime(2026, 11, 20, 6, 32, tzinfo=dt.UTC), precision="exact", zone="Asia/Shanghai")
    assert (injury.work_related, injury.smoking, injury.contamination) == ("not_assessed", "not_assessed", [])
    assert wrong(Injury, {}) == {"injured_at": "field-required", "mechanism": "field-required"}
    assert wrong(Injury, {**LEAST, "mechanism": "not_assessed"}) == {"mechanism": "field-required"}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ({"injured_at": "2026-11-20T17:10"}, "field-in-the-future"),
        ({"injured_at": "2026-11-20T09:10+00:00"}, "field-in-the-future"),
        ({"injured_at": "half past two"}, "field-not-a-time"),
        ({"injured_at": "0026-11-20T14:32"}, "field-not-a-time"),
        ({"injured_at": "0001-01-01T00:00+14:00"}, "field-not-a-time"),
        ({"injured_at": "2026-11-20T14:32", "injured_at.zone": "Mars/Olympus"}, "field-zone-unknown"),
        ({"injured_at": "2026-11-20T14:32", "injured_at.zone": "../etc/passwd"}, "field-zone-unknown"),
        ({"injured_at": "2026-11-20T14:32", "injured_at.precision": "perfect"}, "field-code-unknown"),
        ({"injured_at": ""}, "field-required"),
        ({"mechanism": "magic"}, "field-code-unknown"),
        ({"contamination": ["soil_sand", "magic"]}, "field-code-unknown"),
        ({"contamination": ["soil_sand", "not_assessed"]}, "field-none-with-others"),
        ({"work_related": "maybe"}, "field-code-unknown"),
        ({"heart_rate": "fast"}, "field-not-a-number"),
        ({"heart_rate": "1e400"}, "field-not-a-number"),
        ({"heart_rate": "nan"}, "field-not-a-number"),
        ({"heart_rate": "70.5"}, "field-not-a-number"),
        ({"heart_rate": "301"}, "field-out-of-range"),
        ({"coma_scale": "2"}, "field-out-of-range"),
        ({"allergy": "a" * 201}, "field-too-long"),
        ({"note": "a" * 4001}, "field-too-long"),
        ({"note": "a\x00b"}, "field-control-character"),
    ],
)
def test_what_is_wrong_with_a_field_has_a_code(raw: dict[str, str | list[str]], code: str) -> None:
    (name,) = {key.split(".")[0] for key in raw}
    assert wrong(Injury, {**LEAST, **raw}) == {name: code}


def test_all_that_is_wrong_is_said_at_once() -> None:
    found = wrong(Injury, {"injured_at": "2027-01-01T00:00", "heart_rate": "x", "mechanism": "crush"})
    assert found == {"injured_at": "field-in-the-future", "heart_rate": "field-not-a-number"}


def test_a_clock_two_minutes_fast_is_forgiven_and_three_are_not() -> None:
    assert Injury.read({**LEAST, "injured_at": "2026-11-20T17:02"}, zone="Asia/Shanghai", now=NOW).injured_at
    assert wrong(Injury, {**LEAST, "injured_at": "2026-11-20T17:03"}) == {"injured_at": "field-in-the-future"}


def test_an_unknown_time_is_an_answer() -> None:
    injury = Injury.read({"injured_at.precision": "unknown", "mechanism": "crush"}, zone="Asia/Urumqi", now=NOW)
    assert injury.injured_at == Moment(at=None, precision="unknown", zone="Asia/Urumqi")


def test_a_time_that_never_came_is_refused_and_one_that_came_twice_is_the_earlier() -> None:
    assert wrong(Injury, {**LEAST, "injured_at": "2026-03-29T02:30"}, "Europe/Berlin") == {"injured_at": "field-time-does-not-exist"}
    twice = Injury.read({**LEAST, "injured_at": "2026-10-25T02:30"}, zone="Europe/Berlin", now=NOW)
    assert twice.injured_at is not None
    assert twice.injured_at.at == dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC)


def test_names_that_are_not_declared_are_dropped_and_cannot_reach_the_row() -> None:
    raw = {**LEAST, "organisation_id": "x", "author_id": "y", "TYPE": "opinion", "__class__": "z"}
    assert Injury.read(raw, zone="Asia/Shanghai", now=NOW) == Injury.read(LEAST, zone="Asia/Shanghai", now=NOW)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.TYPE)
def test_a_form_asks_every_field_once_under_its_label(model: type[Document]) -> None:
    form = shown.describe(model, units=[Option("a", "示指", "Index finger")])
    assert form.schema_id == f"{model.TYPE}/1"
    assert sorted(item.name for item in form.fields()) == sorted(model.model_fields)
    assert len({section.name for section in form.sections}) == len(form.sections)
    for item in form.fields():
        assert item.label == f"form-{model.TYPE}-{item.name.replace('_', '-')}"
    asked = {item.name for item in form.quick().fields()}
    assert asked >= {name for name, note in model.declared().items() if note.required}


def test_a_form_gives_back_what_was_typed_even_when_it_is_wrong() -> None:
    raw = {"injured_at": "yesterday", "injured_at.zone": "Asia/Urumqi", "contamination": ["soil_sand", "surface"], "note": "伤口"}
    form = shown.describe(Injury, raw, errors={"injured_at": "field-not-a-time"})
    moment = form.field("injured_at")
    assert (moment.value, moment.zone, moment.error) == ("yesterday", "Asia/Urumqi", "field-not-a-time")
    assert form.field("contamination").raw == ("soil_sand", "surface")
    assert form.field("note").value == "伤口"
    assert form.field("smoking").value == "not_assessed"
    with pytest.raises(KeyError):
        form.field("organisation_id")


def test_the_read_view_leaves_out_what_was_not_assessed_and_keeps_no_and_unknown() -> None:
    raw = {**LEAST, "work_related": "no", "tetanus": "unknown", "heart_rate": "88", "note": "line\nline"}
    rows = {row.name: row for section in shown.view(Injury.read(raw, zone="Asia/Shanghai", now=NOW)) for row in section.rows}
    assert [option.code for option in rows["work_related"].codes] == ["no"]
    assert [option.label("zh") for option in rows["tetanus"].codes] == ["不详"]
    assert (rows["heart_rate"].kind, rows["heart_rate"].number, rows["heart_rate"].unit) == (Kind.NUMBER, 88, "/min")
    assert rows["note"].text == "line\nline"
    assert "smoking" not in rows
    everything = shown.view(Injury.read(raw, zone="Asia/Shanghai", now=NOW), all_fields=True)
    assert "smoking" in {row.name for section in everything for row in section.rows}


def test_a_stored_document_with_a_code_that_has_gone_is_still_shown() -> None:
    injury = Injury.model_validate({"mechanism": "sabre"})
    (section,) = [section for section in shown.view(injury) if section.name == "how"]
    assert section.rows[0].codes[0].label("en") == "sabre"


def test_free_texts_are_the_writers_words_alone() -> None:
    injury = Injury.read({**LEAST, "note": "pale", "allergy": "penicillin"}, zone="Asia/Shanghai", now=NOW)
    assert injury.free_texts() == {"allergy": "penicillin", "note": "pale"}


def _raws(model: type[Document]) -> st.SearchStrategy[dict[str, str | list[str]]]:
    """Forms that may be typed: any subset of fields, each with something that its widget can produce."""
    made: dict[str, st.SearchStrategy[object]] = {}
    words = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=40)
    past = st.datetimes(dt.datetime.fromisoformat("2020-01-01"), dt.datetime.fromisoformat("2026-11-19"))
    for name, note in model.declared().items():
        codes = [option.code for option in note.options]
        match note.widget:
            case "moment":
                made[name] = past.map(lambda moment: moment.isoformat(timespec="minutes"))
                made[f"{name}.zone"] = st.sampled_from([*fields.ZONES, "Europe/Berlin", "America/New_York"])
                made[f"{name}.precision"] = st.sampled_from(["exact", "within_30_min", "estimated", "unknown"])
            case "date":
                made[name] = past.map(lambda moment: moment.date().isoformat())
            case "choice" | "yes_no":
                made[name] = st.sampled_from([code for code in codes if code != "not_assessed"])
            case "choices":
                made[name] = st.lists(st.sampled_from(codes), unique=True, max_size=4)
            case "unit":
                made[name] = st.uuids().map(str)
            case "phone":
                made[name] = st.from_regex(fields.PHONE, fullmatch=True).map(str.strip)
            case "pictures":
                made[name] = st.lists(st.uuids().map(str), unique=True, max_size=3)
            case "integer" | "decimal":
                made[name] = st.integers(int(note.least or 0), int(note.most or 100)).map(str)
            case _:
                made[name] = words.filter(str.strip)
    needed = {name for name, note in model.declared().items() if note.required}
    asked = {name: made.pop(name) for name in needed}
    return st.fixed_dictionaries(asked, optional=made)  # type: ignore[arg-type]


def _consistent(model: type[Document], raw: dict[str, str | list[str]]) -> Document:
    """The document of a form without what contradicts something else in it, and with what that something needs."""
    while True:
        try:
            return fields.parse(model, raw, zone="Asia/Shanghai", now=NOW)
        except Invalid as error:
            needed = {name for name, code in error.fields.items() if code == "field-required"}
            kept = {name: told for name, told in raw.items() if name.partition(".")[0] not in error.fields}
            again = kept | {name: model.declared()[name].options[0].code for name in needed if model.declared()[name].options}
            if again == raw or len(again) > len(raw) + 1:
                reject()
            raw = again


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.TYPE)
def test_a_document_typed_again_is_the_same_document(model: type[Document]) -> None:
    @given(raw=_raws(model))
    def check(raw: dict[str, str | list[str]]) -> None:
        document = _consistent(model, raw)
        again = fields.parse(model, fields.typed(document), zone="America/New_York", now=NOW)
        assert again == document
        assert model.model_validate_json(document.model_dump_json()) == document

    check()


@given(
    wall=st.datetimes(dt.datetime.fromisoformat("2000-01-01"), dt.datetime.fromisoformat("2035-01-01")),
    zone=st.sampled_from(["Asia/Shanghai", "Asia/Urumqi", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
)
def test_the_wall_clock_comes_back_from_its_instant(wall: dt.datetime, zone: str) -> None:
    where = ZoneInfo(zone)
    try:
        at = fields.instant(wall, where)
    except ValueError:
        return
    assert at.astimezone(where).replace(tzinfo=None, fold=0) == wall
    assert at.astimezone(where).fold == 0, "of two such times it is the earlier"


@pytest.mark.parametrize(
    ("told", "zone", "shown"),
    [
        ("2026-11-20T14:32", "Asia/Shanghai", "2026-11-20T14:32"),
        ("2026-11-20T14:32:59.123456+08:00", "Asia/Shanghai", "2026-11-20T14:32"),
        ("2026-11-20T14:32:59+08:00", "Asia/Urumqi", "2026-11-20T12:32"),
        ("2026-11-20T14:32:59", "Asia/Urumqi", "2026-11-20T14:32"),
        ("2026-10-25T02:30:00+01:00", "Europe/Berlin", "2026-10-25T02:30"),
        ("0001-01-01T00:00+14:00", "Asia/Urumqi", "0001-01-01T00:00+14:00"),
        ("half past two", "Asia/Urumqi", "half past two"),
        ("", "Asia/Urumqi", ""),
    ],
)
def test_a_form_shows_a_time_as_a_browser_takes_it(told: str, zone: str, shown: str) -> None:
    assert describe(Injury, {"injured_at": told, "injured_at.zone": zone}).field("injured_at").value == shown


@given(
    at=st.datetimes(dt.datetime.fromisoformat("2020-01-01"), dt.datetime.fromisoformat("2026-11-19")),
    zone=st.sampled_from([*fields.ZONES, "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
)
def test_a_time_nobody_touched_comes_through_the_form_as_the_same_instant(at: dt.datetime, zone: str) -> None:
    injury = Injury(injured_at=Moment(at=at.replace(tzinfo=dt.UTC), zone=zone), mechanism="crush")
    before = fields.typed(injury)
    shown = describe(Injury, before, zone="Asia/Shanghai").field("injured_at")
    sent = {"injured_at": shown.value, "injured_at.zone": shown.zone, "injured_at.precision": shown.precision}
    after = {**before, **sent, **fields.untouched(Injury, before, sent, zone="Asia/Shanghai")}
    assert fields.parse(Injury, after, zone="Asia/Shanghai", now=NOW) == injury


def test_a_time_that_was_changed_or_told_in_another_zone_is_not_what_it_was() -> None:
    before = {"injured_at": "2026-11-20T14:32:10+08:00", "injured_at.zone": "Asia/Shanghai"}
    for sent in (
        {"injured_at": "2026-11-20T14:33"},
        {"injured_at": "2026-11-20T14:32", "injured_at.zone": "Asia/Urumqi"},
        {"injured_at": ""},
        {"mechanism": "crush"},
    ):
        assert fields.untouched(Injury, before, sent, zone="Asia/Shanghai") == {}
    same = {"injured_at": "2026-11-20T12:32", "injured_at.zone": "Asia/Urumqi"}
    assert fields.untouched(Injury, before, same, zone="Asia/Shanghai") == {"injured_at": before["injured_at"]}


def test_contradictory_times_are_refused_field_by_field() -> None:
    early = {"tourniquet_on_at": "2026-11-20T14:00", "antibiotic_at": "2026-11-20T14:00"}
    assert wrong(Injury, {**LEAST, **early}) == {"tourniquet_on_at": "field-before-injury", "antibiotic_at": "field-before-injury"}
    belt = {"tourniquet_on_at": "2026-11-20T15:00", "tourniquet_off_at": "2026-11-20T14:50"}
    assert wrong(Injury, {**LEAST, **belt}) == {"tourniquet_off_at": "field-before-tourniquet"}
    assert wrong(Injury, {**LEAST, "systolic": "80", "diastolic": "120"}) == {"diastolic": "field-over-systolic"}


def test_a_severed_unit_is_checked_against_its_times_and_its_limb() -> None:
    unit = {"part": "index", "side": "left", "completeness": "complete"}
    times = {"injured_at": "2026-11-20T12:00", "cooling_started_at": "2026-11-20T11:00", "reflow_at": "2026-11-20T11:30"}
    assert wrong(Amputation, {**unit, **times}) == {"cooling_started_at": "field-before-injury", "reflow_at": "field-before-injury"}
    turned = {"cooling_started_at": "2026-11-20T12:00", "reflow_at": "2026-11-20T11:30"}
    assert wrong(Amputation, {**unit, **turned}) == {"reflow_at": "field-before-cooling"}
    assert wrong(Amputation, {**unit, "level": "ankle"}) == {"level": "field-level-of-other-limb"}
    assert wrong(Amputation, {**unit, "part": "leg", "level": "wrist"}) == {"level": "field-level-of-other-limb"}
    assert wrong(Amputation, {}) == dict.fromkeys(("part", "side", "completeness"), "field-required")


def test_a_follow_up_needs_its_day_and_the_survival_and_takes_pain_from_0_to_10() -> None:
    assert wrong(FollowUp, {"pain": "11"}) == {"seen_on": "field-required", "survival": "field-required", "pain": "field-out-of-range"}
    assert wrong(FollowUp, {"seen_on": "2026-11-21", "survival": "survived"}) == {"seen_on": "field-in-the-future"}
    seen = FollowUp.read({"seen_on": "2026-11-20", "survival": "failed", "pain": "0"}, zone="Asia/Shanghai", now=NOW)
    assert (seen.pain, seen.total_active_motion) == (0, None)
