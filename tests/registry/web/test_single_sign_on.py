"""Signing in through one's hospital, over HTTP and with a real provider; what a reader meets when it goes wrong."""

import re
import ssl
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import httpx2 as httpx
import pytest
from starlette.testclient import TestClient

from auth import links, people, providers, sessions
from core import jobs
from core.actor import Actor
from core.settings import Settings
from registry import notices, worker
from registry.app import create_app
from registry.web import pages
from tests.cast import Member
from tests.identity import SECRET, Authority, Liar, RealProvider
from tests.registry.conftest import World
from tests.registry.web.conftest import BASE, SESSION, House, field_of, words

COOKIE = "__Host-oidc"
HERE = "/account/sign-in-providers"


@pytest.fixture
def house(world: World, tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """The application, which trusts the providers' authority as an operator would have it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.root))
    app = create_app(Settings(base_url=BASE, data_dir=tmp_path), world.database)
    made = House(app, world)
    yield made
    for client in made.opened:
        client.close()
    app.state.pool.close()


def set_up(house: House, issuer: str, client_id: str = "shanhai", secret: str = SECRET, *, taizhou: bool = False) -> UUID:
    """A provider of Aral (or of Taizhou)."""
    hospital = house.world.cast.taizhou if taizhou else house.world.cast.aral
    named = {"name": hospital.name, "name_en": hospital.name_en, "second_factors": ["mfa"]}
    with house.world.begin() as db:
        system = Actor.system(hospital.id)
        return providers.set_up(db, system, issuer=issuer, client_id=client_id, client_secret=secret, **named).id  # type: ignore[arg-type]


def link(house: House, member: Member, provider_id: UUID, subject: str) -> None:
    with house.world.begin() as db:
        provider = providers.get(db, provider_id)
        links.add(db, member.actor, provider_id=provider_id, issuer=provider.issuer, subject=subject)


def step_up(client: TestClient, member: Member) -> None:
    assert client.post("/sign-in/again", data={"code": member.code()}).status_code == 303


def through(provider: RealProvider, url: str) -> str:
    """Follow the provider's pages as a browser does, until it sends the reader back; gives where."""
    assert isinstance(provider.tls, ssl.SSLContext)
    with httpx.Client(verify=provider.tls, follow_redirects=False, timeout=60) as elsewhere:
        for _ in range(12):
            answer = elsewhere.get(url)
            assert answer.status_code in (302, 303), answer.text
            url = str(answer.url.join(answer.headers["location"]))
            if url.startswith(BASE):
                return url
    raise AssertionError("the provider sends nobody back")


def begun(client: TestClient, provider_id: UUID, path: str = "/sign-in/oidc/{}?next=/cases") -> tuple[str, dict[str, str]]:
    """Begin a ceremony; gives where the browser is sent, and what the provider is asked."""
    answer = client.get(path.format(provider_id))
    if "next" in path:
        assert answer.status_code == 303, answer.text
        url = answer.headers["location"]
    else:
        assert answer.status_code == 200, answer.text
        [url] = re.findall(r'http-equiv="refresh" content="0; url=([^"]+)"', answer.text)
    return unescape(url), dict(parse_qsl(urlsplit(unescape(url)).query))


def comes_back(liar: Liar, client: TestClient, provider_id: UUID, **claims: Any) -> Any:
    """A whole ceremony with the provider in hand."""
    _, asked = begun(client, provider_id)
    liar.claim(asked["nonce"], **claims)
    return client.get(f"/sign-in/oidc/{provider_id}/callback", params={"code": "x", "state": asked["state"]})


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
def test_the_whole_way_with_a_real_provider(house: House, identity_provider: RealProvider, algorithm: str) -> None:
    """Link an account, sign in with it and our own second factor, then with the provider's, then end the link."""
    surgeon = house.world.cast.surgeon
    provider_id = set_up(house, identity_provider.issuer, f"shanhai-{algorithm}")
    account = f"aral-{algorithm}"

    signed_in = house.browser(surgeon)
    assert signed_in.get(f"{HERE}/{provider_id}/link").headers["location"].startswith("/sign-in/again")
    step_up(signed_in, surgeon)
    identity_provider.next(account, "pwd")
    url, asked = begun(signed_in, provider_id, HERE + "/{}/link")
    assert asked["prompt"] == "login"
    assert signed_in.get(through(identity_provider, url)).headers["location"] == HERE
    assert "End the link" in words(signed_in.get(HERE).text)

    visitor = house.visitor()
    code_page = visitor.get(through(identity_provider, begun(visitor, provider_id)[0]))
    assert code_page.status_code == 200
    fields = {name: field_of(code_page.text, name) for name in ("ticket", "next", "kept")}
    assert fields["next"] == "/cases"
    entered = visitor.post("/sign-in/code", data={**fields, "code": surgeon.code(1)})
    assert (entered.status_code, entered.headers["location"]) == (303, "/cases")
    assert visitor.get("/api/v1/me").json()["person_id"] == str(surgeon.id)

    again = house.visitor()
    identity_provider.next(account, "pwd", "mfa")
    entered = again.get(through(identity_provider, begun(again, provider_id)[0]))
    assert (entered.status_code, entered.headers["location"]) == (303, "/cases")
    assert SESSION in again.cookies
    assert COOKIE not in again.cookies
    assert again.get("/account").status_code == 200

    [unlink] = re.findall(rf'action="({HERE}/[0-9a-f-]+/unlink)"', signed_in.get(HERE).text)
    assert signed_in.post(unlink).headers["location"] == HERE
    refused = house.visitor()
    answer = refused.get(through(identity_provider, begun(refused, provider_id)[0]))
    assert answer.status_code == 401
    assert SESSION not in refused.cookies


def test_a_real_provider_gives_a_code_once(house: House, identity_provider: RealProvider) -> None:
    provider_id = set_up(house, identity_provider.issuer, "shanhai-ES256")
    link(house, house.world.cast.surgeon, provider_id, "once")
    identity_provider.next("once", "mfa")
    visitor = house.visitor()
    back = through(identity_provider, begun(visitor, provider_id)[0])
    cookie = visitor.cookies[COOKIE]
    assert visitor.get(back).status_code == 303
    thief = house.visitor()
    for held in (None, cookie):
        if held:
            thief.cookies.set(COOKIE, held, domain="shanhai.test")
        assert thief.get(back).status_code == 401
        assert SESSION not in thief.cookies
    # the code itself, in a ceremony of the thief's own
    url, asked = begun(thief, provider_id)
    code = dict(parse_qsl(urlsplit(back).query))["code"]
    mine = {"code": code, "state": asked["state"], "iss": identity_provider.issuer}
    assert thief.get(f"/sign-in/oidc/{provider_id}/callback", params=mine).status_code == 503
    assert SESSION not in thief.cookies
    assert url


def test_the_cookie_of_a_ceremony_is_its_browsers_alone(house: House, liar: Liar) -> None:
    provider_id = set_up(house, liar.issuer)
    answer = house.visitor().get(f"/sign-in/oidc/{provider_id}")
    [cookie] = [value for value in answer.headers.get_list("set-cookie") if value.startswith(COOKIE)]
    flags = {part.strip().partition("=")[0].lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "secure", "path", "samesite", "max-age"} == flags
    assert "samesite=lax" in cookie.lower()


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_begins_nothing(house: House, liar: Liar, site: str) -> None:
    provider_id = set_up(house, liar.issuer)
    for path, back in ((f"/sign-in/oidc/{provider_id}", "/sign-in"), (f"{HERE}/{provider_id}/link", HERE)):
        answer = house.browser(house.world.cast.surgeon).get(path, headers={"Sec-Fetch-Site": site})
        assert (answer.status_code, answer.headers["location"]) == (303, back)
        assert COOKIE not in answer.cookies
    assert liar.asked == []


@pytest.mark.parametrize("onward", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_nobody_is_sent_to_another_site_afterwards(house: House, liar: Liar, onward: str) -> None:
    provider_id = set_up(house, liar.issuer)
    link(house, house.world.cast.surgeon, provider_id, "1")
    visitor = house.visitor()
    answer = visitor.get(f"/sign-in/oidc/{provider_id}", params={"next": onward})
    asked = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    liar.claim(asked["nonce"], sub="1", amr=["mfa"])
    back = visitor.get(f"/sign-in/oidc/{provider_id}/callback", params={"code": "x", "state": asked["state"]})
    assert (back.status_code, back.headers["location"]) == (303, "/")


# --- what the reader meets --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_provider_that_is_away_leaves_the_password(house: House, liar: Liar, language: str) -> None:
    del liar.paths["/.well-known/openid-configuration"]
    answer = house.visitor(language=language).get(f"/sign-in/oidc/{set_up(house, liar.issuer)}?next=/cases")
    assert answer.status_code == 503
    hospital = house.world.cast.aral
    sentence = {
        "zh": f"{hospital.name}暂时没有响应。仍可使用登录名和密码登录。",
        "en": f"{hospital.name_en} does not answer at the moment. Your name and password work as always.",
    }
    assert sentence[language] in words(answer.text)
    assert field_of(answer.text, "next") == "/cases"
    assert 'name="password"' in answer.text


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"iss": "https://evil.example"}, 401),
        ({"aud": "another"}, 401),
        ({"nonce": "another"}, 401),
        ({"exp": 1}, 401),
        ({"sub": "nobody"}, 401),
    ],
    ids=str,
)
def test_a_forged_or_unknown_assertion_signs_nobody_in(house: House, liar: Liar, claims: dict[str, Any], status: int) -> None:
    provider_id = set_up(house, liar.issuer)
    link(house, house.world.cast.surgeon, provider_id, "1")
    visitor = house.visitor()
    answer = comes_back(liar, visitor, provider_id, **({"sub": "1", "amr": ["mfa"]} | claims))
    assert answer.status_code == status
    assert SESSION not in visitor.cookies
    assert 'name="password"' in answer.text


