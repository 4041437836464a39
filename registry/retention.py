"""Retention: how long the records of a patient are kept at the least, and when a closed case leaves the list.

Outpatient records fifteen years from the patient's last visit, inpatient records thirty from the last discharge
(医疗机构病历管理规定, 国卫医发〔2013〕31号, art. 29). A hospital may keep longer, never shorter. A case counts as a stay
unless its closing summary says that the patient was seen as an outpatient alone; the time runs from the day on which the
last case of the same patient was closed, and not at all while one is open. `registry.holds` keeps a case beyond that.
"""

import datetime as dt
from dataclasses import asdict, dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, mapped_column

from auth import organisations, rules
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Invalid
from core.tables import Base
from registry.cases import Case

ACTION = "retention:manage"
OUTPATIENT = "outpatient"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a hospital keeps to: years by kind of care, and days from closing to the archive (our proposal [R], no rule of law)."""

    outpatient_years: int = 15
    inpatient_years: int = 30
    archive_after_days: int = 180


BOUNDS = {"outpatient_years": (15, 100), "inpatient_years": (30, 100), "archive_after_days": (1, 3650)}
"""The least and the most of each; the least number of years is the law's."""


class RetentionRule(Base):
    """What a hospital has set; without a row the defaults hold."""

    __tablename__ = "retention_rules"

    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    outpatient_years: Mapped[int]
    inpatient_years: Mapped[int]
    archive_after_days: Mapped[int]
    changed_at: Mapped[dt.datetime]
    changed_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))


def rule(db: Tx, organisation_id: UUID) -> Rule:
    """The rule of a hospital."""
    row = db.get(RetentionRule, organisation_id)
    return Rule(row.outpatient_years, row.inpatient_years, row.archive_after_days) if row is not None else Rule()


def set_rule(db: Tx, actor: Actor, *, outpatient_years: int | None, inpatient_years: int | None, archive_after_days: int | None) -> Rule:
    """Set the rule of the actor's hospital; recorded with what it is now.

    Needs ``retention:manage`` in a full session. Raises Denied, and Invalid ``retention-too-short`` or
    ``retention-out-of-bounds`` by field; None is a number that could not be read.
    """
    rules.require_in_organisation(actor, ACTION)
    rules.refuse_narrowed(actor)
    told = {"outpatient_years": outpatient_years, "inpatient_years": inpatient_years, "archive_after_days": archive_after_days}
    wrong = {name: _wrong(name, value) for name, value in told.items()}
    if fields := {name: code for name, code in wrong.items() if code}:
        raise Invalid("form-invalid", fields=fields)
    organisations.hold(db, actor.organisation_id)
    row = db.get(RetentionRule, actor.organisation_id, populate_existing=True)
    before, after = rule(db, actor.organisation_id), Rule(**{name: value for name, value in told.items() if value is not None})
    if before == after:
        return after
    if row is None:
        row = RetentionRule(organisation_id=actor.organisation_id)
        db.add(row)
    for name, value in asdict(after).items():
        setattr(row, name, value)
    row.changed_at, row.changed_by = ids.now(), actor.person_id
    db.flush()
    detail = {name: value for name, value in asdict(after).items() if value != asdict(before)[name]}
    audit.record(
        db, actor, "retention:set", organisation_id=actor.organisation_id, object_type="retention", object_id=actor.organisation_id,
        purpose="administration", detail=detail,
    )  # fmt: skip
    return after


def kept_until(db: Tx, case: Case) -> dt.date | None:
    """The last day on which the records of a case have to be kept; None while a case of the same patient is open."""
    of_patient = select(Case.closed_at).where(Case.patient_id == case.patient_id)
    ends = list(db.scalars(of_patient))
    closed = [at for at in ends if at is not None]
    if len(closed) < len(ends):
        return None
    zone = ZoneInfo(organisations.get(db, case.organisation_id).time_zone)
    kept = rule(db, case.organisation_id)
    return _years_after(max(closed).astimezone(zone).date(), kept.outpatient_years if _outpatient(case) else kept.inpatient_years)


def note_care(case: Case, care: str) -> None:
    """Note at closing whether the patient stayed in hospital, for the rule; a code, in the clear."""
    case.facts = {**case.facts, "care": care}


def _outpatient(case: Case) -> bool:
    return case.facts.get("care") == OUTPATIENT


def _wrong(name: str, value: int | None) -> str | None:
    least, most = BOUNDS[name]
    if value is None or value > most or (value < least and name == "archive_after_days"):
        return "retention-out-of-bounds"
    return "retention-too-short" if value < least else None


def _years_after(day: dt.date, years: int) -> dt.date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # 29 February
        return dt.date(day.year + years, 3, 1)
