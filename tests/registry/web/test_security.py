"""Passkeys, authenticator, recovery codes and enrolment through their pages: nothing sensitive in an address, nothing shown twice."""

import re
from html import unescape

import pyotp
import pytest
from starlette.testclient import TestClient

from auth import ceremonies, enrolments, factors, passkeys, people, secret
from core import ids
from core.actor import Actor
from registry.web.translations import PSEUDO
from tests.authenticator import Authenticator
from tests.cast import Member
from tests.registry.web.conftest import BASE, SESSION, House, field_of, words
from tests.registry.web.test_translations import NOT_OURS

SECURITY = "/account/security"
SITE = ceremonies.site_of(BASE)
PROGRAM = {"Accept": "application/json"}


def stepped_up(house: House, member: Member, language: str = "en") -> TestClient:
    """A browser in which somebody has just given their code once more."""
    client = house.browser(member, language=language)
    answer = client.post("/sign-in/again", data={"code": member.code(), "next": "/"})
    assert answer.status_code == 303
    client.cookies.set(SESSION, answer.cookies[SESSION], domain="shanhai.test")
    return client


def enrol(house: House, client: TestClient, authenticator: Authenticator, name: str = "办公室电脑") -> None:
    """A passkey made through the pages."""
    assert client.get(f"{SECURITY}/passkeys/new").status_code == 200
    options = client.post(f"{SECURITY}/passkeys/begin", headers=PROGRAM).json()
    assert client.post(f"{SECURITY}/passkeys", data={"name": name, "passkey": authenticator.create(options)}).status_code == 303


def test_a_passkey_is_made_used_renamed_and_removed(house: House) -> None:
    member, mine = house.world.cast.surgeon, Authenticator(BASE)
    client = stepped_up(house, member)
    enrol(house, client, mine)
    page = client.get(SECURITY).text
    assert "办公室电脑" in page
    found = re.search(r"/passkeys/([0-9a-f-]{36})/remove", page)
    assert found is not None
    stranger = house.visitor()
    options = stranger.post("/sign-in/begin", headers=PROGRAM).json()
    done = stranger.post("/sign-in/passkey", data={"passkey": mine.get(options), "next": "/cases"})
    assert (done.status_code, done.headers["Location"]) == (303, "/cases")
    assert stranger.get("/cases").status_code == 200
    place = f"{SECURITY}/passkeys/{found[1]}"
    assert client.post(f"{place}/name", data={"name": "值班手机"}).status_code == 303
    assert "值班手机" in client.get(f"{place}/remove").text
    assert client.post(f"{place}/remove").status_code == 303
    assert "值班手机" not in client.get(SECURITY).text
    assert stranger.get("/cases").headers["Location"].startswith("/sign-in")


def test_a_passkey_that_is_refused_is_told_in_the_readers_language(house: House) -> None:
    client = house.visitor(language="zh")
    options = client.post("/sign-in/begin", headers=PROGRAM).json()
    stranger = Authenticator(BASE)
    stranger.create({"pubKeyCredParams": [{"alg": -7}], "rp": {"id": SITE.rp_id}, "user": {"id": "AAAA"}, "challenge": "AAAA",
                     "authenticatorSelection": {"userVerification": "required", "residentKey": "required"}})  # fmt: skip
    answer = client.post("/sign-in/passkey", data={"passkey": stranger.get(options), "next": "/cases", "kept": "a2VwdA=="})
    assert answer.status_code == 401
    assert "此通行密钥未被接受" in answer.text
    assert (field_of(answer.text, "kept"), field_of(answer.text, "next")) == ("a2VwdA==", "/cases")
    member = house.browser(house.world.cast.nurse, language="zh")
    problem = member.post(f"{SECURITY}/passkeys/begin", headers=PROGRAM)
    assert (problem.status_code, problem.json()["code"]) == (403, "step-up-needed")
    problem = member.post("/sign-in/again/begin", headers=PROGRAM)
    assert (problem.status_code, problem.json()["detail"]) == (404, "没有这个通行密钥。")


