"""How a field of the record is declared, asked, checked and shown.

A document type is a pydantic model whose fields carry a ``Field`` note: section, widget, value set, unit,
limits. From the model alone follow the reading of what was typed (``parse``, and ``typed`` back again), and in
``registry.forms.shown`` the form and the read view. Labels are catalogue keys: ``form-<type>-<field>``, ``form-section-<section>``,
and ``…-help`` where a field has help. Labels of codes come from the value sets. A form shows a time to the
minute; a time nobody touched there keeps its seconds (``untouched``).
"""

import datetime as dt
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict

from core.errors import Invalid
from registry import valuesets
from registry.valuesets import NOT_ASSESSED, Option

Widget = Literal["moment", "date", "choice", "choices", "yes_no", "integer", "decimal", "text", "phone", "note", "pictures", "unit"]
Figure = Literal["hands", "body"]
Raw = Mapping[str, str | list[str]]

ZONES = ("Asia/Shanghai", "Asia/Urumqi")
TEXT_LIMIT = 200
NOTE_LIMIT = 4000
CLOCK_SLACK = dt.timedelta(minutes=2)
# an extension may follow
PHONE = re.compile(r"[+(]?[0-9][0-9 ()/.-]{3,29}( ?(转|ext\.?|x) ?[0-9]{1,6})?")


@dataclass(frozen=True, slots=True)
class Field:
    """The note a model field carries.

    ``past``: a moment or date that must not lie in the future. ``free``: words of the writer, to be
    checked against the patient's identifiers before anybody outside the hospital reads them.
    ``quick``: asked first, on the short form of an emergency. ``within``: the field whose answer says which
    of the codes fit (their ``of``), so that a long list can be shortened to them. A ``unit`` names one of the
    case's severed parts by the id of its document, the first version's; ``registry.entries`` holds it to the case.
    """

    section: str
    widget: Widget
    values: str | None = None
    unit: str | None = None
    required: bool = False
    quick: bool = False
    past: bool = False
    help: bool = False
    least: float | None = None
    most: float | None = None
    within: str | None = None

    @property
    def many(self) -> bool:
        """Whether the field holds a list."""
        return self.widget in {"choices", "pictures"}

    @property
    def free(self) -> bool:
        """Whether the field holds the writer's own words."""
        return self.widget in {"text", "phone", "note"}

    @property
    def options(self) -> tuple[Option, ...]:
        """The codes to choose from, in order; empty for other widgets."""
        name = "yes_no" if self.widget == "yes_no" else self.values
        return valuesets.value_set(name).options if name else ()


class Moment(BaseModel):
    """A time as somebody told it: the instant in UTC, how precise it is, and the zone it was told in."""

    model_config = ConfigDict(frozen=True)

    at: dt.datetime | None
    precision: Literal["exact", "within_30_min", "estimated", "unknown"] = "exact"
    zone: str = "Asia/Shanghai"

    @property
    def local(self) -> dt.datetime | None:
        """The instant on the wall clock of its zone."""
        return self.at.astimezone(ZoneInfo(self.zone)) if self.at else None


@dataclass(frozen=True, slots=True)
class Reckoned:
    """What follows from the fields of a document and is shown with them, never stored: a ``number``, a ``text`` or an ``option``.

    ``section`` is the heading it stands under. ``warned``: it is never shown without its warning, ``form-<type>-<name>-warning``.
    """

    name: str
    section: str
    number: float | None = None
    text: str = ""
    unit: str | None = None
    option: Option | None = None
    warned: bool = False


class Document(BaseModel):
    """The base of every document type. ``TYPE`` and ``EDITION`` together name the schema (``injury/1``).

    ``FIGURES`` are drawn beside the side, to be tapped instead of choosing side, region, part and level: ``hands``, ``body``.
    ``AFTER_INJURY`` are the moments that cannot come before every injury of the case.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    TYPE: ClassVar[str]
    EDITION: ClassVar[int] = 1
    FIGURES: ClassVar[tuple[Figure, ...]] = ()
    AFTER_INJURY: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def schema_id(cls) -> str:
        """The name under which a stored document says how to read it."""
        return f"{cls.TYPE}/{cls.EDITION}"

    @classmethod
    def declared(cls) -> dict[str, Field]:
        """Every field with its note, in the order of declaration."""
        notes: dict[str, Field] = {}
        for name, info in cls.model_fields.items():
            (note,) = [item for item in info.metadata if isinstance(item, Field)]
            notes[name] = note
        return notes

    def contradictions(self) -> dict[str, str]:
        """What disagrees between fields, as {field: code}; each type adds its own rules."""
        return {}

    def reckoned(self) -> tuple[Reckoned, ...]:
        """What follows from the fields, for the read view; each type adds its own."""
        return ()

    def free_texts(self) -> dict[str, str]:
        """The writer's own words by field, the empty ones left out."""
        return {name: text for name, note in self.declared().items() if note.free and (text := getattr(self, name))}

    @classmethod
    def read(cls, raw: Raw, *, zone: str, now: dt.datetime) -> Self:
        """The document that was typed. See ``parse``."""
        return parse(cls, raw, zone=zone, now=now)


