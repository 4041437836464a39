"""Keys: a root key outside the database wraps each organisation's keys, those wrap everything below.

    root key (provider)
    └── organisation key            only wraps
        ├── records key             the organisation's own records, its blind indexes, its key for push services
        ├── inbox key               wraps the keys of studies that no case owns yet
        ├── signing key, log key    Ed25519: opinions and letters; audit checkpoints
        ├── patient keys
        ├── directory keys          one per shard of what patients are searched by
        └── case keys
            └── study keys

Cases, patients, studies and shards of the directory are the units of crypto-shredding: destroying a unit's wrapped key makes
all that was sealed under it unreadable, wherever copies of the ciphertext lie. A wrapped key is
itself a sealed object (``core.sealed``) whose context names the kind, the unit, the organisation and
the key, so that a wrapping moved to another row does not open. No plain key is ever stored or kept
beyond the transaction that unwrapped it.
"""

import contextlib
import datetime as dt
import os
import stat
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hmac import digest
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import unquote, urlsplit
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from sqlalchemy import UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from core import ids, sealed
from core.errors import Conflict, Damaged, NotFound, Unavailable
from core.sealed import Context, Key
from core.tables import Base, Code, IdColumn

UnitKind = Literal["organisation", "case", "patient", "directory", "study"]
SigningUse = Literal["signing", "log"]
_OWN_KINDS = ("records", "inbox", "signing", "log")
_AT_ONCE = 5000  # SQLite takes 32,766 parameters in one statement, PostgreSQL 65,535
_LABEL_INDEX = b"shanhai/blind-index@v1\x00"
_LABEL_PUSH = b"shanhai/push@v1\x00"
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True, slots=True)
class Unit:
    """What a key is for, and what is destroyed with it. An organisation's ``id`` is its own id."""

    kind: UnitKind
    organisation_id: UUID
    id: UUID


class WrappedKey(Base):
    """One key, sealed by the key above it. A destroyed key keeps its row, without the bytes."""

    __tablename__ = "wrapped_keys"
    __table_args__ = (UniqueConstraint("kind", "unit_id", "generation"),)

    id: Mapped[IdColumn]
    kind: Mapped[Code]
    organisation_id: Mapped[UUID] = mapped_column(index=True)
    unit_id: Mapped[UUID]
    generation: Mapped[int] = mapped_column(default=1)
    parent_id: Mapped[UUID | None] = mapped_column(index=True)
    wrapped: Mapped[bytes | None]
    created_at: Mapped[dt.datetime] = mapped_column(default=ids.now)
    destroyed_at: Mapped[dt.datetime | None]

    def context(self) -> Context:
        """Where this key belongs: what its wrapping is bound to."""
        return Context(f"wrap:{self.kind}:{self.unit_id}", self.organisation_id, "wrapped_keys", self.id, self.generation)


class Provider(Protocol):
    """Whoever holds the root key. It wraps and unwraps; the root key need never leave it."""

    def wrap(self, context: Context, secret: bytes) -> bytes:
        """``secret`` sealed under the root key in force."""

    def unwrap(self, context: Context, wrapped: bytes) -> bytes:
        """The secret again. Raises Damaged, or Unavailable when the provider does not answer."""


