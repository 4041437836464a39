"""The pages that write the record: corrected again, kept whole when refused, and nothing left over for the next form."""

import datetime as dt
import re
from html import unescape
from uuid import UUID

import pytest

from core import ids
from imaging import intake
from registry import board, cases, entries, valuesets
from registry.forms.amputation import Amputation
from registry.web.translations import translate
from tests.imaging import samples
from tests.registry.conftest import World, wall
from tests.registry.web.conftest import House, field_of

SCRIPT = {"Accept": "application/json"}


def current(world: World, case_id: UUID) -> list[entries.Recorded]:
    """The entries that stand."""
    with world.begin() as db:
        return entries.for_case(db, world.cast.surgeon.actor, case_id)


def filled(html: str) -> dict[str, str]:
    """What a browser would send of a form's visible times, and of its hidden fields, as they are."""
    times = dict(re.findall(r'<input type="datetime-local" id="[^"]*" name="([^"]*)" value="([^"]*)"', html))
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', html))
    taken = {name: told if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?", told) else "" for name, told in times.items()}
    zones = dict(re.findall(r'<input type="radio" name="([^"]*\.zone)" value="([^"]*)" checked', html))
    return hidden | taken | zones


def reason_of(html: str) -> str:
    """What stands in the box for the reason."""
    found = re.search(r'<textarea id="reason"[^>]*>([^<]*)</textarea>', html)
    assert found is not None
    return unescape(found.group(1))


def test_an_entry_is_corrected_again_and_again(house: House) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db)
        standing = world.injury(db, case, note="1").id
    surgeon, base = house.browser(world.cast.surgeon), f"/cases/{case.id}/entries/injury"
    for note in ("2", "3"):
        page = surgeon.get(f"{base}?replaces={standing}").text
        sent = filled(page) | {"mechanism": "sharp_cut", "note": note, "reason": "typed wrongly"}
        assert sent["replaces"] == str(standing)
        assert surgeon.post(f"{base}/draft", data=sent, headers=SCRIPT).status_code == 200
        assert surgeon.post(base, data=sent).status_code == 303
        (item,) = current(world, case.id)
        standing = item.entry.id
    assert item.entry.version == 3


@pytest.mark.parametrize(("language", "told"), [("en", "Open the version that stands"), ("zh", "打开现行版本")])
def test_whoever_comes_second_keeps_the_words_and_is_led_to_the_version_that_stands(house: House, language: str, told: str) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db)
        first = world.injury(db, case)
    nurse, base = house.browser(world.cast.nurse, language=language), f"/cases/{case.id}/entries/injury"
    sent = filled(nurse.get(f"{base}?replaces={first.id}").text) | {"mechanism": "sharp_cut", "note": "皮缘苍白", "reason": "漏记"}
    with world.begin() as db:
        second = entries.correct(db, world.cast.surgeon.actor, first.id, {"allergy": "penicillin"}, reason="asked")
    refused = nurse.post(base, data=sent)
    assert refused.status_code == 409
    again = nurse.get(f"{base}?replaces={first.id}")
    for page in (refused.text, again.text):
        assert "皮缘苍白" in page
        assert reason_of(page) == "漏记"
        assert told in page
        assert f"{base}?replaces={second.id}" in page
    newest = nurse.get(f"{base}?replaces={second.id}").text
    assert told not in newest
    assert 'value="penicillin"' in newest
    sent = filled(newest) | {"mechanism": "sharp_cut", "allergy": "penicillin", "note": "皮缘苍白", "reason": "漏记"}
    assert nurse.post(base, data=sent).status_code == 303
    (item,) = current(world, case.id)
    assert item.document.free_texts() == {"allergy": "penicillin", "note": "皮缘苍白"}


def test_who_asks_to_correct_an_earlier_version_and_has_typed_nothing_gets_the_one_that_stands(house: House) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db)
        first = world.injury(db, case)
        second = entries.correct(db, world.cast.surgeon.actor, first.id, {"note": "x"}, reason="asked")
    base = f"/cases/{case.id}/entries/injury"
    answer = house.browser(world.cast.nurse).get(f"{base}?replaces={first.id}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{base}?replaces={second.id}")


