"""Administrators at work: adding people, giving rights by two hands, inviting; on phone and desktop, in both languages."""

import re
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from auth import people
from auth.people import Person
from core.actor import Actor
from core.settings import Settings
from registry.app import open_database
from tests.browser.conftest import Complaints, Visit, World

SCREENS = [("zh", "phone"), ("en", "desktop"), ("zh", "desktop"), ("en", "phone")]
STEP_UP = "status of 403"
"""What the browser says of the page that asks for a second factor."""

LONG = (
    "阿卜杜热合曼·买买提依明江",
    "Abdurrahman Muhemmetimin-Jan of the Tarim Basin Border Hospital",
    "主任医师、手足外科与显微外科中心主任",
)
ROLES = ("surgeon", "nurse", "expert", "coordinator", "learner")


def step_up(page: Page, server: World, login: str) -> None:
    """Give a second factor and send what was being sent."""
    page.fill("#code", server.code(login))
    page.locator("main form button.button").first.click()
    page.locator("main form button.button").first.click()
    page.wait_for_load_state()
    # a step-up gives the session a fresh secret
    server.states[login] = page.context.storage_state()


def press(page: Page, server: World, login: str, button: str) -> None:
    """Press a button; where the page then asks for a second factor, give it."""
    page.locator(button).click()
    page.wait_for_load_state()
    if page.locator("#code").count():
        step_up(page, server, login)


def settings_of(server: World) -> Settings:
    """The settings of the running server, to reach its database by."""
    url = (
        {"database_url": server.environment["SHANHAI_DATABASE_URL"], "store_url": server.environment["SHANHAI_STORE_URL"]}
        if server.environment
        else {}
    )
    return Settings.model_construct(data_dir=server.data_dir, base_url=server.url, **url)


def crowd(server: World) -> None:
    """Forty people with names of every length in the county hospital, once for a world."""
    database = open_database(settings_of(server))
    with database.begin() as db:
        tao = people.by_login(db, "tao")
        assert tao is not None
        if people.by_login(db, "crowd0") is None:
            system = Actor.system(tao.organisation_id)
            for number in range(40):
                name, name_en, title = LONG if number % 7 == 0 else (f"柳{'絮飞霜雪'[number % 4]}", f"Liu {number}", "医师")
                made = people.create(
                    db, system, login=f"crowd{number}", name=name, name_en=name_en, title=title, phone=f"+86 000 0001 {number:04d}",
                    roles=ROLES if number % 7 == 0 else [ROLES[number % 5]], practising_since=2025 if number % 5 == 2 else None,
                )  # fmt: skip
                if number % 9 == 8:
                    people.disable(db, system, made.id)
    database.close()


