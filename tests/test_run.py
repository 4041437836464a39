"""The two commands: they explain themselves, take pip's settings over, and notice what is left running."""

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parent.parent / "run"
LOAD = "import importlib.machinery, sys; run = importlib.machinery.SourceFileLoader('run', sys.argv[1]).load_module(); "


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``code`` with the script loaded as the module ``run``, by the standard library alone."""
    command = [sys.executable, "-I", "-B", "-W", "ignore", "-c", LOAD + code, str(RUN)]
    variables = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=variables)


def script(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Start ``./run`` with ``arguments``."""
    return subprocess.run([sys.executable, "-I", str(RUN), *arguments], capture_output=True, text=True, check=False)


def test_help_names_both_commands() -> None:
    told = script("--help")
    assert told.returncode == 0
    assert "./run demo" in told.stdout
    assert "./run test" in told.stdout


def test_an_unknown_command_says_where_to_look() -> None:
    told = script("dmeo")
    assert told.returncode == 1
    assert "./run --help" in told.stderr


def test_pips_settings_become_uvs() -> None:
    listed = "global.extra-index-url='file:///a file:///b'\n:env:.index-url='https://mirror.example/simple'\nglobal.timeout='60'\n"
    told = python(f"print(run.uv_settings({listed!r}))")
    assert ast.literal_eval(told.stdout) == {
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_INDEX": "file:///a file:///b",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


def test_what_is_said_to_uv_stands() -> None:
    told = python("print(run.uv_environment()['UV_DEFAULT_INDEX'])", UV_DEFAULT_INDEX="https://other.example/simple")
    assert told.stdout.split() == ["https://other.example/simple"], told.stderr


def test_without_a_home_caches_stay_in_the_folder() -> None:
    told = python("print(run.environment()['HOME'])", HOME="/nonexistent")
    assert told.stdout.strip() == str(RUN.parent / ".boot"), told.stderr


def test_a_process_left_running_is_named_and_ended() -> None:
    """An orphan comes to the script, which fails for it and ends it."""
    started = time.monotonic()
    told = python(
        "import subprocess;"
        "run._adopt_orphans();"
        "orphan = \"import subprocess, sys; subprocess.Popen(['sleep', '321'], start_new_session=True)\";"
        "subprocess.run([sys.executable, '-W', 'ignore', '-c', orphan]);"
        "left = run._left_running();"
        "print(left);"
        "print(run._left_running());"
        "sys.exit(run._summary([('tests', 0, 1.0)], left))"
    )
    assert told.returncode == 1, told.stderr
    assert "sleep 321" in told.stdout.splitlines()[0]
    assert told.stdout.splitlines()[1] == "[]"
    assert time.monotonic() - started < 60


def test_nothing_left_running_is_well() -> None:
    told = python("run._adopt_orphans(); sys.exit(run._summary([('tests', 0, 1.0)], run._left_running()))")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "nothing left running" in told.stdout


@pytest.mark.parametrize("begun", ["signal.default_int_handler", "signal.SIG_IGN"], ids=["by-hand", "in-the-background"])
def test_asked_to_end_it_lets_its_child_put_things_away(tmp_path: Path, begun: str) -> None:
    """SIGTERM reaches the script alone; its child is interrupted, as by Ctrl-C, and may finish."""
    (tmp_path / "child.py").write_text(
        "import pathlib, time\n"
        "try:\n    pathlib.Path('up').touch()\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    pathlib.Path('tidied').touch()\n"
    )
    code = f"import signal; signal.signal(signal.SIGINT, {begun}); "
    code += "signal.signal(signal.SIGTERM, run._stop); sys.exit(run._run([sys.executable, 'child.py'], sys.argv[2]))"
    command = [sys.executable, "-I", "-B", "-W", "ignore", "-c", LOAD + code, str(RUN), str(tmp_path)]
    with subprocess.Popen(command) as running:
        deadline = time.monotonic() + 30
        while not (tmp_path / "up").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        running.terminate()
        assert running.wait(timeout=30) == 130
    assert (tmp_path / "tidied").exists()
