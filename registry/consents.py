"""Consents: what the patient agreed to, purpose by purpose, each by itself and withdrawable.

An append-only sequence per case and purpose; the newest statement stands. A missing consent never stops
an emergency: the reason is recorded (``excuse``) and the consent stays due. Withdrawal ends the access it
gave (the grants of the case) and erases nothing.
"""

import datetime as dt
from uuid import UUID

from sqlalchemy import ForeignKey, Index, select
from sqlalchemy.orm import Mapped, mapped_column

from auth import grants
from core import ids, jobs
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Invalid
from core.tables import Base, Code, IdColumn
from registry import audience, cases, notices, states, valuesets
from registry.cases import Case

PURPOSES = ("treatment", "transfer", "teaching", "research")
NEEDED_TO_REFER = ("treatment", "transfer")
WITHDRAWN = "consent:withdrawn"
"""The job that takes back the questions which rested on a consent: ``referrals.consent_withdrawn``."""


class Consent(Base):
    """One statement; ``note`` is sealed under the case key (who was asked, in which words, why excused)."""

    __tablename__ = "consents"
    __table_args__ = (Index(None, "case_id", "purpose", "id"),)

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    purpose: Mapped[Code]
    standing: Mapped[Code]
    giver: Mapped[Code]
    at: Mapped[dt.datetime]
    recorded_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    note: Mapped[bytes | None]


def record(db: Tx, actor: Actor, *, case_id: UUID, purpose: str, statement: str, giver: str = "patient", note: str = "") -> Consent:
    """Record that a consent was given, refused or withdrawn.

    Withdrawing the treatment or the transfer consent revokes every grant on the case at once. Raises
    Invalid for unknown codes, Conflict ``consent-statement-senseless`` where the table refuses and
    ``case-closed``: of a closed case a consent can only be withdrawn.
    """
    case = cases.reach(db, actor, case_id, "consent:write")
    if statement not in ("give", "refuse", "withdraw"):
        raise Invalid("form-invalid", fields={"statement": "field-code-unknown"})
    return _state(db, actor, case, purpose, statement, giver, note)


def excuse(db: Tx, actor: Actor, case: Case, purpose: str, reason: str) -> Consent:
    """Record why an emergency goes on without a consent. Conflict unless the case is an emergency; Invalid without a reason."""
    if case.urgency != "emergency":
        raise Conflict("consent-excused-only-in-emergency")
    if not reason.strip():
        raise Invalid("form-invalid", fields={"consent_reason": "field-required"})
    return _state(db, actor, case, purpose, "excuse", "none", reason)


def standing(db: Tx, actor: Actor, case_id: UUID) -> dict[str, Consent | None]:
    """The newest statement for each purpose, in the order of PURPOSES. Recorded as reading the case."""
    case = cases.get(db, actor, case_id)
    return newest(db, case)


def note(db: Tx, actor: Actor, consent: Consent) -> str:
    """The words kept with a statement; the case must be readable to the actor."""
    case = cases.get(db, actor, consent.case_id)
    return cases.unseal(db, case, "consent", "consents", consent.id, consent.note).decode() if consent.note else ""


def newest(db: Tx, case: Case) -> dict[str, Consent | None]:
    """The newest statement for each purpose, for a caller that holds the case."""
    found: dict[str, Consent | None] = dict.fromkeys(PURPOSES)
    for row in db.scalars(select(Consent).where(Consent.case_id == case.id).order_by(Consent.at, Consent.id)):
        found[row.purpose] = row
    return found


def missing(db: Tx, case: Case) -> list[str]:
    """The purposes needed for a referral whose consent does not stand as given."""
    now = newest(db, case)
    return [purpose for purpose in NEEDED_TO_REFER if (row := now[purpose]) is None or row.standing != "given"]


def _state(db: Tx, actor: Actor, case: Case, purpose: str, statement: str, giver: str, text: str) -> Consent:
    wrong = {}
    if purpose not in PURPOSES:
        wrong["purpose"] = "field-code-unknown"
    if giver not in valuesets.value_set("consent_giver").codes:
        wrong["giver"] = "field-code-unknown"
    if len(text) > 1000:
        wrong["note"] = "field-too-long"
    if wrong:
        raise Invalid("form-invalid", fields=wrong)
    cases.hold(db, case)
    if case.state == "closed" and statement != "withdraw":
        raise Conflict("case-closed")
    before = newest(db, case)[purpose]
    after = states.CONSENTS[before.standing if before else "none", statement]
    if after is None:
        raise Conflict("consent-statement-senseless", statement=statement)
    row = Consent(
        id=ids.new(),
        organisation_id=case.organisation_id,
        case_id=case.id,
        purpose=purpose,
        standing=after,
        giver=giver,
        at=ids.now(),
        recorded_by=actor.person_id,
        note=None,
    )
    if text.strip():
        row.note = cases.seal(db, case, "consent", "consents", row.id, text.strip().encode())
    db.add(row)
    db.flush()
    cases.note(
        db,
        actor,
        f"consent:{statement}",
        case,
        object_type="consent",
        object_id=row.id,
        detail={"purpose": purpose, "standing": after},
    )
    if after == "withdrawn" and purpose in NEEDED_TO_REFER:
        told = audience.participants(db, case)
        for grant in audience.grants(db, case):
            grants.revoke(db, actor, grant.id, because="consent-withdrawn")
        notices.tell(db, told, "consent-withdrawn", case, but=actor.person_id)
        jobs.enqueue(db, WITHDRAWN, {"case_id": str(case.id)}, organisation_id=case.organisation_id, key=str(row.id))
    return row
