"""The one path that must always work, as people walk it: from the surgeon's phone to the verified log.

Each walk makes a patient and a case of its own, in one language and on one screen, through the pages alone.
"""

import datetime as dt
import re
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from imaging.phantoms import films, photos
from imaging.phantoms.hand import Cut, Hand
from registry import proofs
from tests.browser.conftest import Look, Visit, World

HAND = Hand(side="left", cuts=(Cut("index-middle", 0.45, 8.0),), seed=5)
BORN = {
    ("zh", "phone"): "1990-06-01",
    ("zh", "desktop"): "1991-07-02",
    ("en", "phone"): "1992-08-03",
    ("en", "desktop"): "1993-09-04",
}
SMALL_FILM = (1250, 1024)


def pick(page: Page, name: str, value: str) -> None:
    """Choose a radio button or a box by its label, as a finger would."""
    page.locator(f"label:has(> input[name='{name}'][value='{value}'])").first.click()


def go(page: Page) -> None:
    """Press the one primary button of the page's form."""
    page.locator("main form:not([hx-get]) .actions button.button").first.click()


def wall_clock(**before: float) -> str:
    """The clock of the county so long ago, as the form's field takes it."""
    zone = dt.timezone(dt.timedelta(hours=6))
    return (dt.datetime.now(zone) - dt.timedelta(**before)).strftime("%Y-%m-%dT%H:%M")


def pictures(folder: Path, born: str) -> list[Path]:
    """A photograph and a radiograph that names the patient rightly."""
    photo, film = folder / "IMG_0001.jpg", folder / "film.dcm"
    photo.write_bytes(photos.hand_photo(HAND))
    subject = films.Subject("LUJING^CESHI", "", dt.date.fromisoformat(born), "F")
    uid = f"2.25.{uuid4().int}"
    taken = dt.datetime.now(dt.UTC)
    film.write_bytes(films.radiograph_dicom(HAND, subject, taken, study_uid=uid, series_uid=uid + ".1", shape=SMALL_FILM))
    return [photo, film]


