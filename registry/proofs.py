"""Proofs of signed opinions: one file that shows, away from this system, what was signed, by whom and when.

It is JSON (docs/formats.md, Opinions): the very bytes that were signed, the signatures and the keys. That a key is
the hospital's no file can say of itself: whoever checks compares it with the one the hospital gave out.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.actor import Actor
from core.db import Tx
from core.errors import Invalid
from core.keyring import verifies
from registry import cases, countersignatures, joinings, opinions

SCHEMA = "shanhai/opinion-proof/1"
LARGEST = 16_000_000
"""Bytes of the largest proof that is read; the marks of a case fill a few thousand."""
Hex = Field(pattern=r"^(?:[0-9a-f]{2})+$", max_length=200)


class _Given(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    document: str
    signature: str = Hex
    public_key: str = Hex


class _Proof(_Given):
    proof: str = Field(alias="schema", pattern=f"^{SCHEMA}$")
    countersignature: _Given | None
    joinings: list[_Given] = Field(default=[], max_length=100)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a proof shows. ``content`` are the signed bytes read; ``keys`` the public keys used, in hex.

    ``countersignature_holds`` is None for an opinion that needs none; ``countersigner`` is whom its statement names.
    ``joinings`` says of each expert whom a joint opinion asks to join whether they have: None where there is no statement.
    """

    content: dict[str, Any]
    sha256: str
    signature_holds: bool
    countersignature_holds: bool | None
    countersigner: dict[str, Any] | None
    keys: frozenset[str]
    joinings: tuple[tuple[dict[str, Any], bool | None], ...] = ()

    @property
    def holds(self) -> bool:
        """Whether everything that has to be signed is."""
        joined = [good for _, good in self.joinings]
        return self.signature_holds and False not in (self.countersignature_holds, *joined)


def make(db: Tx, actor: Actor, opinion_id: UUID) -> bytes:
    """The proof of an opinion or addendum, for whoever may read it; recorded. The same byte for byte, until somebody joins."""
    row, case = opinions.reach(db, actor, opinion_id)
    cases.note(db, actor, "opinion:export", case, object_type="opinion", object_id=row.id)
    second = countersignatures.of_opinion(db, row.id)
    proof: dict[str, Any] = {
        "schema": SCHEMA,
        **_given(opinions.canonical(db, actor, row.id), row.signature, row.public_key),
        "countersignature": _given(countersignatures.statement(db, case, second), second.signature, second.public_key) if second else None,
    }
    joined = [row for row in joinings.of_opinion(db, row.id) if row.document is not None]
    if joined:
        proof["joinings"] = [_given(joinings.statement(db, case, one), one.signature or b"", one.public_key or b"") for one in joined]
    return json.dumps(proof, ensure_ascii=False, indent=1).encode()


def check(data: bytes) -> Checked:
    """What a proof shows, by itself. Raises Invalid ``proof-unreadable`` for anything that is no proof of an opinion."""
    try:
        proof = _Proof.model_validate_json(data if len(data) <= LARGEST else b"")
        text, second = proof.document.encode(), proof.countersignature
        content = json.loads(text)
        if content["schema"] not in (opinions.SCHEMA, countersignatures.TRAINEE, joinings.SCHEMA):
            raise Invalid("proof-unreadable")
        statement = second.document.encode() if second else b""
        needed = countersignatures.needed(content)
        countersigned = second is not None and countersignatures.holds(
            text, statement, bytes.fromhex(second.signature), bytes.fromhex(second.public_key)
        )
        return Checked(
            content=content,
            sha256=hashlib.sha256(text).hexdigest(),
            signature_holds=verifies(bytes.fromhex(proof.public_key), text, bytes.fromhex(proof.signature)),
            countersignature_holds=countersigned if needed else None,
            countersigner=json.loads(statement)["countersigner"] if needed and second else None,
            keys=frozenset(given.public_key for given in (proof, second, *proof.joinings) if given),
            joinings=_joined(text, content, proof.joinings),
        )
    except (ValidationError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Invalid("proof-unreadable") from error


def _joined(text: bytes, content: dict[str, Any], given: list[_Given]) -> tuple[tuple[dict[str, Any], bool | None], ...]:
    """How each expert asked stands to a joint opinion, and as broken whoever it does not ask."""
    told: dict[tuple[str, str], tuple[dict[str, Any], bool | None]] = {joinings.same(who): (who, None) for who in joinings.others(content)}
    for one in given:
        statement = one.document.encode()
        who = json.loads(statement)["joiner"]
        good = joinings.holds(text, statement, bytes.fromhex(one.signature), bytes.fromhex(one.public_key))
        told[joinings.same(who)] = (who, good and told.get(joinings.same(who), (who, False))[1] is not False)
    return tuple(told.values())


def _given(document: bytes, signature: bytes, public_key: bytes) -> dict[str, str]:
    return {"document": document.decode(), "signature": signature.hex(), "public_key": public_key.hex()}
