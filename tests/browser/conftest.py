"""A real browser against the real server with the sample world, on each engine.

``server`` is the product with its sample world, once a session on each engine: ``shanhai demo`` on the embedded
one, ``shanhai serve`` on PostgreSQL and S3. ``visit`` opens pages of it
as anybody, in either language, as phone or desktop; what a page complains of (a script error, a failed
request, a text the server could not give) fails the test that opened it. ``axe`` names what WCAG 2.2 AA finds
wrong with a page; ``shot`` keeps a picture of it for people to look at.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pyotp
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response, StorageState, sync_playwright
from xdist.scheduler import LoadScopeScheduling

from tests import engines
from tests.browser import chromium
from tests.conftest import Engines

VIEWPORTS = {"phone": (390, 844), "desktop": (1280, 800)}
LOCALES = {"zh": "zh-CN", "en": "en-GB"}
SCREENSHOTS = chromium.HERE / "screenshots"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PATIENCE = 600.0


class ByEngine(LoadScopeScheduling):
    """Of several processes one has all the tests of an engine: making a sample world takes a minute."""

    def _split_scope(self, nodeid: str) -> str:
        return next((name for name in engines.NAMES if f"[{name}" in nodeid), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByEngine:
    """How the tests of the browser are dealt out to processes."""
    return ByEngine(config, log)


@dataclass
class World:
    """A running server and its sample world."""

    engine: str
    url: str
    data_dir: Path
    environment: dict[str, str]
    accounts: dict[str, dict[str, str]]
    states: dict[str, StorageState] = field(default_factory=dict)
    used_codes: dict[str, str] = field(default_factory=dict)

    def code(self, login: str) -> str:
        """A code of this person's authenticator that has not been used: each is taken once, so this may wait for the next."""
        secret = pyotp.TOTP(self.accounts[login]["totp_secret"])
        while secret.now() == self.used_codes.get(login):
            time.sleep(0.5)
        self.used_codes[login] = secret.now()
        return self.used_codes[login]


class Visit(Protocol):
    """Open a page: ``login`` signs in through the form first; ``fresh`` does not share an earlier sign-in."""

    def __call__(
        self, path: str = "/", *, login: str | None = None, language: str = "zh", viewport: str = "desktop", fresh: bool = False
    ) -> Page: ...


@pytest.fixture(scope="session", params=engines.NAMES)
def server(request: pytest.FixtureRequest, all_engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The product with its sample world, on each engine in turn."""
    folder = tmp_path_factory.mktemp(f"world-{request.param}")
    blank = all_engines.blank(request.param, folder)
    port = engines.Ports.draw(1)[0]
    data_dir = folder / "data"
    shanhai = str(Path(sys.executable).parent / "shanhai")
    if request.param == engines.SQLITE_DIRECTORY:
        own = {}
        command = [shanhai, "demo", "--port", str(port), "--data-dir", str(data_dir)]
    else:
        own = {
            "SHANHAI_DATA_DIR": str(data_dir),
            "SHANHAI_DATABASE_URL": blank.database_url,
            "SHANHAI_OWNER_DATABASE_URL": blank.owner_url,
            "SHANHAI_STORE_URL": blank.store_url,
            "SHANHAI_BASE_URL": f"http://localhost:{port}",
        }
        subprocess.run([sys.executable, "-m", "tests.browser.world"], cwd=chromium.TOP, env={**os.environ, **own}, check=True)
        command = [shanhai, "serve", "--port", str(port)]
    running = engines.Server(command, folder, stop=signal.SIGTERM, environment=own, patience=PATIENCE)
    try:
        url = f"http://localhost:{port}"
        running.wait_until(lambda: _ready(url))
        accounts = json.loads((data_dir / "demo-accounts.json").read_text(encoding="utf-8"))
        yield World(request.param, url, data_dir, own, {account["login"]: account for account in accounts})
    finally:
        running.close()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Headless Chromium."""
    found = chromium.find(tmp_path_factory.mktemp("chromium"))
    os.environ["PLAYWRIGHT_NODEJS_PATH"] = str(chromium.node())
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found.executable, env=found.environment, args=list(chromium.FLAGS))
        yield launched
        launched.close()


def type_code(page: Page, server: World, login: str) -> None:
    """The six digits, where they are asked for."""
    page.fill("#code", server.code(login))
    page.locator("form:has(#code) button").first.click()


def give_code(page: Page, server: World, login: str) -> None:
    """Prove again who one is, by the six digits, and go on: to a page, or to sending what was kept."""
    kept = page.locator("form:has(#code) input[name=kept]").first.input_value()
    type_code(page, server, login)
    if kept:
        page.locator("#code").wait_for(state="detached")
        page.locator("main form .actions button").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)


