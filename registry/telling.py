"""Telling people outside the pages: from a notice to e-mails, text messages and hooks, without a word about a patient.

A new notice asks for a job (`notices.OUTSIDE`), which decides by whom, how and when it is told (`registry.preferences`)
and leaves a `Delivery` for each way (what is told at once also goes to the browsers that asked for it); sending is a job of its own, in no transaction. What was read meanwhile is not
sent. An emergency breaks through the quiet hours for whoever is on duty, is named by it, or asked; where a hospital keeps
no roster for what somebody does there, they count as on duty. An e-mail of an emergency that fails twice falls through to
the hospital's gateway for text messages.
"""

import logging
from uuid import UUID

from sqlalchemy import or_, select

from auth import news, people, restrictions
from auth.people import Person
from core import ids
from core.db import Database, Tx
from core.errors import Invalid, ShanhaiError, Unavailable
from core.jobs import Handler, Job
from registry import deliveries, duty, gateways, hooks, notices, preferences, pushing, states, subscriptions
from registry.deliveries import GATHER, HOOK, MAIL, PAUSES, PUSH, Delivery
from registry.gateways import Event
from registry.hooks import Hook, Target
from registry.mail import Letter
from registry.notices import Notice
from registry.outgoing import Referral
from registry.ways import STALE, Item, Outside, item_of, named, untold, why

MOST = 40
"""Notices told of in one letter."""

NAMING = frozenset(
    [
        "message-calls",
        "referral-allocated",
        "referral-called",
        "referral-backup",
        "referral-declined",
        "referral-escalated",
        "opinion-signed",
        "opinion-to-countersign",
        "opinion-returned",
    ]
)
"""Kinds that are meant for this one person, or for whoever asked."""

PRESSING = frozenset(
    [
        "account-authenticator-changed",
        "account-link-added",
        "account-passkey-added",
        "account-passkey-count",
        "account-password-changed",
        "account-recovery-used",
        "account-signed-in",
        "account-pin-ended",
        "account-push-added",
        "glass-broken",
        "glass-on-case",
        "roster-put-on",
        "roster-taken-off",
        "webhook-failing",
    ]
)
"""Kinds about no urgent case that are told as urgent: somebody may have to act today."""

TRIAL = "webhook-trial"

log = logging.getLogger("shanhai.telling")


def planner(outside: Outside) -> dict[str, Handler]:
    """The job that decides; it takes an instant."""
    return {notices.OUTSIDE: lambda database, job: _plan(database, job, outside)}


def postman(outside: Outside) -> dict[str, Handler]:
    """The jobs that hand letters to the mail server."""
    return {
        MAIL: lambda database, job: _mail(database, outside, named(job, "delivery_ids")),
        GATHER: lambda database, job: _gather(database, outside, named(job, "person_id")[0]),
    }


def courier(outside: Outside) -> dict[str, Handler]:
    """The jobs that call on hooks and on the push services of browsers."""
    return {
        HOOK: lambda database, job: _call(database, outside, named(job, "delivery_id")[0]),
        PUSH: lambda database, job: pushing.push(database, outside, named(job, "delivery_id")[0]),
    }


# --- whom, how, when --------------------------------------------------------------------------------------------------


def _plan(database: Database, job: Job, outside: Outside) -> None:
    """Leave a delivery for each way that the notices of one event take. Done twice, it leaves nothing twice."""
    with database.begin() as db:
        fresh = select(Notice, Person).join(Person, Person.id == Notice.person_id)
        fresh = fresh.where(Notice.id.in_(named(job, "notice_ids")), Notice.at > ids.now() - STALE, Person.disabled_at.is_(None))
        told = [(notice, person) for notice, person in db.execute(fresh.order_by(Notice.id))]
        first: dict[UUID, Notice] = {}
        for notice, person in told:
            first.setdefault(person.organisation_id, notice)
            _to_person(db, notice, person, outside)
        for organisation_id, notice in first.items():
            if notice.case_id is not None and restrictions.of_case(db, notice.case_id) is None:
                for hook in hooks.of(db, organisation_id):
                    if hook.form != "sms" and hooks.tells(hook, notice.urgency):
                        deliveries.by_hook(db, hook, notice_id=notice.id, urgency=notice.urgency)


