"""The house rules, executable: what the design asks of every file, checked on what git tracks.

What ruff, mypy and import-linter can hold is theirs (pyproject.toml); here stands the rest.
"""

import ast
import configparser
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent.parent
PACKAGES = ("core", "auth", "imaging", "registry")
LINES = 400

# A module over 400 lines gives its reason here.
LONG: dict[str, str] = {}

# Who may end a transaction: the one place that opens it.
COMMITS = {"core/db.py"}

REGISTRY_HOST = re.compile(r"pypi\.org|pythonhosted|npmjs\.(?:org|com)|deb\.debian\.org|npmmirror|tuna\.tsinghua", re.IGNORECASE)
MACHINE_PATH = re.compile(r"(?<![\w.}])/(?:work|farm|root|home/[a-z])(?:/|\b)")


@cache
def tracked() -> tuple[str, ...]:
    """What git tracks or would track, as paths from the top."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        # a machine without git: everything but what .gitignore names, which is written to need no more than this
        ignored = [line.strip("/") for line in (HERE / ".gitignore").read_text().splitlines() if line.endswith("/")] + [".git"]
        rooted = tuple(f"{line}/" for line in ignored)
        found = (path.relative_to(HERE) for path in HERE.rglob("*") if path.is_file())
        listed = [
            path.as_posix()
            for path in found
            if not set(ignored).intersection(path.parts) and not path.as_posix().startswith(rooted) and path.suffix != ".pyc"
        ]
    return tuple(sorted(name for name in listed if (HERE / name).is_file()))


def modules(*roots: str) -> list[str]:
    """The Python files under ``roots``, or of the four packages."""
    chosen = tuple(f"{root}/" for root in roots or PACKAGES)
    return [name for name in tracked() if name.endswith(".py") and name.startswith(chosen)]


@cache
def tree(name: str) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse((HERE / name).read_text(encoding="utf-8"), name)


def calls(name: str) -> Iterator[ast.Call]:
    """Every call in a file."""
    return (node for node in ast.walk(tree(name)) if isinstance(node, ast.Call))


def project() -> dict[str, object]:
    """pyproject.toml."""
    return tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))


# --- modules ----------------------------------------------------------------------------------------------------------


def test_a_module_is_short_or_gives_its_reason() -> None:
    lengths = {name: len((HERE / name).read_text(encoding="utf-8").splitlines()) for name in modules()}
    over = {name: lines for name, lines in lengths.items() if lines > LINES}
    assert {name: lines for name, lines in over.items() if name not in LONG} == {}
    assert {name: LONG[name] for name in LONG if name not in over} == {}, "these are short again: take them off the list"


def test_every_module_opens_with_a_docstring() -> None:
    silent = [name for name in modules("tests", "bench", "migrations", *PACKAGES) if not ast.get_docstring(tree(name))]
    assert silent == []


def test_every_public_verb_has_a_docstring() -> None:
    def bare(name: str) -> Iterator[str]:
        for node in tree(name).body:
            named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_")
            if named and not ast.get_docstring(node):
                yield f"{name}: {node.name}"

    # a route says what it does in its decorator and in the verb it calls
    assert [line for name in modules() if not name.startswith("registry/web/") for line in bare(name)] == []


def test_nobody_but_the_database_commits() -> None:
    ends = {"commit", "rollback"}
    found = [
        f"{name}:{call.lineno}"
        for name in modules()
        if name not in COMMITS
        for call in calls(name)
        if isinstance(call.func, ast.Attribute) and call.func.attr in ends
    ]
    assert found == []


def test_time_has_a_zone() -> None:
    """Only core.ids.now tells the time of day; ``utcnow`` and naive values are ruff's (DTZ)."""
    found = [
        f"{name}:{call.lineno}"
        for name in modules()
        if name != "core/ids.py"
        for call in calls(name)
        if ast.unparse(call.func) in {"dt.datetime.now", "datetime.now", "dt.datetime.today", "dt.date.today"}
    ]
    assert found == []


def test_no_package_prints() -> None:
    found = [
        f"{name}:{call.lineno}"
        for name in modules()
        if name
        not in ("registry/cli.py", "registry/cli_opinion.py", "registry/cli_people.py", "registry/cli_sso.py", "registry/demo_world.py")
        for call in calls(name)
        if isinstance(call.func, ast.Name) and call.func.id in {"print", "breakpoint"}
    ]
    assert found == []


def test_no_relationship_loads_by_accident() -> None:
    found = [
        f"{name}:{call.lineno}"
        for name in modules()
        for call in calls(name)
        if ast.unparse(call.func).rpartition(".")[2] == "relationship"
        if not any(word.arg == "lazy" and ast.unparse(word.value) == "'raise'" for word in call.keywords)
    ]
    assert found == []


