"""The work list: what needs me now, most urgent first, one action per case, and whom I am waiting for.

Each role's questions are short queries over what the actor may see; where a case has several reasons to be
here, the one earliest in ACTIONS stands. One recorded event per hospital names the patients shown.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import aliased

from auth import rules
from core import ids
from core.actor import Actor
from core.db import Tx
from registry import board, cases, followups, messages, notices, opinions, questions, referrals, reviews
from registry.board import Glance
from registry.cases import Case
from registry.choices import Decision
from registry.followups import Visit
from registry.joinings import Joining
from registry.messages import Message, MessageMark
from registry.opinions import Opinion
from registry.outgoing import Referral
from registry.presented import Presentation
from registry.questions import ReferralStep
from registry.referrals import Waiting
from registry.states import CASE_OPEN, REFERRAL_OPEN, URGENCIES

# What may be asked of somebody, the most pressing first.
ACTIONS = (
    "countersign",
    "name-senior",
    "answer",
    "acknowledge",
    "allocate",
    "decide",
    "join",
    "correct-entry",
    "countersign-entry",
    "refer-again",
    "call",
    "refer",
    "treat",
    "follow-up",
    "read-messages",
)
LIMIT = 100
# what is left out where there are more than LIMIT is never the more urgent
URGENT_FIRST = (Case.urgency_rank.desc(), Case.id.desc())
BEFORE_TREATMENT = frozenset({"draft", "referred", "answered"})


@dataclass(frozen=True, slots=True)
class Item:
    """One case that needs the actor (or, in ``Worklist.waiting``, on which somebody else is waited for).

    ``urgency`` belongs to what is still open: a treated case has none but that of a late question.
    ``since`` is when it began to wait, ``due_at`` the deadline if there is one. ``glance`` has the clocks of its
    severed units and the hours of an open fracture. ``waiting`` says who is waited for; ``unread`` counts messages.
    """

    case: Case
    action: str
    since: dt.datetime
    urgency: str = "routine"
    due_at: dt.datetime | None = None
    overdue: bool = False
    referral_id: UUID | None = None
    opinion_id: UUID | None = None
    presentation_id: UUID | None = None
    entry_id: UUID | None = None
    visit: Visit | None = None
    waiting: Waiting | None = None
    glance: Glance = field(default_factory=Glance)
    unread: int = 0


@dataclass(frozen=True, slots=True)
class Worklist:
    """What needs the actor, what they wait for, and two counts for the foot of the page."""

    needs: list[Item] = field(default_factory=list)
    waiting: list[Item] = field(default_factory=list)
    follow_ups_due: int = 0
    notices_unread: int = 0


def items(db: Tx, actor: Actor) -> Worklist:
    """The actor's work list as it stands now. Empty for those who read no cases."""
    unread_notices = notices.unread_count(db, actor)
    if not any(rules.roles_for(actor, relation, "case:read") for relation in ("own", "granted")):
        return Worklist(notices_unread=unread_notices)
    now = ids.now()
    best: dict[UUID, Item] = {}
    for item in _candidates(db, actor, now):
        known = best.get(item.case.id)
        if known is None or ACTIONS.index(item.action) < ACTIONS.index(known.action):
            best[item.case.id] = item
    waiting = [item for item in _waited_for(db, actor, now) if item.case.id not in best]
    shown = {item.case.id: item.case for item in [*best.values(), *waiting]}
    unread = messages.unread(db, actor, list(shown)) if shown else {}
    cases.seen_list(db, actor, shown.values(), "case:worklist")
    db.keyring.load(db, map(cases.unit, shown.values()))
    glances = {case.id: board.glance(db, case, now) for case in shown.values() if case.state in BEFORE_TREATMENT}
    needs, waiting = (
        sorted((replace(i, glance=glances.get(i.case.id, Glance()), unread=unread.get(i.case.id, 0)) for i in group), key=_pressing)
        for group in (best.values(), waiting)
    )
    due = sum(1 for item in needs if item.visit is not None)
    return Worklist(needs, waiting, follow_ups_due=due, notices_unread=unread_notices)


def _pressing(item: Item) -> tuple[int, bool, dt.datetime, dt.datetime]:
    return -URGENCIES.index(item.urgency), not item.overdue, item.due_at or dt.datetime.max.replace(tzinfo=dt.UTC), item.since