def _to_person(db: Tx, notice: Notice, person: Person, outside: Outside) -> None:
    urgency = "urgent" if notice.urgency == "routine" and notice.kind in PRESSING else notice.urgency
    through = urgency == "emergency" and _breaks_through(db, notice, person)
    choices, now = preferences.of(db, person.id), ids.now()
    timing = preferences.timing(choices, person.time_zone, urgency, breaks_through=through, now=now)
    if timing is None:
        return
    mailed = outside.mail is not None and bool(person.email)
    if mailed:
        deliveries.by_mail(
            db,
            organisation_id=person.organisation_id,
            notice_id=notice.id,
            person_id=person.id,
            urgency=urgency,
            at=timing.at,
            gathered=timing.gathered,
        )
    if not timing.gathered:
        for subscription in subscriptions.of(db, person.id):
            deliveries.by_push(db, subscription, organisation_id=person.organisation_id, notice_id=notice.id, urgency=urgency)
    if notice.case_id is not None and not timing.gathered:
        # an emergency that no e-mail can tell goes by telephone, whatever the gateway is set to
        _to_telephone(db, notice, person, always=urgency == "emergency" and not mailed)


def _to_telephone(db: Tx, notice: Notice, person: Person, *, always: bool) -> None:
    for hook in hooks.of(db, person.organisation_id) if person.phone else []:
        if hook.form == "sms" and (always or hooks.tells(hook, notice.urgency)):
            deliveries.by_hook(db, hook, notice_id=notice.id, urgency=notice.urgency, person_id=person.id)


def _breaks_through(db: Tx, notice: Notice, person: Person) -> bool:
    return notice.kind in NAMING or _is_named(db, notice, person.id) or _is_on_duty(db, person.id)


def _is_named(db: Tx, notice: Notice, person_id: UUID) -> bool:
    """Whether an open question about the case is this person's, as who asked or who has it."""
    mine = or_(Referral.expert_id == person_id, Referral.requested_by == person_id)
    query = select(Referral.id).where(Referral.case_id == notice.case_id, Referral.state.in_(states.REFERRAL_OPEN), mine)
    return db.scalar(query.limit(1)) is not None


def _is_on_duty(db: Tx, person_id: UUID) -> bool:
    """Whether this person is the one to be called now; also where no roster says who is."""
    for organisation_id, roles in people.workplaces(db, person_id).items():
        called = roles.intersection(duty.ROLES)
        if not called:
            continue
        kept = duty.book(db, organisation_id)
        for role in called:
            stand = [kept.duty(roster).people for roster in kept.rosters if roster.role == role]
            if not stand or any(not line or line[0].person_id == person_id for line in stand):
                return True
    return False


# --- by e-mail --------------------------------------------------------------------------------------------------------


def _gather(database: Database, outside: Outside, person_id: UUID) -> None:
    with database.begin(readonly=True) as db:
        due = deliveries.due_for(db, person_id)
    if due:
        _mail(database, outside, due)


def _mail(database: Database, outside: Outside, delivery_ids: list[UUID]) -> None:
    """Send one letter about what of these still waits and was not read meanwhile."""
    with database.begin() as db:
        rows = untold(db, delivery_ids)
        letter = _letter(db, outside, rows) if rows else None
        tried = [row.id for row in rows]
    if letter is None:
        return
    failure: ShanhaiError | None = None
    try:
        if outside.mail is None:
            raise Unavailable("mail-away", why="unset")
        outside.mail.send(letter)
    except (Unavailable, Invalid) as error:
        failure = error
    with database.begin() as db:
        _settle_mail(db, deliveries.waiting(db, tried), failure)


def _letter(db: Tx, outside: Outside, rows: list[Delivery]) -> Letter | None:
    person = db.get_one(Person, rows[0].person_id)
    if person.disabled_at is not None or not person.email:
        for row in rows:
            deliveries.settle(row, "spared" if person.disabled_at is not None else "failed", "no-address")
        return None
    for row in rows:
        row.attempts, row.tried_at = row.attempts + 1, ids.now()
    found = [item_of(db, db.get_one(Notice, row.notice_id), person.id) for row in rows[-MOST:]]
    subject, text = outside.words.letter(person, found[::-1], more=len(rows) - len(found))
    return Letter(str(rows[0].id), person.name, person.email, person.language, subject, text)


