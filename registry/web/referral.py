"""Asking another hospital, and answering: allocate, acknowledge, decline, take back. And consents."""

from collections.abc import Sequence, Set
from functools import partial
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from auth import blinding, people
from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Denied, Invalid, NotFound
from registry import cases, consents, independence, outgoing, questions, referrals, rosters, scans
from registry.cases import Case
from registry.duty import Duty
from registry.forms.amputation import SEVERED
from registry.outgoing import Referral
from registry.states import REFERRAL_OPEN
from registry.web.case import banner
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, text
from registry.web.pages import in_language, label, render, see
from registry.web.timeline import because
from registry.web.translations import has, language_of, translate

router = APIRouter(include_in_schema=False)
NOTHING = FormData()
TICKS = ("sees_identity", "independent", *(f"consent_{purpose}" for purpose in consents.NEEDED_TO_REFER))
WORDS = ("question", "reason", "specialty", "rank", "to_organisation_id", "without_agreement", "without_consent", "giver", "client_key")


@router.get("/cases/{case_id}/refer")
def ask(request: Request, db: Db, me: Me, case_id: UUID, specialty: str = "hand_surgery", to_organisation_id: str = "") -> Response:
    """The question and to whom; for another specialty other people are on duty."""
    values = dict.fromkeys(WORDS, "") | {"specialty": specialty, "rank": "any", "giver": "patient", "client_key": str(ids.new())}
    values["to_organisation_id"] = to_organisation_id
    return _form(request, db, me, case_id, values, Attempt())


@router.post("/cases/{case_id}/refer")
def request_(request: Request, db: Db, me: Me, form: Sent, case_id: UUID) -> Response:
    """Send it, or (``look``) show who is on duty first. What the patient agreed to on this page is recorded with it."""
    looking = bool(text(form, "look"))
    with attempt(db) as tried:
        if not looking:
            _request(db, me, form, case_id)
    if tried and not looking:
        return see(f"/cases/{case_id}")
    ticks = {name for name in TICKS if text(form, name)}
    return _form(request, db, me, case_id, {name: text(form, name) for name in WORDS}, tried, ticks)


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
    return see(f"/cases/{case_id}") if tried else _page(request, db, me, case_id, referral_id, tried, form)


@router.post("/cases/{case_id}/referrals/{referral_id}/decline")
def decline(request: Request, db: Db, me: Me, form: Sent, case_id: UUID, referral_id: UUID) -> Response:
    """Say no, with a reason. Who declined may see the case no longer."""
    with attempt(db) as tried:
        referrals.decline(db, me, referral_id, code=text(form, "code"), reason=text(form, "reason"))
    return see("/") if tried else _page(request, db, me, case_id, referral_id, tried, form)


@router.post("/cases/{case_id}/referrals/{referral_id}/withdraw")
def withdraw(request: Request, db: Db, me: Me, form: Sent, case_id: UUID, referral_id: UUID) -> Response:
    """Take the question back."""
    with attempt(db) as tried:
        referrals.withdraw(db, me, referral_id, reason=text(form, "reason"))
    return see(f"/cases/{case_id}") if tried else _page(request, db, me, case_id, referral_id, tried, form)


@router.post("/cases/{case_id}/blinding/end")
def unblind(db: Db, me: Me, case_id: UUID) -> Response:
    """Let the experts asked read each other from now on."""
    independence.end(db, me, case_id)
    return see(f"/cases/{case_id}#opinion")


@router.get("/cases/{case_id}/consents")
def consent(request: Request, db: Db, me: Me, case_id: UUID) -> Response:
    """What the patient agreed to, purpose by purpose."""
    return consents_page(request, db, me, case_id, Attempt())


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
    return see(f"/cases/{case_id}/consents") if tried else consents_page(request, db, me, case_id, tried, form)


def _request(db: Tx, me: Actor, form: FormData, case_id: UUID) -> None:
    for purpose in consents.NEEDED_TO_REFER:
        if text(form, f"consent_{purpose}"):
            consents.record(db, me, case_id=case_id, purpose=purpose, statement="give", giver=text(form, "giver") or "patient")
    hospital, expert = chosen(form)
    if hospital is None:
        raise Invalid("form-invalid", fields={"to_organisation_id": "field-required"})
    referrals.request(
        db,
        me,
        case_id=case_id,
        to_organisation_id=hospital,
        expert_id=expert,
        question=text(form, "question"),
        reason=text(form, "reason"),
        specialty=text(form, "specialty"),
        rank=text(form, "rank"),
        sees_identity=bool(text(form, "sees_identity")),
        independent=bool(text(form, "independent")),
        without_agreement=text(form, "without_agreement"),
        without_consent=text(form, "without_consent"),
        client_key=text(form, "client_key", 64) or None,
    )


def _form(
    request: Request, db: Tx, me: Actor, case_id: UUID, values: dict[str, str], tried: Attempt, ticks: Set[str] = frozenset()
) -> Response:
    case = cases.reach(db, me, case_id, "case:refer")
    cases.seen(db, me, case)
    language = language_of(request)
    there = whom(db, me, language, values["specialty"])
    if len(there["hospitals"]) == 1 and not values["to_organisation_id"]:
        values = values | {"to_organisation_id": there["hospitals"][0][0]}
    context: dict[str, Any] = {
        **banner(request, db, me, case),
        **there,
        "values": values,
        "tried": tried,
        "ticks": ticks,
        "missing": consents.missing(db, case),
        "named": [_place(language, field) for field in tried.errors if "." in field],
        "severed": case.kind in SEVERED,
        "blinded": blinding.standing(db, case.id),
        "guided": case.state == "draft",
    }
    return render(request, "case/refer.html", status=tried.status, **context)