def test_the_reason_is_there_again_when_the_form_comes_back(house: House) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db)
        first = world.injury(db, case)
    surgeon, base = house.browser(world.cast.surgeon), f"/cases/{case.id}/entries/injury"
    page = f"{base}?replaces={first.id}"
    sent = filled(surgeon.get(page).text) | {"mechanism": "sharp_cut", "reason": "漏记过敏史"}
    assert surgeon.post(f"{base}/draft", data=sent, headers=SCRIPT).status_code == 200
    assert reason_of(surgeon.get(page).text) == "漏记过敏史"
    refused = surgeon.post(base, data={**sent, "heart_rate": "fast", "reason": "心率有误"})
    assert (refused.status_code, reason_of(refused.text)) == (422, "心率有误")
    assert reason_of(surgeon.get(page).text) == "心率有误"


def test_a_correction_in_the_page_leaves_every_time_where_it_was(house: House) -> None:
    world, now = house.world, ids.now().replace(second=41)
    times = {"cooling_started_at": now - dt.timedelta(hours=4), "reflow_at": now - dt.timedelta(hours=1)}
    with world.begin() as db:
        case = world.case(db)
        world.injury(db, case, ago=dt.timedelta(hours=6))
        told = {name: wall(at) for name, at in times.items()} | {f"{name}.zone": "Asia/Urumqi" for name in times}
        unit = world.severed(db, case, storage="sealed_on_ice", **told)
    surgeon, base = house.browser(world.cast.surgeon), f"/cases/{case.id}/entries/amputation"
    page = surgeon.get(f"{base}?replaces={unit.id}").text
    sent = filled(page) | {"part": "index", "side": "left", "completeness": "complete", "level": "digit", "storage": "sealed_on_ice"}
    assert surgeon.post(base, data={**sent, "note": "x", "reason": "a note"}).status_code == 303
    document = current(world, case.id)[-1].document
    assert isinstance(document, Amputation)
    assert {name: getattr(document, name) and getattr(document, name).at for name in times} == times
    with world.begin() as db:
        (reading,) = board.readings(db, db.get_one(cases.Case, case.id))
        assert (reading.running, reading.cold) == ("stopped", dt.timedelta(hours=3))


def test_what_the_script_sends_late_is_not_in_the_next_form(house: House) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db)
        world.injury(db, case)
    surgeon, base = house.browser(world.cast.surgeon), f"/cases/{case.id}/entries/amputation"
    page = surgeon.get(base).text
    unit = {"part": "index", "side": "left", "completeness": "complete", "level": "digit", "note": "示指，挤压"}
    sent = unit | {"client_key": field_of(page, "client_key"), "version": field_of(page, "version")}
    assert surgeon.post(base, data={**sent, "then": "another"}).headers["location"] == base
    late = surgeon.post(f"{base}/draft", data=sent, headers=SCRIPT)
    assert (late.status_code, late.json()) == (200, {"entered": True})
    assert "示指，挤压" not in surgeon.get(base).text
    # a person who presses the button means it
    assert surgeon.post(f"{base}/draft", data=sent).status_code == 303
    assert "示指，挤压" in surgeon.get(base).text


