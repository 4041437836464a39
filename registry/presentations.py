"""Presentations: what an expert in training signed, until a senior of the same hospital gives it or returns it.

Signing freezes and signs the bytes as for any opinion (``opinions.freeze``), but they say that they need a
countersignature, and the opinion is not yet given: nobody outside the invited hospital learns what it says, the
question stays open, its clock goes on and whoever is waited for is the senior. The senior is let into the case with
what the trainee holds there, no more (``grants.pass_on``). Countersigned, it becomes the opinion; returned, its words
are the trainee's draft again. Only who may countersign reads presentations here, of their own hospital.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from auth import grants, people, policy, rules, training
from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Denied, Invalid, NotFound
from registry import audience, cases, countersignatures, drafts, evidence, notices, opinions, presented, questions
from registry.cases import Case
from registry.countersignatures import Countersignature
from registry.forms import fields
from registry.forms.fields import Raw
from registry.opinions import Opinion
from registry.presented import Presentation

ACTION = "opinion:countersign"
ROLE = "expert"


@dataclass(frozen=True, slots=True)
class Presented:
    """A presentation as shown: ``content`` is read back from the frozen bytes, ``words`` is why it was returned.

    ``lies_with`` is the senior, or the author where that senior can countersign no more.
    """

    presentation: Presentation
    content: dict[str, Any]
    words: str
    lies_with: UUID


def seniors(db: Tx, actor: Actor) -> list[people.Person]:
    """Who may countersign for the actor: the experts of their hospital who are not in training, the last one asked first."""
    policy.require_in_organisation(actor, "opinion:write")
    able = training.seniors(db, actor.organisation_id, ROLE, but=actor.person_id)
    last = db.scalar(
        select(Presentation.senior_id).where(Presentation.author_id == actor.person_id).order_by(Presentation.id.desc()).limit(1)
    )
    return sorted(able, key=lambda person: person.id != last)


def present(
    db: Tx,
    actor: Actor,
    case_id: UUID,
    raw: Raw | None = None,
    *,
    senior_id: UUID | None,
    version: int | None = None,
    addendum_to: UUID | None = None,
    subject: str | None = None,
) -> Presentation:
    """Sign the draft as somebody in training, for a senior to countersign.

    Raises as ``opinions.sign``, Invalid for somebody who cannot countersign, Conflict ``opinion-needs-no-senior`` for
    whoever is not in training and ``opinion-waits-already`` while an earlier one of the same kind lies with a senior.
    """
    case = cases.reach(db, actor, case_id, "opinion:sign")
    policy.require_step_up(actor)
    if not training.in_training(db, actor.person_id, actor.organisation_id):
        raise Conflict("opinion-needs-no-senior")
    senior = _senior(db, actor, senior_id)
    cases.hold(db, case)
    earlier = presented.newest(db, case, drafts.author(actor), addendum_to)
    if earlier is not None and earlier.state == "waiting":
        raise Conflict("opinion-waits-already")
    frozen, canonical = opinions.freeze(
        db, actor, case, raw, version=version, addendum_to=addendum_to, subject=subject, schema=countersignatures.TRAINEE
    )  # fmt: skip
    presentation = Presentation(
        id=frozen.id,
        organisation_id=case.organisation_id,
        case_id=case.id,
        referral_id=frozen.referral_id,
        addendum_to=addendum_to,
        author_id=frozen.author_id,
        author_organisation_id=frozen.author_organisation_id,
        senior_id=senior.id,
        state="waiting",
        signed_at=frozen.signed_at,
        urgency=frozen.urgency,
        document=cases.seal(db, case, "presentation", "presentations", frozen.id, canonical),
        sha256=frozen.sha256,
        signature=frozen.signature,
        public_key=frozen.public_key,
    )
    db.add(presentation)
    db.flush()
    _note(db, actor, "opinion:present", case, presentation, senior.id, sha256=presentation.sha256)
    _let_in(db, actor, case, presentation)
    return presentation


def hand_over(db: Tx, actor: Actor, presentation_id: UUID, *, senior_id: UUID | None) -> Presentation:
    """The author asks another senior: the first is away, has left, or is in training now. The bytes stay as they are.

    What the first was let in with for this is taken back. Raises Denied for anybody but the author, Invalid, Conflict.
    """
    presentation, case = _hold(db, actor, presentation_id)
    if presentation.author_id != actor.person_id:
        raise Denied("presentation-of-other-expert")
    senior, before = _senior(db, actor, senior_id), presentation.senior_id
    presented.move(db, presentation, "hand-over")
    if senior.id == before:
        return presentation
    for grant in audience.grants(db, case):
        if grant.person_id == before and grant.given_by == actor.person_id:
            grants.revoke(db, actor, grant.id, because="handed-over")
    presentation.senior_id = senior.id
    db.flush()
    _note(db, actor, "opinion:hand-over", case, presentation, senior.id)
    _let_in(db, actor, case, presentation)
    return presentation


def countersign(db: Tx, actor: Actor, presentation_id: UUID) -> Opinion:
    """Give a trainee's opinion with the senior's own signature over its hash; whoever asked is told now.

    Raises StepUpNeeded, Denied for anybody but the senior it lies with and for one in training, Conflict by the state
    and on a closed case, Invalid for words that an outsider who came since must not read.
    """
    presentation, case = _hold(db, actor, presentation_id)
    policy.require_step_up(actor)
    author = _of_senior(db, actor, case, presentation)
    canonical = presented.canonical(db, case, presentation)
    content = presented.content(db, case, presentation)
    audience.screen(db, actor, case, {section["name"]: section["text"] for section in content["sections"]})
    presented.move(db, presentation, "countersign")
    now = ids.now()
    opinion = Opinion(
        id=presentation.id,
        organisation_id=case.organisation_id,
        case_id=case.id,
        referral_id=presentation.referral_id,
        addendum_to=presentation.addendum_to,
        author_id=author,
        author_organisation_id=presentation.author_organisation_id,
        signed_at=now,
        urgency=presentation.urgency,
        sha256=presentation.sha256,
        signature=presentation.signature,
        public_key=presentation.public_key,
    )
    opinions.give(db, actor, case, opinion, canonical)
    statement = countersignatures.state(canonical, evidence.signer(db, actor), now)
    second = Countersignature(
        id=ids.new(), organisation_id=case.organisation_id, case_id=case.id, opinion_id=opinion.id, senior_id=presentation.senior_id, at=now
    )  # fmt: skip
    second.document = cases.seal(db, case, "countersignature", "countersignatures", second.id, statement)
    second.signature = db.keyring.sign(db, actor.organisation_id, statement)
    second.public_key = db.keyring.public_key(db, actor.organisation_id)
    db.add(second)
    db.flush()
    _note(db, actor, "opinion:countersign", case, presentation, author, sha256=presentation.sha256)
    notices.tell(db, {author}, "opinion-countersigned", case, but=actor.person_id)
    return opinion


def give_back(db: Tx, actor: Actor, presentation_id: UUID, *, words: str) -> Presentation:
    """Return a trainee's opinion with words; its text is the trainee's draft again, the version stays with the hospital.

    Needs no step-up, for nothing is given. Raises Invalid without words, Denied, Conflict as ``countersign``.
    """
    presentation, case = _hold(db, actor, presentation_id)
    author = _of_senior(db, actor, case, presentation)
    if wrong := fields.wrong_words(words):
        raise Invalid("form-invalid", fields={"words": wrong})
    said = words.strip()
    presented.move(db, presentation, "return")
    presentation.words = cases.seal(db, case, "presentation-return", "presentations", presentation.id, said.encode())
    db.flush()
    _note(db, actor, "opinion:return", case, presentation, author)
    notices.tell(db, {author}, "opinion-returned", case, but=actor.person_id)
    return presentation


def for_case(db: Tx, actor: Actor, case_id: UUID) -> list[Presented]:
    """What people of the actor's hospital signed in training on a case, oldest first; recorded when there is any.

    Nothing for other hospitals. Raises NotFound, Denied for who may not countersign at all.
    """
    case = cases.reach(db, actor, case_id, ACTION)
    rows = select(Presentation).where(Presentation.case_id == case.id, Presentation.author_organisation_id == actor.organisation_id)
    found = [_shown(db, case, row) for row in db.scalars(rows.order_by(Presentation.signed_at, Presentation.id))]
    if found:
        cases.seen(db, actor, case, "opinion:read")
    return found


def get(db: Tx, actor: Actor, presentation_id: UUID) -> Presented:
    """One presentation of the actor's own hospital; recorded."""
    row, case = _reach(db, actor, presentation_id)
    cases.seen(db, actor, case, "opinion:read", object_type="presentation", object_id=row.id)
    return _shown(db, case, row)


