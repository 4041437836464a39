"""A trainee's signed opinion before the senior: read beside the pictures, then given with a second signature or returned.

The trainee finds here what they signed, whom it lies with, and the form to ask another senior.
"""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from auth import means
from auth.proofs import Refused
from core.actor import Actor
from core.db import Tx
from core.errors import NotFound
from registry import cases, presentations, questions
from registry.presentations import Presented
from registry.web import beside
from registry.web.case import banner
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, text
from registry.web.moments import Clock
from registry.web.pages import in_language, render, see
from registry.web.sign_in import signing, with_session
from registry.web.translations import language_of

router = APIRouter(include_in_schema=False)


@router.get("/cases/{case_id}/presentations/{presentation_id}")
def show(request: Request, db: Db, me: Me, case_id: UUID, presentation_id: UUID) -> Response:
    """What was signed, and what can be done about it."""
    return _page(request, db, me, case_id, presentation_id, Attempt())


@router.post("/cases/{case_id}/presentations/{presentation_id}/countersign")
def countersign(request: Request, db: Db, me: Me, form: Sent, case_id: UUID, presentation_id: UUID) -> Response:
    """Give it, with a code of the moment or a passkey."""
    _here(db, me, case_id, presentation_id)
    again, tried = signing(request, db, me, form)
    if isinstance(again, Refused):
        return _page(request, db, me, case_id, presentation_id, tried)
    with attempt(db) as tried:
        presentations.countersign(db, again.actor, presentation_id)
    answer = see(f"/cases/{case_id}#opinion") if tried else _page(request, db, me, case_id, presentation_id, tried)
    return with_session(answer, again.cookie)


@router.post("/cases/{case_id}/presentations/{presentation_id}/return")
def give_back(request: Request, db: Db, me: Me, form: Sent, case_id: UUID, presentation_id: UUID) -> Response:
    """Return it with words."""
    _here(db, me, case_id, presentation_id)
    words = text(form, "words")
    with attempt(db) as tried:
        presentations.give_back(db, me, presentation_id, words=words)
    return see(f"/cases/{case_id}") if tried else _page(request, db, me, case_id, presentation_id, tried, words)


@router.post("/cases/{case_id}/presentations/{presentation_id}/senior")
def hand_over(request: Request, db: Db, me: Me, form: Sent, case_id: UUID, presentation_id: UUID) -> Response:
    """Ask another senior."""
    _here(db, me, case_id, presentation_id)
    with attempt(db) as tried:
        presentations.hand_over(db, me, presentation_id, senior_id=chosen(form))
    here = f"/cases/{case_id}/presentations/{presentation_id}"
    return see(here) if tried else _page(request, db, me, case_id, presentation_id, tried)


def seniors(db: Tx, me: Actor, language: str) -> list[tuple[str, str]]:
    """Who may countersign for the reader, to choose from: name and title, the last one asked first."""
    return [(str(p.id), f"{in_language(language, p)} {p.title}".strip()) for p in presentations.seniors(db, me)]


def chosen(form: FormData) -> UUID | None:
    """The senior that was chosen; None for none, which the verb refuses."""
    try:
        return UUID(text(form, "senior_id", 40))
    except ValueError:
        return None


def _page(request: Request, db: Tx, me: Actor, case_id: UUID, presentation_id: UUID, tried: Attempt, words: str = "") -> Response:
    case, item = cases.get(db, me, case_id), _here(db, me, case_id, presentation_id)
    row, language = item.presentation, language_of(request)
    when, mine = Clock(language, me.time_zone), row.author_id == me.person_id
    waits = row.state == "waiting" and (case.state != "closed" or row.addendum_to is not None)
    # of the same author, for the same: a later one takes its place
    same = [one.presentation for one in presentations.for_case(db, me, case_id)]
    last = [one for one in same if (one.author_id, one.addendum_to) == (row.author_id, row.addendum_to)][-1]
    context: dict[str, Any] = {
        **banner(request, db, me, case),
        "item": item,
        "beside": means.of(db, me.person_id) if me.person_id else None,
        "tried": tried,
        "words": words,
        "may_give": waits and item.lies_with == me.person_id and not mine,
        "waits": waits,
        "contact": questions.contact(db, item.lies_with) if waits and item.lies_with != me.person_id else None,
        "seniors": seniors(db, me, language) if waits and mine else [],
        "reopened": row.state == "returned" and mine and last.id == row.id,
        **beside.of(db, me, case, when),
    }
    return render(request, "case/presentation.html", status=tried.status, **context)


def _here(db: Tx, me: Actor, case_id: UUID, presentation_id: UUID) -> Presented:
    """The presentation, of this case."""
    item = presentations.get(db, me, presentation_id)
    if item.presentation.case_id != case_id:
        raise NotFound("opinion-not-found")
    return item
