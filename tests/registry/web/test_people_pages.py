"""The administrator's pages for people, and an invitation from its making to its use, through the application."""

import dataclasses
import re
from html import unescape
from urllib.parse import unquote
from uuid import UUID

import pyotp
import pytest
from starlette.testclient import TestClient

from auth import agreements, duties, enrolments, invitations, people, profiles, proposals, sessions
from auth.people import Person
from auth.sessions import SignedSession
from core import ids
from core.actor import Actor
from tests.cast import Member, join
from tests.registry.web.conftest import House, words

ADDRESS = "he.yu@example.cn"


def stepped_up(house: House, member: Member, **more: bool) -> TestClient:
    """A browser in which somebody has just given a second factor."""
    client = house.browser(member, **more)  # type: ignore[arg-type]
    with house.world.begin() as db:
        actor = sessions.resolve(db, client.cookies["__Host-session"])
        assert actor is not None
        db.get_one(SignedSession, actor.session_id).stepped_up_at = ids.now()
    return client


def told(html: str) -> str:
    return " ".join(words(html))


def code_on(html: str) -> str:
    found = re.search(r'id="secret">([^<]+)<', html)
    assert found is not None
    return unescape(found.group(1))


def second(house: House) -> Member:
    with house.world.begin() as db:
        return join(db, house.world.cast.aral, "he.jun", "何军", "He Jun", "administrator")


def roles_of(house: House, person_id: UUID) -> frozenset[str]:
    with house.world.begin() as db:
        return people.roles_in(db, person_id, house.world.cast.aral.id)


def test_a_nurse_is_added_and_gets_a_way_in(house: House) -> None:
    admin = stepped_up(house, house.world.cast.administrator, follow=True)
    refused = admin.post(
        "/hospital/people/new", data={"login": "LI.NA", "name": "谷雨", "phone": "0997-1", "roles": "nurse", "language": "zh"}
    )
    assert refused.status_code == 422
    assert "Somebody has this login already." in told(refused.text)
    assert 'value="谷雨"' in refused.text
    assert re.search(r'value="nurse" checked', refused.text)
    made = admin.post(
        "/hospital/people/new", data={"login": "gu.yu", "name": "谷雨", "phone": "0997-1", "roles": "nurse", "language": "zh"}
    )
    assert "Has never signed in" in told(made.text)
    page = admin.post(f"{made.url.path}/enrol")
    assert page.status_code == 200
    assert "https://shanhai.test/enrol" in told(page.text)
    with house.world.begin() as db:
        assert enrolments.shown(db, code_on(page.text)).person.login == "gu.yu"
    assert admin.get("/hospital/people").text.count("tel:0997-1") == 1


def test_the_list_is_narrowed_by_name_and_role_and_keeps_the_gone_apart(house: House) -> None:
    cast = house.world.cast
    with house.world.begin() as db:
        people.disable(db, cast.administrator.actor, cast.second_surgeon.id)
    admin = house.browser(cast.administrator)
    whole = admin.get("/hospital/people").text
    assert whole.index("Aygul") < whole.index("Shut out (1)") < whole.index("Wang Jun")
    for query, shown, hidden in (
        ("q=ayg", "Aygul", "Li Na"),
        ("q=李", "Li Na", "Aygul"),
        ("role=nurse", "Aygul", "Li Na"),
        ("q=zm", "Zhao Min", "Aygul"),
    ):
        page = told(admin.get(f"/hospital/people?{query}").text)
        assert shown in page
        assert hidden not in page
    assert "Nobody fits" in admin.get("/hospital/people?q=nobody").text


