"""Opinions (会诊意见): what an expert advises, never edited after signing; what comes later is an addendum.

A draft lives apart and only its author sees it. Signing needs a fresh second factor and freezes canonical
bytes (RFC 8785): schema, labels as shown, the words, the hashes of the objects and entries relied on, the
marks as they stood, a nonce. Those bytes are sealed, signed with the Ed25519 key of the expert's hospital
and never serialised again; there is no verb that changes a row of ``opinions``. What an expert in training signs
says in its bytes that it needs a countersignature and becomes a row here with it (``registry.presentations``).
"""

import dataclasses
import datetime as dt
import hashlib
import json
import secrets
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import rfc8785
from sqlalchemy import ColumnElement, ForeignKey, Index, select
from sqlalchemy.orm import Mapped, mapped_column

from auth import blinding, policy, training
from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Denied, Invalid, NotFound, PreconditionFailed
from core.tables import Base, IdColumn
from registry import audience, cases, countersignatures, drafts, evidence, joinings, notices, presented, referrals
from registry.cases import Case
from registry.countersignatures import Countersignature
from registry.drafts import Draft
from registry.forms import fields
from registry.forms.fields import Document, Raw
from registry.forms.opinion import AddendumText, JointText, OpinionText
from registry.joinings import Joined, Joining
from registry.outgoing import Referral

SCHEMA = "shanhai/opinion/1"


