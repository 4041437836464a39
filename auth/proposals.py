"""Proposals: the rights that matter take two people (ASVS 5.0, 2.3.5).

To make somebody an administrator or an auditor, to separate duties or join them, and to let a disabled
administrator back in, one administrator proposes, and a second one of the same hospital confirms within seven
days. Nobody confirms their own proposal or one about themselves, and a proposal is worth nothing once its proposer
is no administrator any more. Where there is no second one, the operator confirms on the command line.
"""

import datetime as dt
from uuid import UUID

from sqlalchemy import ForeignKey, Index, select
from sqlalchemy.orm import Mapped, mapped_column

from auth import duties, enrolments, news, organisations, people, rules, sessions
from auth.organisations import Organisation
from auth.people import BY_TWO, Person
from core import audit, ids, jobs
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict, Denied, Invalid, NotFound
from core.jobs import Job
from core.tables import Base, Code, IdColumn

LIFE = dt.timedelta(days=7)
EXPIRE = "proposal:expire"
SHOWN = 50

GIVE, ENABLE, SEPARATE, JOIN = "give-role", "enable-person", "separate-duties", "join-duties"
KINDS = (GIVE, ENABLE, SEPARATE, JOIN)
STATES = ("proposed", "confirmed", "refused", "withdrawn", "expired")
EVENTS = ("confirm", "refuse", "withdraw", "expire")

TABLE: dict[tuple[str, str], str | None] = {
    ("proposed", "confirm"): "confirmed",
    ("proposed", "refuse"): "refused",
    ("proposed", "withdraw"): "withdrawn",
    ("proposed", "expire"): "expired",
    **{(state, event): None for state in STATES[1:] for event in EVENTS},
}
"""The state after each event; None where it is refused: what has ended stays ended."""


class Proposal(Base):
    """One change that waits for a second hand. ``person_id`` and ``role`` as the kind needs them."""

    __tablename__ = "proposals"
    __table_args__ = (Index(None, "organisation_id", "state"),)

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id))
    kind: Mapped[Code]
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey(Person.id))
    role: Mapped[Code | None]
    state: Mapped[Code]
    proposed_by: Mapped[UUID] = mapped_column(ForeignKey(Person.id))
    proposed_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime]
    ended_by: Mapped[UUID | None] = mapped_column(ForeignKey(Person.id))
    ended_at: Mapped[dt.datetime | None]


def propose(db: Tx, actor: Actor, kind: str, *, person_id: UUID | None = None, role: str | None = None) -> Proposal:
    """Propose a change in the actor's hospital; the other administrators are told.

    Needs ``people:manage`` and a step-up. Raises NotFound, Denied, StepUpNeeded, Invalid, and Conflict when the same
    is proposed already or could not be done as things stand.
    """
    rules.require_in_organisation(actor, "people:manage")
    if actor.person_id is None:
        raise Denied("not-allowed")
    rules.require_step_up(actor)
    organisation = organisations.hold(db, actor.organisation_id)
    _check(db, actor, organisation, kind, person_id, role)
    if any((one.kind, one.person_id, one.role) == (kind, person_id, role) for one in waiting(db, actor)):
        raise Conflict("proposal-open-already")
    now = ids.now()
    proposal = Proposal(
        id=ids.new(),
        organisation_id=organisation.id,
        kind=kind,
        person_id=person_id,
        role=role,
        state="proposed",
        proposed_by=actor.person_id,
        proposed_at=now,
        expires_at=now + LIFE,
    )
    db.add(proposal)
    db.flush()
    _record(db, actor, "proposal:make", proposal)
    jobs.enqueue(db, EXPIRE, {"proposal_id": str(proposal.id)}, organisation_id=organisation.id, run_at=proposal.expires_at)
    news.tell_all(db, organisation.id, [one.id for one in seconds(db, proposal)], "account-proposal-waiting")
    return proposal


def confirm(db: Tx, actor: Actor, proposal_id: UUID) -> Proposal:
    """Let a proposal take effect, as a second administrator, or as the operator where there is none.

    Needs ``people:manage`` and, in a session, a step-up. Raises NotFound, Denied for one's own proposal or one about
    oneself, StepUpNeeded, and Conflict when it has ended, its proposer is no administrator any more, or it cannot be done.
    """
    proposal = _held(db, actor, proposal_id)
    rules.require_step_up(actor)
    if actor.person_id == proposal.proposed_by:
        raise Denied("own-proposal")
    if actor.person_id is not None and actor.person_id == proposal.person_id:
        raise Denied("own-rights")
    if actor.person_id is None and seconds(db, proposal):
        raise Conflict("second-administrator-there")
    if not people.serves(db, proposal.organisation_id, "administrator", proposal.proposed_by):
        raise Conflict("proposer-gone")
    _move(db, actor, proposal, "confirm")
    _take_effect(db, actor, proposal)
    news.tell_all(db, proposal.organisation_id, [proposal.proposed_by], "account-proposal-confirmed")
    return proposal


def refuse(db: Tx, actor: Actor, proposal_id: UUID) -> Proposal:
    """Say no to another administrator's proposal. Raises NotFound, Denied, and Conflict when it has ended."""
    proposal = _held(db, actor, proposal_id)
    if actor.person_id == proposal.proposed_by:
        raise Denied("own-proposal")
    _move(db, actor, proposal, "refuse")
    news.tell_all(db, proposal.organisation_id, [proposal.proposed_by], "account-proposal-refused")
    return proposal


