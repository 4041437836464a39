"""From a person to an actor: what a session or token amounts to at this moment.

Roles are read afresh each time, so a role that was taken, a person who was disabled or a right that was
narrowed takes effect with the next request, and with the next check of a stream.
"""

import datetime as dt
from uuid import UUID

from auth import people
from auth.people import Person
from core.actor import Actor
from core.db import Tx


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
    """The person at work in that organisation; None when disabled or without a role there."""
    roles = people.roles_in(db, person.id, organisation_id)
    if person.disabled_at is not None or not roles:
        return None
    return Actor(
        person_id=person.id,
        organisation_id=organisation_id,
        roles=roles,
        session_id=session_id,
        token_id=token_id,
        scopes=scopes,
        language=person.language,
        time_zone=person.time_zone,
        stepped_up_at=stepped_up_at,
    )


def touch_is_due(last: dt.datetime | None, now: dt.datetime) -> bool:
    """Whether a time of last use is old enough to be worth a write."""
    return last is None or now - last >= dt.timedelta(minutes=1)


def may_write(db: Tx) -> bool:
    """Whether the transaction is one that can note a time of use."""
    return not db.connection().get_execution_options().get("readonly", False)
