"""Signing in by what a person has: a passkey, a recovery code, a new authenticator; with the browser's own virtual authenticator.

Each walk uses people of its own, in one language and on one screen, and leaves them without passkeys.
"""

import re
from collections.abc import Callable

import pyotp
import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.browser.conftest import Complaints, Look, Visit, World, sign_in, type_code

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


def hand_out_a_role(page: Page, confirm: Callable[[], None]) -> None:
    """Give a nurse one more role, confirmed with the passkey on the way, and take it away again."""
    page.goto("/hospital/people")
    page.click("a.title:has-text('Ma Lan')")
    page.click("form[action$='/give'] button[value=coordinator]")
    confirm()
    expect(page.locator("h1")).to_have_text("Confirmed")
    page.click("main form button")
    page.click("form[action$='/take'] button[value=coordinator]")
    expect(page.locator("form[action$='/give'] button[value=coordinator]")).to_be_visible()


@pytest.mark.parametrize(("language", "viewport"), WHO)
def test_a_passkey_from_its_making_to_its_removal(
    visit: Visit,
    server: World,
    complaints: Complaints,
    look: Look,
    language: str,
    viewport: str,
) -> None:
    login = WHO[language, viewport]
    # the walk ends every other session
    server.states.pop(login, None)
    complaints.tolerate("403")

    page = visit("/account/security", login=login, language=language, viewport=viewport, fresh=True)
    session, authenticator = plug_in(page)
    look(page, "security-empty")

    # made, past a step-up by code
    page.click("a[href='/account/security/passkeys/new']")
    look(page, "again-code")
    type_code(page, server, login)
    page.wait_for_url("**/passkeys/new")
    look(page, "passkey-new")
    page.click("[data-passkey]")
    assert page.evaluate("document.querySelector('#name').matches(':invalid')")
    page.fill("#name", "护士站平板" if language == "zh" else "Ward tablet")
    page.click("[data-passkey]")
    page.wait_for_url("**/account/security")
    [credential] = session.send("WebAuthn.getCredentials", {"authenticatorId": authenticator})["credentials"]
    assert credential["isResidentCredential"]
    look(page, "security")

    # the device says so itself when it has one already
    page.goto("/account/security/passkeys/new")
    page.fill("#name", "again")
    page.click("[data-passkey]")
    expect(page.locator("[data-passkey-said]")).to_have_text(re.compile("已有您的通行密钥|a passkey for you already"))
    look(page, "passkey-known")

    # signed in with, out of the name field and by the button; the form carries where one was going
    page.context.clear_cookies()
    page.goto("/sign-in?next=/notices")
    page.wait_for_url(re.compile(r"//[^/]+/notices$"))
    page.add_init_script(NO_AUTOFILL)
    page.context.clear_cookies()
    page.goto("/sign-in?next=/notices")
    page.click("[data-passkey]")
    page.wait_for_url(re.compile(r"//[^/]+/notices$"))
    told = page.locator("main a[href='/account/security']")
    for _ in range(40):
        if told.count():
            break
        page.wait_for_timeout(500)
        page.reload()
    expect(told.first).to_be_visible()
    look(page, "notices")

    # stepped up with; somebody who does not verify is refused by the browser
    def confirm() -> None:
        look(page, "again-passkey")
        session.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": False})
        page.click("[data-passkey]")
        expect(page.locator("[data-passkey-said]")).to_be_visible()
        session.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": True})
        page.click("[data-passkey]")

    if login == "tao":
        hand_out_a_role(page, confirm)
    page.goto("/account/security")
    page.click("a[href$='/remove']")
    if login != "tao":
        confirm()
    page.wait_for_url("**/remove")
    look(page, "passkey-remove")
    page.click("main button")
    page.wait_for_url("**/account/security")
    assert page.locator("a[href$='/remove']").count() == 0

    # and good no more
    page.context.clear_cookies()
    complaints.tolerate("401")
    page.goto("/sign-in")
    page.click("[data-passkey]")
    expect(page.locator(".note.urgent[data-focus]")).to_be_visible()
    look(page, "refused")


@pytest.mark.parametrize(("language", "viewport"), [("zh", "desktop"), ("en", "phone")])
def test_a_lost_phone(
    visit: Visit,
    server: World,
    look: Look,
    language: str,
    viewport: str,
) -> None:
    """Recovery codes made, one used at sign-in, and with the password a new authenticator in the place of the lost one."""
    login = "yan"
    # the walk ends every other session
    server.states.pop(login, None)

    page = visit("/account/security", login=login, language=language, viewport=viewport, fresh=True)
    page.click("a[href='/account/security/recovery']")
    type_code(page, server, login)
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


@pytest.mark.parametrize(("language", "viewport"), [("zh", "phone"), ("en", "desktop")])
def test_a_forgotten_password(
    visit: Visit,
    server: World,
    complaints: Complaints,
    look: Look,
    language: str,
    viewport: str,
) -> None:
    """An administrator hands out a code, and its person types it; their authenticator is asked for."""
    login = "ma"
    server.states.pop(login, None)
    complaints.tolerate("403|422")

    tao = visit("/hospital/people", login="tao", language=language, viewport=viewport, fresh=True)
    tao.click("a.title:has-text('马兰'), a.title:has-text('Ma Lan')")
    tao.click("form[action$='/enrol'] button")
    type_code(tao, server, "tao")
    look(tao, "confirmed")
    tao.click("main form button")
    secret = tao.locator("#secret").inner_text()

    page = visit("/sign-in", language=language, viewport=viewport)
    look(page, "login")
    page.click("a[href='/enrol']")
    page.fill("#secret", "7k2m 9qxd 4wre 1tzc 8vbn")
    page.click("main form button")
    expect(page.locator(".wrong")).to_be_visible()
    assert page.input_value("#secret") == "7k2m 9qxd 4wre 1tzc 8vbn"
    look(page, "enrol-wrong")
    page.fill("#secret", secret.lower().replace("-", " "))
    page.click("main form button")
    page.fill("#new", "short")
    page.fill("#code", server.code(login))
    page.click("main form .actions button")
    expect(page.locator("#new-wrong")).to_be_visible()
    look(page, "enrolling")
    server.accounts[login]["password"] = f"eleven boats at the {language} quay"
    page.fill("#new", server.accounts[login]["password"])
    page.fill("#code", server.code(login))
    page.click("main form .actions button")
    look(page, "enrolled")
    assert secret not in page.url
    sign_in(page, server, login)