def _reach(db: Tx, actor: Actor, presentation_id: UUID) -> tuple[Presentation, Case]:
    row = db.get(Presentation, presentation_id)
    if row is None or row.author_organisation_id != actor.organisation_id:
        raise NotFound("opinion-not-found")
    if not policy.allowed(db, actor, ACTION, organisation_id=row.organisation_id, case_id=row.case_id):
        raise NotFound("opinion-not-found")
    return row, cases.reach(db, actor, row.case_id, ACTION)


def _hold(db: Tx, actor: Actor, presentation_id: UUID) -> tuple[Presentation, Case]:
    row, case = _reach(db, actor, presentation_id)
    cases.hold(db, case)
    db.refresh(row)
    if case.state == "closed" and row.addendum_to is None:
        raise Conflict("case-closed")
    return row, case


def _of_senior(db: Tx, actor: Actor, case: Case, presentation: Presentation) -> UUID:
    """The author, once it is sure that the senior the presentation lies with acts, as a person and not in training."""
    policy.require(db, actor, ACTION, organisation_id=case.organisation_id, case_id=case.id)
    rules.refuse_narrowed(actor)
    if actor.person_id != presentation.senior_id or actor.person_id == presentation.author_id:
        raise Denied("presentation-of-other-senior")
    if training.in_training(db, actor.person_id, actor.organisation_id):
        raise Denied("in-training")
    return presentation.author_id