def _candidates(db: Tx, actor: Actor, now: dt.datetime) -> Iterator[Item]:
    yield from _to_countersign(db, actor, now)
    yield from (item for item in _presented(db, actor, now) if item.action == "name-senior")
    yield from _asked_of_me(db, actor, now)
    yield from _to_join(db, actor)
    if _may_own(actor, "entry:countersign"):
        for review, case in reviews.waiting(db, actor, limit=LIMIT):
            yield Item(case, "countersign-entry", review.at, _urgency(case), entry_id=review.entry_id)
    yield from (item for item in _entered(db, actor) if item.action == "correct-entry")
    yield from _to_allocate(db, actor, now)
    if _may_own(actor, "case:refer"):
        yield from _to_decide(db, actor)
        yield from _unsent(db, actor)
        yield from _untreated(db, actor)
        yield from _silent(db, actor, now)
    if _may_own(actor, "followup:write"):
        yield from _visits(db, actor)
    yield from _said(db, actor)


def _may_own(actor: Actor, action: str) -> bool:
    return bool(rules.roles_for(actor, "own", action))


def _to_countersign(db: Tx, actor: Actor, now: dt.datetime) -> Iterator[Item]:
    """Opinions of people in training that lie with this senior."""
    for presentation, case, referral in _presentations(db, actor, Presentation.senior_id == actor.person_id):
        if questions.countersigner(db, presentation) == actor.person_id:
            yield _of_presentation(case, presentation, referral, "countersign", now)


def _to_join(db: Tx, actor: Actor) -> Iterator[Item]:
    """Joint opinions whose signers ask this expert to stand behind them too."""
    rows = (
        select(Joining, Case)
        .join(Case, Case.id == Joining.case_id)
        .join(Opinion, Opinion.id == Joining.joint_id)
        .where(cases.visible(actor, "opinion:sign"), opinions.open_to(actor))
        .where(Joining.person_id == actor.person_id, Joining.state == "asked", Case.state.in_(CASE_OPEN))
        .order_by(Joining.id)
        .limit(LIMIT)
    )
    for joining, case in db.execute(rows):
        yield Item(case, "join", joining.asked_at, _urgency(case), opinion_id=joining.joint_id)


def _presented(db: Tx, actor: Actor, now: dt.datetime) -> Iterator[Item]:
    """The actor's own that wait for a senior, or for one to be named in the place of who can countersign no more."""
    for presentation, case, referral in _presentations(db, actor, Presentation.author_id == actor.person_id):
        who = questions.countersigner(db, presentation)
        item = _of_presentation(case, presentation, referral, "wait" if who != actor.person_id else "name-senior", now)
        contacts = (questions.contact(db, who),) if who != actor.person_id else ()
        waiting = Waiting("countersign", presentation.author_organisation_id, contacts, item.since, item.due_at, item.overdue)
        yield replace(item, waiting=waiting)


def _presentations(db: Tx, actor: Actor, whose: ColumnElement[bool]) -> list[tuple[Presentation, Case, Referral | None]]:
    """What waits for a countersignature in cases the actor reaches, oldest first; on a closed case only addenda still can."""
    rows = (
        select(Presentation, Case, Referral)
        .join(Case, Case.id == Presentation.case_id)
        .outerjoin(Referral, Referral.id == Presentation.referral_id)
        .where(cases.visible(actor, "opinion:countersign"), whose, Presentation.author_organisation_id == actor.organisation_id)
        .where(Presentation.state == "waiting", or_(Case.state.in_(CASE_OPEN), Presentation.addendum_to.is_not(None)))
        .order_by(Presentation.id)
        .limit(LIMIT)
    )
    return [(presentation, case, referral) for presentation, case, referral in db.execute(rows)]


def _of_presentation(case: Case, presentation: Presentation, referral: Referral | None, action: str, now: dt.datetime) -> Item:
    item = Item(case, action, presentation.signed_at, _urgency(case), presentation_id=presentation.id)
    if referral is None or not referral.open:
        return item
    late = referral.due_at is not None and referral.due_at < now
    return replace(item, urgency=_highest(referral, case), due_at=referral.due_at, overdue=late, referral_id=referral.id)


