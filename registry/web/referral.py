"""Asking another hospital, and answering: allocate, acknowledge, decline, take back. And consents."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from auth import people
from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Invalid, NotFound
from registry import cases, consents, questions, referrals
from registry.states import REFERRAL_OPEN
from registry.web.case import banner
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, text
from registry.web.pages import in_language, label, render, see
from registry.web.translations import has, language_of, translate

router = APIRouter(include_in_schema=False)
WORDS = ("question", "reason", "specialty", "rank", "to_organisation_id", "without_agreement", "without_consent", "giver", "client_key")


@router.get("/cases/{case_id}/refer")
def ask(request: Request, db: Db, me: Me, case_id: UUID) -> Response:
    """The question and to whom."""
    values = dict.fromkeys(WORDS, "") | {"specialty": "hand_surgery", "rank": "any", "giver": "patient", "client_key": str(ids.new())}
    return _form(request, db, me, case_id, values, Attempt(), sees_identity=False)


@router.post("/cases/{case_id}/refer")
def request_(request: Request, db: Db, me: Me, form: Sent, case_id: UUID) -> Response:
    """Send it. What the patient agreed to on this page is recorded with it."""
    with attempt(db) as tried:
        _request(db, me, form, case_id)
    if tried:
        return see(f"/cases/{case_id}")
    values = {name: text(form, name) for name in WORDS}
    return _form(request, db, me, case_id, values, tried, sees_identity=bool(text(form, "sees_identity")))


@router.get("/cases/{case_id}/referrals/{referral_id}")
def show(request: Request, db: Db, me: Me, case_id: UUID, referral_id: UUID) -> Response:
    """One question with its steps, and what this reader can do about it."""
    return _page(request, db, me, case_id, referral_id, Attempt())


@router.post("/cases/{case_id}/referrals/{referral_id}/acknowledge")
def acknowledge(db: Db, me: Me, case_id: UUID, referral_id: UUID) -> Response:
    """I have it."""
    referrals.acknowledge(db, me, referral_id)
    return see(f"/cases/{case_id}")


@router.post("/cases/{case_id}/referrals/{referral_id}/allocate")
def allocate(request: Request, db: Db, me: Me, form: Sent, case_id: UUID, referral_id: UUID) -> Response:
    """Give it to an expert."""
    with attempt(db) as tried:
        referrals.allocate(db, me, referral_id, expert_id=_id(form, "expert_id"))
    return see(f"/cases/{case_id}") if tried else _page(request, db, me, case_id, referral_id, tried)


@router.post("/cases/{case_id}/referrals/{referral_id}/decline")
def decline(request: Request, db: Db, me: Me, form: Sent, case_id: UUID, referral_id: UUID) -> Response:
    """Say no, with a reason. Who declined may see the case no longer."""
    with attempt(db) as tried:
        referrals.decline(db, me, referral_id, code=text(form, "code"), reason=text(form, "reason"))
    return see("/") if tried else _page(request, db, me, case_id, referral_id, tried)


@router.post("/cases/{case_id}/referrals/{referral_id}/withdraw")
def withdraw(request: Request, db: Db, me: Me, form: Sent, case_id: UUID, referral_id: UUID) -> Response:
    """Take the question back."""
    with attempt(db) as tried:
        referrals.withdraw(db, me, referral_id, reason=text(form, "reason"))
    return see(f"/cases/{case_id}") if tried else _page(request, db, me, case_id, referral_id, tried)


@router.get("/cases/{case_id}/consents")
def consent(request: Request, db: Db, me: Me, case_id: UUID) -> Response:
    """What the patient agreed to, purpose by purpose."""
    return _consents(request, db, me, case_id, Attempt())


@router.post("/cases/{case_id}/consents")
def record(request: Request, db: Db, me: Me, form: Sent, case_id: UUID) -> Response:
    """Record one statement."""
    with attempt(db) as tried:
        consents.record(
            db,
            me,
            case_id=case_id,
            purpose=text(form, "purpose"),
            statement=text(form, "statement"),
            giver=text(form, "giver") or "patient",
            note=text(form, "note"),
        )
    return see(f"/cases/{case_id}/consents") if tried else _consents(request, db, me, case_id, tried)


def _request(db: Tx, me: Actor, form: FormData, case_id: UUID) -> None:
    for purpose in consents.NEEDED_TO_REFER:
        if text(form, f"consent_{purpose}"):
            consents.record(db, me, case_id=case_id, purpose=purpose, statement="give", giver=text(form, "giver") or "patient")
    referrals.request(
        db,
        me,
        case_id=case_id,
        to_organisation_id=_id(form, "to_organisation_id"),
        question=text(form, "question"),
        reason=text(form, "reason"),
        specialty=text(form, "specialty"),
        rank=text(form, "rank"),
        sees_identity=bool(text(form, "sees_identity")),
        without_agreement=text(form, "without_agreement"),
        without_consent=text(form, "without_consent"),
        client_key=text(form, "client_key", 64) or None,
    )


def _form(request: Request, db: Tx, me: Actor, case_id: UUID, values: dict[str, str], tried: Attempt, *, sees_identity: bool) -> Response:
    case = cases.reach(db, me, case_id, "case:refer")
    cases.seen(db, me, case)
    language = language_of(request)
    hospitals = [(str(h.id), in_language(language, h), stands) for h, stands in referrals.hospitals(db, me)]
    if len(hospitals) == 1 and not values["to_organisation_id"]:
        values = values | {"to_organisation_id": hospitals[0][0]}
    context: dict[str, Any] = {
        **banner(request, db, me, case),
        "values": values,
        "tried": tried,
        "sees_identity": sees_identity,
        "hospitals": hospitals,
        "missing": consents.missing(db, case),
        "named": [_place(language, field) for field in tried.errors if "." in field],
        "severed": case.kind in ("amputation", "devascularised"),
        "guided": case.state == "draft",
    }
    return render(request, "case/refer.html", status=tried.status, **context)


def _page(request: Request, db: Tx, me: Actor, case_id: UUID, referral_id: UUID, tried: Attempt) -> Response:
    case, asked = cases.get(db, me, case_id), referrals.get(db, me, referral_id)
    row, language = asked.referral, language_of(request)
    if row.case_id != case_id:
        raise NotFound("referral-not-found")
    context = banner(request, db, me, case)
    may_do = context["may_do"]
    invited = me.organisation_id == row.to_organisation_id
    mine = row.expert_id == me.person_id
    context |= {
        "asked": asked,
        "waiting": questions.waiting_for(db, row),
        "tried": tried,
        "experts": [
            (str(p.id), in_language(language, p), label(language, "specialty", p.specialty) if p.specialty else "")
            for p in (people.members(db, me.organisation_id, "expert") if invited and "referral:allocate" in may_do else [])
        ],
        "may_allocate": invited and "referral:allocate" in may_do and row.state in REFERRAL_OPEN | {"declined"},
        "may_decline": invited and row.state in REFERRAL_OPEN and (mine or "referral:allocate" in may_do),
        "may_acknowledge": mine and row.state in ("allocated", "escalated") and row.acknowledged_at is None,
        "may_withdraw": "referral:withdraw" in may_do and row.state in REFERRAL_OPEN | {"declined"},
    }
    return render(request, "case/referral.html", status=tried.status, **context)


def _consents(request: Request, db: Tx, me: Actor, case_id: UUID, tried: Attempt) -> Response:
    case = cases.reach(db, me, case_id, "consent:write")
    standing = consents.standing(db, me, case_id)
    return render(request, "case/consents.html", status=tried.status, standing=standing, tried=tried, **banner(request, db, me, case))


def _place(language: str, field: str) -> str:
    """Where words stand that name the patient: ``injury.note``, ``message.2``."""
    kind, _, name = field.partition(".")
    if kind == "message":
        return translate(language, "refer-named-message", number=name)
    key = f"form-{kind}-{name.replace('_', '-')}"
    return (
        f"{translate(language, f'entry-{kind}')}: {translate(language, key)}" if has(language, key) else translate(language, "record-title")
    )


def _id(form: FormData, name: str) -> UUID:
    try:
        return UUID(text(form, name, 40))
    except ValueError:
        raise Invalid("form-invalid", fields={name: "field-required"}) from None