def test_an_expert_with_little_practice_is_marked(house: House) -> None:
    cast = house.world.cast
    with house.world.begin() as db:
        admin = join(db, cast.taizhou, "he.ping", "何平", "He Ping", "administrator")
        for member, since in ((cast.expert, ids.now().year - 2), (cast.second_expert, ids.now().year - 3)):
            person = db.get_one(Person, member.id)
            profiles.amend(db, Actor.system(cast.taizhou.id), member.id, dataclasses.replace(profiles.of(person), practising_since=since))
    client = house.browser(admin)
    assert "2 years of practice: an expert who advises another hospital is asked to have three." in told(
        client.get(f"/hospital/people/{cast.expert.id}").text
    )
    assert "is asked to have three" not in told(client.get(f"/hospital/people/{cast.second_expert.id}").text)
    assert client.get("/hospital/people").text.count("Under three years of practice") == 1


def test_a_profile_is_corrected_and_a_wrong_one_comes_back_as_typed(house: House) -> None:
    cast = house.world.cast
    admin = stepped_up(house, cast.administrator, follow=True)
    path = f"/hospital/people/{cast.nurse.id}"
    wrong = admin.post(path, data={"name": "阿依古丽", "email": "nonsense", "practising_since": "soon", "title": "护师"})
    assert wrong.status_code == 422
    assert 'value="nonsense"' in wrong.text
    wrong = admin.post(path, data={"name": "阿依古丽", "email": "nonsense", "title": "护师"})
    assert "This is not an e-mail address." in told(wrong.text)
    admin.post(path, data={"name": "阿依古丽", "email": "Aygul@Aral.example.cn", "phone": "0997-2", "practising_since": "2015"})
    with house.world.begin() as db:
        person = db.get_one(Person, cast.nurse.id)
        assert (person.email, person.phone, person.practising_since, person.title) == ("aygul@aral.example.cn", "0997-2", 2015, "")


def test_a_role_is_given_at_once_and_one_that_matters_by_a_second_administrator(house: House) -> None:
    cast, other = house.world.cast, second(house)
    admin, two = stepped_up(house, cast.administrator, follow=True), stepped_up(house, other, follow=True)
    path = f"/hospital/people/{cast.nurse.id}"
    admin.post(f"{path}/give", data={"role": "coordinator"})
    assert roles_of(house, cast.nurse.id) == {"nurse", "coordinator"}
    page = admin.post(f"{path}/give", data={"role": "auditor"})
    assert "Another administrator has to confirm this." in told(page.text)
    assert roles_of(house, cast.nurse.id) == {"nurse", "coordinator"}
    again = admin.post(f"{path}/give", data={"role": "auditor"})
    assert again.status_code == 409
    listed = two.get("/hospital/people")
    assert "Make Aygul an auditor" in told(listed.text)
    with house.world.begin() as db:
        [proposal] = proposals.waiting(db, other.actor)
    two.post(f"/hospital/proposals/{proposal.id}/confirm")
    assert roles_of(house, cast.nurse.id) == {"nurse", "coordinator", "auditor"}
    admin.post(f"{path}/take", data={"role": "coordinator"})
    assert roles_of(house, cast.nurse.id) == {"nurse", "auditor"}


def test_a_step_up_on_the_way_keeps_what_was_typed(house: House) -> None:
    cast = house.world.cast
    admin = house.browser(cast.administrator)
    asked = admin.post(f"/hospital/people/{cast.nurse.id}/give", data={"role": "coordinator"})
    assert asked.status_code == 403
    kept = re.search(r'name="kept" value="([^"]+)"', asked.text)
    assert kept is not None
    onward = admin.post("/sign-in/again", data={"code": cast.administrator.code(), "kept": unescape(kept.group(1)), "next": "/"})
    assert f'action="/hospital/people/{cast.nurse.id}/give"' in onward.text
    assert ">\ncoordinator</textarea>" in onward.text


