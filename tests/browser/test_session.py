"""A session that ends in the middle of a long form: the page stays as it is, says so, and goes on after signing in again."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints, Visit


@pytest.mark.parametrize(("language", "viewport"), [("zh", "phone"), ("en", "desktop")])
def test_a_session_that_ends_while_a_case_is_typed(
    visit: Visit, complaints: Complaints, axe: Callable[[Page], list[str]], shot: Callable[..., Path], language: str, viewport: str
) -> None:
    complaints.tolerate("401")
    page = visit("/cases/new", login="lin", language=language, viewport=viewport)
    cookies = page.context.cookies()
    page.fill("#name", "测试会话")
    page.context.clear_cookies()
    page.fill("#birth_date", "1980-01-02")
    page.locator("#birth_date").blur()
    expect(page.locator("#trouble")).to_be_visible()
    expect(page.locator("#trouble a")).to_have_attribute("target", "_blank")
    assert page.locator("h1").count() == 1
    assert page.input_value("#name") == "测试会话"
    assert axe(page) == []
    shot(page, f"session-ended-{language}-{viewport}")
    page.context.add_cookies(cookies)  # type: ignore[arg-type]
    page.fill("#record_number", "W-SESSION")
    page.locator("#record_number").blur()
    expect(page.locator("#trouble")).to_be_hidden()
    assert page.input_value("#name") == "测试会话"
