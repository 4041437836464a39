"""Referrals: a question put to another hospital, and whoever is waited for until it is answered.

Requested by the treating hospital, allocated by a coordinator of the invited one (or addressed straight to
an expert on duty), acknowledged, answered by a signed opinion; or declined with a reason, or withdrawn.
Each step has its clock by urgency, counted from the request; a silent step escalates by itself. Access
follows: a referral gives grants and takes them back. A hospital that says no as a whole is let in no longer. An agreement
between the hospitals and the consents are needed, except in an emergency, where the reason is recorded.
"""

import datetime as dt
import json
from dataclasses import asdict
from uuid import UUID

from sqlalchemy import select

from auth import agreements, blinding, grants, organisations, people, policy
from core import ids
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict, Denied, Invalid, NotFound
from core.jobs import Job
from registry import audience, cases, consents, disclosure, independence, notices, outgoing, presented, questions, unagreed, valuesets
from registry.cases import Case
from registry.outgoing import Referral
from registry.questions import Asked, Contact, Step, Waiting, Words, contact, waiting_for, words
from registry.states import REFERRAL_OPEN

__all__ = [
    "Asked",
    "Contact",
    "Referral",
    "Step",
    "Waiting",
    "Words",
    "acknowledge",
    "allocate",
    "answered",
    "consent_withdrawn",
    "contact",
    "decline",
    "for_case",
    "get",
    "hospitals",
    "of_expert",
    "request",
    "waiting_for",
    "withdraw",
    "words",
]

# The expert who advised is shown the outcome: a year of follow-up and a month's grace.
ACCESS = dt.timedelta(days=400)


# --- the treating hospital -----------------------------------------------------------------------------


def request(
    db: Tx,
    actor: Actor,
    *,
    case_id: UUID,
    to_organisation_id: UUID,
    question: str,
    reason: str = "",
    specialty: str = "hand_surgery",
    rank: str = "any",
    expert_id: UUID | None = None,
    sees_identity: bool = False,
    independent: bool = False,
    without_agreement: str = "",
    without_consent: str = "",
    client_key: str | None = None,
) -> Referral:
    """Put a question about a case to another hospital; with ``expert_id`` straight to the expert on duty there.

    ``independent`` keeps what advisers write on the case from each other until every question is answered (`auth.blinding`).

    Raises Invalid with a code per field: a missing question, words that would be read there and name the
    patient although identity is not shown (``disclosure.screen``), ``referral-no-agreement`` and ``consent-missing``
    (each cured in an emergency by a reason in ``without_agreement`` or ``without_consent``); Conflict when the case state forbids it or the hospital has been asked already.
    """
    case = cases.reach(db, actor, case_id, "case:refer")
    if actor.person_id is None:
        raise Denied("not-allowed")
    cases.hold(db, case)
    if client_key and (known := _by_client_key(db, actor, case, client_key)):
        return known
    said = Words(question.strip(), reason.strip(), without_agreement.strip(), without_consent.strip())
    _check(db, case, to_organisation_id, expert_id, said, specialty, rank)
    if independent and case.urgency == "emergency":
        raise Invalid("form-invalid", fields={"independent": "referral-independent-emergency"})
    if not cases.can(case, "refer"):
        raise Conflict("case-state-forbids", state=case.state, event="refer")
    if outgoing.still_out(db, case.id, to_organisation_id):
        raise Conflict("referral-open-already")
    if not sees_identity:
        disclosure.screen(db, case, to_organisation_id, asdict(said))
    for purpose in consents.missing(db, case):
        consents.excuse(db, actor, case, purpose, said.without_consent)
    now = ids.now()
    referral = Referral(
        id=ids.new(),
        organisation_id=case.organisation_id,
        case_id=case.id,
        to_organisation_id=to_organisation_id,
        state="requested",
        urgency=case.urgency,
        specialty=specialty,
        rank=rank,
        sees_identity=sees_identity,
        requested_by=actor.person_id,
        requested_at=now,
        client_key=client_key,
        due_at=now + questions.CLOCKS[case.urgency]["requested"],
    )
    text = json.dumps(asdict(said), ensure_ascii=False)
    referral.words = cases.seal(db, case, "referral", "referrals", referral.id, text.encode())
    db.add(referral)
    db.flush()
    questions.step(db, actor, case, referral, "request")
    if agreements.agreement_between(db, case.organisation_id, to_organisation_id, now) is None:
        unagreed.mark(db, actor, case, referral)
    if independent:
        blinding.begin(db, actor, organisation_id=case.organisation_id, case_id=case.id)
    _give(db, actor, case, referral, "coordinator", None)
    cases.advance(db, actor, case, "refer")
    questions.watch(db, referral)
    if expert_id is None:
        notices.tell(db, questions.coordinators(db, to_organisation_id), "referral-requested", case, but=actor.person_id)
    else:
        _allocate(db, actor, case, referral, expert_id)
    return referral


