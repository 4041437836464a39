"""Agreements between two hospitals (合作协议): without one in force no referral crosses, but in an emergency.

One hospital's administrator proposes, the other's confirms: each binds its own side and nobody both, save the
operator, who records what was agreed on paper (``agree``). The terms (purpose, conditions, process, rights and
duties, liability: 国卫医发〔2018〕25号) stand in the signed document; here stand the parties, what it covers, and the
calendar days of the proposing hospital. ``MOVES`` says when something may happen; time alone makes a confirmed
agreement come into force and lapse. An agreement binds both ways, whoever proposed it.
"""

import datetime as dt
from collections.abc import Collection
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from auth import documents, news, organisations, people, rules
from auth.documents import Document
from auth.organisations import Organisation
from core import audit, ids, sealed
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict, Denied, Invalid, NotFound
from core.keyring import Unit
from core.tables import Base, Code, IdColumn

COVERS = ("consultation", "diagnosis", "follow_up", "transfer", "teaching", "research")
"""What an agreement may cover; ``agreement-covers-<code>`` in the catalogue."""
NEEDED_TO_REFER = "consultation"
REFUSALS = ("terms", "document", "agreed_already", "not_intended", "other")
ENDINGS = ("replaced", "by_both", "not_renewed", "terms_broken", "service_ended", "other")
"""Why one was refused or ended; ``agreement-refused-<code>`` and ``agreement-ended-<code>`` in the catalogue."""
LONGEST_WORDS = 2000
FARTHEST = dt.timedelta(days=36_525)
REMINDERS = (7, 30)
"""How many days before it lapses both sides are told, once each."""

STANDINGS = ("proposed", "upcoming", "in-force", "lapsed", "refused", "withdrawn", "ended")
EVENTS = ("confirm", "refuse", "withdraw", "end")
MOVES: dict[tuple[str, str], str | None] = {
    ("proposed", "confirm"): "confirmed",
    ("proposed", "refuse"): "refused",
    ("proposed", "withdraw"): "withdrawn",
    ("proposed", "end"): None,
    ("upcoming", "confirm"): None,
    ("upcoming", "refuse"): None,
    ("upcoming", "withdraw"): None,
    ("upcoming", "end"): "ended",
    ("in-force", "confirm"): None,
    ("in-force", "refuse"): None,
    ("in-force", "withdraw"): None,
    ("in-force", "end"): "ended",
    **{(over, event): None for over in ("lapsed", "refused", "withdrawn", "ended") for event in EVENTS},
}
"""(standing, event) → the state after it, or None where it is refused. A confirmed one is upcoming, in force or lapsed by its days."""


class Agreement(Base):
    """What two hospitals agreed on. ``words`` and ``other_words`` say the same, each sealed under that side's own key.

    ``ends`` is the moment after the last day (None: open). ``closed_*`` tell of a refusal, a withdrawal or an early end.
    """

    __tablename__ = "agreements"
    __table_args__ = (CheckConstraint("organisation_id <> other_id", name="two_parties"),)

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id), index=True)
    other_id: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id), index=True)
    state: Mapped[Code] = mapped_column(default="proposed")
    starts: Mapped[dt.datetime]
    ends: Mapped[dt.datetime | None]
    covers: Mapped[list[str]]
    words: Mapped[bytes | None]
    other_words: Mapped[bytes | None]
    proposed_by: Mapped[UUID | None]
    proposed_at: Mapped[dt.datetime] = mapped_column(default=ids.now)
    confirmed_by: Mapped[UUID | None]
    confirmed_at: Mapped[dt.datetime | None]
    closed_by: Mapped[UUID | None]
    closed_by_organisation_id: Mapped[UUID | None]
    closed_at: Mapped[dt.datetime | None]
    reason: Mapped[Code | None]
    reminded_days: Mapped[int | None]

    @property
    def parties(self) -> tuple[UUID, UUID]:
        """Both hospitals, in the one order in which their logs are written."""
        one, other = sorted((self.organisation_id, self.other_id))
        return one, other

    def partner(self, organisation_id: UUID) -> UUID:
        """The side that is not this one."""
        return self.other_id if organisation_id == self.organisation_id else self.organisation_id

    def standing(self, at: dt.datetime) -> str:
        """How it stands at that moment: one of STANDINGS."""
        if self.state in ("refused", "withdrawn", "ended"):
            return self.state
        if self.ends is not None and self.ends <= at:
            return "lapsed"
        if self.state == "proposed":
            return "proposed"
        return "in-force" if self.starts <= at else "upcoming"