class Opinion(Base):
    """A signed opinion or addendum. ``document`` holds the sealed canonical bytes, ``sha256`` is theirs in hex.

    ``signature`` is over the canonical bytes, by the key of ``author_organisation_id``, whose public half
    at signing is ``public_key``. ``signed_at`` is when the last signature it needs was given.
    """

    __tablename__ = "opinions"
    __table_args__ = (Index(None, "case_id", "id"), Index(None, "organisation_id", "signed_at"), Index(None, "author_organisation_id"))

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    referral_id: Mapped[UUID | None] = mapped_column(ForeignKey("referrals.id"))
    addendum_to: Mapped[UUID | None] = mapped_column(ForeignKey("opinions.id"))
    author_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    author_organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    signed_at: Mapped[dt.datetime]
    urgency: Mapped[str | None]
    document: Mapped[bytes]
    sha256: Mapped[str]
    signature: Mapped[bytes]
    public_key: Mapped[bytes]


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed opinion as shown: everything in ``content`` is read back from the frozen bytes.

    ``content["sections"]`` lists {name, label, text, code}; ``images``, ``marks`` and ``entries`` what it
    relied on; ``countersigned`` is what the senior of a trainee signed; ``joined`` how the experts stand to it, whose opinions
    a joint one joins; ``addenda`` follow oldest first.
    """

    opinion: Opinion
    content: dict[str, Any]
    addenda: tuple["Signed", ...] = ()
    countersigned: dict[str, Any] | None = None
    joined: tuple[Joined, ...] = ()

    @property
    def giver(self) -> dict[str, Any]:
        """Who answers for it, as the signed bytes name them: its signer, or the senior of one in training."""
        given: dict[str, Any] = (self.countersigned or {}).get("countersigner") or self.content["signer"]
        return given

    @property
    def author_signed_at(self) -> dt.datetime:
        """When the author signed."""
        return dt.datetime.fromisoformat(self.content["signed_at"])


# --- writing -------------------------------------------------------------------------------------------


def draft(db: Tx, actor: Actor, case_id: UUID, *, addendum_to: UUID | None = None) -> Draft:
    """The actor's own draft of an opinion, or of an addendum to an opinion they signed.

    Where none is saved: empty, or the words of what a senior returned.
    """
    case = cases.reach(db, actor, case_id, "opinion:write")
    _may_add(db, actor, case, addendum_to)
    cases.seen(db, actor, case)
    return drafts.read(db, actor, case, _model(addendum_to), addendum_to, _start(db, actor, case, addendum_to))


def save(db: Tx, actor: Actor, case_id: UUID, raw: Raw, *, addendum_to: UUID | None = None, version: int | None = None) -> Draft:
    """Keep what was written, unchecked; fields in ``raw`` replace those saved before, the others stay.

    Raises PreconditionFailed when ``version`` is given and another device saved meanwhile.
    """
    case = cases.reach(db, actor, case_id, "opinion:write")
    _may_add(db, actor, case, addendum_to)
    start = _start(db, actor, case, addendum_to)
    return drafts.save(db, actor, case, _model(addendum_to), addendum_to, start, raw, version)


def sign(
    db: Tx,
    actor: Actor,
    case_id: UUID,
    raw: Raw | None = None,
    *,
    version: int | None = None,
    addendum_to: UUID | None = None,
    subject: str | None = None,
) -> Opinion:
    """Sign the draft, with ``raw`` over it: from now on it cannot be changed by anybody.

    Raises StepUpNeeded without a second factor in the last five minutes, PreconditionFailed when
    ``version`` is not the draft's newest, Conflict ``opinion-nothing-to-sign`` when there is no draft
    (it was signed already) and ``opinion-needs-senior`` for somebody in training, Invalid with a code per
    section that is missing or names the patient, Conflict ``opinion-patient-changed`` when the case is about another
    patient record than ``subject`` (`Case.subject`, whom the signer saw) or, where that is not said, than when the
    draft was begun.
    """
    case = cases.reach(db, actor, case_id, "opinion:sign")
    policy.require_step_up(actor)
    if training.in_training(db, actor.person_id, actor.organisation_id):
        raise Conflict("opinion-needs-senior")
    opinion, canonical = freeze(db, actor, case, raw, version=version, addendum_to=addendum_to, subject=subject)
    give(db, actor, case, opinion, canonical)
    action = "opinion:addendum" if addendum_to else "opinion:sign"
    cases.note(db, actor, action, case, object_type="opinion", object_id=opinion.id, detail={"sha256": opinion.sha256})
    return opinion


def freeze(
    db: Tx,
    actor: Actor,
    case: Case,
    raw: Raw | None,
    *,
    version: int | None,
    addendum_to: UUID | None,
    subject: str | None,
    schema: str = SCHEMA,
    joins: Sequence[dict[str, Any]] = (),
) -> tuple[Opinion, bytes]:
    """The draft as canonical bytes, signed with the hospital's key, and the row they are to become; the draft is gone.

    ``joins`` names what a joint opinion joins: ``id``, ``sha256`` and ``giver`` of each.
    For verbs that have checked who signs. Raises as ``sign`` does.
    """
    cases.hold(db, case)
    base = _may_add(db, actor, case, addendum_to)
    model = JointText if joins else _model(addendum_to)
    written = drafts.read(db, actor, case, model, addendum_to, {} if joins else _start(db, actor, case, addendum_to))
    if written.saved_at is None and not raw:
        raise Conflict("opinion-nothing-to-sign")
    if version is not None and version != written.version:
        raise PreconditionFailed("draft-changed-meanwhile")
    if (subject or written.subject or case.subject) != case.subject:
        raise Conflict("opinion-patient-changed")
    words = fields.parse(model, written.raw | drafts.known(model, raw or {}), zone=actor.time_zone, now=ids.now())
    audience.screen(db, actor, case, words.free_texts())
    referral = referrals.of_expert(db, case, actor)
    opinion = Opinion(
        id=ids.new(),
        organisation_id=case.organisation_id,
        case_id=case.id,
        referral_id=base.referral_id if base else referral.id if referral else None,
        addendum_to=addendum_to,
        author_id=drafts.author(actor),
        author_organisation_id=actor.organisation_id,
        signed_at=ids.now(),
        urgency=getattr(words, "urgency", None),
    )
    content = _content(db, actor, case, opinion, base, words) | {"schema": schema} | ({"joins": list(joins)} if joins else {})
    canonical = rfc8785.dumps(content)
    opinion.sha256 = hashlib.sha256(canonical).hexdigest()
    opinion.signature = db.keyring.sign(db, actor.organisation_id, canonical)
    opinion.public_key = db.keyring.public_key(db, actor.organisation_id)
    drafts.drop(db, actor, case, model, addendum_to)
    return opinion, canonical


def give(db: Tx, actor: Actor, case: Case, opinion: Opinion, canonical: bytes, *, but: Set[UUID] = frozenset()) -> None:
    """Put a signed opinion before its readers: it stands in the case, answers its question, and they are told.

    ``actor`` is whose signature makes it whole, ``but`` who is told by the caller. For verbs that record the act.
    """
    opinion.document = cases.seal(db, case, "opinion", "opinions", opinion.id, canonical)
    db.add(opinion)
    db.flush()
    referral = db.get(Referral, opinion.referral_id) if opinion.referral_id else None
    if opinion.addendum_to is None:
        referrals.answered(db, actor, case, referral, opinion.author_id)
        if opinion.urgency:
            cases.raise_urgency(db, actor, case, opinion.urgency, "opinion")
    told = audience.participants(db, case) | ({referral.requested_by} if referral else set())
    kind = "opinion-addendum" if opinion.addendum_to else "opinion-signed"
    notices.tell(db, told - kept_from(db, case, opinion, told) - but, kind, case, but=actor.person_id)


# --- reading -------------------------------------------------------------------------------------------


def for_case(db: Tx, actor: Actor, case_id: UUID) -> list[Signed]:
    """The signed opinions of a case, oldest first, each with its addenda; recorded. What a blinding keeps from the actor is left out."""
    case = cases.reach(db, actor, case_id, "opinion:read")
    cases.seen(db, actor, case, "opinion:read")
    rows = list(db.scalars(select(Opinion).where(Opinion.case_id == case.id, open_to(actor)).order_by(Opinion.signed_at, Opinion.id)))
    second, joined = countersignatures.of_case(db, case), joinings.of_case(db, case)
    whole = {row.id: _signed(db, case, row, second.get(row.id), joined.get(row.id, [])) for row in rows}
    addenda: dict[UUID, list[Signed]] = {}
    for row in rows:
        if row.addendum_to is not None:
            addenda.setdefault(row.addendum_to, []).append(whole[row.id])
    return [dataclasses.replace(whole[row.id], addenda=tuple(addenda.get(row.id, ()))) for row in rows if row.addendum_to is None]


def whole(db: Tx, actor: Actor, case_id: UUID, opinion_id: UUID) -> Signed:
    """The opinion this is or belongs to, with all its addenda; recorded."""
    for item in for_case(db, actor, case_id):
        if opinion_id in {item.opinion.id, *(extra.opinion.id for extra in item.addenda)}:
            return item
    raise NotFound("opinion-not-found")


def get(db: Tx, actor: Actor, opinion_id: UUID) -> Signed:
    """One signed opinion or addendum; recorded."""
    row, case = reach(db, actor, opinion_id)
    return _signed(db, case, row, countersignatures.of_opinion(db, row.id), joinings.of_opinion(db, row.id))


def reach(db: Tx, actor: Actor, opinion_id: UUID) -> tuple[Opinion, Case]:
    """A signed opinion or addendum the actor may read, and its case; recorded. NotFound too for what a blinding keeps from them."""
    found = db.scalar(select(Opinion).where(Opinion.id == opinion_id, open_to(actor)))
    if found is None:
        raise NotFound("opinion-not-found")
    case = cases.reach(db, actor, found.case_id, "opinion:read")
    cases.seen(db, actor, case, "opinion:read", object_type="opinion", object_id=found.id)
    return found, case


def canonical(db: Tx, actor: Actor, opinion_id: UUID) -> bytes:
    """The very bytes that were signed, for whoever checks them elsewhere; recorded."""
    row, case = reach(db, actor, opinion_id)
    return cases.unseal(db, case, "opinion", "opinions", row.id, row.document)


def open_to(actor: Actor) -> ColumnElement[bool]:
    """The rows of opinions that no blinding keeps from this actor."""
    return blinding.open_to(
        actor,
        organisation_id=Opinion.organisation_id,
        case_id=Opinion.case_id,
        author_id=Opinion.author_id,
        author_organisation_id=Opinion.author_organisation_id,
        advice=True,
    )


def kept_from(db: Tx, case: Case, opinion: Opinion, person_ids: set[UUID]) -> set[UUID]:
    """Those of the people who are not to hear of an opinion, since a blinding keeps it from them."""
    writer, house = opinion.author_id, opinion.author_organisation_id
    return blinding.kept_from(db, case.id, author_id=writer, author_organisation_id=house, person_ids=person_ids, advice=True)


def row(db: Tx, actor: Actor, case: Case, opinion_id: UUID) -> Opinion:
    """An opinion of a case the caller holds. NotFound for one of another case, and for what a blinding keeps from the actor."""
    found = db.scalar(select(Opinion).where(Opinion.id == opinion_id, Opinion.case_id == case.id, open_to(actor)))
    if found is None:
        raise NotFound("opinion-not-found")
    return found


def experts(db: Tx, case: Case) -> set[UUID]:
    """Everybody who has signed or countersigned an opinion on the case."""
    return set(db.scalars(select(Opinion.author_id).where(Opinion.case_id == case.id))) | countersignatures.seniors(db, case)


# --- inside ----------------------------------------------------------------------------------------------


def _content(db: Tx, actor: Actor, case: Case, opinion: Opinion, base: Opinion | None, words: Document) -> dict[str, Any]:
    """What is frozen. Integers and strings only, but for the coordinates of marks."""
    return {
        "schema": SCHEMA,
        "opinion": {
            "id": str(opinion.id),
            "addendum_to": {"id": str(base.id), "sha256": base.sha256} if base else None,
        },
        "case": evidence.case(db, case),
        "referral": evidence.referral(db, case, opinion.referral_id),
        "signer": evidence.signer(db, actor),
        "language": actor.language,
        "sections": evidence.sections(words, actor.language),
        "entries": evidence.entries(db, case),
        "images": evidence.images(db, case),
        "marks": evidence.marks(db, actor, case),
        "signed_at": opinion.signed_at.isoformat(),
        "nonce": secrets.token_hex(16),
    }


def _signed(db: Tx, case: Case, opinion: Opinion, second: Countersignature | None, joined: list[Joining]) -> Signed:
    content: dict[str, Any] = json.loads(cases.unseal(db, case, "opinion", "opinions", opinion.id, opinion.document))
    countersigned = json.loads(countersignatures.statement(db, case, second)) if second else None
    return Signed(opinion, content, countersigned=countersigned, joined=joinings.shown(db, case, content, joined))


def _start(db: Tx, actor: Actor, case: Case, addendum_to: UUID | None) -> drafts.Typed:
    return presented.reopened(db, case, drafts.author(actor), addendum_to)


def _may_add(db: Tx, actor: Actor, case: Case, addendum_to: UUID | None) -> Opinion | None:
    """The opinion an addendum belongs to: the actor's own, and no addendum itself."""
    if case.state == "closed" and addendum_to is None:
        raise Conflict("case-closed")
    if addendum_to is None:
        return None
    base = row(db, actor, case, addendum_to)
    if base.author_id != actor.person_id:
        raise Denied("opinion-of-other-expert")
    if base.addendum_to is not None:
        raise Invalid("addendum-to-addendum")
    return base


def _model(addendum_to: UUID | None) -> type[Document]:
    return AddendumText if addendum_to else OpinionText
