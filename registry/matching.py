"""Whom a picture should name: what intake compares a file with before it files it into a case."""

from typing import Literal
from uuid import UUID

from core.db import Tx
from imaging.patients import Expected
from registry import cases, names
from registry.cases import Case

_SEX: dict[str, Literal["M", "F"]] = {"male": "M", "female": "F"}


def expected(db: Tx, case_id: UUID) -> Expected:
    """The patient of a case as a file may name them; for intake, which shows it to nobody. Raises NoResultFound."""
    case = db.get_one(Case, case_id)
    who, *before = cases.known_as(db, case)
    return Expected(
        names=tuple(spelling for one in (who, *before) for spelling in (one.name, *sorted(names.readings(one.name)))),
        birth_date=who.birth_date,
        sex=_SEX.get(who.sex),
        ids=tuple(number for one in (who, *before) for number in one.numbers),
    )
