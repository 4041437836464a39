"""People in training at the browser: an opinion that comes back and is given under two names, an entry that is countersigned."""

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LOCALES, VIEWPORTS, Visit, World

Look = Callable[[Page, str], None]
WORDS = {"findings": "断面整齐，远端苍白。", "recommendation": "可再植。", "limits": "仅凭影像判断。"}


def call(server: World, login: str, method: str, path: str, body: Any = None) -> Any:
    """One call of the API with somebody's token."""
    data = json.dumps(body).encode() if body is not None else None
    headers = {"Authorization": f"Bearer {server.accounts[login]['token']}", "Content-Type": "application/json"}
    asked = urllib.request.Request(f"{server.url}/api/v1{path}", data=data, headers=headers, method=method)
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.load(answer)


def new_case(server: World) -> str:
    """A case of the county, with the consents it needs."""
    patient = call(server, "lin", "POST", "/patients", {"name": "梧桐", "birth_date": "1980-02-03", "despite_duplicates": True})
    case = call(server, "lin", "POST", "/cases", {"patient_id": patient["id"], "kind": "hand_injury", "client_key": str(uuid4())})
    for purpose in ("treatment", "transfer"):
        call(server, "lin", "POST", f"/cases/{case['id']}/consents", {"purpose": purpose, "statement": "give"})
    return str(case["id"])


def ask(server: World, case_id: str, expert: str) -> None:
    """A question that lies with an expert of the other hospital, who has it."""
    gu = call(server, expert, "GET", "/me")
    told = {"to_organisation_id": gu["organisation_id"], "question": "能否再植？"}
    referral = call(server, "lin", "POST", f"/cases/{case_id}/referrals", told)
    call(server, "luo", "POST", f"/referrals/{referral['id']}/allocate", {"expert_id": gu["person_id"]})
    call(server, expert, "POST", f"/referrals/{referral['id']}/acknowledge")


def train(server: World, visit: Visit, boss: str, login: str, act: str) -> None:
    """The administrator begins or ends somebody's training; to end it they step up first."""
    person = f"/hospital/people/{call(server, login, 'GET', '/me')['person_id']}"
    page = visit(person, login=boss)
    if act == "end":
        page.goto(f"/sign-in/again?next={person}")
        page.fill("input[name=code]", server.code(boss))
        page.locator("main form button").first.click()
        page.wait_for_url(f"**{person}")
        server.states[boss] = page.context.storage_state()
    page.locator(f"#training button[value={act}]").click()
    page.wait_for_url("**#training")
    expect(page.locator(f"#training button[value={'begin' if act == 'end' else 'end'}]")).to_be_visible()


@pytest.fixture
def trainees(server: World, visit: Visit) -> Iterator[None]:
    """An expert and a nurse are in training while a test lasts."""
    for boss, login in (("he", "gu"), ("tao", "ma")):
        train(server, visit, boss, login, "begin")
    yield
    for boss, login in (("he", "gu"), ("tao", "ma")):
        train(server, visit, boss, login, "end")


@pytest.fixture
def everywhere(server: World, visit: Visit, axe: Callable[[Page], list[str]], shot: Callable[..., Path]) -> Iterator[Callable[..., None]]:
    """Looks at a page in both languages on both screens."""
    wrong: list[str] = []

    def look(path: str, login: str, name: str) -> None:
        for language in LOCALES:
            for viewport in VIEWPORTS:
                page = visit(path, login=login, language=language, viewport=viewport)
                wrong.extend(f"{name} {language} {viewport}: {finding}" for finding in axe(page))
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"
                shot(page, f"training-{name}-{language}-{viewport}")
                # it would go on asking under a session that has got a fresh secret since
                page.close()

    yield look
    assert wrong == []


def sign(server: World, page: Page, login: str) -> None:
    """A code, and the button that signs; a step-up goes on under a fresh secret."""
    page.fill("#code", server.code(login))
    page.locator("section.sign button.button").click()
    page.wait_for_url("**#opinion")
    server.states[login] = page.context.storage_state()