class Complaints:
    """What pages said went wrong. ``tolerate`` takes a pattern of what a test provokes on purpose."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._tolerated: list[re.Pattern[str]] = []

    def tolerate(self, pattern: str) -> None:
        """Do not fail for complaints that ``pattern`` is found in."""
        self._tolerated.append(re.compile(pattern))

    @property
    def left(self) -> list[str]:
        """The complaints nobody expected."""
        return [line for line in self.heard if not any(pattern.search(line) for pattern in self._tolerated)]

    def listen(self, page: Page) -> None:
        """Hear what ``page`` says."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.heard.append(f"script error: {error}"))
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.heard.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _failed(self, request: Request) -> None:
        # leaving a page ends what it was still loading
        if request.failure != "net::ERR_ABORTED":
            self.heard.append(f"request failed: {request.method} {request.url}: {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 500:
            self.heard.append(f"answer {response.status}: {response.request.method} {response.url}")


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """What the pages of this test complained of; anything left fails the test."""
    heard = Complaints()
    yield heard
    assert heard.left == []


@pytest.fixture
def visit(browser: Browser, server: World, complaints: Complaints) -> Iterator[Visit]:
    """Opens pages; every one is closed when the test ends."""
    opened: list[BrowserContext] = []

    def context(language: str, viewport: str, state: StorageState | None = None) -> BrowserContext:
        width, height = VIEWPORTS[viewport]
        made = browser.new_context(
            base_url=server.url,
            viewport={"width": width, "height": height},
            locale=LOCALES[language],
            timezone_id="Asia/Shanghai",
            has_touch=viewport == "phone",
            is_mobile=viewport == "phone",
            device_scale_factor=2 if viewport == "phone" else 1,
            storage_state=state,
        )
        made.set_default_timeout(20_000)
        made.on("page", complaints.listen)
        opened.append(made)
        return made

    def open_page(
        path: str = "/", *, login: str | None = None, language: str = "zh", viewport: str = "desktop", fresh: bool = False
    ) -> Page:
        if login is None:
            page = context(language, viewport).new_page()
            page.goto(path)
            return page
        if fresh or login not in server.states:
            page = context(language, viewport).new_page()
            sign_in(page, server, login)
            if not fresh:
                server.states[login] = page.context.storage_state()
        else:
            page = context(language, viewport, server.states[login]).new_page()
        speak(page, language)
        page.goto(path)
        return page

    yield open_page
    for made in opened:
        made.close()


def sign_in(page: Page, server: World, login: str) -> None:
    """Password, then a code, through the forms."""
    page.goto("/sign-in")
    page.locator("input[name=login]").fill(login)
    page.locator("input[name=password]").fill(server.accounts[login]["password"])
    page.locator("form[action='/sign-in'] button").click()
    page.locator("input[name=code]").fill(server.code(login))
    page.locator("form[action='/sign-in/code']:has(input[name=code]) button").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)


def speak(page: Page, language: str) -> None:
    """Set the signed-in person's language, as the switch in the page's foot does."""
    page.goto("/account")
    if not (page.locator("html").get_attribute("lang") or "").startswith(language):
        page.locator(f"main form[action='/language'] button[value={language}]").click()
        page.wait_for_selector(f"html[lang^={language}]")


@pytest.fixture
def axe() -> Callable[[Page], list[str]]:
    """What axe-core finds wrong with a page by WCAG 2.2 A and AA, as ``rule: where: how to mend it``."""
    source = chromium.AXE.read_text(encoding="utf-8")

    def check(page: Page) -> list[str]:
        page.evaluate(source)
        found: dict[str, Any] = page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
        return [
            f"{violation['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary']}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    return check


@pytest.fixture
def shot(request: pytest.FixtureRequest) -> Callable[..., Path]:
    """Keep a picture of a page in ``tests/browser/screenshots``, by the engine, and the name given."""

    def take(page: Page, name: str, *, full_page: bool = True) -> Path:
        folder = SCREENSHOTS / (request.getfixturevalue("server").engine if "server" in request.fixturenames else "")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.png"
        # what sticks to the top would lie across the middle
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=path, full_page=full_page)
        return path

    return take


Look = Callable[[Page, str], None]


@pytest.fixture
def look(
    request: pytest.FixtureRequest, axe: Callable[[Page], list[str]], shot: Callable[..., Path], language: str, viewport: str
) -> Iterator[Look]:
    """Look at a page where a walk stands, and keep a picture of it under the name of the walk's file.

    What scrolls sideways fails at once; what axe finds, at the end, for a walk shows more than its first fault.
    """
    walk = request.module.__name__.rpartition("test_")[2].replace("_", "-")
    wrong: list[str] = []

    def at(page: Page, name: str) -> None:
        wrong.extend(f"{name}: {finding}" for finding in axe(page))
        shot(page, f"{walk}-{name}-{language}-{viewport}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"

    yield at
    assert wrong == []


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
