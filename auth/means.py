"""Means: all that a person can show beside their password, taken together.

Whoever has an authenticator or a passkey can sign in; recovery codes stand in for them once each. A lost or stolen
telephone holds several at once, so an administrator takes them all out of use together.
"""

from dataclasses import dataclass
from uuid import UUID

from auth import duties, factors, passkeys, people, recovery, rules, sessions
from core import audit
from core.actor import Actor
from core.db import Tx


@dataclass(frozen=True, slots=True)
class Means:
    """What somebody has: an authenticator, how many passkeys, how many recovery codes."""

    authenticator: bool = False
    passkeys: int = 0
    recovery_codes: int = 0

    @property
    def enrolled(self) -> bool:
        """Whether there is a second factor, which nothing may get anybody round."""
        return self.authenticator or self.passkeys > 0


def of(db: Tx, person_id: UUID) -> Means:
    """What a person can show."""
    return Means(factors.in_use(db, person_id) is not None, len(passkeys.of_person(db, person_id)), recovery.left(db, person_id))


def retire(db: Tx, actor: Actor, person_id: UUID) -> None:
    """Take a lost authenticator out of use, and passkeys and recovery codes with it; the person cannot sign in until enrolled again.

    Needs ``people:manage`` and, in a session, a step-up; every session of the person ends. Raises NotFound, StepUpNeeded,
    and Denied, for an administrator's or auditor's too (`duties.refuse_peer`).
    """
    person = people.manageable(db, actor, person_id, at_home=True)
    rules.require_step_up(actor)
    duties.refuse_peer(db, actor, person_id)
    end_all(db, person_id)
    audit.record(
        db, actor, "factor:retire", organisation_id=person.organisation_id, person_id=person.id, object_type="person", object_id=person.id,
        purpose="administration",
    )  # fmt: skip
    sessions.end_all(db, actor, person_id, because="factor-retired")


def end_all(db: Tx, person_id: UUID) -> None:
    """Take everything of a person's out of use. For this module and `auth.enrolments`."""
    factors.retire_all(db, person_id)
    passkeys.retire_all(db, person_id)
    recovery.end_all(db, person_id)
