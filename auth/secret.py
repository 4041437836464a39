"""Bearer secrets: what a browser, a machine or a person holds, and the digest by which we know it again.

A secret is many random bits (256; one that is typed by hand, at least 80), so a plain SHA-256 finds its row and
tells a reader of the table nothing. One to be typed is written in Crockford's base 32, which has no letters
that look like figures, and read however it was typed.
"""

import hashlib
import secrets
import unicodedata

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ALIKE = str.maketrans("ILO", "110")
GROUP = 4


def mint(prefix: str = "") -> str:
    """A fresh secret in URL-safe text, with a prefix that says what it is."""
    return prefix + secrets.token_urlsafe(32)


def mint_typed(groups: int) -> str:
    """A fresh secret to be typed by hand, of so many groups of four signs (20 bits each)."""
    return "".join(secrets.choice(ALPHABET) for _ in range(groups * GROUP))


def grouped(typed: str) -> str:
    """A secret to be typed, as it is shown: in groups of four."""
    return "-".join(typed[at : at + GROUP] for at in range(0, len(typed), GROUP))


def plain_typed(given: str) -> str:
    """The one spelling of a secret that was typed: without spaces and hyphens, in capitals, ``O`` for nought and ``I`` for one forgiven."""
    return "".join(sign for sign in unicodedata.normalize("NFKC", given).upper() if sign.isalnum()).translate(_ALIKE)


def digest(secret: str) -> bytes:
    """The SHA-256 that is stored in place of the secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
