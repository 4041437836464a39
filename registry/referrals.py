"""Referrals: a question put to another hospital, and whoever is waited for until it is answered.

Requested by the treating hospital, allocated by a coordinator of the invited one (or addressed straight to
an expert on duty), acknowledged, answered by a signed opinion; or declined with a reason, or withdrawn.
Each step has its clock by urgency, counted from the request; a silent step escalates by itself. Access
follows: a referral gives grants and takes them back. An agreement between the hospitals and the consents
are needed, except in an emergency, where the reason for going on without is recorded.
"""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from auth import grants, organisations, people, policy
from core import ids, jobs
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict, Denied, Invalid, NotFound
from core.jobs import Job
from core.tables import Base, Code, IdColumn
from registry import cases, consents, entries, messages, notices, patients, valuesets
from registry.cases import Case

STATES = ("requested", "allocated", "acknowledged", "escalated", "answered", "declined", "withdrawn")
EVENTS = ("allocate", "acknowledge", "answer", "decline", "escalate", "withdraw")
OPEN = frozenset({"requested", "allocated", "acknowledged", "escalated"})

# (state, event) -> state after it, or None where the event is refused. Total.
TRANSITIONS: dict[tuple[str, str], str | None] = {
    ("requested", "allocate"): "allocated",
    ("requested", "acknowledge"): None,
    ("requested", "answer"): None,
    ("requested", "decline"): "declined",
    ("requested", "escalate"): "escalated",
    ("requested", "withdraw"): "withdrawn",
    ("allocated", "allocate"): "allocated",
    ("allocated", "acknowledge"): "acknowledged",
    ("allocated", "answer"): "answered",
    ("allocated", "decline"): "declined",
    ("allocated", "escalate"): "escalated",
    ("allocated", "withdraw"): "withdrawn",
    ("acknowledged", "allocate"): "allocated",
    ("acknowledged", "acknowledge"): "acknowledged",
    ("acknowledged", "answer"): "answered",
    ("acknowledged", "decline"): "declined",
    ("acknowledged", "escalate"): "escalated",
    ("acknowledged", "withdraw"): "withdrawn",
    ("escalated", "allocate"): "allocated",
    ("escalated", "acknowledge"): "acknowledged",
    ("escalated", "answer"): "answered",
    ("escalated", "decline"): "declined",
    ("escalated", "escalate"): "escalated",
    ("escalated", "withdraw"): "withdrawn",
    ("answered", "allocate"): None,
    ("answered", "acknowledge"): None,
    ("answered", "answer"): "answered",
    ("answered", "decline"): None,
    ("answered", "escalate"): None,
    ("answered", "withdraw"): None,
    ("declined", "allocate"): "allocated",
    ("declined", "acknowledge"): None,
    ("declined", "answer"): None,
    ("declined", "decline"): None,
    ("declined", "escalate"): None,
    ("declined", "withdraw"): "withdrawn",
    ("withdrawn", "allocate"): None,
    ("withdrawn", "acknowledge"): None,
    ("withdrawn", "answer"): None,
    ("withdrawn", "decline"): None,
    ("withdrawn", "escalate"): None,
    ("withdrawn", "withdraw"): None,
}

_MINUTE, _HOUR = dt.timedelta(minutes=1), dt.timedelta(hours=1)

# By when, counted from the request: allocated, acknowledged, answered. Defaults; a hospital's policy.
CLOCKS: dict[str, dict[str, dt.timedelta]] = {
    "emergency": {"requested": 5 * _MINUTE, "allocated": 10 * _MINUTE, "acknowledged": 20 * _MINUTE},
    "urgent": {"requested": 10 * _MINUTE, "allocated": 20 * _MINUTE, "acknowledged": 30 * _MINUTE},
    "routine": {"requested": 1 * _HOUR, "allocated": 8 * _HOUR, "acknowledged": 24 * _HOUR},
}

# The expert who advised is shown the outcome: a year of follow-up and a month's grace.
ACCESS = dt.timedelta(days=400)
OVERDUE = "referral:overdue"
TEXT_LIMIT = 4000