def test_many_words_are_kept_and_too_many_are_shown_again(house: House) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db)
    surgeon, base = house.browser(world.cast.surgeon, language="zh"), f"/cases/{case.id}/entries/injury"
    many = dict.fromkeys(("note", "allergy", "antibiotic", "occupation"), "长" * 7000)
    assert surgeon.post(f"{base}/draft", data=many, headers=SCRIPT).status_code == 200
    refused = surgeon.post(base, data={**many, "mechanism": "crush"})
    assert (refused.status_code, refused.text.count("长" * 7000)) == (422, 4)
    assert surgeon.get(base).text.count("长" * 7000) == 4
    # control characters take six bytes each at rest
    told = dict.fromkeys(("note", "allergy", "antibiotic", "occupation", "systolic", "diastolic", "heart_rate"), "\x01" * 8000)
    told |= dict.fromkeys(("coma_scale", "severity_score", "oxygen_saturation", "cause", "intent", "insurance"), "\x01" * 8000)
    unkept = surgeon.post(base, data={**told, "region": ["finger"], "injured_at": "2026-11-01T10:07"})
    assert unkept.status_code == 422
    assert 'value="2026-11-01T10:07"' in unkept.text
    assert "一张表单里的文字太多了" in unkept.text


FRACTURE = {"side": "left", "openness": "open", "code": "42C3(j)[2]", "gustilo": "type_3a"}


@pytest.mark.parametrize(("kind", "first"), [("open_fracture", True), ("amputation", True), ("soft_tissue", False), ("flap", False)])
def test_a_case_is_offered_first_what_fits_its_kind_and_everything_else_after(house: House, kind: str, first: bool) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db, kind=kind)
    page = house.browser(world.cast.surgeon).get(f"/cases/{case.id}").text
    offered, _, others = page.partition("Something else")
    for entry_type in entries.TYPES:
        link = f'href="/cases/{case.id}/entries/{entry_type}"'
        assert (link in offered or link in others) is (entry_type not in ("follow-up", "closure")), entry_type
    assert ("/entries/fracture" in offered) is first
    assert "/entries/injury" in offered


def test_every_kind_of_case_offers_types_that_there_are() -> None:
    for option in valuesets.value_set("case_kind").options:
        offers = option.extra["offers"]
        assert offers[0] == "injury"
        assert len(offers) == len(set(offers))
        assert set(offers) <= set(entries.TYPES) - {"follow-up", "closure"}


@pytest.mark.parametrize(("language", "told"), [("en", "42C3 fragmentary segmental"), ("zh", "42C3 碎裂节段")])
def test_a_fracture_is_entered_read_and_corrected(house: House, language: str, told: str) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db, kind="open_fracture")
    surgeon, base = house.browser(world.cast.surgeon, language=language), f"/cases/{case.id}/entries/fracture"
    assert 'data-within="segment"' in surgeon.get(base).text
    refused = surgeon.post(base, data={**FRACTURE, "code": "42B1"})
    assert refused.status_code == 422
    assert translate(language, "error-field-aoota-group") in refused.text
    assert surgeon.post(base, data={**FRACTURE, "then": "another"}).headers["Location"] == base
    for path in (f"/cases/{case.id}", f"/cases/{case.id}/record"):
        page = surgeon.get(path).text
        assert "42C3(j)[2]" in page
        assert told in page
    (item,) = current(world, case.id)
    form = surgeon.get(f"{base}?replaces={item.entry.id}").text
    assert re.search(r'<option value="42c3" data-of="42" selected>', form)
    assert surgeon.post(base, data={**FRACTURE, "gustilo": "type_3b", "replaces": str(item.entry.id), "reason": "debrided"}).headers[
        "Location"
    ] == (f"/cases/{case.id}")
    (item,) = current(world, case.id)
    assert (item.entry.version, item.document.gustilo) == (2, "type_3b")  # type: ignore[attr-defined]


