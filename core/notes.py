"""Signed notes and log checkpoints (c2sp.org/signed-note, c2sp.org/tlog-checkpoint), Ed25519 only.

A checkpoint is the head of a log at one size, as a text that anybody with the verifier key can check
off-line with existing tools.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from core.errors import Damaged

_ED25519 = b"\x01"
_MAX_SIZE = 1 << 63


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's head: its name, the number of leaves, and the root over them."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The note text, three lines."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


def key_id(name: str, public_key: bytes) -> bytes:
    """The four bytes that name a key beside its name."""
    return sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:4]


def verifier_key(name: str, public_key: bytes) -> str:
    """The key as existing tools take it: ``name+id+key``."""
    return f"{name}+{key_id(name, public_key).hex()}+{b64encode(_ED25519 + public_key).decode()}"


def public_key(verifier: str) -> tuple[str, bytes]:
    """Name and 32 key bytes of a verifier key. Raises Damaged."""
    try:
        name, identity, encoded = verifier.split("+", 2)
        material = _decoded(encoded)
        named = key_id(name, material[1:]).hex()
    except ValueError:
        raise Damaged("verifier-key") from None
    if len(material) != 33 or material[:1] != _ED25519 or named != identity:
        raise Damaged("verifier-key")
    return name, material[1:]


def sign(text: str, name: str, public: bytes, signer: Callable[[bytes], bytes]) -> str:
    """A note: the text, an empty line and one signature line."""
    if not text.endswith("\n") or any(ord(character) < 32 and character != "\n" for character in text):
        raise ValueError("a note's text ends with a newline and has no other control character")
    signature = b64encode(key_id(name, public) + signer(text.encode())).decode()
    return f"{text}\n\N{EM DASH} {name} {signature}\n"


def opened(note: str, name: str, public: bytes) -> str:
    """The text of a note that this key has signed. Raises Damaged for any other."""
    text, gap, signatures = note.rpartition("\n\n")
    if not gap or not signatures.endswith("\n"):
        raise Damaged("note-form")
    text += "\n"
    for line in signatures.splitlines():
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "\N{EM DASH}":
            raise Damaged("note-form")
        try:
            signature = _decoded(parts[2])
        except ValueError:
            raise Damaged("note-form") from None
        if parts[1] == name and signature[:4] == key_id(name, public):
            try:
                Ed25519PublicKey.from_public_bytes(public).verify(signature[4:], text.encode())
            except UnicodeEncodeError:
                raise Damaged("note-form") from None
            except InvalidSignature:
                raise Damaged("note-signature") from None
            return text
    raise Damaged("note-signature")


def checkpoint(note: str, name: str, public: bytes) -> Checkpoint:
    """The checkpoint in a note that this key has signed. Raises Damaged."""
    return parse_checkpoint(opened(note, name, public))


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint a note's text holds; says nothing about its signature. Raises Damaged."""
    lines = text.split("\n")
    if len(lines) < 4 or not all(lines[:3]) or lines[-1]:
        raise Damaged("checkpoint-form")
    origin, size, root = lines[:3]
    try:
        decoded, leaves = _decoded(root), int(size)
    except ValueError:
        raise Damaged("checkpoint-form") from None
    if len(decoded) != 32 or str(leaves) != size or not 0 <= leaves < _MAX_SIZE:
        raise Damaged("checkpoint-form")
    return Checkpoint(origin, leaves, decoded)


def _decoded(encoded: str) -> bytes:
    """Base64 in its one proper spelling (RFC 4648 §3.5). Raises ValueError."""
    decoded = b64decode(encoded, validate=True)
    if b64encode(decoded).decode() != encoded:
        raise ValueError("bits left over")
    return decoded
