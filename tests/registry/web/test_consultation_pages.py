"""The pages of a consultation: what a visitor is not shown, what is offered, and what a refused form keeps."""

import datetime as dt
import re
from html import unescape
from uuid import UUID

import pytest

from core import ids
from registry import cases, consents, entries, escalation, referrals, rosters
from registry.rotation import Rotation
from tests.registry.conftest import World, run_jobs
from tests.registry.web.conftest import House, words

NAME = "张卫国"
MINUTE = dt.timedelta(minutes=1)


def corrected(world: World, **more: object) -> UUID:
    """A case that lies with the expert, whose injury named the patient before it was corrected."""
    with world.begin() as db:
        case = world.case(db)
        injury = world.injury(db, case, note=f"{NAME}，左手")
        entries.correct(db, world.cast.surgeon.actor, injury.id, {"note": "左手"}, reason="删去不该写的")
        world.asked(db, case, **more)
        return case.id


def test_replaced_versions_are_not_shown_to_who_may_not_know_the_patient(house: House) -> None:
    cast, case_id = house.world.cast, corrected(house.world)
    withheld = "Earlier versions are not shown, because this question does not show who the patient is."
    for member in (cast.expert, cast.coordinator):
        page = house.browser(member).get(f"/cases/{case_id}/record")
        assert page.status_code == 200
        assert NAME not in page.text
        assert withheld in page.text
        found = house.program(member).get(f"/api/v1/cases/{case_id}/entries?history=true")
        assert [(item["version"], item["document"]["note"]) for item in found.json()] == [(2, "左手")]
    for member in (cast.surgeon, cast.nurse):
        page = house.browser(member).get(f"/cases/{case_id}/record")
        assert f"{NAME}，左手" in page.text
        assert withheld not in page.text
        found = house.program(member).get(f"/api/v1/cases/{case_id}/entries?history=true")
        assert [item["version"] for item in found.json()] == [1, 2]
        found = house.program(member).get(f"/api/v1/cases/{case_id}/entries")
        assert [item["version"] for item in found.json()] == [2]


def test_who_is_shown_the_patient_is_shown_what_was_corrected(house: House) -> None:
    case_id = corrected(house.world, sees_identity=True)
    expert = house.world.cast.expert
    assert f"{NAME}，左手" in house.browser(expert).get(f"/cases/{case_id}/record").text
    found = house.program(expert).get(f"/api/v1/cases/{case_id}/entries?history=true")
    assert [item["version"] for item in found.json()] == [1, 2]


def test_the_page_that_closes_a_case_says_who_is_waited_for_instead(house: House) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        world.sign(db, case)
        second = world.refer(db, case)
    surgeon, path = house.browser(world.cast.surgeon), f"/cases/{case.id}/close"
    page = surgeon.get(path)
    assert "Close it for good" not in page.text
    assert "0576-5550101" in page.text
    refused = surgeon.post(path, data={"result": "healed"})
    assert refused.status_code == 409
    assert "A question about this case is still out." in refused.text
    assert "0576-5550101" in refused.text
    with world.begin() as db:
        referrals.withdraw(db, world.cast.surgeon.actor, second.id)
    assert "Close it for good" in surgeon.get(path).text
    unsaid = surgeon.post(path, data={"summary": "Back at her work."})
    assert unsaid.status_code == 422
    assert "Back at her work." in unsaid.text
    assert surgeon.post(path, data={"result": "healed", "summary": "Back at her work."}).status_code == 303
    shown = house.browser(world.cast.expert).get(f"/cases/{case.id}").text
    assert "How it ended" in shown
    assert "Back at her work." in shown


def test_a_coordinator_is_told_to_call_an_expert_who_is_late(house: House) -> None:
    world = house.world
    with world.begin() as db:
        referral = world.refer(db, world.case(db), expert_id=world.cast.expert.id)
        path = f"/cases/{referral.case_id}"
    coordinator = house.browser(world.cast.coordinator)
    assert "has not acknowledged" not in coordinator.get(path).text
    with ids.told(ids.now() + 11 * MINUTE):
        run_jobs(world.database, {escalation.OVERDUE: escalation.overdue})
        said = words(coordinator.get(path).text)
        assert any("the expert at Taizhou Orthopaedic Hospital has not acknowledged" in line for line in said)
        assert not any("Give this question to an expert" in line for line in said)
        assert f"{path}/referrals/{referral.id}" in coordinator.get(path).text