def test_a_callback_out_of_the_blue(house: House, liar: Liar) -> None:
    provider_id = set_up(house, liar.issuer)
    for asked in ({}, {"code": "x"}, {"code": "x", "state": "y"}, {"error": "access_denied", "error_description": "<script>"}):
        answer = house.visitor().get(f"/sign-in/oidc/{provider_id}/callback", params=asked)
        assert answer.status_code == 401
        assert "script>" not in answer.text.replace("</script>", "").replace('.js"></script>', "").split("<body", 1)[1]
    assert liar.asked == []


def test_a_reader_who_thought_better_of_it_is_told_so(house: House, liar: Liar) -> None:
    visitor, provider_id = house.visitor(), set_up(house, liar.issuer)
    _, asked = begun(visitor, provider_id)
    answer = visitor.get(f"/sign-in/oidc/{provider_id}/callback", params={"error": "access_denied", "state": asked["state"]})
    assert answer.status_code == 401
    assert any("did not sign you in" in text for text in words(answer.text))


def test_a_link_that_is_taken_is_told_on_the_page_of_links(house: House, liar: Liar) -> None:
    cast = house.world.cast
    provider_id = set_up(house, liar.issuer)
    link(house, cast.surgeon, provider_id, "1")
    nurse = house.browser(cast.nurse)
    step_up(nurse, cast.nurse)
    _, asked = begun(nurse, provider_id, HERE + "/{}/link")
    liar.claim(asked["nonce"], sub="1")
    answer = nurse.get(f"/sign-in/oidc/{provider_id}/callback", params={"code": "x", "state": asked["state"]})
    assert answer.status_code == 409
    assert any("already opens the account of somebody else" in text for text in words(answer.text))
    assert "End the link" not in words(answer.text)


