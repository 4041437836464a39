"""Emergency access in the browser: a nurse breaks the glass, sees the banner on every page, and a second person reviews it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import VIEWPORTS, Visit, World

NUMBER = "S26-1146"
LOOKED_AT = [(language, viewport) for language in ("zh", "en") for viewport in VIEWPORTS]


def sound(page: Page, axe: Callable[[Page], list[str]], shot: Callable[..., Path], name: str) -> None:
    """Nothing that axe finds wrong, nothing to scroll sideways; and a picture to look at."""
    shot(page, name)
    assert axe(page) == [], name
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


def confirmed(page: Page, server: World, login: str) -> None:
    """The second factor once more, where it is asked for."""
    if page.locator("input[name=code]").count():
        page.locator("input[name=code]").fill(server.code(login))
        page.locator("main form button").click()


def test_a_nurse_breaks_the_glass_and_an_auditor_reviews_it(
    server: World, visit: Visit, axe: Callable[[Page], list[str]], shot: Callable[..., Path]
) -> None:
    page = visit("/cases", login="ma", language="en")
    expect(page.locator("main")).not_to_contain_text("Restricted")
    before = page.locator(".table tbody tr").count()
    page.locator("a[href='/break-glass']").click()
    page.fill("#number", "NOBODY")
    page.locator("input[name=reason][value=treatment-now]").check(force=True)
    page.fill("#words", "Bleeding again on the ward.")
    page.locator("main form button.stop").click()
    confirmed(page, server, "ma")
    expect(page.locator("[role=alert]:not([hidden])").first).to_be_visible()
    assert page.input_value("#words") == "Bleeding again on the ward."
    page.fill("#number", NUMBER)
    page.locator("main form button.stop").click()
    page.wait_for_url("**/cases/*")
    case = page.url
    for path in ("", "/record", "/pictures", "/viewer", "/consents"):
        page.goto(case + path)
        expect(page.locator(".broken-glass")).to_be_visible()
    for language, viewport in LOOKED_AT:
        seen = visit(case, login="ma", language=language, viewport=viewport)
        sound(seen, axe, shot, f"glass-case-{language}-{viewport}")
        sound(visit("/break-glass", login="ma", language=language, viewport=viewport), axe, shot, f"glass-break-{language}-{viewport}")
        shot(
            visit(case + "/viewer", login="ma", language=language, viewport=viewport),
            f"glass-viewer-{language}-{viewport}",
            full_page=False,
        )
    page = visit("/cases", login="ma", language="en")
    assert page.locator(".table tbody tr").count() == before + 1
    page = visit(case, login="ma", language="en")
    page.locator(".broken-glass button").click()
    page.wait_for_url("**/cases")
    assert page.locator(".table tbody tr").count() == before
    for language, viewport in LOOKED_AT:
        seen = visit("/hospital/glass", login="yan", language=language, viewport=viewport)
        seen.locator("details.more summary").first.click()
        sound(seen, axe, shot, f"glass-review-{language}-{viewport}")
    page = visit("/hospital/glass", login="yan", language="en")
    page.locator("main form button").first.click()
    expect(page.locator(".wrong").first).to_be_visible()
    page.locator("input[name=verdict][value=justified]").first.check(force=True)
    page.locator("textarea[name=words]").first.fill("The ward confirms it.")
    page.locator("main form button").first.click()
    expect(page.locator("#done")).to_be_visible()
    expect(page.locator("main")).to_contain_text("The ward confirms it.")


def test_a_surgeon_sees_the_restriction_and_who_can_see_the_case(
    server: World, visit: Visit, axe: Callable[[Page], list[str]], shot: Callable[..., Path]
) -> None:
    page = visit("/cases", login="lin", language="en")
    restricted = page.locator("tr", has_text="Restricted")
    expect(restricted).to_have_count(1)
    restricted.locator("a.title").click()
    case = page.url
    for language, viewport in LOOKED_AT:
        for path, name in (("/restriction", "restriction"), ("/people", "people-restricted")):
            sound(visit(case + path, login="lin", language=language, viewport=viewport), axe, shot, f"glass-{name}-{language}-{viewport}")
    page = visit(case + "/restriction", login="lin", language="en")
    page.locator("main button.stop").click()
    confirmed(page, server, "lin")
    page.goto(case + "/restriction")
    page.locator("input[name=reason][value=violence]").check(force=True)
    for language, viewport in LOOKED_AT:
        seen = visit(case + "/restriction", login="lin", language=language, viewport=viewport)
        sound(seen, axe, shot, f"glass-restrict-{language}-{viewport}")
    page.locator("main form button").last.click()
    confirmed(page, server, "lin")
    expect(page.locator("#team")).to_be_visible()


@pytest.mark.parametrize("login", ["lin", "yan"])
def test_why_a_person_can_see_a_case(visit: Visit, axe: Callable[[Page], list[str]], shot: Callable[..., Path], login: str) -> None:
    page = visit("/cases?state=referred", login="lin", language="en")
    href = page.locator(".table a.title").first.get_attribute("href")
    for language, viewport in LOOKED_AT:
        seen = visit(f"{href}/people", login=login, language=language, viewport=viewport)
        seen.locator("#person").select_option(label="Shen Qingyang" if language == "en" else "沈清扬")
        seen.locator("#why button").click()
        expect(seen.locator("#why .note").first).to_be_visible()
        sound(seen, axe, shot, f"glass-people-{login}-{language}-{viewport}")