class Referral(Base):
    """One question to one hospital. ``words`` is sealed under the case key; ``due_at`` is the deadline of the step at hand."""

    __tablename__ = "referrals"
    __table_args__ = (
        UniqueConstraint("case_id", "requested_by", "client_key"),
        Index(None, "to_organisation_id", "state"),
        Index(None, "expert_id", "state"),
    )

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    to_organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    state: Mapped[Code]
    urgency: Mapped[Code]
    specialty: Mapped[Code]
    rank: Mapped[Code]
    sees_identity: Mapped[bool]
    words: Mapped[bytes]
    requested_by: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    requested_at: Mapped[dt.datetime]
    expert_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    allocated_at: Mapped[dt.datetime | None]
    acknowledged_at: Mapped[dt.datetime | None]
    answered_at: Mapped[dt.datetime | None]
    due_at: Mapped[dt.datetime | None]
    client_key: Mapped[str | None]
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}

    @property
    def open(self) -> bool:
        """Whether somebody is still waited for."""
        return self.state in OPEN


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


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody who is waited for."""

    person_id: UUID
    name: str
    name_en: str
    phone: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Who is waited for: for what (``allocate``, ``acknowledge`` or ``answer``), since when, until when."""

    event: str
    organisation_id: UUID
    contacts: tuple[Contact, ...]
    since: dt.datetime
    due_at: dt.datetime | None
    overdue: bool


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
    without_agreement: str = "",
    without_consent: str = "",
    client_key: str | None = None,
) -> Referral:
    """Put a question about a case to another hospital; with ``expert_id`` straight to the expert on duty there.

    Raises Invalid with a code per field: a missing question, free text of the referral, the record or the
    discussion that names the patient although identity is not shown, ``referral-no-agreement`` and
    ``consent-missing`` (each cured in an emergency by a reason in ``without_agreement`` or
    ``without_consent``); Conflict when the case state forbids it or the hospital has been asked already.
    """
    case = cases.reach(db, actor, case_id, "case:refer")
    if actor.person_id is None:
        raise Denied("not-allowed")
    if client_key and (known := _by_client_key(db, actor, case, client_key)):
        return known
    said = Words(question.strip(), reason.strip(), without_agreement.strip(), without_consent.strip())
    _check(db, actor, case, to_organisation_id, said, specialty, rank)
    if not cases.can(case, "refer"):
        raise Conflict("case-state-forbids", state=case.state, event="refer")
    if _open_between(db, case, to_organisation_id):
        raise Conflict("referral-open-already")
    if not sees_identity:
        screen(db, case, {"question": said.question, "reason": said.reason})
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
        due_at=now + CLOCKS[case.urgency]["requested"],
    )
    text = json.dumps({name: getattr(said, name) for name in Words.__slots__}, ensure_ascii=False)
    referral.words = cases.seal(db, case, "referral", "referrals", referral.id, text.encode())
    db.add(referral)
    db.flush()
    _step(db, actor, case, referral, "request")
    _give(db, actor, case, referral, "coordinator", None)
    cases.advance(db, actor, case, "refer")
    _watch(db, referral)
    if expert_id is None:
        notices.tell(db, _coordinators(db, to_organisation_id), "referral-requested", case, but=actor.person_id)
    else:
        _allocate(db, actor, case, referral, expert_id)
    return referral


def withdraw(db: Tx, actor: Actor, referral_id: UUID, *, reason: str = "") -> Referral:
    """Take a question back. The access it gave ends at once. Conflict when it was answered or withdrawn already."""
    referral, case = _reach(db, actor, referral_id, "referral:withdraw")
    expert = referral.expert_id
    _move(db, actor, case, referral, "withdraw", words=reason.strip())
    _take_back(db, actor, case, referral)
    told = {expert} if expert else set(_coordinators(db, referral.to_organisation_id))
    notices.tell(db, told, "referral-withdrawn", case, but=actor.person_id)
    _lapse(db, actor, case)
    return referral


