"""Web push: the example of RFC 8291, a decryption written from the RFCs, and a signature checked by another library."""

import datetime as dt
import hmac
import json
from base64 import urlsafe_b64decode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from auth import webpush

NOW = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)


def private(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(raw(text)), ec.SECP256R1())


def raw(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def derived(key: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """HKDF of one block (RFC 5869)."""
    return hmac.digest(hmac.digest(salt, key, sha256), info + b"\x01", sha256)[:length]


def opened(body: bytes, theirs: ec.EllipticCurvePrivateKey, secret: bytes) -> bytes:
    """What a browser reads, step by step after RFC 8291, section 3, and RFC 8188, section 2."""
    salt, size, length = body[:16], int.from_bytes(body[16:20]), body[20]
    sender, sealed = body[21 : 21 + length], body[21 + length :]
    assert (size, len(sealed) < size, length) == (4096, True, 65)
    shared = theirs.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
    material = derived(shared, secret, b"WebPush: info\x00" + webpush.point(theirs) + sender, 32)
    key = derived(material, salt, b"Content-Encoding: aes128gcm\x00", 16)
    nonce = derived(material, salt, b"Content-Encoding: nonce\x00", 12)
    plain = AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\x00")
    assert plain.endswith(b"\x02"), "the last record says so"
    return plain[:-1]


def claims(header: str, key: bytes, *, at: dt.datetime = NOW) -> dict[str, object]:
    """What a push service reads from an Authorization header, once the signature holds (RFC 8292, RFC 7515)."""
    scheme, _, told = header.partition(" ")
    token, given = (part.strip().partition("=")[2] for part in told.split(","))
    assert (scheme, raw(given)) == ("vapid", key)
    signed, _, signature = token.rpartition(".")
    r, s = raw(signature)[:32], raw(signature)[32:]
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
    public.verify(encode_dss_signature(int.from_bytes(r), int.from_bytes(s)), signed.encode(), ec.ECDSA(SHA256()))
    head, body = (json.loads(raw(part)) for part in signed.split("."))
    assert (head["alg"], body["exp"] - at.timestamp() <= 24 * 3600) == ("ES256", True)
    found: dict[str, object] = body
    return found


def test_the_example_of_the_standard() -> None:
    body = webpush.encrypt(
        b"When I grow up, I want to be a watermelon",
        p256dh=raw("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
        secret=raw("BTBZMqHH6r4Tts7J_aSIgg"),
        salt=raw("DGv6ra1nlYgDCS1FRnbzlw"),
        own=private("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
    )
    assert webpush.written(body) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml"
        "mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT"
        "pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


@given(st.binary(max_size=webpush.LARGEST))
def test_a_browser_reads_what_was_sealed_for_it(message: bytes) -> None:
    theirs, secret = ec.generate_private_key(ec.SECP256R1()), b"s" * 16
    body = webpush.encrypt(message, p256dh=webpush.point(theirs), secret=secret)
    assert opened(body, theirs, secret) == message
    assert len(body) <= 4096
    assert body != webpush.encrypt(message, p256dh=webpush.point(theirs), secret=secret)


def test_what_is_too_long_is_refused() -> None:
    theirs = webpush.point(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(ValueError, match="too long"):
        webpush.encrypt(b"x" * (webpush.LARGEST + 1), p256dh=theirs, secret=b"s" * 16)


def test_a_push_service_knows_the_sender_and_the_time() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    header = webpush.authorization(key, "https://push.example:8443/x/y?z=1", contact="https://shanhai.example.org/", now=NOW)
    told = claims(header, webpush.point(key))
    assert told == {"aud": "https://push.example:8443", "exp": int((NOW + webpush.LIFE).timestamp()), "sub": "https://shanhai.example.org/"}


@given(st.binary(max_size=70))
def test_what_no_browser_gives_is_no_key(told: bytes) -> None:
    assert not webpush.fits(told, b"s" * 16)
    assert webpush.read(webpush.written(told)) == told


def test_the_keys_of_a_browser_fit() -> None:
    point = webpush.point(ec.generate_private_key(ec.SECP256R1()))
    assert webpush.fits(point, b"s" * 16)
    assert not webpush.fits(point, b"s" * 15)
    compressed = bytes([2 + point[64] % 2]) + point[1:33]
    assert not webpush.fits(compressed, b"s" * 16), "a browser gives it uncompressed"
    assert webpush.read("ä") == b""
