"""Glass: emergency access to a restricted case, by somebody of its hospital who is not of its team.

Breaking needs a session with a fresh step-up and a reason, in a code and in words. It lifts the restriction for one
person and one case, for four hours at the most, and widens no role; the team and the reviewers are told at once. What
is done meanwhile is recorded with the purpose ``emergency``. It can be given back early and is never renewed: a new
break has a reason of its own. A second person reviews every one, within 72 hours; from then on the reviewers are told
daily. Who may break is found by the registry from an exact identifier (`registry.emergencies`).
"""

import datetime as dt
from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select

from auth import actors, news, people, restrictions, rules
from auth.restrictions import BrokenGlass
from core import audit, ids, jobs
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict, Denied, Invalid, NotFound
from core.jobs import Job
from core.keyring import Unit

LASTS = dt.timedelta(hours=4)
REMIND_EVERY = dt.timedelta(days=1)
TEXT_LIMIT = 1000
LISTED = 200
REASONS = ("treatment-now", "team-unreachable", "other")
VERDICTS = ("justified", "not-justified")
REMIND = "glass:remind"


def break_(
    db: Tx, actor: Actor, *, case_id: UUID, organisation_id: UUID, reason: str, words: str, patient_ids: Collection[UUID] = ()
) -> BrokenGlass:
    """Break the glass on a restricted case of the actor's own hospital, for four hours.

    Raises NotFound for a case of another hospital, Denied by the role or for a token, StepUpNeeded, Invalid without a
    reason, and Conflict ``glass-not-needed`` for whoever reaches the case anyway, by an earlier break too.
    """
    check(actor, reason=reason, words=words)
    stands = restrictions.standing(db, actor, organisation_id=organisation_id, case_id=case_id)
    if stands != "barred":
        raise Conflict("glass-not-needed")
    rules.require(actor, "glass:break", organisation_id=organisation_id, case_id=case_id, standing=stands)
    assert actor.person_id is not None
    now = ids.now()
    broken = BrokenGlass(
        id=ids.new(), case_id=case_id, organisation_id=organisation_id, person_id=actor.person_id,
        reason=reason, broken_at=now, until=now + LASTS,
    )  # fmt: skip
    broken.words = _seal(db, broken, "reason", words.strip())
    db.add(broken)
    db.flush()
    _record(db, actor, "glass:break", broken, patient_ids=patient_ids, reason=reason, until=broken.until.isoformat())
    news.tell_all(db, organisation_id, _reviewers(db, broken), "glass-broken")
    _remind_at(db, broken, broken.review_due_at)
    return broken


def check(actor: Actor, *, reason: str, words: str) -> None:
    """Hold the actor to what a break asks of them, whatever the case. Raises Denied, StepUpNeeded and Invalid."""
    rules.require_in_organisation(actor, "glass:break")
    rules.require_step_up(actor)
    wrong: dict[str, str] = {}
    if reason not in REASONS:
        wrong["reason"] = "field-code-unknown" if reason else "field-required"
    if not words.strip() or len(words) > TEXT_LIMIT:
        wrong["words"] = "field-too-long" if words.strip() else "field-required"
    if wrong:
        raise Invalid("form-invalid", fields=wrong)


def give_back(db: Tx, actor: Actor, case_id: UUID) -> BrokenGlass:
    """End one's own break on a case before its time. Raises NotFound where none holds."""
    broken = held(db, actor, case_id)
    if broken is None:
        raise NotFound("case-not-found")
    broken.until = ids.now()
    db.flush()
    _record(db, actor, "glass:return", broken)
    return broken


def held(db: Tx, actor: Actor, case_id: UUID) -> BrokenGlass | None:
    """The break by which the actor is in a case now: for the banner on its pages."""
    if case_id not in actor.emergencies:
        return None
    query = select(BrokenGlass).where(BrokenGlass.case_id == case_id, BrokenGlass.person_id == actor.person_id)
    return db.scalars(query.where(BrokenGlass.until > ids.now()).order_by(BrokenGlass.until.desc())).first()


def holding(db: Tx, case_id: UUID) -> list[BrokenGlass]:
    """Every break that holds on a case now, for a caller that may know who reaches it."""
    query = select(BrokenGlass).where(BrokenGlass.case_id == case_id, BrokenGlass.until > ids.now())
    return list(db.scalars(query.order_by(BrokenGlass.id)))


# --- the review -------------------------------------------------------------------------------------------


def reviews(db: Tx, actor: Actor) -> list[BrokenGlass]:
    """The breaks of the actor's own hospital: those nobody has reviewed, the oldest first, then the newest 200. Recorded."""
    rules.require_in_organisation(actor, "glass:review")
    query = select(BrokenGlass).where(BrokenGlass.organisation_id == actor.organisation_id)
    waiting = list(db.scalars(query.where(BrokenGlass.reviewed_at.is_(None)).order_by(BrokenGlass.broken_at, BrokenGlass.id)))
    done = query.where(BrokenGlass.reviewed_at.is_not(None)).order_by(BrokenGlass.reviewed_at.desc(), BrokenGlass.id).limit(LISTED)
    audit.view(db, actor, "glass:read", organisation_id=actor.organisation_id, object_type="glass", purpose="audit")
    return [*waiting, *db.scalars(done)]


