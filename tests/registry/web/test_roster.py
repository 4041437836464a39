"""The roster's pages and call: what each reader is offered, what is kept of a refused form, and what a partner is told."""

import datetime as dt
import re

import pytest

from auth import people
from core import ids
from core.actor import Actor
from registry import referrals, rosters
from registry.rotation import Rotation
from tests.registry.web.conftest import House, field_of, words

DUTY = {"role": "expert", "specialty": "hand_surgery"}


@pytest.fixture
def roster(house: House) -> rosters.Roster:
    """The hand surgeons' roster of the invited hospital: the expert, then the second."""
    cast = house.world.cast
    rotation = Rotation((cast.expert.id, cast.second_expert.id), "Asia/Shanghai", (dt.time(),), 28, ids.now().date() - dt.timedelta(days=2))
    with house.world.begin() as db:
        return rosters.create(db, cast.coordinator.actor, **DUTY, rotation=rotation, phone="0576 5550199")


def test_a_refused_roster_comes_back_as_it_was_typed(house: House) -> None:
    cast = house.world.cast
    client = house.browser(cast.coordinator)
    typed = {"role": "expert", "specialty": "burns", "time_zone": "Asia/Urumqi", "days": "half", "handover": "20:00", "night": "08:00"}
    typed |= {"begins_on": "2026-11-20", "phone": "0576 1", "people": str(cast.second_expert.id)}
    answer = client.post("/hospital/roster/new", data=typed)
    assert answer.status_code == 422
    assert "the night begins later" in answer.text
    for name in ("handover", "night", "begins_on", "phone"):
        assert field_of(answer.text, name) == typed[name]
    for chosen in ("burns", "half", "Asia/Urumqi", str(cast.second_expert.id)):
        assert f'<option value="{chosen}" selected>' in answer.text
    with house.world.begin() as db:
        assert rosters.whole(db, cast.coordinator.actor).rosters == ()


def test_the_turns_are_shown_before_anything_is_changed(house: House, roster: rosters.Roster) -> None:
    cast = house.world.cast
    client = house.browser(cast.coordinator)
    page = client.get(f"/hospital/roster/{roster.id}").text
    sent: dict[str, str | list[str]] = {name: field_of(page, name) for name in ("version", "handover", "night", "begins_on", "phone")}
    sent |= {"days": "7", "time_zone": "Asia/Shanghai", "people": [str(cast.second_expert.id), str(cast.expert.id)]}
    shown = client.post(f"/hospital/roster/{roster.id}", data=sent | {"look": "1"})
    assert shown.status_code == 200
    assert re.findall(r"<td><strong>(.*?)</strong></td>", shown.text)[:3] == ["Xu Wei", "Chen Hao", "Xu Wei"]
    assert "Chen Hao" in client.get("/hospital/roster").text.split("Backup")[0]
    assert client.post(f"/hospital/roster/{roster.id}", data=sent).status_code == 303
    assert "Xu Wei" in client.get("/hospital/roster").text.split("Backup")[0]
    # the same form once more was made from what is no longer so
    assert client.post(f"/hospital/roster/{roster.id}", data=sent).status_code == 409


def test_an_order_says_who_is_no_longer_able(house: House, roster: rosters.Roster) -> None:
    cast = house.world.cast
    with house.world.begin() as db:
        people.dismiss(db, Actor.system(cast.taizhou.id), cast.expert.id, "expert")
    text = house.browser(cast.coordinator).get(f"/hospital/roster/{roster.id}").text
    assert f'<option value="{cast.expert.id}" selected>Chen Hao, no longer in this role</option>' in text


def test_only_a_keeper_is_offered_to_change_and_told_of_gaps_and_reasons(house: House, roster: rosters.Roster) -> None:
    cast = house.world.cast
    with house.world.begin() as db:
        for member in (cast.expert, cast.second_expert):
            since, until = ids.now() + dt.timedelta(days=3), ids.now() + dt.timedelta(days=4)
            rosters.absent(db, cast.coordinator.actor, person_id=member.id, since=since, until=until, reason="sick")
    keeper, expert = (house.browser(member).get("/hospital/roster").text for member in (cast.coordinator, cast.expert))
    assert "Nobody can be called" in keeper
    assert keeper.count("· Sick") == 2
    assert f"/hospital/roster/{roster.id}" in keeper
    assert "Nobody can be called" not in expert
    assert expert.count("· Sick") == 1
    assert f"/hospital/roster/{roster.id}" not in expert
    assert "nobody is on duty for part" in house.browser(cast.coordinator).get("/").text
    assert "You are on duty until" in house.browser(cast.expert).get("/").text
    assert "on duty" not in " ".join(words(house.browser(cast.second_expert).get("/").text))