def test_the_page_says_why_something_cannot_be_done(house: House) -> None:
    cast = house.world.cast
    admin = stepped_up(house, cast.administrator)
    own = admin.get(f"/hospital/people/{cast.administrator.id}")
    assert "Nobody changes their own rights" in told(own.text)
    for act in ("give", "take", "disable", "enrol", "retire", "enable"):
        assert f'/{act}"' not in own.text
        assert admin.post(f"/hospital/people/{cast.administrator.id}/{act}", data={"role": "administrator"}).status_code == 403
    other = second(house)
    assert "replaced by the operator alone" in told(admin.get(f"/hospital/people/{other.id}").text)
    with house.world.begin() as db:
        people.dismiss(db, Actor.system(cast.aral.id), cast.administrator.id, "administrator")
        people.appoint(db, Actor.system(cast.aral.id), cast.administrator.id, "nurse")
        people.appoint(db, Actor.system(cast.aral.id), cast.nurse.id, "operator")
    two = stepped_up(house, other)
    with house.world.begin() as db:
        third = join(db, cast.aral, "gu.lan", "顾岚", "Gu Lan", "administrator")
        people.disable(db, Actor.system(cast.aral.id), other.id)
        people.let_back_in(db, Actor.system(cast.aral.id), db.get_one(Person, other.id))
        people.dismiss(db, Actor.system(cast.aral.id), other.id, "administrator")
    assert two.get("/hospital/people").status_code in (303, 403)
    last = stepped_up(house, third)
    assert last.post(f"/hospital/people/{other.id}/disable").status_code == 303


def test_the_last_administrator_is_kept_and_the_page_says_so(house: House) -> None:
    """A visitor who is the last administrator of another hospital cannot be disabled by their home either."""
    cast = house.world.cast
    with house.world.begin() as db:
        people.appoint(db, Actor.system(cast.kashgar.id), cast.nurse.id, "administrator")
    admin = stepped_up(house, cast.administrator)
    refused = admin.post(f"/hospital/people/{cast.nurse.id}/disable")
    assert refused.status_code == 409
    assert "This is the last administrator and cannot be removed." in told(refused.text)


def test_somebody_is_shut_out_and_let_back_in_and_an_administrator_by_two(house: House) -> None:
    cast, other = house.world.cast, second(house)
    admin = stepped_up(house, cast.administrator, follow=True)
    for member in (cast.nurse, other):
        page = admin.post(f"/hospital/people/{member.id}/disable")
        assert "Shut out" in told(page.text)
    assert "Has never" not in told(admin.post(f"/hospital/people/{cast.nurse.id}/enable").text)
    waits = admin.post(f"/hospital/people/{other.id}/enable")
    assert "There is no second administrator. The operator confirms with: shanhai user approve" in told(waits.text)
    with house.world.begin() as db:
        assert db.get_one(Person, cast.nurse.id).disabled_at is None
        assert db.get_one(Person, other.id).disabled_at is not None


def test_sessions_and_tokens_of_somebody_are_ended(house: House) -> None:
    cast = house.world.cast
    nurse, program = house.browser(cast.nurse), house.program(cast.nurse, "case:read")
    admin = stepped_up(house, cast.administrator)
    page = admin.get(f"/hospital/people/{cast.nurse.id}")
    assert "On 2 devices" in told(page.text)
    admin.post(f"/hospital/people/{cast.nurse.id}/sessions/end")
    assert nurse.get("/cases").status_code == 303
    token = re.search(r"/tokens/([0-9a-f-]+)/revoke", page.text)
    assert token is not None
    assert program.get("/api/v1/cases").status_code == 200
    admin.post(token.group(0).replace("/tokens", f"/hospital/people/{cast.nurse.id}/tokens"))
    assert program.get("/api/v1/cases").status_code == 401


def test_somebody_who_works_here_and_lives_elsewhere_is_not_kept_here(house: House) -> None:
    cast = house.world.cast
    with house.world.begin() as db:
        people.appoint(db, Actor.system(cast.aral.id), cast.expert.id, "expert")
    page = house.browser(cast.administrator).get(f"/hospital/people/{cast.expert.id}").text
    assert "Also works at Taizhou Orthopaedic Hospital" in told(page)
    for act in ("enrol", "retire", "disable", "sessions/end"):
        assert f'/{act}"' not in page
    assert f'action="/hospital/people/{cast.expert.id}"' not in page


