"""Sign-in: in two steps, where the password gives a short-lived secret and that and a code give a session; or by a passkey.

In the second step a recovery code stands in for the code. A passkey verifies its user, so it is both steps at
once. Unknown login, wrong password, disabled person and person without a second factor look alike: one code, one
amount of work, one count of tries. (So a refused password is written into the log by a job, which an unknown
login asks for too.) Nothing of an earlier session survives: its cookie, shown at sign-in, ends it, and the new
secret is minted at the end. Failures are values (`proofs.Refused`), so that the tries and the audit events are
committed; the throttle is one once in its period and is raised the other times.
"""

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from auth import means, passkeys, passwords, people, proofs, recovery, secret, sessions, throttle
from auth.ceremonies import Site
from auth.means import Means
from auth.people import Person
from auth.proofs import NOBODY, Refused
from auth.sessions import Limits
from core import audit, ids, jobs
from core.actor import Actor
from core.db import Database, Tx
from core.jobs import Job
from core.tables import Base, Code, IdColumn

REFUSED = "sign-in:refused"
PENDING = dt.timedelta(minutes=5)
TRIES = 5
ASKED, ASKED_PER = 600, dt.timedelta(minutes=15)
"""How often one network may ask for a challenge: every look at the sign-in page does, from a whole hospital."""


class SignIn(Base):
    """A sign-in between its two steps; ``proved_by`` is how the first was done."""

    __tablename__ = "sign_ins"

    id: Mapped[IdColumn]
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey(Person.id), index=True)
    proved_by: Mapped[Code]
    started_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime]
    tries: Mapped[int] = mapped_column(default=0)
    ended_at: Mapped[dt.datetime | None]


@dataclass(frozen=True, slots=True)
class Pending:
    """The first step is done: the secret to bring to the second, and until when."""

    secret: str
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Both steps are done: who it is, and the secret for the session cookie.

    ``recovery_codes`` is how many are left when one was used.
    """

    actor: Actor
    cookie: str
    recovery_codes: int | None = None


def password(db: Tx, *, login: str, password: str, address: str) -> Pending | Refused:
    """The first step. ``address`` is the peer's.

    Refused ``sign-in-failed`` whatever was wrong, or ``throttled``; raises Throttled.
    """
    network = throttle.network(address)
    person = people.by_login(db, login)
    has = means.of(db, person.id if person is not None else NOBODY)
    usable = person is not None and person.disabled_at is None and has.enrolled
    wrong = proofs.password(db, person, login, password, network=network, usable=usable)
    if wrong is not None or person is None:
        return _failed(db, person, wrong or Refused("password-wrong"), network)
    return pend(db, person, by="password")


def pend(db: Tx, person: Person, *, by: str) -> Pending:
    """Keep that the first step is done, in the way ``by`` names; for this module and `auth.oidc`."""
    now, plain = ids.now(), secret.mint()
    db.add(SignIn(digest=secret.digest(plain), person_id=person.id, proved_by=by, started_at=now, expires_at=now + PENDING))
    db.flush()
    return Pending(plain, now + PENDING)


def beside(db: Tx, pending: str) -> Means:
    """What the second step may ask for; nothing for a first step that is none."""
    found = _pending(db, pending)
    return means.of(db, found[1].id) if found is not None else Means()


def code(
    db: Tx,
    *,
    pending: str,
    code: str = "",
    recovery_code: str = "",
    address: str,
    agent: str = "",
    limits: Limits | None = None,
    presented: str | None = None,
) -> SignedIn | Refused:
    """The second step, with the secret of the first: by a code of the moment, or by a recovery code when that is given instead.

    ``presented`` is the session cookie the browser still sent. Refused ``code-wrong``, ``recovery-code-wrong`` or
    ``throttled`` (try again), ``sign-in-expired`` (begin anew) or ``sign-in-failed``. Raises Throttled.
    """
    network = throttle.network(address)
    found = _pending(db, pending)
    if found is None:
        return Refused("sign-in-expired")
    sign_in, person = found
    if recovery_code and not code:
        step, wrong = "recovery", proofs.recovery_code(db, person, recovery_code, network=network)
    else:
        step, wrong = "code", proofs.code(db, person, code, network=network)
    if wrong is not None and wrong.code == "throttled":
        refused(db, person, step, network, throttled=True)
        return wrong
    sign_in.tries += 1
    if wrong is not None:
        refused(db, person, step, network)
        return wrong if sign_in.tries < TRIES else Refused("sign-in-expired")
    sign_in.ended_at = ids.now()
    signed_in = admit(db, person, by=sign_in.proved_by, network=network, agent=agent, limits=limits, presented=presented)
    if signed_in is None:
        refused(db, person, step, network)
        return Refused("sign-in-failed")
    return replace(signed_in, recovery_codes=recovery.left(db, person.id)) if step == "recovery" else signed_in


def ask_passkey(db: Tx, *, site: Site, address: str) -> dict[str, Any]:
    """What the browser is asked for to sign in with a passkey, whoever it is. Raises Throttled."""
    throttle.hit(db, f"challenge:{throttle.network(address)}", ASKED, ASKED_PER)
    return passkeys.ask(db, purpose="sign-in", site=site)


def passkey(
    db: Tx, *, given: str, site: Site, address: str, agent: str = "", limits: Limits | None = None, presented: str | None = None
) -> SignedIn | Refused:
    """Sign in with a passkey alone. Refused ``passkey-refused`` whatever was wrong, or ``throttled``; raises Throttled."""
    network = throttle.network(address)
    proved = proofs.passkey(db, given, purpose="sign-in", site=site, network=network)
    if isinstance(proved, Refused):
        return proved
    person = db.get_one(Person, proved.person_id, populate_existing=True)
    signed_in = admit(db, person, by="passkey", network=network, agent=agent, limits=limits, presented=presented)
    if signed_in is None:
        refused(db, person, "passkey", network)
    return signed_in or Refused("passkey-refused")


def admit(
    db: Tx, person: Person, *, by: str, network: str, agent: str = "", limits: Limits | None = None, presented: str | None = None
) -> SignedIn | None:
    """Begin the session of a person who has proved both factors, at home or in the first hospital they work in.

    None for the disabled and those who work nowhere. ``by`` is how they came, for the log. For this module and
    those that prove a person in other ways.
    """
    workplaces = people.workplaces(db, person.id)
    if person.disabled_at is not None or not workplaces:
        return None
    begins = next(iter(workplaces))
    if presented:
        sessions.end_presented(db, Actor(person.id, begins, workplaces[begins]), presented)
    return SignedIn(*sessions.start(db, person, organisation_id=begins, by=by, network=network, agent=agent, limits=limits))


def log_refusal(database: Database, job: Job) -> None:
    """The job of a refused password: an event for the person's hospital, nothing for nobody."""
    with database.begin() as db:
        person = db.get(Person, UUID(str(job.payload["person_id"])))
        if person is not None:
            refused(db, person, "password", str(job.payload["network"]), throttled=bool(job.payload["throttled"]))


