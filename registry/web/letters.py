"""Letters: the words in which people are told outside the pages, from the catalogue, in their language.

A letter says what kind of thing waits, the case's number, its urgency, when it was, and where to look. It has no room
for more: what it is about stands behind the sign-in.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from auth.people import Person
from registry import valuesets
from registry.ways import Item
from registry.web.moments import Clock
from registry.web.translations import LANGUAGES, translate


@dataclass(frozen=True)
class Letters:
    """The words of a deployment at ``base_url``."""

    base_url: str

    def address(self, path: str) -> str:
        """The full address of a page."""
        return self.base_url.rstrip("/") + path

    def letter(self, person: Person, items: Sequence[Item], *, more: int) -> tuple[str, str]:
        """Subject and body of a letter about these, the newest first, and so many more."""
        language = person.language if person.language in LANGUAGES else "zh"
        clock = Clock(language, person.time_zone)
        name = person.name if language == "zh" else person.name_en or person.name
        count = len(items) + more
        subject = self._head(language, items[0]) if count == 1 else translate(language, "letter-digest-subject", count=count)
        lines = [translate(language, "letter-greeting", name=name), ""]
        if count > 1:
            lines += [translate(language, "letter-digest", count=count), ""]
        for item in items:
            at = translate(language, "letter-at", at=clock.written(item.at))
            lines += [self._head(language, item), at, self.address(item.path), ""]
        if more:
            lines += [translate(language, "letter-more", count=more), self.address("/notices"), ""]
        lines += ["-- ", translate(language, "letter-foot"), translate(language, "letter-choose", url=self.address("/account/notices")), ""]
        return f"{translate(language, 'letter-mark')} {subject}", "\n".join(lines)

    def line(self, language: str, item: Item) -> str:
        """One line for a group or a telephone."""
        return f"{translate(language, 'letter-mark')} {self._head(language, item)} {self.address(item.path)}"

    def pushed(self, person: Person, item: Item, tag: str) -> str:
        """What a browser shows: the mark, urgency, kind and number; the page it opens."""
        language = person.language if person.language in LANGUAGES else "zh"
        told = {
            "title": translate(language, "letter-mark"),
            "body": self._head(language, item),
            "path": item.path,
            "tag": tag,
            "lang": language,
        }
        return json.dumps(told, ensure_ascii=False)

    def _head(self, language: str, item: Item) -> str:
        """Urgency, kind and number."""
        urgency = valuesets.label("urgency", item.urgency, language) if item.about_case else ""
        return " · ".join(part for part in (urgency, translate(language, f"notice-{item.kind}"), item.case_number) if part)
