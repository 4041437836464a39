"""Web push: a message for one browser, sealed for it, and the signature by which its push service knows the sender.

``encrypt`` is RFC 8291 (one ``aes128gcm`` record of RFC 8188), ``authorization`` is RFC 8292. Both are thirty lines over
`cryptography` and `joserfc`: the packages that do the same come as source alone, or with an HTTP client that knows no
`auth.outward`. The message in RFC 8291, section 5, is a test.
"""

import datetime as dt
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey

LARGEST = 3_900
"""Bytes of a message: a push service has to take a body of 4,096 (RFC 8030, section 7.2), header and seal included."""
RECORD = 4_096
LIFE = dt.timedelta(hours=12)
"""A signature is good for that long; push services refuse more than a day (RFC 8292, section 2)."""


def encrypt(
    message: bytes, *, p256dh: bytes, secret: bytes, salt: bytes | None = None, own: EllipticCurvePrivateKey | None = None
) -> bytes:
    """The body for a subscription with this public key (65 bytes) and secret (16 bytes), as Content-Encoding ``aes128gcm``.

    ``salt`` and ``own`` are fresh each time but in tests. Raises ValueError for a key that is none, or a message too long.
    """
    if len(message) > LARGEST:
        raise ValueError("message too long")
    salt, own = salt or os.urandom(16), own or generate_private_key(SECP256R1())
    theirs, mine = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), p256dh), point(own)
    shared = own.exchange(ECDH(), theirs)
    material = HKDF(SHA256(), 32, secret, b"WebPush: info\x00" + p256dh + mine).derive(shared)
    key = HKDF(SHA256(), 16, salt, b"Content-Encoding: aes128gcm\x00").derive(material)
    nonce = HKDF(SHA256(), 12, salt, b"Content-Encoding: nonce\x00").derive(material)
    header = salt + RECORD.to_bytes(4, "big") + bytes([len(mine)]) + mine
    return header + AESGCM(key).encrypt(nonce, message + b"\x02", None)


def authorization(key: EllipticCurvePrivateKey, endpoint: str, *, contact: str, now: dt.datetime) -> str:
    """The ``Authorization`` header for a push service: who sends, for this service alone, and for ``LIFE``."""
    parts = urlsplit(endpoint)
    claims = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": int((now + LIFE).timestamp()), "sub": contact}
    token = jwt.encode({"typ": "JWT", "alg": "ES256"}, claims, ECKey.import_key(key), algorithms=["ES256"])
    return f"vapid t={token}, k={written(point(key))}"


def fits(p256dh: bytes, secret: bytes) -> bool:
    """Whether these can be the keys of a subscription."""
    try:
        EllipticCurvePublicKey.from_encoded_point(SECP256R1(), p256dh)
    except ValueError:
        return False
    return len(p256dh) == 65 and len(secret) == 16


def point(key: EllipticCurvePrivateKey) -> bytes:
    """The 65 bytes of a public key, uncompressed: a browser's ``applicationServerKey``."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def written(raw: bytes) -> str:
    """Base64 for addresses, without padding (RFC 7515, appendix C)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def read(text: str) -> bytes:
    """Undo ``written``; empty for what nobody wrote that way."""
    try:
        return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        return b""