MESS = {
    "side": "left",
    "limb": "lower",
    "tissue": "high",
    "ischaemia": "cool",
    "over_six_hours": "yes",
    "shock": "stable",
    "age": "over_50",
}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_score_is_shown_with_its_warning_wherever_it_is_read(house: House, language: str) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db, kind="open_fracture")
    surgeon, base = house.browser(world.cast.surgeon, language=language), f"/cases/{case.id}/entries/mess"
    assert translate(language, "form-mess-tissue-help") in unescape(surgeon.get(base).text)
    assert surgeon.post(base, data=MESS).headers["Location"] == f"/cases/{case.id}"
    for path in (f"/cases/{case.id}", f"/cases/{case.id}/record"):
        page = surgeon.get(path).text
        assert '<span class="num">11</span> / 14' in page
        assert translate(language, "form-mess-total-warning") in unescape(page)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_hours_of_an_open_fracture_stand_on_its_case_and_beside_the_opinion(house: House, language: str) -> None:
    world = house.world
    title = translate(language, "open-fracture-title")
    with world.begin() as db:
        case = world.case(db, kind="open_fracture")
        world.injury(db, case, energy="low")
        world.asked(db, case)
    surgeon, expert = house.browser(world.cast.surgeon, language=language), house.browser(world.cast.expert, language=language)
    pages = ((surgeon, f"/cases/{case.id}"), (expert, f"/cases/{case.id}/opinion"))
    comes = translate(language, "open-fracture-step-antibiotic")
    for reader, path in pages:
        assert title not in reader.get(path).text
    surgeon.post(f"/cases/{case.id}/entries/fracture", data=FRACTURE | {"gustilo": "type_1"})
    for reader, path in pages:
        page = unescape(reader.get(path).text)
        assert title in page
        assert translate(language, "open-fracture-rule-low-energy", hours="24") in page
        assert f'<p class="caution">{comes}:' in unescape(reader.get("/").text), "the work list says what comes next"
    (item,) = [item for item in current(world, case.id) if item.entry.type == "fracture"]
    closed = {"side": "left", "openness": "closed", "code": "42C3(j)[2]", "replaces": str(item.entry.id), "reason": "wrong leg"}
    assert surgeon.post(f"/cases/{case.id}/entries/fracture", data=closed).status_code == 303
    for reader, path in pages:
        assert title not in reader.get(path).text
        assert f"{comes}:" not in reader.get("/").text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_replantation_names_its_part_and_stops_the_clock_that_the_page_shows(house: House, language: str) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db)
        world.injury(db, case, ago=dt.timedelta(hours=5))
    surgeon, home = house.browser(world.cast.surgeon, language=language), f"/cases/{case.id}"
    base = f"{home}/entries/replant"
    empty = surgeon.get(base).text
    assert translate(language, "entry-unit-first") in unescape(empty)
    assert f'action="{base}"' not in empty
    with world.begin() as db:
        part = world.severed(db, case)
        world.severed(db, case, part="middle")
    told = {"unit": str(part.chain_id), "state": "good", "reflow_at": wall(ids.now() - dt.timedelta(hours=1))}
    stopped = re.escape(translate(language, "clock-stopped", at="§")).replace("§", "[^<]+")
    assert not re.search(stopped, surgeon.get(home).text)
    refused = surgeon.post(base, data={**told, "reflow_at": wall(ids.now() - dt.timedelta(hours=6))})
    assert (refused.status_code, translate(language, "error-field-before-injury") in refused.text) == (422, True)
    assert surgeon.post(base, data=told).headers["Location"] == home
    name = valuesets.label("part", "index", language)
    for path in (home, f"{home}/record"):
        assert re.search(rf"<dd>{name} · ", surgeon.get(path).text), path
    assert len(re.findall(stopped, surgeon.get(home).text)) == 1


