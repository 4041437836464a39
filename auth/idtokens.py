"""ID tokens: what an identity provider asserts of who stands before it, believed only after every check (attack 16).

OpenID Connect Core 1.0 §3.1.3.7 with RFC 8725: a signature of the provider's own key by one of a fixed list of
algorithms, so neither ``none`` nor a shared secret; for us, of this ceremony, and of now. The key is looked for by
its name among those at the provider's own address: a key, certificate or address that a token brings along
(``jwk``, ``x5c``, ``jku``, ``x5u``) is not looked at (CVE-2026-27962), and one with critical extensions is refused,
for we know none (CVE-2025-59420). Sizes are looked at before anything is parsed.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from auth.discovery import Key
from core import ids
from core.errors import Denied

HASHES = {"RS256": "sha256", "PS256": "sha256", "ES256": "sha256", "EdDSA": "sha512", "Ed25519": "sha512"}
"""The algorithms that are taken, each with the hash that ``at_hash`` is made with; RFC 9864 calls EdDSA Ed25519."""
LARGEST = 64 << 10
LARGEST_HEADER = 8 << 10
LEEWAY = 60
OLDEST = 600
"""Seconds that clocks may differ by, and since a token may have been made: as long as a ceremony lasts."""
SUBJECT = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?")

FindKeys = Callable[[object], list[Key]]


@dataclass(frozen=True, slots=True)
class Assertion:
    """Who it is by the provider's own name for them, and by which methods the provider knows (``amr`` and ``acr``)."""

    issuer: str
    subject: str
    methods: frozenset[str]


class _Signatures(JWSRegistry):
    """The library's registry with our list and our bounds; headers it does not know are passed over (RFC 7515 §4)."""

    max_header_length = LARGEST_HEADER
    max_payload_length = LARGEST

    def __init__(self) -> None:
        super().__init__(algorithms=HASHES, strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        # `_read` has held it to the list; the library's own warns that EdDSA has a new name
        return self.algorithms[name]


SIGNATURES = _Signatures()


def check(token: str, *, issuer: str, client_id: str, nonce: str, find_keys: FindKeys, access_token: object = None) -> Assertion:
    """What the token asserts. Raises Denied ``assertion-refused``, with the reason as a code, and what ``find_keys`` raises."""
    header, claims = _read(token, find_keys)
    _check_claims(claims, issuer, client_id, nonce)
    if "at_hash" in claims and isinstance(access_token, str):
        digest = hashlib.new(HASHES[str(header["alg"])], access_token.encode()).digest()
        half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
        _hold(_same(claims["at_hash"], half), "at-hash")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not SUBJECT.fullmatch(subject):
        raise _refused("subject")
    return Assertion(issuer, subject, _words(claims.get("amr")) | _words([claims.get("acr")]))


def _read(token: str, find_keys: FindKeys) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the claims of a token that one of the provider's keys has signed."""
    _hold(len(token) <= LARGEST and token.isascii() and token.count(".") == 2, "size")
    _hold(len(token.partition(".")[0]) <= LARGEST_HEADER, "size")
    try:
        read = jws.extract_compact(token.encode(), registry=SIGNATURES)
        header = read.headers()
        _hold(isinstance(header, dict), "header")
        _hold("crit" not in header, "crit")
        _hold(header.get("alg") in HASHES, "algorithm")
        keys = [key for key in find_keys(header.get("kid")) if key.get("alg") in (None, header["alg"])]
        _hold(len(keys) == 1, "key")
        _hold(jws.validate_compact(read, keys[0], registry=SIGNATURES), "signature")
        claims = json.loads(read.payload or b"")
    except (JoseError, ValueError, TypeError, RecursionError):
        raise _refused("signature") from None
    if not isinstance(claims, dict):
        raise _refused("claims")
    return header, claims


def _check_claims(claims: dict[str, Any], issuer: str, client_id: str, nonce: str) -> None:
    now = ids.now().timestamp()
    _hold(claims.get("iss") == issuer, "issuer")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    _hold(client_id in audiences, "audience")
    party = claims.get("azp")
    _hold(party == client_id or (party is None and len(audiences) == 1), "party")
    _hold(_seconds(claims.get("exp")) > now - LEEWAY, "expired")
    _hold(now - OLDEST - LEEWAY <= _seconds(claims.get("iat")) <= now + LEEWAY, "issued")
    _hold(_seconds(claims.get("nbf", 0)) <= now + LEEWAY, "issued")
    _hold(_same(claims.get("nonce"), nonce), "nonce")


def _seconds(told: object) -> float:
    """A moment in a claim; JSON as Python reads it has infinities and not-a-numbers too."""
    if not isinstance(told, int | float) or isinstance(told, bool) or not abs(told) < 1 << 53:
        raise _refused("time")
    return told


def _same(told: object, ours: str) -> bool:
    return isinstance(told, str) and hmac.compare_digest(told.encode("utf-8", "surrogatepass"), ours.encode())


def _words(told: object) -> frozenset[str]:
    return frozenset(word for word in told if isinstance(word, str)) if isinstance(told, list) else frozenset()


def _hold(right: bool, why: str) -> None:
    if not right:
        raise _refused(why)


def _refused(why: str) -> Denied:
    return Denied("assertion-refused", why=why)
