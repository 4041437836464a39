"""An authenticator in software, for tests: it makes passkeys and answers challenges as a browser hands them on.

It does as it is told, also what no honest one would: sign for another site, without looking who is there, or with a
count that goes back. It does ES256, RS256 and EdDSA, and speaks the JSON of WebAuthn Level 3 §5.1.
"""

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, encode_cbor

USER_PRESENT, USER_VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40
AAGUID = bytes(range(16))

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass
class Credential:
    """What the authenticator keeps of one passkey."""

    id: bytes
    key: Key
    rp_id: str
    user_handle: bytes
    count: int = 0


@dataclass
class Authenticator:
    """One authenticator at one browser. ``flags`` are those it sets; ``counts`` whether it keeps a count."""

    origin: str
    algorithm: int = -7
    flags: int = USER_PRESENT | USER_VERIFIED
    counts: bool = True
    held: list[Credential] = field(default_factory=list)

    def create(self, options: dict[str, Any], *, origin: str | None = None, rp_id: str | None = None, **client: Any) -> str:
        """A new passkey, and the answer of ``navigator.credentials.create``."""
        assert self.algorithm in [each["alg"] for each in options["pubKeyCredParams"]]
        wanted = options["authenticatorSelection"]
        of_a_person = (wanted["userVerification"], wanted["residentKey"]) == ("required", "required")
        assert of_a_person or wanted["authenticatorAttachment"] == "platform"
        excluded = {each["id"] for each in options.get("excludeCredentials", [])}
        assert not excluded & {bytes_to_base64url(one.id) for one in self.held}, "InvalidStateError"
        made = Credential(
            secrets.token_bytes(16), _key(self.algorithm), rp_id or options["rp"]["id"], base64url_to_bytes(options["user"]["id"])
        )
        self.held.append(made)
        attested = AAGUID + len(made.id).to_bytes(2, "big") + made.id + encode_cbor(_cose(made.key, self.algorithm))
        data = self._data(made, ATTESTED) + attested
        response = {
            "clientDataJSON": self._client("webauthn.create", options["challenge"], origin, client),
            "attestationObject": bytes_to_base64url(encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})),
            "transports": ["internal", "hybrid"],
        }
        return _answer(made, response)

    def get(
        self,
        options: dict[str, Any],
        *,
        credential: Credential | None = None,
        origin: str | None = None,
        rp_id: str | None = None,
        user_handle: bytes | None = None,
        nameless: bool = False,
        **client: Any,
    ) -> str:
        """The answer of ``navigator.credentials.get``, by the passkey made last or the one named."""
        chosen = credential or self.held[-1]
        chosen.count += 1 if self.counts else 0
        data = self._data(chosen, 0, rp_id)
        told = self._client("webauthn.get", options["challenge"], origin, client)
        signed = _sign(chosen.key, data + hashlib.sha256(base64url_to_bytes(told)).digest())
        response = {"clientDataJSON": told, "authenticatorData": bytes_to_base64url(data), "signature": bytes_to_base64url(signed)}
        if not nameless:
            response["userHandle"] = bytes_to_base64url(user_handle or chosen.user_handle)
        return _answer(chosen, response)

    def _data(self, credential: Credential, more: int, rp_id: str | None = None) -> bytes:
        named = (rp_id or credential.rp_id).encode()
        return hashlib.sha256(named).digest() + bytes([self.flags | more]) + credential.count.to_bytes(4, "big")

    def _client(self, kind: str, challenge: str, origin: str | None, client: dict[str, Any]) -> str:
        told = {"type": kind, "challenge": challenge, "origin": origin or self.origin, "crossOrigin": False, **client}
        return bytes_to_base64url(json.dumps(told).encode())


def _answer(credential: Credential, response: dict[str, Any]) -> str:
    named = bytes_to_base64url(credential.id)
    return json.dumps({"id": named, "rawId": named, "type": "public-key", "response": response})


def _key(algorithm: int) -> Key:
    if algorithm == -7:
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate() if algorithm == -8 else rsa.generate_private_key(65537, 2048)


def _cose(key: Key, algorithm: int) -> dict[int, Any]:
    """The public half as a COSE_Key (RFC 9053 §7)."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return {1: 1, 3: algorithm, -1: 6, -2: key.public_key().public_bytes_raw()}
    if isinstance(key, rsa.RSAPrivateKey):
        public = key.public_key().public_numbers()
        return {1: 3, 3: algorithm, -1: public.n.to_bytes(256, "big"), -2: public.e.to_bytes(3, "big")}
    point = key.public_key().public_numbers()
    return {1: 2, 3: algorithm, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}


def _sign(key: Key, data: bytes) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(data, ec.ECDSA(hashes.SHA256()))