class Keyring:
    """Makes, finds, uses and destroys keys. Every method takes the transaction it works in."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def __repr__(self) -> str:
        return "Keyring()"

    # -- making and destroying ------------------------------------------------------------------

    def create_organisation(self, db: Session, organisation_id: UUID) -> None:
        """The keys a new organisation starts with. Raises Conflict if it has some."""
        top = self._make(db, "organisation", organisation_id, organisation_id, parent=None)
        for kind in _OWN_KINDS:
            self._make(db, kind, organisation_id, organisation_id, parent=top)

    def create(self, db: Session, unit: Unit) -> None:
        """The key of a new case, patient or shard of the directory; a study has ``create_study``. Raises Conflict if it has one."""
        if unit.kind not in ("case", "patient", "directory"):
            raise ValueError(f"no key of kind {unit.kind} is made this way")
        parent = self._find(db, "organisation", unit.organisation_id, unit.organisation_id)
        self._make(db, unit.kind, unit.organisation_id, unit.id, parent=parent)

    def create_study(self, db: Session, organisation_id: UUID, study_id: UUID, case_id: UUID | None) -> None:
        """The key of a new study, under its case or, while no case owns it, under the inbox key."""
        kind, unit_id = ("case", case_id) if case_id else ("inbox", organisation_id)
        self._make(db, "study", organisation_id, study_id, parent=self._find(db, kind, organisation_id, unit_id))

    def file_study(self, db: Session, organisation_id: UUID, study_id: UUID, case_id: UUID) -> None:
        """Wrap a study's key by its case's and overwrite the inbox wrapping.

        Raises Conflict when the study is filed already.
        """
        row = self._find(db, "study", organisation_id, study_id, lock=True)
        inbox = self._find(db, "inbox", organisation_id, organisation_id)
        if row.parent_id != inbox.id:
            raise Conflict("study-filed-already")
        secret = self._secret(db, row).secret
        case = self._find(db, "case", organisation_id, case_id)
        row.parent_id, row.wrapped = case.id, self._wrap(db, row, case, secret)
        db.flush()

    def destroy(self, db: Session, unit: Unit) -> None:
        """Destroy a unit's key and every key below it. What was sealed under them is gone for good.

        Destroying twice is no error. An organisation goes with all its keys.
        """
        query = select(WrappedKey).where(WrappedKey.organisation_id == unit.organisation_id)
        if unit.kind != "organisation":
            query = query.where(WrappedKey.kind == unit.kind, WrappedKey.unit_id == unit.id)
        rows = list(db.scalars(query.with_for_update()))
        if not rows:
            raise NotFound("key-not-found")
        below = select(WrappedKey).where(WrappedKey.parent_id.in_([row.id for row in rows])).with_for_update()
        for row in [*rows, *db.scalars(below)]:
            row.wrapped, row.destroyed_at = None, row.destroyed_at or ids.now()
            _unwrapped(db).pop(row.id, None)
        db.flush()

    # -- using ----------------------------------------------------------------------------------

    def seal(self, db: Session, unit: Unit, purpose: str, table: str, row_id: UUID, version: int, data: bytes) -> bytes:
        """Seal ``data`` for one column of one version of one row. Raises NotFound without a key."""
        return sealed.seal(self._key(db, unit), Context(purpose, unit.organisation_id, table, row_id, version), data)

    def unseal(self, db: Session, unit: Unit, purpose: str, table: str, row_id: UUID, version: int, sealed_data: bytes) -> bytes:
        """Undo ``seal``; raises Damaged if anything differs, NotFound when the key is destroyed."""
        context = Context(purpose, unit.organisation_id, table, row_id, version)
        return sealed.unseal(self._key(db, unit, sealed.key_id(sealed_data)), context, sealed_data)

    def writer(self, db: Session, unit: Unit, purpose: str, table: str, row_id: UUID, version: int) -> sealed.Writer:
        """A stream sealer for an object; it outlives the transaction."""
        return sealed.Writer(self._key(db, unit), Context(purpose, unit.organisation_id, table, row_id, version))

    def reader(
        self, db: Session, unit: Unit, purpose: str, table: str, row_id: UUID, version: int, fetch: Callable[[int, int], bytes], size: int
    ) -> sealed.Reader:
        """Random access to a sealed object of ``size`` stored bytes; it outlives the transaction."""
        context = Context(purpose, unit.organisation_id, table, row_id, version)
        return sealed.Reader(self._key(db, unit), context, fetch, size)

    def blind_index(self, db: Session, organisation_id: UUID, purpose: str, value: str) -> bytes:
        """32 bytes that are equal for equal values: HMAC-SHA-256 under a key of organisation and purpose.

        The caller brings ``value`` into its normal form first.
        """
        records = self._key(db, Unit("organisation", organisation_id, organisation_id)).secret
        index_key = HKDFExpand(SHA512(), 32, _LABEL_INDEX + purpose.encode()).derive(records)
        return digest(index_key, value.encode(), "sha256")

    def sign(self, db: Session, organisation_id: UUID, message: bytes, *, use: SigningUse = "signing") -> bytes:
        """An Ed25519 signature (64 bytes) by the organisation; ``use`` log is for audit checkpoints alone."""
        return self._signer(db, organisation_id, use).sign(message)

    def public_key(self, db: Session, organisation_id: UUID, *, use: SigningUse = "signing") -> bytes:
        """The 32 bytes that verify ``sign`` (RFC 8032)."""
        return self._signer(db, organisation_id, use).public_key().public_bytes_raw()

    def push_key(self, db: Session, organisation_id: UUID) -> EllipticCurvePrivateKey:
        """The P-256 key by which push services know the organisation (RFC 8292).

        Derived from its records key, with 128 bits more than the curve has (FIPS 186-5, A.2.1): it goes when that goes.
        """
        records = self._key(db, Unit("organisation", organisation_id, organisation_id)).secret
        told = int.from_bytes(HKDFExpand(SHA512(), 48, _LABEL_PUSH).derive(records))
        return derive_private_key(told % (_P256_ORDER - 1) + 1, SECP256R1())

    def count(self, db: Session, organisation_id: UUID) -> dict[str, int]:
        """How many keys of each kind an organisation has, destroyed ones apart."""
        query = select(WrappedKey.kind, func.count()).where(WrappedKey.organisation_id == organisation_id, WrappedKey.wrapped.is_not(None))
        return dict(db.execute(query.group_by(WrappedKey.kind).order_by(WrappedKey.kind)).all())

    def load(self, db: Session, units: Iterable[Unit]) -> None:
        """Fetch the keys of many cases, patients or studies at once, so that reading a list asks for them in one query."""
        wanted: dict[str, list[UUID]] = {}
        for unit in units:
            wanted.setdefault(unit.kind, []).append(unit.id)
        known = _rows(db)
        for kind, unit_ids in wanted.items():
            for at in range(0, len(unit_ids), _AT_ONCE):
                query = select(WrappedKey).where(WrappedKey.kind == kind, WrappedKey.unit_id.in_(unit_ids[at : at + _AT_ONCE]))
                for row in db.scalars(query.order_by(WrappedKey.generation)):
                    known[kind, row.unit_id, row.id] = known[kind, row.unit_id, None] = row

    # -- inside ---------------------------------------------------------------------------------

    def _signer(self, db: Session, organisation_id: UUID, use: SigningUse) -> Ed25519PrivateKey:
        row = self._find(db, use, organisation_id, organisation_id)
        return Ed25519PrivateKey.from_private_bytes(self._secret(db, row).secret)

    def _key(self, db: Session, unit: Unit, named: UUID | None = None) -> Key:
        """The unit's newest key, or the one a header names if it is the unit's."""
        kind = "records" if unit.kind == "organisation" else unit.kind
        row = self._find(db, kind, unit.organisation_id, unit.id, named=named)
        return self._secret(db, row)

    def _find(
        self, db: Session, kind: str, organisation_id: UUID, unit_id: UUID, *, named: UUID | None = None, lock: bool = False
    ) -> WrappedKey:
        known = _rows(db)
        row = known.get((kind, unit_id, named))
        if row is None or row not in db or lock:
            query = select(WrappedKey).where(WrappedKey.kind == kind, WrappedKey.unit_id == unit_id)
            if named:
                query = query.where(WrappedKey.id == named)
            query = query.order_by(WrappedKey.generation.desc()).limit(1)
            row = db.scalar(query.with_for_update().execution_options(populate_existing=True) if lock else query)
        if row is None or row.organisation_id != organisation_id:
            if named:
                raise Damaged("sealed-key")
            raise NotFound("key-not-found")
        if row.wrapped is None:
            raise NotFound("key-destroyed")
        known[kind, unit_id, named] = row
        return row

    def _make(self, db: Session, kind: str, organisation_id: UUID, unit_id: UUID, *, parent: WrappedKey | None) -> WrappedKey:
        if db.scalar(select(WrappedKey.id).where(WrappedKey.kind == kind, WrappedKey.unit_id == unit_id)):
            raise Conflict("key-exists-already")
        row = WrappedKey(id=ids.new(), kind=kind, organisation_id=organisation_id, unit_id=unit_id, generation=1)
        row.parent_id = parent.id if parent else None
        row.wrapped = self._wrap(db, row, parent, os.urandom(32))
        db.add(row)
        db.flush()
        _rows(db)[kind, unit_id, None] = row  # held, so that rolling back a savepoint takes it out of the session
        return row

    def _wrap(self, db: Session, row: WrappedKey, parent: WrappedKey | None, secret: bytes) -> bytes:
        if parent is None:
            return self._provider.wrap(row.context(), secret)
        return sealed.seal(self._secret(db, parent), row.context(), secret)

    def _secret(self, db: Session, row: WrappedKey) -> Key:
        """Unwrap a key, and first those above it, once per transaction."""
        kept = _unwrapped(db)
        if row.id in kept:
            return kept[row.id]
        if row.wrapped is None:
            raise NotFound("key-destroyed")
        if row.parent_id is None:
            secret = self._provider.unwrap(row.context(), row.wrapped)
        else:
            above = kept.get(row.parent_id)
            if above is None:
                parent = db.get(WrappedKey, row.parent_id)
                if parent is None:
                    raise Damaged("key-parent-missing")
                above = self._secret(db, parent)
            secret = sealed.unseal(above, row.context(), row.wrapped)
        kept[row.id] = Key(row.id, secret)
        return kept[row.id]


def verifies(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether an Ed25519 signature by ``Keyring.sign`` holds (RFC 8032); needs no key but the public one."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _unwrapped(db: Session) -> dict[UUID, Key]:
    kept: dict[UUID, Key] = db.info.setdefault("keyring.unwrapped", {})
    return kept


def _rows(db: Session) -> dict[tuple[str, UUID, UUID | None], WrappedKey]:
    rows: dict[tuple[str, UUID, UUID | None], WrappedKey] = db.info.setdefault("keyring.rows", {})
    return rows


# -- providers --------------------------------------------------------------------------------------

_FILE_WORD = "shanhai-root-key-1"


class FileProvider:
    """The root key in a file that only its owner may read.

    Each line is ``shanhai-root-key-1 <key id> <base64 of 32 bytes>``; the last one wraps, the others
    still unwrap. With ``create`` a missing file is made, durably and whole or not at all; of several
    that start at once one makes it. Raises Unavailable, with the cure,
    when the file is missing, unreadable or open to others.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        if create and not path.exists():
            _create_root_key(path)
        self._keys = _read_root_keys(path)
        self._current = self._keys[next(reversed(self._keys))]

    def __repr__(self) -> str:
        return "FileProvider()"

    def wrap(self, context: Context, secret: bytes) -> bytes:
        """Sealed under the newest root key."""
        return sealed.seal(self._current, context, secret)

    def unwrap(self, context: Context, wrapped: bytes) -> bytes:
        """Unsealed by the root key that the header names."""
        key = self._keys.get(sealed.key_id(wrapped))
        if key is None:
            raise Unavailable("root-key-unknown", cure="restore the root key file that belongs to this database")
        return sealed.unseal(key, context, wrapped)