def whom(db: Tx, me: Actor, language: str, specialty: str) -> dict[str, Any]:
    """What ``case/whom.html`` offers: the other hospitals, with who is on duty there for the specialty, and whom to ask for an agreement."""
    found = referrals.hospitals(db, me)
    return {
        "hospitals": [(str(h.id), in_language(language, h), stands) for h, stands in found],
        "on_duty": {str(h.id): on_duty for h, stands in found if stands and (on_duty := _on_duty(db, me, h.id, specialty))},
        "administrators": [(in_language(language, one), one.phone) for one in people.members(db, me.organisation_id, "administrator")],
        "person_name": partial(in_language, language),
    }


def chosen(form: FormData) -> tuple[UUID | None, UUID | None]:
    """The hospital that was chosen, and the expert on duty there when it goes straight to them. Raises Invalid for what is no choice."""
    hospital, _, expert = text(form, "to_organisation_id", 80).partition(":")
    field = "to_organisation_id"
    return _uuid(hospital, field) if hospital else None, _uuid(expert, field) if expert else None


def _on_duty(db: Tx, me: Actor, organisation_id: UUID, specialty: str) -> Duty | None:
    """Who is on duty for a specialty at another hospital; None where it has no roster for it, or nobody able."""
    try:
        duty = rosters.ask(db, me, organisation_id=organisation_id, role="expert", specialty=specialty)
    except (NotFound, Denied):
        return None
    return duty if duty.people else None


def _page(request: Request, db: Tx, me: Actor, case_id: UUID, referral_id: UUID, tried: Attempt, sent: FormData = NOTHING) -> Response:
    case, asked = cases.get(db, me, case_id), referrals.get(db, me, referral_id)
    row, language = asked.referral, language_of(request)
    if row.case_id != case_id:
        raise NotFound("referral-not-found")
    context = banner(request, db, me, case)
    may_do = context["may_do"]
    invited = me.organisation_id == row.to_organisation_id
    mine, called = row.expert_id == me.person_id, me.person_id in asked.called
    context |= {
        "asked": asked,
        "waiting": questions.waiting_for(db, row),
        "tried": tried,
        "sent": {name: text(sent, name) for name in ("code", "reason")},
        "chosen": text(sent, "expert_id") or str(row.expert_id),
        "because": partial(because, language),
        "experts": [
            (str(p.id), in_language(language, p), label(language, "specialty", p.specialty) if p.specialty else "")
            for p in (people.members(db, me.organisation_id, "expert") if invited and "referral:allocate" in may_do else [])
        ],
        "may_allocate": invited and "referral:allocate" in may_do and _may_go_on(db, case, row),
        "may_decline": invited and row.state in REFERRAL_OPEN and (mine or "referral:allocate" in may_do),
        "may_acknowledge": called or (mine and row.state in ("allocated", "escalated") and row.acknowledged_at is None),
        "may_withdraw": "referral:withdraw" in may_do and row.state in REFERRAL_OPEN | {"declined"},
    }
    return render(request, "case/referral.html", status=tried.status, **context)


def _may_go_on(db: Tx, case: Case, row: Referral) -> bool:
    """Whether somebody may still be given the question: it is open, or was declined and the hospital has not been asked anew."""
    declined = row.state == "declined" and outgoing.still_out(db, case.id, row.to_organisation_id) is None
    return case.state != "closed" and (row.open or declined)


def consents_page(
    request: Request, db: Tx, me: Actor, case_id: UUID, tried: Attempt, sent: FormData = NOTHING, covers: Sequence[str] = ()
) -> Response:
    """The consents of a case, with what was typed."""
    case = cases.reach(db, me, case_id, "consent:write")
    context: dict[str, Any] = {
        **banner(request, db, me, case),
        "standing": consents.standing(db, me, case_id),
        "tried": tried,
        "sent": {name: text(sent, name) for name in ("purpose", "giver", "note")},
        "sheets": scans.of_case(db, me, case),
        "covers": covers,
    }
    return render(request, "case/consents.html", status=tried.status, **context)


def _place(language: str, field: str) -> str:
    """Where words stand that name the patient: ``injury.note``, ``message.2``, ``question.1``."""
    kind, _, name = field.partition(".")
    if kind == "message":
        return translate(language, "refer-named-message", number=name)
    if kind == "question":
        return translate(language, "refer-named-question", number=name)
    if kind == "decision":
        return translate(language, "refer-named-decision", number=name)
    if name == "reason":
        return f"{translate(language, f'entry-{kind}')}: {translate(language, 'entry-reason-title')}"
    key = f"form-{kind}-{name.replace('_', '-')}"
    return (
        f"{translate(language, f'entry-{kind}')}: {translate(language, key)}" if has(language, key) else translate(language, "record-title")
    )


def _id(form: FormData, name: str) -> UUID:
    return _uuid(text(form, name, 40), name)


def _uuid(told: str, name: str) -> UUID:
    try:
        return UUID(told)
    except ValueError:
        raise Invalid("form-invalid", fields={name: "field-required"}) from None
