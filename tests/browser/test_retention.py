"""How long records are kept, and a case that is held and released, on the administrator's pages and the surgeon's."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Complaints, Look, Visit, World
from tests.browser.test_glass import stepped_up

HOME = "/hospital/retention"


@pytest.mark.parametrize("viewport", ["phone", "desktop"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_rule_is_set_and_a_case_held_and_released(
    server: World, visit: Visit, look: Look, complaints: Complaints, language: str, viewport: str
) -> None:
    complaints.tolerate(r"status of 422")
    page = visit("/cases?state=closed", login="lin", language=language, viewport=viewport)
    home = page.locator("a.title[href*='/cases/']").first.get_attribute("href")
    assert home is not None
    page.goto(home)
    number = page.locator("a.number").inner_text()
    expect(page.locator("main")).to_contain_text("205")
    look(page, "01-kept-until")
    page = visit(HOME, login="tao", language=language, viewport=viewport)
    expect(page.locator(".tabs a[aria-current]")).to_be_in_viewport(ratio=0.9)
    page.fill("#outpatient_years", "14")
    page.locator(f"form[action='{HOME}'] button").click()
    expect(page.locator("#outpatient_years-wrong")).to_have_count(1)
    expect(page.locator("#outpatient_years")).to_have_value("14")
    look(page, "02-too-short")
    page.fill("#outpatient_years", "20")
    page.locator(f"form[action='{HOME}'] button").click()
    page.wait_for_url(f"**{HOME}")
    expect(page.locator("#outpatient_years")).to_have_value("20")
    page.locator("details.more > summary").first.click()
    page.fill("#number", "SH-2026-9999")
    page.fill("#reason", "Inquiry 2026-14")
    page.locator(f"form[action='{HOME}/holds'] button").click()
    expect(page.locator("#number-wrong")).to_have_count(1)
    look(page, "03-unknown-number")
    page.fill("#number", number)
    page.locator(f"form[action='{HOME}/holds'] button").click()
    page.wait_for_url(f"**{HOME}")
    lift = page.locator(f"a[href^='{HOME}/holds/']").first
    expect(lift).to_be_visible()
    look(page, "04-held")
    there = lift.get_attribute("href")
    assert there is not None
    surgeon = visit(home, login="lin", language=language, viewport=viewport)
    expect(surgeon.locator("p.note", has_text="封存" if language == "zh" else "legal hold")).to_have_count(1)
    look(surgeon, "05-held-case")
    page = visit(HOME, login="tao", language=language, viewport=viewport)
    stepped_up(page, server, "tao", there)
    page.fill("#reason", "It ended.")
    look(page, "06-lift")
    page.locator("main form button").click()
    page.wait_for_url(f"**{HOME}")
    expect(page.locator(f"a[href='{there}']")).to_have_count(0)
    page.locator("details.more > summary").last.click()
    look(page, "07-lifted")
