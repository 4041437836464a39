"""A ward telephone in the browser: registered, a PIN chosen, unlocked, a chart opened, locked again."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints, Look, Visit, World, give_code, sign_in, speak

PIN = "258046"
ADMINISTRATOR, NURSE = "tao", "ma"


def plug_in(page: Page) -> None:
    """An authenticator that stays in the device and asks for a touch, as a ward telephone's does."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": False, "hasUserVerification": False}
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options | {"automaticPresenceSimulation": True}})


@pytest.mark.parametrize(("language", "viewport"), [("zh", "phone"), ("en", "desktop")])
def test_a_ward_device_from_its_registration_to_the_lock(
    visit: Visit,
    server: World,
    complaints: Complaints,
    look: Look,
    language: str,
    viewport: str,
) -> None:
    complaints.tolerate("401|403")

    page = visit("/hospital/devices", login=ADMINISTRATOR, language=language, viewport=viewport, fresh=True)
    plug_in(page)
    look(page, "devices-empty")
    page.click("a[href='/hospital/devices/new']")
    give_code(page, server, ADMINISTRATOR)
    page.wait_for_url("**/hospital/devices/new")
    page.fill("#name", "五病区 2 号手机" if language == "zh" else "Ward 5, telephone 2")
    look(page, "device-new")
    page.click("[data-passkey]")
    page.wait_for_url("**/hospital/devices")
    look(page, "devices")

    # the nurse signs in on it once, and chooses a PIN
    page.context.clear_cookies(name="__Host-session")
    sign_in(page, server, NURSE)
    speak(page, language)
    page.goto("/account/security")
    page.click("a[href='/account/quick-unlock']")
    page.fill("#pin", PIN)
    page.locator("form:has(#pin) button").click()
    give_code(page, server, NURSE)
    page.wait_for_url("**/account/quick-unlock")
    page.fill("#pin", PIN)
    page.locator("form:has(#pin) button").click()
    expect(page.locator("form[action='/account/quick-unlock/drop']")).to_be_visible()
    look(page, "quick")

    # locked and unlocked
    page.context.clear_cookies(name="__Host-session")
    page.goto("/sign-in?next=/cases")
    look(page, "sign-in")
    page.locator("form[action='/ward'] button").click()
    look(page, "unlock")
    page.fill("#pin", "000000")
    page.click("[data-passkey]")
    expect(page.locator(".note.urgent:not([hidden])")).to_be_visible()
    page.fill("#pin", PIN)
    page.click("[data-passkey]")
    page.wait_for_url("**/cases")
    look(page, "cases")
    page.locator("form:has(button.lock) button").click()
    page.wait_for_url("**/ward")
