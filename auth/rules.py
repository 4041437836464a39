"""The rules: which role may do what, standing how, to a thing of which organisation. Nothing here touches a database.

``RULES`` is the one table; what is not in it is refused. A person stands to a thing as ``own`` (member of
the organisation that owns it), ``granted`` (holder of a live grant on its case, in the granted role) or
``self`` (the thing is their own). To a restricted case a member stands as one of its ``team``, behind a broken
``glass``, or ``barred``. An administrator acts as an auditor too where the hospital does not separate duties;
`auth.actors` adds the role, the table knows nothing of it. ``ways`` finds what in the table lets an actor do something,
``decide`` whether anything does; `auth.policy` asks it of the database and turns the same table into SQL. Names are
``<noun>:<verb>``; an unknown one is a mistake of the program and raises ValueError.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from core import ids
from core.actor import Actor
from core.errors import Denied, NotFound, StepUpNeeded

SYSTEM = "system"
"""The product at work without a person; never given to one."""

ROLES = ("surgeon", "nurse", "expert", "coordinator", "administrator", "auditor", "operator", "learner")
HOLDERS = (*ROLES, SYSTEM)
STANDINGS = ("own", "team", "glass", "barred")
"""How a member of the owning organisation may stand to a case: it is ordinary, or it is restricted and they are inside or not."""

RELATIONS = (*STANDINGS, "granted", "self")

_NAMES = """
    case:create case:read case:write case:refer case:close case:restrict
    patient:search patient:identify patient:write patient:merge consent:write
    image:read image:upload inbox:read inbox:file
    annotation:read annotation:write message:read message:write
    referral:allocate referral:answer referral:withdraw
    opinion:read opinion:write opinion:sign opinion:countersign
    entry:countersign decision:write followup:write
    glass:break glass:review audit:read audit:verify
    people:manage device:manage machine:manage webhook:manage agreement:manage retention:manage roster:read roster:manage
    organisation:manage token:manage statistics:read
"""
ACTIONS = tuple(_NAMES.split())

_MAY = {
    ("surgeon", "own"): """
        case:create case:read case:write case:refer case:close case:restrict
        patient:search patient:identify patient:write patient:merge consent:write
        image:read image:upload inbox:read inbox:file
        annotation:read annotation:write message:read message:write
        referral:withdraw opinion:read entry:countersign decision:write followup:write
        glass:break roster:read statistics:read""",
    ("nurse", "own"): """
        case:read case:write patient:identify image:read image:upload
        annotation:read message:read message:write followup:write
        glass:break roster:read""",
    ("expert", "own"): """
        case:read patient:identify image:read annotation:read annotation:write message:read message:write
        referral:answer opinion:read opinion:write opinion:sign opinion:countersign
        glass:break roster:read""",
    ("expert", "granted"): """
        case:read patient:identify image:read annotation:read annotation:write message:read message:write
        referral:answer opinion:read opinion:write opinion:sign opinion:countersign""",
    ("coordinator", "own"): """
        case:read image:read message:read message:write referral:allocate
        glass:break roster:read roster:manage statistics:read""",
    ("coordinator", "granted"): "case:read image:read message:read message:write referral:allocate",
    ("administrator", "own"): """
        people:manage device:manage machine:manage webhook:manage agreement:manage retention:manage
        roster:read roster:manage token:manage""",
    ("auditor", "own"): "patient:search patient:identify audit:read audit:verify glass:review",
    ("operator", "own"): "organisation:manage",
    (SYSTEM, "own"): """
        case:read image:read referral:allocate audit:read audit:verify
        people:manage device:manage machine:manage webhook:manage agreement:manage retention:manage
        roster:read roster:manage organisation:manage token:manage statistics:read""",
    **{(role, "self"): "token:manage" for role in ROLES},
}

# What a restriction does not end: the audit of it, the work of the product, and the one way in.
_BARRED = {
    **dict.fromkeys(("surgeon", "nurse", "expert", "coordinator"), "glass:break"),
    "auditor": "audit:read audit:verify glass:review",
    SYSTEM: _MAY[SYSTEM, "own"],
}
# A team and a broken glass lift the restriction and widen no role: everybody has what their role gives, no more.
_WITHHELD = {"team": frozenset({"glass:break"}), "glass": frozenset({"glass:break", "case:restrict"})}


def _table() -> Iterator[tuple[str, str, str]]:
    for (role, relation), actions in _MAY.items():
        for action in actions.split():
            yield role, relation, action
            if relation == "own":
                yield from ((role, inside, action) for inside, withheld in _WITHHELD.items() if action not in withheld)
    yield from ((role, "barred", action) for role, actions in _BARRED.items() for action in actions.split())


RULES = frozenset(_table())
"""Every (role, relation, action) that is allowed."""

_ACTIONS = frozenset(ACTIONS)

IDENTITY = frozenset({"patient:identify"})
"""What a grant gives only when it says that its holder sees identity."""

STEP_UP = dt.timedelta(minutes=5)
"""How long a step-up is good for."""

IN_INBOX = {"image:read": "inbox:read"}
"""What an action comes down to for a thing without a case, which lies in the hospital's inbox."""