ENTERED: dict[str, tuple[dict[str, str | list[str]], dict[str, str], str]] = {
    "flap": (
        {"flap": "scip", "transfer": ["free", "chimeric"], "arteries": ["radial"], "ischaemia": "64"},
        {"transfer": "pedicled"},
        "field-flap-not-joined",
    ),
    "complication": (
        {"kind": "fri", "found_at": "2026-11-01T10:07", "grade": "grade_3b", "suggestive": ["drainage"]},
        {"grade": "grade_5"},
        "field-grade-of-death",
    ),
    "transfer": (
        {"destination": "台州骨科医院", "phone": "0576 5550101", "condition": ["stable"], "goes_with": ["part", "films"]},
        {"phone": "the ward"},
        "field-not-a-telephone",
    ),
}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("entry_type", ENTERED)
def test_an_entry_is_refused_in_plain_words_entered_read_and_corrected(house: House, language: str, entry_type: str) -> None:
    world = house.world
    told, amiss, code = ENTERED[entry_type]
    with world.begin() as db:
        case = world.case(db, kind="open_fracture")
    surgeon, home = house.browser(world.cast.surgeon, language=language), f"/cases/{case.id}"
    base = f"{home}/entries/{entry_type}"
    assert f'href="{base}"' in surgeon.get(home).text
    refused = surgeon.post(base, data={**told, **amiss})
    assert (refused.status_code, translate(language, f"error-{code}") in unescape(refused.text)) == (422, True)
    assert surgeon.post(base, data=told).headers["Location"] == home
    (item,) = current(world, case.id)
    assert surgeon.post(base, data={**told, "note": "又及", "replaces": str(item.entry.id), "reason": "漏记"}).status_code == 303
    (item,) = current(world, case.id)
    assert (item.entry.version, item.entry.type) == (2, entry_type)
    whole = surgeon.get(f"{home}/record").text
    assert translate(language, "record-replaced") in whole
    for name, value in told.items():
        note = item.document.declared()[name]
        for code in value if isinstance(value, list) else [value]:
            if note.options:
                assert next(option for option in note.options if option.code == code).label(language) in unescape(whole)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_signs_add_up_to_stands_beside_its_warning_and_a_number_can_be_called(house: House, language: str) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db, kind="open_fracture")
        for entry_type in ("complication", "transfer"):
            entries.submit(db, world.cast.surgeon.actor, case.id, entry_type, ENTERED[entry_type][0])
    surgeon = house.browser(world.cast.surgeon, language=language)
    for path in (f"/cases/{case.id}", f"/cases/{case.id}/record"):
        page = unescape(surgeon.get(path).text)
        assert valuesets.label("fri_criteria", "suggestive", language) in page
        assert translate(language, "form-complication-criteria-warning") in page
        assert 'href="tel:05765550101"' in page


def test_the_expert_reads_the_part_by_its_name_too(house: House) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db)
        world.injury(db, case)
        unit = str(world.severed(db, case).chain_id)
        entries.submit(db, world.cast.surgeon.actor, case.id, "replant", {"unit": unit, "state": "good"})
        world.asked(db, case)
    expert = house.browser(world.cast.expert, language="en")
    for path in (f"/cases/{case.id}", f"/cases/{case.id}/record", f"/cases/{case.id}/opinion"):
        page = expert.get(path).text
        assert "<dd>Index finger · Left" in page, path
        assert f"<dd>{unit}" not in page, path


def test_a_picture_of_the_other_side_warns_wherever_it_stands_beside_the_record(house: House) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db)
        world.injury(db, case, side="left")
        world.asked(db, case)
    for side in ("R", "L", "B"):
        data = samples.dicom(
            ImageLaterality=side, SOPInstanceUID=f"2.25.{ord(side)}", SeriesInstanceUID="2.25.7", StudyInstanceUID="2.25.8", PatientName="", PatientID="",
            PatientBirthDate="", PatientSex="", Modality="DX", SOPClassUID="1.2.840.10008.5.1.4.1.1.1.1",
        )  # fmt: skip
        upload = intake.take_in(world.database, house.app.state.pool, world.cast.surgeon.actor, case.id, "", data)
        assert upload.state == "filed", upload.reason
    surgeon, expert = house.browser(world.cast.surgeon), house.browser(world.cast.expert)
    pages = ((surgeon, f"/cases/{case.id}"), (expert, f"/cases/{case.id}"), (expert, f"/cases/{case.id}/opinion"))
    for reader, page in pages:
        assert reader.get(page).text.count("The picture says right") == 1, page
    with world.begin() as db:
        world.injury(db, case, side="right")
    for reader, page in pages:
        assert "The picture says" not in reader.get(page).text, "the record speaks of both sides"
