"""Invited: a further expert of a partner hospital, let into one case by an invitation.

A referral puts the question to a hospital; an invitation adds one expert there by name of their address, to a case
that has been referred, and shows them no identity. Whoever may refer the case makes it. What holds when it is made
has to hold when it is accepted: the inviter may still refer the case, the case is not closed, the agreement is in
force, the consents stand, and no word of the case names the patient. The expert is let in as long as by a referral.
"""

from uuid import UUID

from auth import agreements, grants, invitations
from auth.invitations import Invitation
from auth.proofs import Refused
from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Denied, Invalid, NotFound
from registry import cases, consents, disclosure, notices
from registry.cases import Case
from registry.referrals import ACCESS

ROLE = "expert"


def invite(db: Tx, actor: Actor, case_id: UUID, *, to_organisation_id: UUID, email: str) -> tuple[Invitation, str]:
    """Invite an expert of a partner hospital to a case; gives the row and the code, shown this once.

    Needs ``case:refer`` and a step-up. Raises NotFound, Denied, StepUpNeeded, Conflict for a case that was not
    referred yet or is closed or whose consents are missing, and Invalid: ``referral-no-agreement``, a wrong address,
    and words that name the patient, by place (`disclosure.screen`).
    """
    case = cases.reach(db, actor, case_id, "case:refer")
    cases.hold(db, case)
    wrong = {}
    if to_organisation_id == case.organisation_id or not _agreed(db, case, to_organisation_id):
        wrong["to_organisation_id"] = "referral-no-agreement"
    _check(db, case)
    if not wrong:
        disclosure.screen(db, case, to_organisation_id, {})
    return invitations.make(
        db, actor, email=email, roles=[ROLE], to_organisation_id=to_organisation_id, case_id=case.id, wrong=wrong
    )  # fmt: skip


def for_case(db: Tx, actor: Actor, case_id: UUID) -> list[Invitation]:
    """The invitations to a case, newest first, for who may refer it. Recorded as reading the case."""
    case = cases.reach(db, actor, case_id, "case:refer")
    cases.seen(db, actor, case)
    return invitations.for_case(db, case.id)


def withdraw(db: Tx, actor: Actor, case_id: UUID, invitation_id: UUID) -> Invitation:
    """Take an invitation to a case back. Raises NotFound, Denied, and Conflict when it has ended."""
    case = cases.reach(db, actor, case_id, "case:refer")
    invitation = db.get(Invitation, invitation_id)
    if invitation is None or invitation.case_id != case.id:
        raise NotFound("invitation-not-found")
    return invitations.end(db, actor, invitation, "withdrawn")


def accept(db: Tx, actor: Actor, plain: str) -> Case | Refused:
    """Accept an invitation to a case: the actor, an expert of the invited hospital with the invited address, is let in.

    Refused ``invitation-other-address`` or ``invitation-other-hospital``. Raises NotFound for a code that is good for
    nothing, or no longer because the inviter may not refer the case, Denied, and Conflict ``invitation-over`` when the case
    has moved on, ``invitation-not-ready`` while its words would name the patient.
    """
    invitation = invitations.find(db, plain)
    if invitation.case_id is None:
        raise NotFound("invitation-not-found")
    if (wrong := invitations.check_address(db, actor, invitation)) is not None:
        return wrong
    if actor.organisation_id != invitation.to_organisation_id or ROLE not in actor.roles:
        return Refused("invitation-other-hospital")
    inviter = invitations.inviter(db, invitation)
    try:
        case = cases.reach(db, inviter, invitation.case_id, "case:refer")
    except Denied:
        raise NotFound("invitation-not-found") from None
    cases.hold(db, case)
    _check_still(db, case, invitation)
    if not any(grant.role == ROLE and grant.person_id == actor.person_id for grant in grants.holding(db, actor, case.id)):
        grants.give(
            db,
            inviter,
            case_id=case.id,
            organisation_id=case.organisation_id,
            grantee_organisation_id=invitation.to_organisation_id,
            role=ROLE,
            person_id=actor.person_id,
            expires_at=ids.now() + ACCESS,
            reason=f"invitation:{invitation.id}",
        )
    invitations.take(db, actor, invitation)
    notices.tell(db, {invitation.made_by}, "invitation-accepted", case)
    return case


def _agreed(db: Tx, case: Case, to_organisation_id: UUID) -> bool:
    return agreements.agreement_between(db, case.organisation_id, to_organisation_id, ids.now()) is not None


def _check(db: Tx, case: Case) -> None:
    if case.state == "draft":
        raise Conflict("invitation-before-referral")
    if case.state == "closed":
        raise Conflict("case-closed")
    if consents.missing(db, case):
        raise Conflict("consent-missing")


def _check_still(db: Tx, case: Case, invitation: Invitation) -> None:
    """What held when it was made; the invited learn no more than that it no longer holds."""
    try:
        _check(db, case)
    except Conflict:
        raise Conflict("invitation-over") from None
    if not _agreed(db, case, invitation.to_organisation_id):
        raise Conflict("invitation-over")
    try:
        disclosure.screen(db, case, invitation.to_organisation_id, {})
    except Invalid:
        raise Conflict("invitation-not-ready") from None