D = TypeVar("D", bound=Document)

# --- what was typed -> document ---------------------------------------------------------------------------


class _Wrong(Exception):
    """One field cannot be read; carries the code."""


def parse(model: type[D], raw: Raw, *, zone: str, now: dt.datetime) -> D:
    """The document a form, an autosaved draft or an API call describes.

    ``raw`` is flat: one string per field, a list of strings for a field of many; a moment comes as
    ``name`` (ISO local ``2026-11-20T14:32``, or with an offset), ``name.zone`` and ``name.precision``.
    A field that is left out keeps its honest default; a name that the model does not know is dropped.
    Raises Invalid with a code for every field that is wrong.
    """
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    notes = model.declared()
    for name, note in notes.items():
        try:
            value = _READERS[note.widget](name, note, raw, zone, now)
        except _Wrong as error:
            wrong[name] = str(error)
            continue
        if value is not None:
            values[name] = value
        if note.required and missing(value):
            wrong[name] = "field-required"
    if wrong:
        raise Invalid("form-invalid", fields=wrong)
    document = model.model_validate(values)
    if contradictions := document.contradictions():
        raise Invalid("form-invalid", fields=contradictions)
    return document


def wrong_words(text: str) -> str | None:
    """What is wrong with words that have to be there, as a code; None for words that fit a note."""
    said = text.strip()
    return "field-required" if not said else "field-too-long" if len(said) > NOTE_LIMIT else None


def missing(value: object) -> bool:
    """Whether a value leaves its question open; ``unknown`` and ``no`` do not."""
    return value is None or value == [] or value == NOT_ASSESSED


def one(raw: Raw, name: str) -> str:
    """What was typed under a name: the last of several, without space around it."""
    value = raw.get(name, "")
    if isinstance(value, list):
        value = value[-1] if value else ""
    return value.strip()


def _code(name: str, note: Field, raw: Raw, zone: str, now: dt.datetime) -> str | None:
    code = one(raw, name)
    if code and code not in {option.code for option in note.options}:
        raise _Wrong("field-code-unknown")
    return code or None


def _codes(name: str, note: Field, raw: Raw, zone: str, now: dt.datetime) -> list[str] | None:
    given = raw.get(name, [])
    codes = [code for code in ([given] if isinstance(given, str) else given) if code]
    if note.options and not set(codes) <= {option.code for option in note.options}:
        raise _Wrong("field-code-unknown")
    exclusive = {NOT_ASSESSED, valuesets.UNKNOWN, "none"} & set(codes)
    if exclusive and len(set(codes)) > 1:
        raise _Wrong("field-none-with-others")
    return list(dict.fromkeys(codes)) or None


def _words(name: str, note: Field, raw: Raw, zone: str, now: dt.datetime) -> str | None:
    text = one(raw, name).replace("\r\n", "\n")
    if len(text) > (NOTE_LIMIT if note.widget == "note" else TEXT_LIMIT):
        raise _Wrong("field-too-long")
    if any(ord(letter) < 32 and letter not in "\n\t" for letter in text):
        raise _Wrong("field-control-character")
    return text or None


def _phone(name: str, note: Field, raw: Raw, zone: str, now: dt.datetime) -> str | None:
    text = one(raw, name)
    if text and not PHONE.fullmatch(text):
        raise _Wrong("field-not-a-telephone")
    return text or None


def _unit(name: str, note: Field, raw: Raw, zone: str, now: dt.datetime) -> str | None:
    text = one(raw, name)
    try:
        return str(UUID(text)) if text else None
    except ValueError:
        raise _Wrong("field-unit-unknown") from None


def _number(name: str, note: Field, raw: Raw, zone: str, now: dt.datetime) -> float | None:
    text = one(raw, name).replace(",", ".")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise _Wrong("field-not-a-number") from None
    if not math.isfinite(value) or (note.widget == "integer" and value != int(value)):
        raise _Wrong("field-not-a-number")
    if (note.least is not None and value < note.least) or (note.most is not None and value > note.most):
        raise _Wrong("field-out-of-range")
    return value


