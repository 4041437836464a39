"""docs/security-tests.md names tests that exist, and at least one for each attack of the three groups."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "security-tests.md"
SHORT = {"web": "tests/registry/web", "auth": "tests/auth", "browser": "tests/browser", "core": "tests/core", "registry": "tests/registry"}
OWED = {*range(1, 21), *range(37, 46)}
"""Access 1 to 10, signing in 11 to 20, web 37 to 45; 38 comes with the first file of comma-separated values."""
LATER = {38}


@cache
def named_in(path: Path) -> frozenset[str]:
    """The names of the test functions of a file."""
    tree = ast.parse(path.read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))


def rows() -> dict[int, list[str]]:
    """By number of the attack: the tests that the page names."""
    found = {}
    for number, told in re.findall(r"^\| (\d+) \|.*\| ([^|]*) \|$", PAGE.read_text("utf-8"), re.MULTILINE):
        found[int(number)] = re.findall(r"`([^`]+::[^`]+)`", told)
    return found


def test_every_attack_has_a_test() -> None:
    found = rows()
    assert set(found) >= OWED - LATER
    assert all(found.values()), [number for number, named in found.items() if not named]


def test_every_test_that_is_named_exists() -> None:
    for named in (name for names in rows().values() for name in names):
        file, _, test = named.partition("::")
        folder, _, rest = file.partition("/")
        assert test in named_in(ROOT / SHORT[folder] / rest), named