def withdraw(db: Tx, actor: Actor, referral_id: UUID, *, reason: str = "") -> Referral:
    """Take a question back. The access it gave ends at once.

    Raises Conflict when it was answered or withdrawn already, Invalid for a reason that names a patient whose
    identity is not shown there: who is asked next will read it.
    """
    referral, case = _reach(db, actor, referral_id, "referral:withdraw")
    expert = referral.expert_id
    audience.screen(db, actor, case, {"reason": reason})
    questions.move(db, actor, case, referral, "withdraw", words=reason.strip())
    _take_back(db, actor, case, referral)
    told = {expert} if expert else set(questions.coordinators(db, referral.to_organisation_id))
    notices.tell(db, told, "referral-withdrawn", case, but=actor.person_id)
    independence.settle(db, actor, case)
    return referral


# --- the invited hospital ------------------------------------------------------------------------------


def allocate(db: Tx, actor: Actor, referral_id: UUID, *, expert_id: UUID) -> Referral:
    """Give a question to an expert of one's own hospital; a second time gives it to another.

    Raises NotFound ``person-not-found`` for somebody who is no expert there, Conflict by the state and when
    the hospital has been asked anew since it declined.
    """
    referral, case = _reach(db, actor, referral_id, "referral:allocate")
    _of_invited(actor, referral)
    _allocate(db, actor, case, referral, expert_id)
    return referral


def acknowledge(db: Tx, actor: Actor, referral_id: UUID) -> Referral:
    """The expert asked, or one who was called because of their silence, says: I have it. A second time changes nothing.

    Whoever says so has the question from then on; those who had it before may still read the case.
    """
    referral, case = _reach(db, actor, referral_id, "referral:answer")
    _of_expert(db, actor, referral)
    if referral.state == "acknowledged":
        return referral
    referral.expert_id = actor.person_id
    questions.move(db, actor, case, referral, "acknowledge")
    notices.tell(db, {referral.requested_by}, "referral-acknowledged", case, but=actor.person_id)
    return referral


def decline(db: Tx, actor: Actor, referral_id: UUID, *, code: str, reason: str = "") -> Referral:
    """Say no with a reason (value set decline_reason; words needed for ``other``): the expert asked, or a coordinator there.

    The asker is told at once. When the expert declined, their access ends and a coordinator may allocate again;
    a coordinator declines for the hospital, and all access the question gave ends.
    """
    referral = _row(db, actor, referral_id)
    by_expert = referral.expert_id == actor.person_id
    referral, case = _reach(db, actor, referral_id, "referral:answer" if by_expert else "referral:allocate")
    _of_invited(actor, referral)
    if code not in valuesets.value_set("decline_reason").codes:
        raise Invalid("form-invalid", fields={"code": "field-code-unknown"})
    if code == "other" and not reason.strip():
        raise Invalid("form-invalid", fields={"reason": "field-required"})
    questions.move(db, actor, case, referral, "decline", code=code, words=reason.strip())
    referral.expert_id = None
    _take_back(db, actor, case, referral, person_id=actor.person_id if by_expert else None)
    told = {referral.requested_by, *questions.coordinators(db, referral.to_organisation_id)}
    notices.tell(db, told, "referral-declined", case, but=actor.person_id)
    independence.settle(db, actor, case)
    return referral


# --- reading -------------------------------------------------------------------------------------------