def _entered(db: Tx, actor: Actor) -> Iterator[Item]:
    """The actor's own entries that wait for a senior, or came back: those first."""
    for review, case in sorted(reviews.own(db, actor, limit=LIMIT), key=lambda found: found[0].state != "returned"):
        if review.state == "returned" and case.state == "closed":
            continue
        action = "correct-entry" if review.state == "returned" else "wait"
        waiting = Waiting("countersign-entry", review.organisation_id, (), review.at, None, False)
        yield Item(case, action, review.at, _urgency(case), entry_id=review.entry_id, waiting=waiting)


def _asked_of_me(db: Tx, actor: Actor, now: dt.datetime) -> Iterator[Item]:
    """Questions that lie with this expert and not, already answered, with a senior; and those they were called to."""
    presented = exists().where(
        Presentation.referral_id == Referral.id,
        Presentation.author_id == actor.person_id,
        Presentation.state == "waiting",
        Presentation.addendum_to.is_(None),
    )
    mine = Referral.expert_id == actor.person_id
    rung = exists().where(
        ReferralStep.referral_id == Referral.id, ReferralStep.event == "escalate", ReferralStep.person_id == actor.person_id
    )
    rows = (
        select(Referral, Case)
        .join(Case, Case.id == Referral.case_id)
        .where(cases.visible(actor, "referral:answer"), or_(mine & ~presented, (Referral.state == "escalated") & rung))
        .where(Referral.state.in_(REFERRAL_OPEN), Case.state.in_(CASE_OPEN))
        .limit(LIMIT)
    )
    for referral, case in db.execute(rows):
        called = actor.person_id in questions.called(db, referral)
        if called or referral.expert_id == actor.person_id:
            action = "answer" if referral.acknowledged_at and not called else "acknowledge"
            yield _of_referral(case, referral, action, now)


def _to_allocate(db: Tx, actor: Actor, now: dt.datetime) -> Iterator[Item]:
    """Questions to the coordinator's hospital that nobody has, or whose expert is silent past the deadline.

    A declined one stays while the hospital is let in and has not been asked anew: the expert said no, not the hospital.
    """
    if not rules.roles_for(actor, "granted", "referral:allocate"):
        return
    later = aliased(Referral)
    anew = exists().where(
        later.case_id == Referral.case_id,
        later.to_organisation_id == Referral.to_organisation_id,
        later.requested_at > Referral.requested_at,
    )
    rows = (
        select(Referral, Case)
        .join(Case, Case.id == Referral.case_id)
        .where(cases.visible(actor, "referral:allocate"), Referral.to_organisation_id == actor.organisation_id)
        .where(Case.state.in_(CASE_OPEN))
        .where(
            or_(
                Referral.state.in_(("requested", "escalated")),
                and_(Referral.state == "declined", ~anew),
                and_(Referral.state.in_(REFERRAL_OPEN), Referral.due_at < now),
            )
        )
        .limit(LIMIT)
    )
    for referral, case in db.execute(rows):
        action = "call" if referral.expert_id else "allocate"
        yield replace(_of_referral(case, referral, action, now), waiting=referrals.waiting_for(db, referral, now))


def _to_decide(db: Tx, actor: Actor) -> Iterator[Item]:
    """Opinions on which the treating hospital has not decided; a joint one stands for those that were joined to it."""
    decided = exists().where(Decision.opinion_id == Opinion.id)
    joined = exists().where(Joining.opinion_id == Opinion.id, Joining.state == "joined")
    rows = (
        select(Opinion, Case)
        .join(Case, Case.id == Opinion.case_id)
        .where(cases.visible(actor, "decision:write"), Opinion.addendum_to.is_(None), ~decided, ~joined)
        .where(Case.organisation_id == actor.organisation_id, Case.state.in_(CASE_OPEN))
        .order_by(Opinion.id)
        .limit(LIMIT)
    )
    for opinion, case in db.execute(rows):
        yield Item(case, "decide", opinion.signed_at, _urgency(case), opinion_id=opinion.id)


def _unsent(db: Tx, actor: Actor) -> Iterator[Item]:
    """The actor's own drafts; those that were declined or taken back say so."""
    asked = exists().where(Referral.case_id == Case.id)
    rows = (
        select(Case, asked)
        .where(cases.visible(actor, "case:refer"), Case.organisation_id == actor.organisation_id)
        .where(Case.state == "draft", Case.created_by == actor.person_id)
        .order_by(*URGENT_FIRST)
        .limit(LIMIT)
    )
    for case, again in db.execute(rows):
        yield Item(case, "refer-again" if again else "refer", case.changed_at, case.urgency)


