"""The local decision: the treating surgeon accepts, modifies or rejects an opinion and says why.

The treating side decides; its decision is part of the record, appended and never changed. A later decision
on the same opinion stands beside the earlier one, the newest counts.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Invalid, SignInNeeded
from registry import audience, cases, choices, notices, once, opinions, valuesets
from registry.cases import Case
from registry.choices import Decision
from registry.opinions import Opinion

TEXT_LIMIT = 4000


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision as shown."""

    decision: Decision
    reason: str


def record(
    db: Tx,
    actor: Actor,
    *,
    case_id: UUID,
    opinion_id: UUID,
    choice: str,
    reason: str = "",
    client_key: str | None = None,
) -> Decision:
    """Accept, modify or reject an opinion. A reason is needed unless it is accepted as it stands.

    The experts who advised are told. The same ``client_key`` sent again gives the first decision back.
    Raises Invalid, and Conflict on a closed case or for an addendum.
    """
    case = cases.reach(db, actor, case_id, "decision:write")
    if actor.person_id is None:
        raise SignInNeeded("sign-in-needed")
    reason = reason.strip()
    once.lock(db, actor, case.id, client_key)
    if client_key and (known := _by_client_key(db, actor, case, client_key)):
        if (known.opinion_id, known.choice, choices.reason(db, case, known)) != (opinion_id, choice, reason):
            raise Conflict("client-key-reused")
        return known
    opinion = opinions.row(db, actor, case, opinion_id)
    if case.state == "closed":
        raise Conflict("case-closed")
    if opinion.addendum_to is not None:
        raise Conflict("decision-on-addendum")
    wrong: dict[str, str] = {}
    if choice not in valuesets.value_set("decision").codes:
        wrong["choice"] = "field-code-unknown"
    if choice != "accept" and not reason:
        wrong["reason"] = "field-required"
    if len(reason) > TEXT_LIMIT:
        wrong["reason"] = "field-too-long"
    if wrong:
        raise Invalid("form-invalid", fields=wrong)
    audience.screen(db, actor, case, {"reason": reason})
    decision = Decision(
        id=ids.new(),
        organisation_id=case.organisation_id,
        case_id=case.id,
        opinion_id=opinion.id,
        author_id=actor.person_id,
        at=ids.now(),
        choice=choice,
        client_key=client_key,
        reason=None,
    )
    if reason:
        decision.reason = cases.seal(db, case, "decision", "decisions", decision.id, reason.encode())
    db.add(decision)
    db.flush()
    cases.note(db, actor, "decision:record", case, object_type="decision", object_id=decision.id, detail={"choice": choice})
    told = opinions.experts(db, case) & audience.participants(db, case)
    notices.tell(db, told - opinions.kept_from(db, case, opinion, told), "decision-recorded", case, but=actor.person_id)
    return decision


def for_case(db: Tx, actor: Actor, case_id: UUID) -> list[Decided]:
    """The decisions on a case, oldest first; recorded as reading the case. Those on what a blinding keeps from the actor are left out."""
    case = cases.get(db, actor, case_id)
    known = set(db.scalars(select(Opinion.id).where(Opinion.case_id == case.id, opinions.open_to(actor))))
    return [Decided(row, choices.reason(db, case, row)) for row in choices.of_case(db, case) if row.opinion_id in known]


def decided(db: Tx, opinion_ids: list[UUID]) -> set[UUID]:
    """Which of these opinions have a decision, for a caller that holds their cases."""
    return set(db.scalars(select(Decision.opinion_id).where(Decision.opinion_id.in_(opinion_ids))))


def _by_client_key(db: Tx, actor: Actor, case: Case, client_key: str) -> Decision | None:
    return db.scalar(
        select(Decision).where(Decision.case_id == case.id, Decision.author_id == actor.person_id, Decision.client_key == client_key)
    )
