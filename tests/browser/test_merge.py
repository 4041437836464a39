"""One person with two records, in a real browser: warned about at entry, told apart, found again, merged, taken apart."""

import re
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Complaints, Look, Visit
from tests.browser.test_path import go, pick

BORN = {("zh", "phone"): "1971-02-03", ("zh", "desktop"): "1971-02-04", ("en", "phone"): "1971-02-05", ("en", "desktop"): "1971-02-06"}


@pytest.mark.parametrize("viewport", ["phone", "desktop"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_two_records_of_one_person_are_merged_and_taken_apart(
    visit: Visit, look: Look, complaints: Complaints, language: str, viewport: str
) -> None:
    complaints.tolerate("status of (409|422)")
    born, mark = BORN[language, viewport], uuid4().hex[:6].upper()
    homes = []
    for name in ("单合并", "善和冰"):
        page = visit("/cases/new", login="lin", language=language, viewport=viewport)
        pick(page, "kind", "flap")
        page.fill("#name", name)
        page.fill("#birth_date", born)
        pick(page, "sex", "male")
        page.fill("#record_number", f"{mark}-{len(homes)}")
        if homes:
            page.locator("#record_number").blur()
            expect(page.locator("#known label.choice")).not_to_have_count(0)
            look(page, "01-perhaps-the-same")
            page.locator("#known label.choice:has(input[value=other])").click()
        go(page)
        page.wait_for_url("**/entries/injury")
        homes.append(re.sub(r"/entries/.*", "", page.url))
    page.goto(f"{homes[1]}/patient")
    look(page, "02-patient")
    page.goto(f"{homes[1]}/patient/merge")
    look(page, "03-look-for")
    page.fill("#number", f"{mark}-0")
    page.locator("form:has(#number) button").click()
    expect(page.locator("button[name=other]")).to_have_count(1)
    page.locator("button[name=other]").click()
    page.fill("#reason", "同一身份证" if language == "zh" else "The same identity card")
    look(page, "04-compare")
    page.locator("label.choice:has(input[value=other])").click()
    page.locator("button[name=go]").click()
    page.wait_for_url("**/patient")
    expect(page.locator(".banner")).to_contain_text("单合并")
    page.locator("#merged ~ article summary").click()
    look(page, "05-merged")
    page.fill("#reason", "两张身份证" if language == "zh" else "Two identity cards")
    page.locator("form[action$='/undo'] button").click()
    page.wait_for_url("**/patient")
    expect(page.locator(".banner")).to_contain_text("善和冰")
