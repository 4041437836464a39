"""Emergency access in the browser: a nurse breaks the glass, sees the banner on every page, and a second person reviews it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import VIEWPORTS, Complaints, Visit, World

NUMBER = "S26-1146"
REFUSED = r"status of 4(04|22)"
Look = Callable[[str, str, str], None]


@pytest.fixture
def look(visit: Visit, axe: Callable[[Page], list[str]], shot: Callable[..., Path]) -> Look:
    """Looks at a page in both languages on both screens: nothing that axe finds, nothing to scroll sideways."""

    def everywhere(path: str, login: str, name: str) -> None:
        for language in ("zh", "en"):
            for viewport in VIEWPORTS:
                page = visit(path, login=login, language=language, viewport=viewport)
                for more in page.locator("main details.more > summary").all():
                    more.click()
                shot(page, f"glass-{name}-{language}-{viewport}")
                assert axe(page) == [], (name, language, viewport)
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, language, viewport)

    return everywhere


def stepped_up(page: Page, server: World, login: str, path: str) -> None:
    """The second factor once more, on the way to a page; the session goes on under a fresh cookie."""
    page.goto(f"/sign-in/again?next={path}")
    page.fill("input[name=code]", server.code(login))
    page.locator("form:has(input[name=code]) button").first.click()
    page.wait_for_url(f"**{path}")
    server.states[login] = page.context.storage_state()


def tick(page: Page, name: str, value: str) -> None:
    """One of the choices of a form, whose box is drawn by its label."""
    page.locator(f"label:has(input[name={name}][value={value}])").first.click()


def test_a_nurse_breaks_the_glass_and_an_auditor_reviews_it(server: World, visit: Visit, complaints: Complaints, look: Look) -> None:
    complaints.tolerate(REFUSED)
    page = visit("/cases", login="ma", language="en")
    rows = page.locator(".table tbody tr")
    before = rows.count()
    expect(page.locator("main .table")).not_to_contain_text("Restricted")
    page.locator("a[href='/break-glass']").click()
    look("/break-glass", "ma", "break")
    stepped_up(page, server, "ma", "/break-glass")
    for number in ("NOBODY", NUMBER):
        page.fill("#number", number)
        tick(page, "reason", "treatment-now")
        page.fill("#words", "Bleeding again on the ward.")
        page.locator("main form button.stop").click()
        if number == "NOBODY":
            expect(page.locator("main [role=alert]:not([hidden])").first).to_be_visible()
            assert page.input_value("#words") == "Bleeding again on the ward."
    page.wait_for_url("**/cases/*")
    case = page.url.removeprefix(server.url)
    for path in ("", "/record", "/pictures", "/viewer"):
        page.goto(case + path)
        expect(page.locator(".broken-glass")).to_be_visible()
    look(case, "ma", "case")
    page.goto("/cases")
    expect(rows).to_have_count(before + 1)
    page.goto(case)
    page.locator(".broken-glass button").click()
    page.wait_for_url("**/cases")
    expect(rows).to_have_count(before)
    look("/hospital/glass", "yan", "review")
    page = visit("/hospital/glass", login="yan", language="en")
    page.locator("main article form button").first.click()
    expect(page.locator("main .wrong").first).to_be_visible()
    tick(page, "verdict", "justified")
    page.locator("textarea[name=words]").first.fill("The ward confirms it.")
    page.locator("main article form button").first.click()
    expect(page.locator("#done")).to_be_visible()
    expect(page.locator("main")).to_contain_text("The ward confirms it.")
    look("/hospital/glass", "yan", "reviewed")


def test_a_surgeon_restricts_a_case_and_opens_it_again(server: World, visit: Visit, look: Look) -> None:
    page = visit("/cases", login="lin", language="en")
    restricted = page.locator("tr", has_text="Restricted")
    expect(restricted).to_have_count(1)
    case = restricted.locator("a.title").get_attribute("href")
    assert case is not None
    look(f"{case}/restriction", "lin", "restriction")
    look(f"{case}/people", "lin", "people-restricted")
    stepped_up(page, server, "lin", f"{case}/restriction")
    page.locator("main button.stop").click()
    page.wait_for_url(f"**{case}")
    look(f"{case}/restriction", "lin", "restrict")
    page.goto(f"{case}/restriction")
    tick(page, "reason", "colleague")
    page.locator(f"form[action='{case}/restriction'] button").click()
    expect(page.locator("#team")).to_be_visible()


@pytest.mark.parametrize("login", ["lin", "yan"])
def test_why_a_person_can_see_a_case(server: World, visit: Visit, look: Look, login: str) -> None:
    page = visit("/cases?state=referred", login="lin", language="en")
    case = page.locator(".table a.title").first.get_attribute("href")
    page = visit(f"{case}/people", login=login, language="en")
    page.select_option("#person", label="Shen Qingyang")
    page.locator("#why button").click()
    expect(page.locator("#why .note").first).to_contain_text("Shen Qingyang can see this case")
    look(page.url.removeprefix(server.url).removesuffix("#why"), login, f"people-{login}")
