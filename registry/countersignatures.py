"""Countersignatures: the second signature on a trainee's opinion, without which it is not given.

The opinion's own bytes say that they need one (``SCHEMA`` of ``needed``). The senior signs, with the key of the
hospital, a statement of its own that names both people and the SHA-256 of those bytes, so that whoever holds the
two documents can check them without the product (docs/formats.md).
"""

import datetime as dt
import hashlib
import json
import secrets
from typing import Any
from uuid import UUID

import rfc8785
from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Tx
from core.keyring import verifies
from core.tables import Base, IdColumn
from registry import cases
from registry.cases import Case

SCHEMA = "shanhai/countersignature/1"
TRAINEE = "shanhai/opinion/2"


class Countersignature(Base):
    """A senior's signature over the statement in ``document`` (sealed); it belongs to one opinion and is never changed."""

    __tablename__ = "countersignatures"

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    opinion_id: Mapped[UUID] = mapped_column(ForeignKey("opinions.id"), unique=True)
    senior_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    at: Mapped[dt.datetime]
    document: Mapped[bytes]
    signature: Mapped[bytes]
    public_key: Mapped[bytes]


def needed(content: dict[str, Any]) -> bool:
    """Whether the bytes of an opinion say that it is given only with a countersignature; an unknown schema says so too."""
    return content.get("schema") not in ("shanhai/opinion/1", "shanhai/opinion/3")


def state(canonical: bytes, countersigner: dict[str, Any], at: dt.datetime) -> bytes:
    """The canonical bytes a senior signs over a trainee's opinion."""
    opinion = json.loads(canonical)
    return rfc8785.dumps(
        {
            "schema": SCHEMA,
            "opinion": {"id": opinion["opinion"]["id"], "sha256": hashlib.sha256(canonical).hexdigest()},
            "signer": opinion["signer"],
            "countersigner": countersigner,
            "signed_at": at.isoformat(),
            "nonce": secrets.token_hex(16),
        }
    )


def holds(canonical: bytes, statement: bytes, signature: bytes, public_key: bytes) -> bool:
    """Whether a statement gives this very opinion: its hash, another person of the same hospital, and a good signature."""
    opinion, told = json.loads(canonical), json.loads(statement)
    signer, senior = opinion["signer"], told["countersigner"]
    return (
        told["schema"] == SCHEMA
        and told["opinion"] == {"id": opinion["opinion"]["id"], "sha256": hashlib.sha256(canonical).hexdigest()}
        and told["signer"] == signer
        and senior["id"] != signer["id"]
        and senior["organisation"]["id"] == signer["organisation"]["id"]
        and verifies(public_key, statement, signature)
    )


def statement(db: Tx, case: Case, row: Countersignature) -> bytes:
    """The very bytes that were signed, for a caller that holds the case."""
    return cases.unseal(db, case, "countersignature", "countersignatures", row.id, row.document)


def of_opinion(db: Tx, opinion_id: UUID) -> Countersignature | None:
    """The countersignature of one opinion; None where it has none."""
    return db.scalar(select(Countersignature).where(Countersignature.opinion_id == opinion_id))


def of_case(db: Tx, case: Case) -> dict[UUID, Countersignature]:
    """The countersignatures on a case, by opinion."""
    return {row.opinion_id: row for row in db.scalars(select(Countersignature).where(Countersignature.case_id == case.id))}


def seniors(db: Tx, case: Case) -> set[UUID]:
    """Who has countersigned on a case."""
    return {row.senior_id for row in of_case(db, case).values()}