def test_routes_run_synchronously_unless_they_stream() -> None:
    """An ``async def`` route that touches the database would stop everybody; those that stream take no ``Db``."""

    def offends(node: ast.AST) -> bool:
        if not isinstance(node, ast.AsyncFunctionDef):
            return False
        return any(argument.annotation and ast.unparse(argument.annotation).endswith("Db") for argument in node.args.args)

    found = [f"{name}: {node.name}" for name in modules("registry") for node in ast.walk(tree(name)) if offends(node)]  # type: ignore[attr-defined]
    assert found == []


def test_no_test_mocks_our_code() -> None:
    found = [
        name for name in modules("tests") if re.search(r"unittest\.mock|pytest_mock|mocker\b", (HERE / name).read_text(encoding="utf-8"))
    ]
    assert [name for name in found if name != "tests/test_house.py"] == []


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    marks = re.compile(r"pytest\.(?:mark\.)?(?:skip|skipif|xfail)\b|importorskip")
    found = [name for name in modules("tests") if marks.search((HERE / name).read_text(encoding="utf-8"))]
    assert [name for name in found if name != "tests/test_house.py"] == []


# --- pages ------------------------------------------------------------------------------------------------------------


def templates() -> list[str]:
    """Every page template."""
    return [name for name in tracked() if name.startswith("registry/templates/") and name.endswith(".html")]


def test_templates_hold_no_script_and_no_style() -> None:
    inline = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>|<style\b|\sstyle=|\son[a-z]+=[\"']|javascript:|\|\s*safe\b", re.IGNORECASE)
    found = [
        f"{name}:{number}: {line.strip()}"
        for name in templates()
        for number, line in enumerate((HERE / name).read_text(encoding="utf-8").splitlines(), 1)
        if inline.search(line)
    ]
    assert found == []


def test_templates_hold_no_words() -> None:
    """Every word a person reads comes from the catalogue: no Chinese in a template, no text between tags."""
    jinja = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
    markup = re.compile(r"<!--.*?-->|<[^>]*>|[\w-]+=\"[^\"]*\"", re.DOTALL)
    # languages are named in themselves, whichever is chosen; SHA-256 has no other name
    own = {"中文", "English", "SHA"}
    found = []
    for name in templates():
        text = jinja.sub("", (HERE / name).read_text(encoding="utf-8"))
        words = re.findall(r"[A-Za-z]{2,}|[\u4e00-\u9fff]+", markup.sub(" ", text)) + re.findall(r"[\u4e00-\u9fff]+", text)
        found += [f"{name}: {word}" for word in words if word not in own]
    assert found == []


def test_the_style_sheet_asks_for_nothing_from_elsewhere() -> None:
    found = [
        f"{name}: {match}"
        for name in tracked()
        if name.startswith("registry/static/") and name.endswith((".css", ".js", ".svg")) and "/vendor/" not in name
        for match in re.findall(r"(?:url\(|@import|fetch\(|src=)\s*[\"']?(?:https?:)?//\S+", (HERE / name).read_text(encoding="utf-8"))
    ]
    assert found == []


# --- what is tracked --------------------------------------------------------------------------------------------------


def texts() -> Iterator[tuple[str, int, str]]:
    """Every line of every tracked text, with its file and number."""
    for name in tracked():
        data = (HERE / name).read_bytes()
        if b"\0" in data[:8192] or name == "tests/test_house.py":
            continue
        for number, line in enumerate(data.decode("utf-8", errors="replace").splitlines(), 1):
            yield name, number, line


@pytest.mark.parametrize("pattern", [REGISTRY_HOST, MACHINE_PATH], ids=["registry-hosts", "machine-paths"])
def test_nothing_tracked_names_a_registry_or_a_machine(pattern: re.Pattern[str]) -> None:
    found = [f"{name}:{number}: {line.strip()[:120]}" for name, number, line in texts() if pattern.search(line)]
    assert found == []


def test_requirements_are_pinned_with_hashes_and_no_addresses() -> None:
    lists = [name for name in tracked() if re.fullmatch(r"requirements[\w-]*\.txt", name)]
    assert lists
    for name in lists:
        text = (HERE / name).read_text(encoding="utf-8")
        assert "://" not in text
        entries = [entry for entry in text.replace("\\\n", " ").splitlines() if entry.strip() and not entry.startswith("#")]
        assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


def test_lock_files_hold_no_addresses() -> None:
    for name in tracked():
        if name.endswith("package-lock.json"):
            assert "resolved" not in (HERE / name).read_text(encoding="utf-8"), name


def test_what_set_up_makes_is_not_tracked() -> None:
    made = re.compile(r"(^|/)(\.venv|\.boot|node_modules|__pycache__)/|^registry/static/viewer/|(^|/)(uv\.lock|pylock\.toml)$")
    assert [name for name in tracked() if made.search(name)] == []


# --- documents --------------------------------------------------------------------------------------------------------


