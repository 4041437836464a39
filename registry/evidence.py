"""What a signed opinion rests on, as plain data for its canonical bytes: the question, entries, images, marks.

Everything is named by our own id and a SHA-256, never by a DICOM UID or a name of the patient, so that the
bytes can be checked against the store later (``changed``) and shown to whoever may read the case.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import select

from auth import organisations, people
from core.actor import Actor
from core.db import Tx
from core.errors import SignInNeeded
from imaging import annotations
from imaging.annotations import Mark
from imaging.studies import Instance
from registry import entries as record
from registry import referrals, valuesets
from registry.cases import Case
from registry.forms.fields import Document
from registry.referrals import Referral


def case(db: Tx, case: Case) -> dict[str, Any]:
    """The case by number and hospital; no patient."""
    hospital = organisations.get(db, case.organisation_id)
    return {
        "id": str(case.id),
        "number": case.number,
        "organisation": {"id": str(hospital.id), "name": hospital.name, "name_en": hospital.name_en},
    }


def referral(db: Tx, case: Case, referral_id: UUID | None) -> dict[str, Any] | None:
    """The question as it was put, and by whom."""
    if referral_id is None:
        return None
    row = db.get_one(Referral, referral_id)
    asker = db.get_one(people.Person, row.requested_by)
    return {
        "id": str(row.id),
        "question": referrals.words(db, case, row).question,
        "requested_at": row.requested_at.isoformat(),
        "requester": {"id": str(asker.id), "name": asker.name, "name_en": asker.name_en, "title": asker.title},
    }


def signer(db: Tx, actor: Actor) -> dict[str, Any]:
    """Who signs: name, title, licence and hospital as they stand today."""
    if actor.person_id is None:
        raise SignInNeeded("sign-in-needed")
    person = db.get_one(people.Person, actor.person_id)
    hospital = organisations.get(db, actor.organisation_id)
    return {
        "id": str(person.id),
        "name": person.name,
        "name_en": person.name_en,
        "title": person.title,
        "licence_number": person.licence_number,
        "organisation": {"id": str(hospital.id), "name": hospital.name, "name_en": hospital.name_en},
    }


def sections(words: Document, language: str) -> list[dict[str, Any]]:
    """The sections in order with their labels as shown in the signer's language; empty ones left out."""
    labels = valuesets.value_set("opinion_section")
    found = []
    for name, note in words.declared().items():
        value = getattr(words, name)
        if not value:
            continue
        coded = note.values is not None
        text = valuesets.label(note.values, value, language) if note.values else value
        label = labels.label(name, language)
        found.append({"name": name, "label": label, "text": text, "code": value if coded else None})
    return found


def entries(db: Tx, case: Case) -> list[dict[str, Any]]:
    """The entries that stood, each with the SHA-256 of its document."""
    return [
        {
            "id": str(item.entry.id),
            "type": item.entry.type,
            "version": item.entry.version,
            "sha256": item.sha256,
        }
        for item in record.recorded(db, case)
    ]


def images(db: Tx, case: Case) -> list[dict[str, Any]]:
    """Every filed object of the case by our id and the SHA-256 of its bytes, in the order it came."""
    return [{"id": str(row.id), "kind": row.kind, "sha256": row.sha256} for row in _filed(db, case)]


def marks(db: Tx, signer: Actor, case: Case) -> list[dict[str, Any]]:
    """The marks as they stand before the signer's eyes: tool, points (column, row) in image pixels, text, author and version."""
    return [_mark(mark) for mark in annotations.standing(db, case.organisation_id, case.id, reader=signer)]


def changed(db: Tx, case: Case, content: dict[str, Any]) -> Iterator[str]:
    """What the bytes name and the store no longer holds as it was: ``image:<id>``, ``entry:<id>``, ``mark:<id>``."""
    filed = {str(row.id): row.sha256 for row in _filed(db, case)}
    for image in content["images"]:
        if filed.get(image["id"]) != image["sha256"]:
            yield f"image:{image['id']}"
    written = {str(item.entry.id): item.sha256 for item in record.recorded(db, case, history=True)}
    for entry in content["entries"]:
        if written.get(entry["id"]) != entry["sha256"]:
            yield f"entry:{entry['id']}"
    signed_at = dt.datetime.fromisoformat(content["signed_at"])
    drawn = {str(mark.id): _mark(mark) for mark in annotations.standing(db, case.organisation_id, case.id, at=signed_at)}
    for mark in content["marks"]:
        if drawn.get(mark["id"]) != mark:
            yield f"mark:{mark['id']}"


def _mark(mark: Mark) -> dict[str, Any]:
    return {
        "id": str(mark.id),
        "version": mark.version,
        "image": str(mark.instance_id),
        "frame": mark.frame,
        "tool": mark.tool,
        "points": [[float(x), float(y)] for x, y in mark.points],
        "text": mark.text,
        "finding": mark.finding,
        "author": str(mark.author_id),
        "at": mark.at.isoformat(),
    }


def _filed(db: Tx, case: Case) -> list[Instance]:
    rows = select(Instance).where(Instance.case_id == case.id, Instance.organisation_id == case.organisation_id, Instance.state == "filed")
    return list(db.scalars(rows.order_by(Instance.id)))
