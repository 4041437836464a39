"""The short way of an emergency: patient, case, injury, severed part, consent and question in one act.

A surgeon with one bar of signal sends one form; pictures follow and are told of as they arrive. Nothing is checked less
than on the long way: the same verbs do it, in one transaction, and what is wrong is told of all fields at once.
"""

import datetime as dt
from dataclasses import dataclass, field
from uuid import UUID

from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Invalid
from registry import cases, consents, entries, once, patients, referrals, valuesets
from registry.cases import Case
from registry.forms import fields
from registry.forms.amputation import SEVERED, Amputation
from registry.forms.fields import Document, Raw
from registry.forms.injury import Injury


@dataclass(frozen=True, slots=True)
class Person:
    """Who is hurt: a patient of one's own hospital by id, or one to be made. ``another``: although somebody alike is known."""

    patient_id: UUID | None = None
    name: str = ""
    sex: str = ""
    birth_date: dt.date | None = None
    record_number: str = ""
    another: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked and of whom; with ``expert_id`` straight of the expert on duty there.

    ``agreed``: the patient agrees to treatment at a distance and to passing the record on; else ``without_consent`` says why
    nobody could be asked.
    """

    text: str = ""
    to_organisation_id: UUID | None = None
    expert_id: UUID | None = None
    agreed: bool = False
    giver: str = "patient"
    without_consent: str = ""
    without_agreement: str = ""
    specialty: str = "hand_surgery"


@dataclass(frozen=True, slots=True)
class Told:
    """The whole form; ``unit`` is read for the kinds of case that are about a severed part."""

    kind: str
    person: Person
    question: Question
    injury: Raw = field(default_factory=dict)
    unit: Raw = field(default_factory=dict)


def send(db: Tx, actor: Actor, told: Told, *, client_key: str | None = None) -> Case:
    """Open the case as an emergency, enter what is told and put the question; all of it or nothing.

    The same ``client_key`` sent again gives the first case back. Raises Invalid with a code for each field that is wrong
    (those of the patient, of ``Injury`` and ``Amputation``, ``kind``, ``question``, ``to_organisation_id``, ``agreed``),
    Conflict ``patient-looks-known`` as ``patients.create``, and whatever the verbs raise.
    """
    once.lock(db, actor, "case", client_key)
    if client_key and (made := cases.by_client_key(db, actor, client_key)):
        return made
    if wrong := _wrong(actor, told):
        raise Invalid("form-invalid", fields=wrong)
    asked, hospital = told.question, told.question.to_organisation_id
    if hospital is None:
        raise Invalid("form-invalid", fields={"to_organisation_id": "field-required"})
    case = cases.create(db, actor, patient_id=_patient(db, actor, told.person), kind=told.kind, urgency="emergency", client_key=client_key)
    entries.submit(db, actor, case.id, Injury.TYPE, told.injury)
    if told.kind in SEVERED:
        entries.submit(db, actor, case.id, Amputation.TYPE, told.unit)
    if asked.agreed:
        for purpose in consents.NEEDED_TO_REFER:
            consents.record(db, actor, case_id=case.id, purpose=purpose, statement="give", giver=asked.giver)
    referrals.request(
        db,
        actor,
        case_id=case.id,
        to_organisation_id=hospital,
        expert_id=asked.expert_id,
        question=asked.text,
        specialty=asked.specialty,
        without_agreement=asked.without_agreement,
        without_consent=asked.without_consent,
    )
    return case


def _wrong(actor: Actor, told: Told) -> dict[str, str]:
    person, asked = told.person, told.question
    wrong: dict[str, str] = {}
    if person.patient_id is None:
        wrong |= {name: "field-required" for name in ("name", "sex") if not getattr(person, name)}
    if told.kind not in valuesets.value_set("case_kind").codes:
        wrong["kind"] = "field-code-unknown" if told.kind else "field-required"
    wrong |= _wrong_in(actor, Injury, told.injury)
    if told.kind in SEVERED:
        wrong |= _wrong_in(actor, Amputation, told.unit)
    if not asked.text.strip():
        wrong["question"] = "field-required"
    if asked.to_organisation_id is None:
        wrong["to_organisation_id"] = "field-required"
    if not asked.agreed and not asked.without_consent.strip():
        wrong["agreed"] = "consent-missing"
    return wrong


def _wrong_in(actor: Actor, model: type[Document], raw: Raw) -> dict[str, str]:
    try:
        fields.parse(model, raw, zone=actor.time_zone, now=ids.now())
    except Invalid as refused:
        return dict(refused.fields)
    return {}


def _patient(db: Tx, actor: Actor, person: Person) -> UUID:
    if person.patient_id is not None:
        return patients.get(db, actor, person.patient_id).id
    made = patients.create(
        db,
        actor,
        name=person.name,
        sex=person.sex,
        birth_date=person.birth_date,
        record_number=person.record_number,
        despite_duplicates=person.another,
    )
    return made.id
