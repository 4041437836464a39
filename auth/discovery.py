"""What an identity provider says of itself: its endpoints and its keys (OpenID Connect Discovery 1.0, RFC 7517).

Both are asked for at the issuer that the operator set, checked, and kept for an hour. A key that is not among
those kept has them asked for anew, at most once a minute, so that a provider can change its keys and a forger
cannot make us ask. One that did not answer is left alone for a quarter of a minute.
"""

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from auth.outward import Caller
from core.errors import Unavailable

WELL_KNOWN = "/.well-known/openid-configuration"
HOUR, MINUTE, PAUSE = 3600.0, 60.0, 15.0
MOST_KEYS = 64
SMALLEST_RSA = 2048

Key = RSAKey | ECKey | OKPKey
KINDS: dict[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
"""The kinds of keys there are; a symmetric one (``oct``) has no business in a public set."""
PUBLIC = frozenset({"kty", "kid", "alg", "use", "key_ops", "n", "e", "crv", "x", "y"})
"""What is taken of a key: no certificates, no addresses, nothing private."""


@dataclass(frozen=True, slots=True)
class Description:
    """A provider's endpoints. ``names_itself``: it answers with its issuer (RFC 9207); ``takes_basic``: RFC 6749 §2.3.1."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    names_itself: bool
    takes_basic: bool


@dataclass
class _Known:
    """What is kept of one provider, with the moments it was asked for."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    description: Description | None = None
    described_at: float = 0.0
    keys: list[Key] | None = None
    asked_at: float = 0.0
    failed_at: float | None = None


class Directory:
    """The providers this process has asked, each by its issuer. ``clock`` counts seconds."""

    def __init__(self, caller: Caller, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.caller, self._clock = caller, clock
        self._known: dict[str, _Known] = {}

    def describe(self, issuer: str) -> Description:
        """The provider's endpoints. Raises Unavailable ``provider-away``."""
        known = self._known.setdefault(issuer, _Known())
        with known.lock:
            if known.description is None or self._clock() - known.described_at > HOUR:
                told = self._ask(known, issuer.rstrip("/") + WELL_KNOWN, issuer)
                known.description, known.described_at = self._described(told, issuer), self._clock()
            return known.description

    def keys(self, description: Description, kid: object) -> list[Key]:
        """The provider's keys of that name, or without a name all. Raises Unavailable ``provider-away``."""
        known = self._known.setdefault(description.issuer, _Known())
        with known.lock:
            age = self._clock() - known.asked_at
            found = _named(known.keys or [], kid)
            if known.keys is None or age > HOUR or (not found and age > MINUTE):
                known.keys = _usable(self._ask(known, description.jwks_uri, description.issuer))
                known.asked_at = self._clock()
                found = _named(known.keys, kid)
            return found

    def _ask(self, known: _Known, url: str, issuer: str) -> dict[str, Any]:
        if known.failed_at is not None and self._clock() - known.failed_at < PAUSE:
            raise Unavailable("provider-away", why="lately")
        try:
            told = self.caller.ask(url, set_by=issuer)
        except Unavailable:
            known.failed_at = self._clock()
            raise
        known.failed_at = None
        return told

    def _described(self, told: dict[str, Any], issuer: str) -> Description:
        """Its description, held to be its own (OpenID Connect Discovery §4.3) and to lead nowhere without TLS."""
        if told.get("issuer") != issuer:
            raise Unavailable("provider-away", why="issuer")
        ends = [told.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        authorization, token, keys = (end if isinstance(end, str) and self.caller.fits(end) else "" for end in ends)
        if not (authorization and token and keys):
            raise Unavailable("provider-away", why="endpoint")
        methods = told.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return Description(
            issuer=issuer,
            authorization_endpoint=authorization,
            token_endpoint=token,
            jwks_uri=keys,
            names_itself=told.get("authorization_response_iss_parameter_supported") is True,
            takes_basic=isinstance(methods, list) and "client_secret_basic" in methods,
        )


def _named(keys: list[Key], kid: object) -> list[Key]:
    return [key for key in keys if kid is None or key.as_dict().get("kid") == kid]


def _usable(told: dict[str, Any]) -> list[Key]:
    """The keys for signatures in a set; those we cannot use are passed over (RFC 7517 §5)."""
    listed = told.get("keys")
    found = (_key(one) for one in listed[:MOST_KEYS]) if isinstance(listed, list) else ()
    return [key for key in found if key is not None]


def _key(told: object) -> Key | None:
    if not isinstance(told, dict) or told.get("use", "sig") != "sig" or (kind := KINDS.get(str(told.get("kty")))) is None:
        return None
    try:
        if kind is RSAKey and _size(told.get("n")) < SMALLEST_RSA:
            return None
        return kind.import_key({name: value for name, value in told.items() if name in PUBLIC})
    except (JoseError, ValueError, TypeError, KeyError):
        # a curve the library does not have is a KeyError
        return None


def _size(told: object) -> int:
    """The bits of a number in base64url (RFC 7518 §2)."""
    return int.from_bytes(base64.urlsafe_b64decode(f"{told}==")).bit_length()