# --- binding oneself -----------------------------------------------------------------------------------


def propose(
    db: Tx,
    actor: Actor,
    *,
    other_id: UUID,
    starts: dt.date,
    ends: dt.date | None = None,
    covers: Collection[str],
    words: str = "",
    document: bytes,
) -> Agreement:
    """Offer another hospital the agreement that both have signed on paper; its administrators are told.

    Needs ``agreement:manage`` and a step-up. ``starts`` and ``ends`` are the first and the last day. Raises Denied,
    StepUpNeeded, NotFound for an unknown hospital, Conflict while a proposal between the two waits, and Invalid.
    """
    rules.require_in_organisation(actor, "agreement:manage")
    rules.require_step_up(actor)
    agreement = _new(db, actor, other_id, starts, ends, covers, words, document)
    waiting = select(Agreement).where(Agreement.state == "proposed", party(actor.organisation_id), party(other_id))
    if any(one.standing(ids.now()) == "proposed" for one in db.scalars(waiting)):
        raise Conflict("agreement-proposed-already")
    _put(db, actor, "agreement:propose", agreement, words, document)
    _tell(db, other_id, "agreement-proposed")
    return agreement


def agree(
    db: Tx,
    actor: Actor,
    *,
    other_id: UUID,
    starts: dt.date | None = None,
    ends: dt.date | None = None,
    covers: Collection[str] = (NEEDED_TO_REFER,),
    words: str = "",
    document: bytes | None = None,
) -> Agreement:
    """Record an agreement that both hospitals have confirmed to the operator, from today unless told otherwise.

    Needs ``organisation:manage``. Raises Denied, NotFound for an unknown hospital, and Invalid.
    """
    rules.require_in_organisation(actor, "organisation:manage")
    agreement = _new(db, actor, other_id, starts, ends, covers, words, document)
    agreement.state, agreement.confirmed_by, agreement.confirmed_at = "confirmed", actor.person_id, ids.now()
    _put(db, actor, "agreement:record", agreement, words, document)
    return agreement


def confirm(db: Tx, actor: Actor, agreement_id: UUID) -> Agreement:
    """Bind the actor's hospital to what the other proposed, with the document as it was archived.

    Needs ``agreement:manage`` and a step-up, on the side that was asked. Raises NotFound, Denied, StepUpNeeded and Conflict.
    """
    agreement = _move(db, actor, agreement_id, "confirm")
    agreement.confirmed_by, agreement.confirmed_at = actor.person_id, ids.now()
    document = documents.of(db, actor.organisation_id, agreement.id)
    _record(db, actor, "agreement:confirm", agreement, **({"sha256": document.sha256} if document else {}))
    _tell(db, agreement.organisation_id, "agreement-confirmed")
    return agreement


def refuse(db: Tx, actor: Actor, agreement_id: UUID, *, reason: str) -> Agreement:
    """Say no to a proposal, with a code of REFUSALS. Rights and errors as ``confirm``, and Invalid."""
    return _close(db, actor, agreement_id, "refuse", reason, REFUSALS)


def withdraw(db: Tx, actor: Actor, agreement_id: UUID) -> Agreement:
    """Take back what one's own hospital proposed and the other has not confirmed. Rights and errors as ``confirm``."""
    return _close(db, actor, agreement_id, "withdraw", None, ())


def end(db: Tx, actor: Actor, agreement_id: UUID, *, reason: str) -> Agreement:
    """End an agreement now, from either side, with a code of ENDINGS; referrals under way keep their grants.

    Needs ``agreement:manage`` and a step-up. Raises NotFound, Denied, StepUpNeeded, Conflict and Invalid.
    """
    return _close(db, actor, agreement_id, "end", reason, ENDINGS)


# --- reading -------------------------------------------------------------------------------------------


def listed(db: Tx, actor: Actor) -> list[Agreement]:
    """Every agreement of the actor's hospital, newest first. Needs ``agreement:manage``."""
    rules.require_in_organisation(actor, "agreement:manage")
    return list(db.scalars(select(Agreement).where(party(actor.organisation_id)).order_by(Agreement.id.desc())))


