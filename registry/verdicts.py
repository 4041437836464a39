"""Verdicts: whether a signed opinion still is what was signed, looked at inside the product, keys and objects included."""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.actor import Actor
from core.db import Tx
from core.keyring import verifies
from registry import cases, countersignatures, evidence, joinings, opinions
from registry.cases import Case
from registry.countersignatures import Countersignature
from registry.joinings import Joining
from registry.opinions import Opinion


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a signed opinion is what was signed: its hash, its signatures, and the objects it names.

    ``countersignature_holds`` is None for one that needs no countersignature, ``joinings_hold`` where nobody has joined.
    """

    whole: bool
    hash_holds: bool
    signature_holds: bool
    countersignature_holds: bool | None
    joinings_hold: bool | None
    key_of_hospital: bool
    changed: tuple[str, ...]
    sha256: str
    signed_at: dt.datetime


def verify(db: Tx, actor: Actor, opinion_id: UUID) -> Verdict:
    """Check a signed opinion: the hash and signatures of its bytes, the hospitals' keys, and the objects it names now; recorded."""
    row, case = opinions.reach(db, actor, opinion_id)
    text = cases.unseal(db, case, "opinion", "opinions", row.id, row.document)
    content = json.loads(text)
    second = countersignatures.of_opinion(db, row.id)
    hash_holds = hashlib.sha256(text).hexdigest() == row.sha256
    signature_holds = verifies(row.public_key, text, row.signature)
    countersignature_holds = _given(db, case, text, second) if countersignatures.needed(content) else None
    joined = [one for one in joinings.of_opinion(db, row.id) if one.document is not None]
    joinings_hold = all(_joins(db, case, text, one) for one in joined) if joined else None
    key = db.keyring.public_key(db, row.author_organisation_id)
    key_of_hospital = key == row.public_key and (second is None or key == second.public_key)
    changed = (*evidence.changed(db, case, content), *_changed(db, content))
    sound = hash_holds and signature_holds and False not in (countersignature_holds, joinings_hold)
    return Verdict(
        whole=sound and key_of_hospital and not changed,
        hash_holds=hash_holds,
        signature_holds=signature_holds,
        countersignature_holds=countersignature_holds,
        joinings_hold=joinings_hold,
        key_of_hospital=key_of_hospital,
        changed=changed,
        sha256=row.sha256,
        signed_at=row.signed_at,
    )


def _given(db: Tx, case: Case, text: bytes, second: Countersignature | None) -> bool:
    return second is not None and countersignatures.holds(
        text, countersignatures.statement(db, case, second), second.signature, second.public_key
    )


def _joins(db: Tx, case: Case, text: bytes, row: Joining) -> bool:
    """Whether a joining is good, and by the key of the hospital of the one who joined."""
    statement = joinings.statement(db, case, row)
    key = db.keyring.public_key(db, UUID(json.loads(statement)["joiner"]["organisation"]["id"]))
    return row.public_key == key and joinings.holds(text, statement, row.signature or b"", key)


def _changed(db: Tx, content: dict[str, Any]) -> Iterator[str]:
    """The opinions that a joint one names and that are not what they were: ``opinion:<id>``."""
    for one in content.get("joins", ()):
        named = db.get(Opinion, UUID(one["id"]))
        if named is None or named.sha256 != one["sha256"]:
            yield f"opinion:{one['id']}"
