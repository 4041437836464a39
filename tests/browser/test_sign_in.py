"""Signing in by what a person has: a passkey, a recovery code, a new authenticator; with the browser's own virtual authenticator.

Each walk uses people of its own, in one language and on one screen, and leaves them without passkeys.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.browser.conftest import Visit, World, sign_in

WHO = {("zh", "phone"): "ma", ("en", "desktop"): "tao"}

# a virtual authenticator answers what waits in the name field at once, as if a finger had chosen there
NO_AUTOFILL = "PublicKeyCredential.isConditionalMediationAvailable = async () => false"


def plug_in(page: Page) -> tuple[CDPSession, str]:
    """Put an authenticator into the page's browser that verifies its user, as a phone's fingerprint reader does."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    return session, session.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]


def code(page: Page, server: World, login: str) -> None:
    """Confirm with the six digits."""
    page.fill("#code", server.code(login))
    page.locator("form:has(#code) button").first.click()


def hand_out_a_role(page: Page) -> None:
    """Give a nurse one more role, confirmed with the passkey on the way, and take it away again."""
    page.goto("/hospital/people")
    page.click("a.title:has-text('Ma Lan')")
    page.click("form[action$='/give'] button[value=coordinator]")
    page.click("[data-passkey]")
    expect(page.locator("h1")).to_have_text("Confirmed")
    page.click("main form button")
    page.click("form[action$='/take'] button[value=coordinator]")
    expect(page.locator("form[action$='/give'] button[value=coordinator]")).to_be_visible()


@pytest.mark.parametrize(("language", "viewport"), [("zh", "desktop"), ("en", "phone")])
def test_a_lost_phone(
    visit: Visit,
    server: World,
    axe: Callable[[Page], list[str]],
    shot: Callable[..., Path],
    language: str,
    viewport: str,
) -> None:
    """Recovery codes made, one used at sign-in, and with the password a new authenticator in the place of the lost one."""
    login, wrong = "yan", list[str]()
    # the walk ends every other session
    server.states.pop(login, None)

    def look(page: Page, name: str) -> None:
        wrong.extend(f"{name}: {finding}" for finding in axe(page))
        shot(page, f"sign-in-{name}-{language}-{viewport}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"

    page = visit("/account/security", login=login, language=language, viewport=viewport, fresh=True)
    page.click("a[href='/account/security/recovery']")
    code(page, server, login)
    page.wait_for_url("**/recovery")
    look(page, "recovery-before")
    page.click("main form button")
    codes = page.locator("#codes code").all_inner_texts()
    assert len(codes) == 10
    expect(page.locator("[data-print]")).to_be_visible()
    look(page, "recovery-codes")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.url)
    page.click("[data-copy]")
    expect(page.locator("[data-copy]")).to_have_text(re.compile("已复制|Copied"))
    assert page.evaluate("navigator.clipboard.readText()").split() == codes

    page.context.clear_cookies()
    page.goto("/sign-in?next=/notices")
    page.fill("#login", login)
    page.fill("#password", server.accounts[login]["password"])
    page.locator("form[action='/sign-in'] button").click()
    page.click("summary:has-text('恢复码'), summary:has-text('recovery code')")
    look(page, "second-step")
    page.fill("#recovery", codes[0].lower().replace("-", " "))
    page.locator("form:has(#recovery) button").click()
    look(page, "recovered")
    page.click("a[href='/account/security']")

    # the password steps up where the phone cannot
    page.click("a[href='/account/security/authenticator']")
    page.locator("summary").last.click()
    page.fill("#password", server.accounts[login]["password"])
    page.locator("form:has(#password) button").click()
    page.wait_for_url("**/authenticator")
    expect(page.locator("img.qr")).to_be_visible()
    assert page.evaluate("document.querySelector('img.qr').naturalWidth > 0")
    page.locator("details.more summary").click()
    look(page, "authenticator")
    secret = page.locator("code.secret").inner_text().replace(" ", "")
    server.accounts[login]["totp_secret"] = secret
    server.used_codes[login] = pyotp.TOTP(secret).now()
    page.fill("#code", server.used_codes[login])
    page.locator("form:has(#code) button").click()
    page.wait_for_url("**/account/security")
    look(page, "security-recovered")
    page.context.clear_cookies()
    sign_in(page, server, login)
    assert wrong == []