# --- the invited hospital ------------------------------------------------------------------------------


def allocate(db: Tx, actor: Actor, referral_id: UUID, *, expert_id: UUID) -> Referral:
    """Give a question to an expert of one's own hospital; a second time gives it to another.

    Raises NotFound ``person-not-found`` for somebody who is no expert there, Conflict by the state.
    """
    referral, case = _reach(db, actor, referral_id, "referral:allocate")
    _of_invited(actor, referral)
    _allocate(db, actor, case, referral, expert_id)
    return referral


def acknowledge(db: Tx, actor: Actor, referral_id: UUID) -> Referral:
    """The allocated expert says: I have it. A second time changes nothing."""
    referral, case = _reach(db, actor, referral_id, "referral:answer")
    _of_expert(actor, referral)
    if referral.state == "acknowledged":
        return referral
    _move(db, actor, case, referral, "acknowledge")
    notices.tell(db, {referral.requested_by}, "referral-acknowledged", case, but=actor.person_id)
    return referral


def decline(db: Tx, actor: Actor, referral_id: UUID, *, code: str, reason: str = "") -> Referral:
    """Say no with a reason (value set decline_reason; words needed for ``other``): the expert asked, or a coordinator there.

    The expert's access ends; the asker is told at once, and a coordinator may allocate again.
    """
    referral = _row(db, actor, referral_id)
    by_expert = referral.expert_id == actor.person_id
    referral, case = _reach(db, actor, referral_id, "referral:answer" if by_expert else "referral:allocate")
    _of_invited(actor, referral)
    if code not in valuesets.value_set("decline_reason").codes:
        raise Invalid("form-invalid", fields={"code": "field-code-unknown"})
    if code == "other" and not reason.strip():
        raise Invalid("form-invalid", fields={"reason": "field-required"})
    expert = referral.expert_id
    _move(db, actor, case, referral, "decline", code=code, words=reason.strip())
    if expert is not None:
        _take_back(db, actor, case, referral, person_id=expert)
        referral.expert_id = None
    told = {referral.requested_by, *_coordinators(db, referral.to_organisation_id)}
    notices.tell(db, told, "referral-declined", case, but=actor.person_id)
    _lapse(db, actor, case)
    return referral


# --- reading -------------------------------------------------------------------------------------------


def for_case(db: Tx, actor: Actor, case_id: UUID) -> list[Asked]:
    """The referrals of a case with words and steps, oldest first; a visitor is shown those of their own hospital."""
    case = cases.get(db, actor, case_id)
    rows = select(Referral).where(Referral.case_id == case.id).order_by(Referral.id)
    if actor.organisation_id != case.organisation_id:
        rows = rows.where(Referral.to_organisation_id == actor.organisation_id)
    return [_asked(db, case, referral) for referral in db.scalars(rows)]


def get(db: Tx, actor: Actor, referral_id: UUID) -> Asked:
    """One referral with words and steps; recorded as reading the case."""
    referral = _row(db, actor, referral_id)
    return _asked(db, cases.get(db, actor, referral.case_id), referral)


def waiting_for(db: Tx, referral: Referral, now: dt.datetime | None = None) -> Waiting | None:
    """Who is waited for, with telephone, for a caller that holds the referral; None when nobody is."""
    if not referral.open:
        return None
    now = now or ids.now()
    if referral.expert_id is not None:
        who = [referral.expert_id]
        event = "answer" if referral.acknowledged_at else "acknowledge"
        since = referral.acknowledged_at or referral.allocated_at or referral.requested_at
    else:
        who, event, since = _coordinators(db, referral.to_organisation_id), "allocate", referral.requested_at
    contacts = tuple(contact(db, person_id) for person_id in who)
    late = referral.due_at is not None and referral.due_at < now
    return Waiting(event, referral.to_organisation_id, contacts, since, referral.due_at, late)


def contact(db: Tx, person_id: UUID) -> Contact:
    """How a colleague is reached."""
    person = db.get_one(people.Person, person_id)
    return Contact(person.id, person.name, person.name_en, person.phone)


