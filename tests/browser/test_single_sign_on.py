"""Signing in through one's hospital in a real browser: over to a real provider and back, past the page's own policy.

``form-action 'self'`` would stop a form that leads to another site, ``SameSite`` a cookie that does not come back; only
a browser knows. The provider runs on loopback without TLS, as the server does.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests import identity
from tests.browser import chromium
from tests.browser.conftest import Complaints, Look, Visit, World, type_code
from tests.identity import RealProvider

HERE = "/account/sign-in-providers"


@pytest.fixture(scope="module")
def provider(server: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealProvider]:
    """A provider of the surgeon's hospital, set up as an operator does, and taken away again."""
    folder = tmp_path_factory.mktemp("sign-on")
    secret = folder / "secret.txt"
    secret.write_text(identity.SECRET)
    settings = {**os.environ, "SHANHAI_DATA_DIR": str(server.data_dir), "SHANHAI_BASE_URL": server.url, **server.environment}

    def shanhai(*arguments: str) -> str:
        command = [sys.executable, "-m", "registry.cli", "org", *arguments]
        return subprocess.run(command, cwd=chromium.TOP, env=settings, capture_output=True, text=True, check=True).stdout

    [hospital] = [line.split()[0] for line in shanhai("list").splitlines() if "Shazao" in line]
    with identity.real_provider(tmp_path_factory.mktemp("provider")) as running:
        named = ["--name", "沙枣县人民医院", "--name-en", "Shazao County People's Hospital", "--client-secret-file", str(secret)]
        told = shanhai("sso", hospital, "--issuer", running.issuer, "--client-id", "shanhai-ES256", "--mfa", "mfa", *named)
        assert "It answers." in told
        yield running
        shanhai("sso", hospital, "--issuer", running.issuer, "--remove")


@pytest.mark.parametrize(("language", "viewport"), [("zh", "phone"), ("en", "desktop")])
def test_link_sign_in_and_end_the_link(
    visit: Visit,
    server: World,
    provider: RealProvider,
    look: Look,
    language: str,
    viewport: str,
) -> None:
    provider.next(f"lin-{language}", "pwd")
    page = visit(HERE, login="lin", language=language, viewport=viewport, fresh=True)
    look(page, "01-none")
    page.locator("main a.button").click()
    type_code(page, server, "lin")
    page.wait_for_url(f"**{HERE}")
    expect(page.locator("main .thread li")).to_have_count(1)
    look(page, "02-linked")

    # the provider's word is the first factor, ours the second
    visitor = visit("/sign-in?next=/cases", language=language, viewport=viewport)
    look(visitor, "03-sign-in")
    visitor.locator("a[href^='/sign-in/oidc/']").click()
    look(visitor, "04-code")
    type_code(visitor, server, "lin")
    visitor.wait_for_url("**/cases")

    # then the second factor too, and nothing is asked here
    provider.next(f"lin-{language}", "pwd", "mfa")
    other = visit("/sign-in?next=/cases", language=language, viewport=viewport)
    other.locator("a[href^='/sign-in/oidc/']").click()
    other.wait_for_url("**/cases")

    page.goto(HERE)
    page.locator("main .thread button").click()
    page.wait_for_url(f"**{HERE}")
    expect(page.locator("main .thread")).to_have_count(0)


def test_a_stranger_to_us_is_told_what_to_do(
    visit: Visit, complaints: Complaints, provider: RealProvider, axe: Callable[[Page], list[str]], shot: Callable[..., Path]
) -> None:
    complaints.tolerate("401")
    provider.next("nobody-we-know", "pwd", "mfa")
    page = visit("/sign-in", viewport="phone")
    page.locator("a[href^='/sign-in/oidc/']").click()
    expect(page.locator("main .note.urgent[data-focus]")).to_be_visible()
    expect(page.locator("input[name=password]")).to_be_visible()
    assert axe(page) == []
    shot(page, "sign-on-05-refused-zh-phone")