def test_what_was_typed_goes_through_a_passkey_too(house: House) -> None:
    """A session that ended half-way, signed in anew with a passkey; and a step-up by one."""
    cast, mine = house.world.cast, Authenticator(BASE)
    enrol(house, stepped_up(house, cast.surgeon), mine)
    with house.world.begin() as db:
        case = house.world.case(db)
    client, path = house.visitor(), f"/cases/{case.id}/entries/injury"
    page = client.post(path, data={"mechanism": "crush", "note": "压砸伤"})
    way = page.text.partition('action="/sign-in/passkey"')[2]
    options = client.post("/sign-in/begin", headers=PROGRAM).json()
    sent = {"passkey": mine.get(options), "kept": field_of(way, "kept"), "next": field_of(way, "next")}
    page = client.post("/sign-in/passkey", data=sent)
    assert page.status_code == 200
    assert f'action="{path}"' in page.text
    assert "压砸伤" in page.text
    page = client.post("/account/tokens", data={"name": "夜间同步", "days": "9", "scopes": "case:read", "passkey": "never kept"})
    assert page.status_code == 403
    options = client.post("/sign-in/again/begin", headers=PROGRAM).json()
    page = client.post("/sign-in/again", data={"passkey": mine.get(options), "kept": field_of(page.text, "kept"), "next": "/account"})
    assert page.status_code == 200
    assert "夜间同步" in page.text
    assert "never kept" not in page.text
    assert 'action="/account/tokens"' in page.text


def test_an_opinion_is_signed_with_a_passkey(house: House) -> None:
    world, mine = house.world, Authenticator(BASE)
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
    expert, base = stepped_up(house, world.cast.expert), f"/cases/{case.id}"
    assert "data-passkey=" not in expert.get(f"{base}/opinion").text
    enrol(house, expert, mine)
    assert 'data-passkey="/sign-in/again/begin"' in expert.get(f"{base}/opinion").text
    words = {"findings": "断端整齐", "recommendation": "再植", "limits": "仅凭照片", "urgency": "emergency"}
    to_sign_in = expert.post("/sign-in/begin", headers=PROGRAM).json()
    refused = expert.post(f"{base}/opinion", data={**words, "passkey": mine.get(to_sign_in)})
    assert refused.status_code == 422
    assert "断端整齐" in refused.text
    options = expert.post("/sign-in/again/begin", headers=PROGRAM).json()
    assert expert.post(f"{base}/opinion", data={**words, "passkey": mine.get(options)}).status_code == 303


def test_a_passkey_is_first_where_there_is_one_and_the_password_does_too(house: House) -> None:
    member, mine = house.world.cast.surgeon, Authenticator(BASE)
    client = stepped_up(house, member)
    assert "data-passkey" not in client.get("/sign-in/again").text
    enrol(house, client, mine)
    page = client.get("/sign-in/again").text
    assert page.index("data-passkey=") < page.index('name="code"') < page.index('name="password"')
    answer = client.post("/sign-in/again", data={"password": "not it", "next": "/"})
    assert answer.status_code == 401
    assert '<details class="more" open>' in answer.text
    assert client.post("/sign-in/again", data={"password": member.password, "next": "/cases"}).headers["Location"] == "/cases"


def test_a_new_authenticator_takes_the_place_of_the_old(house: House) -> None:
    member = house.world.cast.surgeon
    client, other = stepped_up(house, member), house.browser(member)
    page = client.get(f"{SECURITY}/authenticator").text
    offered = re.search(r'<code class="secret">([A-Z2-7 ]+)</code>', page)
    assert offered is not None
    assert all(len(group) == 4 for group in offered[1].split())
    assert re.search(r'<img class="qr" src="data:image/svg\+xml[^"]+"', page)
    wrong = client.post(f"{SECURITY}/authenticator", data={"factor": field_of(page, "factor"), "code": "000000"})
    assert wrong.status_code == 422
    assert offered[1] in wrong.text
    code = pyotp.TOTP(offered[1].replace(" ", "")).at(ids.now())
    assert client.post(f"{SECURITY}/authenticator", data={"factor": field_of(page, "factor"), "code": code}).status_code == 303
    assert client.get(SECURITY).status_code == 200
    assert other.get("/account").status_code == 303
    again = house.visitor()
    page = again.post("/sign-in", data={"login": member.login, "password": member.password}).text
    old = again.post("/sign-in/code", data={"ticket": field_of(page, "ticket"), "code": member.code(1)})
    assert old.status_code == 401
    for nonsense in ("", "x", str(ids.new())):
        assert client.post(f"{SECURITY}/authenticator", data={"factor": nonsense, "code": "0"}).status_code == 404


