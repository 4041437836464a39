"""How a document type is asked and how a document is shown, both from the notes on its fields alone."""

import datetime as dt
import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from registry.forms import fields
from registry.forms.fields import Document, Field, Figure, Moment, Raw
from registry.valuesets import Option


@dataclass(frozen=True, slots=True)
class FormField:
    """One field as a form asks it; ``raw`` is what was typed so far, ``error`` a code or None."""

    name: str
    label: str
    help: str | None
    note: Field
    raw: tuple[str, ...] = ()
    zone: str = ""
    precision: str = "exact"
    error: str | None = None
    units: tuple[Option, ...] = ()

    @property
    def value(self) -> str:
        """What was typed, for a field of one."""
        return self.raw[-1] if self.raw else ""

    @property
    def options(self) -> tuple[Option, ...]:
        """The codes to choose from; for a ``unit`` the severed parts of the case."""
        return self.units if self.note.widget == "unit" else self.note.options


@dataclass(frozen=True, slots=True)
class FormSection:
    """A group of fields under one heading, with the ``figures`` that answer some of them."""

    name: str
    label: str
    fields: tuple[FormField, ...]
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """A whole form in the order in which it is asked."""

    type: str
    schema_id: str
    sections: tuple[FormSection, ...]

    def fields(self) -> Iterator[FormField]:
        """Every field in order."""
        for section in self.sections:
            yield from section.fields

    def field(self, name: str) -> FormField:
        """The field of that name. Raises KeyError."""
        for item in self.fields():
            if item.name == name:
                return item
        raise KeyError(name)

    def quick(self) -> "Form":
        """Only what an emergency is asked first."""
        kept = (
            replace(section, fields=tuple(item for item in section.fields if item.note.quick or item.note.required))
            for section in self.sections
        )
        return replace(self, sections=tuple(section for section in kept if section.fields))


def describe(
    model: type[Document],
    raw: Raw | None = None,
    *,
    zone: str = fields.ZONES[0],
    errors: Mapping[str, str] | None = None,
    units: Sequence[Option] = (),
) -> Form:
    """The form of a document type, filled with what was typed and the codes of what is wrong.

    ``units`` are the severed parts of the case. Where one is needed and there is one alone, it is chosen; a question
    for one that may be left open is not asked where there is none.
    """
    raw, errors = raw or {}, errors or {}
    grouped: dict[str, list[FormField]] = {}
    for name, note in model.declared().items():
        if note.widget == "unit" and not units and not note.required:
            continue
        given = raw.get(name, [])
        label = f"form-{model.TYPE}-{name.replace('_', '-')}"
        default = model.model_fields[name].default
        typed = (given,) if isinstance(given, str) else tuple(given)
        zoned = fields.one(raw, f"{name}.zone") or zone
        if note.widget == "moment":
            typed = tuple(fields.on_the_wall(told, zoned) for told in typed)
        if not any(typed) and name not in raw and isinstance(default, str) and default:
            typed = (default,)
        if note.widget == "unit" and note.required and len(units) == 1 and not any(typed):
            typed = (units[0].code,)
        grouped.setdefault(note.section, []).append(
            FormField(
                name=name,
                label=label,
                help=f"{label}-help" if note.help else None,
                note=note,
                raw=typed,
                zone=zoned,
                precision=fields.one(raw, f"{name}.precision") or "exact",
                error=errors.get(name),
                units=tuple(units),
            )
        )
    place = model.declared()["side"].section if model.FIGURES else ""
    sections = tuple(
        FormSection(key, f"form-section-{key.replace('_', '-')}", tuple(found), model.FIGURES if key == place else ())
        for key, found in grouped.items()
    )
    return Form(model.TYPE, model.schema_id(), sections)


class Kind(enum.StrEnum):
    """How a value of the read view is to be drawn."""

    CODES = "codes"
    TEXT = "text"
    PHONE = "phone"
    NUMBER = "number"
    MOMENT = "moment"
    DATE = "date"
    PICTURES = "pictures"


@dataclass(frozen=True, slots=True)
class Shown:
    """One row of the read view: exactly one of the value attributes is filled, as ``kind`` says.

    ``warning`` is the key of what has to stand beside the value; ``reckoned`` tells what follows from other rows.
    """

    name: str
    label: str
    kind: Kind
    unit: str | None = None
    codes: tuple[Option, ...] = ()
    text: str = ""
    number: float | None = None
    moment: Moment | None = None
    date: dt.date | None = None
    pictures: tuple[str, ...] = ()
    warning: str | None = None
    reckoned: bool = False


@dataclass(frozen=True, slots=True)
class ShownSection:
    """A heading with its rows; sections without an answer are left out."""

    name: str
    label: str
    rows: tuple[Shown, ...]


def view(document: Document, *, all_fields: bool = False, units: Sequence[Option] = ()) -> tuple[ShownSection, ...]:
    """What was answered, in the order of the form, each section led by what follows from it.

    ``not_assessed`` is shown only with ``all_fields``. ``units`` are the severed parts that the document may name.
    """
    grouped: dict[str, list[Shown]] = {note.section: [] for note in document.declared().values()}
    for item in document.reckoned():
        label = f"form-{document.TYPE}-{item.name.replace('_', '-')}"
        kind = Kind.CODES if item.option else Kind.TEXT if item.number is None else Kind.NUMBER
        row = Shown(
            item.name,
            label,
            kind,
            unit=item.unit,
            codes=(item.option,) if item.option else (),
            text=item.text,
            number=item.number,
            warning=f"{label}-warning" if item.warned else None,
            reckoned=True,
        )
        grouped[item.section].append(row)
    for name, note in document.declared().items():
        value = getattr(document, name)
        if value is None or value == [] or value == "" or (fields.missing(value) and not all_fields):
            continue
        label = f"form-{document.TYPE}-{name.replace('_', '-')}"
        grouped[note.section].append(_shown(name, label, note, value, units))
    return tuple(ShownSection(key, f"form-section-{key.replace('_', '-')}", tuple(rows)) for key, rows in grouped.items() if rows)


def _shown(name: str, label: str, note: Field, value: Any, units: Sequence[Option]) -> Shown:
    row = Shown(name, label, Kind.TEXT, unit=note.unit)
    match note.widget:
        case "moment":
            return replace(row, kind=Kind.MOMENT, moment=value)
        case "date":
            return replace(row, kind=Kind.DATE, date=value)
        case "integer" | "decimal":
            return replace(row, kind=Kind.NUMBER, number=value)
        case "pictures":
            return replace(row, kind=Kind.PICTURES, pictures=tuple(str(item) for item in value))
        case "phone":
            return replace(row, kind=Kind.PHONE, text=value)
        case "choice" | "choices" | "yes_no" | "unit":
            known = {option.code: option for option in (units if note.widget == "unit" else note.options)}
            codes = value if isinstance(value, list) else [value]
            return replace(row, kind=Kind.CODES, codes=tuple(known.get(code, Option(code, code, code)) for code in codes))
        case _:
            return replace(row, text=value)
