"""Joinings: that another expert stands behind a joint opinion, in their own hospital's name.

A joint opinion (``SCHEMA``) names in its bytes the opinions it joins and who gave each. Whoever signs it speaks for
themselves alone: each of the others joins with a statement of their own over the SHA-256 of those bytes, or declines
with words. Until they have, the opinion stands and says whose name is missing (docs/formats.md).
"""

import datetime as dt
import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import rfc8785
from sqlalchemy import ForeignKey, Index, select
from sqlalchemy.orm import Mapped, mapped_column

from core import ids
from core.db import Tx
from core.errors import Conflict
from core.keyring import verifies
from core.tables import Base, Code, IdColumn
from registry import cases, states
from registry.cases import Case

SCHEMA = "shanhai/opinion/3"
STATEMENT = "shanhai/joining/1"


class Joining(Base):
    """One opinion that a joint opinion (``joint_id``) joins, and how its giver stands to that.

    ``document`` is the sealed statement, signed as ``Opinion`` is; whoever signed the joint opinion needs none. ``words``
    is why somebody declined, sealed.
    """

    __tablename__ = "joinings"
    __table_args__ = (Index(None, "case_id"), Index(None, "joint_id"), Index(None, "opinion_id"), Index(None, "person_id", "state"))

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    joint_id: Mapped[UUID] = mapped_column(ForeignKey("opinions.id"))
    opinion_id: Mapped[UUID] = mapped_column(ForeignKey("opinions.id"))
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    state: Mapped[Code]
    asked_at: Mapped[dt.datetime]
    decided_at: Mapped[dt.datetime | None]
    document: Mapped[bytes | None]
    signature: Mapped[bytes | None]
    public_key: Mapped[bytes | None]
    words: Mapped[bytes | None]


@dataclass(frozen=True, slots=True)
class Joined:
    """A joining as shown: ``giver`` is how the signed bytes name the expert, ``words`` why they declined."""

    joining: Joining
    giver: dict[str, Any]
    words: str


def move(db: Tx, row: Joining, event: str) -> None:
    """The next state. Raises Conflict ``joining-state-forbids``."""
    after = states.JOININGS[row.state, event]
    if after is None:
        raise Conflict("joining-state-forbids")
    row.state, row.decided_at = after, ids.now()
    db.flush()


def state(canonical: bytes, joiner: dict[str, Any], at: dt.datetime) -> bytes:
    """The canonical bytes an expert signs to join an opinion."""
    joint = json.loads(canonical)
    return rfc8785.dumps(
        {
            "schema": STATEMENT,
            "opinion": {"id": joint["opinion"]["id"], "sha256": hashlib.sha256(canonical).hexdigest()},
            "joiner": joiner,
            "signed_at": at.isoformat(),
            "nonce": secrets.token_hex(16),
        }
    )


def holds(canonical: bytes, statement: bytes, signature: bytes, public_key: bytes) -> bool:
    """Whether a statement joins this very opinion: its hash, an expert it names beside its signer, and a good signature."""
    joint, told = json.loads(canonical), json.loads(statement)
    return (
        told["schema"] == STATEMENT
        and told["opinion"] == {"id": joint["opinion"]["id"], "sha256": hashlib.sha256(canonical).hexdigest()}
        and same(told["joiner"]) in {same(giver) for giver in others(joint)}
        and verifies(public_key, statement, signature)
    )


def others(joint: dict[str, Any]) -> list[dict[str, Any]]:
    """The experts whom the bytes of an opinion ask to join it: who gave what it joins, but for its signer."""
    return [one["giver"] for one in joint.get("joins", ()) if one["giver"]["id"] != joint["signer"]["id"]]


def same(person: dict[str, Any]) -> tuple[str, str]:
    """Who somebody is in signed bytes, whatever name or title they bear that day: person and hospital."""
    return person["id"], person["organisation"]["id"]


def statement(db: Tx, case: Case, row: Joining) -> bytes:
    """The very bytes that were signed, for a caller that holds the case and a row that has them."""
    assert row.document is not None
    return cases.unseal(db, case, "joining", "joinings", row.id, row.document)


def of_case(db: Tx, case: Case) -> dict[UUID, list[Joining]]:
    """The joinings on a case, by joint opinion."""
    found: dict[UUID, list[Joining]] = {}
    for row in db.scalars(select(Joining).where(Joining.case_id == case.id).order_by(Joining.id)):
        found.setdefault(row.joint_id, []).append(row)
    return found


def of_opinion(db: Tx, joint_id: UUID) -> list[Joining]:
    """The joinings of one joint opinion; empty for any other."""
    return list(db.scalars(select(Joining).where(Joining.joint_id == joint_id).order_by(Joining.id)))


def shown(db: Tx, case: Case, content: dict[str, Any], rows: list[Joining]) -> tuple[Joined, ...]:
    """The joinings of an opinion whose signed bytes say ``content``."""
    givers = {one["id"]: one["giver"] for one in content.get("joins", ())}
    return tuple(Joined(row, givers[str(row.opinion_id)], _words(db, case, row)) for row in rows)


def _words(db: Tx, case: Case, row: Joining) -> str:
    return cases.unseal(db, case, "joining-declined", "joinings", row.id, row.words).decode() if row.words else ""
