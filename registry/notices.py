"""Notices: that something waits for a person, in the product itself and without any patient content.

A notice says its kind and points at a case, or is about the person's own account; the case number is shown
only while the person may still read the case. Each belongs to one person, who alone lists it and marks it as read.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ForeignKey, Index, and_, func, select, update
from sqlalchemy.orm import Mapped, mapped_column

from auth import news, restrictions, rules
from core import audit, ids, jobs
from core.actor import Actor
from core.db import Database, Tx
from core.errors import SignInNeeded
from core.jobs import Job
from core.tables import Base, Code, IdColumn
from registry import cases
from registry.cases import Case

KINDS = (
    "referral-requested",
    "referral-allocated",
    "referral-acknowledged",
    "referral-declined",
    "referral-escalated",
    "referral-backup",
    "referral-called",
    "referral-withdrawn",
    "pictures-added",
    "pictures-since-opinion",
    "opinion-signed",
    "opinion-addendum",
    "opinion-to-countersign",
    "opinion-countersigned",
    "opinion-returned",
    "opinion-lapsed",
    "joint-asked",
    "joint-joined",
    "joint-declined",
    "decision-recorded",
    "message-posted",
    "message-calls",
    "entry-added",
    "entry-returned",
    "outcome-recorded",
    "case-closed",
    "report-due",
    "report-overdue",
    "urgency-raised",
    "consent-withdrawn",
    "invitation-accepted",
    "team-joined",
    "glass-on-case",
    "patient-merged",
    "patient-unmerged",
    *news.KINDS,
)


OUTSIDE = "notice:outside"
"""The job that tells of new notices outside the pages (`registry.telling`)."""

PLACES = {
    "glass-broken": "/hospital/glass",
    "glass-overdue": "/hospital/glass",
    "agreement": "/hospital/agreements",
    "machine": "/hospital/machines",
    "webhook": "/hospital/webhooks",
    "account-proposal": "/hospital/people",
    "account-push": "/account/notices",
    "account": "/account/security",
    "roster": "/hospital/roster",
}
"""Where a notice about no case leads: by its kind, or by how its kind begins; the first that fits."""


class Notice(Base):
    """One notice to one person. ``kind`` is a catalogue key (``notice-<kind>``)."""

    __tablename__ = "notices"
    __table_args__ = (Index(None, "person_id", "read_at", "id"),)

    id: Mapped[IdColumn]
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey("cases.id"))
    kind: Mapped[Code]
    urgency: Mapped[Code]
    at: Mapped[dt.datetime]
    read_at: Mapped[dt.datetime | None]


@dataclass(frozen=True, slots=True)
class Told:
    """A notice as its person sees it; ``case_number`` is None when the case is no longer visible."""

    id: UUID
    kind: str
    urgency: str
    at: dt.datetime
    read_at: dt.datetime | None
    case_id: UUID | None
    case_number: str | None

    @property
    def path(self) -> str | None:
        """The page it leads to."""
        return leads_to(self.kind, self.case_id)


def leads_to(kind: str, case_id: UUID | None) -> str | None:
    """The page a notice leads to: its case, if its person may still read that, else by its kind; None where there is none."""
    if case_id is not None:
        return f"/cases/{case_id}"
    return next((path for begins, path in PLACES.items() if kind == begins or kind.startswith(f"{begins}-")), None)


def tell(db: Tx, person_ids: Iterable[UUID], kind: str, case: Case, *, but: UUID | None = None, urgency: str = "") -> None:
    """Put a notice about a case before people, each once; ``but`` (who caused it) is left out. It is as urgent as the case unless told.

    Of a restricted case nobody of its hospital is told but the team, whatever they had to do with it before.
    """
    if kind not in KINDS:
        raise ValueError(kind)
    told, now = set(person_ids) - {but}, ids.now()
    made = [
        Notice(
            id=ids.new(),
            person_id=person_id,
            organisation_id=case.organisation_id,
            case_id=case.id,
            kind=kind,
            urgency=urgency or case.urgency,
            at=now,
        )
        for person_id in sorted(told - restrictions.shut_out(db, case.id, told))
    ]
    db.add_all(made)
    if made:
        payload = {"notice_ids": " ".join(str(notice.id) for notice in made)}
        jobs.enqueue(db, OUTSIDE, payload, organisation_id=case.organisation_id)


def told(database: Database, job: Job) -> None:
    """The job of `auth.news`: a notice to one person that is about no case."""
    kind, person_id = str(job.payload["kind"]), UUID(str(job.payload["person_id"]))
    with database.begin() as db:
        # the job's own id, so that one that is run again tells nothing twice
        if kind in KINDS and db.get(Notice, job.id) is None:
            home = job.organisation_id
            db.add(Notice(id=job.id, person_id=person_id, organisation_id=home, kind=kind, urgency="routine", at=ids.now()))
            jobs.enqueue(db, OUTSIDE, {"notice_ids": str(job.id)}, organisation_id=home)


def for_actor(db: Tx, actor: Actor, *, unread: bool = False, limit: int = 50) -> list[Told]:
    """The actor's own notices, newest first, at most 200."""
    rows = (
        select(Notice, Case)
        .outerjoin(Case, and_(Case.id == Notice.case_id, cases.visible(actor)))
        .where(Notice.person_id == _person(actor))
        .order_by(Notice.id.desc())
        .limit(min(limit, 200))
    )
    if unread:
        rows = rows.where(Notice.read_at.is_(None))
    return [
        Told(
            id=notice.id,
            kind=notice.kind,
            urgency=notice.urgency,
            at=notice.at,
            read_at=notice.read_at,
            case_id=case.id if case else None,
            case_number=case.number if case else None,
        )
        for notice, case in db.execute(rows)
    ]


def unread_count(db: Tx, actor: Actor) -> int:
    """How many notices the actor has not read."""
    rows = select(func.count()).where(Notice.person_id == _person(actor), Notice.read_at.is_(None))
    return db.scalar(rows) or 0


def read(db: Tx, actor: Actor, *, notice_ids: Iterable[UUID] | None = None, case_id: UUID | None = None) -> int:
    """Mark one's own notices as read: those named, those of a case, or all. Others' are left alone. Gives the number.

    Raises Denied for a token: whoever got hold of one shall not silence what waits for its person.
    """
    rules.refuse_token(actor)
    marks = update(Notice).where(Notice.person_id == _person(actor), Notice.read_at.is_(None))
    if notice_ids is not None:
        marks = marks.where(Notice.id.in_(list(notice_ids)))
    if case_id is not None:
        marks = marks.where(Notice.case_id == case_id)
    changed = db.execute(marks.values(read_at=ids.now()).returning(Notice.id)).all()
    if changed:
        audit.record(
            db,
            actor,
            "notice:read",
            organisation_id=actor.organisation_id,
            person_id=actor.person_id,
            object_type="notice",
            detail={"count": len(changed)},
        )
    return len(changed)


def _person(actor: Actor) -> UUID:
    if actor.person_id is None:
        raise SignInNeeded("sign-in-needed")
    return actor.person_id
