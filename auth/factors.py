"""Factors: the second proof, a time-based code (TOTP, RFC 6238: SHA-1, six digits, thirty seconds).

The secret is sealed under the key of the person's home organisation. A code is taken one step early or
late, and each step is good once: taking it is a compare-and-set on the last step taken, so two requests
with the same code cannot both win (§5.2). A factor counts once its first code has been shown.
"""

import datetime as dt
import hmac
import unicodedata
from dataclasses import dataclass
from uuid import UUID

import pyotp
from sqlalchemy import BigInteger, ForeignKey, Index, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from auth import duties, people, rules
from auth.people import Person
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Denied, Invalid
from core.keyring import Unit
from core.tables import Base, IdColumn

STEP_SECONDS = 30
ISSUER = "Shanhai"


class Factor(Base):
    """One authenticator. It counts from ``confirmed_at`` until ``retired_at``; ``last_step`` is the last step taken."""

    __tablename__ = "factors"
    __table_args__ = (
        Index(
            "uq_factors_in_use",
            "person_id",
            unique=True,
            sqlite_where=text("confirmed_at IS NOT NULL AND retired_at IS NULL"),
            postgresql_where=text("confirmed_at IS NOT NULL AND retired_at IS NULL"),
        ),
    )

    id: Mapped[IdColumn]
    person_id: Mapped[UUID] = mapped_column(ForeignKey(Person.id), index=True)
    secret: Mapped[bytes]
    last_step: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[dt.datetime] = mapped_column(default=ids.now)
    confirmed_at: Mapped[dt.datetime | None]
    retired_at: Mapped[dt.datetime | None]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a person puts into their authenticator: the base32 secret, and the same as an ``otpauth:`` address."""

    secret: str
    uri: str


def in_use(db: Tx, person_id: UUID) -> Factor | None:
    """The person's factor that counts."""
    query = select(Factor).where(Factor.person_id == person_id, Factor.confirmed_at.is_not(None), Factor.retired_at.is_(None))
    return db.scalars(query).first()


def offer(db: Tx, actor: Actor) -> Offer:
    """Offer the actor a new authenticator, to be confirmed by its first code; needs a step-up.

    Raises Denied and StepUpNeeded.
    """
    if actor.person_id is None or actor.session_id is None:
        raise Denied("session-needed")
    rules.require_step_up(actor)
    person = db.get_one(Person, actor.person_id)
    return shown(person, make(db, person)[1])


def confirm(db: Tx, actor: Actor, code: str) -> None:
    """Put the authenticator that was offered last in the place of the old one.

    Needs a step-up. Raises Denied, StepUpNeeded, Conflict when none was offered, Invalid for a wrong code.
    """
    if actor.person_id is None or actor.session_id is None:
        raise Denied("session-needed")
    rules.require_step_up(actor)
    pending = select(Factor).where(Factor.person_id == actor.person_id, Factor.confirmed_at.is_(None), Factor.retired_at.is_(None))
    factor = db.scalars(pending.order_by(Factor.id.desc()).limit(1)).first()
    if factor is None:
        raise Conflict("factor-not-offered")
    if not take(db, factor, code):
        raise Invalid(fields={"code": "code-wrong"})
    adopt(db, actor, factor)


def install(db: Tx, actor: Actor, person_id: UUID) -> Offer:
    """Give somebody an authenticator without its first code: for the command line and the sample world.

    Raises Denied for any person.
    """
    rules.require_in_organisation(actor, "people:manage")
    if actor.person_id is not None:
        raise Denied("not-allowed")
    person = db.get_one(Person, person_id)
    factor, secret = make(db, person)
    adopt(db, actor, factor)
    return shown(person, secret)


def retire(db: Tx, actor: Actor, person_id: UUID) -> None:
    """Take a lost authenticator out of use; the person cannot sign in until enrolled again.

    Needs ``people:manage`` and, in a session, a step-up. Raises NotFound, StepUpNeeded, and Denied, for an
    administrator's or auditor's too (`duties.refuse_peer`).
    """
    person = people.manageable(db, actor, person_id, at_home=True)
    rules.require_step_up(actor)
    duties.refuse_peer(db, actor, person_id)
    _retire_all(db, person_id)
    _record(db, actor, "factor:retire", person)


def proves(db: Tx, person_id: UUID, code: str) -> bool:
    """Whether the code is the person's, now; it is used up by this."""
    factor = in_use(db, person_id)
    return factor is not None and take(db, factor, code)


def make(db: Tx, person: Person) -> tuple[Factor, str]:
    """A factor that does not count yet, and its base32 secret."""
    secret = pyotp.random_base32()
    factor = Factor(id=ids.new(), person_id=person.id)
    home = person.organisation_id
    factor.secret = db.keyring.seal(db, Unit("organisation", home, home), "totp", "factors", factor.id, 1, secret.encode("ascii"))
    db.add(factor)
    db.flush()
    return factor, secret


def adopt(db: Tx, actor: Actor, factor: Factor) -> None:
    """Let the factor count, in the place of any other of its person. For this module and `auth.enrolments`."""
    person = db.get_one(Person, factor.person_id)
    _retire_all(db, person.id, but=factor.id)
    factor.confirmed_at = ids.now()
    db.flush()
    _record(db, actor, "factor:add", person)


def opened(db: Tx, factor: Factor) -> str:
    """The base32 secret of a factor."""
    home = db.get_one(Person, factor.person_id).organisation_id
    unit = Unit("organisation", home, home)
    return db.keyring.unseal(db, unit, "totp", "factors", factor.id, 1, factor.secret).decode("ascii")


def shown(person: Person, secret: str) -> Offer:
    """The secret as an authenticator takes it."""
    return Offer(secret, pyotp.TOTP(secret).provisioning_uri(name=person.login, issuer_name=ISSUER))


def take(db: Tx, factor: Factor, code: str) -> bool:
    """Use up the step whose code this is: now, or one step early or late. False for a wrong or used code."""
    step = int(ids.now().timestamp()) // STEP_SECONDS
    given = "".join(unicodedata.normalize("NFKC", code).split()).encode("utf-8", "surrogatepass")
    codes = pyotp.HOTP(opened(db, factor))
    fitting = [near for near in (step - 1, step, step + 1) if hmac.compare_digest(codes.at(near).encode("ascii"), given)]
    for near in fitting:
        taking = update(Factor).where(Factor.id == factor.id, Factor.last_step < near, Factor.retired_at.is_(None))
        if db.execute(taking.values(last_step=near).returning(Factor.id)).first() is not None:
            return True
    return False


def present_code(secret: str) -> str:
    """The code of this moment for a base32 secret, as an authenticator shows it; for whoever holds the secret."""
    return pyotp.TOTP(secret).at(ids.now())


def _retire_all(db: Tx, person_id: UUID, *, but: UUID | None = None) -> None:
    retiring = update(Factor).where(Factor.person_id == person_id, Factor.retired_at.is_(None))
    if but is not None:
        retiring = retiring.where(Factor.id != but)
    db.execute(retiring.values(retired_at=ids.now()))


def _record(db: Tx, actor: Actor, action: str, person: Person) -> None:
    audit.record(
        db, actor, action, organisation_id=person.organisation_id, person_id=person.id, object_type="person", object_id=person.id,
        purpose="administration",
    )  # fmt: skip