def test_duties_are_separated_on_the_settings_page_and_the_audit_pages_go(house: House) -> None:
    cast, other = house.world.cast, second(house)
    admin, two = stepped_up(house, cast.administrator, follow=True), stepped_up(house, other)
    assert admin.get("/").url.path == "/audit"
    page = admin.post("/hospital/settings/duties")
    assert "Separate the duties of administrators and auditors" in told(page.text)
    with house.world.begin() as db:
        [proposal] = proposals.waiting(db, other.actor)
    assert two.post(f"/hospital/proposals/{proposal.id}/confirm").status_code == 303
    assert admin.get("/audit").status_code == 403
    assert admin.get("/").url.path == "/hospital/people"
    assert "Administrators manage, auditors audit" in told(admin.get("/hospital/settings").text)
    assert house.browser(cast.auditor).get("/audit").status_code == 200


def test_the_settings_say_what_stands_in_the_way(house: House) -> None:
    cast = house.world.cast
    with house.world.begin() as db:
        join(db, cast.aral, "both", "何雨", "He Yu", "administrator", "auditor")
        assert duties.held_together(db, cast.aral.id) == 1
    admin = stepped_up(house, cast.administrator)
    page = admin.get("/hospital/settings")
    assert "1 person is administrator and auditor." in told(page.text)
    assert "after 30 minutes" in told(page.text)
    assert admin.post("/hospital/settings/duties").status_code == 409


def made(house: House) -> tuple[str, str]:
    """An invitation into Aral by its administrator: the code, and the letter's text."""
    admin = stepped_up(house, house.world.cast.administrator)
    page = admin.post("/hospital/invitations", data={"email": ADDRESS, "roles": ["nurse", "coordinator"]})
    assert page.status_code == 200
    mail = re.search(r'href="(mailto:[^"]+)"', page.text)
    assert mail is not None
    again = admin.get("/hospital/invitations").text
    assert code_on(page.text) not in again
    assert "mailto:" not in again
    return code_on(page.text), unquote(unescape(mail.group(1)))


def test_an_invitation_is_made_sent_and_accepted_by_somebody_new(house: House) -> None:
    code, letter = made(house)
    assert letter.startswith(f"mailto:{ADDRESS}?")
    assert "https://shanhai.test/invitation" in letter
    assert code in letter
    visitor = house.visitor()
    offered = visitor.post("/invitation", data={"invitation": code.lower().replace("-", " ")})
    assert "Aral First Division Hospital invites you" in told(offered.text)
    assert "/invitation?" not in offered.text
    assert visitor.post("/invitation/new", data={"invitation": code, "login": "li.na", "name": "何雨"}).status_code == 422
    done = visitor.post("/invitation/new", data={"invitation": code, "login": "he.yu", "name": "何雨", "name_en": "He Yu"})
    assert done.status_code == 200
    with house.world.begin() as db:
        offer = enrolments.shown(db, code_on(done.text)).offer
        person = people.by_login(db, "he.yu")
        assert person is not None
        assert (person.email, people.roles_in(db, person.id, house.world.cast.aral.id)) == (ADDRESS, {"nurse", "coordinator"})
        assert offer is not None
        assert pyotp.TOTP(offer.secret).now()
    assert visitor.post("/invitation", data={"invitation": code}).status_code == 404


def test_somebody_with_an_account_signs_in_on_the_way_and_works_in_both_hospitals(house: House) -> None:
    cast = house.world.cast
    code, _ = made(house)
    asked = house.visitor().post("/invitation/accept", data={"invitation": code})
    assert asked.status_code == 401
    assert 'name="kept"' in asked.text
    stranger = house.browser(cast.stranger)
    refused = stranger.post("/invitation/accept", data={"invitation": code})
    assert refused.status_code == 409
    assert "another e-mail address" in told(refused.text)
    with house.world.begin() as db:
        person = db.get_one(Person, cast.stranger.id)
        profiles.amend(db, Actor.system(cast.kashgar.id), person.id, dataclasses.replace(profiles.of(person), email=ADDRESS))
    assert stranger.post("/invitation/accept", data={"invitation": code}).headers["location"] == "/account"
    assert roles_of(house, cast.stranger.id) == {"nurse", "coordinator"}
    assert "Aral First Division Hospital" in stranger.get("/account").text


