"""The row of a local decision and its words, for ``registry.decisions``, whose verbs check who may, and for whoever screens them."""

import datetime as dt
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Tx
from core.tables import Base, Code, IdColumn
from registry import cases
from registry.cases import Case


class Decision(Base):
    """One decision on one opinion; ``reason`` is sealed under the case key."""

    __tablename__ = "decisions"
    __table_args__ = (UniqueConstraint("case_id", "author_id", "client_key"), Index(None, "case_id", "id"))

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    opinion_id: Mapped[UUID] = mapped_column(ForeignKey("opinions.id"))
    author_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    at: Mapped[dt.datetime]
    choice: Mapped[Code]
    reason: Mapped[bytes | None]
    client_key: Mapped[str | None]


def of_case(db: Tx, case: Case) -> list[Decision]:
    """The decisions on a case the caller holds, oldest first."""
    return list(db.scalars(select(Decision).where(Decision.case_id == case.id).order_by(Decision.at, Decision.id)))


def reason(db: Tx, case: Case, decision: Decision) -> str:
    """Why it was decided so; empty where nobody said."""
    if decision.reason is None:
        return ""
    return cases.unseal(db, case, "decision", "decisions", decision.id, decision.reason).decode()
