"""Nothing that was typed is lost: not to a refusal, to a throttle, to a session that ended, nor to a second tap."""

import base64
import datetime as dt
import re
import threading

import pytest

from auth import throttle
from core import ids
from registry import cases, followups
from registry.patients import Patient
from tests.registry.web.conftest import SESSION, House, field_of

LONG = "断" * 9_000


@pytest.fixture
def without_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every bucket is empty."""

    def full(*_: object) -> None:
        raise throttle.Throttled(retry_after=60)

    monkeypatch.setattr(throttle, "hit", full)


def test_too_many_codes_leave_the_opinion_as_it_was_written(house: House, without_tries: None) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
    expert, base = house.browser(world.cast.expert), f"/cases/{case.id}"
    answer = expert.post(f"{base}/opinion", data={"findings": "断端整齐，无挫灭", "code": "000000"})
    assert answer.status_code == 429
    assert "断端整齐，无挫灭" in answer.text
    assert "60 seconds" in answer.text
    assert "断端整齐，无挫灭" in expert.get(f"{base}/opinion").text


def test_too_many_passwords_leave_what_was_being_sent(house: House, without_tries: None) -> None:
    stranger = house.visitor()
    answer = stranger.post("/sign-in", data={"login": "li.na", "password": "wrong", "kept": "a2VwdA==", "next": "/cases"})
    assert answer.status_code == 429
    assert (field_of(answer.text, "kept"), field_of(answer.text, "login")) == ("a2VwdA==", "li.na")
    assert "60 seconds" in answer.text


def test_a_long_text_is_kept_whole_or_refused_with_every_letter(house: House) -> None:
    with house.world.begin() as db:
        case = house.world.case(db)
    surgeon, base = house.browser(house.world.cast.surgeon), f"/cases/{case.id}"
    assert surgeon.post(f"{base}/entries/injury/draft", data={"note": LONG}).status_code == 303
    assert LONG in surgeon.get(f"{base}/entries/injury").text
    refused = surgeon.post(f"{base}/messages", data={"text": LONG})
    assert refused.status_code == 422
    assert LONG in refused.text


def test_a_part_of_a_page_says_that_the_session_ended_and_nothing_more(house: House) -> None:
    """A whole sign-in page inside a form would lose the form."""
    surgeon = house.browser(house.world.cast.surgeon)
    surgeon.cookies.delete(SESSION)
    for method, path in (("POST", "/cases/new/known"), ("GET", "/?poll=1"), ("GET", "/audit/proof")):
        answer = surgeon.request(method, path, headers={"HX-Request": "true"}, data={"name": "胡杨"} if method == "POST" else None)
        assert (answer.status_code, answer.text) == (401, "")


def test_a_password_does_not_travel_with_what_is_kept(house: House) -> None:
    surgeon = house.browser(house.world.cast.surgeon)
    surgeon.cookies.delete(SESSION)
    page = surgeon.post("/account/security/password", data={"current": "seven lanterns", "new": "eight lanterns"}).text
    assert b"lanterns" not in base64.urlsafe_b64decode(field_of(page, "kept"))


def test_a_refused_visit_stays_the_visit_that_was_chosen(house: House) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db)
        followups.plan(db, world.cast.surgeon.actor, case.id, treated_on=ids.now().date() - dt.timedelta(days=14))
    nurse, path = house.browser(world.cast.nurse), f"/cases/{case.id}/follow-up"
    checked = re.compile(r'name="visit" value="([^"]*)" checked')
    assert checked.findall(nurse.get(path).text) != [""], "the visit that is due is proposed"
    refused = nurse.post(path, data={"visit": "", "seen_on": "2199-01-01"})
    assert refused.status_code == 422
    assert checked.findall(refused.text) == [""]


def test_a_second_tap_makes_neither_a_second_case_nor_a_second_patient(house: House) -> None:
    new = {"client_key": "tapped", "name": "双击", "sex": "male", "birth_date": "1992-04-02", "kind": "flap"}
    made: list[str] = []

    def tap() -> None:
        made.append(house.browser(house.world.cast.surgeon).post("/cases/new", data=new).headers["Location"])

    taps = [threading.Thread(target=tap) for _ in range(2)]
    for one in taps:
        one.start()
    for one in taps:
        one.join()
    assert made[0] == made[1]
    with house.world.begin() as db:
        assert len(cases.list_(db, house.world.cast.surgeon.actor).cases) == 1
        assert db.query(Patient).count() == 1


def test_half_a_character_is_refused_in_words(house: House) -> None:
    with house.world.begin() as db:
        case = house.world.case(db)
    program, half = house.program(house.world.cast.surgeon), b'{"text": "\\ud800"}'
    answer = program.post(f"/api/v1/cases/{case.id}/messages", content=half, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    half = b'{"type": "injury", "fields": {"note": "\\ud800"}}'
    answer = program.post(f"/api/v1/cases/{case.id}/entries", content=half, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


def test_a_study_goes_only_into_a_case_one_reaches(house: House) -> None:
    with house.world.begin() as db:
        case = house.world.case(db)
    stranger = house.browser(house.world.cast.stranger)
    for case_id in (case.id, ids.new()):
        assert stranger.post(f"/inbox/{ids.new()}/file", data={"case_id": str(case_id)}).status_code == 404


def test_a_number_that_is_none_is_refused_without_a_fault(house: House) -> None:
    with house.world.begin() as db:
        case = house.world.case(db)
    surgeon = house.browser(house.world.cast.surgeon)
    for path in (f"/cases/{case.id}/entries/injury/draft", "/account/tokens"):
        assert surgeon.post(path, data={"version": "²", "days": "²"}).status_code < 500
    for path in (f"/cases/{case.id}/access?before=99999999999999999999", f"/audit/person/{ids.new()}?before={10**30}"):
        assert surgeon.get(path).status_code < 500


def test_what_the_script_sends_after_the_visit_itself_is_let_go(house: House) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db)
        followups.plan(db, world.cast.surgeon.actor, case.id, treated_on=ids.now().date())
    nurse, path = house.browser(world.cast.nurse), f"/cases/{case.id}/follow-up"
    visit = {"seen_on": ids.now().date().isoformat(), "survival": "survived", "note": "pink and warm", "client_key": "v-9"}
    assert nurse.post(path, data=visit).status_code == 303
    late = nurse.post(f"{path}/draft", data={**visit, "version": "0"}, headers={"Accept": "application/json"})
    assert (late.status_code, late.json()) == (200, {"entered": True})
    assert "pink and warm</textarea>" not in nurse.get(path).text