def for_case(db: Tx, actor: Actor, case_id: UUID) -> list[Asked]:
    """The referrals of a case with words and steps, oldest first; a visitor is shown those of their own hospital."""
    case = cases.get(db, actor, case_id)
    rows = select(Referral).where(Referral.case_id == case.id).order_by(Referral.requested_at, Referral.id)
    if actor.organisation_id != case.organisation_id:
        rows = rows.where(Referral.to_organisation_id == actor.organisation_id)
    return [questions.asked(db, case, referral) for referral in db.scalars(rows)]


def get(db: Tx, actor: Actor, referral_id: UUID) -> Asked:
    """One referral with words and steps; recorded as reading the case."""
    referral = _row(db, actor, referral_id)
    return questions.asked(db, cases.get(db, actor, referral.case_id), referral)


def hospitals(db: Tx, actor: Actor) -> list[tuple[organisations.Organisation, bool]]:
    """The hospitals a case of the actor's may be referred to, each with whether an agreement stands today."""
    policy.require_in_organisation(actor, "case:refer")
    own, now = actor.organisation_id, ids.now()
    others = db.scalars(select(organisations.Organisation).where(organisations.Organisation.id != own))
    found = [(other, agreements.agreement_between(db, own, other.id, now) is not None) for other in others]
    return sorted(found, key=lambda pair: (not pair[1], pair[0].name))


def answered(db: Tx, actor: Actor, case: Case, referral: Referral | None, author_id: UUID) -> None:
    """An opinion was given: the question it answers is answered, by its author, and with it the case."""
    if referral is not None:
        if author_id in questions.called(db, referral):
            referral.expert_id = author_id
        questions.move(db, actor, case, referral, "answer")
    if blinding.standing(db, case.id) is None:
        cases.advance(db, actor, case, "answer")
    else:
        # the state of the case would tell those who are still to answer
        independence.settle(db, actor, case)


def of_expert(db: Tx, case: Case, actor: Actor) -> Referral | None:
    """The newest referral of the case that lies with this expert, or that they were called to."""
    rows = select(Referral).where(Referral.case_id == case.id, Referral.to_organisation_id == actor.organisation_id)
    rows = rows.order_by(Referral.requested_at.desc(), Referral.id.desc())
    return next((row for row in db.scalars(rows) if row.expert_id == actor.person_id or actor.person_id in questions.called(db, row)), None)


def consent_withdrawn(database: Database, job: Job) -> None:
    """The job of a withdrawn consent: the questions that rested on it are taken back, for nobody can answer them now."""
    with database.begin() as db:
        case = db.get_one(Case, UUID(str(job.payload["case_id"])), with_for_update=True)
        if not any(row is not None and row.standing == "withdrawn" for row in consents.newest(db, case).values()):
            return
        system = Actor.system(case.organisation_id)
        rows = select(Referral).where(Referral.case_id == case.id, Referral.state.in_(REFERRAL_OPEN))
        for referral in db.scalars(rows):
            if not any(grant.reason == presented.grant_reason(referral.id) for grant in audience.grants(db, case)):
                questions.move(db, system, case, referral, "withdraw", code="consent-withdrawn")
        independence.settle(db, system, case)


# --- inside ----------------------------------------------------------------------------------------------


def _check(db: Tx, case: Case, to_organisation_id: UUID, expert_id: UUID | None, said: Words, specialty: str, rank: str) -> None:
    wrong: dict[str, str] = {}
    if not said.question:
        wrong["question"] = "field-required"
    for name in Words.__slots__:
        if len(getattr(said, name)) > questions.TEXT_LIMIT:
            wrong[name] = "field-too-long"
    if specialty not in valuesets.value_set("specialty").codes:
        wrong["specialty"] = "field-code-unknown"
    if rank not in valuesets.value_set("rank").codes:
        wrong["rank"] = "field-code-unknown"
    other = db.get(organisations.Organisation, to_organisation_id)
    if other is None or other.id == case.organisation_id:
        wrong["to_organisation_id"] = "organisation-not-found"
    elif expert_id is not None and not people.serves(db, other.id, "expert", expert_id):
        wrong["expert_id"] = "person-not-found"
    elif expert_id is None and not questions.coordinators(db, other.id):
        wrong["to_organisation_id"] = "referral-nobody-there"
    elif agreements.agreement_between(db, case.organisation_id, other.id, ids.now()) is None:
        if case.urgency != "emergency":
            wrong["to_organisation_id"] = "referral-no-agreement"
        elif not said.without_agreement:
            wrong["without_agreement"] = "referral-no-agreement"
    if consents.missing(db, case) and not (case.urgency == "emergency" and said.without_consent):
        wrong["without_consent"] = "consent-missing"
    if wrong:
        raise Invalid("form-invalid", fields=wrong)