def open_provider(url: str, *, create: bool = False) -> Provider:
    """The provider a URL names: ``file:///path/of/root.key``."""
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not parts.path:
        raise Unavailable("keyring-url", cure="set SHANHAI_KEYRING_URL to file:///path/of/root.key")
    return FileProvider(Path(unquote(parts.path)), create=create)


def _create_root_key(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = f"{_FILE_WORD} {ids.new()} {b64encode(os.urandom(32)).decode()}\n"
    temporary = path.with_name(f".{path.name}.{ids.new().hex}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another was first: its key is the one
            os.link(temporary, path)
    finally:
        temporary.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read_root_keys(path: Path) -> dict[UUID, Key]:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        cure = f"put the root key file back, or run: shanhai keys init (it is {(error.strerror or 'unreadable').lower()})"
        raise Unavailable("root-key-missing", path=str(path), cure=cure) from None
    with os.fdopen(handle, encoding="ascii") as file:
        _refuse_loose(path, os.fstat(file.fileno()), 0o600)
        _refuse_loose(path.parent, path.parent.stat(), 0o700)
        try:
            lines = [line.split() for line in file.read().splitlines() if line.strip()]
            keys = [Key(UUID(name), b64decode(secret, validate=True)) for word, name, secret in lines if word == _FILE_WORD]
        except ValueError:
            keys, lines = [], []
    if not keys or len(keys) != len(lines):
        raise Unavailable("root-key-unreadable", path=str(path), cure="restore the root key file from its backup")
    return {key.id: key for key in keys}


def _refuse_loose(path: Path, status: os.stat_result, mode: int) -> None:
    if stat.S_IMODE(status.st_mode) & ~mode or status.st_uid != os.geteuid():
        cure = f"chown {os.geteuid()} '{path}' && chmod {mode:o} '{path}'"
        raise Unavailable("root-key-open-to-others", path=str(path), mode=f"{stat.S_IMODE(status.st_mode):o}", cure=cure)
