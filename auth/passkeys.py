"""Passkeys: credentials of W3C WebAuthn Level 3, each of which is both factors at once.

A passkey is made for this site alone, verifies its user itself (a finger, a face, a PIN) and names its person, so
nobody types a name to sign in with it. User verification is required at every use (§7.2 step 17). That a passkey was
registered stands in the log with the SHA-256 of its credential id and of its public key (the COSE_Key's bytes), so that
whoever is shown both can check later, off-line, that this key was this person's.
"""

import datetime as dt
import hashlib
import unicodedata
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
from webauthn.helpers.structs import AuthenticationCredential, AuthenticatorTransport, PublicKeyCredentialDescriptor
from webauthn.registration.verify_registration_response import VerifiedRegistration

from auth import ceremonies, challenges, factors, news, rules, sessions
from auth.ceremonies import Site
from auth.people import Person
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Denied, Invalid, NotFound
from core.tables import Base, IdColumn

LONGEST_NAME = 60


class Passkey(Base):
    """One passkey. ``public_key`` is a COSE_Key; ``sign_count`` the last one told (0: it keeps none)."""

    __tablename__ = "passkeys"

    id: Mapped[IdColumn]
    person_id: Mapped[UUID] = mapped_column(ForeignKey(Person.id), index=True)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary(ceremonies.LONGEST_ID), unique=True)
    public_key: Mapped[bytes]
    sign_count: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str]
    transports: Mapped[list[str]]
    backed_up: Mapped[bool]
    created_at: Mapped[dt.datetime] = mapped_column(default=ids.now)
    last_used_at: Mapped[dt.datetime | None]
    retired_at: Mapped[dt.datetime | None]


# --- one's own passkeys ------------------------------------------------------------------------------------------------


def begin(db: Tx, actor: Actor, *, site: Site) -> dict[str, Any]:
    """What the browser is asked for to make one more passkey for the actor (PublicKeyCredentialCreationOptionsJSON).

    Needs a session and a step-up. Raises Denied and StepUpNeeded.
    """
    person = _oneself(db, actor)
    rules.require_step_up(actor)
    return ceremonies.creation(
        challenge=challenges.issue(db, "register", person_id=person.id, bound_to=actor.session_id),
        site=site,
        user_id=person.id.bytes,
        name=person.login,
        shown=person.name,
        but=[_descriptor(passkey) for passkey in of_person(db, person.id)],
    )


def register(db: Tx, actor: Actor, given: str, *, name: str, site: Site) -> Passkey | None:
    """Keep the passkey the browser made; the person is told. None, and an event, for an answer that does not hold.

    Needs a session and a step-up. Raises Denied, StepUpNeeded, and Invalid for the name.
    """
    person = _oneself(db, actor)
    rules.require_step_up(actor)
    name = _name(name)
    made = ceremonies.registration(db, given, purpose="register", person_id=actor.person_id, bound_to=actor.session_id, site=site)
    passkey = _kept(db, person, made, given, name) if made is not None else None
    if passkey is None or made is None:
        _record(db, actor, "passkey:add", person, None, outcome="failure")
        return None
    _record(db, actor, "passkey:add", person, passkey, aaguid=made.aaguid, backed_up=made.credential_backed_up)
    news.tell(db, person, "account-passkey-added")
    return passkey


def listed(db: Tx, actor: Actor) -> list[Passkey]:
    """The actor's own passkeys, oldest first. Raises Denied for a token or a narrowed session."""
    rules.refuse_narrowed(actor)
    return of_person(db, actor.person_id) if actor.person_id is not None else []


def rename(db: Tx, actor: Actor, passkey_id: UUID, name: str) -> Passkey:
    """Call one of the actor's own passkeys something else. Raises NotFound, Denied and Invalid."""
    person = _oneself(db, actor)
    passkey = _own(db, person, passkey_id)
    passkey.name = _name(name)
    db.flush()
    _record(db, actor, "passkey:rename", person, passkey)
    return passkey


def remove(db: Tx, actor: Actor, passkey_id: UUID) -> None:
    """Take one of the actor's own passkeys out of use; every other session ends and the person is told.

    Needs a session and a step-up. Raises NotFound, Denied, StepUpNeeded, and Conflict ``passkey-last`` when neither
    an authenticator nor another passkey is left.
    """
    person = _oneself(db, actor)
    rules.require_step_up(actor)
    # two that are removed at once wait for each other, so that one stays
    db.execute(select(Person.id).where(Person.id == person.id).with_for_update(key_share=True))
    passkey = _own(db, person, passkey_id)
    if factors.in_use(db, person.id) is None and len(of_person(db, person.id)) == 1:
        raise Conflict("passkey-last")
    passkey.retired_at = ids.now()
    db.flush()
    _record(db, actor, "passkey:remove", person, passkey)
    news.tell(db, person, "account-passkey-removed")
    sessions.end_all(db, actor, person.id, because="passkey-removed", keep=actor.session_id)


def of_person(db: Tx, person_id: UUID) -> list[Passkey]:
    """A person's passkeys that are in use, oldest first."""
    query = select(Passkey).where(Passkey.person_id == person_id, Passkey.retired_at.is_(None))
    return list(db.scalars(query.order_by(Passkey.id), execution_options={"populate_existing": True}))


def retire_all(db: Tx, person_id: UUID) -> None:
    """Take all of a person's passkeys out of use. For `auth.means`."""
    db.execute(update(Passkey).where(Passkey.person_id == person_id, Passkey.retired_at.is_(None)).values(retired_at=ids.now()))


