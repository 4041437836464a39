"""Paper: a document typeset as PDF/A-3 (ISO 19005-3), to print and to archive, with the files it rests on inside.

Typst sets it from a template of ours (``registry/paper``) and from data: nothing a person wrote is read as typst.
"""

import base64
import datetime as dt
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import fontpkg_noto_sans_arabic
import pylopdf_fonts_zh_cn
import typst
from fontTools.ttLib import TTFont

TEMPLATES = Path(__file__).parents[1] / "paper"
FONTS = (
    Path(str(resources.files(pylopdf_fonts_zh_cn))) / "NotoSansSC-Regular.otf",
    Path(str(resources.files(fontpkg_noto_sans_arabic))) / "files" / "NotoSansArabic[wdth,wght].ttf",
)


def pdf(template: str, told: Mapping[str, Any], files: Mapping[str, bytes], at: dt.datetime) -> bytes:
    """The document of a template: ``told`` is what it says, ``files`` the pictures and attachments it names.

    ``at`` is its date: the same words give the same bytes.
    """
    day = {"date": {"year": at.year, "month": at.month, "day": at.day}}
    house = (TEMPLATES / "house.typ").read_bytes()
    given = {
        "main": (TEMPLATES / template).read_bytes(),
        "house.typ": house,
        "told.json": json.dumps(_printable(dict(told)) | day).encode(),
        **files,
    }
    made: bytes = typst.compile(
        given,  # type: ignore[call-overload]
        font_paths=[font.parent for font in FONTS],
        ignore_system_fonts=True,
        format="pdf",
        pdf_standards=["a-3b"],
        timestamp=int(at.timestamp()),
    )
    return made


def jpeg(data: bytes, columns: int, rows: int) -> bytes:
    """A JPEG as a file for ``pdf``: in the frame of an SVG, for what typst is given without a disk has to be text."""
    href = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
    frame = f'<svg xmlns="http://www.w3.org/2000/svg" width="{columns}" height="{rows}">'
    return f'{frame}<image width="{columns}" height="{rows}" href="{href}"/></svg>'.encode()


def _printable(value: Any) -> Any:
    """Text whose letters the fonts have; one they have not is printed as ``[U+1F600]``, so that nothing is lost unseen."""
    if isinstance(value, str):
        return "".join(sign if sign == "\n" or ord(sign) in _letters() else f"[U+{ord(sign):04X}]" for sign in value.replace("\r", ""))
    if isinstance(value, Mapping):
        return {key: _printable(one) for key, one in value.items()}
    return [_printable(one) for one in value] if isinstance(value, list | tuple) else value


@cache
def _letters() -> frozenset[int]:
    found: set[int] = set()
    for path in FONTS:
        with TTFont(path, lazy=True) as font:
            found.update(font.getBestCmap())
    return frozenset(found)
