"""Forms at the edge: what a browser sent becomes what a verb takes, and a refusal becomes a page again.

A form is parsed whole before the verb is called; a refused one is shown again with everything that was
typed. A draft is saved before its document is checked, so that nothing is lost in between.
"""

import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartParser

from auth import documents, rules
from auth.proofs import Refused
from core.db import Tx
from core.errors import Conflict, Invalid, Throttled, TooLarge, Unsupported
from registry.forms.fields import Document
from registry.web.edge import short
from registry.web.moments import Clock

MOST_FIELDS = 400
Raw = dict[str, str | list[str]]


async def _sent(request: Request) -> AsyncIterator[FormData]:
    """The form a browser sent; files never come this way."""
    async with request.form(max_fields=MOST_FIELDS, max_files=0) as form:
        yield form


Sent = Annotated[FormData, Depends(_sent, scope="function")]

# a file stays in memory until it is sealed: nothing plain touches the disk
MultiPartParser.spool_max_size = documents.LARGEST + 1


def with_file(action: str) -> Callable[[Request], AsyncIterator[FormData]]:
    """A form with one file, taken from those alone who may do ``action`` in their hospital.

    It stands before ``Db`` in a route: a slow sender holds no transaction.
    """

    async def sent(request: Request) -> AsyncIterator[FormData]:
        await short(request, lambda _, me: rules.require_in_organisation(me, action))
        async with request.form(max_fields=MOST_FIELDS, max_files=1) as form:
            yield form

    return sent


def file(form: FormData, name: str) -> bytes:
    """The bytes of a file field; empty when none was chosen."""
    value = form.get(name)
    return value.file.read() if isinstance(value, UploadFile) else b""


def text(form: FormData, name: str, limit: int | None = None) -> str:
    """One field, trimmed; empty when it was not sent. Only what nobody writes by hand has a ``limit`` to be cut at: verbs refuse long words."""
    value = form.get(name, "")
    return value.strip()[:limit] if isinstance(value, str) else ""


def number(form: FormData, name: str) -> int | None:
    """A field of up to nine digits; None for anything else."""
    told = text(form, name, 10)
    return int(told) if told.isascii() and told.isdigit() and len(told) < 10 else None


def uuids(form: FormData, name: str) -> list[UUID]:
    """The ids that a field names, each once, as pages of ours offer them. Raises Invalid."""
    try:
        return list(dict.fromkeys(UUID(value) for value in form.getlist(name) if isinstance(value, str) and value))
    except ValueError:
        raise Invalid("form-invalid", fields={name: "field-code-unknown"}) from None


def uuid(form: FormData, name: str) -> UUID:
    """The one id that a field names. Raises Invalid."""
    found = uuids(form, name)
    if len(found) != 1:
        raise Invalid("form-invalid", fields={name: "field-required"})
    return found[0]


def day(form: FormData, name: str) -> dt.date | None:
    """A ``date`` field. Raises Invalid."""
    told = text(form, name, 20)
    try:
        return dt.date.fromisoformat(told) if told else None
    except ValueError:
        raise Invalid("form-invalid", fields={name: "field-not-a-date"}) from None


def moment(form: FormData, name: str, when: Clock) -> dt.datetime | None:
    """A ``datetime-local`` field in the reader's zone. Raises Invalid."""
    told = text(form, name, 40)
    try:
        return when.parse(told) if told else None
    except ValueError:
        raise Invalid("form-invalid", fields={name: "field-not-a-time"}) from None


def raw(model: type[Document], form: FormData) -> Raw:
    """Everything a document's form held, unchecked; a box that was left unticked is an empty answer, not silence."""
    found: Raw = {}
    for name, note in model.declared().items():
        if note.many:
            found[name] = [value for value in form.getlist(name) if isinstance(value, str)]
            continue
        found[name] = text(form, name)
        for part in (f"{name}.zone", f"{name}.precision"):
            if part in form:
                found[part] = text(form, part)
    return found


class Attempt:
    """How an attempt went: ``errors`` by field, ``code`` and ``status`` of the refusal (None and 200 when it went well)."""

    def __init__(self) -> None:
        self.code: str | None = None
        self.errors: dict[str, str] = {}
        self.params: dict[str, str | int | float] = {}
        self.status = 200

    def refuse(self, **errors: str) -> None:
        """Note what is wrong with the fields where no verb said so."""
        self.code, self.errors, self.status = "form-invalid", errors, 422

    def take(self, refused: Refused, field: str) -> None:
        """Note a proof that failed: at its field, or that it was tried too often."""
        if refused.code == "throttled":
            self.code, self.params, self.status = refused.code, {"retry_after": refused.retry_after}, 429
        else:
            self.refuse(**{field: refused.code})

    def __bool__(self) -> bool:
        return self.code is None


REFUSALS = (Invalid, Conflict, TooLarge, Unsupported, Throttled)


@contextmanager
def attempt(db: Tx) -> Iterator[Attempt]:
    """Try a verb in a savepoint; a refusal the reader can mend undoes it and is kept for the page.

    Step-up and missing rights are not mended by typing: they are raised.
    """
    tried = Attempt()
    try:
        with db.begin_nested():
            yield tried
    except REFUSALS as refusal:
        tried.code, tried.params = refusal.code, dict(refusal.params)
        tried.status = 422 if isinstance(refusal, Invalid) else 429 if isinstance(refusal, Throttled) else 409
        tried.errors = dict(refusal.fields) if isinstance(refusal, Invalid) else {}
