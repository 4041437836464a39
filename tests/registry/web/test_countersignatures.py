"""Over HTTP: what a trainee signed is hidden outside their hospital until it is countersigned, and what is offered to whom."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from auth.people import Person
from core import ids
from registry import entries, presentations, referrals
from tests import trainees
from tests.cast import Member
from tests.imaging import samples
from tests.registry.conftest import WORDS, stepped_up
from tests.registry.test_reviews import told
from tests.registry.web.conftest import House, words
from tests.registry.web.test_dicomweb import put

SECRET_WORDS = "断端整齐，建议再植"


@dataclass
class Ward:
    """A case with a picture whose question lies with a trainee."""

    house: House
    trainee: Member
    case_id: UUID
    picture: UUID

    @property
    def base(self) -> str:
        """The address of the case."""
        return f"/cases/{self.case_id}"

    def present(self) -> UUID:
        """The trainee signs for the expert."""
        with self.house.world.begin() as db:
            said = {**WORDS, "findings": SECRET_WORDS}
            senior_id = self.house.world.cast.expert.id
            return presentations.present(db, stepped_up(self.trainee.actor), self.case_id, said, senior_id=senior_id).id


@pytest.fixture
def ward(house: House) -> Ward:
    world = house.world
    with world.begin() as db:
        trainee = trainees.expert(db, world.cast)
        case = world.case(db)
        world.injury(db, case)
    picture = put(house, case.id, samples.photo(size=(400, 300)))
    with world.begin() as db:
        referral = world.refer(db, case)
        referrals.allocate(db, world.cast.coordinator.actor, referral.id, expert_id=trainee.id)
        referrals.acknowledge(db, trainee.actor, referral.id)
    drawn = house.program(trainee).post(
        f"/api/v1/cases/{case.id}/annotations",
        json={
            "client_id": str(uuid4()),
            "instance_id": str(picture),
            "tool": "arrow",
            "points": [[50, 150], [200, 150]],
            "text": "血管断端",
        },
    )
    assert drawn.status_code == 201
    return Ward(house, trainee, case.id, picture)


def seen_by(ward: Ward, member: Member) -> dict[str, Any]:
    """Everything a reader outside is answered about the case that could tell of an opinion."""
    browser, program = ward.house.browser(member), ward.house.program(member)
    case = f"/api/v1/cases/{ward.case_id}"
    page = browser.get(ward.base).text
    # the clock of the page goes on between two looks, and each form has a key of its own
    steady = re.sub(r"<time.*?</time>|name=\"client_key\" value=\"[^\"]*\"", "", page)
    return {
        "opinion section": re.search(r'<section id="opinion".*?</section>', steady, re.DOTALL)[0],  # type: ignore[index]
        "timeline": re.findall(r'<ol class="timeline">.*?</ol>', steady, re.DOTALL),
        "marks": program.get(f"{case}/annotations").json(),
        "opinions": program.get(f"{case}/opinions").json(),
        "state": program.get(case).json()["state"],
        "referrals": [(r["state"], r["answered_at"], r["due_at"]) for r in program.get(f"{case}/referrals").json()],
        "imaging": program.get(f"{case}/imaging").json()["studies"],
        "dicomweb": program.get(f"/dicomweb/cases/{ward.case_id}/instances", headers={"Accept": "application/dicom+json"}).json(),
        "decisions": program.get(f"{case}/decisions").json(),
        "work": [(w["action"], w["unread"]) for w in program.get("/api/v1/worklist").json()],
    }


def test_before_it_is_released_the_asking_side_is_answered_as_if_it_were_not_there(ward: Ward) -> None:
    cast = ward.house.world.cast
    before = seen_by(ward, cast.surgeon)
    presentation_id = ward.present()
    assert seen_by(ward, cast.surgeon) == before
    for member, page in ((cast.surgeon, 404), (cast.nurse, 404), (cast.coordinator, 404), (cast.second_expert, 404), (cast.stranger, 404)):
        browser, program = ward.house.browser(member), ward.house.program(member)
        for path in (f"{ward.base}/opinions/{presentation_id}", f"{ward.base}/presentations/{presentation_id}"):
            assert browser.get(path).status_code == page, path
        assert browser.get(f"{ward.base}/decision?opinion={presentation_id}").status_code in (403, 404)
        assert program.get(f"/api/v1/opinions/{presentation_id}/verdict").status_code in (403, 404)
        for act, body in (("countersign", None), ("return", {"words": "x"}), ("senior", {"senior_id": str(cast.second_expert.id)})):
            assert program.post(f"/api/v1/presentations/{presentation_id}/{act}", json=body).status_code == 404, act
        assert program.get(f"/api/v1/cases/{ward.case_id}/presentations").status_code in (403, 404)
        for path in (ward.base, f"{ward.base}/record", "/", "/notices", "/cases"):
            assert SECRET_WORDS not in browser.get(path).text
    for member in (cast.surgeon, cast.administrator):
        browser = ward.house.browser(member)
        assert SECRET_WORDS not in browser.get(f"{ward.base}/access").text


def test_the_surgeon_sees_for_whom_the_question_waits_with_a_telephone(ward: Ward) -> None:
    world = ward.house.world
    with world.begin() as db:
        db.get_one(Person, world.cast.expert.id).phone = "0576-5550188"
    ward.present()
    page = ward.house.browser(world.cast.surgeon).get(ward.base).text
    assert any("a senior at Taizhou Orthopaedic Hospital is to countersign it" in line for line in words(page))
    assert 'href="tel:0576-5550188"' in page
    listed = ward.house.browser(world.cast.surgeon).get("/").text
    assert 'href="tel:0576-5550188"' in listed


def test_a_trainee_signs_on_the_form_for_a_senior_and_a_refused_form_keeps_the_choice(ward: Ward) -> None:
    cast = ward.house.world.cast
    browser = ward.house.browser(ward.trainee)
    page = browser.get(f"{ward.base}/opinion").text
    assert "Sign and send to the senior" in page
    assert "Sign the opinion" not in page
    assert re.findall(r'name="senior_id" value="([^"]+)"', page) == [str(cast.expert.id), str(cast.second_expert.id)]
    form = {**WORDS, "senior_id": str(cast.second_expert.id), "code": "000000"}
    refused = browser.post(f"{ward.base}/opinion", data=form)
    assert refused.status_code == 422
    chosen = rf'value="{cast.second_expert.id}" checked'
    assert re.search(chosen, refused.text)
    assert WORDS["findings"] in refused.text
    taken = browser.post(f"{ward.base}/opinion", data={**form, "code": ward.trainee.code()})
    assert taken.status_code == 303, taken.text
    with ward.house.world.begin() as db:
        (item,) = presentations.for_case(db, ward.trainee.actor, ward.case_id)
    assert (item.presentation.senior_id, item.presentation.state) == (cast.second_expert.id, "waiting")
    waiting = browser.get(f"{ward.base}/opinion").text
    assert "Waits for a countersignature" in waiting
    # no senior chosen: said at the field
    again = ward.house.browser(ward.trainee).get(f"{ward.base}/presentations/{item.presentation.id}").text
    assert "Ask another senior" in again


def test_the_senior_reads_countersigns_and_both_names_are_shown(ward: Ward) -> None:
    cast = ward.house.world.cast
    presentation_id = ward.present()
    senior = ward.house.browser(cast.expert)
    assert f"{ward.base}/presentations/{presentation_id}" in senior.get("/").text
    page = senior.get(f"{ward.base}/presentations/{presentation_id}").text
    assert SECRET_WORDS in page
    assert f"/cases/{ward.case_id}/viewer" in page
    act = f"{ward.base}/presentations/{presentation_id}/countersign"
    assert senior.post(act, data={"code": "000000"}).status_code == 422
    assert senior.post(f"{ward.base}/presentations/{presentation_id}/return", data={"words": " "}).status_code == 422
    done = senior.post(act, data={"code": cast.expert.code()})
    assert done.status_code == 303
    reader = ward.house.browser(cast.surgeon)
    page = reader.get(ward.base).text
    assert "Signed by He Ping 住院医师" in page
    assert "Countersigned by Chen Hao 主任医师" in page
    check = reader.get(f"{ward.base}/opinions/{presentation_id}").text
    assert "The countersignature is good" in check
    assert "Countersigned by Chen Hao" in check
    program = ward.house.program(cast.surgeon)
    (opinion,) = program.get(f"/api/v1/cases/{ward.case_id}/opinions").json()
    assert opinion["countersigned"]["countersigner"]["name"] == "陈浩"
    assert opinion["countersigned"]["opinion"]["sha256"] == opinion["sha256"]
    assert program.get(f"/api/v1/opinions/{presentation_id}/verdict").json()["countersignature_holds"] is True


def test_a_returned_opinion_is_open_again_for_the_trainee(ward: Ward) -> None:
    cast = ward.house.world.cast
    presentation_id = ward.present()
    senior = ward.house.browser(cast.expert)
    assert senior.post(f"{ward.base}/presentations/{presentation_id}/return", data={"words": "请写明静脉数。"}).status_code == 303
    trainee = ward.house.browser(ward.trainee)
    assert "The senior returned your opinion" in trainee.get(ward.base).text
    page = trainee.get(f"{ward.base}/opinion").text
    assert SECRET_WORDS in page
    assert "请写明静脉数。" in page
    assert "请写明静脉数。" not in ward.house.browser(cast.surgeon).get(ward.base).text


def test_by_the_api_a_session_presents_and_a_token_does_not(ward: Ward) -> None:
    cast = ward.house.world.cast
    program = ward.house.program(ward.trainee)
    draft = f"/api/v1/cases/{ward.case_id}/opinion"
    assert program.put(f"{draft}/draft", json={"fields": WORDS}).status_code == 200
    for path, body in ((f"{draft}/sign", None), (f"{draft}/present", {"senior_id": str(cast.expert.id)})):
        refused = program.post(path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "session-needed")
    presentation_id = ward.present()
    senior = ward.house.program(cast.expert)
    (listed,) = senior.get(f"/api/v1/cases/{ward.case_id}/presentations").json()
    assert (listed["id"], listed["state"], listed["lies_with"]) == (str(presentation_id), "waiting", str(cast.expert.id))
    refused = senior.post(f"/api/v1/presentations/{presentation_id}/countersign")
    assert (refused.status_code, refused.json()["code"]) == (403, "session-needed")
    by_hand = ward.house.browser(cast.expert)
    by_hand.headers["Accept"] = "application/json"
    refused = by_hand.post(f"/api/v1/presentations/{presentation_id}/countersign")
    assert (refused.status_code, refused.json()["code"]) == (403, "step-up-needed")
    back = by_hand.post(f"/api/v1/presentations/{presentation_id}/return", json={"words": "x"})
    assert (back.status_code, back.json()["state"], back.json()["words"]) == (200, "returned", "x")


def test_an_entry_that_waits_says_so_wherever_it_is_read(house: House) -> None:
    world, cast = house.world, house.world.cast
    with world.begin() as db:
        trainee = trainees.surgeon(db, cast)
        case = world.case(db)
        entry = entries.submit(db, trainee.actor, case.id, "injury", told())
        world.asked(db, case)
    base, mark = f"/cases/{case.id}", "Entered in training; waits for a senior&#39;s countersignature"
    for member in (cast.surgeon, cast.nurse, cast.expert, trainee):
        browser = house.browser(member)
        assert mark in browser.get(base).text, member.login
        assert mark in browser.get(f"{base}/record").text, member.login
    (found,) = house.program(cast.expert).get(f"/api/v1/cases/{case.id}/entries").json()
    assert found["review"] == {"state": "waiting", "by_id": None, "at": None}
    assert f"{base}/reviews/{entry.id}" in house.browser(cast.surgeon).get(base).text
    assert f"{base}/reviews/{entry.id}" not in house.browser(trainee).get(base).text
    # the writer reads the page and is offered nothing on it
    own = house.browser(trainee).get(f"{base}/reviews/{entry.id}").text
    assert "Return it" not in own
    senior = house.browser(cast.surgeon)
    assert senior.post(f"{base}/reviews/{entry.id}/return", data={"words": "哪一侧？"}).status_code == 303
    assert "哪一侧？" in house.browser(trainee).get(f"{base}/reviews/{entry.id}").text
    assert f"{base}/entries/injury?replaces={entry.id}" in house.browser(trainee).get(f"{base}/reviews/{entry.id}").text
    assert "哪一侧？" not in house.browser(cast.expert).get(f"{base}/record").text
    with world.begin() as db:
        again = entries.correct(db, trainee.actor, entry.id, {"note": "左侧"}, reason="补充")
    assert senior.post(f"{base}/reviews/{again.id}/countersign").status_code == 303
    page = house.browser(cast.expert).get(f"{base}/record").text
    assert "Entered in training; countersigned by" in page
    assert mark not in page


def test_the_ids_of_another_case_countersign_nothing(ward: Ward) -> None:
    world = ward.house.world
    presentation_id = ward.present()
    with world.begin() as db:
        trainee = trainees.surgeon(db, world.cast)
        other = world.case(db)
        entry = entries.submit(db, trainee.actor, ward.case_id, "injury", told())
        world.asked(db, other)
    surgeon, senior = ward.house.browser(world.cast.surgeon), ward.house.browser(world.cast.expert)
    assert surgeon.get(f"/cases/{other.id}/reviews/{entry.id}").status_code == 404
    assert surgeon.post(f"/cases/{other.id}/reviews/{entry.id}/countersign").status_code == 404
    code = world.cast.expert.code()
    for act, form in (("countersign", {"code": code}), ("return", {"words": "x"}), ("senior", {"senior_id": str(ids.new())})):
        assert senior.post(f"/cases/{other.id}/presentations/{presentation_id}/{act}", data=form).status_code == 404, act


def test_a_visit_recorded_in_training_can_be_corrected_and_keeps_its_pictures(ward: Ward) -> None:
    world = ward.house.world
    with world.begin() as db:
        nurse = trainees.nurse(db, world.cast)
        visit = {"seen_on": ids.now().date().isoformat(), "survival": "survived", "pictures": [str(ward.picture)]}
        entry = entries.submit(db, nurse.actor, ward.case_id, "follow-up", visit)
    browser = ward.house.browser(nurse)
    path = f"{ward.base}/entries/follow-up"
    assert browser.get(path).status_code == 404
    assert browser.get(f"{path}?replaces={entry.id}").status_code == 200
    form = {"replaces": str(entry.id), "reason": "x", "seen_on": ids.now().date().isoformat(), "survival": "survived", "pain": "3"}
    assert browser.post(path, data=form).status_code == 303
    with world.begin() as db:
        (item,) = entries.for_case(db, nurse.actor, ward.case_id, entry_type="follow-up")
        assert (item.document.pictures, item.entry.version) == ([str(ward.picture)], 2)  # type: ignore[attr-defined]
        assert item.review is not None
        assert item.review.state == "waiting"


def test_training_is_begun_and_ended_on_the_page_of_a_person(house: House) -> None:
    cast = house.world.cast
    browser, path = house.browser(cast.administrator), f"/hospital/people/{cast.surgeon.id}/training"
    person = f"/hospital/people/{cast.surgeon.id}"
    assert "Begin the training" in browser.get(person).text
    assert browser.post(path, data={"act": "begin"}).headers["Location"] == f"{person}#training"
    assert "In training since" in browser.get(person).text
    again = browser.post(path, data={"act": "end"})
    assert again.status_code == 403, "a step-up is asked for"
    assert 'name="code"' in again.text
    assert house.browser(cast.surgeon).post(f"/hospital/people/{cast.nurse.id}/training", data={"act": "begin"}).status_code == 403
    assert browser.post(f"/hospital/people/{cast.expert.id}/training", data={"act": "begin"}).status_code == 404