def test_the_person_is_told_of_a_link(house: House, liar: Liar) -> None:
    surgeon = house.world.cast.surgeon
    link(house, surgeon, set_up(house, liar.issuer), "1")
    _, short = worker.lanes(house.app.state.pool)
    while jobs.run_once(house.world.database, short):
        pass
    with house.world.begin() as db:
        assert [one.kind for one in notices.for_actor(db, surgeon.actor)] == ["account-link-added"]
    assert "An account at your hospital now opens your account here" in " ".join(words(house.browser(surgeon).get("/notices").text))


def test_only_the_own_hospitals_providers_are_offered_for_linking(house: House, liar: Liar) -> None:
    set_up(house, liar.issuer, taizhou=True)
    cast = house.world.cast
    assert "has no sign-in of its own" in house.browser(cast.surgeon).get(HERE).text
    assert "Link my account at Taizhou" in house.browser(cast.expert).get(HERE).text
    surgeon = house.browser(cast.surgeon)
    step_up(surgeon, cast.surgeon)
    with house.world.begin() as db:
        [provider] = providers.listed(db, cast.taizhou.id)
    assert surgeon.get(f"{HERE}/{provider.id}/link").status_code == 404


@pytest.mark.parametrize("count", [0, 1, 3, 4])
def test_the_sign_in_page_names_the_hospitals(house: House, count: int) -> None:
    for number in range(count):
        set_up(house, f"https://id{number}.example")
    page = house.visitor().get("/sign-in?next=/cases").text
    ways = re.findall(r'href="(/sign-in/oidc/[0-9a-f-]{36}\?next=/cases)"', unescape(page))
    assert len(ways) == count
    assert ('<details class="more">' in page) == (count > 3)
    assert house.world.cast.aral.name in house.visitor(language="zh").get("/sign-in").text or not count