def words(db: Tx, broken: BrokenGlass) -> tuple[str, str]:
    """The reason and the reviewer's words of a break that the caller may see; the second empty when there are none."""
    return _unseal(db, broken, "reason", broken.words), _unseal(db, broken, "review", broken.review_words) if broken.review_words else ""


def review(db: Tx, actor: Actor, glass_id: UUID, *, verdict: str, words: str, admit: bool = False) -> BrokenGlass:
    """Say whether a break was justified, once and for all; whoever broke the glass is told. One that was not ends at once.

    ``admit`` takes them into the team as well, where the break was justified and nobody is left in the team who could
    lift the restriction: so a case never stays shut for good. Raises NotFound for another hospital's, Denied for one's own and
    for a token, Invalid for no such verdict or one without words, Conflict when it was reviewed, or need not be admitted.
    """
    rules.require_in_organisation(actor, "glass:review")
    rules.refuse_narrowed(actor)
    broken = db.get(BrokenGlass, glass_id)
    if broken is None or broken.organisation_id != actor.organisation_id:
        raise NotFound("not-found")
    if broken.person_id == actor.person_id:
        raise Denied("glass-own-review")
    wrong = {} if verdict in VERDICTS else {"verdict": "field-code-unknown" if verdict else "field-required"}
    if not words.strip() or len(words) > TEXT_LIMIT:
        wrong["words"] = "field-too-long" if words.strip() else "field-required"
    if wrong:
        raise Invalid("form-invalid", fields=wrong)
    db.refresh(broken, with_for_update=True)
    if broken.reviewed_at is not None:
        raise Conflict("glass-reviewed-already")
    broken.verdict, broken.reviewed_by, broken.reviewed_at = verdict, actor.person_id, ids.now()
    broken.review_words = _seal(db, broken, "review", words.strip())
    if verdict == "not-justified":
        broken.until = min(broken.until, broken.reviewed_at)
    db.flush()
    _record(db, actor, "glass:review", broken, person_id=broken.person_id, verdict=verdict)
    news.tell(db, db.get_one(people.Person, broken.person_id), f"glass-{verdict}")
    if admit:
        _admit(db, actor, broken)
    return broken


def may_admit(db: Tx, broken: BrokenGlass) -> bool:
    """Whether a review may take the breaker into the team: they could lift the restriction, and nobody in the team can."""
    restriction = restrictions.of_case(db, broken.case_id)
    could = any(people.serves(db, broken.organisation_id, role, broken.person_id) for role in restrictions.LIFTING)
    return restriction is not None and could and restrictions.is_orphaned(db, restriction)


def remind(database: Database, job: Job) -> None:
    """The job of a review that is due: while nobody has done it, the reviewers are told, and again each day."""
    with database.begin() as db:
        broken = db.get(BrokenGlass, UUID(str(job.payload["glass_id"])))
        if broken is not None and broken.reviewed_at is None:
            news.tell_all(db, broken.organisation_id, _reviewers(db, broken), "glass-overdue")
            _remind_at(db, broken, ids.now() + REMIND_EVERY)


# --- inside -----------------------------------------------------------------------------------------------


def _admit(db: Tx, actor: Actor, broken: BrokenGlass) -> None:
    restriction = restrictions.of_case(db, broken.case_id)
    if broken.verdict != "justified" or restriction is None or not may_admit(db, broken):
        raise Conflict("team-not-orphaned")
    restrictions.take_in(db, actor, restriction, broken.person_id)


def _reviewers(db: Tx, broken: BrokenGlass) -> list[UUID]:
    """Whoever may review it: auditors, and administrators where they act as such; never who broke the glass."""
    here = broken.organisation_id
    candidates = {person.id for role in people.BY_TWO for person in people.members(db, here, role)} - {broken.person_id}
    return sorted(one for one in candidates if any((role, "own", "glass:review") in rules.RULES for role in actors.roles(db, one, here)))


def _remind_at(db: Tx, broken: BrokenGlass, at: dt.datetime) -> None:
    jobs.enqueue(db, REMIND, {"glass_id": str(broken.id)}, organisation_id=broken.organisation_id, run_at=at, key=str(broken.id))


def _seal(db: Tx, broken: BrokenGlass, purpose: str, plain: str) -> bytes:
    return db.keyring.seal(db, _unit(broken), purpose, BrokenGlass.__tablename__, broken.id, 1, plain.encode())


def _unseal(db: Tx, broken: BrokenGlass, purpose: str, sealed: bytes) -> str:
    return db.keyring.unseal(db, _unit(broken), purpose, BrokenGlass.__tablename__, broken.id, 1, sealed).decode()


def _unit(broken: BrokenGlass) -> Unit:
    return Unit("organisation", broken.organisation_id, broken.organisation_id)


def _record(
    db: Tx,
    actor: Actor,
    action: str,
    broken: BrokenGlass,
    *,
    person_id: UUID | None = None,
    patient_ids: Collection[UUID] = (),
    **detail: str,
) -> None:
    audit.record(
        db, actor, action, organisation_id=broken.organisation_id, case_id=broken.case_id, patient_ids=patient_ids, person_id=person_id,
        object_type="glass", object_id=broken.id, purpose="audit" if action == "glass:review" else audit.EMERGENCY, detail=dict(detail),
    )  # fmt: skip