def _settle_mail(db: Tx, rows: list[Delivery], failure: ShanhaiError | None) -> None:
    again: list[Delivery] = []
    for row in rows:
        if failure is None:
            deliveries.settle(row, "sent")
            continue
        last = isinstance(failure, Invalid) or row.attempts > len(PAUSES)
        deliveries.settle(row, "failed" if last else "waiting", why(failure))
        if not last:
            again.append(row)
        if row.urgency == "emergency" and (last or row.attempts >= 2):
            notice = db.get_one(Notice, row.notice_id)
            _to_telephone(db, notice, db.get_one(Person, row.person_id), always=True)
    if failure is not None and rows:
        log.warning("mail %s not taken in attempt %d: %s", rows[0].id, rows[0].attempts, why(failure))
    if again:
        deliveries.mail_again(db, again, ids.now() + PAUSES[min(row.attempts for row in again) - 1])


# --- by hooks ---------------------------------------------------------------------------------------------------------


def _call(database: Database, outside: Outside, delivery_id: UUID) -> None:
    """Make one attempt at a hook."""
    with database.begin() as db:
        rows = untold(db, [delivery_id])
        if not rows:
            return
        row, hook = rows[0], db.get_one(Hook, rows[0].hook_id)
        event = _event(db, outside, row, hook) if hook.ended_at is None else None
        if event is None:
            deliveries.settle(row, "spared")
            return
        form, target = hook.form, hooks.target_of(db, hook)
        row.attempts, row.tried_at = row.attempts + 1, ids.now()
    failure = _attempt(outside, form, target, event)
    with database.begin() as db:
        for row in deliveries.waiting(db, [delivery_id]):
            _settle_hook(db, row, failure)


def _attempt(outside: Outside, form: str, target: Target, event: Event) -> str | None:
    """Post it; why that came to nothing, or None."""
    made = gateways.request(form, event, url=target.url, secret=target.secret, template=target.template, now=ids.now())
    try:
        answer = outside.caller.send(made.url, made.body, made.headers)
    except Unavailable as error:
        return why(error)
    return None if gateways.took(form, answer) else "refused"


def _settle_hook(db: Tx, row: Delivery, failure: str | None) -> None:
    hook = db.scalars(select(Hook).where(Hook.id == row.hook_id).with_for_update()).one()
    if failure is None:
        deliveries.settle(row, "sent")
        hook.failing_since = None
        return
    log.warning("delivery %s to hook %s not taken in attempt %d: %s", row.id, hook.id, row.attempts, failure)
    # a trial is watched by whoever asked for it, and one that is gone says so itself (Standard Webhooks, 410)
    if row.notice_id is not None and failure != "gone" and row.attempts <= len(PAUSES):
        deliveries.settle(row, "waiting", failure)
        deliveries.hook_again(db, row, ids.now() + PAUSES[row.attempts - 1])
        return
    deliveries.settle(row, "failed", failure)
    if row.notice_id is not None and hook.failing_since is None:
        hook.failing_since = ids.now()
        told = [person.id for person in people.members(db, hook.organisation_id, "administrator")]
        news.tell_all(db, hook.organisation_id, told, "webhook-failing")


def _event(db: Tx, outside: Outside, row: Delivery, hook: Hook) -> Event | None:
    """What a hook is told; None when there is nothing left that it may be told."""
    phone, language = "", hook.language
    if row.person_id is not None:
        person = db.get_one(Person, row.person_id)
        phone, language = person.phone, person.language
        if person.disabled_at is not None or not phone:
            return None
    if row.notice_id is None:
        item = Item(TRIAL, "routine", row.made_at, "/hospital/webhooks", None, about_case=False)
    else:
        notice = db.get_one(Notice, row.notice_id)
        # what happens in a restricted case is for its team: a group is none
        if row.person_id is None and notice.case_id is not None and restrictions.of_case(db, notice.case_id) is not None:
            return None
        item = item_of(db, notice, notice.person_id)
    data = {
        "organisation_id": str(hook.organisation_id),
        "urgency": item.urgency if item.about_case else None,
        "case_number": item.case_number,
        "url": outside.words.address(item.path),
    }
    return Event(str(row.id), item.kind, item.at, data, outside.words.line(language, item), phone)
