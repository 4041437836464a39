"""Checking a signed opinion by anybody, in the browser: on the page, and in the page kept as a file, without a network."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Look, Visit, World

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "formats.md").read_text("utf-8")


def vector() -> dict[str, str]:
    """The test vector of docs/formats.md: an opinion in training with its countersignature."""
    return json.loads(TEXT.partition("```json countersignature\n")[2].partition("```")[0])  # type: ignore[no-any-return]


def proof(**changed: Any) -> dict[str, Any]:
    """The proof that the vector makes."""
    given = vector()
    made = {
        "schema": "shanhai/opinion-proof/1",
        "document": given["opinion"],
        "signature": given["opinion_signature"],
        "public_key": given["public_key"],
        "countersignature": {"document": given["statement"], "signature": given["statement_signature"], "public_key": given["public_key"]},
    }
    return made | changed


def joint(**changed: Any) -> dict[str, Any]:
    """The proof of the joint opinion of docs/formats.md, which the other expert has joined."""
    given = json.loads(TEXT.partition("```json joining\n")[2].partition("```")[0])
    made = {
        "schema": "shanhai/opinion-proof/1",
        "document": given["opinion"],
        "signature": given["opinion_signature"],
        "public_key": given["public_key"],
        "countersignature": None,
        "joinings": [{"document": given["statement"], "signature": given["statement_signature"], "public_key": given["joiner_public_key"]}],
    }
    return made | changed


def walk_joint(page: Page, folder: Path) -> None:
    """Who has joined a joint opinion, who has not, and a joining that is none."""
    verdict, told = page.locator("[role=status].note"), page.locator("[data-told]")
    both = [joint()["public_key"], joint()["joinings"][0]["public_key"]]
    page.fill("#key", "")
    put(page, folder, joint(joinings=[]))
    expect(verdict).to_have_class("note warn")
    expect(verdict).to_contain_text("古兰")
    expect(told).not_to_contain_text("古兰")
    put(page, folder, joint())
    expect(told).to_contain_text("古兰")
    page.fill("#key", both[0])
    expect(verdict).to_have_class("note urgent")
    page.fill("#key", " ".join(both))
    expect(verdict).to_have_class("note good")
    [statement] = joint()["joinings"]
    for wrong in (
        statement | {"document": statement["document"].replace("古兰", "谷兰")},
        statement | {"public_key": both[0]},
        {"document": joint()["document"].replace('"signer"', '"joiner"'), "signature": joint()["signature"], "public_key": both[0]},
    ):
        put(page, folder, joint(joinings=[wrong]))
        expect(verdict).to_have_class("note urgent")
        expect(told).to_be_empty()


def put(page: Page, folder: Path, what: object) -> None:
    """Choose a file of these words."""
    file = folder / "x-opinion.json"
    file.write_text(what if isinstance(what, str) else json.dumps(what, ensure_ascii=False), "utf-8")
    page.set_input_files("#file", [])
    page.set_input_files("#file", file)


def walk(page: Page, folder: Path) -> None:
    """What holds, what does not, and that no word of what does not hold is shown."""
    verdict, told = page.locator("[role=status].note"), page.locator("[data-told]")
    put(page, folder, proof())
    expect(verdict).to_have_class("note warn")
    expect(told).to_contain_text("断端整齐")
    expect(told).to_contain_text("陈浩")
    page.fill("#key", vector()["public_key"].upper())
    expect(verdict).to_have_class("note good")
    page.fill("#key", "00" * 32)
    expect(verdict).to_have_class("note urgent")
    expect(told).to_be_empty()
    page.fill("#key", "")
    good = proof()
    second = good["countersignature"]
    other = "0" if good["signature"][-1] != "0" else "1"
    for wrong in (
        proof(document=good["document"].replace("断端整齐", "断端挫灭")),
        proof(signature=good["signature"][:-1] + other),
        proof(signature="ab"),
        proof(public_key="00" * 31),
        proof(countersignature=None),
        proof(countersignature=second | {"document": second["document"].replace("陈浩", "陈皓")}),
        proof(countersignature={"document": good["document"], "signature": good["signature"], "public_key": good["public_key"]}),
    ):
        put(page, folder, good)
        expect(told).to_contain_text("断端整齐")
        put(page, folder, wrong)
        expect(verdict).to_have_class("note urgent")
        expect(told).to_be_empty()
    for unreadable in ("", "{", "[]", "null", proof(schema="other"), proof(more=1), proof(signature="xy"), proof(document="{}")):
        put(page, folder, good)
        expect(told).to_contain_text("断端整齐")
        put(page, folder, unreadable)
        expect(told).to_be_empty()
        expect(verdict).to_have_class("note urgent")


@pytest.mark.parametrize(("language", "viewport"), [("zh", "phone"), ("en", "desktop")])
def test_anybody_checks_an_opinion_without_sending_it(
    visit: Visit, server: World, look: Look, tmp_path: Path, language: str, viewport: str
) -> None:
    page = visit("/check", language=language, viewport=viewport)
    look(page, "check-empty")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    walk(page, tmp_path)
    walk_joint(page, tmp_path)
    put(page, tmp_path, joint())
    look(page, "check-joint")
    put(page, tmp_path, proof())
    page.fill("#key", vector()["public_key"])
    look(page, "check-good")
    assert [url for url in asked if url.startswith("http")] == []

    with page.expect_download() as fetched:
        page.click("a[href='/check/page']")
    kept = tmp_path / fetched.value.suggested_filename
    fetched.value.save_as(kept)
    assert "http://" not in kept.read_text("utf-8").replace("http://www.w3.org/", "")
    page.context.set_offline(True)
    page.goto(kept.as_uri())
    walk(page, tmp_path)
