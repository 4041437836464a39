"""Objects: sealed bytes kept by key, in a directory or in S3.

``put`` returns only when the object is durable under its name: bytes are stored before the row that
names them commits. A put that fails or is killed leaves no object under the name. Keys are random
ids and tell nothing about a patient.
"""

import contextlib
import errno
import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store as _Bucket

from core.errors import Damaged, Unavailable

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,127}(\.[a-z0-9]{1,16})?(/[a-z0-9][a-z0-9_-]{0,127}(\.[a-z0-9]{1,16})?){0,7}")
_LEFT_OVER_AFTER = 24 * 3600.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Store(Protocol):
    """Where objects are kept. Every method raises Unavailable when the store does not answer."""

    def put(self, key: str, chunks: Iterable[bytes]) -> int:
        """Keep an object and return its size in bytes; it is durable then. Replaces what had the name."""

    def read(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes from ``start``, fewer at the end. Raises Damaged when there is no such object."""

    def size(self, key: str) -> int:
        """Bytes of the object. Raises Damaged when there is none."""

    def delete(self, key: str) -> None:
        """Remove an object; removing what is not there is no error."""

    def keys(self, prefix: str = "") -> Iterator[str]:
        """The keys that begin with ``prefix``, in no order."""


class DirectoryStore:
    """Objects as files under one folder, for the embedded deployment.

    Written beside their place, flushed, renamed, and the folder flushed: after a power cut an object
    is whole or absent. What a killed process left in ``.incoming`` has no name; it is removed
    after a day.
    """

    def __init__(self, path: Path) -> None:
        self._root = path = path.absolute()
        self._incoming = path / ".incoming"
        with _reporting():
            self._flushed = {folder for folder in (path, *path.parents) if folder.is_dir()}
            self._make_folder(self._incoming)
            for left in self._incoming.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if time.time() - left.stat().st_mtime > _LEFT_OVER_AFTER:
                        left.unlink()

    def put(self, key: str, chunks: Iterable[bytes]) -> int:
        target = self._path(key)
        with _reporting():
            handle, temporary = self._temporary()
            try:
                with os.fdopen(handle, "wb", buffering=0) as file:
                    size = sum(_write_all(file.fileno(), chunk) for chunk in chunks)
                    os.fsync(file.fileno())
                self._make_folder(target.parent)
                temporary.rename(target)
                _sync_folder(target.parent)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        return size

    def read(self, key: str, start: int, length: int) -> bytes:
        with self._opened(key) as handle:
            pieces = []
            while length > 0 and (piece := os.pread(handle, length, start)):
                pieces.append(piece)
                start, length = start + len(piece), length - len(piece)
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def size(self, key: str) -> int:
        with self._opened(key) as handle:
            return os.fstat(handle).st_size

    def delete(self, key: str) -> None:
        target = self._path(key)
        with _reporting(), contextlib.suppress(FileNotFoundError):
            target.unlink()
            _sync_folder(target.parent)

    def keys(self, prefix: str = "") -> Iterator[str]:
        folder = self._root / prefix.rpartition("/")[0]
        for parent, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                key = (Path(parent) / name).relative_to(self._root).as_posix()
                if key.startswith(prefix):
                    yield key

    def _path(self, key: str) -> Path:
        return self._root / _checked(key)

    def _temporary(self) -> tuple[int, Path]:
        temporary = self._incoming / secrets.token_hex(16)
        return os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), temporary

    def _make_folder(self, folder: Path) -> None:
        """Make a folder, and flush every entry on the way to it that this process has not flushed.

        A folder that is there already may be another's who has not come to flush it.
        """
        unsure = []
        while folder not in self._flushed or not folder.is_dir():
            unsure.append(folder)
            folder = folder.parent
        for new in reversed(unsure):
            new.mkdir(mode=0o700, exist_ok=True)
            _sync_folder(new.parent)
            self._flushed.add(new)

    @contextlib.contextmanager
    def _opened(self, key: str) -> Iterator[int]:
        path = self._path(key)
        with _reporting():
            try:
                handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            except FileNotFoundError:
                raise Damaged("object-missing", key=key) from None
            try:
                yield handle
            finally:
                os.close(handle)


class S3Store:
    """Objects in an S3 bucket. Credentials and endpoint come from the usual AWS variables.

    Memory per put is bounded by a few parts of 8 MiB. After a put, the store's own checksum (the MD5
    in the entity tag) is compared with ours; where it shows none, the object is read back.
    """

    PART = 8 << 20

    def __init__(self, bucket: str, prefix: str = "", *, endpoint: str | None = None) -> None:
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        endpoint = endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        parts = urlsplit(endpoint or "https://")
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise Unavailable("store-endpoint-plain", cure="give AWS_ENDPOINT_URL an https address")
        options: ClientConfig = {"allow_http": parts.scheme == "http", "timeout": "120s", "connect_timeout": "10s"}
        config: S3Config = {"disable_bulk_delete": True}  # not every S3 has it, and one at a time is what is needed
        if endpoint:
            config["endpoint"] = endpoint
        self._bucket = _Bucket(bucket, config=config, client_options=options)

    def put(self, key: str, chunks: Iterable[bytes]) -> int:
        name, tally = self._name(key), _Tally()
        parts = _parts(chunks, self.PART)
        first = next(parts, b"")
        second = next(parts, None)
        with _reporting():
            if second is None:
                result = obstore.put(self._bucket, name, tally.add(first), use_multipart=False)
            else:
                joined = (tally.add(part) for part in _chain(first, second, parts))
                result = obstore.put(self._bucket, name, joined, use_multipart=True, chunk_size=self.PART, max_concurrency=2)
            try:
                if not self._kept(name, tally, result["e_tag"]):
                    raise Unavailable("store-checksum")
            except BaseException:
                with contextlib.suppress(Unavailable):
                    self.delete(key)
                raise
        return tally.size

    def read(self, key: str, start: int, length: int) -> bytes:
        if length <= 0:
            return b""
        with _reporting(key):
            size = None
            try:
                return bytes(obstore.get_range(self._bucket, self._name(key), start=start, length=length))
            except BaseError:
                size = self.size(key)
                if start + length <= size:
                    raise
            return b"" if start >= size else bytes(obstore.get_range(self._bucket, self._name(key), start=start, end=size))

    def size(self, key: str) -> int:
        with _reporting(key):
            return int(obstore.head(self._bucket, self._name(key))["size"])

    def delete(self, key: str) -> None:
        with _reporting(), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._bucket, self._name(key))

    def keys(self, prefix: str = "") -> Iterator[str]:
        with _reporting():
            folder = self._prefix + prefix.rpartition("/")[0]
            for page in obstore.list(self._bucket, prefix=folder or None):
                for entry in page:
                    if (key := entry["path"].removeprefix(self._prefix)).startswith(prefix):
                        yield key

    def _name(self, key: str) -> str:
        return self._prefix + _checked(key)

    def _kept(self, name: str, tally: "_Tally", tag: str | None) -> bool:
        """Whether the store holds what was sent, by its own checksum or by reading it back."""
        if int(obstore.head(self._bucket, name)["size"]) != tally.size:
            return False
        if (tag or "").strip('"') in tally.tags():
            return True
        seen = hashlib.sha256()
        for piece in obstore.get(self._bucket, name).stream(min_chunk_size=1 << 20):
            seen.update(piece)
        return seen.digest() == tally.sha256.digest()


class _Tally:
    """What was sent: size, SHA-256, and the entity tags S3 gives to it (MD5, or MD5 of the parts' MD5)."""

    def __init__(self) -> None:
        self.size, self.sha256, self._parts = 0, hashlib.sha256(), list[bytes]()

    def add(self, part: bytes) -> bytes:
        self.size += len(part)
        self.sha256.update(part)
        self._parts.append(hashlib.md5(part, usedforsecurity=False).digest())
        return part

    def tags(self) -> set[str]:
        whole = hashlib.md5(b"".join(self._parts), usedforsecurity=False).hexdigest()
        tags = {f"{whole}-{len(self._parts)}"}
        return tags | {self._parts[0].hex()} if len(self._parts) == 1 else tags


def open_store(url: str) -> Store:
    """The store a URL names: ``file:///folder``, a bare path, or ``s3://bucket/prefix``."""
    parts = urlsplit(url)
    if parts.scheme == "s3" and parts.netloc:
        return S3Store(parts.netloc, parts.path)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path:
        return DirectoryStore(Path(unquote(parts.path)))
    if parts.scheme == "" and url:
        return DirectoryStore(Path(url))
    raise Unavailable("store-url", cure="set SHANHAI_STORE_URL to file:///folder or s3://bucket/prefix")


def _checked(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError("an object key is made of lower-case letters, digits, - and _ between slashes")
    return key


def _parts(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in parts of exactly ``size``, the last one shorter or equal."""
    kept = bytearray()
    for chunk in chunks:
        kept += chunk
        while len(kept) >= size:
            yield bytes(kept[:size])
            del kept[:size]
    if kept:
        yield bytes(kept)


def _chain(first: bytes, second: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield second
    yield from rest


def _write_all(handle: int, chunk: bytes) -> int:
    view = memoryview(chunk)
    while view:
        view = view[os.write(handle, view) :]
    return len(chunk)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _reporting(key: str | None = None) -> Iterator[None]:
    """Turns what a file system or S3 says into the product's errors."""
    try:
        yield
    except FileNotFoundError:
        if key is None:
            raise Unavailable("store-unavailable") from None
        raise Damaged("object-missing", key=key) from None
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise Unavailable("store-full" if full else "store-unavailable") from error
    except BaseError as error:
        raise Unavailable("store-unavailable") from error
