"""Writing, signing and checking an opinion, and the local decision on it.

The pictures with their marks stay beside the words. Signing is one act: the words as they stand in the
form, a code of the moment or a passkey, and the button that says what it means.
"""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from auth import means, training
from auth.proofs import Refused
from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Invalid, NotFound
from registry import cases, decisions, opinions, presentations, referrals, verdicts
from registry.cases import Case
from registry.drafts import Draft
from registry.forms import shown
from registry.forms.opinion import AddendumText, OpinionText
from registry.web import beside
from registry.web import presentations as before_senior
from registry.web.case import banner
from registry.web.edge import Db, Me
from registry.web.entries import kept
from registry.web.forms import Attempt, Sent, attempt, number, raw, text
from registry.web.moments import Clock
from registry.web.pages import render, see
from registry.web.sign_in import signing, with_session
from registry.web.translations import language_of

router = APIRouter(include_in_schema=False)


@router.get("/cases/{case_id}/opinion")
def ask(request: Request, db: Db, me: Me, case_id: UUID, addendum: UUID | None = None) -> Response:
    """The form beside the pictures."""
    draft = opinions.draft(db, me, case_id, addendum_to=addendum)
    return _page(request, db, me, cases.get(db, me, case_id), draft, Attempt())


@router.post("/cases/{case_id}/opinion/draft")
def save(request: Request, db: Db, me: Me, form: Sent, case_id: UUID) -> Response:
    """Keep what was written so far."""
    about = _about(form)
    typed, version = _raw(form, about), number(form, "version")
    return kept(request, form, case_id, lambda _: opinions.save(db, me, case_id, typed, addendum_to=about, version=version))


@router.post("/cases/{case_id}/opinion")
def sign(request: Request, db: Db, me: Me, form: Sent, case_id: UUID) -> Response:
    """Sign what the form holds. A wrong code leaves everything as it was written."""
    about, seen = _about(form), text(form, "subject", 64) or None
    case = cases.reach(db, me, case_id, "opinion:write")
    draft = opinions.save(db, me, case_id, _raw(form, about), addendum_to=about)
    again, tried = signing(request, db, me, form)
    if isinstance(again, Refused):
        return _page(request, db, me, case, draft, tried, text(form, "senior_id"))
    with attempt(db) as tried:
        if _learns(db, me):
            presentations.present(db, again.actor, case_id, senior_id=before_senior.chosen(form), addendum_to=about, subject=seen)
        else:
            opinions.sign(db, again.actor, case_id, addendum_to=about, subject=seen)
    answer = see(f"/cases/{case_id}#opinion") if tried else _page(request, db, me, case, draft, tried, text(form, "senior_id"))
    return with_session(answer, again.cookie)


@router.get("/cases/{case_id}/opinions/{opinion_id}")
def check(request: Request, db: Db, me: Me, case_id: UUID, opinion_id: UUID) -> Response:
    """A signed opinion to print, with the outcome of checking it."""
    case = cases.get(db, me, case_id)
    verdict = verdicts.verify(db, me, opinion_id)
    item = opinions.whole(db, me, case_id, opinion_id)
    return render(request, "case/opinion_check.html", item=item, verdict=verdict, **banner(request, db, me, case))


@router.get("/cases/{case_id}/decision")
def weigh(request: Request, db: Db, me: Me, case_id: UUID, opinion: UUID | None = None, choice: str = "") -> Response:
    """The opinion, and what the treating side makes of it."""
    values = {"choice": choice, "reason": "", "client_key": str(ids.new())}
    return _decision(request, db, me, case_id, opinion, values, Attempt())


@router.post("/cases/{case_id}/decision")
def decide(request: Request, db: Db, me: Me, form: Sent, case_id: UUID) -> Response:
    """Record the decision."""
    values = {name: text(form, name) for name in ("choice", "reason", "client_key")}
    opinion = _id(form, "opinion")
    with attempt(db) as tried:
        if opinion is None:
            raise Invalid("form-invalid", fields={"choice": "field-required"})
        key = values["client_key"][:64] or None
        decisions.record(db, me, case_id=case_id, opinion_id=opinion, choice=values["choice"], reason=values["reason"], client_key=key)
    return see(f"/cases/{case_id}") if tried else _decision(request, db, me, case_id, opinion, values, tried)


def _page(request: Request, db: Tx, me: Actor, case: Case, draft: Draft, tried: Attempt, senior: str = "") -> Response:
    when = Clock(language_of(request), me.time_zone)
    mine = [a for a in referrals.for_case(db, me, case.id) if a.referral.expert_id == me.person_id or me.person_id in a.called]
    learns = _learns(db, me)
    seniors = before_senior.seniors(db, me, language_of(request)) if learns else []
    own = [
        item
        for item in presentations.for_case(db, me, case.id)
        if (item.presentation.author_id, item.presentation.addendum_to) == (me.person_id, draft.about)
    ]
    context: dict[str, Any] = {
        **banner(request, db, me, case),
        "learns": learns,
        "seniors": seniors,
        "senior": senior or (seniors[0][0] if seniors else ""),
        "presented": own[-1] if own else None,
        "draft": draft,
        "another": tried.code == "opinion-patient-changed" or draft.subject not in ("", case.subject),
        "form": shown.describe(draft.model, draft.raw, zone=me.time_zone, errors=tried.errors),
        "tried": tried,
        **beside.of(db, me, case, when),
        "asked": mine[-1] if mine else None,
        "beside": means.of(db, me.person_id) if me.person_id else None,
    }
    return render(request, "case/opinion.html", status=tried.status, **context)


def _decision(request: Request, db: Tx, me: Actor, case_id: UUID, opinion: UUID | None, values: dict[str, str], tried: Attempt) -> Response:
    case = cases.reach(db, me, case_id, "decision:write")
    signed = opinions.for_case(db, me, case_id)
    item = next((s for s in signed if s.opinion.id == opinion), signed[-1] if signed else None)
    if item is None:
        raise NotFound("opinion-not-found")
    context = {**banner(request, db, me, case), "item": item, "values": values, "tried": tried}
    return render(request, "case/decision.html", status=tried.status, **context)


def _raw(form: FormData, about: UUID | None) -> dict[str, str | list[str]]:
    return raw(AddendumText if about else OpinionText, form)


def _about(form: FormData) -> UUID | None:
    return _id(form, "addendum")


def _id(form: FormData, name: str) -> UUID | None:
    told = text(form, name, 40)
    try:
        return UUID(told) if told else None
    except ValueError:
        raise NotFound("opinion-not-found") from None


def _learns(db: Tx, me: Actor) -> bool:
    return training.in_training(db, me.person_id, me.organisation_id)
