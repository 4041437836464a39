"""How names and numbers of people are compared: normalised, read aloud, and found in free text. Pure.

Chinese names are compared by their characters, simplified, and by every reading of them (Hanyu pinyin without
tones, surname readings included), since a homophone is the commonest way in which one patient becomes two. Of a name
in Latin letters neither the order of its words nor an accent counts.
"""

import datetime as dt
import itertools
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources

from pypinyin import Style, pinyin

READINGS_LIMIT = 64
"""How many readings of a name are kept, those first that depart least from how it is usually read."""
SOUGHT_LIMIT = 1024
"""How many readings of a name are looked for."""

SCREENED_LIMIT = 24
"""How many readings of a name are looked for in free text."""

_SEPARATORS = r"[\s·•・\-'’.,，、]*"
_HAN = r"[\u3400-\u9fff\U00020000-\U0003ffff]"
_SPANS = re.compile(_HAN + "|(?:(?!" + _HAN + ").)+")
# Unicode counts them among the letters; people type them for the point in 买买提·吐尔逊
_POINTS = str.maketrans("", "", "\u4e36\ua78f\u119e\u318d")
# surnames whose reading the dictionary lacks
_ALSO = {"谌": ["shen"], "呙": ["wo"], "冼": ["xian"], "曲": ["qu"], "盛": ["sheng"], "黑": ["he"], "晁": ["chao"], "葛": ["ge"]}
_ORDERED = 4  # words of a Latin name that are tried in every order that begins elsewhere
# GB 11643-1999, ISO 7064 MOD 11-2
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10x98765432"


def squeezed(text: str) -> str:
    """NFKC, case folded, letters and digits only: ``"Ａｎ na·买买提"`` and ``"AnNa买买提"`` are the same."""
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_POINTS)
    return "".join(letter for letter in plain if letter.isalnum())


def simplified(text: str) -> str:
    """With simplified characters for traditional ones: 張偉國 is 张伟国. Source: OpenCC, ``registry/simplified.txt``."""
    return text.translate(_simpler())


def forms(name: str) -> tuple[str, ...]:
    """What a name is the same name under: squeezed, the same simplified, and a Latin one whatever the order of its words."""
    plain, words = squeezed(name), _latin(name)
    return tuple(dict.fromkeys([plain, simplified(plain), *([" ".join(sorted(words))] if len(words) > 1 else [])]))


def number_forms(national_id: str) -> tuple[str, ...]:
    """A national id squeezed and, where it is a Chinese one, the same person's in 15 and in 18 digits.

    The older form lacks the century, which was the twentieth, and the check digit (GB 11643-1999).
    """
    plain = squeezed(national_id)
    if re.fullmatch(r"\d{15}", plain) and _born("19" + plain[6:12]):
        longer = plain[:6] + "19" + plain[6:]
        return plain, longer + _check(longer)
    if re.fullmatch(r"\d{17}[\dx]", plain) and plain[6:8] == "19" and _born(plain[6:14]):
        return plain, plain[:6] + plain[8:17]
    return (plain,)


def mistyped(national_id: str) -> bool:
    """Whether this is shaped like a Chinese national id of 18 digits and its check digit does not fit (GB 11643-1999)."""
    plain = squeezed(national_id)
    return bool(re.fullmatch(r"\d{17}[\dx]", plain) and _born(plain[6:14])) and plain[17] != _check(plain[:17])


def readings(name: str, limit: int = READINGS_LIMIT) -> frozenset[str]:
    """Every way the name may be read in pinyin without tones, at most ``limit``; of a Latin name every order of its words."""
    words = _latin(name)
    if words:
        orders = [words[at:] + words[:at] for at in range(len(words) if len(words) <= _ORDERED else 1)]
        return frozenset(spelled("".join(order)) for order in orders)
    return frozenset(spelled("".join(syllables)) for syllables in itertools.islice(_said(squeezed(name)), limit))


def initials(name: str) -> frozenset[str]:
    """The initials of every reading: ``zs`` for 张三; of a Latin name those of its words."""
    words = unicodedata.normalize("NFKC", name).casefold().split()
    if len(words) > 1 and all(word.isascii() for word in words):
        return frozenset({"".join(word[0] for word in words)})
    return frozenset("".join(syllable[0] for syllable in s if syllable) for s in _syllables(squeezed(name)))


