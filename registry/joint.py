"""Joint opinions: experts who have each advised on a case say one thing together, for the treating hospital to act on.

One of them writes and signs it; it stands at once, joining the newest opinion of every expert, and takes the place of
those whose givers join it. Nobody is made to: who declines says why, and their own opinion stays beside it. None is
written while a blinding stands.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import select

from auth import blinding, policy, rules, training
from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Denied, Invalid, NotFound
from registry import audience, cases, drafts, evidence, joinings, notices, opinions
from registry.cases import Case
from registry.drafts import Draft
from registry.forms import fields
from registry.forms.fields import Raw
from registry.forms.opinion import JointText
from registry.joinings import Joining
from registry.opinions import Opinion, Signed
from registry.states import URGENCIES


def draft(db: Tx, actor: Actor, case_id: UUID) -> Draft:
    """The actor's own draft. Raises Conflict as ``sign`` does when there is nothing to join."""
    case, joined = _reach(db, actor, case_id, "opinion:write")
    return drafts.read(db, actor, case, JointText, None, _start(joined))


def save(db: Tx, actor: Actor, case_id: UUID, raw: Raw, *, version: int | None = None) -> Draft:
    """Keep what was written, unchecked, as ``opinions.save``."""
    case, joined = _reach(db, actor, case_id, "opinion:write")
    return drafts.save(db, actor, case, JointText, None, _start(joined), raw, version)


def sign(db: Tx, actor: Actor, case_id: UUID, raw: Raw | None = None, *, version: int | None = None, subject: str | None = None) -> Opinion:
    """Sign the draft, with ``raw`` over it, as an opinion that joins the newest of every expert; each of the others is asked.

    What was still asked by an earlier joint opinion lapses. Raises as ``opinions.sign``, and Conflict ``joint-blinded``
    while the advisers are blind to each other, ``joint-alone`` unless the actor and somebody else have advised.
    """
    cases.hold(db, cases.reach(db, actor, case_id, "opinion:sign"))
    policy.require_step_up(actor)
    if training.in_training(db, actor.person_id, actor.organisation_id):
        raise Conflict("opinion-needs-senior")
    case, joined = _reach(db, actor, case_id, "opinion:sign")
    names = [{"id": str(one.opinion.id), "sha256": one.opinion.sha256, "giver": one.giver} for one in joined]
    opinion, canonical = opinions.freeze(
        db, actor, case, raw, version=version, addendum_to=None, subject=subject, schema=joinings.SCHEMA, joins=names
    )
    others = {UUID(one.giver["id"]) for one in joined} - {actor.person_id}
    opinions.give(db, actor, case, opinion, canonical, but=others)
    for row in db.scalars(select(Joining).where(Joining.case_id == case.id, Joining.state == "asked")):
        joinings.move(db, row, "lapse")
    for one in joined:
        person_id = UUID(one.giver["id"])
        own = person_id == actor.person_id
        db.add(
            Joining(
                id=ids.new(),
                organisation_id=case.organisation_id,
                case_id=case.id,
                joint_id=opinion.id,
                opinion_id=one.opinion.id,
                person_id=person_id,
                state="joined" if own else "asked",
                asked_at=opinion.signed_at,
                decided_at=opinion.signed_at if own else None,
            )
        )
    db.flush()
    _note(db, actor, "opinion:joint", case, opinion.id, sha256=opinion.sha256)
    notices.tell(db, others, "joint-asked", case)
    return opinion


def join(db: Tx, actor: Actor, opinion_id: UUID) -> Joining:
    """Stand behind a joint opinion, with a statement signed by one's own hospital's key.

    Raises StepUpNeeded, Denied ``in-training``, NotFound for whoever is not asked, Conflict by the state and on a closed case.
    """
    row, case = _hold(db, actor, opinion_id)
    policy.require_step_up(actor)
    if training.in_training(db, actor.person_id, actor.organisation_id):
        raise Denied("in-training")
    joinings.move(db, row, "join")
    opinion = db.get_one(Opinion, opinion_id)
    canonical = cases.unseal(db, case, "opinion", "opinions", opinion.id, opinion.document)
    statement = joinings.state(canonical, evidence.signer(db, actor), row.decided_at or ids.now())
    row.words = None
    row.document = cases.seal(db, case, "joining", "joinings", row.id, statement)
    row.signature = db.keyring.sign(db, actor.organisation_id, statement)
    row.public_key = db.keyring.public_key(db, actor.organisation_id)
    db.flush()
    _note(db, actor, "opinion:join", case, opinion_id, sha256=opinion.sha256)
    notices.tell(db, audience.participants(db, case) | {opinion.author_id}, "joint-joined", case, but=actor.person_id)
    return row


