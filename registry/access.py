"""Access: the administrator's two questions to the audit log, answered as data.

Who saw this patient; what did this person see. The log of a case belongs to the hospital that owns it; of a
visit abroad a hospital sees what its own people did, without the other hospital's case numbers. Asking is
itself recorded.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from auth import organisations, people, policy
from core import audit
from core.actor import Actor
from core.db import Tx
from core.errors import NotFound
from core.ledger import Event
from registry import cases, patients
from registry.cases import Case
from registry.patients import Patient

LIMIT = 200


@dataclass(frozen=True, slots=True)
class Access:
    """One recorded act: who, from which hospital, did what to which case, when, and how it ended.

    ``person_id`` None is the product itself. ``case_number`` is None for an act outside any case or in
    another hospital's. ``subject`` names who was acted upon, for acts on people and grants.
    """

    event_id: UUID
    at: dt.datetime
    person_id: UUID | None
    person_name: str
    person_name_en: str
    organisation_id: UUID
    organisation_name: str
    organisation_name_en: str
    roles: tuple[str, ...]
    action: str
    purpose: str
    outcome: str
    case_id: UUID | None
    case_number: str | None
    patients: int
    object_type: str
    subject: str
    subject_en: str
    abroad: bool
    leaf_index: int | None
    detail: dict[str, str | int | bool]


def who_saw_patient(
    db: Tx,
    actor: Actor,
    patient_id: UUID,
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    before: UUID | None = None,
) -> list[Access]:
    """Every recorded access to a patient of one's own hospital, newest first, 200 at a time (``before``: the last one's event_id).

    Whoever is kept under the patient counts as the patient.

    Raises NotFound for a patient of another hospital.
    """
    policy.require_in_organisation(actor, "audit:read")
    patient = db.get(Patient, patient_id)
    if patient is None or patient.organisation_id != actor.organisation_id:
        raise NotFound("patient-not-found")
    family = patients.family(db, patient_id)
    found = audit.events(db, actor.organisation_id, patient_ids=family, since=since, until=until, before=before, limit=LIMIT)
    _asked(db, actor, "patient", patient_id, len(found), patient_ids=sorted(family))
    return _told(db, actor, found)


def who_saw_case(
    db: Tx,
    actor: Actor,
    case_id: UUID,
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    before: UUID | None = None,
) -> list[Access]:
    """Every recorded access to a case of one's own hospital, newest first: for auditors, and for who may refer it."""
    case = db.get(Case, case_id)
    if case is None or case.organisation_id != actor.organisation_id:
        raise NotFound("case-not-found")
    if not policy.allowed(db, actor, "audit:read", organisation_id=case.organisation_id):
        cases.reach(db, actor, case_id, "case:refer")
    found = audit.events(db, actor.organisation_id, case_id=case_id, since=since, until=until, before=before, limit=LIMIT)
    _asked(db, actor, "case", case_id, len(found), case_id=case_id, patient_ids=case.patient_ids)
    return _told(db, actor, found)


def what_did_person(
    db: Tx,
    actor: Actor,
    person_id: UUID,
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    before: UUID | None = None,
) -> list[Access]:
    """What a person did: somebody of one's own hospital anywhere, a visitor in one's own hospital. Newest first.

    Raises NotFound for somebody who is neither a colleague nor ever was in this hospital's log.
    """
    policy.require_in_organisation(actor, "audit:read")
    own = actor.organisation_id
    found = audit.events_of(db, own, person_id, since=since, until=until, before=before, limit=LIMIT)
    if not found and not people.roles_in(db, person_id, own):
        raise NotFound("person-not-found")
    _asked(db, actor, "person", person_id, len(found), person_id=person_id)
    return _told(db, actor, found)


def visitors(db: Tx, actor: Actor) -> list[people.Byline]:
    """The people whom the question may be asked about: colleagues, and visitors found in this hospital's log."""
    policy.require_in_organisation(actor, "audit:read")
    own = {person.id for person in people.members(db, actor.organisation_id)}
    rows = select(Event.actor_id).where(Event.organisation_id == actor.organisation_id, Event.actor_id.is_not(None))
    seen = {person_id for person_id in db.scalars(rows.distinct()) if person_id is not None}
    found = people.bylines(db, own | seen)
    return sorted(found.values(), key=lambda byline: (byline.organisation_id != actor.organisation_id, byline.name))


def _asked(
    db: Tx,
    actor: Actor,
    object_type: str,
    object_id: UUID,
    shown: int,
    *,
    case_id: UUID | None = None,
    person_id: UUID | None = None,
    patient_ids: Sequence[UUID] = (),
) -> None:
    audit.record(
        db,
        actor,
        "audit:read",
        organisation_id=actor.organisation_id,
        case_id=case_id,
        person_id=person_id,
        patient_ids=patient_ids,
        object_type=object_type,
        object_id=object_id,
        purpose="audit",
        detail={"shown": shown},
    )


def _told(db: Tx, actor: Actor, events: Sequence[Event]) -> list[Access]:
    who = people.bylines(db, {i for event in events for i in (event.actor_id, event.person_id) if i})
    where = organisations.named(db, {event.actor_organisation_id for event in events})
    wanted = {event.case_id for event in events if event.case_id and event.organisation_id == actor.organisation_id}
    numbers = cases.numbers(db, actor.organisation_id, wanted)
    return [_access(event, who, where, numbers, actor) for event in events]


def _access(
    event: Event,
    who: dict[UUID, people.Byline],
    where: dict[UUID, organisations.Organisation],
    numbers: dict[UUID, str],
    actor: Actor,
) -> Access:
    person = who.get(event.actor_id) if event.actor_id else None
    hospital = where.get(event.actor_organisation_id)
    subject = who.get(event.person_id) if event.person_id else None
    return Access(
        event_id=event.id,
        at=event.at,
        person_id=event.actor_id,
        person_name=person.name if person else "",
        person_name_en=person.name_en if person else "",
        organisation_id=event.actor_organisation_id,
        organisation_name=hospital.name if hospital else "",
        organisation_name_en=hospital.name_en if hospital else "",
        roles=tuple(event.actor_roles),
        action=event.action,
        purpose=event.purpose,
        outcome=event.outcome,
        case_id=event.case_id,
        case_number=numbers.get(event.case_id) if event.case_id else None,
        patients=len(event.patient_ids),
        object_type=event.object_type,
        subject=subject.name if subject else "",
        subject_en=subject.name_en if subject else "",
        abroad=event.organisation_id != actor.organisation_id,
        leaf_index=event.leaf_index,
        detail=dict(event.detail),
    )
