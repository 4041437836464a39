"""The numbers of cases: counted per hospital and year, without a gap."""

import re
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Tx
from core.tables import Base

_NUMBER = re.compile(r"\s*SH-(\d{4})-(\d{4,9})\s*", re.IGNORECASE | re.ASCII)


class CaseCounter(Base):
    """The last case number given by a hospital in a year; taking the next one locks the row until commit."""

    __tablename__ = "case_counters"

    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True)
    last: Mapped[int]


def next_sequence(db: Tx, organisation_id: UUID, year: int) -> int:
    """The next number of a hospital in a year."""
    insert = postgres_insert if db.get_bind().dialect.name == "postgresql" else sqlite_insert
    row = insert(CaseCounter).values(organisation_id=organisation_id, year=year, last=1)
    row = row.on_conflict_do_update(index_elements=["organisation_id", "year"], set_={"last": CaseCounter.last + 1})
    return db.execute(row.returning(CaseCounter.last)).scalar_one()


def read(number: str) -> tuple[int, int] | None:
    """Year and sequence of a case number as people type it (``SH-2026-0147``); None for anything else."""
    typed = _NUMBER.fullmatch(number)
    return (int(typed[1]), int(typed[2])) if typed else None
