"""Being told outside the pages: one's own choices, and a hospital's systems, tried out against a receiver that is there."""

import json

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Complaints, Look, Visit, World, give_code
from tests.mailbox import receiver

SEEN = [("zh", "phone"), ("en", "desktop")]


@pytest.mark.parametrize(("language", "viewport"), SEEN)
def test_what_one_is_told_and_when(visit: Visit, look: Look, language: str, viewport: str) -> None:
    page = visit("/account", login="gu", language=language, viewport=viewport)
    page.click("main a[href='/account/notices']")
    look(page, "told")
    page.click("label:has(> input[name=urgent][value=digest])")
    page.fill("#quiet_from", "21:30")
    page.click("main form .actions button")
    page.wait_for_url("**/account/notices?saved=1")
    look(page, "told-saved")
    page.goto("/account/notices")
    expect(page.locator("input[name=urgent][value=digest]")).to_be_checked()
    expect(page.locator("#quiet_from")).to_have_value("21:30")


@pytest.mark.parametrize(("language", "viewport"), SEEN)
def test_a_hospitals_own_system_from_its_set_up_to_its_end(
    visit: Visit, server: World, complaints: Complaints, look: Look, language: str, viewport: str
) -> None:
    complaints.tolerate("403|422")
    server.states.pop("he", None)
    page = visit("/hospital/webhooks", login="he", language=language, viewport=viewport, fresh=True)
    look(page, "hooks-empty")
    page.click("a[href='/hospital/webhooks/new?form=standard']")
    give_code(page, server, "he")
    page.wait_for_url("**/hospital/webhooks/new?form=standard")
    page.click("main form .actions button.button")
    expect(page.locator(".wrong").first).to_be_visible()
    look(page, "hook-wrong")
    with receiver() as hooked:
        page.fill("#name", "值班系统" if language == "zh" else "On call")
        page.fill("#url", f"{hooked.url}/in")
        page.click("main form .actions button.button")
        secret = page.locator("code.secret").inner_text()
        assert secret.startswith("whsec_")
        look(page, "hook-secret")
        page.goto("/hospital/webhooks")
        assert secret not in page.content()
        page.click("form[action$='/try'] button")
        expect(page.locator("#hooks details.more")).to_be_visible(timeout=20_000)
        expect(page.locator("#hooks")).to_contain_text("已送达" if language == "zh" else "Delivered", timeout=20_000)
        # what happens in the sample world meanwhile is told there too
        (call,) = [call for call in hooked.calls if json.loads(call.body)["type"] == "webhook.trial"]
    assert {"webhook-id", "webhook-timestamp", "webhook-signature"} <= {name.lower() for name in call.headers}
    look(page, "hook-tried")
    for form in ("wecom", "dingtalk", "sms"):
        page.goto(f"/hospital/webhooks/new?form={form}")
        look(page, f"hook-{form}")
    page.goto("/hospital/webhooks")
    page.click("form[action$='/end'] button")
    expect(page.locator("#hooks")).to_have_count(0)
    server.states.pop("he", None)
