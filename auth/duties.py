"""Separate duties: whether a hospital's administrators and its auditors are different people.

Who manages people must not be the only one to watch over what people do; a larger hospital has to separate the
two (GB/T 22239-2019, level 3), in a small one they are the same person. Switching takes two administrators
(`auth.proposals`); while it is on, `people.give_role` gives nobody the second of the two roles.
"""

from uuid import UUID

from sqlalchemy import func, select

from auth import organisations, people
from auth.organisations import Organisation
from auth.people import BY_TWO, Membership
from core import audit
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Denied


def held_together(db: Tx, organisation_id: UUID) -> int:
    """How many people there hold the roles of administrator and auditor both, disabled or not."""
    both = (
        select(Membership.person_id)
        .where(Membership.organisation_id == organisation_id, Membership.role.in_(sorted(BY_TWO)))
        .group_by(Membership.person_id)
        .having(func.count() > 1)
    )
    return db.scalar(select(func.count()).select_from(both.subquery())) or 0


def check(db: Tx, organisation: Organisation, *, separate: bool) -> None:
    """Raises Conflict ``duties-so-already``, and ``duties-held-together`` with the number of people who hold both roles."""
    if organisation.separate_duties is separate:
        raise Conflict("duties-so-already")
    if separate and (count := held_together(db, organisation.id)):
        raise Conflict("duties-held-together", count=count)


def refuse_peer(db: Tx, actor: Actor, person_id: UUID) -> None:
    """Keep an administrator from making a way in for another one, or for an auditor: they would be two people themselves.

    The command line does it. Raises Denied ``peer-by-command-only``.
    """
    held = frozenset[str]().union(*people.workplaces(db, person_id).values())
    if actor.person_id is not None and held & BY_TWO:
        raise Denied("peer-by-command-only")


def switch(db: Tx, actor: Actor, *, separate: bool) -> Organisation:
    """Separate the duties of the actor's hospital, or join them; it takes effect with everybody's next request.

    For `auth.proposals`, which has checked who may. Raises Conflict by `check`.
    """
    organisation = organisations.hold(db, actor.organisation_id)
    check(db, organisation, separate=separate)
    organisation.separate_duties = separate
    db.flush()
    action = "organisation:separate-duties" if separate else "organisation:join-duties"
    audit.record(
        db, actor, action, organisation_id=organisation.id, object_type="organisation", object_id=organisation.id,
        purpose="administration",
    )  # fmt: skip
    return organisation