def get(db: Tx, actor: Actor, agreement_id: UUID) -> Agreement:
    """An agreement of the actor's hospital. Needs ``agreement:manage``. Raises NotFound for that of others."""
    rules.require_in_organisation(actor, "agreement:manage")
    agreement = db.get(Agreement, agreement_id)
    if agreement is None or actor.organisation_id not in agreement.parties:
        raise NotFound("agreement-not-found")
    return agreement


def words(db: Tx, actor: Actor, agreement: Agreement) -> str:
    """What was written beside the coded scope, from the side of the actor; empty for a stranger's."""
    own = agreement.words if actor.organisation_id == agreement.organisation_id else agreement.other_words
    if own is None or actor.organisation_id not in agreement.parties:
        return ""
    return db.keyring.unseal(db, _unit(actor.organisation_id), "words", Agreement.__tablename__, agreement.id, 1, own).decode()


def document(db: Tx, actor: Actor, agreement_id: UUID) -> tuple[Document, sealed.Reader]:
    """The copy that the actor's own hospital archived; reading it is recorded. Raises NotFound."""
    agreement = get(db, actor, agreement_id)
    found = documents.of(db, actor.organisation_id, agreement.id)
    if found is None:
        raise NotFound("agreement-without-document")
    audit.view(
        db,
        actor,
        "agreement:read",
        organisation_id=actor.organisation_id,
        object_type="agreement",
        object_id=agreement.id,
        purpose="administration",
    )
    return found, documents.reader(db, found)


def agreement_between(db: Tx, a: UUID, b: UUID, at: dt.datetime) -> Agreement | None:
    """The agreement under which a referral may cross at that moment, in either direction; the newest if several."""
    if a == b:
        return None
    query = select(Agreement).where(_in_force(at), party(a), party(b)).order_by(Agreement.starts.desc(), Agreement.id.desc())
    return next((agreement for agreement in db.scalars(query) if NEEDED_TO_REFER in agreement.covers), None)


def partners(db: Tx, organisation_id: UUID, at: dt.datetime) -> list[Organisation]:
    """The hospitals that this one may exchange referrals with at that moment, oldest first."""
    found = db.scalars(select(Agreement).where(_in_force(at), party(organisation_id)))
    others = {agreement.partner(organisation_id) for agreement in found if NEEDED_TO_REFER in agreement.covers}
    return sorted(organisations.named(db, others).values(), key=lambda organisation: organisation.id)


def party(organisation_id: UUID) -> ColumnElement[bool]:
    """The agreements that a hospital is a side of: for ``where()``."""
    return or_(Agreement.organisation_id == organisation_id, Agreement.other_id == organisation_id)


# --- time ----------------------------------------------------------------------------------------------


def remind(database: Database) -> int:
    """Tell both sides' administrators of agreements about to lapse, once at each of REMINDERS; how many it told of.

    One that is followed by another needs no reminding.
    """
    now, told = ids.now(), 0
    with database.begin() as db:
        soon = select(Agreement).where(Agreement.state == "confirmed", Agreement.ends > now)
        soon = soon.where(Agreement.ends <= now + dt.timedelta(days=REMINDERS[-1])).with_for_update(skip_locked=True)
        for agreement in db.scalars(soon):
            assert agreement.ends is not None
            days = next(days for days in REMINDERS if agreement.ends <= now + dt.timedelta(days=days))
            followed = agreement_between(db, *agreement.parties, agreement.ends) is not None
            if followed or (agreement.reminded_days is not None and agreement.reminded_days <= days):
                continue
            agreement.reminded_days, told = days, told + 1
            for organisation_id in agreement.parties:
                _tell(db, organisation_id, f"agreement-lapses-{days}")
    return told


# --- inside --------------------------------------------------------------------------------------------


