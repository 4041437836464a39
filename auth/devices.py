"""Ward devices: a telephone or computer of the hospital on which its people unlock quickly (`auth.unlocks`).

A device is registered on itself, by an administrator: it keeps a secret in a cookie, by which it is known, and a
passkey that cannot leave it, by which it proves that it is there (W3C WebAuthn Level 3; backup eligibility §6.1.3 off).
Neither lets anybody in without a person's own PIN. Taking a device back ends what was begun on it at once.
"""

import datetime as dt
import unicodedata
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, select
from sqlalchemy.orm import Mapped, mapped_column
from webauthn.helpers.structs import PublicKeyCredentialDescriptor

from auth import ceremonies, challenges, rules, secret, sessions
from auth.ceremonies import Site
from auth.organisations import Organisation
from auth.people import Person
from auth.proofs import Refused
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Denied, Invalid, NotFound
from core.tables import Base, IdColumn

LONGEST_NAME = 60


class Device(Base):
    """One ward device. ``digest`` is of the secret in its cookie; ``public_key`` a COSE_Key, ``sign_count`` the last one told."""

    __tablename__ = "devices"

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id), index=True)
    name: Mapped[str]
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary(ceremonies.LONGEST_ID), unique=True)
    public_key: Mapped[bytes]
    sign_count: Mapped[int] = mapped_column(BigInteger)
    registered_by: Mapped[UUID] = mapped_column(ForeignKey(Person.id))
    registered_at: Mapped[dt.datetime] = mapped_column(default=ids.now)
    last_used_at: Mapped[dt.datetime | None]
    revoked_at: Mapped[dt.datetime | None]


def begin(db: Tx, actor: Actor, *, site: Site) -> dict[str, Any]:
    """What this browser is asked for to become a device of the actor's hospital (PublicKeyCredentialCreationOptionsJSON).

    Needs ``device:manage``, a session and a step-up. Raises Denied and StepUpNeeded.
    """
    hospital = _managing(db, actor)
    return ceremonies.creation(
        challenge=challenges.issue(db, "device", person_id=actor.person_id, bound_to=actor.session_id),
        site=site,
        user_id=ids.new().bytes,
        name=hospital.name_en or hospital.name,
        on_this_device=True,
    )


def register(db: Tx, actor: Actor, given: str, *, name: str, site: Site) -> tuple[Device, str] | Refused:
    """Make the browser that answers a device of the actor's hospital; gives the row and the secret for its cookie.

    Refused ``device-key-refused`` for an answer that does not hold and ``device-key-travels`` for a passkey that may be
    copied to another device. Needs ``device:manage``, a session and a step-up. Raises Denied, StepUpNeeded, and Invalid for the name.
    """
    _managing(db, actor)
    name = unicodedata.normalize("NFC", name).strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise Invalid("form-invalid", fields={"name": "field-required" if not name else "field-too-long"})
    made = ceremonies.registration(
        db, given, purpose="device", person_id=actor.person_id, bound_to=actor.session_id, site=site, verified=False
    )
    travels = made is not None and ceremonies.travels(made)
    if made is None or travels or db.scalar(select(Device.id).where(Device.credential_id == made.credential_id)):
        _record(db, actor, "device:register", None, outcome="failure")
        return Refused("device-key-travels" if travels else "device-key-refused")
    plain = secret.mint()
    device = Device(
        id=ids.new(),
        organisation_id=actor.organisation_id,
        name=name,
        digest=secret.digest(plain),
        credential_id=made.credential_id,
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        registered_by=actor.person_id,
    )
    db.add(device)
    db.flush()
    _record(db, actor, "device:register", device)
    return device, plain


def known(db: Tx, cookie: str | None) -> Device | None:
    """The device that holds this cookie; None when there is none or it was taken back."""
    if not cookie:
        return None
    query = select(Device).where(Device.digest == secret.digest(cookie), Device.revoked_at.is_(None))
    return db.scalars(query, execution_options={"populate_existing": True}).first()


def listed(db: Tx, actor: Actor) -> list[Device]:
    """The devices of the actor's hospital, the newest first, those taken back last. Needs ``device:manage``. Raises Denied."""
    rules.require_in_organisation(actor, "device:manage")
    query = select(Device).where(Device.organisation_id == actor.organisation_id)
    return list(db.scalars(query.order_by(Device.revoked_at.is_not(None), Device.id.desc())))


def revoke(db: Tx, actor: Actor, device_id: UUID) -> Device:
    """Take a device back: every session begun on it ends, and nobody unlocks on it again.

    Needs ``device:manage`` in a session, without a step-up: it has to be quick. Raises Denied and NotFound.
    """
    rules.require_in_organisation(actor, "device:manage")
    rules.refuse_narrowed(actor)
    device = db.get(Device, device_id)
    if device is None or device.organisation_id != actor.organisation_id:
        raise NotFound("device-not-found")
    if device.revoked_at is None:
        device.revoked_at = ids.now()
        db.flush()
        sessions.end_on_device(db, device.id)
        _record(db, actor, "device:revoke", device)
    return device


def ask(db: Tx, device: Device, *, site: Site) -> dict[str, Any]:
    """What the browser is asked for to prove that it is this device (PublicKeyCredentialRequestOptionsJSON)."""
    challenge = challenges.issue(db, "unlock", bound_to=device.id)
    return ceremonies.request(challenge=challenge, site=site, of=[PublicKeyCredentialDescriptor(id=device.credential_id)], verified=False)


def proves(db: Tx, device: Device, given: str, *, site: Site) -> bool:
    """Whether the device's own passkey answered a challenge issued to it; its count may not go back (§7.2 step 22)."""
    answer = ceremonies.read(given)
    if answer is None or answer.raw_id != device.credential_id:
        return False
    challenge = ceremonies.challenge_of(answer)
    if not challenges.take(db, challenge, "unlock", bound_to=device.id):
        return False
    found = ceremonies.verify(answer, challenge=challenge, public_key=device.public_key, site=site, verified=False)
    if found is None or (max(found.new_sign_count, device.sign_count) > 0 and found.new_sign_count <= device.sign_count):
        return False
    device.sign_count, device.last_used_at = found.new_sign_count, ids.now()
    db.flush()
    return True


def _managing(db: Tx, actor: Actor) -> Organisation:
    rules.require_in_organisation(actor, "device:manage")
    rules.require_step_up(actor)
    if actor.person_id is None or actor.session_id is None:
        raise Denied("session-needed")
    return db.get_one(Organisation, actor.organisation_id)


def _record(db: Tx, actor: Actor, action: str, device: Device | None, *, outcome: str = "success") -> None:
    audit.record(
        db, actor, action, organisation_id=actor.organisation_id, object_type="device", object_id=device.id if device else None,
        purpose="administration", outcome=outcome,
    )  # fmt: skip
