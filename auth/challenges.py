"""Challenges: the random bytes a passkey signs (WebAuthn Level 3 §13.4.3), known here by their digest alone.

Each is good once and for five minutes, and only for what it was issued for: its purpose, and the person and the
session or ward device where there is one. Taking it deletes it, also when it is brought to the wrong place, so that two requests
with the same answer cannot both win.
"""

import datetime as dt
import hashlib
import secrets
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, delete
from sqlalchemy.orm import Mapped, mapped_column

from auth.people import Person
from core import ids
from core.db import Tx
from core.tables import Base, Code, IdColumn

LIFE = dt.timedelta(minutes=5)
PURPOSES = ("register", "sign-in", "step-up", "enrol", "device", "unlock")


class Challenge(Base):
    """One challenge that is out, bound to a session or a ward device. At sign-in nobody is known yet: no person, no session."""

    __tablename__ = "challenges"

    id: Mapped[IdColumn]
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    purpose: Mapped[Code]
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey(Person.id))
    bound_to: Mapped[UUID | None]
    expires_at: Mapped[dt.datetime] = mapped_column(index=True)


def issue(db: Tx, purpose: str, *, person_id: UUID | None = None, bound_to: UUID | None = None) -> bytes:
    """A fresh challenge of 32 bytes. Raises ValueError for an unknown purpose."""
    if purpose not in PURPOSES:
        raise ValueError(purpose)
    value = secrets.token_bytes(32)
    digest = hashlib.sha256(value).digest()
    db.add(Challenge(digest=digest, purpose=purpose, person_id=person_id, bound_to=bound_to, expires_at=ids.now() + LIFE))
    db.flush()
    return value


def take(db: Tx, value: bytes, purpose: str, *, person_id: UUID | None = None, bound_to: UUID | None = None) -> bool:
    """Whether the challenge was issued for exactly this and is still good; it is used up by this either way."""
    taking = delete(Challenge).where(Challenge.digest == hashlib.sha256(value).digest())
    found = db.execute(taking.returning(Challenge.purpose, Challenge.person_id, Challenge.bound_to, Challenge.expires_at)).first()
    return found is not None and tuple(found[:3]) == (purpose, person_id, bound_to) and found[3] > ids.now()


def sweep(db: Tx) -> int:
    """Forget the challenges nobody answered; gives their number."""
    return len(db.execute(delete(Challenge).where(Challenge.expires_at < ids.now()).returning(Challenge.id)).all())
