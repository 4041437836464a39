"""The policy: who may, as a decision and as SQL, both from the one table in `auth.rules`.

``require`` is the check at the head of every verb, ``predicate`` the same answer over a whole table. What
the actor may not see is *not found*; what they see and may not do is *denied*. When an act may happen is
the noun's own matter.
"""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from auth import grants, rules
from auth.grants import Grant
from auth.rules import ACTIONS, RELATIONS, ROLES, RULES, actions_of, require_in_organisation, require_step_up
from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Denied, NotFound

__all__ = [
    "ACTIONS",
    "RELATIONS",
    "ROLES",
    "RULES",
    "actions_of",
    "allowed",
    "as_markdown",
    "predicate",
    "require",
    "require_in_organisation",
    "require_step_up",
]

Ids = ColumnElement[UUID] | InstrumentedAttribute[UUID]
NullableIds = Ids | ColumnElement[UUID | None] | InstrumentedAttribute[UUID | None]

READS = frozenset(action for action in ACTIONS if action.endswith((":read", ":search", ":identify", ":verify")))


def allowed(db: Tx, actor: Actor, action: str, *, organisation_id: UUID, case_id: UUID | None = None) -> bool:
    """Whether the actor may do this to a thing that ``organisation_id`` owns, in the case or (None) outside any."""
    held = _held(db, actor, action, organisation_id, case_id)
    return rules.decide(actor, action, organisation_id=organisation_id, case_id=case_id, grants=held)


def require(db: Tx, actor: Actor, action: str, *, organisation_id: UUID, case_id: UUID | None = None) -> None:
    """Hold the actor to what the table allows.

    Raises NotFound (``case-not-found``, or ``not-found`` outside a case) when the actor may not know that
    the thing exists, and Denied when they see it and may not do this.
    """
    held = _held(db, actor, action, organisation_id, case_id)
    if rules.decide(actor, action, organisation_id=organisation_id, case_id=case_id, grants=held):
        return
    if rules.shows(actor, action, organisation_id=organisation_id, case_id=case_id, grants=held):
        raise Denied("not-allowed")
    raise NotFound("not-found" if case_id is None else "case-not-found")


def predicate(actor: Actor, action: str, *, organisation_id: Ids, case_id: NullableIds) -> ColumnElement[bool]:
    """The rows, by their owner and case columns, for which `allowed` says yes; a null case is the inbox."""
    ways: list[ColumnElement[bool]] = []
    own = bool(rules.roles_for(actor, "own", action))
    in_inbox = own and bool(rules.roles_for(actor, "own", rules.IN_INBOX.get(action, action)))
    if own:
        ways.append(
            organisation_id == actor.organisation_id if in_inbox else and_(organisation_id == actor.organisation_id, case_id.is_not(None))
        )
    roles = rules.roles_for(actor, "granted", action)
    if roles:
        live = select(Grant.organisation_id, Grant.case_id).where(grants.held_by(actor, ids.now()), Grant.role.in_(sorted(roles)))
        if action in rules.IDENTITY:
            live = live.where(Grant.sees_identity)
        ways.append(and_(case_id.is_not(None), tuple_(organisation_id, case_id).in_(live)))
    return or_(*ways) if ways else false()


def as_markdown() -> str:
    """The table as a page: one line per action, one column per role."""
    return "\n".join(_lines()) + "\n"


def _held(db: Tx, actor: Actor, action: str, organisation_id: UUID, case_id: UUID | None) -> list[Grant]:
    """The grants a decision may rest on; none are looked up when the actor's own organisation decides it.

    A write locks them, so that it cannot end after they were revoked.
    """
    if case_id is None or rules.decide(actor, action, organisation_id=organisation_id, case_id=case_id):
        return []
    return grants.holding(db, actor, case_id, lock=action not in READS)


def _lines() -> Iterator[str]:
    yield "# Who may do what"
    yield ""
    yield "Printed from the table in `auth/rules.py` by `policy.as_markdown()`; a test keeps this page up to date."
    yield ""
    yield "- **own**: in the person's own organisation, to what that organisation owns."
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
    yield "| action | " + " | ".join(rules.HOLDERS) + " |"
    yield "|---" * (len(rules.HOLDERS) + 1) + "|"
    for action in ACTIONS:
        yield f"| `{action}` | " + " | ".join(_cell(role, action) for role in rules.HOLDERS) + " |"


def _cell(role: str, action: str) -> str:
    words = [relation for relation in RELATIONS if (role, relation, action) in RULES]
    return ", ".join("granted with identity" if word == "granted" and action in rules.IDENTITY else word for word in words)
