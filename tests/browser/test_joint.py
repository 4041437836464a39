"""Two experts of two hospitals say one thing together: written by one, joined by the other, decided on by the surgeon."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints, Look, Visit, World
from tests.browser.test_training import call, new_case

WORDS = {"findings": "近节斜形骨折。", "recommendation": "尽早矫正旋转。", "limits": "仅凭影像判断。"}


def ask(server: World, case_id: str, expert: str, coordinator: str) -> None:
    """A question of its own to the expert's hospital."""
    who = call(server, expert, "GET", "/me")
    told: dict[str, Any] = {"to_organisation_id": who["organisation_id"], "question": "现在矫正还是以后？", "independent": True}
    referral = call(server, "lin", "POST", f"/cases/{case_id}/referrals", told)
    call(server, coordinator, "POST", f"/referrals/{referral['id']}/allocate", {"expert_id": who["person_id"]})
    call(server, expert, "POST", f"/referrals/{referral['id']}/acknowledge")


def write(page: Page, server: World, login: str, **more: str) -> None:
    """Fill the form of an opinion and sign it."""
    for name, words in (WORDS | more).items():
        page.fill(f"[name={name}]", words)
    page.check("[name=urgency][value=routine]")
    page.fill("#code", server.code(login))
    page.locator(".sign .actions .button").click()
    page.wait_for_url("**#opinion")
    # a step-up gives the session another cookie
    server.states[login] = page.context.storage_state()


@pytest.mark.parametrize(("language", "viewport"), [("zh", "phone"), ("en", "desktop")])
def test_two_experts_say_one_thing(server: World, visit: Visit, look: Look, complaints: Complaints, language: str, viewport: str) -> None:
    case_id = new_case(server)
    for expert, coordinator in (("su", "luo"), ("qiu", "jiang")):
        ask(server, case_id, expert, coordinator)
    for expert in ("su", "qiu"):
        page = visit(f"/cases/{case_id}/opinion", login=expert, language=language, viewport=viewport)
        write(page, server, expert)

    page.get_by_role("link", name="撰写联合会诊意见" if language == "zh" else "Write a joint opinion").click()
    expect(page.locator("#joins ~ .opinion")).to_have_count(2)
    look(page, "write")
    write(page, server, "qiu", differences="固定方式：螺钉或钢板。")
    look(page, "written")

    page = visit("/", login="su", language=language, viewport=viewport)
    page.locator(f"a[href*='/cases/{case_id}/joint/']").click()
    expect(page.locator(".sign")).to_be_visible()
    look(page, "join")
    complaints.tolerate("422")
    page.locator("form[action$=decline] button").click()
    expect(page.locator("#words")).to_have_attribute("aria-invalid", "true")
    page.fill("#code", server.code("su"))
    page.locator("form[action$=join] button.button").click()
    page.wait_for_url("**#opinion")
    server.states["su"] = page.context.storage_state()
    look(page, "joined")

    page = visit(f"/cases/{case_id}", login="lin", language=language, viewport=viewport)
    look(page, "case")
    page.locator(".now a", has_text="采纳" if language == "zh" else "Accept").first.click()
    expect(page.locator(".opinion").first).to_contain_text("固定方式")
    look(page, "decide")
    page.goto(page.locator("a[href*='/opinions/']").first.get_attribute("href") or "")
    expect(page.locator("[role=status].note")).to_have_class("note good")
    look(page, "check")