def looked_at(page: Page, axe: Callable[[Page], list[str]], shot: Callable[..., Path], name: str) -> None:
    """No sideways scroll, nothing for axe to find, and a picture."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    assert axe(page) == [], name
    shot(page, name)


@pytest.mark.parametrize(("language", "viewport"), SCREENS)
def test_a_nurse_is_added_gets_a_way_in_and_a_role(
    visit: Visit,
    server: World,
    complaints: Complaints,
    axe: Callable[[Page], list[str]],
    shot: Callable[..., Path],
    language: str,
    viewport: str,
) -> None:
    complaints.tolerate(STEP_UP)
    crowd(server)
    login = f"n{uuid4().hex[:8]}"
    page = visit("/hospital/people", login="tao", language=language, viewport=viewport)
    looked_at(page, axe, shot, f"people-{language}-{viewport}")
    page.locator("a[href='/hospital/people/new']").click()
    page.fill("#login", login)
    page.fill("#name", "顾小雨")
    page.fill("#phone", "+86 000 0000 0199")
    page.locator("label:has(> input[name='roles'][value='nurse'])").click()
    looked_at(page, axe, shot, f"person-new-{language}-{viewport}")
    press(page, server, "tao", "main form .actions button.button")
    expect(page.locator("h1")).to_have_text("顾小雨")
    press(page, server, "tao", "form[action$='/enrol'] button")
    expect(page.locator("#secret")).to_have_text(re.compile(r"^\w{4}(-\w{4}){4}$"))
    looked_at(page, axe, shot, f"person-secret-{language}-{viewport}")
    press(page, server, "tao", "form[action$='/give'] button[value=coordinator]")
    expect(page.locator("form[action$='/take'] button[value=coordinator]")).to_be_visible()
    page.goto(f"/hospital/people?q={login}")
    expect(page.locator("table.people-list tbody tr")).to_have_count(1)


@pytest.mark.parametrize(("language", "viewport"), [("zh", "phone"), ("en", "desktop")])
def test_two_administrators_make_an_auditor(
    visit: Visit,
    server: World,
    complaints: Complaints,
    axe: Callable[[Page], list[str]],
    shot: Callable[..., Path],
    language: str,
    viewport: str,
) -> None:
    complaints.tolerate(STEP_UP)
    database = open_database(settings_of(server))
    with database.begin() as db:
        ma = people.by_login(db, "ma")
        assert ma is not None
        ma_id = ma.id
        if "auditor" in people.roles_in(db, ma.id, ma.organisation_id):
            people.dismiss(db, Actor.system(ma.organisation_id), ma.id, "auditor")
    database.close()
    # nobody is proposed who has never signed in
    visit("/", login="ma", language=language, viewport=viewport)
    page = visit(f"/hospital/people/{ma_id}", login="tao", language=language, viewport=viewport)
    press(page, server, "tao", "form[action$='/give'] button[value=auditor]")
    expect(page.locator("form[action$='/withdraw']")).to_be_visible()
    looked_at(page, axe, shot, f"proposed-{language}-{viewport}")
    second = visit("/hospital/people", login="bai", language=language, viewport=viewport)
    looked_at(second, axe, shot, f"proposal-waiting-{language}-{viewport}")
    press(second, server, "bai", "form[action$='/confirm'] button")
    second.goto(f"/hospital/people/{ma_id}")
    expect(second.locator("form[action$='/take'] button[value=auditor]")).to_be_visible()
    second.goto("/hospital/settings")
    looked_at(second, axe, shot, f"hospital-settings-{language}-{viewport}")


@pytest.mark.parametrize(("language", "viewport"), [("zh", "phone"), ("en", "desktop")])
def test_an_invitation_is_made_and_accepted(
    visit: Visit,
    server: World,
    complaints: Complaints,
    axe: Callable[[Page], list[str]],
    shot: Callable[..., Path],
    language: str,
    viewport: str,
) -> None:
    complaints.tolerate(STEP_UP)
    address = f"{uuid4().hex[:8]}.of.a.rather.long.address@surgery.example.cn"
    page = visit("/hospital/invitations", login="tao", language=language, viewport=viewport)
    page.fill("#email", address)
    page.locator("label:has(> input[name='roles'][value='surgeon'])").click()
    press(page, server, "tao", "main form .actions button.button")
    code = page.locator("#secret").inner_text()
    expect(page.locator("a[href^='mailto:']")).to_be_visible()
    looked_at(page, axe, shot, f"invitation-made-{language}-{viewport}")
    guest = visit("/invitation", language=language, viewport=viewport)
    looked_at(guest, axe, shot, f"invitation-enter-{language}-{viewport}")
    guest.fill("#invitation", code.lower().replace("-", " "))
    guest.locator("main form button.button").click()
    guest.fill("#name", "何远")
    looked_at(guest, axe, shot, f"invitation-offered-{language}-{viewport}")
    guest.locator("form[action='/invitation/new'] button.button").click()
    expect(guest.locator("#secret")).to_be_visible()
    assert code not in guest.url
    enrolment = guest.locator("#secret").inner_text()
    looked_at(guest, axe, shot, f"invitation-accepted-{language}-{viewport}")
    guest.locator("form[action='/enrol'] button").click()
    expect(guest.locator("input[name=new]")).to_be_visible()
    assert enrolment not in guest.url
    page.goto("/hospital/invitations")
    expect(page.locator("ul.thread li", has_text=address).locator("form")).to_have_count(0)


def test_a_surgeon_invites_a_further_expert_to_a_case(
    visit: Visit, server: World, axe: Callable[[Page], list[str]], shot: Callable[..., Path]
) -> None:
    database = open_database(settings_of(server))
    with database.begin() as db:
        gu = people.by_login(db, "gu")
        assert gu is not None
        db.get_one(Person, gu.id).email = "gu.nan@wanghai.example.cn"
    database.close()
    page = visit("/cases", login="lin", language="en", viewport="phone")
    page.locator(".table a.title").first.click()
    case = page.url
    page.goto(f"{case}/invite")
    looked_at(page, axe, shot, "case-invite-en-phone")