def hospitals(db: Tx, actor: Actor) -> list[tuple[organisations.Organisation, bool]]:
    """The hospitals a case of the actor's may be referred to, each with whether an agreement stands today."""
    policy.require_in_organisation(actor, "case:refer")
    own, now = actor.organisation_id, ids.now()
    others = db.scalars(select(organisations.Organisation).where(organisations.Organisation.id != own))
    found = [(other, organisations.agreement_between(db, own, other.id, now) is not None) for other in others]
    return sorted(found, key=lambda pair: (not pair[1], pair[0].name))


# --- for the other nouns -------------------------------------------------------------------------------


def words(db: Tx, case: Case, referral: Referral) -> Words:
    """The free text of a referral of a case the caller holds."""
    return Words(**json.loads(cases.unseal(db, case, "referral", "referrals", referral.id, referral.words)))


def answered(db: Tx, actor: Actor, case: Case) -> Referral | None:
    """An opinion was signed: the signer's own referral is answered, and with it the case."""
    referral = of_expert(db, case, actor)
    if referral is not None:
        _move(db, actor, case, referral, "answer")
    cases.advance(db, actor, case, "answer")
    return referral


def of_expert(db: Tx, case: Case, actor: Actor) -> Referral | None:
    """The newest referral of the case that lies with this expert."""
    return db.scalar(
        select(Referral).where(Referral.case_id == case.id, Referral.expert_id == actor.person_id).order_by(Referral.id.desc()).limit(1)
    )


def screen(db: Tx, case: Case, texts: Mapping[str, str]) -> None:
    """Check the words of a referral, of the record and of the discussion for the patient's identifiers. Raises Invalid."""
    found = dict(texts)
    for item in entries.recorded(db, case):
        for name, text in item.document.free_texts().items():
            found[f"{item.entry.type}.{name}"] = text
    for number, text in enumerate(messages.texts(db, case), start=1):
        found[f"message.{number}"] = text
    patients.screen(db, cases.patient_of(db, case), found)


def overdue(database: Database, job: Job) -> None:
    """The job of a deadline: a step still silent escalates once, and both sides' people are told."""
    with database.begin() as db:
        referral = db.get(Referral, UUID(str(job.payload["referral_id"])), with_for_update=True)
        if referral is None or referral.state not in ("requested", "allocated", "acknowledged"):
            return
        if referral.due_at is None or referral.due_at > ids.now():
            return
        case = db.get_one(Case, referral.case_id)
        _move(db, Actor.system(case.organisation_id), case, referral, "escalate")
        told = {referral.requested_by, *_coordinators(db, referral.to_organisation_id)}
        notices.tell(db, told, "referral-escalated", case)


# --- inside ----------------------------------------------------------------------------------------------


def _check(db: Tx, actor: Actor, case: Case, to_organisation_id: UUID, said: Words, specialty: str, rank: str) -> None:
    wrong: dict[str, str] = {}
    if not said.question:
        wrong["question"] = "field-required"
    for name in Words.__slots__:
        if len(getattr(said, name)) > TEXT_LIMIT:
            wrong[name] = "field-too-long"
    if specialty not in valuesets.value_set("specialty").codes:
        wrong["specialty"] = "field-code-unknown"
    if rank not in valuesets.value_set("rank").codes:
        wrong["rank"] = "field-code-unknown"
    other = db.get(organisations.Organisation, to_organisation_id)
    if other is None or other.id == case.organisation_id:
        wrong["to_organisation_id"] = "organisation-not-found"
    elif organisations.agreement_between(db, case.organisation_id, other.id, ids.now()) is None:
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
    expert = next((p for p in people.members(db, referral.to_organisation_id, "expert") if p.id == expert_id), None)
    if expert is None or expert.disabled_at is not None:
        raise NotFound("person-not-found")
    was_open = referral.open
    referral.expert_id, referral.acknowledged_at = expert_id, None
    _move(db, actor, case, referral, "allocate", person_id=expert_id)
    if before is not None and before != expert_id:
        _take_back(db, actor, case, referral, person_id=before)
    _give(db, actor, case, referral, "expert", expert_id)
    if not was_open:
        cases.advance(db, actor, case, "refer")
    notices.tell(db, {expert_id}, "referral-allocated", case, but=actor.person_id)