def _senior(db: Tx, actor: Actor, senior_id: UUID | None) -> people.Person:
    found = next((person for person in seniors(db, actor) if person.id == senior_id), None)
    if found is None:
        raise Invalid("form-invalid", fields={"senior_id": "field-required" if senior_id is None else "senior-unable"})
    return found


def _let_in(db: Tx, actor: Actor, case: Case, presentation: Presentation) -> None:
    """Give the senior what the author holds in the case of another hospital, and tell them."""
    if case.organisation_id != actor.organisation_id:
        reason = presented.grant_reason(presentation.referral_id) if presentation.referral_id else f"presentation:{presentation.id}"
        grants.pass_on(db, actor, "opinion:sign", case_id=case.id, person_id=presentation.senior_id, reason=reason)
    notices.tell(db, {presentation.senior_id}, "opinion-to-countersign", case, but=actor.person_id)


def _shown(db: Tx, case: Case, row: Presentation) -> Presented:
    words = cases.unseal(db, case, "presentation-return", "presentations", row.id, row.words).decode() if row.words else ""
    return Presented(row, presented.content(db, case, row), words, questions.countersigner(db, row))


def _note(db: Tx, actor: Actor, action: str, case: Case, presentation: Presentation, person_id: UUID, **detail: str) -> None:
    cases.note(db, actor, action, case, object_type="opinion", object_id=presentation.id, person_id=person_id, detail=detail)