def _date(name: str, note: Field, raw: Raw, zone: str, now: dt.datetime) -> dt.date | None:
    text = one(raw, name)
    if not text:
        return None
    try:
        value = dt.date.fromisoformat(text)
    except ValueError:
        raise _Wrong("field-not-a-date") from None
    if note.past and value > now.astimezone(zone_info(zone)).date():
        raise _Wrong("field-in-the-future")
    return value


def _moment(name: str, note: Field, raw: Raw, zone: str, now: dt.datetime) -> Moment | None:
    text, precision = one(raw, name), one(raw, f"{name}.precision") or "exact"
    zone = one(raw, f"{name}.zone") or zone
    if precision not in valuesets.value_set("precision").codes:
        raise _Wrong("field-code-unknown")
    try:
        where = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _Wrong("field-zone-unknown") from None
    if not text:
        return Moment(at=None, precision="unknown", zone=zone) if precision == "unknown" else None
    try:
        told = dt.datetime.fromisoformat(text)
    except ValueError:
        raise _Wrong("field-not-a-time") from None
    try:
        at = instant(told, where) if told.tzinfo is None else told.astimezone(dt.UTC)
    except ValueError:
        raise _Wrong("field-time-does-not-exist") from None
    except OverflowError:
        raise _Wrong("field-not-a-time") from None
    if note.past and at > now + CLOCK_SLACK:
        raise _Wrong("field-in-the-future")
    if at.year < 1900:
        raise _Wrong("field-not-a-time")
    return Moment.model_validate({"at": at, "precision": precision, "zone": zone})


_READERS = {
    "moment": _moment,
    "date": _date,
    "choice": _code,
    "yes_no": _code,
    "choices": _codes,
    "pictures": _codes,
    "integer": _number,
    "decimal": _number,
    "text": _words,
    "note": _words,
    "phone": _phone,
    "unit": _unit,
}


def instant(wall: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """The instant in UTC of a wall-clock time.

    A time that came twice (clocks put back) is read as the earlier one, so that no clock of ischaemia
    starts too late. Raises ValueError for a time that never came (clocks put forward).
    """
    at = wall.replace(tzinfo=zone, fold=0).astimezone(dt.UTC)
    if at.astimezone(zone).replace(tzinfo=None) != wall.replace(tzinfo=None, fold=0):
        raise ValueError("no such time on this day")
    return at


def zone_info(name: str) -> ZoneInfo:
    """The zone of that name, or UTC for a name nobody knows."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def typed(document: Document) -> dict[str, str | list[str]]:
    """The flat raw values that would give this document: where a correction starts from."""
    raw: dict[str, str | list[str]] = {}
    for name, note in document.declared().items():
        value = getattr(document, name)
        if value is None:
            continue
        if isinstance(value, Moment):
            raw[f"{name}.zone"], raw[f"{name}.precision"] = value.zone, value.precision
            raw[name] = _told(value)
        elif note.many:
            raw[name] = [str(item) for item in value]
        elif isinstance(value, float):
            raw[name] = f"{value:g}"
        else:
            raw[name] = str(value)
    return raw


def on_the_wall(told: str, zone: str) -> str:
    """What the form can show of a told time: the wall clock of the zone to the minute; words that are no time as they are.

    A browser empties a field that is given an offset.
    """
    try:
        moment = dt.datetime.fromisoformat(told)
        return (moment.astimezone(zone_info(zone)) if moment.tzinfo else moment).replace(tzinfo=None).isoformat(timespec="minutes")
    except (ValueError, OverflowError):
        return told


def untouched(model: type[Document], before: Raw, after: Raw, *, zone: str) -> dict[str, str]:
    """The times in ``after`` that are what the form showed of those ``before``, told in full as they were before."""
    kept: dict[str, str] = {}
    for name, note in model.declared().items():
        if note.widget == "moment" and one(before, name):
            where = one(after, f"{name}.zone") or one(before, f"{name}.zone") or zone
            if one(after, name) == on_the_wall(one(before, name), where):
                kept[name] = one(before, name)
    return kept


def _told(moment: Moment) -> str:
    local = moment.local
    if local is None:
        return ""
    wall = local.replace(tzinfo=None, fold=0)
    whole = wall.second == 0 and wall.microsecond == 0
    plain = whole and local.fold == 0
    return wall.isoformat(timespec="minutes") if plain else local.isoformat()
