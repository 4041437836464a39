"""Profiles: what stands about a person besides their rights, and who keeps it right.

Administrators keep the profiles of their hospital's people; what changes from day to day, the telephone that is
one tap away wherever somebody is waited for, everybody keeps up themselves. An e-mail address does not count
among that: it says who may accept an invitation, so somebody else has to have looked at it. An expert who gives
opinions to another hospital has practised for three years (国卫医发〔2018〕25号; regulation.md §1, "Persons"):
fewer are a warning, for the hospital answers for whom it lets advise.
"""

import datetime as dt
import unicodedata
from dataclasses import asdict, dataclass, fields
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from auth import people, rules
from auth.organisations import ZONES
from auth.people import LANGUAGES, Person
from core.actor import Actor
from core.db import Tx
from core.errors import Denied, Invalid, NotFound

EXPERIENCED = 3
"""Years of practice that an expert is asked to have."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What an administrator fills in about somebody; texts in any spelling, ``practising_since`` a year."""

    name: str
    name_en: str = ""
    title: str = ""
    phone: str = ""
    email: str = ""
    licence_number: str = ""
    specialty: str = ""
    practising_since: int | None = None


def of(person: Person) -> Profile:
    """A person's profile as it stands."""
    return Profile(**{field.name: getattr(person, field.name) for field in fields(Profile)})


def years_of_practice(person: Person, at: dt.datetime) -> int | None:
    """Whole calendar years since the person began to practise; None when nobody said when that was."""
    return max(at.year - person.practising_since, 0) if person.practising_since is not None else None


def amend(db: Tx, actor: Actor, person_id: UUID, profile: Profile) -> Person:
    """Correct the profile of somebody whose home is the actor's hospital; which fields changed is recorded.

    Needs ``people:manage`` in a session and, for another e-mail address, a step-up. Raises NotFound, Denied,
    StepUpNeeded, and Invalid naming the fields (an address somebody here has is ``email-taken``).
    """
    rules.require_in_organisation(actor, "people:manage")
    rules.refuse_token(actor)
    person = people.get(db, actor, person_id)
    if person.organisation_id != actor.organisation_id:
        raise NotFound("person-not-found")
    if people.plain_email(profile.email) != person.email:
        rules.require_step_up(actor)
    return _amend(db, actor, person, profile)


def amend_own(db: Tx, actor: Actor, *, phone: str, name_en: str) -> Person:
    """Correct one's own telephone number and name in Latin letters. Raises Invalid, and Denied for a token."""
    person = _own(db, actor)
    return _amend(db, actor, person, Profile(**{**asdict(of(person)), "phone": phone, "name_en": name_en}))


def set_language(db: Tx, actor: Actor, language: str) -> Person:
    """Choose the actor's own language. Raises Invalid, and Denied for a token."""
    person = _own(db, actor)
    if language not in LANGUAGES:
        raise Invalid(fields={"language": "language-unknown"})
    person.language = language
    db.flush()
    people.record(db, actor, "person:set-language", person, language=language)
    return person


def set_time_zone(db: Tx, actor: Actor, time_zone: str) -> Person:
    """Choose the zone the actor's times are shown in. Raises Invalid, and Denied for a token."""
    person = _own(db, actor)
    if time_zone not in ZONES:
        raise Invalid(fields={"time_zone": "time-zone-unknown"})
    person.time_zone = time_zone
    db.flush()
    people.record(db, actor, "person:set-time-zone", person)
    return person


def _own(db: Tx, actor: Actor) -> Person:
    rules.refuse_token(actor)
    if actor.person_id is None:
        raise Denied("not-allowed")
    return db.get_one(Person, actor.person_id)


def _amend(db: Tx, actor: Actor, person: Person, profile: Profile) -> Person:
    said: dict[str, str | int | None] = asdict(profile)
    said = {name: unicodedata.normalize("NFC", value).strip() if isinstance(value, str) else value for name, value in said.items()}
    said["email"] = people.plain_email(profile.email)
    before = asdict(of(person))
    changed = [name for name, value in said.items() if value != before[name]]
    try:
        with db.begin_nested():
            for name in changed:
                setattr(person, name, said[name])
            if wrong := people.wrong_in(person):
                raise Invalid(fields=wrong)
            db.flush()
    except IntegrityError:
        raise Invalid(fields={"email": "email-taken"}) from None
    if changed:
        people.record(db, actor, "person:amend", person, fields=" ".join(changed))
    return person
