"""The duty roster as its keeper and those who wait see it: one tap to call, in both languages, on phone and desktop, with long names."""

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import VIEWPORTS, Complaints, Look, Visit, World
from tests.browser.test_path import go

LOOKS = [(language, viewport) for language in ("zh", "en") for viewport in VIEWPORTS]
PEOPLE = {"zh": ("沈清扬", "顾南", "苏远帆"), "en": ("Shen Qingyang", "Gu Nan", "Su Yuanfan")}


def section(page: Page) -> str:
    """The hand surgeons' section."""
    return page.locator("main section").filter(has_text=re.compile("手外科|Hand surgery")).first.inner_text()


def beijing(**ahead: float) -> str:
    """The wall clock of the roster so long from now, as its form takes it."""
    return (dt.datetime.now(ZoneInfo("Asia/Shanghai")) + dt.timedelta(**ahead)).strftime("%Y-%m-%dT%H:%M")


@pytest.mark.parametrize(("language", "viewport"), LOOKS)
def test_the_roster_is_read_and_kept(visit: Visit, look: Look, complaints: Complaints, language: str, viewport: str) -> None:
    complaints.tolerate("422")  # an order without people is looked at on purpose

    shen, _, su = PEOPLE[language]
    page = visit("/hospital/roster", login="luo", language=language, viewport=viewport)
    assert shen in section(page)
    expect(page.locator("a.button[href='tel:+8600000000200']")).to_be_visible()
    look(page, "board")

    # somebody comes in instead, is called first, and is taken out again
    page.locator("a[href^='/hospital/roster/']").filter(has_text=re.compile("手外科|Hand surgery")).click()
    page.select_option("#person_id", label=su)
    page.fill("#until", beijing(hours=1))
    page.locator("form[action$='/covers'] button").click()
    page.wait_for_url("**/hospital/roster")
    expect(page.locator(".now .what").first).to_contain_text(su)
    look(page, "covered")
    page.locator("form[action*='/covers/'] button").click()
    expect(page.locator(".now .what").first).to_contain_text(shen)

    # the turns are looked at before anything is changed
    page.goto("/hospital/roster/new")
    page.locator("button[name=look]").click()
    expect(page.locator("main [role=alert]:not([hidden])").first).to_be_visible()
    page.select_option("#place-1", label=su)
    page.select_option("#place-2", label=shen)
    page.select_option("#days", "half")
    page.locator("button[name=look]").click()
    expect(page.locator("#turns tbody tr")).to_have_count(8)
    # who comes first depends on the half of the day in which this runs
    expect(page.locator("#turns tbody tr").filter(has_text=shen)).to_have_count(4)
    look(page, "turns")

    # an expert enters that they are away, and that they are back
    expert = visit("/hospital/roster", login="su", language=language, viewport=viewport)
    expert.locator("#away details summary").click()
    expert.fill("#until", beijing(hours=2))
    expert.locator("label:has(input[name=reason][value=sick])").click()
    look(expert, "away")
    go(expert)
    expect(expert.locator("#away li form")).to_have_count(1)
    look(expert, "own")
    expert.locator("#away li form button").click()
    expect(expert.locator("#away li form")).to_have_count(0)

    # who was on duty is answered on the same page
    expert.fill("#at", beijing(days=2))
    expert.locator("form[action^='/hospital/roster#'] button").click()
    expect(expert.locator("main [role=status]")).to_contain_text(re.compile("手外科|Hand surgery"))

    # whoever is first on duty reads it at the head of the work list
    on_duty = visit("/", login="shen", language=language, viewport=viewport)
    expect(on_duty.locator("#desk")).to_contain_text(re.compile("您正在值班|You are on duty"))
    look(on_duty, "home")


@pytest.mark.parametrize(("language", "viewport"), LOOKS)
def test_the_expert_on_duty_is_asked_straight(visit: Visit, look: Look, language: str, viewport: str) -> None:
    page = visit("/cases?state=draft", login="lin", language=language, viewport=viewport)
    page.goto((page.locator("a.title[href^='/cases/']").first.get_attribute("href") or "") + "/refer")
    straight = page.locator("#whom label:has(input[value*=':'])")
    expect(straight).to_contain_text(PEOPLE[language][0])
    expect(page.locator("#whom a[href='tel:+8600000000200']")).to_be_visible()
    look(page, "refer")
    # for another specialty nobody is on duty there
    page.select_option("#specialty", "burns")
    expect(straight).to_have_count(0)
    page.select_option("#specialty", "hand_surgery")
    straight.click()
    page.locator("button[name=look]").click()
    expect(page.locator("#whom input[value*=':']")).to_be_checked()


def test_long_names_fit_and_nothing_needs_a_script(server: World, browser: Browser, visit: Visit, shot: Callable[..., Path]) -> None:
    visit("/hospital/roster", login="luo")
    for viewport, (width, height) in VIEWPORTS.items():
        context = browser.new_context(
            base_url=server.url, viewport={"width": width, "height": height}, java_script_enabled=False, storage_state=server.states["luo"]
        )
        page = context.new_page()
        page.goto("/hospital/roster/new")
        page.locator("button[name=look]").click()
        expect(page.locator("main [role=alert]:not([hidden])").first).to_be_visible()
        page.select_option("#place-1", index=1)
        page.locator("button[name=look]").click()
        expect(page.locator("#turns tbody tr")).to_have_count(8)
        context.close()
        # no verb makes a name as long as this: it is put into the page
        page = visit("/hospital/roster", login="luo", viewport=viewport)
        for person, name in (
            ("沈清扬", "古丽巴哈尔·阿卜杜热合曼尼亚孜·麦麦提依明江"),
            ("顾南", "Maximiliana-Konstantinopolitanska von Hohenzollern"),
        ):
            page.evaluate(
                """([person, name]) => {
                    const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
                    while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll(person, name);
                }""",
                [person, name],
            )
        shot(page, f"roster-long-{viewport}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), viewport
