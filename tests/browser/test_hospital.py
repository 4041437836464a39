"""The administrator's pages of agreements and machines, in a real browser: two hospitals agree, a machine comes and goes."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from playwright.sync_api import Page, expect

from tests.auth.test_machines import certify
from tests.browser.conftest import VIEWPORTS, Complaints, Visit, World, give_code, speak

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 400 + b"%%EOF\n"
REFUSED = "status of (403|422)"
"""What a browser says of a form that came back, and of a page that asks for the second factor."""
Look = Callable[[Page, str], None]


@pytest.fixture
def look(axe: Callable[[Page], list[str]], shot: Callable[..., Path]) -> Look:
    """Look at a page that can be asked for anew, in both languages on both screens: nothing to scroll sideways, nothing amiss."""

    def looked(page: Page, name: str) -> None:
        path = page.url
        for language in ("zh", "en"):
            speak(page, language)
            page.goto(path)
            for viewport, (width, height) in VIEWPORTS.items():
                page.set_viewport_size({"width": width, "height": height})
                assert axe(page) == [], f"{name} {language} {viewport}"
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} {language} {viewport}"
                shot(page, f"hospital-{name}-{language}-{viewport}")

    return looked


def test_two_hospitals_make_an_agreement_and_end_it(
    server: World, visit: Visit, look: Look, complaints: Complaints, tmp_path: Path
) -> None:
    complaints.tolerate(REFUSED)
    signed = tmp_path / "signed.pdf"
    signed.write_bytes(PDF)
    ours = visit("/hospital/agreements", login="tao", fresh=True)
    look(ours, "agreements")
    ours.locator("a[href='/hospital/agreements/new']").first.click()
    give_code(ours, server, "tao")
    look(ours, "agreement-new")
    ours.locator("#other_id").select_option(index=1)
    ours.locator("label.choice:has(input[value=consultation])").click()
    ours.locator("label.choice:has(input[value=teaching])").click()
    ours.fill("#words", "Ward rounds by video")
    ours.locator("main .actions button").click()
    expect(ours.locator("#document-wrong")).to_be_visible()
    assert ours.input_value("#words") == "Ward rounds by video"
    ours.set_input_files("#document", signed)
    ours.locator("main .actions button").click()
    expect(ours.locator("form[action$='/withdraw']")).to_be_visible()
    look(ours, "agreement-proposed")
    path = ours.url

    theirs = visit("/hospital/agreements", login="he", fresh=True)
    theirs.locator(f"a[href='{path.removeprefix(server.url)}']").click()
    look(theirs, "agreement-asked")
    with theirs.expect_download() as got:
        theirs.locator("a[href$='/document']").click()
    assert got.value.suggested_filename.endswith(".pdf")
    assert got.value.path().read_bytes() == PDF
    theirs.locator("form[action$='/confirm'] button").click()
    give_code(theirs, server, "he")
    expect(theirs.locator("form[action$='/confirm']")).to_have_count(0)
    look(theirs, "agreement-standing")
    theirs.locator("details.more summary").click()
    theirs.locator("label.choice:has(input[value=by_both])").click()
    theirs.locator("form[action$='/end'] button").click()
    expect(theirs.locator("form[action$='/end']")).to_have_count(0)
    ours.goto(path)
    expect(ours.locator("form")).to_have_count(3)
    look(ours, "agreement-ended")


def test_a_machine_is_registered_and_a_private_key_is_not(server: World, visit: Visit, look: Look, complaints: Complaints) -> None:
    complaints.tolerate(REFUSED)
    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    title = f"CT{uuid4().hex[:8].upper()}"
    page = visit("/hospital/machines", login="tao", fresh=True)
    page.locator("details.more.space summary").click()
    page.fill("#name", "CT")
    page.fill("#ae_title", title)
    page.locator("label.choice:has(input[value=store])").click()
    page.fill("#certificate", certify(key=key)[0] + secret)
    page.locator("form[action='/hospital/machines'] button").click()
    expect(page.locator("#certificate-wrong")).to_be_visible()
    assert page.input_value("#certificate") == ""
    assert page.input_value("#ae_title") == title
    page.fill("#certificate", certify(f"{'long-name.' * 5}example", key=key, ends=20)[0])
    page.locator("form[action='/hospital/machines'] button").click()
    give_code(page, server, "tao")
    expect(page.get_by_text(title)).to_be_visible()
    look(page, "machines")
    page.locator(f"li:has(code:text-is('{title}')) form[action$='/revoke'] button").click()
    expect(page.locator(f"ul.thread code:text-is('{title}')")).to_have_count(0)
