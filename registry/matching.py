"""Whom a picture should name: what intake compares a file with before it files it into a case."""

from typing import Literal
from uuid import UUID

from core.db import Tx
from imaging.patients import Expected
from registry import names, patients
from registry.cases import Case
from registry.patients import Patient

_SEX: dict[str, Literal["M", "F"]] = {"male": "M", "female": "F"}


def expected(db: Tx, case_id: UUID) -> Expected:
    """The patient of a case as a file may name them; for intake, which shows it to nobody. Raises NoResultFound."""
    case = db.get_one(Case, case_id)
    who = patients.unsealed(db, db.get_one(Patient, case.patient_id))
    return Expected(
        names=(who.name, *sorted(names.readings(who.name))),
        birth_date=who.birth_date,
        sex=_SEX.get(who.sex),
        ids=who.numbers,
    )
