"""What the policy of contents relies on: no inline script or style, everything escaped, and pages that weigh little."""

import gzip
import re
from pathlib import Path

from registry.web.assets import FOLDER
from registry.web.pages import TEMPLATES
from tests.registry.web.conftest import House
from tests.registry.web.test_routes import ids_of

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}${7*7}"


def test_no_inline_script_style_or_handler() -> None:
    for path in Path(TEMPLATES).rglob("*.html"):
        text = path.read_text("utf-8")
        assert "|safe" not in text.replace(" ", ""), path
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text), path
        assert "autoescape false" not in text


def test_hostile_words_stay_words(house: House) -> None:
    """Stored cross-site scripting in every free text of the path, the file agent included."""
    world = house.world
    names = ids_of(world)
    surgeon = house.browser(world.cast.surgeon)
    base = f"/cases/{names['case_id']}"
    assert surgeon.post(f"{base}/messages", data={"text": HOSTILE}).status_code == 303
    assert surgeon.post(f"{base}/entries/injury/draft", data={"note": HOSTILE, "allergy": HOSTILE}).status_code == 303
    assert surgeon.post(f"{base}/consents", data={"purpose": "teaching", "statement": "give", "note": HOSTILE}).status_code == 303
    expert = house.browser(world.cast.expert)
    expert.headers["User-Agent"] = HOSTILE
    assert expert.post(f"{base}/opinion/draft", data={"findings": HOSTILE}).status_code == 303
    shown = [surgeon.get(path).text for path in (base, f"{base}/entries/injury", "/account", "/cases?state=%3Cscript%3E")]
    shown += [expert.get(f"{base}/opinion").text, surgeon.post("/cases/search", data={"q": HOSTILE}).text]
    shown.append(house.visitor().get("/sign-in", params={"next": HOSTILE}).text)
    shown.append(house.visitor().post("/sign-in", data={"login": HOSTILE, "password": HOSTILE, "next": HOSTILE, "kept": HOSTILE}).text)
    for html in shown:
        assert "<script>alert" not in html
        assert "<img src=x" not in html
        assert "7*7" in html or "alert(" not in html
    assert "&lt;script&gt;" in shown[0]


def test_the_work_list_weighs_under_sixty_kilobytes(house: House) -> None:
    """Page, style sheet and every script it asks for, as they go over the line; with twenty cases that wait."""
    world = house.world
    with world.begin() as db:
        for _ in range(20):
            case = world.case(db)
            world.injury(db, case)
            world.severed(db, case)
            world.severed(db, case, part="thumb")
    client = house.browser(world.cast.surgeon, language="zh")
    page = client.get("/", headers={"Accept-Encoding": "gzip"})
    assert page.text.count('class="need ') == 20
    assert page.headers["Content-Encoding"] == "gzip"
    weight = len(gzip.compress(page.content, 6))
    for address in set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)):
        body = client.get(address, headers={"Accept-Encoding": "gzip"})
        assert body.status_code == 200, address
        weight += len(gzip.compress(body.content, 6))
    weight += sum(len(gzip.compress(path.read_bytes(), 6)) for path in (FOLDER / "js").glob("*.js"))
    assert weight < 60_000, weight


def test_every_address_on_a_page_answers(house: House) -> None:
    """No link of the main pages leads nowhere, and none to another host."""
    names = ids_of(house.world)
    client = house.browser(house.world.cast.surgeon)
    for path in (
        "/",
        "/cases",
        f"/cases/{names['case_id']}",
        "/account",
        "/account/security",
        "/enrol",
        "/notices",
        "/inbox",
        "/cases/new",
    ):
        html = client.get(path).text
        for address in set(re.findall(r'(?:href|src)="([^"#]+)', html)):
            assert address.startswith(("/", "tel:")), address
            if address.startswith("/"):
                assert client.get(address.replace("&amp;", "&")).status_code in (200, 303), f"{path} → {address}"
