"""The signed consent sheet, photographed and kept, in a real browser; and the case that is closed and archived."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Look, Visit
from tests.browser.test_path import go, pick
from tests.imaging import samples


@pytest.mark.parametrize("viewport", ["phone", "desktop"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_signed_sheet_is_kept_with_the_consents_and_a_closed_case_archived(
    visit: Visit, look: Look, tmp_path: Path, language: str, viewport: str
) -> None:
    signed = tmp_path / "signed.jpg"
    signed.write_bytes(samples.photo(size=(640, 900)))
    page = visit("/cases/new", login="lin", language=language, viewport=viewport)
    pick(page, "kind", "flap")
    page.fill("#name", "签字测试")
    pick(page, "sex", "female")
    go(page)
    page.wait_for_url("**/entries/injury")
    home = re.sub(r"/entries/.*", "", page.url)
    page.goto(f"{home}/consents")
    page.set_input_files("#scan", signed)
    page.locator("label.choice:has(input[name=covers])").first.click()
    page.locator("form[action$='/scans'] button").click()
    link = page.locator("a[href*='/consents/scans/']")
    expect(link).to_have_count(1)
    look(page, "01-consents")
    with page.expect_download() as handed:
        link.click()
    assert handed.value.path().read_bytes().startswith(b"\xff\xd8\xff")
    page.goto(f"{home}/close")
    page.select_option("[name=result]", "healed")
    look(page, "01-close")
    page.locator("main form .actions button").click()
    page.wait_for_url(home)
    page.locator("form[action$='/archive'] button").click()
    page.wait_for_url(home)
    expect(page.locator("form[action$='/archive'] button[name=back]")).to_have_count(1)
    look(page, "02-archived")
    page.goto("/cases?state=archived")
    expect(page.locator(f"a.title[href='{re.sub('https?://[^/]+', '', home)}']")).to_have_count(1)
    expect(page.locator(".tabs a[aria-current]")).to_be_in_viewport(ratio=0.9)
    look(page, "03-archive")
