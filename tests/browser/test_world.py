"""The sample world is served on both engines, and everybody in it gets in, in both languages, on phone and desktop."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

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
