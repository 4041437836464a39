"""The one path that must always work, through the forms of the pages, with no script; and bad input on the way."""

import datetime as dt
import re
from html import unescape

import pyotp
import pytest

from core import ids
from registry import access
from tests.cast import Member
from tests.registry.conftest import wall
from tests.registry.web.conftest import House, field_of


def local(ago: float, zone: str = "Asia/Urumqi") -> str:
    """A ``datetime-local`` field so many hours ago."""
    from zoneinfo import ZoneInfo

    return (ids.now() - dt.timedelta(hours=ago)).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M")


def fresh_code(member: Member) -> str:
    """A code that no sign-in of this test has used."""
    return pyotp.TOTP(member.totp_secret).at(ids.now())


def test_from_the_injury_to_the_verified_log(house: House) -> None:
    cast = house.world.cast
    surgeon = house.browser(cast.surgeon)

    # a new case; the same form sent twice makes one
    page = surgeon.get("/cases/new").text
    new = {"client_key": field_of(page, "client_key"), "name": "胡杨", "sex": "male", "birth_date": "1992-04-02", "kind": "amputation"}
    made = [surgeon.post("/cases/new", data=new).headers["Location"] for _ in range(2)]
    assert made[0] == made[1]
    base = made[0].removesuffix("/entries/injury")

    # an injury in the future is refused, and nothing that was typed is lost
    injury = {
        "injured_at": local(-3),
        "injured_at.zone": "Asia/Urumqi",
        "mechanism": "sharp_cut",
        "side": "left",
        "note": "切割机，断端整齐",
    }
    refused = surgeon.post(f"{base}/entries/injury", data=injury)
    assert refused.status_code == 422
    assert "This time lies in the future." in refused.text
    assert injury["note"] in refused.text
    assert injury["injured_at"] in refused.text
    assert injury["note"] in surgeon.get(f"{base}/entries/injury").text
    injury["injured_at"] = local(3)
    assert surgeon.post(f"{base}/entries/injury", data=injury).headers["Location"] == f"{base}/entries/amputation"
    unit = {"part": "index", "side": "left", "completeness": "complete", "level": "digit", "storage": "sealed_on_ice"}
    unit |= {"cooling_started_at": local(1), "cooling_started_at.zone": "Asia/Urumqi"}
    assert surgeon.post(f"{base}/entries/amputation", data=unit).headers["Location"] == f"{base}/pictures"
    shown = surgeon.get(base).text
    assert "Severed index finger, left" in shown
    assert "2 h 00" in shown
    assert "1 h 00" in shown

    # the question: consents with it, and no name of the patient in it
    question = {"to_organisation_id": str(cast.taizhou.id), "question": "胡杨的示指能否再植？", "specialty": "hand_surgery", "rank": "any"}
    question |= {"consent_treatment": "yes", "consent_transfer": "yes", "giver": "patient", "client_key": "q-1"}
    refused = surgeon.post(f"{base}/refer", data=question)
    assert refused.status_code == 422
    assert "胡杨的示指能否再植？" in refused.text
    question["question"] = "示指能否再植？"
    assert surgeon.post(f"{base}/refer", data=question).headers["Location"] == base

    # the coordinator gives it to the expert, who acknowledges
    coordinator = house.browser(cast.coordinator)
    referral = re.search(rf"{base}/referrals/[0-9a-f-]+", coordinator.get("/").text)
    assert referral is not None
    assert coordinator.post(f"{referral.group()}/allocate", data={"expert_id": str(cast.expert.id)}).status_code == 303
    expert = house.browser(cast.expert)
    assert "胡杨" not in expert.get(base).text
    assert expert.post(f"{referral.group()}/acknowledge").status_code == 303

    # the opinion: kept as it is written, a wrong code loses nothing, signing freezes it
    written = {"findings": "断端整齐", "recommendation": "建议再植", "urgency": "emergency", "limits": "未行体格检查"}
    assert expert.post(f"{base}/opinion/draft", data=written, headers={"Accept": "application/json"}).json() == {"fields": {"version": "1"}}
    refused = expert.post(f"{base}/opinion", data={**written, "code": "000000"})
    assert refused.status_code == 422
    assert "建议再植" in refused.text
    cookie = expert.cookies["__Host-session"]
    signed = expert.post(f"{base}/opinion", data={**written, "code": fresh_code(cast.expert)})
    assert signed.headers["Location"] == f"{base}#opinion"
    assert expert.cookies["__Host-session"] != cookie, "a step-up goes on under a fresh secret"
    assert expert.get(f"{base}/opinion").status_code == 200

    # the surgeon reads it, checks it, decides
    shown = surgeon.get(base).text
    assert "建议再植" in shown
    check = re.search(rf"{base}/opinions/[0-9a-f-]+", shown)
    assert check is not None
    assert "This opinion is what was signed." in surgeon.get(check.group()).text
    opinion = check.group().rsplit("/", 1)[1]
    refused = surgeon.post(f"{base}/decision", data={"opinion": opinion, "choice": "modify"})
    assert refused.status_code == 422
    assert surgeon.post(f"{base}/decision", data={"opinion": opinion, "choice": "accept", "client_key": "d-1"}).status_code == 303

    # treatment and follow-up
    today = ids.now().date().isoformat()
    assert surgeon.post(f"{base}/follow-up/plan", data={"treated_on": today}).status_code == 303
    visit = {"seen_on": today, "survival": "survived", "pain": "3", "motion": "limited", "work_status": "none", "client_key": "v-1"}
    nurse = house.browser(cast.nurse)
    assert nurse.post(f"{base}/follow-up", data=visit).status_code == 303
    assert "Survived" in expert.get(base).text, "the expert who advised is shown the outcome"

    # the administrator asks who saw this patient, and whether the log is whole
    administrator = house.browser(cast.administrator)
    answer = administrator.post("/audit/patient", data={"name": "胡杨", "birth_date": "1992-04-02"})
    told = unescape(re.sub(r"<[^>]+>", " ", answer.text))
    assert "Chen Hao" in told
    assert "signed the opinion on SH-" in told
    assert "to Chen Hao" in told
    assert "agrees with itself" in administrator.get("/audit/proof").text
    assert administrator.post("/audit/patient", data={"name": "胡杨"}).status_code == 422