def sounds(name: str) -> frozenset[str]:
    """What a name is found by in Latin letters: every reading, and the initials of each."""
    return readings(name) | initials(name)


@lru_cache(maxsize=65_536)
def _syllables(name: str) -> tuple[tuple[str, ...], ...]:
    return tuple(itertools.islice(_said(name), READINGS_LIMIT))


def _said(name: str) -> Iterator[tuple[str, ...]]:
    """The readings of a squeezed name, syllable by syllable: as it is usually read, then with one other reading, then two."""
    spans = _SPANS.findall(name)
    usual = [given[0] for given in pinyin(name, style=Style.NORMAL)] if name else []
    choices = [_choices(span, usual[at] if len(usual) == len(spans) else "") for at, span in enumerate(spans)]
    several = [at for at, given in enumerate(choices) if len(given) > 1]
    for count in range(len(several) + 1 if spans else 0):
        for places in itertools.combinations(several, count):
            for others in itertools.product(*(choices[at][1:] for at in places)):
                said = [given[0] for given in choices]
                for at, other in zip(places, others, strict=True):
                    said[at] = other
                yield tuple(said)


def _choices(span: str, usual: str) -> list[str]:
    # one by one: in a word it knows (长乐) the dictionary has one reading, and a name is no word
    return list(dict.fromkeys(filter(None, [usual, *_alone(span)])))


@lru_cache(maxsize=16_384)
def _alone(span: str) -> tuple[str, ...]:
    """The readings of one character; any other letters are read as they stand."""
    single = pinyin(span, style=Style.NORMAL, heteronym=True)[0] if re.fullmatch(_HAN, span) else [span]
    return (*single, *_ALSO.get(span, []))


def _latin(name: str) -> tuple[str, ...]:
    """The words of a name in Latin letters, as typed but for case, or nothing."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    words = tuple(filter(None, map(squeezed, re.split(r"[\s,，、·•・.]+", plain))))
    return words if words and all(_unaccented(word).isascii() for word in words) else ()


def spelled(reading: str) -> str:
    """One spelling for the vowel that keyboards lack: 吕 is lv, lü and, in a passport, lyu."""
    plain = _unaccented(reading)
    return re.sub(r"(?<=[ln])yu", "v", plain) if "yu" in plain else plain


def _unaccented(text: str) -> str:
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFC", text)
    plain = re.sub("[üǖǘǚǜ]", "v", plain)
    return "".join(letter for letter in unicodedata.normalize("NFD", plain) if not unicodedata.combining(letter))


@lru_cache(maxsize=1)
def _simpler() -> dict[int, str]:
    lines = resources.files("registry").joinpath("simplified.txt").read_text("utf-8").splitlines()
    return {ord(pair[0]): pair[1] for line in lines if not line.startswith("#") for pair in line.split()}


def _born(digits: str) -> bool:
    try:
        dt.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return True


def _check(digits: str) -> str:
    return _CHECKS[sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=True)) % 11]


def matches(query: str, name: str, numbers: tuple[str, ...] = ()) -> bool:
    """Whether a search word fits: part of the name, start of its pinyin or initials, start of a number."""
    wanted = squeezed(query)
    if not wanted:
        return False
    if wanted in squeezed(name) or any(squeezed(number).startswith(wanted) for number in numbers):
        return True
    if not wanted.isascii():
        return False
    return heard(spelled(wanted), name)


def heard(sound: str, name: str) -> bool:
    """Whether some reading of a name, or its initials, begins with what is ``spelled`` so."""
    return any(reading.startswith(sound) for reading in sounds(name))


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
    return [syllables for syllables in _syllables(squeezed(name))[:SCREENED_LIMIT] if len(syllables) > 1]


def _spread(digits: str) -> str:
    return r"[\s\-]?".join(map(re.escape, digits))


def _date_pattern(date: dt.date) -> str:
    return rf"(?<!\d){date.year}\s*[-/.年]?\s*0?{date.month}\s*[-/.月]?\s*0?{date.day}(?!\d)"