def _new(
    db: Tx,
    actor: Actor,
    other_id: UUID,
    starts: dt.date | None,
    ends: dt.date | None,
    covers: Collection[str],
    words: str,
    document: bytes | None,
) -> Agreement:
    """The row, checked and not yet added. Raises NotFound and Invalid."""
    organisations.get(db, other_id)
    zone = ZoneInfo(organisations.get(db, actor.organisation_id).time_zone)
    today = ids.now().astimezone(zone).date()
    starts = starts or today
    wrong = {name: "date-too-far" for name, day in {"starts": starts, "ends": ends}.items() if day and abs(day - today) > FARTHEST}
    if other_id == actor.organisation_id:
        wrong["other_id"] = "agreement-with-itself"
    if not covers or not set(covers) <= set(COVERS):
        wrong["covers"] = "agreement-covers-nothing"
    if ends is not None and ends < max(starts, today):
        wrong.setdefault("ends", "ends-before-start" if ends < starts else "agreement-over-already")
    if len(words.strip()) > LONGEST_WORDS:
        wrong["words"] = "text-too-long"
    if document is not None and (code := documents.wrong(document)):
        wrong["document"] = code
    if wrong:
        raise Invalid(fields=wrong)
    return Agreement(
        id=ids.new(),
        organisation_id=actor.organisation_id,
        other_id=other_id,
        starts=_midnight(starts, zone),
        ends=_midnight(ends + dt.timedelta(days=1), zone) if ends else None,
        covers=[code for code in COVERS if code in covers],
        proposed_by=actor.person_id,
    )


def _put(db: Tx, actor: Actor, action: str, agreement: Agreement, words: str, document: bytes | None) -> None:
    if plain := words.strip().encode():
        sides = (agreement.organisation_id, agreement.other_id)
        agreement.words, agreement.other_words = (
            db.keyring.seal(db, _unit(side), "words", Agreement.__tablename__, agreement.id, 1, plain) for side in sides
        )
    db.add(agreement)
    db.flush()
    kept = [documents.archive(db, side, agreement.id, document) for side in agreement.parties] if document is not None else []
    db.flush()
    _record(db, actor, action, agreement, **({"sha256": kept[0].sha256} if kept else {}))


def _close(db: Tx, actor: Actor, agreement_id: UUID, event: str, reason: str | None, codes: tuple[str, ...]) -> Agreement:
    rules.require_in_organisation(actor, "agreement:manage")
    if codes and reason not in codes:
        raise Invalid(fields={"reason": "field-code-unknown"})
    agreement = _move(db, actor, agreement_id, event)
    agreement.reason, agreement.closed_by, agreement.closed_at = reason, actor.person_id, ids.now()
    agreement.closed_by_organisation_id = actor.organisation_id
    _record(db, actor, f"agreement:{event}", agreement, **({"reason": reason} if reason else {}))
    _tell(db, agreement.partner(actor.organisation_id), f"agreement-{agreement.state}")
    return agreement


def _move(db: Tx, actor: Actor, agreement_id: UUID, event: str) -> Agreement:
    """Lock the agreement and move its state. Raises NotFound, Denied, StepUpNeeded and Conflict."""
    agreement = get(db, actor, agreement_id)
    db.refresh(agreement, with_for_update=True)
    asked = agreement.other_id if event in ("confirm", "refuse") else agreement.organisation_id
    if event != "end" and actor.organisation_id != asked:
        raise Denied("agreement-of-other-side")
    rules.require_step_up(actor)
    standing = agreement.standing(ids.now())
    after = MOVES[standing, event]
    if after is None:
        raise Conflict("agreement-state-forbids")
    agreement.state = after
    return agreement


def _in_force(at: dt.datetime) -> ColumnElement[bool]:
    open_or_later = or_(Agreement.ends.is_(None), Agreement.ends > at)
    return (Agreement.state == "confirmed") & (Agreement.starts <= at) & open_or_later


def _midnight(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), zone)


def _unit(organisation_id: UUID) -> Unit:
    return Unit("organisation", organisation_id, organisation_id)


def _tell(db: Tx, organisation_id: UUID, kind: str) -> None:
    news.tell_all(db, organisation_id, [person.id for person in people.members(db, organisation_id, "administrator")], kind)


def _record(db: Tx, actor: Actor, action: str, agreement: Agreement, **detail: str) -> None:
    db.flush()
    for organisation_id in agreement.parties:
        audit.record(
            db,
            actor,
            action,
            organisation_id=organisation_id,
            object_type="agreement",
            object_id=agreement.id,
            purpose="administration",
            detail=detail,
        )