def test_recovery_codes_are_shown_once_and_one_signs_in(house: House) -> None:
    member = house.world.cast.surgeon
    client = stepped_up(house, member)
    assert "0 recovery" not in client.get(SECURITY).text
    page = client.post(f"{SECURITY}/recovery").text
    codes = re.findall(r"<li><code>([0-9A-Z-]{19})</code></li>", page)
    assert len(codes) == 10
    for path in (SECURITY, f"{SECURITY}/recovery"):
        again = client.get(path).text
        assert not any(code in again for code in codes)
        assert "10 " in again
    visitor = house.visitor()
    page = visitor.post("/sign-in", data={"login": member.login, "password": member.password, "next": "/cases"}).text
    assert page.index('name="code"') < page.index('name="recovery"')
    ticket = field_of(page, "ticket")
    wrong = visitor.post("/sign-in/code", data={"ticket": ticket, "recovery": "0000"})
    assert wrong.status_code == 401
    assert "This recovery code is not right" in wrong.text
    done = visitor.post("/sign-in/code", data={"ticket": ticket, "recovery": codes[0].lower(), "next": "/cases"})
    assert done.status_code == 200
    assert "9 recovery codes left" in done.text
    assert 'href="/cases"' in done.text
    visitor.cookies.set(SESSION, done.cookies[SESSION], domain="shanhai.test")
    assert visitor.get("/cases").status_code == 200


def test_the_page_of_the_second_step_offers_what_there_is(house: House) -> None:
    member, mine = house.world.cast.surgeon, Authenticator(BASE)

    def page() -> str:
        return house.visitor().post("/sign-in", data={"login": member.login, "password": member.password}).text

    assert 'name="code"' in page()
    assert 'name="recovery"' not in page()
    assert "data-passkey" not in page()
    client = stepped_up(house, member)
    enrol(house, client, mine)
    client.post(f"{SECURITY}/recovery")
    with house.world.begin() as db:
        factors.retire_all(db, member.id)
    assert 'name="code"' not in page()
    assert 'name="recovery"' in page()
    assert "data-passkey=" in page()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_code_that_was_handed_out_becomes_an_account(house: House, language: str) -> None:
    with house.world.begin() as db:
        system = Actor.system(house.world.cast.aral.id)
        person = people.create(db, system, login="gu.lan", name="顾岚", roles=["nurse"])
        plain = enrolments.issue(db, system, person.id)
    visitor = house.visitor(language=language)
    assert visitor.get("/enrol").status_code == 200
    assert visitor.post("/enrol", data={"secret": "x" * 20}).status_code == 422
    page = visitor.post("/enrol", data={"secret": secret.grouped(plain).lower()}).text
    assert "gu.lan" in page
    offered = re.search(r'<code class="secret">([A-Z2-7 ]+)</code>', page)
    assert offered is not None
    sent = {"secret": unescape(field_of(page, "secret")), "new": "eleven boats at the quay"}
    code = pyotp.TOTP(offered[1].replace(" ", "")).at(ids.now())
    refused = visitor.post("/enrol/complete", data={**sent, "new": "short", "code": code})
    assert refused.status_code == 422
    assert offered[1] in refused.text
    assert visitor.post("/enrol/complete", data={**sent, "code": "000000"}).status_code == 422
    done = visitor.post("/enrol/complete", data={**sent, "code": code})
    assert done.status_code == 200
    assert plain not in done.text
    assert visitor.post("/enrol/complete", data={**sent, "code": code}).status_code == 422
    page = visitor.post("/sign-in", data={"login": "gu.lan", "password": sent["new"]}).text
    later = pyotp.TOTP(offered[1].replace(" ", "")).at(ids.now(), counter_offset=1)
    assert visitor.post("/sign-in/code", data={"ticket": field_of(page, "ticket"), "code": later}).status_code == 303