def test_somebody_who_looks_known_is_shown_first(house: House) -> None:
    world = house.world
    with world.begin() as db:
        known = world.patient(db, name="张卫国")
    surgeon = house.browser(world.cast.surgeon)
    typed = {"name": "张卫国", "sex": "male", "birth_date": "1988-03-05", "kind": "flap", "client_key": "k"}
    warned = surgeon.post("/cases/new", data=typed)
    assert warned.status_code == 409
    assert str(known.id) in warned.text
    assert 'value="张卫国"' in warned.text
    assert str(known.id) in surgeon.post("/cases/new/known", data=typed).text
    assert "same name and date of birth" in warned.text
    unfinished = surgeon.post("/cases/new", data={**typed, "patient": str(known.id), "kind": ""})
    assert unfinished.status_code == 422
    assert f'value="{known.id}" checked' in unfinished.text, "who was chosen stays chosen"
    same = surgeon.post("/cases/new", data={"name": "张", "kind": "flap", "client_key": "k", "patient": str(known.id)})
    other = surgeon.post("/cases/new", data={**typed, "patient": "other", "client_key": "k2"})
    assert {same.status_code, other.status_code} == {303}
    with world.begin() as db:
        from registry import cases

        found = {case.patient_id for case in cases.list_(db, world.cast.surgeon.actor).cases}
    assert known.id in found
    assert len(found) == 2