def sweep(db: Tx) -> int:
    """Forget the sign-ins that came to nothing; gives their number."""
    return len(db.execute(delete(SignIn).where(SignIn.expires_at < ids.now()).returning(SignIn.id)).all())


def _pending(db: Tx, plain: str) -> tuple[SignIn, Person] | None:
    """The open sign-in of that secret, held until the transaction ends; a password changed meanwhile ends it."""
    query = select(SignIn).where(SignIn.digest == secret.digest(plain)).with_for_update()
    sign_in = db.scalars(query, execution_options={"populate_existing": True}).first()
    if sign_in is None or sign_in.ended_at is not None or sign_in.tries >= TRIES or sign_in.expires_at <= ids.now():
        return None
    kept = db.get(passwords.Password, sign_in.person_id, populate_existing=True)
    if kept is None or kept.changed_at > sign_in.started_at:
        return None
    return sign_in, db.get_one(Person, sign_in.person_id, populate_existing=True)


def _failed(db: Tx, person: Person | None, wrong: Refused, network: str) -> Refused:
    """The answer to a first step that failed; what it tells the log is a job, asked for alike whoever it was."""
    throttled = wrong.code == "throttled"
    if wrong.news:
        whose, home = (person.id, person.organisation_id) if person is not None else (NOBODY, NOBODY)
        jobs.enqueue(db, REFUSED, {"person_id": str(whose), "network": network, "throttled": throttled}, organisation_id=home)
    return wrong if throttled else Refused("sign-in-failed")


def refused(db: Tx, person: Person, step: str, network: str, *, throttled: bool = False) -> None:
    """Write a refused step into the log of the person's hospital; for this module and those that prove a person in other ways."""
    audit.record(
        db,
        Actor.system(person.organisation_id),
        "session:refuse",
        organisation_id=person.organisation_id,
        person_id=person.id,
        object_type="person",
        object_id=person.id,
        purpose="administration",
        outcome="failure",
        detail={"step": step, "network": network, **({"throttled": True} if throttled else {})},
    )