def withdraw(db: Tx, actor: Actor, proposal_id: UUID) -> Proposal:
    """Take one's own proposal back. Raises NotFound, Denied for another's, and Conflict when it has ended."""
    proposal = _held(db, actor, proposal_id)
    if actor.person_id != proposal.proposed_by:
        raise Denied("proposal-of-another")
    _move(db, actor, proposal, "withdraw")
    return proposal


def waiting(db: Tx, actor: Actor) -> list[Proposal]:
    """The proposals of the actor's hospital that wait for a second hand, oldest first. Needs ``people:manage``."""
    rules.require_in_organisation(actor, "people:manage")
    query = select(Proposal).where(Proposal.organisation_id == actor.organisation_id, Proposal.state == "proposed")
    return list(db.scalars(query.where(Proposal.expires_at > ids.now()).order_by(Proposal.id)))


def ended(db: Tx, actor: Actor) -> list[Proposal]:
    """The last proposals of the actor's hospital that have ended, newest first. Needs ``people:manage``."""
    rules.require_in_organisation(actor, "people:manage")
    query = select(Proposal).where(Proposal.organisation_id == actor.organisation_id, Proposal.state != "proposed")
    return list(db.scalars(query.order_by(Proposal.id.desc()).limit(SHOWN)))


def seconds(db: Tx, proposal: Proposal) -> list[Person]:
    """The administrators at work who could confirm it."""
    there = people.members(db, proposal.organisation_id, "administrator")
    return [person for person in there if person.id not in (proposal.proposed_by, proposal.person_id)]


def expire(database: Database, job: Job) -> None:
    """The job of a proposal whose seven days are over."""
    with database.begin() as db:
        system = Actor.system(job.organisation_id)
        organisations.hold(db, job.organisation_id)
        proposal = db.get(Proposal, UUID(str(job.payload["proposal_id"])), populate_existing=True)
        if proposal is not None and TABLE[proposal.state, "expire"] is not None:
            _end(db, system, proposal, "expire")


def _check(db: Tx, actor: Actor, organisation: Organisation, kind: str, person_id: UUID | None, role: str | None) -> None:
    """Whether the change could be made as things stand."""
    if kind not in KINDS or (person_id is None) is (kind in (GIVE, ENABLE)) or (role is None) is (kind == GIVE):
        raise Invalid(fields={"kind": "proposal-senseless"})
    if person_id is None:
        duties.check(db, organisation, separate=kind == SEPARATE)
    elif kind == ENABLE:
        if people.manageable(db, actor, person_id, at_home=True).disabled_at is None:
            raise Conflict("person-not-disabled")
    elif role not in BY_TWO:
        raise Invalid(fields={"role": "proposal-senseless"})
    else:
        person, held = people.manageable(db, actor, person_id), people.roles_in(db, person_id, organisation.id)
        if person.disabled_at is not None:
            raise Conflict("person-disabled")
        if not sessions.ever_signed_in(db, person_id):
            raise Conflict("person-never-signed-in")
        if role in held:
            raise Conflict("role-held-already")
        if organisation.separate_duties and held & BY_TWO:
            raise Conflict("duties-separate")


def _take_effect(db: Tx, actor: Actor, proposal: Proposal) -> None:
    if proposal.person_id is None:
        duties.switch(db, actor, separate=proposal.kind == SEPARATE)
        return
    person = people.get(db, actor, proposal.person_id)
    if proposal.kind == ENABLE:
        people.let_back_in(db, actor, person)
    elif person.disabled_at is not None:
        raise Conflict("person-disabled")
    elif proposal.role is not None:
        # a way in that one administrator handed out would be worth more from now on than they may give alone
        enrolments.end_all(db, person.id)
        people.give_role(db, actor, person, proposal.role)


def _held(db: Tx, actor: Actor, proposal_id: UUID) -> Proposal:
    """The proposal of the actor's hospital; whoever else decides there waits. Raises Denied and NotFound."""
    rules.require_in_organisation(actor, "people:manage")
    rules.refuse_token(actor)
    organisations.hold(db, actor.organisation_id)
    proposal = db.get(Proposal, proposal_id, populate_existing=True)
    if proposal is None or proposal.organisation_id != actor.organisation_id:
        raise NotFound("proposal-not-found")
    return proposal


def _move(db: Tx, actor: Actor, proposal: Proposal, event: str) -> None:
    if TABLE[proposal.state, event] is None:
        raise Conflict("proposal-ended")
    if proposal.expires_at <= ids.now():
        raise Conflict("proposal-too-late")
    _end(db, actor, proposal, event)


def _end(db: Tx, actor: Actor, proposal: Proposal, event: str) -> None:
    proposal.state = TABLE[proposal.state, event] or proposal.state
    proposal.ended_at, proposal.ended_by = ids.now(), actor.person_id
    db.flush()
    _record(db, actor, f"proposal:{event}", proposal)


def _record(db: Tx, actor: Actor, action: str, proposal: Proposal) -> None:
    detail = {"kind": proposal.kind, **({"role": proposal.role} if proposal.role else {})}
    audit.record(
        db, actor, action, organisation_id=proposal.organisation_id, person_id=proposal.person_id, object_type="proposal",
        object_id=proposal.id, purpose="administration", detail=detail,
    )  # fmt: skip