def decline(db: Tx, actor: Actor, opinion_id: UUID, *, words: str) -> Joining:
    """Do not join, and say why; one's own opinion stays as it is. Raises Invalid without words, and as ``join``."""
    row, case = _hold(db, actor, opinion_id)
    if wrong := fields.wrong_words(words):
        raise Invalid("form-invalid", fields={"words": wrong})
    said = words.strip()
    audience.screen(db, actor, case, {"words": said})
    joinings.move(db, row, "decline")
    row.words = cases.seal(db, case, "joining-declined", "joinings", row.id, said.encode())
    db.flush()
    author_id = db.get_one(Opinion, opinion_id).author_id
    _note(db, actor, "opinion:not-join", case, opinion_id)
    notices.tell(db, audience.participants(db, case) | {author_id}, "joint-declined", case, but=actor.person_id)
    return row


def to_join(actor: Actor, signed: list[Signed]) -> list[Signed]:
    """What a joint opinion by this actor would join now: the newest opinion of every expert. Empty unless they and another advised."""
    newest = {joinings.same(one.giver): one for one in signed}
    mine = {str(actor.person_id), str(actor.organisation_id)}
    return list(newest.values()) if len(newest) > 1 and any(mine == set(who) for who in newest) else []


def open_to_join(actor: Actor, signed: list[Signed]) -> bool:
    """Whether this actor could bring together what no joint opinion stands for yet, while nobody is still asked to join one."""
    done = replaced(signed)
    asked = any(one.joining.state == "asked" for item in signed for one in item.joined)
    return not asked and any(not one.joined and one.opinion.id not in done for one in to_join(actor, signed))


def replaced(signed: list[Signed]) -> set[UUID]:
    """The opinions whose givers stand behind a joint one, which is to be decided on in their place."""
    return {one.joining.opinion_id for item in signed for one in item.joined if one.joining.state == "joined"}


def _reach(db: Tx, actor: Actor, case_id: UUID, action: str) -> tuple[Case, list[Signed]]:
    case = cases.reach(db, actor, case_id, action)
    if blinding.standing(db, case.id) is not None:
        raise Conflict("joint-blinded")
    joined = to_join(actor, opinions.for_case(db, actor, case_id))
    if not joined:
        raise Conflict("joint-alone")
    return case, joined


def _hold(db: Tx, actor: Actor, opinion_id: UUID) -> tuple[Joining, Case]:
    """The actor's own joining of an opinion they may read, as the hospital that is named in it."""
    opinion, case = opinions.reach(db, actor, opinion_id)
    policy.require(db, actor, "opinion:sign", organisation_id=case.organisation_id, case_id=case.id)
    rules.refuse_narrowed(actor)
    cases.hold(db, case)
    row = db.scalar(select(Joining).where(Joining.joint_id == opinion.id, Joining.person_id == actor.person_id))
    if row is None or db.get_one(Opinion, row.opinion_id).author_organisation_id != actor.organisation_id:
        raise NotFound("joining-not-found")
    if case.state == "closed":
        raise Conflict("case-closed")
    return row, case


def _start(joined: list[Signed]) -> drafts.Typed:
    told = [one.opinion.urgency for one in joined if one.opinion.urgency]
    return {"urgency": max(told, key=URGENCIES.index)} if told else {}


def _note(db: Tx, actor: Actor, action: str, case: Case, opinion_id: UUID, **detail: Any) -> None:
    cases.note(db, actor, action, case, object_type="opinion", object_id=opinion_id, detail=detail)
