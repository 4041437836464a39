"""Escalation: a question that stays silent calls the next by itself, until somebody answers.

In the best-known network of its kind three questions in ten were silent after three days until escalation rescued nine
in ten of them. Here the deadline of a step is a job. Each time it passes, both sides are told and the next expert of the
duty roster is called: the one on duty, the backup, the second backup. Whoever is called may read the case and take
the question. When nobody is left, everybody who was called is told again, ever later.
"""

from uuid import UUID

from auth import grants
from core import ids
from core.actor import Actor
from core.db import Database, Tx
from core.jobs import Job
from registry import duty, notices, presented, questions
from registry.cases import Case
from registry.outgoing import Referral
from registry.questions import OVERDUE

__all__ = ["OVERDUE", "overdue"]


def overdue(database: Database, job: Job) -> None:
    """The job of a deadline. Done twice, or after a step was taken, it does nothing."""
    with database.begin() as db:
        referral = db.get(Referral, UUID(str(job.payload["referral_id"])), with_for_update=True)
        if referral is None or not referral.open or not _is_due(db, referral, job):
            return
        case = db.get_one(Case, referral.case_id)
        signed = presented.of_question(db, referral)
        had = questions.countersigner(db, signed) if signed else referral.expert_id
        silent = {*questions.called(db, referral), *([had] if had else [])}
        next_id = _next(db, referral, silent)
        # what was signed waits for its senior: the next expert can see to it and not answer in their place
        takes = next_id if signed is None else None
        if takes is not None:
            reason = presented.grant_reason(referral.id)
            grants.call_in(db, case_id=case.id, grantee_organisation_id=referral.to_organisation_id, person_id=takes, reason=reason)
        questions.move(db, Actor.system(case.organisation_id), case, referral, "escalate", person_id=takes)
        both = {referral.requested_by, *questions.coordinators(db, referral.to_organisation_id)}
        told = both | (silent if next_id is None else set())
        notices.tell(db, told, "referral-escalated", case)
        if next_id is not None:
            notices.tell(db, {next_id} - told, "referral-called" if takes else "referral-backup", case)


def _is_due(db: Tx, referral: Referral, job: Job) -> bool:
    """Whether the silence this job was set for has lasted: that of a step until its deadline, or that after an escalation."""
    before = questions.silence(db, referral)
    if before:
        return str(before[-1].id) == job.payload.get("after")
    return "after" not in job.payload and referral.due_at is not None and referral.due_at <= ids.now()


def _next(db: Tx, referral: Referral, silent: set[UUID]) -> UUID | None:
    on_duty = duty.on_duty(db, referral.to_organisation_id, "expert", referral.specialty)
    return next((one.person_id for one in on_duty if one.person_id not in silent), None)
