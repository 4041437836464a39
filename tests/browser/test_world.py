"""The sample world is served on both engines, and everybody in it gets in, in both languages, on phone and desktop."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import VIEWPORTS, Visit, World

LOGINS = ("lin", "ma", "shen", "luo", "tao", "yan")


@pytest.mark.parametrize("login", LOGINS)
def test_everybody_gets_in(server: World, visit: Visit, axe: Callable[[Page], list[str]], shot: Callable[..., Path], login: str) -> None:
    wrong = []
    for language in ("zh", "en"):
        for viewport in VIEWPORTS:
            page = visit("/", login=login, language=language, viewport=viewport)
            assert (page.locator("html").get_attribute("lang") or "").startswith(language)
            wrong += [f"{language} {viewport}: {finding}" for finding in axe(page)]
            shot(page, f"home-{login}-{language}-{viewport}")
    assert wrong == []


def test_a_wide_page_is_not_scrolled_sideways(visit: Visit) -> None:
    page = visit("/", login="lin", viewport="phone")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_work_list_and_the_forms_need_no_script(server: World, browser: Browser, visit: Visit) -> None:
    """A script that has not come yet, or never comes, keeps nobody waiting."""
    visit("/", login="lin")
    width, height = VIEWPORTS["phone"]
    context = browser.new_context(
        base_url=server.url, viewport={"width": width, "height": height}, java_script_enabled=False, storage_state=server.states["lin"]
    )
    page = context.new_page()
    page.goto("/")
    expect(page.locator("#desk a[href^='/cases/']").first).to_be_visible()
    page.locator("#desk a[href^='/cases/']").first.click()
    expect(page.locator("section.banner")).to_be_visible()
    page.goto("/cases/new")
    page.fill("#name", "无脚本")
    page.locator("main form .actions button").first.click()
    expect(page.locator("main [role=alert]:not([hidden])").first).to_be_visible()
    assert page.input_value("#name") == "无脚本"
    context.close()
