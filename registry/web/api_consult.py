"""The JSON API of a consultation: questions, opinions, decisions, follow-ups, consents, and the audit log."""

from uuid import UUID

from fastapi import APIRouter, Request

from auth import policy
from core import audit, checkpoints, verification
from core.errors import Invalid
from registry import access, consents, decisions, followups, opinions, referrals, verdicts
from registry.opinions import Signed
from registry.outgoing import Referral
from registry.web import api_models as m
from registry.web.edge import Db, Me

router = APIRouter(prefix="/api/v1", tags=["consultation"])


@router.get("/cases/{case_id}/referrals")
def list_referrals(db: Db, me: Me, case_id: UUID) -> list[m.ReferralOut]:
    """The questions put about a case, oldest first."""
    return [_referral(asked.referral, asked.words.question) for asked in referrals.for_case(db, me, case_id)]


@router.post("/cases/{case_id}/referrals", status_code=201)
def create_referral(db: Db, me: Me, case_id: UUID, given: m.ReferralIn) -> m.ReferralOut:
    """Put a question to another hospital."""
    return _referral(referrals.request(db, me, case_id=case_id, **given.model_dump()), given.question)


@router.post("/referrals/{referral_id}/allocate")
def allocate(db: Db, me: Me, referral_id: UUID, given: m.AllocateIn) -> m.ReferralOut:
    """Give a question to an expert of one's own hospital."""
    return _referral(referrals.allocate(db, me, referral_id, expert_id=given.expert_id))


@router.post("/referrals/{referral_id}/acknowledge")
def acknowledge(db: Db, me: Me, referral_id: UUID) -> m.ReferralOut:
    """The allocated expert has it."""
    return _referral(referrals.acknowledge(db, me, referral_id))


@router.post("/referrals/{referral_id}/decline")
def decline(db: Db, me: Me, referral_id: UUID, given: m.DeclineIn) -> m.ReferralOut:
    """Say no, with a reason."""
    return _referral(referrals.decline(db, me, referral_id, code=given.code, reason=given.reason))


@router.post("/referrals/{referral_id}/withdraw")
def withdraw(db: Db, me: Me, referral_id: UUID, given: m.ReasonIn) -> m.ReferralOut:
    """Take a question back."""
    return _referral(referrals.withdraw(db, me, referral_id, reason=given.reason))


@router.get("/cases/{case_id}/opinions")
def list_opinions(db: Db, me: Me, case_id: UUID) -> list[m.OpinionOut]:
    """The signed opinions of a case with their addenda; recorded."""
    return [opinion_out(signed) for signed in opinions.for_case(db, me, case_id)]


@router.get("/opinions/{opinion_id}/verdict")
def verify_opinion(db: Db, me: Me, opinion_id: UUID) -> m.VerdictOut:
    """Whether a signed opinion, and what it rests on, is as it was signed."""
    return m.VerdictOut.model_validate(verdicts.verify(db, me, opinion_id))


@router.get("/cases/{case_id}/opinion/draft")
def opinion_draft(db: Db, me: Me, case_id: UUID, addendum_to: UUID | None = None) -> m.OpinionDraftOut:
    """One's own draft."""
    draft = opinions.draft(db, me, case_id, addendum_to=addendum_to)
    return m.OpinionDraftOut(fields=draft.raw, version=draft.version, saved_at=draft.saved_at)


@router.put("/cases/{case_id}/opinion/draft")
def save_opinion(db: Db, me: Me, case_id: UUID, given: m.OpinionDraftIn) -> m.OpinionDraftOut:
    """Keep what was written. A token can draft, but only a person at a session can sign."""
    draft = opinions.save(db, me, case_id, dict(given.fields), addendum_to=given.addendum_to, version=given.version)
    return m.OpinionDraftOut(fields=draft.raw, version=draft.version, saved_at=draft.saved_at)


@router.post("/cases/{case_id}/opinion/sign", status_code=201)
def sign_opinion(
    db: Db, me: Me, case_id: UUID, addendum_to: UUID | None = None, version: int | None = None, subject: str | None = None
) -> m.OpinionOut:
    """Sign one's draft; needs a session with a second factor given in the last five minutes. 409 for somebody in training.

    409 ``opinion-patient-changed`` when the patient of the case was merged or parted since the draft was begun: look who it
    is, then say so with the ``subject`` of the case.
    """
    row = opinions.sign(db, me, case_id, addendum_to=addendum_to, version=version, subject=subject)
    return opinion_out(opinions.get(db, me, row.id))


@router.get("/cases/{case_id}/decisions")
def list_decisions(db: Db, me: Me, case_id: UUID) -> list[m.DecisionOut]:
    """What the treating hospital decided, oldest first."""
    return [_decision(found) for found in decisions.for_case(db, me, case_id)]


@router.post("/cases/{case_id}/decisions", status_code=201)
def create_decision(db: Db, me: Me, case_id: UUID, given: m.DecisionIn) -> m.DecisionOut:
    """Accept, modify or reject an opinion."""
    row = decisions.record(db, me, case_id=case_id, **given.model_dump())
    return next(_decision(found) for found in decisions.for_case(db, me, case_id) if found.decision.id == row.id)


