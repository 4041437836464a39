"""The policy: who may, as a decision and as SQL, both from the one table in `auth.rules`.

``require`` is the check at the head of every verb, ``predicate`` the same answer over a whole table, ``explain``
what the answer rests on. What the actor may not see is *not found*; what they see and may not do is *denied*. When
an act may happen is the noun's own matter.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from auth import actors, grants, people, restrictions, rules
from auth.grants import Grant
from auth.rules import ACTIONS, RELATIONS, ROLES, RULES, Way, actions_of, require_in_organisation, require_step_up
from core import ids
from core.actor import Actor
from core.db import Tx

__all__ = [
    "ACTIONS",
    "RELATIONS",
    "ROLES",
    "RULES",
    "actions_of",
    "allowed",
    "as_markdown",
    "explain",
    "predicate",
    "require",
    "require_in_organisation",
    "require_step_up",
    "rights",
    "standing_for",
]

Ids = ColumnElement[UUID] | InstrumentedAttribute[UUID]
NullableIds = Ids | ColumnElement[UUID | None] | InstrumentedAttribute[UUID | None]

READS = frozenset(action for action in ACTIONS if action.endswith((":read", ":search", ":identify", ":verify")))


def allowed(db: Tx, actor: Actor, action: str, *, organisation_id: UUID, case_id: UUID | None = None) -> bool:
    """Whether the actor may do this to a thing that ``organisation_id`` owns, in the case or (None) outside any."""
    standing, held = _known(db, actor, action, organisation_id, case_id)
    return rules.decide(actor, action, organisation_id=organisation_id, case_id=case_id, standing=standing, grants=held)


def require(db: Tx, actor: Actor, action: str, *, organisation_id: UUID, case_id: UUID | None = None) -> None:
    """Hold the actor to what the table allows.

    Raises NotFound (``case-not-found``, or ``not-found`` outside a case) when the actor may not know that
    the thing exists, and Denied when they see it and may not do this.
    """
    standing, held = _known(db, actor, action, organisation_id, case_id)
    rules.require(actor, action, organisation_id=organisation_id, case_id=case_id, standing=standing, grants=held)


def rights(db: Tx, actor: Actor, actions: Iterable[str], *, organisation_id: UUID, case_id: UUID) -> frozenset[str]:
    """Those of the actions that the actor may do in a case: what a page offers, looked up once."""
    ways = _asker(db, actor, organisation_id, case_id)
    return frozenset(action for action in actions if next(ways(action), None) is not None)


def explain(db: Tx, actor: Actor, action: str, *, organisation_id: UUID, case_id: UUID) -> list[Way]:
    """Everything that lets the actor do this in a case: cells of the table, and grants; empty where `allowed` says no."""
    return list(_asker(db, actor, organisation_id, case_id)(action))


def standing_for(db: Tx, person_id: UUID, organisation_id: UUID) -> Actor | None:
    """Somebody as they would act in a session at that organisation now, to explain what they may; None without a role there."""
    person = db.get(people.Person, person_id)
    found = actors.acting(db, person, organisation_id) if person is not None else None
    return found and dataclasses.replace(found, emergencies=restrictions.broken_by(db, person_id, organisation_id))


def predicate(actor: Actor, action: str, *, organisation_id: Ids, case_id: NullableIds) -> ColumnElement[bool]:
    """The rows, by their owner and case columns, for which `allowed` says yes; a null case is the inbox."""
    ways: list[ColumnElement[bool]] = []
    standings = [standing for standing in rules.STANDINGS if rules.roles_for(actor, standing, action)]
    if standings:
        inside = and_(case_id.is_not(None), restrictions.stands(actor, case_id, standings))
        if rules.roles_for(actor, "own", action) and rules.roles_for(actor, "own", rules.IN_INBOX.get(action, action)):
            inside = or_(case_id.is_(None), inside)
        ways.append(and_(organisation_id == actor.organisation_id, inside))
    roles = rules.roles_for(actor, "granted", action)
    if roles:
        live = select(Grant.organisation_id, Grant.case_id).where(grants.held_by(actor, ids.now()), Grant.role.in_(sorted(roles)))
        if action in rules.IDENTITY:
            live = live.where(Grant.sees_identity)
        ways.append(and_(case_id.is_not(None), tuple_(organisation_id, case_id).in_(live)))
    return or_(*ways) if ways else false()


def as_markdown() -> str:
    """The table as a page: one line per action, one column per role; a restricted case has a table of its own."""
    return "\n".join(_lines()) + "\n"


def _asker(db: Tx, actor: Actor, organisation_id: UUID, case_id: UUID) -> Callable[[str], Iterator[Way]]:
    """`rules.ways` with all that is known of an actor and a case."""
    standing = restrictions.standing(db, actor, organisation_id=organisation_id, case_id=case_id)
    held = grants.holding(db, actor, case_id)
    return lambda action: rules.ways(actor, action, organisation_id=organisation_id, case_id=case_id, standing=standing, grants=held)


def _known(db: Tx, actor: Actor, action: str, organisation_id: UUID, case_id: UUID | None) -> tuple[str, list[Grant]]:
    """How the actor stands to the case, and the grants a decision may rest on where that does not decide it.

    A write locks what it rests on, so that it cannot end after that was taken away.
    """
    if case_id is None:
        return "own", []
    lock = action not in READS
    standing = restrictions.standing(db, actor, organisation_id=organisation_id, case_id=case_id, lock=lock)
    if rules.decide(actor, action, organisation_id=organisation_id, case_id=case_id, standing=standing):
        return standing, []
    return standing, grants.holding(db, actor, case_id, lock=lock)


def _lines() -> Iterator[str]:
    yield "# Who may do what"
    yield ""
    yield "Printed from the table in `auth/rules.py` by `policy.as_markdown()`; a test keeps this page up to date."
    yield ""
    yield "- **own**: in the person's own organisation, to what that organisation owns and has not restricted."
    yield "- **granted**: in a case of another organisation, while a grant in that role is live."
    yield "- **granted with identity**: the same, if the grant also says that its holder sees who the patient is."
    yield "- **self**: to what is the person's own."
    yield ""
    yield "An empty cell is refused. What a person may not see is answered as if it did not exist. An API token"
    yield "narrows this further to the actions it was made for. `system` is the product itself at work (commands"
    yield "and jobs) and is never given to a person. An image that lies in the inbox is seen with `inbox:read`."
    yield ""
    yield "**Administrator and auditor.** Whoever administers a hospital acts in the column `auditor` too, until the hospital"
    yield "sets *separate duties*: then administrators manage and auditors audit, and nobody there is both."
    yield ""
    yield from _table(("own", "granted", "self"))
    yield ""
    yield "## A restricted case, in its own organisation"
    yield ""
    yield "- **team**: for one of its team."
    yield "- **glass**: for somebody else, for four hours after breaking the glass; never with an API token."
    yield "- **barred**: for everybody else: the case does not exist, but that the glass on it can be broken."
    yield ""
    yield "Grants to other organisations hold as ever."
    yield ""
    yield from _table(("team", "glass", "barred"))


def _table(relations: tuple[str, ...]) -> Iterator[str]:
    yield "| action | " + " | ".join(rules.HOLDERS) + " |"
    yield "|---" * (len(rules.HOLDERS) + 1) + "|"
    for action in ACTIONS:
        yield f"| `{action}` | " + " | ".join(_cell(role, action, relations) for role in rules.HOLDERS) + " |"


def _cell(role: str, action: str, relations: tuple[str, ...]) -> str:
    words = [relation for relation in relations if (role, relation, action) in RULES]
    return ", ".join("granted with identity" if word == "granted" and action in rules.IDENTITY else word for word in words)