SEEN_BY = {"patient": "patient:search", "consent": "patient:search", "inbox": "inbox:read", "image": "inbox:read"}
"""For a thing without a case, by the noun of the action: the action that shows it exists. Other nouns hide nothing from members."""


class Held(Protocol):
    """What a decision needs to know of a grant."""

    @property
    def case_id(self) -> UUID: ...
    @property
    def organisation_id(self) -> UUID: ...
    @property
    def grantee_organisation_id(self) -> UUID: ...
    @property
    def person_id(self) -> UUID | None: ...
    @property
    def role(self) -> str: ...
    @property
    def sees_identity(self) -> bool: ...
    @property
    def expires_at(self) -> dt.datetime: ...
    @property
    def revoked_at(self) -> dt.datetime | None: ...


def known(action: str) -> str:
    """The action itself. Raises ValueError when the table does not know it."""
    if action not in _ACTIONS:
        raise ValueError(f"no such action: {action}")
    return action


def holders(actor: Actor) -> frozenset[str]:
    """The roles the actor acts in: those of the session or token, or the system's when there is no person."""
    return actor.roles.intersection(ROLES) if actor.person_id is not None else frozenset({SYSTEM})


def roles_for(actor: Actor, relation: str, action: str) -> frozenset[str]:
    """Those of the actor's roles in which the table allows ``action`` under ``relation``; none outside a token's scopes."""
    if actor.scopes is not None and known(action) not in actor.scopes:
        return frozenset()
    return frozenset(role for role in holders(actor) if (role, relation, known(action)) in RULES)


def actions_of(roles: Iterable[str]) -> frozenset[str]:
    """Every action the roles allow under any relation: the widest scopes a token of theirs can have."""
    roles = frozenset(roles)
    return frozenset(action for role, _, action in RULES if role in roles)


def is_live(grant: Held, at: dt.datetime) -> bool:
    """Whether the grant holds at that moment: given, not revoked, not expired."""
    return grant.revoked_at is None and at < grant.expires_at


def reaches(grant: Held, actor: Actor) -> bool:
    """Whether the grant names the actor: their organisation, one of their roles, and themselves if it names a person."""
    return (
        actor.person_id is not None
        and grant.grantee_organisation_id == actor.organisation_id
        and grant.role in holders(actor)
        and grant.person_id in (None, actor.person_id)
    )


@dataclass(frozen=True, slots=True)
class Way:
    """What lets an actor do something: the cell of the table, and the grant where it rests on one."""

    relation: str
    role: str
    grant: Held | None = None