@router.get("/cases/{case_id}/follow-ups")
def list_visits(db: Db, me: Me, case_id: UUID) -> list[m.VisitOut]:
    """Plan and records in the order of their days."""
    return [_visit(seen) for seen in followups.for_case(db, me, case_id)]


@router.post("/cases/{case_id}/follow-ups/plan", status_code=201)
def plan_visits(db: Db, me: Me, case_id: UUID, given: m.PlanIn) -> list[m.VisitOut]:
    """Plan the visits from the day of treatment."""
    followups.plan(db, me, case_id, treated_on=given.treated_on)
    return [_visit(seen) for seen in followups.for_case(db, me, case_id)]


@router.post("/cases/{case_id}/follow-ups", status_code=201)
def record_visit(db: Db, me: Me, case_id: UUID, given: m.VisitIn) -> m.VisitOut:
    """Record a visit."""
    row = followups.record(db, me, case_id, given.fields, visit_id=given.visit_id, client_key=given.client_key)
    return next(_visit(s) for s in followups.for_case(db, me, case_id) if s.record and s.record.entry.chain_id == row.chain_id)


@router.get("/cases/{case_id}/consents")
def list_consents(db: Db, me: Me, case_id: UUID) -> list[m.ConsentOut]:
    """How each consent stands."""
    standing = consents.standing(db, me, case_id)
    return [m.ConsentOut(purpose=p, standing=row.standing if row else "none", at=row.at if row else None) for p, row in standing.items()]


@router.post("/cases/{case_id}/consents", status_code=201)
def record_consent(db: Db, me: Me, case_id: UUID, given: m.ConsentIn) -> m.ConsentOut:
    """Record one statement."""
    row = consents.record(db, me, case_id=case_id, **given.model_dump())
    return m.ConsentOut(purpose=row.purpose, standing=row.standing, at=row.at)


@router.get("/audit/events", tags=["audit"])
def events(
    db: Db,
    me: Me,
    case_id: UUID | None = None,
    patient_id: UUID | None = None,
    person_id: UUID | None = None,
    before: UUID | None = None,
) -> list[m.EventOut]:
    """Who saw this case or this patient, or what this person did: exactly one of the three; newest first."""
    if sum(one is not None for one in (case_id, patient_id, person_id)) != 1:
        raise Invalid("invalid", fields={"case_id": "audit-one-question"})
    if case_id is not None:
        found = access.who_saw_case(db, me, case_id, before=before)
    elif patient_id is not None:
        found = access.who_saw_patient(db, me, patient_id, before=before)
    else:
        assert person_id is not None
        found = access.what_did_person(db, me, person_id, before=before)
    return [m.EventOut.model_validate(one) for one in found]


@router.get("/audit/proof", tags=["audit"])
def proof(request: Request, db: Db, me: Me) -> m.ProofOut:
    """Whether the log of one's own hospital is whole, against the checkpoints that are kept."""
    policy.require_in_organisation(me, "audit:verify")
    report = verification.verify(db, me.organisation_id, checkpoints.kept(request.app.state.checkpoints, me.organisation_id))
    told = {"findings": len(report.findings)}
    audit.record(db, me, "audit:verify", organisation_id=me.organisation_id, object_type="log", purpose="audit", detail=told)
    return m.ProofOut(
        whole=report.whole,
        size=report.size,
        covered=report.covered,
        covered_until=report.covered_until,
        findings=[{"kind": one.kind, "leaf_index": one.leaf_index, "other": one.other} for one in report.findings],
    )


def _referral(row: Referral, question: str = "") -> m.ReferralOut:
    return m.ReferralOut.model_validate(row).model_copy(update={"question": question})


def opinion_out(signed: Signed) -> m.OpinionOut:
    """A signed opinion as the API gives it."""
    row = signed.opinion
    return m.OpinionOut(
        id=row.id,
        author_id=row.author_id,
        author_organisation_id=row.author_organisation_id,
        signed_at=row.signed_at,
        sha256=row.sha256,
        content=signed.content,
        countersigned=signed.countersigned,
        joined=[
            m.JoinedOut(
                opinion_id=one.joining.opinion_id,
                person_id=one.joining.person_id,
                state=one.joining.state,
                decided_at=one.joining.decided_at,
                words=one.words,
            )
            for one in signed.joined
        ],
        addenda=[opinion_out(extra) for extra in signed.addenda],
    )


def _decision(found: decisions.Decided) -> m.DecisionOut:
    row = found.decision
    return m.DecisionOut(id=row.id, opinion_id=row.opinion_id, author_id=row.author_id, at=row.at, choice=row.choice, reason=found.reason)


def _visit(seen: followups.Seen) -> m.VisitOut:
    visit, record = seen.visit, seen.record
    return m.VisitOut(
        id=visit.id if visit else None,
        code=visit.code if visit else "unplanned",
        due_on=visit.due_on if visit else None,
        standing=seen.standing,
        entry_id=record.entry.id if record else None,
        document=record.document.model_dump(mode="json") if record else None,
    )