def test_what_was_typed_stays_in_its_window_while_another_signs_in(house: House, liar: Liar) -> None:
    """A session that ended while somebody wrote: the hospital's sign-in opens beside, and the words go on from here."""
    surgeon, world = house.world.cast.surgeon, house.world
    with world.begin() as db:
        case = world.case(db)
    provider_id = set_up(house, liar.issuer)
    link(house, surgeon, provider_id, "1")
    browser = house.browser(surgeon)
    with world.begin() as db:
        sessions.end_all(db, surgeon.actor, surgeon.id, because="test")
    ended = browser.post(f"/cases/{case.id}/messages", data={"text": "半句话"}, headers={"Referer": f"{BASE}/cases/{case.id}"})
    assert ended.status_code == 401
    kept = field_of(ended.text, "kept")
    assert pages.unpack(kept) == (f"/cases/{case.id}/messages", [("text", "半句话")])
    assert re.search(rf'href="/sign-in/oidc/{provider_id}\?next=/signed-in" target="_blank"', ended.text)
    fields = {"kept": kept, "next": field_of(ended.text, "next")}
    assert browser.post("/sign-in/kept", data=fields).status_code == 401
    assert comes_back(liar, browser, provider_id, sub="1", amr=["mfa"]).status_code == 303
    onward = browser.post("/sign-in/kept", data=fields)
    assert onward.status_code == 200
    assert f'action="/cases/{case.id}/messages"' in onward.text
    assert "半句话" in onward.text


def test_a_disabled_person_and_one_nobody_linked_read_the_same(house: House, liar: Liar) -> None:
    cast = house.world.cast
    provider_id = set_up(house, liar.issuer)
    link(house, cast.nurse, provider_id, "1")
    with house.world.begin() as db:
        people.disable(db, Actor.system(cast.aral.id), cast.nurse.id)
    answers = [comes_back(liar, house.visitor(), provider_id, sub=sub, amr=["mfa"]) for sub in ("1", "2")]
    assert words(answers[0].text) == words(answers[1].text)
    assert [answer.status_code for answer in answers] == [401, 401]
