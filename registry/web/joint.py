"""Joint opinions: one expert writes it beside the opinions it joins; each of the others reads it and joins, or says why not."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from auth import means
from auth.proofs import Refused
from core.actor import Actor
from core.db import Tx
from core.errors import NotFound
from registry import cases, joint, opinions
from registry.cases import Case
from registry.drafts import Draft
from registry.forms import shown
from registry.forms.opinion import JointText
from registry.opinions import Signed
from registry.web import beside
from registry.web.case import banner
from registry.web.edge import Db, Me
from registry.web.entries import kept
from registry.web.forms import Attempt, Sent, attempt, number, raw, text
from registry.web.moments import Clock
from registry.web.pages import render, see
from registry.web.sign_in import signing, with_session
from registry.web.translations import language_of

router = APIRouter(include_in_schema=False)


@router.get("/cases/{case_id}/joint")
def ask(request: Request, db: Db, me: Me, case_id: UUID) -> Response:
    """The form beside the pictures, under the opinions it joins."""
    return _form(request, db, me, cases.get(db, me, case_id), joint.draft(db, me, case_id), Attempt())


@router.post("/cases/{case_id}/joint/draft")
def save(request: Request, db: Db, me: Me, form: Sent, case_id: UUID) -> Response:
    """Keep what was written so far."""
    typed, version = raw(JointText, form), number(form, "version")
    return kept(request, form, case_id, lambda _: joint.save(db, me, case_id, typed, version=version))


@router.post("/cases/{case_id}/joint")
def sign(request: Request, db: Db, me: Me, form: Sent, case_id: UUID) -> Response:
    """Sign what the form holds. A wrong code leaves everything as it was written."""
    case, seen = cases.reach(db, me, case_id, "opinion:write"), text(form, "subject", 64) or None
    draft = joint.save(db, me, case_id, raw(JointText, form))
    again, tried = signing(request, db, me, form)
    if isinstance(again, Refused):
        return _form(request, db, me, case, draft, tried)
    with attempt(db) as tried:
        joint.sign(db, again.actor, case_id, subject=seen)
    return with_session(see(f"/cases/{case_id}#opinion") if tried else _form(request, db, me, case, draft, tried), again.cookie)


@router.get("/cases/{case_id}/joint/{opinion_id}")
def read(request: Request, db: Db, me: Me, case_id: UUID, opinion_id: UUID) -> Response:
    """What the reader is asked to join."""
    return _page(request, db, me, case_id, opinion_id, Attempt())


@router.post("/cases/{case_id}/joint/{opinion_id}/join")
def join(request: Request, db: Db, me: Me, form: Sent, case_id: UUID, opinion_id: UUID) -> Response:
    """Join it, with a code of the moment or a passkey."""
    _here(db, me, case_id, opinion_id)
    again, tried = signing(request, db, me, form)
    if isinstance(again, Refused):
        return _page(request, db, me, case_id, opinion_id, tried)
    with attempt(db) as tried:
        joint.join(db, again.actor, opinion_id)
    answer = see(f"/cases/{case_id}#opinion") if tried else _page(request, db, me, case_id, opinion_id, tried)
    return with_session(answer, again.cookie)


@router.post("/cases/{case_id}/joint/{opinion_id}/decline")
def decline(request: Request, db: Db, me: Me, form: Sent, case_id: UUID, opinion_id: UUID) -> Response:
    """Say why not."""
    _here(db, me, case_id, opinion_id)
    words = text(form, "words")
    with attempt(db) as tried:
        joint.decline(db, me, opinion_id, words=words)
    return see(f"/cases/{case_id}#opinion") if tried else _page(request, db, me, case_id, opinion_id, tried, words)


def _form(request: Request, db: Tx, me: Actor, case: Case, draft: Draft, tried: Attempt) -> Response:
    when = Clock(language_of(request), me.time_zone)
    context: dict[str, Any] = {
        **banner(request, db, me, case),
        "draft": draft,
        "another": tried.code == "opinion-patient-changed" or draft.subject not in ("", case.subject),
        "form": shown.describe(draft.model, draft.raw, zone=me.time_zone, errors=tried.errors),
        "joins": joint.to_join(me, opinions.for_case(db, me, case.id)),
        "tried": tried,
        **beside.of(db, me, case, when),
        "beside": means.of(db, me.person_id) if me.person_id else None,
    }
    return render(request, "case/joint.html", status=tried.status, **context)


def _page(request: Request, db: Tx, me: Actor, case_id: UUID, opinion_id: UUID, tried: Attempt, words: str = "") -> Response:
    case, item = cases.get(db, me, case_id), _here(db, me, case_id, opinion_id)
    when = Clock(language_of(request), me.time_zone)
    own = [one.joining.state for one in item.joined if one.joining.person_id == me.person_id]
    context: dict[str, Any] = {
        **banner(request, db, me, case),
        "item": item,
        "may_join": case.state != "closed" and own in (["asked"], ["declined"]),
        "may_decline": case.state != "closed" and own == ["asked"],
        "tried": tried,
        "words": words,
        **beside.of(db, me, case, when),
        "beside": means.of(db, me.person_id) if me.person_id else None,
    }
    return render(request, "case/joining.html", status=tried.status, **context)


def _here(db: Tx, me: Actor, case_id: UUID, opinion_id: UUID) -> Signed:
    """The joint opinion, of this case."""
    item = opinions.get(db, me, opinion_id)
    if item.opinion.case_id != case_id or not item.joined:
        raise NotFound("opinion-not-found")
    return item
