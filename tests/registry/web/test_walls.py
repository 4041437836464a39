"""The first wall taken out of the running application, to see what the second one holds by itself.

`auth.policy` is opened here on purpose: not to stand in for a part, but because its absence is what is tried. SQLite
has no second wall, so that there the same requests do give the record away: which shows that the first was open.
"""

import ast
from pathlib import Path

import pytest
from sqlalchemy import func, select, true

from auth import policy, rules
from core.tables import Base
from registry.walls import WALLS
from tests.registry.conftest import World
from tests.registry.web.conftest import House
from tests.registry.web.expectations import CASES, EXPECTATIONS, IMAGES
from tests.registry.web.test_routes import PATIENT, ask, pictured
from tests.test_house import HERE, modules

LAID_BARE = 30
"""More requests than this give something away where nothing holds."""


AS_SYSTEM = {
    "agreements": {"confirm", "end", "propose", "refuse", "settle", "withdraw"},
    "enrol": {"complete", "show"},
    "invitations": {"accept", "accept_new", "look"},
    "pages": {"apart"},
    "sign_in": {"code", "passkey", "password"},
    "single_sign_on": {"apart"},
    "ward": {"begin", "unlock"},
}
"""Every route that acts as the system, by its annotation, and the modules that do so by `edge.apart`."""


def test_few_routes_act_as_the_system_and_each_is_named_here() -> None:
    """Nothing but signing in, and what binds two hospitals: everything else acts for the hospital of whoever asks."""
    found: dict[str, set[str]] = {}
    for name in modules("registry/web"):
        for node in ast.walk(ast.parse((HERE / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and "Machinery" in {ast.unparse(a.annotation) for a in node.args.args if a.annotation}:
                found.setdefault(Path(name).stem, set()).add(node.name)
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "apart":
                found.setdefault(Path(name).stem, set()).add("apart")
    del found["edge"]
    assert found == AS_SYSTEM, "a route acts for the hospital of whoever asks (Db, Me); if this one cannot, say so by naming it here"


@pytest.fixture
def open_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody may do everything."""
    monkeypatch.setattr(rules, "decide", lambda *_, **__: True)
    monkeypatch.setattr(rules, "shows", lambda *_, **__: True)
    monkeypatch.setattr(policy, "predicate", lambda *_, **__: true())


def rows_of_aral(world: World) -> dict[str, int]:
    """How many rows Aral has in each table with a wall."""
    tables = [table for name, table in Base.metadata.tables.items() if name in WALLS and "organisation_id" in table.c]
    with world.begin() as db:
        return {
            table.name: db.scalar(select(func.count()).select_from(table).where(table.c.organisation_id == world.cast.aral.id)) or 0
            for table in tables
        }


def test_without_the_first_wall_a_stranger_still_finds_and_changes_nothing(house: House, open_gate: None) -> None:
    names = pictured(house)
    world = house.world
    stranger, before = house.browser(world.cast.stranger), rows_of_aral(world)
    given = []
    for (method, path), expect in EXPECTATIONS.items():
        answer = ask(stranger, method, path, expect, names)
        let_in = (method, path) in CASES | IMAGES and answer.status_code < 400 <= expect.stranger
        found = answer.text if answer.status_code < 400 and "{" not in path else ""
        if let_in or PATIENT in answer.text or names["study"] in found or names["case_id"] in found:
            given.append(f"{method} {path}: {answer.status_code}")
    if world.database.engine.dialect.name == "postgresql":
        assert given == []
        assert rows_of_aral(world) == before
    else:
        assert len(given) > LAID_BARE
        assert rows_of_aral(world) != before
