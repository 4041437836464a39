"""Who acts: one person in one organisation at a time, or the system itself.

Every verb takes an actor. Roles and scopes come from the session or token that was checked at the
edge; a verb never looks them up again and never acts without an actor.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Actor:
    """A person at work in an organisation.

    ``scopes`` is None for a person's own session and a set of action names for an API token and for a session
    begun with a PIN on a ward device: they narrow what the roles allow. ``stepped_up_at`` is when a second factor was
    last given. ``emergencies`` are the restricted cases on which the person has broken the glass: what they do there is
    recorded as an emergency.
    """

    person_id: UUID | None
    organisation_id: UUID
    roles: frozenset[str] = frozenset()
    session_id: UUID | None = None
    token_id: UUID | None = None
    scopes: frozenset[str] | None = None
    language: str = "zh"
    time_zone: str = "Asia/Shanghai"
    stepped_up_at: dt.datetime | None = None
    emergencies: frozenset[UUID] = frozenset()

    @classmethod
    def system(cls, organisation_id: UUID) -> "Actor":
        """The product itself at work for an organisation: no person, no roles, only recorded acts."""
        return cls(person_id=None, organisation_id=organisation_id)
