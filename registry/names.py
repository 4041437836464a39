"""How names and numbers of people are compared: normalised, read aloud, and found in free text. Pure.

Chinese names are compared by their characters and by every reading of them (Hanyu pinyin without tones,
surname readings included), since a homophone is the commonest way in which one patient becomes two.
"""

import datetime as dt
import itertools
import re
import unicodedata
from functools import lru_cache

from pypinyin import Style, pinyin

READINGS_LIMIT = 24
_SEPARATORS = r"[\s·•・\-'’.,，、]*"


def squeezed(text: str) -> str:
    """NFKC, case folded, letters and digits only: ``"Ａｎ na·买买提"`` and ``"AnNa买买提"`` are the same."""
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())


def readings(name: str) -> frozenset[str]:
    """Every way the name may be read in pinyin without tones, at most 24; other letters stay as they are."""
    return frozenset("".join(syllables) for syllables in _syllables(squeezed(name)))


def initials(name: str) -> frozenset[str]:
    """The initials of every reading: ``zs`` for 张三; of a Latin name those of its words."""
    words = unicodedata.normalize("NFKC", name).casefold().split()
    if len(words) > 1 and all(word.isascii() for word in words):
        return frozenset({"".join(word[0] for word in words)})
    return frozenset("".join(syllable[0] for syllable in s if syllable) for s in _syllables(squeezed(name)))


@lru_cache(maxsize=65_536)
def _syllables(name: str) -> tuple[tuple[str, ...], ...]:
    if not name:
        return ()
    choices = [list(dict.fromkeys(given)) for given in pinyin(name, style=Style.NORMAL, heteronym=True)]
    surname = pinyin(name[0], style=Style.NORMAL, heteronym=True)[0]
    if choices and len(name) == len(choices):
        choices[0] = list(dict.fromkeys([*choices[0], *surname]))
    return tuple(itertools.islice(itertools.product(*choices), READINGS_LIMIT))


def matches(query: str, name: str, numbers: tuple[str, ...] = ()) -> bool:
    """Whether a search word fits: part of the name, start of its pinyin or initials, start of a number."""
    wanted = squeezed(query)
    if not wanted:
        return False
    if wanted in squeezed(name) or any(squeezed(number).startswith(wanted) for number in numbers):
        return True
    if not wanted.isascii():
        return False
    return any(reading.startswith(wanted) for reading in readings(name) | initials(name))


def found_in(
    text: str,
    *,
    name: str,
    numbers: tuple[str, ...] = (),
    phone: str | None = None,
    birth_date: dt.date | None = None,
) -> str | None:
    """The code of the first identifier of a patient that the text gives away, or None.

    A Latin name or a reading in pinyin counts only as whole words, in either order, so that 李娜 (``li na``)
    is not found in ``clinical``.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    tight = squeezed(text)
    squeezed_name = squeezed(name)
    if len(squeezed_name) > 1 and not squeezed_name.isascii() and squeezed_name in tight:
        return "text-names-patient"
    for words in _spoken(name):
        for order in (words, words[1:] + words[:1], words[-1:] + words[:-1]):
            if re.search(r"(?<![^\W_])" + _SEPARATORS.join(map(re.escape, order)) + r"(?![^\W_])", plain):
                return "text-names-patient"
    for number in numbers:
        digits = squeezed(number)
        if len(digits) >= 4 and re.search(rf"(?<![^\W_]){_spread(digits)}(?![^\W_])", plain):
            return "text-has-patient-number"
    if phone and len(digits := re.sub(r"\D", "", phone)) >= 7 and digits in re.sub(r"[\s\-()]", "", plain):
        return "text-has-patient-phone"
    if birth_date and re.search(_date_pattern(birth_date), plain):
        return "text-has-birth-date"
    return None


def _spoken(name: str) -> list[tuple[str, ...]]:
    words = tuple(re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", name).casefold()))
    if words and all(word.isascii() for word in words):
        return [words] if len(words) > 1 or len(words[0]) > 3 else []
    return [syllables for syllables in _syllables(squeezed(name)) if len(syllables) > 1]


def _spread(digits: str) -> str:
    return r"[\s\-]?".join(map(re.escape, digits))


def _date_pattern(date: dt.date) -> str:
    return rf"(?<!\d){date.year}\s*[-/.年]?\s*0?{date.month}\s*[-/.月]?\s*0?{date.day}(?!\d)"
