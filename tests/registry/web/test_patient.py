"""Who the patient is, corrected where it was mistyped; how urgent the case is, set by a person."""

import re

from core import ids
from registry import cases, merges, patients
from tests.registry.conftest import WORDS
from tests.registry.web.conftest import House, field_of


def test_a_mistyped_patient_is_corrected_and_found_by_the_right_name(house: House) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db, patient_id=world.patient(db, name="胡扬").id)
    surgeon, path = house.browser(world.cast.surgeon), f"/cases/{case.id}/patient"
    page = surgeon.get(path).text
    assert field_of(page, "name") == "胡扬"
    told = {name: field_of(page, name) for name in ("version", "subject", "birth_date", "record_number")}
    assert path in surgeon.get(f"/cases/{case.id}").text
    refused = surgeon.post(path, data={**told, "name": "", "sex": "male"})
    assert refused.status_code == 422
    assert surgeon.post(path, data={**told, "name": "胡杨", "sex": "male"}).status_code == 303
    assert "胡杨" in surgeon.get(f"/cases/{case.id}").text
    late = surgeon.post(path, data={**told, "name": "胡羊", "sex": "male"})
    assert late.status_code == 409
    assert field_of(late.text, "name") == "胡羊", "what was typed is still there"
    with world.begin() as db:
        (found,) = patients.find(db, world.cast.administrator.actor, number=told["record_number"])
        assert found.identity.name == "胡杨"


def test_a_person_sets_the_urgency_and_not_below_what_its_kind_starts_with(house: House) -> None:
    world = house.world
    with world.begin() as db:
        fracture, severed = world.case(db, kind="fracture"), world.case(db)
    surgeon = house.browser(world.cast.surgeon)

    def ask(case: cases.Case, urgency: str) -> int:
        page = surgeon.get(f"/cases/{case.id}/patient").text
        version = page.split("/urgency")[1].split('name="version" value="')[1].split('"')[0]
        return surgeon.post(f"/cases/{case.id}/urgency", data={"urgency": urgency, "version": version}).status_code

    assert ask(fracture, "urgent") == 303
    assert ask(severed, "routine") == 409
    with world.begin() as db:
        assert {case.id: case.urgency for case in cases.list_(db, world.cast.surgeon.actor).cases} == {
            fracture.id: "urgent",
            severed.id: "emergency",
        }


def test_nobody_but_who_may_write_of_the_patient_comes_to_the_page(house: House) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case, sees_identity=True)
    for member in (world.cast.nurse, world.cast.expert, world.cast.coordinator, world.cast.stranger, world.cast.administrator):
        browser = house.browser(member)
        assert browser.get(f"/cases/{case.id}/patient").status_code in (403, 404)
        assert browser.post(f"/cases/{case.id}/patient", data={"name": "x", "version": "1"}).status_code in (403, 404)
        assert browser.post(f"/cases/{case.id}/urgency", data={"urgency": "emergency", "version": "1"}).status_code in (403, 404)
    assert house.browser(world.cast.surgeon).get(f"/cases/{ids.new()}/patient").status_code == 404


def test_one_person_with_two_records_is_found_compared_merged_and_taken_apart(house: House) -> None:
    world = house.world
    with world.begin() as db:
        kept = world.case(db, patient_id=world.patient(db, name="张卫国").id)
        other = world.case(db, patient_id=world.patient(db, name="章伟国").id)
    surgeon = house.browser(world.cast.surgeon)
    page, path = f"/cases/{kept.id}/patient", f"/cases/{kept.id}/patient/merge"
    assert path in surgeon.get(page).text
    alike = surgeon.get(path).text
    assert "章伟国" in alike
    assert str(other.patient_id) in alike
    number = surgeon.post(path, data={"number": "A000002"}).text
    assert "章伟国" in number
    assert surgeon.post(path, data={"number": "A000003"}).text.count("Nobody else") == 1
    assert surgeon.post(path, data={"name": "章伟国"}).status_code == 422
    compared = surgeon.post(path, data={"other": str(other.patient_id)}).text
    assert kept.number in compared
    assert other.number in compared
    told = {"other": str(other.patient_id), "subject": field_of(compared, "subject"), "go": "1"}
    assert surgeon.post(path, data={**told, "keep": "this"}).status_code == 422
    assert surgeon.post(path, data={**told, "reason": "Same card."}).status_code == 422
    assert surgeon.post(path, data={**told, "subject": other.subject, "keep": "this", "reason": "Same card."}).status_code == 409
    stale = surgeon.get(f"/cases/{other.id}/patient").text
    assert surgeon.post(path, data={**told, "keep": "this", "reason": "Same card."}).status_code == 303
    assert "张卫国" in surgeon.get(f"/cases/{other.id}").text
    late = {name: field_of(stale, name) for name in ("version", "subject", "name")}
    assert surgeon.post(f"/cases/{other.id}/patient", data={**late, "sex": "male"}).status_code == 409, "written about somebody else"
    merged = surgeon.get(page).text
    assert "Same card." in merged
    assert f"The case {other.number} goes back" in merged
    (undo,) = re.findall(r'action="([^"]+/undo)"', merged)
    assert surgeon.post(undo, data={"reason": ""}).status_code == 422
    assert surgeon.post(undo, data={"reason": "Two cards."}).status_code == 303
    assert "章伟国" in surgeon.get(f"/cases/{other.id}").text
    assert "Two cards." in surgeon.get(page).text


def test_who_signs_an_opinion_after_a_merge_is_warned_and_says_that_they_looked_again(house: House) -> None:
    world = house.world
    with world.begin() as db:
        kept, case = world.case(db), world.case(db)
        world.asked(db, case)
    expert, path = house.browser(world.cast.expert), f"/cases/{case.id}/opinion"
    opened = field_of(expert.get(path).text, "subject")
    with world.begin() as db:
        merges.merge(db, world.cast.surgeon.actor, kept_id=kept.patient_id, merged_id=case.patient_id, reason="Same card.")
    words = {**WORDS, "code": world.cast.expert.code(), "subject": opened}
    warned = expert.post(path, data=words)
    assert warned.status_code == 409
    assert "I have checked" in warned.text
    with world.begin() as db:
        now = db.get_one(cases.Case, case.id).subject
    assert f'value="{now}"' in warned.text
    assert expert.post(path, data={**words, "code": world.cast.expert.code(1), "subject": ["unseen", now]}).status_code == 303
