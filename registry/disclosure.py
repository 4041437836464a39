"""Disclosure: what a case says of its patient to a hospital that is not shown who it is.

Every word that would be read there is looked at before the hospital is asked. What nobody can mend any more,
the replaced versions of entries, is not shown to it instead.
"""

from collections.abc import Iterator, Mapping
from dataclasses import astuple
from itertools import chain
from uuid import UUID

from sqlalchemy import or_, select

from core.actor import Actor
from core.db import Tx
from core.errors import Invalid
from imaging import annotations
from registry import audience, cases, choices, entries, messages, questions
from registry.cases import Case
from registry.entries import Recorded
from registry.outgoing import Referral

Texts = Iterator[tuple[str, str]]


def screen(db: Tx, case: Case, to_organisation_id: UUID, texts: Mapping[str, str]) -> None:
    """Check ``texts`` and every word of the case that this hospital would read for the patient's identifiers.

    Raises Invalid with a code per place: ``injury.note``, ``message.2``, ``question.1``, ``decision.1``.
    """
    known = cases.known_as(db, case)
    told = (_record(db, case), _talk(db, case), _questions(db, case, to_organisation_id), _decisions(db, case))
    # one place may hold several texts: the units of a hand have a note each
    wrong = {place: code for place, text in chain(texts.items(), *told) for who in known if (code := who.given_away(text))}
    if wrong:
        raise Invalid("text-identifies-patient", fields=wrong)


def record(db: Tx, actor: Actor, case_id: UUID, *, history: bool = True) -> list[Recorded]:
    """The entries of a case with their replaced versions; those only for who may know the patient. Recorded."""
    case = cases.get(db, actor, case_id)
    return entries.recorded(db, case, history=history and audience.knows(db, actor, case))


def _record(db: Tx, case: Case) -> Texts:
    for item in entries.recorded(db, case):
        yield f"{item.entry.type}.reason", item.reason
        for name, text in item.document.free_texts().items():
            yield f"{item.entry.type}.{name}", text
    for mark in annotations.standing(db, case.organisation_id, case.id):
        yield f"mark.{mark.id}", mark.text


def _talk(db: Tx, case: Case) -> Texts:
    for number, text in enumerate(messages.texts(db, case), start=1):
        yield f"message.{number}", text


def _questions(db: Tx, case: Case, to_organisation_id: UUID) -> Texts:
    """What was asked of this hospital before and why it came to nothing; and every question that an opinion quotes."""
    rows = select(Referral).where(Referral.case_id == case.id).order_by(Referral.requested_at, Referral.id)
    rows = rows.where(or_(Referral.to_organisation_id == to_organisation_id, Referral.answered_at.is_not(None)))
    for number, referral in enumerate(db.scalars(rows), start=1):
        asked = questions.asked(db, case, referral)
        for text in (*astuple(asked.words), *(step.words for step in asked.steps)):
            yield f"question.{number}", text


def _decisions(db: Tx, case: Case) -> Texts:
    for number, decision in enumerate(choices.of_case(db, case), start=1):
        yield f"decision.{number}", choices.reason(db, case, decision)
