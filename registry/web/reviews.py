"""A trainee's entry before a senior of the same hospital: the whole of it, to countersign or to return with words."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from core.actor import Actor
from core.db import Tx
from core.errors import NotFound
from registry import entries, reviews
from registry.forms import shown
from registry.reviews import Reviewed
from registry.web.case import banner
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, text
from registry.web.pages import render, see

router = APIRouter(include_in_schema=False)


@router.get("/cases/{case_id}/reviews/{entry_id}")
def show(request: Request, db: Db, me: Me, case_id: UUID, entry_id: UUID) -> Response:
    """What was entered, and how it stands."""
    return _page(request, db, me, case_id, entry_id, Attempt())


@router.post("/cases/{case_id}/reviews/{entry_id}/countersign")
def countersign(request: Request, db: Db, me: Me, case_id: UUID, entry_id: UUID) -> Response:
    """Countersign this version."""
    _here(db, me, case_id, entry_id)
    with attempt(db) as tried:
        reviews.countersign(db, me, entry_id)
    return see(f"/cases/{case_id}#record") if tried else _page(request, db, me, case_id, entry_id, tried)


@router.post("/cases/{case_id}/reviews/{entry_id}/return")
def give_back(request: Request, db: Db, me: Me, form: Sent, case_id: UUID, entry_id: UUID) -> Response:
    """Return it with words."""
    _here(db, me, case_id, entry_id)
    words = text(form, "words")
    with attempt(db) as tried:
        reviews.give_back(db, me, entry_id, words=words)
    return see(f"/cases/{case_id}#record") if tried else _page(request, db, me, case_id, entry_id, tried, words)


def _page(request: Request, db: Tx, me: Actor, case_id: UUID, entry_id: UUID, tried: Attempt, words: str = "") -> Response:
    found = _here(db, me, case_id, entry_id)
    context: dict[str, Any] = {
        **banner(request, db, me, found.case),
        "item": found.item,
        "view": shown.view(found.item.document, all_fields=True, units=entries.units(entries.recorded(db, found.case))),
        "said": reviews.said(db, me, found.case, [entry_id]),
        "may_give": found.mine and found.item.review is not None and found.item.review.state == "waiting",
        "tried": tried,
        "words": words,
    }
    return render(request, "case/review.html", status=tried.status, **context)


def _here(db: Tx, me: Actor, case_id: UUID, entry_id: UUID) -> Reviewed:
    """The version, of this case."""
    found = reviews.get(db, me, entry_id)
    if found.case.id != case_id:
        raise NotFound("entry-not-found")
    return found