def test_who_has_a_second_factor_shows_it_when_enrolling_anew(house: House) -> None:
    cast, mine = house.world.cast, Authenticator(BASE)
    client = stepped_up(house, cast.surgeon)
    enrol(house, client, mine)
    codes = re.findall(r"<li><code>([0-9A-Z-]{19})</code></li>", client.post(f"{SECURITY}/recovery").text)
    for way in ("passkey", "recovery"):
        with house.world.begin() as db:
            plain = enrolments.issue(db, Actor.system(cast.aral.id), cast.surgeon.id)
        visitor = house.visitor()
        page = visitor.post("/enrol", data={"secret": plain}).text
        assert 'class="qr"' not in page
        for name in ("code", "passkey", "recovery"):
            assert f'name="{name}"' in page
        sent = {"secret": plain, "new": "eleven boats at the quay"}
        assert visitor.post("/enrol/complete", data={**sent, way: "{}"}).status_code == 422
        proof = codes[0]
        if way == "passkey":
            proof = mine.get(visitor.post("/enrol/begin", data={"secret": plain}, headers=PROGRAM).json())
        assert visitor.post("/enrol/complete", data={**sent, way: proof}).status_code == 200


def test_what_is_shown_here_stands_in_no_address_and_in_no_cache(house: House) -> None:
    """Nothing sensitive in a URL (ASVS 14.2.1): every form that carries a secret is sent by POST, no answer leads on with one."""
    client = stepped_up(house, house.world.cast.surgeon)
    for path in (SECURITY, f"{SECURITY}/authenticator", f"{SECURITY}/passkeys/new", f"{SECURITY}/recovery", "/enrol", "/sign-in/again"):
        page = client.get(path)
        assert page.headers["Cache-Control"] == "no-store"
        assert all(method == "post" for method in re.findall(r'<form[^>]*method="(\w+)"', page.text) if method != "dialog")
    assert client.get("/enrol", params={"secret": "ABCD"}).text.count("ABCD") == 0


def test_no_text_of_these_pages_is_outside_the_catalogue(house: House) -> None:
    member, mine = house.world.cast.surgeon, Authenticator(BASE)
    client = stepped_up(house, member)
    enrol(house, client, mine)
    with house.world.begin() as db:
        [one] = passkeys.of_person(db, member.id)
    client.cookies.set("language", PSEUDO, domain="shanhai.test")
    pages = [
        client.get(f"{SECURITY}{rest}").text for rest in ("", "/authenticator", "/passkeys/new", "/recovery", f"/passkeys/{one.id}/remove")
    ]
    pages += [client.post(f"{SECURITY}/recovery").text, client.get("/sign-in/again").text, client.get("/enrol").text]
    visitor = house.visitor()
    visitor.cookies.set("language", PSEUDO, domain="shanhai.test")
    pages += [visitor.get("/sign-in").text, visitor.post("/sign-in", data={"login": member.login, "password": member.password}).text]
    plain = {text for page in pages for text in words(page) if re.search(r"[A-Za-z]{2,}", NOT_OURS.sub("", text))}
    assert plain == set()


def test_a_program_has_no_part_in_this(house: House) -> None:
    """An API token is kept from how its person signs in."""
    program = house.program(house.world.cast.surgeon)
    for method, path in (
        ("GET", SECURITY),
        ("POST", f"{SECURITY}/passkeys/begin"),
        ("POST", f"{SECURITY}/recovery"),
        ("GET", f"{SECURITY}/authenticator"),
    ):
        assert program.request(method, path).status_code == 403, path
