"""The sealed format: how every clinical document, free text, file name and image byte lies on disk.

A sealed object is a 24-byte header {magic, suite, key id} followed by a C2SP chunked-encryption
message (c2sp.org/chunked-encryption, instantiation Cobblestone-256: HKDF-Expand-SHA-512 and
AES-256-GCM, 24-byte salt, 32-byte key commitment, 16 KiB chunks with a last one that is always
shorter). The context bound into the key derivation is the header and the place the object belongs
to, so that bytes moved to another row, organisation, purpose or version do not open.
``docs/formats.md`` is the byte-exact description, with test vectors.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hmac import compare_digest
from uuid import UUID

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from core.errors import Damaged

MAGIC = b"SHANHAI"
SUITE_AES = 1
"""HKDF-Expand-SHA-512 and AES-256-GCM. Suite 2 is kept for HKDF-SM3 and SM4-GCM."""

HEADER = len(MAGIC) + 1 + 16
SALT, COMMITMENT, TAG, CHUNK = 24, 32, 16, 16 * 1024
PREFIX = HEADER + SALT + COMMITMENT
MAX_CHUNKS = 1 << 38
_LABEL = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"


@dataclass(frozen=True, slots=True)
class Context:
    """The place an object belongs to: immutable ids only. It is not stored, both sides must know it."""

    purpose: str
    organisation_id: UUID
    table: str
    row_id: UUID
    version: int

    def encode(self) -> bytes:
        """Fixed-width fields first, then each text behind its length: two contexts never encode alike."""
        purpose, table = self.purpose.encode(), self.table.encode()
        return b"".join(
            (
                self.organisation_id.bytes,
                self.row_id.bytes,
                self.version.to_bytes(8, "big"),
                len(purpose).to_bytes(2, "big"),
                purpose,
                len(table).to_bytes(2, "big"),
                table,
            )
        )


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """A 32-byte secret and the id that headers name it by. It never shows itself in a log or traceback."""

    id: UUID
    secret: bytes

    def __post_init__(self) -> None:
        if len(self.secret) != 32:
            raise ValueError("a key has 32 bytes")

    def __repr__(self) -> str:
        return f"Key({self.id})"


def sealed_size(size: int) -> int:
    """The number of bytes that ``size`` bytes take when sealed."""
    return PREFIX + size + TAG * (size // CHUNK + 1)


def plain_size(size: int) -> int:
    """The number of bytes inside ``size`` sealed bytes, as claimed by the length alone.

    Raises Damaged for a length that no sealed object can have.
    """
    full, rest = divmod(size - PREFIX, CHUNK + TAG)
    if size < PREFIX or rest < TAG or full >= MAX_CHUNKS:
        raise Damaged("sealed-length")
    return full * CHUNK + rest - TAG


def key_id(sealed: bytes) -> UUID:
    """The id of the key that an object (or its first 24 bytes) names.

    Raises Damaged when it is no sealed object or of a suite unknown here.
    """
    if len(sealed) < HEADER or not sealed.startswith(MAGIC):
        raise Damaged("sealed-header")
    if sealed[len(MAGIC)] != SUITE_AES:
        raise Damaged("sealed-suite")
    return UUID(bytes=sealed[len(MAGIC) + 1 : HEADER])


def seal(key: Key, context: Context, plaintext: bytes) -> bytes:
    """One object, whole."""
    writer = Writer(key, context)
    return writer.update(plaintext) + writer.finish()


def unseal(key: Key, context: Context, sealed: bytes) -> bytes:
    """What ``seal`` was given. Raises Damaged unless key, context and every byte are what they were."""
    header = _check_header(key, sealed[:HEADER])
    plain_size(len(sealed))
    opener = Cobblestone256Decryptor(key.secret, header + context.encode())
    try:
        return opener.update(memoryview(sealed)[HEADER:]) + opener.finalize()
    except InvalidTag:
        raise Damaged("sealed-damaged") from None


class Writer:
    """Seals a stream: the joined results of every ``update`` and of ``finish`` are the object.

    Memory is bounded by what one ``update`` is given. Each writer draws its own salt.
    """

    def __init__(self, key: Key, context: Context) -> None:
        self._header = _header(key)
        self._sealer = Cobblestone256Encryptor(key.secret, self._header + context.encode())
        self._begun = False

    def update(self, data: bytes) -> bytes:
        """The sealed bytes that are ready once ``data`` is added."""
        body = self._sealer.update(data)
        if self._begun:
            return body
        self._begun = True
        return self._header + body

    def finish(self) -> bytes:
        """The last bytes. Without them the object is truncated and does not open."""
        return self.update(b"") + self._sealer.finalize()

    def stream(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The sealed form of a stream, ready for ``Store.put``."""
        for chunk in chunks:
            if sealed := self.update(chunk):
                yield sealed
        yield self.finish()


