"""Checking a signed opinion from its proof alone, by anybody, in the browser: nothing is sent here, and the page can be kept as a file."""

import re

from fastapi import APIRouter, Request
from starlette.responses import Response

from registry.web.pages import TEMPLATES, fragment, render

router = APIRouter(include_in_schema=False)
STATIC = TEMPLATES.parent / "static"
_LINKS = re.compile(r"<link [^>]*>\n?|<script [^>]*></script>\n?")


@router.get("/check")
def page(request: Request) -> Response:
    """The page."""
    return render(request, "check.html", kept=False)


@router.get("/check/page")
def kept(request: Request) -> Response:
    """The same as one file that needs nothing else, in the reader's language and without the reader's name."""
    whole = _LINKS.sub("", fragment(request, "check.html", kept=True, shell=None, me=None))
    style, script = ((STATIC / name).read_text("utf-8") for name in ("shanhai.css", "js/proof.js"))
    whole = whole.replace("</head>", f"<style>{style}</style></head>").replace("</body>", f'<script type="module">{script}</script></body>')
    return Response(whole, media_type="text/html", headers={"Content-Disposition": 'attachment; filename="shanhai-check.html"'})
