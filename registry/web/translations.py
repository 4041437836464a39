"""Every word a person reads, by key, in their language.

Catalogues are Fluent files under ``registry/locale/<language>/``; Chinese and English are complete, and
``en-XA`` is made from English by accenting each letter, so that a test can see text that never went
through the catalogue. A key that is missing is shown as itself and logged; a test keeps that from
happening. Language: the person's own once signed in, before that a cookie, then ``Accept-Language``.
"""

import logging
import re
from functools import cache
from pathlib import Path

from fluent.runtime import FluentBundle, FluentResource
from fluent.syntax import FluentParser, FluentSerializer, ast
from fluent.syntax.visitor import Transformer
from starlette.requests import HTTPConnection

from core.actor import Actor

log = logging.getLogger("shanhai.web")

LOCALE = Path(__file__).parents[1] / "locale"
LANGUAGES = ("zh", "en")
PSEUDO = "en-XA"
COOKIE = "language"
HTML_LANGUAGE = {"zh": "zh-Hans", "en": "en", PSEUDO: PSEUDO}
ACCENTED = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "áƀçđéƒǧĥíĵķłɱñóþɋŕšťúṽŵẋýžÁƁÇĐÉƑǦĤÍĴĶŁḾÑÓÞɊŔŠŤÚṼŴẊÝŽ",
)


class _Accent(Transformer):
    """Accents the text of a Fluent tree and leaves its placeables alone."""

    def visit_TextElement(self, node: ast.TextElement) -> ast.TextElement:  # noqa: N802 (the visitor's own naming)
        node.value = pseudo(node.value)
        return node


def pseudo(text: str) -> str:
    """The text with every Latin letter accented: what the pseudo-locale shows."""
    return text.translate(ACCENTED)


def source(language: str) -> str:
    """The catalogue of a language as one Fluent text; the pseudo-locale is made from English."""
    if language == PSEUDO:
        tree = FluentParser(with_spans=False).parse(source("en"))
        return str(FluentSerializer().serialize(_Accent().visit(tree)))
    return "\n".join(path.read_text("utf-8") for path in sorted((LOCALE / language).glob("*.ftl")))


@cache
def _bundle(language: str) -> FluentBundle:
    bundle = FluentBundle([{"zh": "zh-CN", "en": "en-GB"}.get(language, "en-GB")], use_isolating=False)
    bundle.add_resource(FluentResource(source(language)))
    return bundle


def keys(language: str) -> frozenset[str]:
    """Every key of a language's catalogue."""
    tree = FluentParser(with_spans=False).parse(source(language))
    return frozenset(entry.id.name for entry in tree.body if isinstance(entry, ast.Message))


def has(language: str, key: str) -> bool:
    """Whether the catalogue has this key."""
    return _bundle(language).has_message(key)


def translate(language: str, key: str, **params: str | int | float) -> str:
    """The text of ``key`` in ``language``, its variables filled in; plain text, to be escaped where it is put."""
    bundle = _bundle(language if language in HTML_LANGUAGE else "zh")
    message = bundle.get_message(key) if bundle.has_message(key) else None
    if message is None or message.value is None:
        log.warning("catalogue of %s lacks %s", language, key)
        return key
    text, faults = bundle.format_pattern(message.value, params)
    for fault in faults:
        log.warning("catalogue of %s, %s: %s", language, key, type(fault).__name__)
    # a time that ends with its zone, "04:24（新疆时间）", brings its own room
    return str(text).replace("） ", "）")


def language_of(request: HTTPConnection) -> str:
    """The reader's language: their own, else the cookie's, else the first of Accept-Language we have, else Chinese."""
    actor: Actor | None = getattr(request.state, "actor", None)
    if (chosen := request.cookies.get(COOKIE)) == PSEUDO:
        return PSEUDO
    if actor is not None:
        return actor.language if actor.language in LANGUAGES else "zh"
    if chosen in LANGUAGES:
        return chosen
    for asked in re.findall(r"[A-Za-z]+", request.headers.get("accept-language", "")[:200]):
        if asked.lower() in LANGUAGES:
            return str(asked.lower())
    return "zh"
