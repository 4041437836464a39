"""The board: what a case shows at a glance, projected from its record whenever an entry is written.

The coded summary, which follows the newest injury, goes into the clear ``facts`` of the case; the times
that the ischaemia clocks and an open fracture need go into its sealed ``board``, so that a work list reads one small sealed value
per case. Rules and passed marks raise the urgency here, and a job comes back when the next mark is due.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select

from core import ids, jobs
from core.actor import Actor
from core.db import Database, Tx
from core.jobs import Job
from registry import audience, cases, clocks, notices, open_fractures, patients, redflags, summaries
from registry.cases import Case
from registry.clocks import Reading, Unit
from registry.forms.amputation import Amputation
from registry.forms.fields import Document
from registry.forms.injury import Injury
from registry.forms.replant import Replant
from registry.open_fractures import Ahead, Step
from registry.patients import Patient

RECHECK = "case:recheck"
# The hour of an injury is nobody's business in a table of jobs: rechecks come on whole five minutes.
GRAIN = dt.timedelta(minutes=5)


class _Board(BaseModel):
    """What is sealed."""

    units: list[Unit] = []
    fracture: list[Ahead] = []


@dataclass(frozen=True, slots=True)
class Glance:
    """The clocks of the severed units, and what of an open fracture is not recorded (`open_fractures.upcoming`)."""

    readings: tuple[Reading, ...] = ()
    fracture: tuple[Step, ...] = ()


def project(db: Tx, actor: Actor, case: Case, documents: Mapping[UUID, Document], written: Document) -> None:
    """Bring summary, clocks and urgency up to the current documents, in the order they were written, after ``written`` was added.

    ``documents`` are keyed by the id that all versions of one share.
    """
    injuries = [item for item in documents.values() if isinstance(item, Injury)]
    units = {str(key): item for key, item in documents.items() if isinstance(item, Amputation)}
    replants = [item for item in documents.values() if isinstance(item, Replant)]
    severed = units.values()
    facts = summaries.person_facts(patients.unsealed(db, cases.patient_of(db, case)), case.created_at)
    if injuries:
        injury = injuries[-1]
        facts |= {"mechanism": injury.mechanism, "side": injury.side, "regions": list(injury.region)}
    facts["units"] = [{"part": u.part, "side": u.side, "level": u.level, "tamai": u.tamai, "completeness": u.completeness} for u in severed]
    facts["sides"] = summaries.sides(documents.values())
    case.facts = facts
    case.board_version += 1
    now = ids.now()
    kept = _Board(units=clocks.units(units, injuries, replants), fracture=list(open_fractures.ahead(list(documents.values()), now)))
    plain = kept.model_dump_json().encode()
    case.board = cases.seal(db, case, "board", "cases", case.id, plain, case.board_version)
    cases.touch(case)
    for rule in redflags.fired(written, now)[:1]:
        cases.raise_urgency(db, actor, case, rule.urgency, rule.code)
    _by_clocks(db, actor, case, now)
    db.flush()


def glance(db: Tx, case: Case, now: dt.datetime | None = None) -> Glance:
    """What a case shows at a glance, for a caller that holds the case and has recorded the reading."""
    if case.board is None:
        return Glance()
    now = now or ids.now()
    plain = cases.unseal(db, case, "board", "cases", case.id, case.board, case.board_version)
    # a board that was sealed before open fractures stood on it is a list of the units alone
    kept = _Board.model_validate_json(plain if plain.startswith(b"{") else b'{"units":%b}' % plain)
    return Glance(tuple(clocks.read(unit, now) for unit in kept.units), open_fractures.upcoming(kept.fracture, now))


def readings(db: Tx, case: Case, now: dt.datetime | None = None) -> list[Reading]:
    """The clocks of a case's severed units, as ``glance``."""
    return list(glance(db, case, now).readings)


def read(db: Tx, actor: Actor, case_id: UUID) -> list[Reading]:
    """The clocks of a case as they stand now; recorded as reading the case."""
    return readings(db, cases.get(db, actor, case_id))


def recheck(database: Database, job: Job) -> None:
    """The job that comes back when a mark is due: raises the urgency if the clock still runs."""
    with database.begin() as db:
        case = db.get(Case, UUID(str(job.payload["case_id"])))
        if case is not None and case.state != "closed":
            _by_clocks(db, Actor.system(case.organisation_id), case, ids.now())


def person_changed(database: Database, job: Job) -> None:
    """The job of an amended identity: sex and age of the patient's cases follow it."""
    with database.begin() as db:
        patient = db.get(Patient, UUID(str(job.payload["patient_id"])))
        if patient is not None:
            who = patients.unsealed(db, patient)
            for case in db.scalars(select(Case).where(Case.patient_id == patient.id)):
                case.facts = case.facts | summaries.person_facts(who, case.created_at)


def set_urgency(db: Tx, actor: Actor, case_id: UUID, *, urgency: str, version: int) -> Case:
    """A person sets the urgency (``cases.set_urgency``); passing the next mark raises it again."""
    case = cases.set_urgency(db, actor, case_id, urgency=urgency, version=version)
    _wait_for_mark(db, case, _running(db, case, ids.now()))
    return case


def _by_clocks(db: Tx, actor: Actor, case: Case, now: dt.datetime) -> None:
    running = _running(db, case, now)
    if cases.raise_urgency(db, actor, case, clocks.raises_to(running), "ischaemia-mark-passed"):
        notices.tell(db, audience.participants(db, case), "urgency-raised", case, but=actor.person_id)
    _wait_for_mark(db, case, running)


def _running(db: Tx, case: Case, now: dt.datetime) -> list[Reading]:
    return [reading for reading in readings(db, case, now) if reading.running in ("warm", "cold")]


def _wait_for_mark(db: Tx, case: Case, running: Sequence[Reading]) -> None:
    due = [reading.next_at for reading in running if reading.next_at is not None]
    if due and case.urgency != "emergency":
        at = _on_grain(min(due))
        payload: dict[str, str | int] = {"case_id": str(case.id)}
        key = f"{RECHECK}:{case.id}:{at:%Y%m%d%H%M}"
        jobs.enqueue(db, RECHECK, payload, organisation_id=case.organisation_id, run_at=at, key=key)


def _on_grain(at: dt.datetime) -> dt.datetime:
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + -((midnight - at) // GRAIN) * GRAIN