@pytest.mark.parametrize("viewport", ["phone", "desktop"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_whole_path(
    visit: Visit,
    server: World,
    look: Look,
    tmp_path: Path,
    language: str,
    viewport: str,
) -> None:
    born = BORN[language, viewport]
    number = f"W{uuid4().hex[:8].upper()}"

    # the surgeon opens a case
    page = visit("/cases/new", login="lin", language=language, viewport=viewport)
    look(page, "01-new")
    pick(page, "kind", "amputation")
    page.fill("#name", "路径测试")
    page.fill("#birth_date", born)
    pick(page, "sex", "female")
    page.fill("#record_number", number)
    go(page)
    page.wait_for_url("**/entries/injury")
    case = re.search(r"/cases/([0-9a-f-]{36})", page.url)
    assert case is not None
    home = f"/cases/{case[1]}"

    # and says what happened
    page.fill("#injured_at", wall_clock(hours=1))
    page.select_option("#mechanism", "sharp_cut")
    pick(page, "side", "left")
    look(page, "03-injury")
    go(page)
    page.wait_for_url("**/entries/amputation")
    choose_unit(page)
    look(page, "04-unit")
    go(page)
    page.wait_for_url("**/pictures")

    # pictures go up in pieces and end filed
    page.set_input_files("#files", pictures(tmp_path, born))
    settled = page.locator("#sending li .ok")
    expect(settled).to_have_count(2, timeout=90_000)
    look(page, "05-pictures")

    # the question crosses to the other hospital
    page.goto(f"{home}/refer")
    page.locator("label:has(input[name=to_organisation_id])").filter(has_text=re.compile("望海|Wanghai")).first.click()
    page.fill("#question", "左示指离断，能否再植？")
    pick(page, "consent_treatment", "yes")
    pick(page, "consent_transfer", "yes")
    pick(page, "giver", "patient")
    look(page, "06-refer")
    go(page)
    page.wait_for_url(f"**{home}")
    look(page, "07-case")

    # the coordinator allocates, the expert acknowledges
    luo = visit(home, login="luo", language=language, viewport=viewport)
    luo.locator("a[href*='/referrals/']").first.click()
    luo.locator("label:has(input[name=expert_id])").filter(has_text=re.compile("沈清扬|Shen")).click()
    look(luo, "08-allocate")
    go(luo)
    shen = visit(home, login="shen", language=language, viewport=viewport)
    assert "路径测试" not in shen.content()
    assert number not in shen.content()
    shen.locator("form[action$='/acknowledge'] button").first.click()
    look(shen, "09-expert")

    # the expert draws
    shen.goto(f"{home}/viewer")
    draw(shen)
    look(shen, "10-viewer")

    # writes and signs
    shen.goto(f"{home}/opinion")
    for name in ("findings", "recommendation", "limits"):
        shen.fill(f"#{name}", {"findings": "断面整齐。", "recommendation": "可再植，吻合两动脉两静脉。", "limits": "仅凭影像判断。"}[name])
    pick(shen, "urgency", "emergency")
    look(shen, "11-opinion")
    shen.fill("#code", server.code("shen"))
    shen.locator("section.sign button.button").click()
    shen.wait_for_url(f"**{home}*")
    # a step-up goes on under a fresh secret
    server.states["shen"] = shen.context.storage_state()

    # the surgeon reads it with its marks, decides, and follows up
    page.goto(home)
    assert "可再植" in page.content()
    expect(page.locator(".gallery .marks").first).to_be_visible()
    look(page, "12-answered")
    page.locator("article.opinion .signature a").first.click()
    look(page, "12-check")
    sheet, proof = (page.request.get(page.locator(f"a[href$='/{what}']").get_attribute("href") or "") for what in ("sheet", "proof"))
    assert sheet.body().startswith(b"%PDF-1.7")
    assert proofs.check(proof.body()).holds
    page.goto(f"{home}/decision")
    pick(page, "choice", "accept")
    look(page, "13-decision")
    go(page)
    page.wait_for_url(f"**{home}*")
    page.goto(f"{home}/follow-up")
    page.fill("#treated_on", wall_clock()[:10])
    go(page)
    page.wait_for_url(f"**{home}*")
    page.goto(f"{home}/follow-up")
    page.fill("#seen_on", wall_clock()[:10])
    pick(page, "survival", "survived")
    pick(page, "pain", "2")
    look(page, "14-follow-up")
    go(page)
    page.wait_for_url(f"**{home}*")

    # the administrator asks who saw this patient, and the log is whole
    tao = visit("/audit", login="tao", language=language, viewport=viewport)
    tao.fill("#number", number)
    tao.locator("form[action='/audit/patient'] button").first.click()
    answer = tao.locator("main").inner_text()
    assert re.search("沈清扬|Shen Qingyang", answer)
    assert re.search("林晓峰|Lin Xiaofeng", answer)
    look(tao, "15-audit")
    tao.goto("/audit/proof")
    expect(tao.locator(".note.whole")).to_be_visible()
    look(tao, "16-proof")


def choose_unit(page: Page) -> None:
    """A clean cut through the left index finger, kept on ice."""
    for name, value in (("part", "index"), ("side", "left"), ("completeness", "complete"), ("storage", "sealed_on_ice")):
        if page.locator(f"select#{name}").count():
            page.select_option(f"#{name}", value)
        else:
            pick(page, name, value)
    page.fill("#cooling_started_at", wall_clock(minutes=30))


def draw(page: Page) -> None:
    """A length over the middle of the picture; it is saved, and there again after the page is loaded anew."""
    page.wait_for_selector("canvas")
    page.wait_for_timeout(2_500)
    page.keyboard.press("l")
    box = page.locator("canvas").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    with page.expect_response(lambda r: r.request.method == "POST" and r.url.endswith("/annotations")) as saved:
        page.mouse.move(x - 60, y)
        page.mouse.down()
        page.mouse.move(x, y + 20, steps=4)
        page.mouse.move(x + 60, y + 30, steps=4)
        page.mouse.up()
    assert saved.value.status == 201
    with page.expect_response(lambda r: r.request.method == "GET" and r.url.endswith("/annotations")) as again:
        page.reload()
    assert len(again.value.json()["annotations"]) == 1
