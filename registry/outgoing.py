"""Outgoing: the row of a question to another hospital, and whether one of a case is still out.

It stands below the cases, for a case is not closed while somebody is waited for. ``registry.questions`` has
its words and steps, ``registry.referrals`` the verbs.
"""

import datetime as dt
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Tx
from core.tables import Base, Code, IdColumn
from registry import states


class Referral(Base):
    """One question to one hospital. ``words`` is sealed under the case key; ``due_at`` is the deadline of the step at hand."""

    __tablename__ = "referrals"
    __table_args__ = (
        UniqueConstraint("case_id", "requested_by", "client_key"),
        Index(None, "to_organisation_id", "state"),
        Index(None, "expert_id", "state"),
    )

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    to_organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    state: Mapped[Code]
    urgency: Mapped[Code]
    specialty: Mapped[Code]
    rank: Mapped[Code]
    sees_identity: Mapped[bool]
    words: Mapped[bytes]
    requested_by: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    requested_at: Mapped[dt.datetime]
    expert_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    allocated_at: Mapped[dt.datetime | None]
    acknowledged_at: Mapped[dt.datetime | None]
    answered_at: Mapped[dt.datetime | None]
    due_at: Mapped[dt.datetime | None]
    client_key: Mapped[str | None]
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}

    @property
    def open(self) -> bool:
        """Whether somebody is still waited for."""
        return self.state in states.REFERRAL_OPEN


def still_out(db: Tx, case_id: UUID, to_organisation_id: UUID | None = None) -> Referral | None:
    """An open question about a case, to that hospital or (None) to any, for a caller that holds the case."""
    rows = select(Referral).where(Referral.case_id == case_id, Referral.state.in_(states.REFERRAL_OPEN))
    if to_organisation_id is not None:
        rows = rows.where(Referral.to_organisation_id == to_organisation_id)
    return db.scalar(rows.order_by(Referral.id).limit(1))
