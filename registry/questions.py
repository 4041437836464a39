"""What is told of a referral: its words and steps, the clock of the step at hand, and who is waited for.

Steps are appended and never changed. For ``registry.referrals``, whose verbs check who may.
"""

import datetime as dt
import json
from dataclasses import dataclass
from itertools import takewhile
from uuid import UUID

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, mapped_column

from auth import people, training
from core import ids, jobs
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict
from core.tables import Base, Code, IdColumn
from registry import cases, duty, presented, states
from registry.cases import Case
from registry.outgoing import Referral
from registry.presented import Presentation

_MINUTE, _HOUR = dt.timedelta(minutes=1), dt.timedelta(hours=1)

# By when, counted from the request: allocated, acknowledged, answered. Defaults; a hospital's policy. What lies
# between two of them is a step's own time: whoever is given a question late, or instead of another, has that much.
CLOCKS: dict[str, dict[str, dt.timedelta]] = {
    "emergency": {"requested": 5 * _MINUTE, "allocated": 10 * _MINUTE, "acknowledged": 20 * _MINUTE},
    "urgent": {"requested": 10 * _MINUTE, "allocated": 20 * _MINUTE, "acknowledged": 30 * _MINUTE},
    "routine": {"requested": 1 * _HOUR, "allocated": 8 * _HOUR, "acknowledged": 24 * _HOUR},
}

LONGEST_PAUSE = dt.timedelta(hours=24)
"""Between two reminders of a question that nobody is left to be called for."""

OVERDUE = "referral:overdue"
TEXT_LIMIT = 4000


