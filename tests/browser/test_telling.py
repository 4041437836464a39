"""Being told outside the pages: one's own choices, and a hospital's systems, tried out against a receiver that is there."""

import base64
import json

import pytest
from playwright.sync_api import expect

from auth import webpush
from tests.browser.conftest import Complaints, Look, Visit, World, give_code
from tests.mailbox import receiver
from tests.registry.test_pushing import Held

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


SUBSCRIBE = """([endpoint, p256dh, auth]) => {
  const bytes = (text) => Uint8Array.from(text, (sign) => sign.charCodeAt(0)).buffer;
  PushManager.prototype.subscribe = async (options) => {
    window.asked = options.userVisibleOnly && options.applicationServerKey.length;
    return { endpoint, getKey: (name) => bytes(atob({ p256dh, auth }[name])) };
  };
}"""


@pytest.mark.parametrize(("language", "viewport"), SEEN)
def test_a_browser_is_told_of_what_waits(
    visit: Visit, server: World, complaints: Complaints, look: Look, language: str, viewport: str
) -> None:
    """No push service can be reached from here: where one would be asked, the test answers. Worker and push event are the browser's own."""
    with receiver() as service:
        held = Held(service.url, "/push")
        page = visit("/account/notices", login="su", language=language, viewport=viewport)
        page.context.grant_permissions(["notifications"], origin=server.url)
        keys = [base64.b64encode(raw).decode() for raw in (webpush.point(held.key), held.secret)]
        page.context.add_init_script(f"({SUBSCRIBE})({json.dumps([held.browser.endpoint, *keys])})")
        page.reload()
        look(page, "browsers-none")
        page.click("form[data-push] button")
        page.wait_for_url("**/account/notices#browsers")
        browsers = page.locator("#browsers .thread li")
        expect(browsers).to_have_count(1)
        expect(browsers).to_contain_text("Chrome")
        cdp = page.context.new_cdp_session(page)
        registered: list[str] = []
        cdp.on(
            "ServiceWorker.workerRegistrationUpdated", lambda told: registered.extend(r["registrationId"] for r in told["registrations"])
        )
        cdp.send("ServiceWorker.enable")
        page.click("form[action$='/try'] button")
        expect(browsers.locator(".alarm")).to_have_count(0)
        for _ in range(100):
            if trials := [told for told in held.shown(service) if told["path"] == "/account/notices"]:
                break
            page.wait_for_timeout(100)
        assert trials, "the worker has sent it"
        page.reload()
        look(page, "browsers-told")
        # this browser has nowhere to show a notification: what it is asked to show is noted
        [worker] = page.context.service_workers
        worker.evaluate("() => { self.registration.showNotification = async (title, told) => { self.shown = [title, told] } }")
        pushed = {"origin": server.url, "registrationId": registered[-1], "data": json.dumps(trials[-1])}
        cdp.send("ServiceWorker.deliverPushMessage", pushed)
        noted = "async () => { while (!self.shown) await new Promise((done) => setTimeout(done, 50)); return self.shown }"
        title, told = worker.evaluate(noted)
        words = "这是一条试发的提醒" if language == "zh" else "This is a trial message"
        assert (title, told["body"], told["lang"], told["data"]) == (trials[-1]["title"], words, language, {"path": "/account/notices"})
        page.click("form[action$='/end'] button")
        expect(browsers).to_have_count(0)
        page.evaluate("() => { PushManager.prototype.subscribe = async () => { throw new Error('no service') } }")
        page.click("form[data-push] button")
        expect(page.locator("[data-push-said=failed]")).to_be_visible()
        look(page, "browsers-failed")
