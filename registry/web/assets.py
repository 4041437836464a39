"""Static files: style sheet, scripts, the viewer's build.

Their address holds a hash over the whole folder, so a browser may keep them for a year and a new build
is asked for at once; relative imports among them go on working because only a prefix changes. They are
the only answers that may be cached.
"""

import hashlib
from functools import cache
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parents[1] / "static"
FOREVER = "public, max-age=31536000, immutable"


@cache
def version() -> str:
    """Twelve hex digits that change whenever a static file does."""
    digest = hashlib.sha256()
    for path in sorted(path for path in FOLDER.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(FOLDER)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def address(path: str) -> str:
    """The address of a static file, such as ``shanhai.css``."""
    return f"/static/{version()}/{path}"


class Assets(StaticFiles):
    """The folder, with and without the version in the address."""

    def __init__(self) -> None:
        super().__init__(directory=FOLDER)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file; the versioned address is kept for good, the bare one is asked for again each time."""
        first, _, rest = path.partition("/")
        versioned = first == version()
        response = await super().get_response(rest if versioned else path, scope)
        response.headers["Cache-Control"] = FOREVER if versioned and response.status_code == 200 else "no-cache"
        return response


def exists(path: str) -> bool:
    """Whether the build made this file."""
    return (FOLDER / path).is_file()
