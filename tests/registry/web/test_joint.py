"""Joint opinions at the edge: the form, the page to join, what the case page and the API tell of it, and the log."""

from uuid import UUID

from core import audit
from registry import joint
from registry.opinions import Opinion
from tests.cast import Member
from tests.registry.conftest import stepped_up
from tests.registry.test_joint import TOGETHER, advised
from tests.registry.web.conftest import House


def world_of(house: House) -> tuple[str, Member, Opinion]:
    """A case with two opinions, the expert of the other hospital, and their opinion."""
    with house.world.begin() as db:
        case, other, _, second = advised(db, house.world)
        return str(case.id), other, second


def test_it_is_written_signed_and_joined_by_hand(house: House) -> None:
    cast = house.world.cast
    case_id, other, second = world_of(house)
    writer, reader, surgeon = house.browser(cast.expert), house.browser(other), house.browser(cast.surgeon)
    assert f"/cases/{case_id}/joint" in writer.get(f"/cases/{case_id}").text
    form = writer.get(f"/cases/{case_id}/joint")
    assert form.status_code == 200
    assert form.text.count('class="opinion"') == 2
    wrong = writer.post(f"/cases/{case_id}/joint", data=TOGETHER | {"code": "000000"})
    assert wrong.status_code == 422
    assert TOGETHER["differences"] in wrong.text, "a wrong code loses nothing"
    signed = writer.post(f"/cases/{case_id}/joint", data=TOGETHER | {"code": cast.expert.code()})
    assert signed.status_code == 303, signed.text
    told = house.program(cast.surgeon, "opinion:read").get(f"/api/v1/cases/{case_id}/opinions").json()
    [made] = [one for one in told if one["joined"]]
    assert [one["state"] for one in made["joined"]] == ["joined", "asked"]
    page = f"/cases/{case_id}/joint/{made['id']}"
    assert page in reader.get(f"/cases/{case_id}").text, "the page of the case says what is asked"
    assert page in reader.get("/").text, "and so does the work list"
    assert f"/cases/{case_id}/joint" not in writer.get(f"/cases/{case_id}").text, "while somebody is asked no other is offered"
    assert '/join"' not in writer.get(page).text, "its own signer has nothing to join"
    assert surgeon.get(f"/cases/{case_id}/joint/{second.id}").status_code == 404, "this one joins nothing"
    assert reader.get(page).status_code == 200
    assert reader.post(f"{page}/decline", data={"words": " "}).status_code == 422
    assert reader.post(f"{page}/join", data={"code": "000000"}).status_code == 422
    joined = reader.post(f"{page}/join", data={"code": other.code()})
    assert joined.status_code == 303, joined.text
    shown = surgeon.get(f"/cases/{case_id}").text
    assert "Joined by Gu Lan" in shown
    assert f"decision?opinion={made['id']}" in shown
    assert "signed for that" in surgeon.get(f"/cases/{case_id}/opinions/{made['id']}").text
    assert surgeon.get(f"/cases/{case_id}/opinions/{made['id']}/sheet").status_code == 200


def test_what_shows_a_case_is_in_its_log(house: House) -> None:
    cast = house.world.cast
    case_id, other, _ = world_of(house)
    writer, reader = house.browser(cast.expert), house.browser(other)

    def seen(member: Member) -> int:
        with house.world.begin() as db:
            return len(audit.events(db, cast.aral.id, actor_id=member.id, limit=1000))

    before = seen(cast.expert)
    assert writer.get(f"/cases/{case_id}/joint").status_code == 200
    assert seen(cast.expert) > before
    drafts = house.program(cast.expert, "opinion:write", "opinion:read")
    put = drafts.put(f"/api/v1/cases/{case_id}/joint-opinion/draft", json={"fields": {"findings": "Turned."}})
    assert put.status_code == 200, put.text
    assert drafts.get(f"/api/v1/cases/{case_id}/joint-opinion/draft").json()["fields"]["findings"] == "Turned."
    with house.world.begin() as db:
        made = joint.sign(db, stepped_up(cast.expert.actor), UUID(case_id), TOGETHER)
        opinion_id = made.id
    before = seen(other)
    assert reader.get(f"/cases/{case_id}/joint/{opinion_id}").status_code == 200
    assert seen(other) > before
    answer = house.program(other, "opinion:sign", "opinion:read").post(f"/api/v1/opinions/{opinion_id}/not-join", json={"words": "No."})
    assert answer.status_code in (403, 422), "a token does not speak for a person"
