"""The AO/OTA fracture code of 2018, for the bones of the limbs: read when typed by hand, written when picked.

Grammar; what stands in [ ] may be left out, quoted signs stand for themselves::

    code          = segment [place] [type [group ["." subgroup]]] ["(" qualification {"," qualification} ")"]
                    ["[" modifier {"," modifier} "]"]
    segment       = the bone and its part: 42, 2R3, 4F2, 77
    place         = "." ray "." third               of a metacarpal or metatarsal: 77.2.1
                  | "." ray "." phalanx "." third   of a phalanx: 78.2.3.1
    type          = A | B | C,   group = subgroup = 1 | 2 | 3
    qualification = a lower-case letter,   modifier = a number with or without a lower-case letter

``42C3(j)[2]``, ``2R3C3.1[2,5a]``, ``77.2.1A``. Which types and groups a segment has, which qualifications a
shaft takes and which modifiers exist is data (``valuesets/aoota.toml``, one file because of its licence): what
is not in the table is refused. Subgroups are taken at end segments with a group, without a table of which of
them exist where. Signs of a Chinese keyboard, spaces and small letters of a segment or type are taken as meant.
Source: J Orthop Trauma 2018;32 Suppl 1 (doi 10.1097/BOT.0000000000001063). Pure.
"""

import itertools
import re
import unicodedata
from dataclasses import dataclass

from registry.valuesets import NOT_ASSESSED, value_set

SHAPE = re.compile(
    r"(?P<segment>\d[A-Z\d]\d?)(?P<place>(?:\.\d)*)"
    r"(?:(?P<type>[ABC])(?:(?P<group>\d)(?:\.(?P<subgroup>\d))?)?)?"
    r"(?:\((?P<qualifications>[^()\[\]]+)\))?(?:\[(?P<modifiers>[^()\[\]]+)\])?"
)
# what each kind of bone says of the place before its type
PLACES = {"ray": ("ray", "third"), "phalanx": ("ray", "phalanx", "third")}
# of each pair of starts a fracture has one
EXCLUSIVE = (("1", "2"), ("3a", "4"), ("3b", "4"))


class Unclassifiable(ValueError):
    """The code cannot be; ``code`` is the key of what is wrong with it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Code:
    """The parts of a code as the value sets hold them (``2r3``, ``2r3c3``, ``5a``); what is not told is empty.

    ``str()`` writes it as the classification does, in the order of the table.
    """

    segment: str
    ray: str = ""
    phalanx: str = ""
    third: str = ""
    group: str = ""
    subgroup: str = ""
    qualifications: tuple[str, ...] = ()
    modifiers: tuple[str, ...] = ()

    @property
    def letters(self) -> str:
        """Type and group: ``C3``, ``C``, or nothing."""
        return self.group.removeprefix(self.segment).upper()

    def __str__(self) -> str:
        place = "".join(f".{part}" for part in (self.ray, self.phalanx, self.third) if part)
        text = self.segment.upper() + place + self.letters
        text += f".{self.subgroup}" if self.subgroup else ""
        text += f"({','.join(_ordered('qualification', self.qualifications))})" if self.qualifications else ""
        return text + (f"[{','.join(_ordered('modifier', self.modifiers))}]" if self.modifiers else "")


def check(code: Code) -> Code:
    """The code, if the table holds it. Raises Unclassifiable with the key of the first part that it does not hold."""
    kind = kind_of(code.segment)
    told = {name: getattr(code, name) for name in ("ray", "phalanx", "third")}
    asked = PLACES.get(kind, ())
    if any(value for name, value in told.items() if name not in asked) or any(v and v not in codes(n) for n, v in told.items()):
        raise Unclassifiable("field-aoota-place")
    # the numbers are told from the left: without the ray nobody knows what the next one means
    values = [told[name] for name in asked]
    if any(later and not earlier for earlier, later in itertools.pairwise(values)) or (code.group and not all(values)):
        raise Unclassifiable("field-aoota-place-needed")
    if code.group and (code.group not in codes("group") or value_set("aoota.group").option(code.group).extra["of"] != code.segment):
        raise Unclassifiable("field-aoota-group")
    if code.subgroup and (kind != "end" or len(code.letters) != 2 or code.subgroup not in codes("subgroup")):
        raise Unclassifiable("field-aoota-subgroup")
    for letter in code.qualifications:
        known = letter in codes("qualification") and kind == "diaphysis" and code.letters
        if not known or code.letters[0] not in value_set("aoota.qualification").option(letter).extra["types"]:
            raise Unclassifiable("field-aoota-qualification")
    if not set(code.modifiers) <= codes("modifier"):
        raise Unclassifiable("field-aoota-modifier")
    if any({one, other} <= set(code.modifiers) for one, other in EXCLUSIVE):
        raise Unclassifiable("field-aoota-modifier-clash")
    return code


def parse(text: str) -> Code:
    """The code somebody typed. Raises Unclassifiable: unreadable, or with the key of the part that the table does not hold."""
    plain = unicodedata.normalize("NFKC", text).replace("【", "[").replace("】", "]").replace("、", ",")
    plain = re.sub(r"\s", "", plain)
    head = re.match(r"[^(\[]*", plain)
    whole = head.group().upper() + plain[head.end() :].lower() if head else plain
    found = SHAPE.fullmatch(whole)
    if found is None:
        raise Unclassifiable("field-aoota-unreadable")
    segment = found["segment"].lower()
    asked, given = PLACES.get(kind_of(segment), ()), [part for part in found["place"].split(".") if part]
    if len(given) > len(asked):
        raise Unclassifiable("field-aoota-place")
    told = dict(zip(asked, given, strict=False))
    group = segment + (found["type"] + (found["group"] or "")).lower() if found["type"] else ""
    qualifications, modifiers = (_ordered_list(name, found[f"{name}s"]) for name in ("qualification", "modifier"))
    return check(Code(segment, **told, group=group, subgroup=found["subgroup"] or "", qualifications=qualifications, modifiers=modifiers))


def kind_of(segment: str) -> str:
    """What kind of bone it is: ``end``, ``diaphysis``, ``ray``, ``phalanx`` or ``plain``. Raises Unclassifiable for none of the table."""
    if segment not in codes("segment"):
        raise Unclassifiable("field-aoota-segment")
    return str(value_set("aoota.segment").option(segment).extra["kind"])


def codes(name: str) -> frozenset[str]:
    """The codes of one set of the table."""
    return value_set(f"aoota.{name}").codes - {NOT_ASSESSED}


def _ordered(name: str, told: tuple[str, ...]) -> list[str]:
    order = [option.code for option in value_set(f"aoota.{name}").options]
    return sorted(set(told), key=order.index)


def _ordered_list(name: str, told: str | None) -> tuple[str, ...]:
    given = tuple(told.split(",")) if told else ()
    return tuple(_ordered(name, given)) if set(given) <= codes(name) else given