def ways(
    actor: Actor,
    action: str,
    *,
    organisation_id: UUID,
    case_id: UUID | None = None,
    standing: str = "barred",
    grants: Iterable[Held] = (),
    at: dt.datetime | None = None,
) -> Iterator[Way]:
    """Everything by which the actor may do this to a thing that ``organisation_id`` owns, in the case or (None) outside any.

    ``standing`` is how a member of the owning organisation stands to the case (`restrictions.standing`); whoever
    does not say is barred. ``grants`` may hold more than matter. Raises ValueError for an action the table does not know.
    """
    wanted = known(action) if case_id is not None else IN_INBOX.get(known(action), action)
    if actor.organisation_id == organisation_id:
        relation = standing if case_id is not None else "own"
        if roles_for(actor, relation, wanted):
            yield from (Way(relation, role) for role in sorted(roles_for(actor, relation, action)))
    roles = roles_for(actor, "granted", action) if case_id is not None else frozenset[str]()
    moment = at or ids.now()
    for grant in grants if roles else ():
        if (
            grant.role in roles
            and grant.case_id == case_id
            and grant.organisation_id == organisation_id
            and (grant.sees_identity or action not in IDENTITY)
            and is_live(grant, moment)
            and reaches(grant, actor)
        ):
            yield Way("granted", grant.role, grant)


def decide(
    actor: Actor,
    action: str,
    *,
    organisation_id: UUID,
    case_id: UUID | None = None,
    standing: str = "barred",
    grants: Iterable[Held] = (),
    at: dt.datetime | None = None,
) -> bool:
    """Whether there is any of the ``ways`` to do this."""
    found = ways(actor, action, organisation_id=organisation_id, case_id=case_id, standing=standing, grants=grants, at=at)
    return next(found, None) is not None


def shows(
    actor: Actor, action: str, *, organisation_id: UUID, case_id: UUID | None = None, standing: str = "barred", grants: Iterable[Held] = ()
) -> bool:
    """Whether the actor may know that the thing ``action`` is about exists at all.

    In a case that is ``case:read``. Without a case only members know, and of patients and the inbox only
    those who may look for them.
    """
    if case_id is not None:
        return decide(actor, "case:read", organisation_id=organisation_id, case_id=case_id, standing=standing, grants=grants)
    sight = SEEN_BY.get(known(action).partition(":")[0])
    return actor.organisation_id == organisation_id and (sight is None or bool(roles_for(actor, "own", sight)))


def require(
    actor: Actor, action: str, *, organisation_id: UUID, case_id: UUID | None = None, standing: str = "barred", grants: Iterable[Held] = ()
) -> None:
    """Hold the actor to what ``decide`` says.

    Raises NotFound (``case-not-found``, or ``not-found`` outside a case) when the actor may not know that
    the thing exists, and Denied when they see it and may not do this.
    """
    if decide(actor, action, organisation_id=organisation_id, case_id=case_id, standing=standing, grants=grants):
        return
    if shows(actor, action, organisation_id=organisation_id, case_id=case_id, standing=standing, grants=grants):
        raise Denied("not-allowed")
    raise NotFound("not-found" if case_id is None else "case-not-found")


def require_in_organisation(actor: Actor, action: str, *, person_id: UUID | None = None) -> None:
    """Hold the actor to an action of their own organisation, or (``person_id``) on something of that person's.

    Raises Denied.
    """
    mine = actor.person_id is not None and person_id == actor.person_id
    if not roles_for(actor, "own", action) and not (mine and roles_for(actor, "self", action)):
        raise Denied("not-allowed")


def refuse_token(actor: Actor) -> None:
    """Keep an API token from what is its person's own business: sessions, factors, preferences. Raises Denied."""
    if actor.token_id is not None:
        raise Denied("session-needed")


def refuse_narrowed(actor: Actor) -> None:
    """Keep a token, and a session begun with a PIN on a ward device, from what only a full sign-in may do. Raises Denied."""
    refuse_token(actor)
    if actor.scopes is not None:
        raise Denied("full-sign-in-needed")


def require_step_up(actor: Actor) -> None:
    """Hold a person to a second factor or password given in the last five minutes; the system passes.

    Raises StepUpNeeded, and Denied for what cannot step up: an API token (``session-needed``), and a session begun with a
    PIN (``full-sign-in-needed``).
    """
    if actor.person_id is None:
        return
    refuse_narrowed(actor)
    if actor.stepped_up_at is None or ids.now() - actor.stepped_up_at >= STEP_UP:
        raise StepUpNeeded("step-up-needed")
