"""Keyed blind indexes of patients: what finds them without being read. Exact values only, each in its normal form."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import ForeignKey, Index, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Tx
from core.tables import Base, Code, IdColumn
from registry import identities
from registry.identities import Identity


class PatientIndex(Base):
    """One keyed blind index of a patient: ``name-birth``, ``sound-birth``, ``record-number`` or ``national-id``."""

    __tablename__ = "patient_indexes"
    __table_args__ = (Index(None, "organisation_id", "kind", "value"),)

    id: Mapped[IdColumn]
    patient_id: Mapped[UUID] = mapped_column(ForeignKey("patients.id"), index=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    kind: Mapped[Code]
    value: Mapped[bytes]


def _blind(db: Tx, organisation_id: UUID, kind: str, value: str) -> bytes:
    return db.keyring.blind_index(db, organisation_id, f"patients:{kind}", value)


def write(db: Tx, organisation_id: UUID, patient_id: UUID, who: Identity) -> None:
    """Whatever finds this patient, in place of what did before."""
    db.execute(delete(PatientIndex).where(PatientIndex.patient_id == patient_id))
    db.add_all(
        PatientIndex(patient_id=patient_id, organisation_id=organisation_id, kind=kind, value=_blind(db, organisation_id, kind, value))
        for kind, values in identities.index_values(who).items()
        for value in values
    )


def by_index(db: Tx, organisation_id: UUID, kind: str, values: Iterable[str]) -> set[UUID]:
    """The patients of a hospital who have one of these values, for a caller that has checked who asks."""
    blind = [_blind(db, organisation_id, kind, value) for value in values]
    rows = select(PatientIndex.patient_id).where(
        PatientIndex.organisation_id == organisation_id, PatientIndex.kind == kind, PatientIndex.value.in_(blind)
    )
    return set(db.scalars(rows))