def _untreated(db: Tx, actor: Actor) -> Iterator[Item]:
    """Answered and decided, but nobody has said what was done."""
    decided = exists().where(Decision.case_id == Case.id)
    rows = (
        select(Case)
        .where(cases.visible(actor, "case:write"), Case.organisation_id == actor.organisation_id)
        .where(Case.state == "answered", decided)
        .order_by(*URGENT_FIRST)
        .limit(LIMIT)
    )
    for case in db.scalars(rows):
        yield Item(case, "treat", case.changed_at, case.urgency)


def _silent(db: Tx, actor: Actor, now: dt.datetime) -> Iterator[Item]:
    """Questions of one's own hospital that are silent past the deadline: there is a number to call."""
    for referral, case in _open_of_own(db, actor):
        if referral.due_at is not None and referral.due_at < now:
            item = _of_referral(case, referral, "call", now)
            yield replace(item, waiting=referrals.waiting_for(db, referral, now))


def _waited_for(db: Tx, actor: Actor, now: dt.datetime) -> list[Item]:
    """One's own work that a senior has yet to countersign, and questions of one's own hospital that are out and in time."""
    own: dict[UUID, Item] = {}
    for item in (*_presented(db, actor, now), *_entered(db, actor)):
        own.setdefault(item.case.id, item)
    if not _may_own(actor, "case:read"):
        return list(own.values())
    return list(own.values()) + [
        replace(_of_referral(case, referral, "call", now), waiting=referrals.waiting_for(db, referral, now))
        for referral, case in _open_of_own(db, actor)
    ]


def _open_of_own(db: Tx, actor: Actor) -> list[tuple[Referral, Case]]:
    rows = (
        select(Referral, Case)
        .join(Case, Case.id == Referral.case_id)
        .where(cases.visible(actor), Case.organisation_id == actor.organisation_id, Referral.state.in_(REFERRAL_OPEN))
        .where(Case.state.in_(CASE_OPEN))
        .order_by(Referral.due_at)
        .limit(LIMIT)
    )
    return [(referral, case) for referral, case in db.execute(rows)]


def _visits(db: Tx, actor: Actor) -> Iterator[Item]:
    for visit, case in followups.waiting(db, actor, limit=LIMIT):
        due = dt.datetime.combine(visit.due_on, dt.time(), dt.UTC)
        late = visit.standing(followups.today(db, case)) == "overdue"
        yield Item(case, "follow-up", due, due_at=due, overdue=late, visit=visit)


def _said(db: Tx, actor: Actor) -> Iterator[Item]:
    """Cases with messages the actor has not read, of those they opened, asked, were asked or spoke in."""
    me = actor.person_id
    mark = select(MessageMark.read_to).where(MessageMark.case_id == Message.case_id, MessageMark.person_id == me).scalar_subquery()
    new = or_(mark.is_(None), Message.at > mark)
    unread = exists().where(Message.case_id == Case.id, Message.author_id != me, new, messages.open_to(actor))
    asked = exists().where(Referral.case_id == Case.id, or_(Referral.requested_by == me, Referral.expert_id == me))
    spoke = exists().where(Message.case_id == Case.id, Message.author_id == me)
    rows = (
        select(Case)
        .where(cases.visible(actor, "message:read"), Case.state.in_(CASE_OPEN))
        .where(unread, or_(Case.created_by == me, asked, spoke))
        .order_by(*URGENT_FIRST)
        .limit(LIMIT)
    )
    for case in db.scalars(rows):
        yield Item(case, "read-messages", case.changed_at, _urgency(case))


def _of_referral(case: Case, referral: Referral, action: str, now: dt.datetime) -> Item:
    late = referral.due_at is not None and referral.due_at < now
    return Item(
        case, action, referral.requested_at, _highest(referral, case), due_at=referral.due_at, overdue=late, referral_id=referral.id
    )


def _highest(referral: Referral, case: Case) -> str:
    return max(referral.urgency, _urgency(case), key=URGENCIES.index)


def _urgency(case: Case) -> str:
    return case.urgency if case.state in BEFORE_TREATMENT else "routine"
