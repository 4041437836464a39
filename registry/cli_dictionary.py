"""The command ``shanhai dictionary``: what the record holds, printed from the models of its documents and from their value sets."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from registry import entries, valuesets
from registry.forms.fields import Document
from registry.web.translations import translate

FIELDS = (
    *("entry", "schema", "entry_zh", "entry_en", "field", "label_zh", "label_en", "help_zh", "help_en"),
    *("widget", "many", "required", "unit", "least", "most", "value_set"),
)
CODES = ("value_set", "value_set_zh", "value_set_en", "code", "label_zh", "label_en", "confirmed", "source", "licence")
Row = tuple[str | int | float | bool | None, ...]


def show(codes: Annotated[bool, typer.Option("--codes", help="The value sets with their codes instead of the fields.")] = False) -> None:
    """Print the data dictionary as CSV: every field of every kind of entry, or every code.

    Example:  shanhai dictionary > fields.csv && shanhai dictionary --codes > codes.csv
    """
    typer.echo(table(CODES, code_rows()) if codes else table(FIELDS, field_rows()), nl=False)


def table(head: tuple[str, ...], rows: Iterable[Row]) -> str:
    """Rows under their heads as RFC 4180 has them; an answer of yes or no is ``yes`` or ``no``, what is not there is empty."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    for row in rows:
        writer.writerow([("yes" if cell else "no") if isinstance(cell, bool) else cell for cell in row])
    return out.getvalue()


def field_rows() -> Iterator[Row]:
    """A row for each field, in the order of the models, as ``FIELDS``."""
    for kind, (model, _) in entries.TYPES.items():
        named = (kind, model.schema_id(), *_both(f"entry-{kind}"))
        for name, note in model.declared().items():
            key = f"form-{kind}-{name.replace('_', '-')}"
            values = "yes_no" if note.widget == "yes_no" else note.values
            helped = _both(f"{key}-help") if note.help else ("", "")
            yield (
                *(*named, name, *_both(key), *helped),
                *(note.widget, note.many, note.required, note.unit, note.least, note.most, values),
            )


def code_rows() -> Iterator[Row]:
    """A row for each code of the value sets that fields of the record use, as ``CODES``."""
    for name in sorted(used(model for model, _ in entries.TYPES.values())):
        found = valuesets.value_set(name)
        for option in found.options:
            yield (name, found.zh, found.en, option.code, option.zh, option.en, option.confirmed, found.source, found.licence)


def used(models: Iterable[type[Document]]) -> set[str]:
    """The names of the value sets that the fields of these models take their codes from."""
    notes = [note for model in models for note in model.declared().values()]
    return {note.values for note in notes if note.values} | {"yes_no" for note in notes if note.widget == "yes_no"}


def _both(key: str) -> tuple[str, str]:
    return translate("zh", key), translate("en", key)
