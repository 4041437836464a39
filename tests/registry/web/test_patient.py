"""Who the patient is, corrected where it was mistyped; how urgent the case is, set by a person."""

from core import ids
from registry import cases, patients
from tests.registry.web.conftest import House, field_of


def test_a_mistyped_patient_is_corrected_and_found_by_the_right_name(house: House) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db, patient_id=world.patient(db, name="胡扬").id)
    surgeon, path = house.browser(world.cast.surgeon), f"/cases/{case.id}/patient"
    page = surgeon.get(path).text
    assert field_of(page, "name") == "胡扬"
    told = {name: field_of(page, name) for name in ("version", "birth_date", "record_number")}
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
