"""Signing in and out: two steps, one answer for every failure, nothing lost when a session ends half-way."""

import re

from core import ids
from registry.web.pages import local, pack, unpack
from tests.registry.web.conftest import SESSION, House, field_of


def test_the_two_steps(house: House) -> None:
    client, member = house.visitor(), house.world.cast.surgeon
    page = client.post("/sign-in", data={"login": member.login, "password": member.password, "next": "/cases"})
    assert SESSION not in client.cookies
    done = client.post(
        "/sign-in/code", data={"ticket": field_of(page.text, "ticket"), "code": member.code(), "next": field_of(page.text, "next")}
    )
    assert (done.status_code, done.headers["Location"]) == (303, "/cases")
    cookie = done.headers["Set-Cookie"]
    assert cookie.startswith(f"{SESSION}=")
    for part in ("HttpOnly", "Secure", "Path=/", "SameSite=lax"):
        assert part in cookie
    assert "Domain" not in cookie
    assert client.get("/cases").status_code == 200


def test_every_failure_looks_alike(house: House) -> None:
    member = house.world.cast.surgeon
    bodies = []
    for login, password in ((member.login, "wrong wrong wrong"), ("nobody", member.password), ("nobody", "wrong wrong wrong")):
        answer = house.visitor().post("/sign-in", data={"login": login, "password": password})
        assert answer.status_code == 401
        bodies.append(re.sub(r'value="[^"]*"', "", answer.text))
    assert len(set(bodies)) == 1


def test_a_code_is_good_once(house: House) -> None:
    member, code = house.world.cast.surgeon, house.world.cast.surgeon.code()
    for expected in (303, 401):
        client = house.visitor()
        page = client.post("/sign-in", data={"login": member.login, "password": member.password})
        assert client.post("/sign-in/code", data={"ticket": field_of(page.text, "ticket"), "code": code}).status_code == expected


def test_wrong_codes_are_counted(house: House) -> None:
    """A failed try is committed, not rolled back: the fifth wrong code ends the attempt."""
    client, member = house.visitor(), house.world.cast.surgeon
    page = client.post("/sign-in", data={"login": member.login, "password": member.password})
    ticket = field_of(page.text, "ticket")
    for _ in range(4):
        assert 'name="ticket"' in client.post("/sign-in/code", data={"ticket": ticket, "code": "000000"}).text
    assert 'name="password"' in client.post("/sign-in/code", data={"ticket": ticket, "code": "000000"}).text
    assert client.post("/sign-in/code", data={"ticket": ticket, "code": member.code()}).status_code == 401


def test_signing_out_ends_the_session(house: House) -> None:
    client = house.browser(house.world.cast.surgeon)
    cookie = client.cookies[SESSION]
    answer = client.post("/sign-out")
    assert answer.headers["Location"] == "/sign-in"
    assert "storage" not in answer.headers["Clear-Site-Data"]
    other = house.visitor()
    other.cookies.set(SESSION, cookie, domain="shanhai.test")
    assert other.get("/").headers["Location"] == "/sign-in"


ELSEWHERE = ["https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "/a\r\nb", "", "x"]


def test_nothing_leads_to_another_site(house: House) -> None:
    client = house.browser(house.world.cast.surgeon)
    for path in ELSEWHERE:
        assert local(path) == "/"
        assert client.get("/sign-in", params={"next": path}).headers["Location"] == "/", path


def test_a_session_that_ends_in_a_long_form_loses_nothing(house: House) -> None:
    """What was typed comes back after signing in again, and goes on to where it was being sent."""
    cast = house.world.cast
    with house.world.begin() as db:
        case = house.world.case(db)
    client, path = house.visitor(), f"/cases/{case.id}/entries/injury"
    typed = {"mechanism": "crush", "note": "第一行\n第二行 <b>&\"'", "region": ["hand", "finger"], "injured_at": "2026-11-20T08:00"}
    page = client.post(path, data=typed)
    assert page.status_code == 401
    assert "kept" in page.text
    member = cast.surgeon
    step = {"login": member.login, "password": member.password, "kept": field_of(page.text, "kept"), "next": field_of(page.text, "next")}
    page = client.post("/sign-in", data=step)
    step = {name: field_of(page.text, name) for name in ("ticket", "kept", "next")}
    page = client.post("/sign-in/code", data={**step, "code": member.code()})
    assert page.status_code == 200
    assert f'action="{path}"' in page.text
    kept = re.findall(r'<textarea hidden name="([^"]*)">\n(.*?)</textarea>', page.text, re.S)
    from html import unescape

    sent: dict[str, list[str]] = {}
    for name, value in kept:
        sent.setdefault(name, []).append(unescape(value))
    assert sent["note"] == [typed["note"]]
    assert sent["region"] == ["hand", "finger"]
    done = client.post(path, data=sent)
    assert done.status_code == 303


def test_an_autosave_without_a_session_says_so_to_the_script(house: House) -> None:
    with house.world.begin() as db:
        case = house.world.case(db)
    answer = house.visitor().post(f"/cases/{case.id}/entries/injury/draft", data={"note": "x"}, headers={"Accept": "application/json"})
    assert answer.status_code == 401
    assert answer.json()["code"] == "sign-in-needed"


def test_what_is_kept_is_only_ever_sent_to_us() -> None:
    assert unpack(pack("https://evil.example/x", [("a", "b")])) is None
    assert unpack(pack("//evil.example", [("a", "b")])) is None
    assert unpack("nonsense") is None
    assert unpack(pack("/cases/1", [("a", "b")])) == ("/cases/1", [("a", "b")])


def test_the_language_is_chosen_before_and_after_signing_in(house: House) -> None:
    client = house.visitor(language="en")
    assert "Sign in" in client.get("/sign-in").text
    client.post("/language", data={"language": "zh", "next": "/sign-in"})
    assert "登录" in client.get("/sign-in").text
    signed = house.browser(house.world.cast.surgeon, language="zh")
    assert "工作列表" in signed.get("/").text
    signed.post("/language", data={"language": "en", "next": "/"})
    assert "Work list" in signed.get("/").text


def test_a_poll_does_not_keep_a_session_alive(house: House) -> None:
    import datetime as dt

    client = house.browser(house.world.cast.surgeon)
    start = ids.now()
    for minutes, path, status in ((10, "/?poll=1", 200), (31, "/?poll=1", 303)):
        with ids.told(start + dt.timedelta(minutes=minutes)):
            assert client.get(path).status_code == status