def test_nonsense_in_every_form_is_answered_without_a_fault(house: House) -> None:
    with house.world.begin() as db:
        case = house.world.case(db)
        house.world.injury(db, case)
    surgeon, base = house.browser(house.world.cast.surgeon), f"/cases/{case.id}"
    long = "长" * 20000
    values = ["", "\x00", "2026-13-45T99:99", "-1", "1e999", "not-a-code", long, "'; DROP TABLE cases; --", "😀", "0000-00-00"]
    fields = [
        "injured_at",
        "injured_at.zone",
        "injured_at.precision",
        "mechanism",
        "region",
        "systolic",
        "note",
        "version",
        "replaces",
        "client_key",
    ]
    for value in values:
        for name in fields:
            for path in ("/entries/injury", "/entries/injury/draft"):
                status = surgeon.post(base + path, data={name: value}).status_code
                assert status < 500, (path, name, value[:20], status)
        for path, name in [("/cases/new", "birth_date"), ("/cases/new", "patient"), (f"{base}/refer", "to_organisation_id"), (f"{base}/consents", "purpose"),
                           (f"{base}/follow-up/plan", "treated_on"), (f"{base}/follow-up", "visit"), (f"{base}/decision", "opinion"), (f"{base}/messages", "text"),
                           ("/cases/search", "q"), ("/account/zone", "time_zone"), ("/account/tokens", "days"), ("/language", "language")]:  # fmt: skip
            assert surgeon.post(path, data={name: value}).status_code < 500, (path, name, value[:20])
    for path in (
        "/cases/x",
        "/cases?after=x",
        "/cases/00000000-0000-0000-0000-000000000000/entries/nothing",
        "/audit/person/x",
        "/cases?state=x&urgency=y",
    ):
        assert surgeon.get(path).status_code < 500, path


def test_two_devices_do_not_overwrite_each_other(house: House) -> None:
    with house.world.begin() as db:
        case = house.world.case(db)
    surgeon, path = house.browser(house.world.cast.surgeon), f"/cases/{case.id}/entries/injury/draft"
    script = {"Accept": "application/json"}
    assert surgeon.post(path, data={"note": "phone", "version": "0"}, headers=script).status_code == 200
    late = surgeon.post(path, data={"note": "desk", "version": "0"}, headers=script)
    assert late.status_code == 412
    assert "phone" in surgeon.get(path.removesuffix("/draft")).text


def test_a_correction_stands_beside_what_it_replaces(house: House) -> None:
    with house.world.begin() as db:
        case = house.world.case(db)
        entry = house.world.injury(db, case, note="rechte Hand")
    surgeon, base = house.browser(house.world.cast.surgeon), f"/cases/{case.id}"
    form = {"replaces": str(entry.id), "mechanism": "crush", "injured_at": wall(ids.now() - dt.timedelta(hours=2)), "note": "linke Hand"}
    assert surgeon.post(f"{base}/entries/injury", data=form).status_code == 422
    assert surgeon.post(f"{base}/entries/injury", data={**form, "reason": "Seite verwechselt"}).status_code == 303
    record = surgeon.get(f"{base}/record").text
    for words in ("rechte Hand", "linke Hand", "Seite verwechselt", "version 2", "A later version replaces this one."):
        assert words in record


def test_who_saw_a_patient_is_told_to_the_first_act_and_no_name_stands_in_address_or_title(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house.world.begin() as db:
        patient = house.world.patient(db, name="审计员外")
        house.world.case(db, patient_id=patient.id)
    monkeypatch.setattr(access, "LIMIT", 2)
    administrator = house.browser(house.world.cast.administrator)
    page = administrator.post("/audit/patient", data={"name": "审计员外", "birth_date": "1988-03-05"}).text
    assert "审计员外" not in re.search(r"<title>(.*?)</title>", page, re.DOTALL).group(1)  # type: ignore[union-attr]
    seen = [page]
    while "Earlier acts follow" in seen[-1]:
        asked = {name: field_of(seen[-1], name) for name in ("patient", "before")}
        seen.append(administrator.post("/audit/patient", data=asked).text)
    assert len(seen) > 2
    assert any("entered a new patient" in one for one in seen)