def _allocate(db: Tx, actor: Actor, case: Case, referral: Referral, expert_id: UUID) -> None:
    before = referral.expert_id
    if not people.serves(db, referral.to_organisation_id, "expert", expert_id):
        raise NotFound("person-not-found")
    was_open = referral.open
    if not was_open and outgoing.still_out(db, case.id, referral.to_organisation_id):
        raise Conflict("referral-open-already")
    referral.expert_id, referral.acknowledged_at = expert_id, None
    questions.move(db, actor, case, referral, "allocate", person_id=expert_id)
    if before is not None and before != expert_id:
        _take_back(db, actor, case, referral, person_id=before)
    _give(db, actor, case, referral, "expert", expert_id)
    if not was_open:
        if case.urgency != "emergency":
            blinding.resume(db, actor, case.id)
        cases.advance(db, actor, case, "refer")
    notices.tell(db, {expert_id}, "referral-allocated", case, but=actor.person_id)


def _give(db: Tx, actor: Actor, case: Case, referral: Referral, role: str, person_id: UUID | None) -> None:
    grants.give(
        db,
        actor,
        case_id=case.id,
        organisation_id=case.organisation_id,
        grantee_organisation_id=referral.to_organisation_id,
        role=role,
        person_id=person_id,
        sees_identity=referral.sees_identity,
        expires_at=referral.requested_at + ACCESS,
        reason=presented.grant_reason(referral.id),
    )


def _take_back(db: Tx, actor: Actor, case: Case, referral: Referral, *, person_id: UUID | None = None) -> None:
    """Revoke what this referral gave: everything, or the part of one expert and of the seniors they let in."""
    theirs = {person_id, *presented.seniors(db, referral, person_id)} if person_id else None
    # last what the actor acts on the strength of: a coordinator the hospital's grant, an expert their own
    for grant in sorted(audience.grants(db, case), key=lambda grant: (grant.person_id is None, grant.person_id == actor.person_id)):
        if grant.reason == presented.grant_reason(referral.id) and (theirs is None or grant.person_id in theirs):
            grants.revoke(db, actor, grant.id, because="referral-ended")


def _row(db: Tx, actor: Actor, referral_id: UUID) -> Referral:
    referral = db.get(Referral, referral_id)
    if referral is None:
        raise NotFound("referral-not-found")
    cases.reach(db, actor, referral.case_id, "case:read")
    if actor.organisation_id not in (referral.organisation_id, referral.to_organisation_id):
        raise NotFound("referral-not-found")
    return referral


def _reach(db: Tx, actor: Actor, referral_id: UUID, action: str) -> tuple[Referral, Case]:
    referral = _row(db, actor, referral_id)
    case = cases.reach(db, actor, referral.case_id, action)
    cases.hold(db, case)
    db.refresh(referral)
    return referral, case


def _of_invited(actor: Actor, referral: Referral) -> None:
    if actor.organisation_id != referral.to_organisation_id:
        raise Denied("referral-of-other-hospital")


def _of_expert(db: Tx, actor: Actor, referral: Referral) -> None:
    if referral.expert_id != actor.person_id and actor.person_id not in questions.called(db, referral):
        raise Denied("referral-of-other-expert")


def _by_client_key(db: Tx, actor: Actor, case: Case, client_key: str) -> Referral | None:
    return db.scalar(
        select(Referral).where(Referral.case_id == case.id, Referral.requested_by == actor.person_id, Referral.client_key == client_key)
    )