def documented(heading: str) -> set[str]:
    """The packages that a table of docs/dependencies.md names."""
    page = (HERE / "docs" / "dependencies.md").read_text(encoding="utf-8")
    section = page.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return {row.split("|")[1].strip() for row in section.splitlines() if row.startswith("|")} - {"package", "---"}


def names(entries: object) -> set[str]:
    """The bare names of requirement strings."""
    assert isinstance(entries, list)
    return {re.split(r"[\[<>=~; ]", entry, maxsplit=1)[0] for entry in entries}


def test_every_dependency_is_explained() -> None:
    description = project()
    groups = description["dependency-groups"]
    assert isinstance(groups, dict)
    assert documented("Python, in the product") == names(description["project"]["dependencies"])  # type: ignore[index]
    assert documented("Python, to build the viewer") == names(groups["build"])
    assert documented("Python, in the tests") == names(groups["test"])
    wanted: set[str] = set()
    for name in tracked():
        if name.endswith("package.json"):
            package = json.loads((HERE / name).read_text(encoding="utf-8"))
            wanted |= set(package.get("dependencies", {})) | set(package.get("devDependencies", {}))
    vendored = {Path(name).name.split(".")[0] for name in tracked() if name.startswith("registry/static/vendor/") and name.endswith(".js")}
    assert documented("npm") == wanted | vendored


@pytest.mark.parametrize(("roots", "groups"), [(PACKAGES, ()), (("tests", "bench", "migrations"), ("test",))], ids=["product", "tests"])
def test_every_import_is_a_dependency_of_ours(roots: tuple[str, ...], groups: tuple[str, ...]) -> None:
    """What is imported by name is named in pyproject.toml, not only brought along by something else."""
    description = project()
    allowed = names(description["project"]["dependencies"])  # type: ignore[index]
    for group in groups:
        allowed |= names(description["dependency-groups"][group])  # type: ignore[index]
    canonical = {re.sub(r"[-_.]+", "-", name).lower() for name in allowed}
    brought = packages_distributions()
    own = {*sys.stdlib_module_names, *PACKAGES, "tests", "bench"}
    lost = set()
    for name in modules(*roots):
        for node in ast.walk(tree(name)):
            whole = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            whole += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            for root in {module.partition(".")[0] for module in whole} - own:
                if not {re.sub(r"[-_.]+", "-", found).lower() for found in brought.get(root, [root])} & canonical:
                    lost.add(f"{name}: {root}")
    assert sorted(lost) == []


def test_the_documents_list_every_setting() -> None:
    from core.settings import Settings

    page = (HERE / "docs" / "operations.md").read_text(encoding="utf-8")
    assert [name for name in Settings.model_fields if f"SHANHAI_{name.upper()}" not in page] == []
    known = {f"SHANHAI_{name.upper()}" for name in Settings.model_fields}
    assert {word for word in re.findall(r"SHANHAI_[A-Z_]+[A-Z]", page) if not word.startswith("SHANHAI_TEST_")} - known == set()


def test_links_between_documents_lead_somewhere() -> None:
    lost = []
    for name in tracked():
        if name.endswith(".md"):
            for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", (HERE / name).read_text(encoding="utf-8")):
                if "://" not in target and not target.startswith("mailto:") and not ((HERE / name).parent / target).exists():
                    lost.append(f"{name}: {target}")
    assert lost == []


def test_a_decision_has_a_number_and_its_reasons() -> None:
    records = [name for name in tracked() if name.startswith("docs/adr/") and name != "docs/adr/README.md"]
    assert records
    numbers = [Path(name).name[:4] for name in records]
    assert sorted(set(numbers)) == sorted(numbers), "two decisions bear one number"
    for name in records:
        assert re.fullmatch(r"docs/adr/\d{4}-[a-z0-9-]+\.md", name), name
        text = (HERE / name).read_text(encoding="utf-8")
        for heading in ("Context", "Decision", "Rejected"):
            assert re.search(rf"^## .*{heading}|^\*\*{heading}", text, re.MULTILINE), f"{name} lacks {heading}"


# --- the contracts ----------------------------------------------------------------------------------------------------


def test_the_import_contracts_hold() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_broken_contract_is_noticed(tmp_path: Path) -> None:
    """The contracts bite: a floor that imports a room is refused."""
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
    (tmp_path / "core" / "drawer.py").write_text("import registry\n")
    contracts = configparser.ConfigParser()
    contracts["importlinter"] = {"root_packages": "\n".join(PACKAGES)}
    layers = project()["tool"]["importlinter"]["contracts"][0]  # type: ignore[index]
    contracts["importlinter:contract:1"] = {"name": layers["name"], "type": layers["type"], "layers": "\n".join(layers["layers"])}
    with (tmp_path / "contracts.ini").open("w") as file:
        contracts.write(file)
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--config", "contracts.ini"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert "core.drawer -> registry" in done.stdout