# --- proving who one is ------------------------------------------------------------------------------------------------


def ask(db: Tx, *, purpose: str, site: Site, person_id: UUID | None = None, session_id: UUID | None = None) -> dict[str, Any]:
    """What the browser is asked for to prove who is there (PublicKeyCredentialRequestOptionsJSON).

    Any passkey of this site will do, or where a person is named one of theirs. For `auth.signin`, `auth.stepup` and
    `auth.enrolments`.
    """
    challenge = challenges.issue(db, purpose, person_id=person_id, bound_to=session_id)
    return ceremonies.request(
        challenge=challenge, site=site, of=[_descriptor(one) for one in of_person(db, person_id)] if person_id is not None else []
    )


def prove(
    db: Tx, given: str, *, purpose: str, site: Site, network: str, person_id: UUID | None = None, session_id: UUID | None = None
) -> Passkey | None:
    """The passkey that answered the challenge of this purpose, person and session; None for whatever is wrong with it.

    What is wrong with a passkey we know is written into its person's log; one whose count went back may have been
    copied, and its person is told (§6.1.1, §7.2 step 22). For `auth.proofs`.
    """
    answer = ceremonies.read(given)
    if answer is None or not challenges.take(
        db, challenge := ceremonies.challenge_of(answer), purpose, person_id=person_id, bound_to=session_id
    ):
        return None
    query = select(Passkey).where(Passkey.credential_id == answer.raw_id, Passkey.retired_at.is_(None))
    if person_id is not None:
        query = query.where(Passkey.person_id == person_id)
    passkey = db.scalars(query.with_for_update(), execution_options={"populate_existing": True}).first()
    if passkey is None:
        return None
    found = ceremonies.verify(answer, challenge=challenge, public_key=passkey.public_key, site=site)
    because = _wrong(passkey, answer, found, named=person_id is not None)
    if found is None or because:
        person = db.get_one(Person, passkey.person_id)
        system = Actor.system(person.organisation_id)
        _record(db, system, "passkey:refuse", person, passkey, outcome="failure", because=because, purpose=purpose, network=network)
        if because == "count":
            news.tell(db, person, "account-passkey-count")
        return None
    passkey.sign_count, passkey.backed_up, passkey.last_used_at = found.new_sign_count, found.credential_backed_up, ids.now()
    db.flush()
    return passkey


def _wrong(passkey: Passkey, answer: AuthenticationCredential, found: VerifiedAuthentication | None, *, named: bool) -> str:
    """Why a passkey proves nothing, as a code; empty when it does. Where nobody is ``named`` the answer names its person (§7.2 step 6)."""
    handle = answer.response.user_handle
    if handle != passkey.person_id.bytes and not (handle is None and named):
        return "person"
    if found is None:
        return "signature"
    went_back = max(found.new_sign_count, passkey.sign_count) > 0 and found.new_sign_count <= passkey.sign_count
    return "count" if went_back else ""


# --- inside -----------------------------------------------------------------------------------------------------------


def _kept(db: Tx, person: Person, made: VerifiedRegistration, given: str, name: str) -> Passkey | None:
    """The row of a passkey that holds; None for a credential id that is somebody's already (§7.1 step 26)."""
    passkey = Passkey(
        id=ids.new(),
        person_id=person.id,
        credential_id=made.credential_id,
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        name=name,
        transports=ceremonies.transports(given),
        backed_up=made.credential_backed_up,
    )
    try:
        with db.begin_nested():
            db.add(passkey)
    except IntegrityError:
        return None
    return passkey


def _descriptor(passkey: Passkey) -> PublicKeyCredentialDescriptor:
    return PublicKeyCredentialDescriptor(
        id=passkey.credential_id, transports=[AuthenticatorTransport(transport) for transport in passkey.transports]
    )


def _oneself(db: Tx, actor: Actor) -> Person:
    if actor.person_id is None or actor.session_id is None:
        raise Denied("session-needed")
    rules.refuse_narrowed(actor)
    return db.get_one(Person, actor.person_id)


def _own(db: Tx, person: Person, passkey_id: UUID) -> Passkey:
    passkey = db.get(Passkey, passkey_id, populate_existing=True)
    if passkey is None or passkey.person_id != person.id or passkey.retired_at is not None:
        raise NotFound("passkey-not-found")
    return passkey


def _name(name: str) -> str:
    name = unicodedata.normalize("NFC", name).strip()
    if not name:
        raise Invalid("form-invalid", fields={"name": "field-required"})
    if len(name) > LONGEST_NAME:
        raise Invalid("form-invalid", fields={"name": "field-too-long"})
    return name


def _record(
    db: Tx, actor: Actor, action: str, person: Person, passkey: Passkey | None, *, outcome: str = "success", **detail: str | bool
) -> None:
    """An event about a passkey, which names it by its digests."""
    if passkey is not None:
        digests = {"credential_id": passkey.credential_id, "public_key": passkey.public_key}
        detail |= {f"{name}_sha256": hashlib.sha256(value).hexdigest() for name, value in digests.items()}
    audit.record(
        db, actor, action, organisation_id=person.organisation_id, person_id=person.id, object_type="passkey",
        object_id=passkey.id if passkey is not None else None, purpose="administration", outcome=outcome, detail=detail,
    )  # fmt: skip
