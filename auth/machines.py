"""Machines: DICOM peers of a hospital, known by AE title and TLS certificate together.

An AE title is a name that anybody can say; the certificate is what only the machine can prove. A title belongs to
one live machine of the whole deployment, and so does a certificate: a device cannot choose its rights by choosing
its name. Of a certificate the SHA-256 of its DER form is kept and what a person needs to tell it by; a private key
is refused wherever it turns up. Titles follow PS3.5 §6.2 (VR AE).
"""

import datetime as dt
import re
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Self
from uuid import UUID

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from sqlalchemy import ForeignKey, Index, LargeBinary, String, select, text
from sqlalchemy.orm import Mapped, mapped_column

from auth import actors, news, people, rules
from auth.organisations import LONGEST_NAME
from core import audit, ids
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict, Invalid, NotFound
from core.tables import Base, IdColumn

TITLE = re.compile(r"[\x20-\x5b\x5d-\x7e]{1,16}")
"""The default repertoire (ISO 646) without the backslash and the control characters."""
MAY = ("store", "find")
"""What a machine may ask for: C-STORE, C-FIND."""
LONGEST_PEM = 32 << 10
RSA_BITS, CURVE_BITS = 2048, 256
EXPIRES_SOON = dt.timedelta(days=30)

_LIVE = "revoked_at IS NULL"


def _one_live(name: str, column: str) -> Index:
    return Index(name, column, unique=True, sqlite_where=text(_LIVE), postgresql_where=text(_LIVE))


class Machine(Base):
    """One peer. ``fingerprint`` is the SHA-256 of the certificate's DER; ``subject`` and ``issuer`` are for people to read."""

    __tablename__ = "machines"
    __table_args__ = (_one_live("uq_machines_title", "ae_title"), _one_live("uq_machines_fingerprint", "fingerprint"))

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    ae_title: Mapped[str] = mapped_column(String(16))
    name: Mapped[str]
    may: Mapped[list[str]]
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32))
    subject: Mapped[str]
    issuer: Mapped[str]
    not_before: Mapped[dt.datetime]
    not_after: Mapped[dt.datetime]
    registered_by: Mapped[UUID | None]
    registered_at: Mapped[dt.datetime] = mapped_column(default=ids.now)
    last_seen_at: Mapped[dt.datetime | None]
    revoked_at: Mapped[dt.datetime | None]
    expiry_told_at: Mapped[dt.datetime | None]


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is kept of a certificate."""

    fingerprint: bytes
    subject: str
    issuer: str
    not_before: dt.datetime
    not_after: dt.datetime

    @classmethod
    def of(cls, read: x509.Certificate) -> Self:
        """Raises ValueError for names that cannot be read."""
        fingerprint = sha256(read.public_bytes(Encoding.DER)).digest()
        return cls(fingerprint, _called(read.subject), _called(read.issuer), read.not_valid_before_utc, read.not_valid_after_utc)


def register(db: Tx, actor: Actor, *, ae_title: str, name: str, certificate: str, may: Collection[str]) -> Machine:
    """Let a machine of the actor's hospital in; ``certificate`` is PEM text (RFC 7468 §5).

    Needs ``machine:manage`` and a step-up. Raises Denied, StepUpNeeded and Invalid naming the fields; a private key
    is refused before anything else is asked (``certificate-private-key``).
    """
    rules.require_in_organisation(actor, "machine:manage")
    found = _read(certificate)
    rules.require_step_up(actor)
    wrong = {"certificate": found} if isinstance(found, str) else {}
    title = ae_title.strip(" ")
    if not TITLE.fullmatch(title):
        wrong["ae_title"] = "ae-title-invalid"
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        wrong["name"] = "text-missing" if not name.strip() else "text-too-long" if len(name) > LONGEST_NAME else "text-invalid"
    if not may or not set(may) <= set(MAY):
        wrong["may"] = "machine-may-nothing"
    if isinstance(found, str) or wrong:
        raise Invalid(fields=wrong)
    machine = Machine(
        id=ids.new(),
        organisation_id=actor.organisation_id,
        ae_title=title,
        name=name.strip(),
        may=[code for code in MAY if code in may],
        registered_by=actor.person_id,
    )
    _bind(db, machine, found)
    _record(db, actor, "machine:register", machine, sha256=machine.fingerprint.hex())
    return machine


def renew(db: Tx, actor: Actor, machine_id: UUID, *, certificate: str) -> Machine:
    """Give a machine its next certificate; the old one is good no longer. Rights and errors as ``register``, and NotFound, Conflict."""
    machine = _own(db, actor, machine_id)
    found = _read(certificate)
    rules.require_step_up(actor)
    if machine.revoked_at is not None:
        raise Conflict("machine-revoked")
    if isinstance(found, str):
        raise Invalid(fields={"certificate": found})
    before = machine.fingerprint
    _bind(db, machine, found)
    _record(db, actor, "machine:renew", machine, sha256=machine.fingerprint.hex(), before=before.hex())
    return machine


def revoke(db: Tx, actor: Actor, machine_id: UUID) -> Machine:
    """Shut a machine out at once and for good; its title and certificate are free again.

    Needs ``machine:manage`` in a session, without a step-up: it has to be quick. Raises Denied and NotFound.
    """
    machine = _own(db, actor, machine_id)
    rules.refuse_token(actor)
    if machine.revoked_at is None:
        machine.revoked_at = ids.now()
        db.flush()
        _record(db, actor, "machine:revoke", machine)
    return machine


def listed(db: Tx, actor: Actor) -> list[Machine]:
    """The machines of the actor's hospital, those in use first. Needs ``machine:manage``."""
    rules.require_in_organisation(actor, "machine:manage")
    query = select(Machine).where(Machine.organisation_id == actor.organisation_id)
    return sorted(db.scalars(query), key=lambda machine: (machine.revoked_at is not None, machine.ae_title, machine.id))


