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

from auth import news, rules, sessions
from auth.people import Person
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Denied, Invalid, NotFound
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
    """What a person puts into their authenticator: the base32 secret, and the same as an ``otpauth:`` address.

    ``factor_id`` names what is offered, to confirm it by.
    """

    factor_id: UUID
    secret: str
    uri: str


def in_use(db: Tx, person_id: UUID) -> Factor | None:
    """The person's factor that counts."""
    query = select(Factor).where(Factor.person_id == person_id, Factor.confirmed_at.is_not(None), Factor.retired_at.is_(None))
    return db.scalars(query).first()


def since(db: Tx, person_id: UUID) -> dt.datetime | None:
    """Since when the person's authenticator counts; None without one."""
    factor = in_use(db, person_id)
    return factor.confirmed_at if factor is not None else None


def offer(db: Tx, actor: Actor) -> Offer:
    """Offer the actor a new authenticator, to be confirmed by its first code; needs a step-up.

    Raises Denied and StepUpNeeded.
    """
    person = _oneself(db, actor)
    return shown(db, make(db, person))


def offered(db: Tx, actor: Actor, factor_id: UUID) -> Offer:
    """What was offered to the actor and is not confirmed yet, once more; needs a step-up.

    Raises Denied, StepUpNeeded, and NotFound for anything else.
    """
    return shown(db, _offered(db, _oneself(db, actor), factor_id))


def confirm(db: Tx, actor: Actor, factor_id: UUID, code: str) -> None:
    """Put the authenticator that was offered in the place of the old one; every other session ends and the person is told.

    Needs a step-up. Raises Denied, StepUpNeeded, NotFound when it was not offered, Invalid for a wrong code.
    """
    person = _oneself(db, actor)
    factor = _offered(db, person, factor_id)
    if not take(db, factor, code):
        raise Invalid("form-invalid", fields={"code": "code-wrong"})
    adopt(db, actor, factor)
    news.tell(db, person, "account-authenticator-changed")
    sessions.end_all(db, actor, person.id, because="authenticator-changed", keep=actor.session_id)


def install(db: Tx, actor: Actor, person_id: UUID) -> Offer:
    """Give somebody an authenticator without its first code: for the command line and the sample world.

    Raises Denied for any person.
    """
    rules.require_in_organisation(actor, "people:manage")
    if actor.person_id is not None:
        raise Denied("not-allowed")
    factor = make(db, db.get_one(Person, person_id))
    adopt(db, actor, factor)
    return shown(db, factor)


def proves(db: Tx, person_id: UUID, code: str) -> bool:
    """Whether the code is the person's, now; it is used up by this."""
    factor = in_use(db, person_id)
    return factor is not None and take(db, factor, code)


def make(db: Tx, person: Person) -> Factor:
    """A factor that does not count yet."""
    factor = Factor(id=ids.new(), person_id=person.id)
    home, secret = person.organisation_id, pyotp.random_base32().encode("ascii")
    factor.secret = db.keyring.seal(db, Unit("organisation", home, home), "totp", "factors", factor.id, 1, secret)
    db.add(factor)
    db.flush()
    return factor


def adopt(db: Tx, actor: Actor, factor: Factor) -> None:
    """Let the factor count, in the place of any other of its person. For this module and `auth.enrolments`."""
    person = db.get_one(Person, factor.person_id)
    retire_all(db, person.id, but=factor.id)
    factor.confirmed_at = ids.now()
    db.flush()
    _record(db, actor, "factor:add", person)


def opened(db: Tx, factor: Factor) -> str:
    """The base32 secret of a factor."""
    home = db.get_one(Person, factor.person_id).organisation_id
    unit = Unit("organisation", home, home)
    return db.keyring.unseal(db, unit, "totp", "factors", factor.id, 1, factor.secret).decode("ascii")


def shown(db: Tx, factor: Factor) -> Offer:
    """The secret as an authenticator takes it."""
    person, secret = db.get_one(Person, factor.person_id), opened(db, factor)
    return Offer(factor.id, secret, pyotp.TOTP(secret).provisioning_uri(name=person.login, issuer_name=ISSUER))


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


def retire_all(db: Tx, person_id: UUID, *, but: UUID | None = None) -> None:
    """Take a person's authenticators out of use. For this module and `auth.means`."""
    retiring = update(Factor).where(Factor.person_id == person_id, Factor.retired_at.is_(None))
    if but is not None:
        retiring = retiring.where(Factor.id != but)
    db.execute(retiring.values(retired_at=ids.now()))


def _oneself(db: Tx, actor: Actor) -> Person:
    if actor.person_id is None or actor.session_id is None:
        raise Denied("session-needed")
    rules.require_step_up(actor)
    return db.get_one(Person, actor.person_id)


def _offered(db: Tx, person: Person, factor_id: UUID) -> Factor:
    factor = db.get(Factor, factor_id, populate_existing=True)
    if factor is None or factor.person_id != person.id or factor.confirmed_at is not None or factor.retired_at is not None:
        raise NotFound("factor-not-offered")
    return factor


def _record(db: Tx, actor: Actor, action: str, person: Person) -> None:
    audit.record(
        db, actor, action, organisation_id=person.organisation_id, person_id=person.id, object_type="person", object_id=person.id,
        purpose="administration",
    )  # fmt: skip