def test_who_is_called_is_told_what_to_do_and_takes_the_question(house: House) -> None:
    world, cast = house.world, house.world.cast
    with world.begin() as db:
        turns = Rotation(
            (cast.expert.id, cast.second_expert.id), "Asia/Shanghai", (dt.time(8),), 7, ids.now().date() - dt.timedelta(days=1)
        )
        rosters.create(db, cast.coordinator.actor, role="expert", specialty="hand_surgery", rotation=turns, phone="0576-5550199")
        referral = world.refer(db, world.case(db), expert_id=cast.expert.id)
        path = f"/cases/{referral.case_id}"
    backup = house.browser(cast.second_expert)
    assert backup.get(path).status_code == 404
    with ids.told(ids.now() + 11 * MINUTE):
        run_jobs(world.database, {escalation.OVERDUE: escalation.overdue})
        assert "A question has had no answer in time and you are the next on duty: take it" in words(backup.get("/notices").text)
        assert path in backup.get("/").text
        page = backup.get(path).text
        assert "No answer in time, and you are the next on duty. Take the question, so that they know." in words(page)
        assert f'action="{path}/referrals/{referral.id}/acknowledge"' in page
        assert f'action="{path}/referrals/{referral.id}/acknowledge"' in backup.get(f"{path}/referrals/{referral.id}").text
        surgeon = words(house.browser(cast.surgeon).get(path).text)
        assert any("Xu Wei called" in line for line in surgeon)
        assert backup.post(f"{path}/referrals/{referral.id}/acknowledge").status_code == 303
        assert "They wait for your opinion" in words(backup.get(path).text)


def test_a_question_the_expert_declined_is_offered_while_it_may_be_given_out(house: House) -> None:
    world, cast = house.world, house.world.cast
    with world.begin() as db:
        case = world.case(db)
        first = world.asked(db, case)
        referrals.decline(db, cast.expert.actor, first.id, code="no_capacity")
    coordinator, base = house.browser(cast.coordinator), f"/cases/{case.id}"
    offer = f'action="{base}/referrals/{first.id}/allocate"'
    assert "Give this question to an expert" in coordinator.get(base).text
    assert offer in coordinator.get(f"{base}/referrals/{first.id}").text
    with world.begin() as db:
        second = world.refer(db, case)
    assert f"{base}/referrals/{second.id}" in coordinator.get(base).text
    assert offer not in coordinator.get(f"{base}/referrals/{first.id}").text
    with world.begin() as db:
        referrals.allocate(db, cast.coordinator.actor, second.id, expert_id=cast.expert.id)
        referrals.decline(db, cast.expert.actor, second.id, code="no_capacity")
        cases.close(db, cast.surgeon.actor, case.id)
    assert "Give this question to an expert" not in coordinator.get(base).text
    assert "/allocate" not in coordinator.get(f"{base}/referrals/{second.id}").text


def checked(html: str) -> set[str]:
    """The name and value of every box and choice that is ticked."""
    boxes = re.findall(r'<input type="(?:checkbox|radio)" name="([^"]+)" value="([^"]*)" checked>', html)
    return {f"{name}={value}" for name, value in boxes}


def test_a_refused_question_keeps_what_the_patient_agreed_to(house: House) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db, consent=False)
    form = {"consent_transfer": "yes", "giver": "relative", "question": "", "specialty": "hand_surgery", "rank": "any"}
    form |= {"to_organisation_id": str(world.cast.taizhou.id), "without_consent": "电话未通"}
    surgeon, path = house.browser(world.cast.surgeon), f"/cases/{case.id}/refer"
    refused = surgeon.post(path, data=form)
    assert refused.status_code == 422
    ticked = checked(refused.text)
    assert {"consent_transfer=yes", "giver=relative"} <= ticked
    assert not {"consent_treatment=yes", "sees_identity=yes"} & ticked
    assert "电话未通" in refused.text
    ticked = checked(surgeon.post(path, data=form | {"consent_treatment": "yes", "sees_identity": "yes"}).text)
    assert {"consent_treatment=yes", "consent_transfer=yes", "sees_identity=yes"} <= ticked
    with world.begin() as db:
        assert consents.missing(db, case) == list(consents.NEEDED_TO_REFER), "a refused question records no consent"