def _move(
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
    after = TRANSITIONS[referral.state, event]
    if after is None:
        raise Conflict("referral-state-forbids", state=referral.state, event=event)
    now = ids.now()
    referral.state = after
    if event == "allocate":
        referral.allocated_at = now
    elif event == "acknowledge":
        referral.acknowledged_at = now
    elif event == "answer":
        referral.acknowledged_at = referral.acknowledged_at or now
        referral.answered_at = referral.answered_at or now
    if event != "escalate":
        step = CLOCKS[referral.urgency].get(after)
        referral.due_at = referral.requested_at + step if step is not None else None
        _watch(db, referral)
    db.flush()
    _step(db, actor, case, referral, event, person_id=person_id, code=code, words=words)


def _step(
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
    step = ReferralStep(
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
        step.words = cases.seal(db, case, "referral-step", "referral_steps", step.id, words[:TEXT_LIMIT].encode())
    db.add(step)
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


def _watch(db: Tx, referral: Referral) -> None:
    if referral.due_at is None:
        return
    payload: dict[str, str | int] = {"referral_id": str(referral.id)}
    key = f"{OVERDUE}:{referral.id}:{referral.state}:{referral.version}"
    jobs.enqueue(db, OVERDUE, payload, organisation_id=referral.organisation_id, run_at=max(referral.due_at, ids.now()), key=key)


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
        reason=f"referral:{referral.id}",
    )


def _take_back(db: Tx, actor: Actor, case: Case, referral: Referral, *, person_id: UUID | None = None) -> None:
    """Revoke what this referral gave: everything, or one expert's part."""
    for grant in cases.live_grants(db, case):
        if grant.reason == f"referral:{referral.id}" and person_id in (None, grant.person_id):
            grants.revoke(db, actor, grant.id, because="referral-ended")


def _lapse(db: Tx, actor: Actor, case: Case) -> None:
    rows = select(Referral.id).where(Referral.case_id == case.id, Referral.state.in_(OPEN)).limit(1)
    if db.scalar(rows) is None and cases.can(case, "lapse"):
        cases.advance(db, actor, case, "lapse")


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
    return referral, cases.reach(db, actor, referral.case_id, action)


def _of_invited(actor: Actor, referral: Referral) -> None:
    if actor.organisation_id != referral.to_organisation_id:
        raise Denied("referral-of-other-hospital")


def _of_expert(actor: Actor, referral: Referral) -> None:
    if referral.expert_id != actor.person_id:
        raise Denied("referral-of-other-expert")


def _coordinators(db: Tx, organisation_id: UUID) -> list[UUID]:
    return [p.id for p in people.members(db, organisation_id, "coordinator") if p.disabled_at is None]


def _open_between(db: Tx, case: Case, to_organisation_id: UUID) -> Referral | None:
    return db.scalar(
        select(Referral).where(Referral.case_id == case.id, Referral.to_organisation_id == to_organisation_id, Referral.state.in_(OPEN))
    )


def _by_client_key(db: Tx, actor: Actor, case: Case, client_key: str) -> Referral | None:
    return db.scalar(
        select(Referral).where(Referral.case_id == case.id, Referral.requested_by == actor.person_id, Referral.client_key == client_key)
    )


def _asked(db: Tx, case: Case, referral: Referral) -> Asked:
    steps = []
    rows = select(ReferralStep).where(ReferralStep.referral_id == referral.id).order_by(ReferralStep.id)
    for row in db.scalars(rows):
        said = cases.unseal(db, case, "referral-step", "referral_steps", row.id, row.words) if row.words else b""
        steps.append(Step(row.event, row.state, row.at, row.by_id, row.person_id, row.code, said.decode()))
    return Asked(referral, words(db, case, referral), tuple(steps))
