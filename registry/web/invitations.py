"""Invitations on pages: made by an administrator into their hospital, by a surgeon to a case, and accepted by whoever has the code.

The code travels in the body of a form, never in an address, and is shown once to whoever made the invitation, with a
letter ready to be sent that says where to type it and nothing about a patient. Whoever accepts one may be of any
hospital or none: those requests act as the system.
"""

from typing import Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from auth import agreements, enrolments, invitations, organisations, people, rules, secret
from auth.invitations import Invitation
from auth.people import Person
from auth.proofs import Refused
from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Invalid, NotFound
from registry import cases, invited
from registry.cases import Case
from registry.web.case import banner
from registry.web.edge import Db, Machinery, Me, Negotiator, Newcomer, Visitor
from registry.web.forms import Attempt, Sent, attempt, text
from registry.web.moments import Clock
from registry.web.pages import in_language, render, see
from registry.web.people import GIVEN_HERE
from registry.web.translations import LANGUAGES, language_of, translate
from registry.web.who import Names

router = APIRouter(include_in_schema=False)
NEW = ("login", "name", "name_en")


# --- into one's own hospital ----------------------------------------------------------------------------


@router.get("/hospital/invitations")
def listed(request: Request, db: Db, me: Me) -> Response:
    """The invitations of the hospital, and the form of a new one."""
    return _hospital(request, db, me, Attempt())