def test_a_refused_no_and_a_refused_taking_back_keep_what_was_typed(house: House) -> None:
    world = house.world
    with world.begin() as db:
        referral = world.asked(db, world.case(db))
        path = f"/cases/{referral.case_id}/referrals/{referral.id}"
    expert = house.browser(world.cast.expert)
    refused = expert.post(f"{path}/decline", data={"code": "", "reason": "手术中，两小时后有空"})
    assert refused.status_code == 422
    assert "手术中，两小时后有空" in refused.text
    assert "code=other" in checked(expert.post(f"{path}/decline", data={"code": "other", "reason": ""}).text)
    refused = house.browser(world.cast.surgeon).post(f"{path}/withdraw", data={"reason": f"{NAME}转院"})
    assert refused.status_code == 422
    assert f'value="{NAME}转院"' in refused.text
    assert '<details class="more" open>' in refused.text


def test_a_refused_statement_keeps_its_note_under_its_purpose(house: House) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db)
    note = "妻子" * 600
    form = {"purpose": "teaching", "statement": "give", "giver": "relative", "note": note}
    refused = house.browser(world.cast.surgeon).post(f"/cases/{case.id}/consents", data=form)
    assert refused.status_code == 422
    assert refused.text.count(note) == 1
    section = refused.text.split('value="teaching"')[1].split("</form>")[0]
    assert note in section
    assert '<option value="relative" selected>' in section
    assert "This is too long." in section


@pytest.mark.parametrize(("language", "why"), [("en", "The patient's consent was withdrawn"), ("zh", "患者撤回了同意")])
def test_why_the_product_took_a_question_back_is_said_in_words(house: House, language: str, why: str) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db)
        referral = world.asked(db, case)
        consents.record(db, world.cast.surgeon.actor, case_id=case.id, purpose="transfer", statement="withdraw")
    run_jobs(world.database, {consents.WITHDRAWN: referrals.consent_withdrawn, escalation.OVERDUE: escalation.overdue})
    surgeon = house.browser(world.cast.surgeon, language=language)
    for path in (f"/cases/{case.id}", f"/cases/{case.id}/referrals/{referral.id}"):
        said = words(surgeon.get(path).text)
        assert why in said, path
        assert not [line for line in said if "consent-withdrawn" in line]


def test_a_closed_case_offers_to_withdraw_a_consent_and_nothing_else(house: House) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db)
        cases.close(db, world.cast.surgeon.actor, case.id)
    surgeon, base = house.browser(world.cast.surgeon), f"/cases/{case.id}"
    assert f'href="{base}/consents"' in surgeon.get(base).text
    offered = re.findall(r'name="statement" value="(\w+)"', surgeon.get(f"{base}/consents").text)
    assert offered == ["withdraw", "withdraw"]
    refused = surgeon.post(f"{base}/consents", data={"purpose": "teaching", "statement": "give"})
    assert refused.status_code == 409
    assert "This case is closed." in refused.text
    for purpose in consents.NEEDED_TO_REFER:
        assert surgeon.post(f"{base}/consents", data={"purpose": purpose, "statement": "withdraw"}).status_code == 303
    assert f'href="{base}/consents"' not in surgeon.get(base).text
    said = surgeon.post(f"{base}/messages", data={"text": "nachgetragen"})
    assert said.status_code == 409
    assert "This case is closed." in said.text
    assert "nachgetragen" in unescape(said.text)


def test_a_program_closes_a_case_with_its_summary_once(house: House) -> None:
    with house.world.begin() as db:
        case_id = house.world.case(db).id
    program = house.program(house.world.cast.surgeon, "case:read", "case:close", "case:write")
    address = f"/api/v1/cases/{case_id}/close"
    wrong = program.post(address, json={"fields": {"result": "cured"}})
    assert (wrong.status_code, list(wrong.json()["fields"])) == (422, ["result"])
    for _ in range(2):
        answer = program.post(address, json={"fields": {"result": "healed", "care": "outpatient"}, "client_key": "k"})
        assert (answer.status_code, answer.json()["state"]) == (200, "closed"), answer.text
    [entry] = program.get(f"/api/v1/cases/{case_id}/entries").json()
    assert (entry["type"], entry["document"]["care"]) == ("closure", "outpatient")