def test_own_absence_alone_is_entered_by_an_expert(house: House, roster: rosters.Roster) -> None:
    cast = house.world.cast
    client = house.browser(cast.expert)
    until = (ids.now() + dt.timedelta(days=1)).astimezone(dt.timezone(dt.timedelta(hours=8))).strftime("%Y-%m-%dT%H:%M")
    sent = {"person_id": str(cast.second_expert.id), "until": until, "reason": "leave"}
    assert client.post("/hospital/roster/absences", data=sent).status_code == 403
    assert client.post("/hospital/roster/absences", data=sent | {"person_id": str(cast.expert.id)}).status_code == 303
    refused = client.post("/hospital/roster/absences", data=sent | {"person_id": str(cast.expert.id), "reason": ""})
    assert refused.status_code == 422
    assert field_of(refused.text, "until") == until
    with house.world.begin() as db:
        assert [away.person_id for away in rosters.whole(db, cast.expert.actor).absences] == [cast.expert.id]


def test_the_refer_page_offers_the_expert_on_duty_and_asks_them_straight(house: House, roster: rosters.Roster) -> None:
    world, cast = house.world, house.world.cast
    with world.begin() as db:
        case = world.case(db)
    client = house.browser(cast.surgeon)
    straight = f"{cast.taizhou.id}:{cast.expert.id}"
    page = client.get(f"/cases/{case.id}/refer").text
    assert straight in page
    assert 'href="tel:05765550199"' in page
    assert straight not in client.get(f"/cases/{case.id}/refer?specialty=burns").text
    sent = {"to_organisation_id": straight, "question": "Can it be replanted?", "specialty": "hand_surgery", "rank": "any"}
    looked = client.post(f"/cases/{case.id}/refer", data=sent | {"look": "1"})
    assert looked.status_code == 200
    assert re.search(rf'value="{straight}" checked', looked.text)
    with world.begin() as db:
        assert referrals.for_case(db, cast.surgeon.actor, case.id) == []
    assert client.post(f"/cases/{case.id}/refer", data=sent).status_code == 303
    with world.begin() as db:
        (asked,) = referrals.for_case(db, cast.surgeon.actor, case.id)
        assert (asked.referral.expert_id, asked.referral.state) == (cast.expert.id, "allocated")
    for path in ("/", f"/cases/{case.id}", f"/cases/{case.id}/referrals/{asked.referral.id}", f"/cases/{case.id}/close"):
        assert 'href="tel:05765550199"' in client.get(path).text, path


def test_without_a_roster_the_refer_page_is_as_before(house: House) -> None:
    world, cast = house.world, house.world.cast
    with world.begin() as db:
        case = world.case(db)
    page = house.browser(cast.surgeon).get(f"/cases/{case.id}/refer").text
    assert re.findall(r'name="to_organisation_id" value="([^"]*)"', page)[0] == str(cast.taizhou.id)
    assert f"{cast.taizhou.id}:" not in page


def test_the_call_says_who_is_on_duty(house: House, roster: rosters.Roster) -> None:
    cast = house.world.cast
    hospital = {"organisation_id": str(cast.taizhou.id)}
    told = house.program(cast.surgeon).get("/api/v1/roster/duty", params=DUTY | hospital).json()
    assert [one["person_id"] for one in told["people"]] == [str(cast.expert.id)]
    assert (told["next"]["person_id"], told["phone"]) == (str(cast.second_expert.id), "0576 5550199")
    assert dt.datetime.fromisoformat(told["handover"]) == dt.datetime.fromisoformat(told["people"][0]["until"])
    own = house.program(cast.expert).get("/api/v1/roster/duty", params=DUTY).json()
    assert [one["person_id"] for one in own["people"]] == [str(cast.expert.id), str(cast.second_expert.id)]
    for member, params in ((cast.stranger, DUTY | hospital), (cast.surgeon, {"role": "expert", "specialty": "burns"} | hospital)):
        assert house.program(member).get("/api/v1/roster/duty", params=params).status_code == 404
    assert house.program(cast.surgeon, "case:read").get("/api/v1/roster/duty", params=DUTY | hospital).status_code == 403


def test_who_was_on_duty_is_answered_and_a_time_that_is_none_is_refused_kindly(house: House, roster: rosters.Roster) -> None:
    client = house.browser(house.world.cast.expert)
    later = (ids.now() + dt.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")
    assert "Chen Hao, Xu Wei" in client.get("/hospital/roster", params={"at": later + "+00:00"}).text
    assert "There was no roster then" in client.get("/hospital/roster", params={"at": "2020-01-01T00:00"}).text
    assert "This is not a time" in client.get("/hospital/roster", params={"at": "yesterday"}).text
    for at in ("0001-01-01T00:00", "9999-12-31T23:59"):
        # a time at the edge of the calendar is no fault of ours
        assert client.get("/hospital/roster", params={"at": at}).status_code == 200, at
