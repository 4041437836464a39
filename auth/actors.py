"""From a person to an actor: what a session or token amounts to at this moment.

An administrator audits too, unless their hospital has set separate duties: then the two are two people
(GB/T 22239-2019, level 3: system, security and audit administrators).

Roles are read afresh each time, so a role that was taken, a person who was disabled or a right that was
narrowed takes effect with the next request, and with the next check of a stream.
"""

import datetime as dt
from uuid import UUID

from auth import organisations, people, restrictions
from auth.people import Person
from core.actor import Actor
from core.db import Tx


def roles(db: Tx, person_id: UUID, organisation_id: UUID) -> frozenset[str]:
    """The roles a person acts in there: those they hold and, without separate duties, the auditor's for an administrator."""
    held = people.roles_in(db, person_id, organisation_id)
    if "administrator" in held and not organisations.get(db, organisation_id).separate_duties:
        return held | {"auditor"}
    return held


def acting(
    db: Tx,
    person: Person,
    organisation_id: UUID,
    *,
    session_id: UUID | None = None,
    token_id: UUID | None = None,
    scopes: frozenset[str] | None = None,
    stepped_up_at: dt.datetime | None = None,
) -> Actor | None:
    """The person at work in that organisation; None when disabled or without a role there.

    From here on a transaction that acted for nobody acts for that organisation.
    """
    held = roles(db, person.id, organisation_id)
    if person.disabled_at is not None or not held:
        return None
    if db.acting is None:
        db.act_for(organisation_id)
    return Actor(
        person_id=person.id,
        organisation_id=organisation_id,
        roles=held,
        session_id=session_id,
        token_id=token_id,
        scopes=scopes,
        language=person.language,
        time_zone=person.time_zone,
        stepped_up_at=stepped_up_at,
        # a token never passes through a broken glass: there is no banner before its eyes
        emergencies=restrictions.broken_by(db, person.id, organisation_id) if session_id is not None else frozenset(),
    )


def touch_is_due(last: dt.datetime | None, now: dt.datetime) -> bool:
    """Whether a time of last use is old enough to be worth a write."""
    return last is None or now - last >= dt.timedelta(minutes=1)


def may_write(db: Tx) -> bool:
    """Whether the transaction is one that can note a time of use."""
    return not db.connection().get_execution_options().get("readonly", False)
