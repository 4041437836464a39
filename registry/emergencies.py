"""Emergencies: from an exact identifier of a patient of one's own hospital to their restricted case, by breaking the glass.

Whoever needs the case types a case number, a record number, a national id, or a name with the birth date. What was
typed is kept nowhere. A try that finds nothing to break is counted and recorded, and answered alike whether there is no
such patient, whether their cases are open to everybody, or whether the reader is of the team already.
"""

import datetime as dt
from collections import Counter

from sqlalchemy import select

from auth import glass, restrictions, throttle
from auth.proofs import Refused
from auth.restrictions import BrokenGlass
from core import audit
from core.actor import Actor
from core.db import Tx
from registry import notices, numbering, patients
from registry.cases import Case

TRIES = ((5, dt.timedelta(minutes=15)), (20, dt.timedelta(days=1)))
"""How many tries that find nothing somebody has, and in which time."""

MOST_EVENTS = 10_000


def break_in(
    db: Tx, actor: Actor, *, number: str = "", name: str = "", birth_date: dt.date | None = None, reason: str, words: str
) -> list[BrokenGlass] | Refused:
    """Break the glass on the restricted cases of the patient (or the one case) that this names exactly.

    Team and reviewers are told. Refused ``glass-nothing-found``; raises Throttled after too many such tries, and
    Denied, StepUpNeeded and Invalid as `glass.check`, before anything is looked for.
    """
    glass.check(actor, reason=reason, words=words)
    keys = [(f"glass:{actor.person_id}:{limit}", limit, per) for limit, per in TRIES]
    for key, limit, per in keys:
        throttle.hit(db, key, limit, per)
    found = _barred(db, actor, number=number, name=name, birth_date=birth_date)
    if not found:
        how = "number" if number else "name-and-birth"
        audit.record(
            db, actor, "glass:break", organisation_id=actor.organisation_id, object_type="glass", purpose=audit.EMERGENCY,
            outcome="failure", detail={"by": how},
        )  # fmt: skip
        return Refused("glass-nothing-found")
    for key, limit, per in keys:
        throttle.give_back(db, key, limit, per)
    return [_break(db, actor, case, reason, words) for case in found]


def looked_at(db: Tx, broken: BrokenGlass) -> Counter[str]:
    """What somebody did in the case while the glass was broken, as the log has it: how often each act. For the review."""
    events = audit.events(
        db, broken.organisation_id, case_id=broken.case_id, actor_id=broken.person_id, since=broken.broken_at,
        until=max(broken.until, broken.broken_at), limit=MOST_EVENTS,
    )  # fmt: skip
    return Counter(event.action for event in events if event.purpose == audit.EMERGENCY and not event.action.startswith("glass:"))


def _barred(db: Tx, actor: Actor, *, number: str, name: str, birth_date: dt.date | None) -> list[Case]:
    """The restricted cases this names, of one patient, from which the actor is barred; of several patients none."""
    own = select(Case).where(Case.organisation_id == actor.organisation_id, restrictions.stands(actor, Case.id, ["barred"]))
    if typed := numbering.read(number):
        return list(db.scalars(own.where(Case.year == typed[0], Case.sequence == typed[1])))
    patient_ids = patients.exactly(db, actor.organisation_id, name=name, birth_date=birth_date, number=number)
    found = list(db.scalars(own.where(Case.patient_id.in_(patient_ids)).order_by(Case.id)))
    return found if len({case.patient_id for case in found}) == 1 else []


def _break(db: Tx, actor: Actor, case: Case, reason: str, words: str) -> BrokenGlass:
    broken = glass.break_(
        db, actor, case_id=case.id, organisation_id=case.organisation_id, reason=reason, words=words, patient_ids=case.patient_ids
    )  # fmt: skip
    restriction = restrictions.of_case(db, case.id)
    mates = restrictions.team(db, restriction) if restriction else []
    notices.tell(db, [mate.person_id for mate in mates], "glass-on-case", case)
    return broken
