"""Ways out of the house: what is told by any of them, in whose words, and what is left to tell.

For `registry.telling`, which decides, and `registry.pushing`. What is told has no room for a word about a patient.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sqlalchemy import select

from auth import people, policy
from auth.outward import Caller
from auth.people import Person
from core.db import Tx
from core.errors import ShanhaiError
from core.jobs import Job
from registry import cases, deliveries, notices
from registry.cases import Case
from registry.deliveries import Delivery
from registry.mail import Server
from registry.notices import Notice

STALE = dt.timedelta(hours=24)
"""What waited longer than this for a worker is found in the product alone."""


@dataclass(frozen=True, slots=True)
class Item:
    """A notice as it may be told outside; without the case's number where its person may no longer read the case."""

    kind: str
    urgency: str
    at: dt.datetime
    path: str
    case_number: str | None
    about_case: bool


class Words(Protocol):
    """Finds the words; what it returns is plain text."""

    def letter(self, person: Person, items: Sequence[Item], *, more: int) -> tuple[str, str]:
        """Subject and body of a letter about these and so many more."""

    def line(self, language: str, item: Item) -> str:
        """One line for a group or a telephone."""

    def pushed(self, person: Person, item: Item, tag: str) -> str:
        """What a browser is to show: JSON with title, body, path and tag, which tells the same message sent twice."""

    def address(self, path: str) -> str:
        """The full address of a page."""


@dataclass(frozen=True)
class Outside:
    """The ways out of the house: a mail server or none, a caller of other servers, and the words."""

    mail: Server | None
    caller: Caller
    words: Words


def untold(db: Tx, delivery_ids: Iterable[UUID]) -> list[Delivery]:
    """Those that wait and whose person has not read the notice; the others are spared. A group does not read."""
    rows = deliveries.waiting(db, delivery_ids)
    mine = {row.notice_id for row in rows if row.person_id is not None and row.notice_id is not None}
    seen = set(db.scalars(select(Notice.id).where(Notice.id.in_(mine), Notice.read_at.is_not(None))))
    for row in rows:
        if row.notice_id in seen:
            deliveries.settle(row, "spared")
    return [row for row in rows if row.state == "waiting"]


def item_of(db: Tx, notice: Notice, person_id: UUID) -> Item:
    """A notice as it may be told outside to this person now."""
    case = _case_seen(db, person_id, notice.case_id) if notice.case_id is not None else None
    return Item(
        kind=notice.kind,
        urgency=notice.urgency,
        at=notice.at,
        path=notices.leads_to(notice.kind, case.id if case else None) or "/notices",
        case_number=case.number if case else None,
        about_case=notice.case_id is not None,
    )


def _case_seen(db: Tx, person_id: UUID, case_id: UUID) -> Case | None:
    """The case, if the person may read it now in any of the hospitals they work in."""
    for organisation_id in people.workplaces(db, person_id):
        actor = policy.standing_for(db, person_id, organisation_id)
        case = db.scalar(select(Case).where(Case.id == case_id, cases.visible(actor))) if actor is not None else None
        if case is not None:
            return case
    return None


def why(failure: ShanhaiError) -> str:
    """The reason of a failure, as a code."""
    return str(failure.params.get("why", failure.code))


def named(job: Job, name: str) -> list[UUID]:
    """The ids that a job names under this key."""
    return [UUID(one) for one in str(job.payload[name]).split()]