class ReferralStep(Base):
    """What happened to a referral, appended and never changed; ``words`` (a reason) is sealed."""

    __tablename__ = "referral_steps"

    id: Mapped[IdColumn]
    referral_id: Mapped[UUID] = mapped_column(ForeignKey("referrals.id"), index=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    event: Mapped[Code]
    state: Mapped[Code]
    at: Mapped[dt.datetime]
    by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    code: Mapped[str | None]
    words: Mapped[bytes | None]


@dataclass(frozen=True, slots=True)
class Words:
    """The free text of a referral."""

    question: str
    reason: str = ""
    without_agreement: str = ""
    without_consent: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step as shown: who did what when; ``code`` and ``words`` give the reason of a refusal."""

    event: str
    state: str
    at: dt.datetime
    by_id: UUID | None
    person_id: UUID | None
    code: str | None
    words: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A referral with its words and its steps, oldest first."""

    referral: Referral
    words: Words
    steps: tuple[Step, ...]

    @property
    def called(self) -> tuple[UUID, ...]:
        """The experts called since the question has been silent, the first first."""
        silent = takewhile(lambda step: step.event == "escalate", reversed(self.steps))
        return tuple(step.person_id for step in silent if step.person_id)[::-1]


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody who is waited for."""

    person_id: UUID
    name: str
    name_en: str
    phone: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Who is waited for: for what (``allocate``, ``acknowledge``, ``answer`` or ``countersign``), since when, until when.

    ``duty_phone`` is the telephone of the roster they stand in, which somebody carries; empty when it has none.
    """

    event: str
    organisation_id: UUID
    contacts: tuple[Contact, ...]
    since: dt.datetime
    due_at: dt.datetime | None
    overdue: bool
    duty_phone: str = ""


def move(
    db: Tx,
    actor: Actor,
    case: Case,
    referral: Referral,
    event: str,
    *,
    person_id: UUID | None = None,
    code: str | None = None,
    words: str = "",
) -> None:
    """Move a referral by an event, set the clock of its next step and append what happened.

    A case that became more urgent meanwhile makes its open questions as urgent.

    Raises Conflict ``referral-state-forbids`` where the table refuses.
    """
    after = states.REFERRALS[referral.state, event]
    if after is None:
        raise Conflict("referral-state-forbids", state=referral.state, event=event)
    now = ids.now()
    referral.state = after
    referral.urgency = max(referral.urgency, case.urgency, key=states.URGENCIES.index)
    if event == "allocate":
        referral.allocated_at = now
    elif event == "acknowledge":
        referral.acknowledged_at = now
    elif event == "answer":
        referral.acknowledged_at = referral.acknowledged_at or now
        referral.answered_at = referral.answered_at or now
    if event != "escalate":
        referral.due_at = _due(referral, now)
        watch(db, referral)
    if event in ("allocate", "decline", "withdraw"):
        presented.lapse(db, actor, case, referral, but=person_id)
    db.flush()
    row = step(db, actor, case, referral, event, person_id=person_id, code=code, words=words)
    if event == "escalate":
        _watch_on(db, referral, row)


def silence(db: Tx, referral: Referral) -> list[ReferralStep]:
    """The escalations since somebody took a step, oldest first; ``person_id`` is the expert that one called."""
    rows = select(ReferralStep).where(ReferralStep.referral_id == referral.id).order_by(ReferralStep.at.desc(), ReferralStep.id.desc())
    return list(takewhile(lambda row: row.event == "escalate", db.scalars(rows)))[::-1]


def called(db: Tx, referral: Referral) -> list[UUID]:
    """The experts called since the question has been silent, the first first: each may take it."""
    return [row.person_id for row in silence(db, referral) if row.person_id]


def _watch_on(db: Tx, referral: Referral, escalation: ReferralStep) -> None:
    """Have a silent question looked at again: after the time of its first step while there is somebody to call, then ever later."""
    rounds = max(0, len(silence(db, referral)) - (duty.CALLED - 1))
    pause = min(CLOCKS[referral.urgency]["requested"] * 2**rounds, LONGEST_PAUSE)
    payload: dict[str, str | int] = {"referral_id": str(referral.id), "after": str(escalation.id)}
    jobs.enqueue(db, OVERDUE, payload, organisation_id=referral.organisation_id, run_at=ids.now() + pause, key=f"{OVERDUE}:{escalation.id}")


def _due(referral: Referral, now: dt.datetime) -> dt.datetime | None:
    """By when the step at hand is to be taken, never sooner than in the time it has for itself; None when there is none."""
    within = CLOCKS[referral.urgency]
    if referral.state not in within:
        return None
    steps = list(within)
    before = steps.index(referral.state)
    own = within[referral.state] - (within[steps[before - 1]] if before else dt.timedelta())
    return max(referral.requested_at + within[referral.state], now + own)


def step(
    db: Tx,
    actor: Actor,
    case: Case,
    referral: Referral,
    event: str,
    *,
    person_id: UUID | None = None,
    code: str | None = None,
    words: str = "",
) -> ReferralStep:
    """Append a step to a referral's history and record it."""
    row = ReferralStep(
        id=ids.new(),
        referral_id=referral.id,
        organisation_id=case.organisation_id,
        event=event,
        state=referral.state,
        at=ids.now(),
        by_id=actor.person_id,
        person_id=person_id,
        code=code,
        words=None,
    )
    if words:
        row.words = cases.seal(db, case, "referral-step", "referral_steps", row.id, words[:TEXT_LIMIT].encode())
    db.add(row)
    detail: dict[str, str | int | bool] = {"state": referral.state}
    if code:
        detail["code"] = code
    cases.note(
        db,
        actor,
        f"referral:{event}",
        case,
        object_type="referral",
        object_id=referral.id,
        person_id=person_id,
        detail=detail,
    )
    return row


def watch(db: Tx, referral: Referral) -> None:
    """Have the deadline of the step at hand looked at when it comes."""
    if referral.due_at is None:
        return
    payload: dict[str, str | int] = {"referral_id": str(referral.id)}
    key = f"{OVERDUE}:{referral.id}:{referral.state}:{referral.version}"
    jobs.enqueue(db, OVERDUE, payload, organisation_id=referral.organisation_id, run_at=max(referral.due_at, ids.now()), key=key)


def words(db: Tx, case: Case, referral: Referral) -> Words:
    """The free text of a referral of a case the caller holds."""
    return Words(**json.loads(cases.unseal(db, case, "referral", "referrals", referral.id, referral.words)))


def waiting_for(db: Tx, referral: Referral, now: dt.datetime | None = None) -> Waiting | None:
    """Who is waited for, with telephone, for a caller that holds the referral; None when nobody is.

    The expert who was asked, or the senior who is to countersign what they signed; before there is an expert, the
    coordinators, those on duty first.
    """
    if not referral.open:
        return None
    now = now or ids.now()
    if (presentation := presented.of_question(db, referral)) is not None:
        who, event, since = [countersigner(db, presentation)], "countersign", presentation.signed_at
        roster = duty.of(db, referral.to_organisation_id, "expert", referral.specialty)
    elif referral.expert_id is not None:
        who = [referral.expert_id]
        event = "answer" if referral.acknowledged_at else "acknowledge"
        since = referral.acknowledged_at or referral.allocated_at or referral.requested_at
        roster = duty.of(db, referral.to_organisation_id, "expert", referral.specialty)
    else:
        roster = duty.of(db, referral.to_organisation_id, "coordinator")
        on_duty = [one.person_id for one in roster.people] if roster else []
        who = list(dict.fromkeys([*on_duty, *coordinators(db, referral.to_organisation_id)]))
        event, since = "allocate", referral.requested_at
    # whoever was called last is the next to be telephoned
    who = list(dict.fromkeys([*reversed(called(db, referral)), *who]))
    contacts = tuple(contact(db, person_id) for person_id in who)
    late = referral.due_at is not None and referral.due_at < now
    return Waiting(event, referral.to_organisation_id, contacts, since, referral.due_at, late, roster.phone if roster else "")


def countersigner(db: Tx, presentation: Presentation) -> UUID:
    """The senior a presentation lies with; its author, who has to name another, when that one can countersign no more."""
    able = {person.id for person in training.seniors(db, presentation.author_organisation_id, "expert")}
    return presentation.senior_id if presentation.senior_id in able else presentation.author_id


def contact(db: Tx, person_id: UUID) -> Contact:
    """How a colleague is reached."""
    person = db.get_one(people.Person, person_id)
    return Contact(person.id, person.name, person.name_en, person.phone)


def coordinators(db: Tx, organisation_id: UUID) -> list[UUID]:
    """Who hands out the questions put to a hospital."""
    return [p.id for p in people.members(db, organisation_id, "coordinator") if p.disabled_at is None]


def asked(db: Tx, case: Case, referral: Referral) -> Asked:
    """A referral with its words and steps, for a caller that holds the case."""
    steps = []
    rows = select(ReferralStep).where(ReferralStep.referral_id == referral.id).order_by(ReferralStep.at, ReferralStep.id)
    for row in db.scalars(rows):
        said = cases.unseal(db, case, "referral-step", "referral_steps", row.id, row.words) if row.words else b""
        steps.append(Step(row.event, row.state, row.at, row.by_id, row.person_id, row.code, said.decode()))
    return Asked(referral, words(db, case, referral), tuple(steps))