def test_a_trainees_opinion_comes_back_and_is_given_under_two_names(
    server: World, visit: Visit, everywhere: Callable[..., None], trainees: None
) -> None:
    case_id = new_case(server)
    home = f"/cases/{case_id}"
    call(server, "lin", "POST", f"{home}/entries", {"type": "injury", "fields": {"injured_at": "2026-01-05T08:00", "mechanism": "crush"}})
    ask(server, case_id, "gu")

    # the trainee signs for the senior; the surgeon sees nothing of it but whom it waits for
    everywhere(f"{home}/opinion", "gu", "01-write")
    gu = visit(f"{home}/opinion", login="gu")
    for name, said in WORDS.items():
        gu.fill(f"#{name}", said)
    gu.locator("label:has(> input[name='urgency'][value='urgent'])").click()
    gu.locator("label:has(> input[name='senior_id'])").first.click()
    sign(server, gu, "gu")
    lin = visit(home, login="lin")
    assert WORDS["recommendation"] not in lin.content()
    expect(lin.locator("#opinion .opinion")).to_have_count(0)
    expect(lin.locator("section.now a.call").first).to_contain_text(re.compile("沈清扬|Shen Qingyang"))
    everywhere(home, "lin", "02-surgeon-waits")
    everywhere("/", "gu", "03-trainee-waits")

    # the senior returns it
    everywhere("/", "shen", "04-senior-list")
    shen = visit("/", login="shen")
    shen.locator(f"a[href^='{home}/presentations/']").first.click()
    shen.wait_for_url("**/presentations/*")
    presentation = re.sub(r"^https?://[^/]+", "", shen.url)
    everywhere(presentation, "shen", "05-senior-reads")
    shen.fill("#words", "请写明吻合几条静脉。")
    shen.locator("form[action$='/return'] button").click()
    shen.wait_for_url(f"**{home}")

    # the trainee finds the old words, changes them and signs again
    everywhere(presentation, "gu", "06-returned")
    gu.goto(f"{home}/opinion")
    expect(gu.locator("#findings")).to_have_value(WORDS["findings"])
    assert "请写明吻合几条静脉。" in gu.content()
    gu.fill("#recommendation", "可再植，吻合两动脉三静脉。")
    sign(server, gu, "gu")
    assert "三静脉" not in visit(home, login="lin").content()

    # the senior gives it, and the surgeon reads it under both names
    shen.goto("/")
    shen.locator(f"a[href^='{home}/presentations/']").first.click()
    sign(server, shen, "shen")
    lin = visit(home, login="lin", language="zh")
    given = lin.locator("#opinion .opinion")
    expect(given).to_contain_text("三静脉")
    expect(given).to_contain_text("顾南 副主任医师")
    expect(given).to_contain_text("沈清扬 主任医师")
    everywhere(home, "lin", "07-given")
    check = given.locator("a[href*='/opinions/']").first.get_attribute("href")
    assert check is not None
    everywhere(check, "lin", "08-check")


def test_training_stands_on_the_page_of_a_person(server: World, everywhere: Callable[..., None], trainees: None) -> None:
    person = call(server, "gu", "GET", "/me")["person_id"]
    everywhere(f"/hospital/people/{person}", "he", "20-person")


def test_an_entry_of_somebody_in_training_is_countersigned(
    server: World, visit: Visit, everywhere: Callable[..., None], trainees: None
) -> None:
    case_id = new_case(server)
    home = f"/cases/{case_id}"
    ma = visit(f"{home}/entries/injury", login="ma", viewport="phone")
    ma.fill("#injured_at", "2026-01-05T08:00")
    ma.select_option("#mechanism", "crush")
    ma.locator("label:has(> input[name='side'][value='left'])").first.click()
    ma.locator("main form .actions button.button").first.click()
    ma.wait_for_url("**/pictures")
    everywhere(home, "lin", "11-entry-waits")
    lin = visit(home, login="lin")
    lin.locator(f"a[href^='{home}/reviews/']").first.click()
    lin.wait_for_url("**/reviews/*")
    review = re.sub(r"^https?://[^/]+", "", lin.url)
    everywhere(review, "lin", "12-review")
    lin.fill("#words", "哪几指？")
    lin.locator("form[action$='/return'] button").click()
    lin.wait_for_url("**#record")
    everywhere(review, "ma", "13-returned")
    ma.goto(review)
    ma.locator("main a.button").click()
    ma.fill("#note", "示指、中指。")
    ma.fill("#reason", "补充手指")
    ma.locator("main form .actions button.button").first.click()
    ma.wait_for_url("**/pictures")
    lin.goto(home)
    lin.locator(f"a[href^='{home}/reviews/']").first.click()
    lin.locator("form[action$='/countersign'] button").click()
    lin.wait_for_url("**#record")
    expect(lin.locator("#record .entry")).to_contain_text(re.compile("已审签|countersigned by"))
    everywhere(f"{home}/record", "lin", "14-record")
