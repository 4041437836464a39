"""An emergency on a telephone, from the sign-in to the question that is out, with every tap and field counted."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Complaints, Look, Visit, World, type_code
from tests.browser.test_path import wall_clock
from tests.browser.test_sign_in import NO_AUTOFILL, plug_in

MOST = 12


class Fingers:
    """Taps and fills, and counts both: a field is one, however long what is typed into it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.count = 0

    def tap(self, where: str) -> None:
        self._act(where, Locator.tap)

    def fill(self, where: str, words: str) -> None:
        self._act(where, lambda field: field.fill(words))

    def choose(self, where: str, code: str) -> None:
        self._act(where, lambda field: field.select_option(code))

    def _act(self, where: str, act: Callable[[Locator], object]) -> None:
        act(self.page.locator(where).first)
        self.count += 1


@pytest.mark.parametrize("viewport", ["phone"])
@pytest.mark.parametrize(("language", "name"), [("zh", "急诊测试甲"), ("en", "急诊测试乙")], ids=["zh", "en"])
def test_the_first_emergency_referral_takes_twelve_taps_and_fields(
    visit: Visit,
    server: World,
    complaints: Complaints,
    look: Look,
    axe: Callable[[Page], list[str]],
    language: str,
    viewport: str,
    name: str,
) -> None:
    complaints.tolerate("403|422")
    server.states.pop("lin", None)
    page = visit("/account/security/passkeys/new", login="lin", language=language, viewport=viewport, fresh=True)
    plug_in(page)
    type_code(page, server, "lin")
    page.wait_for_url("**/passkeys/new")
    page.fill("#name", "telephone")
    page.click("[data-passkey]")
    page.wait_for_url("**/account/security")
    page.context.clear_cookies()
    page.add_init_script(NO_AUTOFILL)
    page.goto("/sign-in")

    fingers = Fingers(page)
    fingers.tap("[data-passkey]")
    fingers.tap("a[href='/cases/urgent']")
    page.wait_for_url("**/cases/urgent")
    look(page, "urgent-empty")
    fingers.fill("#name", name)
    fingers.tap("label:has(> input[name=sex][value=male])")
    fingers.tap("label:has(> input[name=kind][value=amputation])")
    fingers.tap("[data-figure] [data-set*='side:right part:middle']")
    fingers.tap("label:has(> input[name=completeness][value=complete])")
    fingers.fill("#injured_at", wall_clock(hours=1))
    fingers.choose("#mechanism", "crush")
    fingers.fill("#question", "右中指离断，能否再植？" if language == "zh" else "Right middle finger severed. Can it be replanted?")
    fingers.tap("label:has(> input[name=agreed])")
    look(page, "urgent-filled")
    fingers.tap("main form .actions button")
    page.wait_for_url(re.compile(r"/cases/[0-9a-f-]{36}/pictures$"))
    assert fingers.count <= MOST, fingers.count
    look(page, "urgent-sent")

    # it lies with the one on duty there, as an emergency, and the finger that was tapped is the finger that is named
    case = page.url.removesuffix("/pictures").removeprefix(server.url)
    shen = visit(case, login="shen", language=language, viewport="desktop")
    expect(shen.locator("body")).to_contain_text("右中指离断" if language == "zh" else "Severed middle finger, right")
    expect(shen.locator("form[action$='/acknowledge'] button").first).to_be_visible()
    assert name not in shen.content()

    page.goto("/account/security")
    page.click("a[href$='/remove']")
    if page.locator("[data-passkey]").count():
        page.click("[data-passkey]")
    page.wait_for_url("**/remove")
    page.click("main button")
    page.wait_for_url("**/account/security")
    server.states.pop("lin", None)


@pytest.mark.parametrize("viewport", ["phone", "desktop"])
def test_a_tap_on_a_figure_answers_the_fields_beside_it(visit: Visit, viewport: str) -> None:
    page = visit("/cases", login="lin", language="en", viewport=viewport)
    page.locator("main a", has_text="Severed").first.click()
    page.wait_for_url(re.compile(r"/cases/[0-9a-f-]{36}$"))
    case = page.url
    page.goto(f"{case}/entries/amputation")
    spot = page.locator("[data-figure] [data-set*='side:left part:ring'][data-set*='zone_2']")
    spot.click()
    expect(page.locator("[name=part]")).to_have_value("ring")
    expect(page.locator("[name=side][value=left]")).to_be_checked()
    expect(page.locator("[name=level]")).to_have_value("digit")
    expect(page.locator("[name=tamai][value=zone_2]")).to_be_checked()
    expect(spot).to_have_class("on")
    # chosen in the list it shows on the figure too
    page.select_option("[name=part]", "little")
    expect(spot).not_to_have_class("on")

    # several regions of an injury: a second tap takes one off again
    page.goto(f"{case}/entries/injury")
    page.locator(".figure-more summary").click()
    wrist, forearm = (page.locator(f"[data-set*='side:right region:{region}']").first for region in ("wrist", "forearm"))
    boxes = [page.locator(f"[name=region][value={region}]") for region in ("wrist", "forearm")]
    wrist.click()
    forearm.click()
    for box in boxes:
        expect(box).to_be_checked()
    wrist.click()
    expect(boxes[0]).not_to_be_checked()
    expect(boxes[1]).to_be_checked()
    expect(page.locator("[name=side][value=right]")).to_be_checked()
