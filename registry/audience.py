"""The audience of a case: who is let in from outside, whom it concerns, and what they must not read.

For the other nouns, which hold the case and have checked who acts.
"""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select

from auth import policy
from auth.grants import Grant
from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Invalid
from registry import cases
from registry.cases import Case


def grants(db: Tx, case: Case) -> list[Grant]:
    """The grants that let somebody into the case now, for a caller that holds it."""
    rows = select(Grant).where(Grant.case_id == case.id, Grant.revoked_at.is_(None), Grant.expires_at > ids.now())
    return list(db.scalars(rows.order_by(Grant.id)))


def participants(db: Tx, case: Case) -> set[UUID]:
    """The people a case concerns now: who opened it, and every person with a live grant on it."""
    found = {grant.person_id for grant in grants(db, case) if grant.person_id}
    return found | ({case.created_by} if case.created_by else set())


def knows(db: Tx, actor: Actor, case: Case) -> bool:
    """Whether this reader may know who the patient is: one of the own hospital, or one who is shown the identity."""
    own = actor.organisation_id == case.organisation_id
    return own or policy.allowed(db, actor, "patient:identify", organisation_id=case.organisation_id, case_id=case.id)


def screen(db: Tx, actor: Actor, case: Case, texts: Mapping[str, str]) -> None:
    """Refuse words that give the patient away to outsiders who are not shown the identity. Raises Invalid.

    Only the words of those who may see the identity are looked at: a refusal would tell others that a guess is right.
    """
    may_know = policy.allowed(db, actor, "patient:identify", organisation_id=case.organisation_id, case_id=case.id)
    if may_know and any(not grant.sees_identity for grant in grants(db, case)):
        found = [(field, code) for who in cases.known_as(db, case) for field, text in texts.items() if (code := who.given_away(text))]
        if found:
            raise Invalid("text-identifies-patient", fields=dict(reversed(found)))
