"""Writing the record: the form of a typed document, saved as it is typed, submitted once it is right.

The same form corrects the version of an entry that stands (``?replaces=``): then a reason is asked for. Where
somebody else was first, the form keeps what was typed and leads to the version that stands now. Without a
script the form has a second button that saves what was typed.
"""

import dataclasses
from collections.abc import Callable
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import JSONResponse, Response

from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, NotFound, TooLarge
from registry import cases, closures, entries
from registry.cases import Case
from registry.drafts import Draft
from registry.forms import shown
from registry.forms.amputation import SEVERED
from registry.web import titles
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, number, raw, text
from registry.web.pages import render, see
from registry.web.problems import wants_problem
from registry.web.translations import language_of

router = APIRouter(include_in_schema=False)
# the steps of a new case; what else is entered into its record leads back to its page
STEPS = frozenset({"injury", "amputation"})
# what one case often has several of
SEVERAL = frozenset({"amputation", "fracture", "wound", "structures", "operation", "replant", "flap", "complication", "transfer"})


@router.get("/cases/{case_id}/entries/{entry_type}")
def ask(request: Request, db: Db, me: Me, case_id: UUID, entry_type: str, replaces: UUID | None = None) -> Response:
    """The form, with what was typed before."""
    draft = entries.draft(db, me, case_id, _asked(entry_type, replaces), replaces=replaces)
    newer = _newer(db, me, draft)
    if newer and not draft.version:
        return see(f"/cases/{case_id}/entries/{entry_type}?replaces={newer}")
    return _page(request, db, me, cases.get(db, me, case_id), draft, Attempt())


@router.post("/cases/{case_id}/entries/{entry_type}/draft")
def save(request: Request, db: Db, me: Me, form: Sent, case_id: UUID, entry_type: str) -> Response:
    """Keep what was typed so far."""
    kind, version = _asked(entry_type, _replaces(form)), number(form, "version")
    return kept(request, form, case_id, lambda key: _save(db, me, case_id, kind, form, version=version, client_key=key))


def kept(request: Request, form: FormData, case_id: UUID, save: Callable[[str | None], Draft]) -> Response:
    """Answer a draft of a case. What the script sends after the form itself has come, by its key, is let go."""
    by_script = wants_problem(request)
    key = text(form, "client_key", 64) if by_script else ""
    try:
        draft = save(key or None)
    except Conflict as late:
        if late.code != "client-key-reused":
            raise
        return JSONResponse({"entered": True})
    return JSONResponse({"fields": {"version": str(draft.version)}}) if by_script else see(f"/cases/{case_id}")


@router.post("/cases/{case_id}/entries/{entry_type}")
def submit(request: Request, db: Db, me: Me, form: Sent, case_id: UUID, entry_type: str) -> Response:
    """Enter the document into the record; what is not right yet is kept as a draft and shown again."""
    replaces = _replaces(form)
    with attempt(db) as tried:
        _submit(db, me, case_id, _asked(entry_type, replaces), form, replaces)
    case = cases.get(db, me, case_id)
    if tried:
        return see(_next(case, entry_type, text(form, "then")))
    try:
        return _page(request, db, me, case, _save(db, me, case_id, entry_type, form), tried)
    except TooLarge as unkept:
        draft = entries.draft(db, me, case_id, entry_type, replaces=replaces)
        draft = dataclasses.replace(draft, raw=draft.raw | _raw(entry_type, form), reason=text(form, "reason"))
        return _page(request, db, me, case, draft, tried, unkept=unkept.code)


def _save(
    db: Tx, me: Actor, case_id: UUID, entry_type: str, form: FormData, *, version: int | None = None, client_key: str | None = None
) -> Draft:
    reason = text(form, "reason") if "reason" in form else None
    typed, replaces = _raw(entry_type, form), _replaces(form)
    return entries.save(db, me, case_id, entry_type, typed, replaces=replaces, version=version, reason=reason, client_key=client_key)


def _submit(db: Tx, me: Actor, case_id: UUID, entry_type: str, form: FormData, replaces: UUID | None) -> None:
    typed, key = _raw(entry_type, form), text(form, "client_key", 64) or None
    if replaces is None:
        entries.submit(db, me, case_id, entry_type, typed, client_key=key)
    else:
        entries.correct(db, me, replaces, typed, reason=text(form, "reason"), client_key=key)


def _page(request: Request, db: Tx, me: Actor, case: Case, draft: Draft, tried: Attempt, unkept: str | None = None) -> Response:
    units = entries.units(entries.recorded(db, case, entry_type="amputation"))
    form = shown.describe(draft.model, draft.raw, zone=me.time_zone, errors=tried.errors, units=units)
    context: dict[str, Any] = {
        "case": case,
        "title": titles.of(case.summary, language_of(request)),
        "draft": draft,
        "form": form,
        "tried": tried,
        "unkept": unkept,
        "newer": _newer(db, me, draft),
        "client_key": str(ids.new()),
        "severed": case.kind in SEVERED,
        "guided": case.state == "draft" and draft.about is None and form.type in STEPS,
        "several": form.type in SEVERAL,
        "unit_first": not units and any(note.widget == "unit" and note.required for note in draft.model.declared().values()),
    }
    return render(request, "case/entry.html", status=tried.status, **context)


def _newer(db: Tx, me: Actor, draft: Draft) -> UUID | None:
    """The version that stands, where it is not the one the draft corrects."""
    standing = entries.standing(db, me, draft.about).id if draft.about else None
    return standing if standing != draft.about else None


def _next(case: Case, entry_type: str, then: str) -> str:
    """Where a new case goes on; a case under way goes back to its page, and so does what is no step of a new one."""
    if then == "another":
        return f"/cases/{case.id}/entries/{entry_type}"
    if case.state != "draft" or entry_type not in STEPS:
        return f"/cases/{case.id}"
    if entry_type == "injury" and case.kind in SEVERED and not case.summary.units:
        return f"/cases/{case.id}/entries/amputation"
    return f"/cases/{case.id}/pictures"


def _asked(entry_type: str, replaces: UUID | None) -> str:
    """The types this room writes; a visit and the summary at closing in rooms of their own, a visit is corrected here."""
    if entry_type not in entries.TYPES or entry_type == closures.TYPE or (entry_type == "follow-up" and replaces is None):
        raise NotFound("entry-type-not-found")
    return entry_type


def _raw(entry_type: str, form: FormData) -> dict[str, str | list[str]]:
    """What the form held. It shows no pictures to choose from: those of a visit stay as they were."""
    typed = raw(entries.TYPES[entry_type][0], form)
    return {name: value for name, value in typed.items() if name != "pictures"}


def _replaces(form: FormData) -> UUID | None:
    told = text(form, "replaces", 40)
    try:
        return UUID(told) if told else None
    except ValueError:
        raise NotFound("entry-not-found") from None
