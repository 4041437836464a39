"""The application over a fresh world: browsers that are signed in, programs with a token, strangers."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from auth import rules, sessions, tokens
from auth.people import Person
from core import ids
from core.actor import Actor
from core.settings import Settings
from registry.app import create_app
from tests.cast import Member
from tests.registry.conftest import World

BASE = "https://shanhai.test"
SESSION = "__Host-session"


@dataclass
class House:
    """The application and the ways into it."""

    app: FastAPI
    world: World
    opened: list[TestClient] = field(default_factory=list)

    def visitor(self, *, language: str = "en", follow: bool = False) -> TestClient:
        """A browser nobody has signed in with."""
        client = TestClient(self.app, base_url=BASE, follow_redirects=follow, headers={"Accept-Language": language, "Origin": BASE})
        client.headers["Accept"] = "text/html"
        self.opened.append(client)
        return client

    def browser(self, member: Member, *, language: str = "en", follow: bool = False) -> TestClient:
        """A browser in which somebody is signed in."""
        client = self.visitor(follow=follow)
        with self.world.begin() as db:
            person = db.get_one(Person, member.id)
            person.language = language
            _, secret = sessions.start(db, person, organisation_id=member.actor.organisation_id, network="192.0.2.7")
        client.cookies.set(SESSION, secret, domain="shanhai.test")
        return client

    def program(self, member: Member, *scopes: str) -> TestClient:
        """A program with a token of somebody's, for some actions or all of theirs."""
        client = TestClient(self.app, base_url=BASE, follow_redirects=False, headers={"Accept": "application/json"})
        with self.world.begin() as db:
            system = Actor.system(member.actor.organisation_id)
            wanted = scopes or tuple(rules.actions_of(member.actor.roles))
            until = ids.now().replace(microsecond=0) + tokens.LONGEST_LIFE / 2
            _, secret = tokens.create(db, system, name="test", scopes=wanted, expires_at=until, person_id=member.id)
        client.headers["Authorization"] = f"Bearer {secret}"
        self.opened.append(client)
        return client


@pytest.fixture
def house(world: World, tmp_path: Path) -> Iterator[House]:
    """The application on each engine."""
    settings = Settings(base_url=BASE, data_dir=tmp_path)
    app = create_app(settings, world.database)
    made = House(app, world)
    yield made
    for client in made.opened:
        client.close()
    app.state.pool.close()


class _Text(HTMLParser):
    """What a reader sees or hears of a page: text, and the attributes that are read out."""

    SPOKEN = ("aria-label", "alt", "title", "placeholder")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in ("script", "style", "code")
        self.found += [value for name, value in attrs if value and (name in self.SPOKEN or name.startswith("data-label"))]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style", "code")

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.found.append(data.strip())


def words(html: str) -> list[str]:
    """The text of a page, piece by piece."""
    parser = _Text()
    parser.feed(html)
    return parser.found


def field_of(html: str, name: str) -> str:
    """The value of a form field on a page."""
    found = re.search(rf'<input[^>]*name="{re.escape(name)}"[^>]*value="([^"]*)"', html)
    assert found is not None, f"no field {name}"
    return unescape(found.group(1))


Fill = Callable[[str], str]