@router.post("/hospital/invitations")
def invite(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Invite an address; the code is shown this once."""
    letter = None
    with attempt(db) as tried:
        roles = [value for value in form.getlist("roles") if isinstance(value, str)]
        letter = _letter(request, db, me, *invitations.invite(db, me, email=text(form, "email"), roles=roles))
    return _hospital(request, db, me, tried, form, letter)


@router.post("/hospital/invitations/{invitation_id}/withdraw")
def withdraw(request: Request, db: Db, me: Me, invitation_id: UUID) -> Response:
    """Take one back."""
    with attempt(db) as tried:
        invitations.withdraw(db, me, invitation_id)
    return see("/hospital/invitations") if tried else _hospital(request, db, me, tried)


# --- to a case --------------------------------------------------------------------------------------------


@router.get("/cases/{case_id}/invite")
def ask(request: Request, db: Db, me: Me, case_id: UUID) -> Response:
    """The invitations to a case, and the form of a new one."""
    return _case(request, db, me, case_id, Attempt())


@router.post("/cases/{case_id}/invite")
def invite_to_case(request: Request, db: Db, me: Me, form: Sent, case_id: UUID) -> Response:
    """Invite a further expert; the code is shown this once."""
    letter = None
    with attempt(db) as tried:
        made = invited.invite(db, me, case_id, to_organisation_id=_hospital_id(form), email=text(form, "email"))
        letter = _letter(request, db, me, *made)
    return _case(request, db, me, case_id, tried, form, letter)


@router.post("/cases/{case_id}/invitations/{invitation_id}/withdraw")
def withdraw_from_case(request: Request, db: Db, me: Me, case_id: UUID, invitation_id: UUID) -> Response:
    """Take one back."""
    with attempt(db) as tried:
        invited.withdraw(db, me, case_id, invitation_id)
    return see(f"/cases/{case_id}/invite") if tried else _case(request, db, me, case_id, tried)


# --- whoever has the code ---------------------------------------------------------------------------------


@router.get("/invitation")
def enter(request: Request, me: Visitor) -> Response:
    """Where a code is typed."""
    return render(request, "invitation/enter.html", tried=Attempt())


@router.post("/invitation")
def look(request: Request, db: Machinery, me: Newcomer, form: Sent) -> Response:
    """What a code is an invitation to, and the ways to accept it."""
    return _offered(request, db, form, Attempt())


@router.post("/invitation/accept")
def accept(request: Request, db: Machinery, me: Negotiator, form: Sent) -> Response:
    """Accept with the account one has."""
    code = text(form, "invitation", 200)
    answer: Invitation | Case | Refused | None = None
    try:
        with attempt(db) as tried:
            to_case = invitations.find(db, code).case_id is not None
            answer = invited.accept(db, me, code) if to_case else invitations.accept(db, me, code)
    except NotFound:
        return _unknown(request)
    if isinstance(answer, Refused):
        tried.code, tried.status = answer.code, 409
    if not tried or answer is None or isinstance(answer, Refused):
        return _offered(request, db, form, tried)
    return see(f"/cases/{answer.id}" if isinstance(answer, Case) else "/account")


@router.post("/invitation/new")
def accept_new(request: Request, db: Machinery, me: Newcomer, form: Sent) -> Response:
    """Accept with a new account; a secret to set up the password and authenticator with is shown this once."""
    answer: tuple[Person, str] | Refused = Refused("form-invalid")
    said = {name: text(form, name) for name in NEW}
    try:
        with attempt(db) as tried:
            language = language_of(request)
            language = language if language in LANGUAGES else "zh"
            answer = invitations.accept_new(db, text(form, "invitation", 200), language=language, **said)
    except NotFound:
        return _unknown(request)
    if not tried:
        return _offered(request, db, form, tried)
    if isinstance(answer, Refused):
        tried.refuse(**{"login" if answer.code == "login-taken" else "email": answer.code})
        return _offered(request, db, form, tried)
    person, plain = answer
    context: dict[str, Any] = {
        "person": person,
        "secret": secret.grouped(plain),
        "enrol_at": _at(request, "enrol"),
        "days": enrolments.LIFE.days,
    }
    return render(request, "invitation/made.html", **context)


# --- inside -----------------------------------------------------------------------------------------------


def _at(request: Request, page: str) -> str:
    return f"{request.app.state.base_url}/{page}"


def _letter(request: Request, db: Tx, me: Actor, invitation: Invitation, plain: str) -> dict[str, Any]:
    """The code, and the mail that brings it to the invited: the address of the page, the code, until when. No more."""
    language = language_of(request)
    until = Clock(language, me.time_zone).exact(invitation.expires_at)
    hospital = in_language(language, organisations.get(db, me.organisation_id))
    code = secret.grouped(plain)
    subject = translate(language, "invitation-mail-subject", hospital=hospital)
    body = translate(language, "invitation-mail-body", hospital=hospital, address=_at(request, "invitation"), code=code, until=until)
    mailto = f"mailto:{quote(invitation.email, safe='@')}?subject={quote(subject)}&body={quote(body)}"
    return {"email": invitation.email, "code": code, "mailto": mailto, "until": until}


def _told(request: Request, db: Tx, rows: list[Invitation]) -> list[dict[str, Any]]:
    names, now = Names(db, language_of(request)), ids.now()
    return [
        {
            "row": row,
            "state": row.state(now),
            "by": names.person(row.made_by),
            "hospital": names.hospital(row.to_organisation_id),
            "accepted_by": names.person(row.accepted_by) if row.accepted_by else "",
        }
        for row in rows
    ]


def _hospital(
    request: Request, db: Tx, me: Actor, tried: Attempt, form: FormData | None = None, letter: dict[str, Any] | None = None
) -> Response:
    told = _told(request, db, invitations.listed(db, me))
    again = form if form is not None and not tried else FormData()
    chosen = [value for value in again.getlist("roles") if isinstance(value, str)]
    context: dict[str, Any] = {"invitations": told, "letter": letter, "email": text(again, "email"), "chosen": chosen, "roles": GIVEN_HERE}
    return render(request, "hospital/invitations.html", status=tried.status, tried=tried, **context)


def _case(
    request: Request,
    db: Tx,
    me: Actor,
    case_id: UUID,
    tried: Attempt,
    form: FormData | None = None,
    letter: dict[str, Any] | None = None,
) -> Response:
    case, language = cases.reach(db, me, case_id, "case:refer"), language_of(request)
    partners = [(str(one.id), in_language(language, one)) for one in agreements.partners(db, me.organisation_id, ids.now())]
    again = form if form is not None and not tried else FormData()
    places = {place: code for place, code in tried.errors.items() if place not in ("email", "to_organisation_id")}
    context = banner(request, db, me, case) | {
        "invitations": _told(request, db, invited.for_case(db, me, case_id)),
        "letter": letter,
        "partners": partners,
        "to": text(again, "to_organisation_id", 40),
        "email": text(again, "email"),
        "places": places,
    }
    return render(request, "case/invite.html", status=tried.status, tried=tried, **context)


def _hospital_id(form: FormData) -> UUID:
    try:
        return UUID(text(form, "to_organisation_id", 40))
    except ValueError:
        raise Invalid("form-invalid", fields={"to_organisation_id": "field-required"}) from None


def _unknown(request: Request) -> Response:
    tried = Attempt()
    tried.code, tried.status = "invitation-not-found", 404
    return render(request, "invitation/enter.html", status=404, tried=tried)


def _offered(request: Request, db: Tx, form: FormData, tried: Attempt) -> Response:
    """What stands behind the code, for whoever holds it: the hospitals, the roles, the address."""
    code = text(form, "invitation", 200)
    try:
        invitation = invitations.find(db, code)
    except NotFound:
        return _unknown(request)
    names = Names(db, language_of(request))
    me: Actor | None = request.state.actor
    roles = [role for role in rules.ROLES if role in invitation.roles]
    mine = db.get_one(Person, me.person_id) if me is not None and me.person_id is not None else None
    context: dict[str, Any] = {
        "invitation": invitation,
        "code": code,
        "by": names.person(invitation.made_by),
        "hospital": names.hospital(invitation.organisation_id),
        "there": names.hospital(invitation.to_organisation_id),
        "roles": roles,
        "fits": mine is not None and mine.email == invitation.email,
        "values": {name: text(form, name) for name in NEW} | ({} if "login" in form else {"login": _suggested(invitation.email)}),
    }
    return render(request, "invitation/offered.html", status=tried.status, tried=tried, **context)


def _suggested(email: str) -> str:
    """A sign-in name out of an address, where it makes one."""
    login = email.partition("@")[0]
    return login if people.LOGIN.fullmatch(login) else ""
