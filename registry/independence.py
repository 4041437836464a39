"""Independent opinions: when a case whose advisers are blind to each other (`auth.blinding`) counts as answered.

While they are, its state stays where it was, for it would tell those who are still to answer. For the verbs of
``registry.referrals``, which hold the case.
"""

from uuid import UUID

from sqlalchemy import exists, select

from auth import blinding
from core.actor import Actor
from core.db import Database, Tx
from core.jobs import Job
from registry import cases, outgoing
from registry.cases import Case
from registry.outgoing import Referral


def end(db: Tx, actor: Actor, case_id: UUID) -> None:
    """The treating hospital lets the advisers read each other from now on, though not all have answered. Recorded."""
    case = cases.reach(db, actor, case_id, "case:refer")
    cases.hold(db, case)
    if blinding.lift(db, actor, case.id, "hospital"):
        _answer(db, actor, case)


def settle(db: Tx, actor: Actor, case: Case) -> None:
    """A question is out no longer: after the last one nothing is kept from anybody, and the case is answered, or as it was before."""
    if outgoing.still_out(db, case.id) is None:
        blinding.lift(db, actor, case.id, "answered")
        if not _answer(db, actor, case) and cases.can(case, "lapse"):
            cases.advance(db, actor, case, "lapse")


def unblinded(database: Database, job: Job) -> None:
    """The job of a blinding that ended, by the urgency of the case too: what was answered under it counts now."""
    with database.begin() as db:
        case = db.get_one(Case, UUID(str(job.payload["case_id"])), with_for_update=True)
        _answer(db, Actor.system(case.organisation_id), case)


def _answer(db: Tx, actor: Actor, case: Case) -> bool:
    """Move a case on that was answered under a blinding; whether any of its questions is answered."""
    given = db.scalar(select(exists().where(Referral.case_id == case.id, Referral.state == "answered")))
    if given and case.state == "referred":
        cases.advance(db, actor, case, "answer")
    return bool(given)
