"""Bearer secrets: what a browser or a machine holds, and the digest by which we know it again.

A secret is 256 random bits, so a plain SHA-256 finds its row and tells a reader of the table nothing.
"""

import hashlib
import secrets


def mint(prefix: str = "") -> str:
    """A fresh secret in URL-safe text, with a prefix that says what it is."""
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """The SHA-256 that is stored in place of the secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