def test_an_invitation_is_withdrawn(house: House) -> None:
    code, _ = made(house)
    admin = stepped_up(house, house.world.cast.administrator)
    with house.world.begin() as db:
        [row] = invitations.listed(db, house.world.cast.administrator.actor)
    assert admin.post(f"/hospital/invitations/{row.id}/withdraw").status_code == 303
    assert admin.post(f"/hospital/invitations/{row.id}/withdraw").status_code == 409
    assert "Taken back" in told(admin.get("/hospital/invitations").text)
    assert house.visitor().post("/invitation", data={"invitation": code}).status_code == 404


@pytest.mark.parametrize("roles", [[], ["administrator"], ["operator"]])
def test_what_an_invitation_cannot_give_is_said_beside_the_roles(house: House, roles: list[str]) -> None:
    admin = stepped_up(house, house.world.cast.administrator)
    page = admin.post("/hospital/invitations", data={"email": ADDRESS, "roles": roles})
    assert page.status_code == 422
    assert 'id="roles-wrong"' in page.text
    assert f'value="{ADDRESS}"' in page.text


def test_a_further_expert_is_invited_to_a_case_and_the_letter_says_nothing_of_the_patient(house: House) -> None:
    world, cast = house.world, house.world.cast
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        person = db.get_one(Person, cast.second_expert.id)
        profiles.amend(db, Actor.system(cast.taizhou.id), person.id, dataclasses.replace(profiles.of(person), email=ADDRESS))
    surgeon = stepped_up(house, cast.surgeon)
    page = surgeon.post(f"/cases/{case.id}/invite", data={"to_organisation_id": str(cast.taizhou.id), "email": ADDRESS})
    assert page.status_code == 200
    code, mail = code_on(page.text), re.search(r'href="(mailto:[^"]+)"', page.text)
    assert mail is not None
    letter = unquote(unescape(mail.group(1)))
    assert not any(word in letter for word in ("张卫国", case.number, str(case.id), "A000001", "finger"))
    expert = house.browser(cast.second_expert)
    assert expert.get(f"/cases/{case.id}").status_code == 404
    offered = expert.post("/invitation", data={"invitation": code})
    assert not any(word in offered.text for word in ("张卫国", case.number, str(case.id)))
    accepted = expert.post("/invitation/accept", data={"invitation": code})
    assert accepted.headers["location"] == f"/cases/{case.id}"
    assert expert.get(f"/cases/{case.id}").status_code == 200
    assert "张卫国" not in expert.get(f"/cases/{case.id}").text
    assert f"/cases/{case.id}/invite" in surgeon.get(f"/cases/{case.id}/refer").text


def test_without_a_partner_there_is_nobody_to_invite(house: House) -> None:
    world, cast = house.world, house.world.cast
    with world.begin() as db:
        case = world.case(db)
        agreement = agreements.agreement_between(db, cast.aral.id, cast.taizhou.id, ids.now())
        assert agreement is not None
        agreements.end(
            db, dataclasses.replace(cast.administrator.actor, stepped_up_at=ids.now()), agreement.id, reason=agreements.ENDINGS[0]
        )
    page = house.browser(cast.surgeon).get(f"/cases/{case.id}/invite").text
    assert "There is no agreement with this hospital." in told(page)
    assert f'action="/cases/{case.id}/invite"' not in page


def test_one_keeps_up_ones_own_telephone(house: House) -> None:
    nurse = house.browser(house.world.cast.nurse, follow=True)
    assert 'value="0997-3"' in nurse.post("/account/details", data={"phone": "0997-3", "name_en": "Aygul"}).text
    wrong = nurse.post("/account/details", data={"phone": "1" * 300, "name_en": "Aygul"})
    assert wrong.status_code == 422
    assert "1" * 300 in wrong.text
