"""Training: who works under a senior's eye, hospital by hospital.

What somebody in training enters or advises waits for a senior's countersignature (电子病历应用管理规范, 国卫办医发〔2017〕8号);
`registry` says how. Beginning a training takes rights away and has to be quick; ending one gives them back and
asks for a step-up. Nobody begins or ends their own. A row is ended, never taken away: what was written in
between stays a trainee's.
"""

import datetime as dt
from uuid import UUID

from sqlalchemy import ForeignKey, Index, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from auth import news, people, rules
from auth.organisations import Organisation
from auth.people import Person
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, NotFound
from core.tables import Base, IdColumn

_LIVE = text("ended_at IS NULL")


class Training(Base):
    """One stretch of training of one person in one hospital; ``begun_by`` and ``ended_by`` None is the product itself."""

    __tablename__ = "trainings"
    __table_args__ = (
        Index("uq_trainings_live", "person_id", "organisation_id", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),
        Index(None, "organisation_id", "person_id"),
    )

    id: Mapped[IdColumn]
    person_id: Mapped[UUID] = mapped_column(ForeignKey(Person.id))
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id))
    since: Mapped[dt.datetime]
    begun_by: Mapped[UUID | None] = mapped_column(ForeignKey(Person.id))
    ended_at: Mapped[dt.datetime | None]
    ended_by: Mapped[UUID | None] = mapped_column(ForeignKey(Person.id))


def begin(db: Tx, actor: Actor, person_id: UUID) -> Training:
    """Put a person of the actor's hospital in training there; what they sign from now on waits. Twice changes nothing.

    Needs ``people:manage`` in a session, without a step-up. Raises NotFound, and Denied for oneself and for a token.
    """
    person = people.manageable(db, actor, person_id)
    rules.refuse_narrowed(actor)
    if (known := _live(db, person_id, actor.organisation_id)) is not None:
        return known
    training = Training(
        id=ids.new(), person_id=person_id, organisation_id=actor.organisation_id, since=ids.now(), begun_by=actor.person_id
    )  # fmt: skip
    try:
        with db.begin_nested():
            db.add(training)
    except IntegrityError:
        raise Conflict("written-meanwhile") from None
    _record(db, actor, "training:begin", training)
    news.tell(db, person, "account-training-began")
    return training


def end(db: Tx, actor: Actor, person_id: UUID) -> Training:
    """Let a person of the actor's hospital sign on their own again; what waits already goes on waiting.

    Needs ``people:manage`` and, in a session, a step-up, for it raises rights. Raises NotFound (also where nobody is
    in training), Denied for oneself, StepUpNeeded.
    """
    person = people.manageable(db, actor, person_id)
    rules.require_step_up(actor)
    training = _live(db, person_id, actor.organisation_id)
    if training is None:
        raise NotFound("training-not-found")
    training.ended_at, training.ended_by = ids.now(), actor.person_id
    db.flush()
    _record(db, actor, "training:end", training)
    news.tell(db, person, "account-training-ended")
    return training


def in_training(db: Tx, person_id: UUID | None, organisation_id: UUID) -> bool:
    """Whether the person is in training in that hospital now; the product itself never is."""
    return person_id is not None and _live(db, person_id, organisation_id) is not None


def trainees(db: Tx, organisation_id: UUID) -> dict[UUID, Training]:
    """Who is in training in a hospital now, by person."""
    rows = select(Training).where(Training.organisation_id == organisation_id, Training.ended_at.is_(None))
    return {row.person_id: row for row in db.scalars(rows)}


def current(db: Tx, actor: Actor, person_id: UUID) -> Training | None:
    """The training a person of the actor's hospital is in there, for who manages people. Raises NotFound and Denied."""
    rules.require_in_organisation(actor, "people:manage")
    people.get(db, actor, person_id)
    return _live(db, person_id, actor.organisation_id)


def seniors(db: Tx, organisation_id: UUID, role: str, *, but: UUID | None = None) -> list[Person]:
    """Who has the role in a hospital and is not in training there, by login; ``but`` is left out."""
    learning = trainees(db, organisation_id)
    return [person for person in people.members(db, organisation_id, role) if person.id not in learning and person.id != but]


def _live(db: Tx, person_id: UUID, organisation_id: UUID) -> Training | None:
    rows = select(Training).where(Training.person_id == person_id, Training.organisation_id == organisation_id)
    return db.scalar(rows.where(Training.ended_at.is_(None)))


def _record(db: Tx, actor: Actor, action: str, training: Training) -> None:
    audit.record(
        db, actor, action, organisation_id=training.organisation_id, person_id=training.person_id, object_type="training",
        object_id=training.id, purpose="administration",
    )  # fmt: skip