def recognise(db: Tx, ae_title: str, certificate_der: bytes) -> Machine | None:
    """The live machine with exactly this title and this certificate, while that is valid; None for any other, all alike.

    For the listener, which has made sure by TLS that the peer holds the certificate's key. Notes the time, at most
    once a minute.
    """
    now, fingerprint = ids.now(), sha256(certificate_der).digest()
    query = select(Machine).where(Machine.ae_title == ae_title.strip(" "), Machine.revoked_at.is_(None))
    machine = db.scalars(query.execution_options(populate_existing=True)).first()
    same = compare_digest(fingerprint, machine.fingerprint if machine is not None else bytes(32))
    if machine is None or not same or not machine.not_before <= now < machine.not_after:
        return None
    if actors.touch_is_due(machine.last_seen_at, now) and actors.may_write(db):
        machine.last_seen_at = now
    return machine


def remind(database: Database) -> int:
    """Tell the administrators of machines whose certificate ends within thirty days, once for each; how many it told of."""
    now = ids.now()
    with database.begin() as db:
        soon = select(Machine).where(Machine.revoked_at.is_(None), Machine.expiry_told_at.is_(None))
        soon = soon.where(Machine.not_after <= now + EXPIRES_SOON).with_for_update(skip_locked=True)
        found = list(db.scalars(soon))
        for machine in found:
            machine.expiry_told_at = now
            told = [person.id for person in people.members(db, machine.organisation_id, "administrator")]
            news.tell_all(db, machine.organisation_id, told, "machine-expires")
    return len(found)


def _read(pem: str) -> Certificate | str:
    """The one certificate in a PEM text, or the code of what is wrong with it. Raises Invalid at once for a private key."""
    if re.search(r"PRIVATE[ -]KEY", pem, re.IGNORECASE):
        raise Invalid(fields={"certificate": "certificate-private-key"})
    if len(pem) > LONGEST_PEM:
        return "certificate-unreadable"
    try:
        found = x509.load_pem_x509_certificates(pem.encode())
        if len(found) != 1:
            return "certificate-one-only"
        read, strong = Certificate.of(found[0]), _is_strong(found[0].public_key())
    except (ValueError, UnsupportedAlgorithm):
        return "certificate-unreadable"
    if read.not_after <= ids.now():
        return "certificate-expired"
    return read if strong else "certificate-weak"


def _is_strong(key: object) -> bool:
    """BCP 195 (RFC 9325 §4.5), as PS3.15 B.12 asks: RSA of 2048 bits, curves of 256 or an Edwards curve."""
    if isinstance(key, RSAPublicKey):
        return key.key_size >= RSA_BITS
    if isinstance(key, EllipticCurvePublicKey):
        return key.key_size >= CURVE_BITS
    return isinstance(key, Ed25519PublicKey | Ed448PublicKey)


def _called(name: x509.Name) -> str:
    """A name for people: its common name, else the whole (RFC 4514), cut short."""
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    called = str(common[0].value if common else name.rfc4514_string())
    return "".join(sign if sign.isprintable() else "?" for sign in called)[:LONGEST_NAME]


def _bind(db: Tx, machine: Machine, found: Certificate) -> None:
    """Write the machine with its certificate. Raises Invalid when a live machine, of whichever hospital, has the title or the certificate."""
    others = select(Machine.id).where(Machine.revoked_at.is_(None), Machine.id != machine.id)
    if db.scalar(others.where(Machine.ae_title == machine.ae_title)):
        raise Invalid(fields={"ae_title": "ae-title-taken"})
    if db.scalar(others.where(Machine.fingerprint == found.fingerprint)):
        raise Invalid(fields={"certificate": "certificate-taken"})
    machine.fingerprint, machine.subject, machine.issuer = found.fingerprint, found.subject, found.issuer
    machine.not_before, machine.not_after, machine.expiry_told_at = found.not_before, found.not_after, None
    db.add(machine)
    db.flush()


def _own(db: Tx, actor: Actor, machine_id: UUID) -> Machine:
    rules.require_in_organisation(actor, "machine:manage")
    machine = db.get(Machine, machine_id)
    if machine is None or machine.organisation_id != actor.organisation_id:
        raise NotFound("machine-not-found")
    return machine


def _record(db: Tx, actor: Actor, action: str, machine: Machine, **detail: str) -> None:
    audit.record(
        db,
        actor,
        action,
        organisation_id=machine.organisation_id,
        object_type="machine",
        object_id=machine.id,
        purpose="administration",
        detail=detail,
    )