class Reader:
    """Random access: reads a range of the plaintext by fetching only the chunks it lies in.

    ``fetch(start, length)`` gives bytes of the sealed object, ``size`` is its sealed length as the
    store tells it. The commitment is checked before any chunk is opened. A store that lies about
    the length is found out: ``size`` opens the last chunk, and so does a read that reaches the end.
    """

    def __init__(self, key: Key, context: Context, fetch: Callable[[int, int], bytes], size: int) -> None:
        self._key, self._context, self._fetch = key, context, fetch
        self._claimed = plain_size(size)
        self._last = self._claimed // CHUNK
        self._cipher: AESGCM | None = None
        self._base = 0
        self._end_seen = False

    @property
    def size(self) -> int:
        """Bytes of plaintext, authenticated. Raises Damaged."""
        if not self._end_seen:
            self._open(self._last, self._last)
        return self._claimed

    def read(self, start: int, length: int) -> bytes:
        """``length`` bytes from ``start``, fewer at the end, none beyond it. Raises Damaged."""
        if start < 0 or length < 0:
            raise ValueError("a range has no negative start or length")
        end = min(start + length, self._claimed)
        if start + length >= self._claimed and not self._end_seen and (start >= end or end % CHUNK == 0):
            self._open(self._last, self._last)  # nothing asked of it, or an empty last chunk: nothing below would open it
        if start >= end:
            return b""
        first, last = start // CHUNK, (end - 1) // CHUNK
        plain = self._open(first, last)
        return bytes(plain[start - first * CHUNK : end - first * CHUNK])

    def stream(self, start: int = 0, length: int | None = None, step: int = 64 * CHUNK) -> Iterator[bytes]:
        """The same in pieces of at most ``step`` bytes that end on chunk borders."""
        end = self.size if length is None else min(start + length, self.size)
        while start < end:
            upto = min((start // step + 1) * step, end)
            yield self.read(start, upto - start)
            start = upto

    def _open(self, first: int, last: int) -> memoryview:
        """The plaintext of the chunks from ``first`` to ``last``, both included."""
        begin = PREFIX + first * (CHUNK + TAG)
        plain = min((last + 1) * CHUNK, self._claimed) - first * CHUNK
        amount = plain + (last - first + 1) * TAG
        if self._cipher is None:
            begin, prefix = (PREFIX, PREFIX) if first == 0 else (begin, 0)
            data = memoryview(self._exactly(begin - prefix, amount + prefix))
            self._cipher = self._derive(bytes(data[:PREFIX]) if prefix else self._exactly(0, PREFIX))
            data = data[prefix:]
        else:
            data = memoryview(self._exactly(begin, amount))
        result = memoryview(bytearray(plain))
        try:
            for index in range(first, last + 1):
                piece = data[(index - first) * (CHUNK + TAG) : (index - first + 1) * (CHUNK + TAG)]
                place = result[(index - first) * CHUNK : (index - first + 1) * CHUNK]
                self._cipher.decrypt_into((self._base ^ index).to_bytes(12, "big"), piece, None, place)
        except InvalidTag:
            raise Damaged("sealed-damaged") from None
        self._end_seen = self._end_seen or last == self._last
        return result

    def _exactly(self, start: int, length: int) -> bytes:
        data = self._fetch(start, length)
        if len(data) != length:
            raise Damaged("sealed-length")
        return data

    def _derive(self, prefix: bytes) -> AESGCM:
        header = _check_header(self._key, prefix[:HEADER])
        salt, commitment = prefix[HEADER : HEADER + SALT], prefix[HEADER + SALT :]
        info = _LABEL + salt + header + self._context.encode()
        derived = HKDFExpand(SHA512(), 32 + 12 + COMMITMENT, info).derive(self._key.secret)
        if not compare_digest(derived[44:], commitment):
            raise Damaged("sealed-damaged")
        self._base = int.from_bytes(derived[32:44], "big")
        return AESGCM(derived[:32])


def _header(key: Key) -> bytes:
    return MAGIC + bytes([SUITE_AES]) + key.id.bytes


def _check_header(key: Key, header: bytes) -> bytes:
    if key_id(header) != key.id:
        raise Damaged("sealed-key")
    return header
