"""Forged ID tokens (attack 16): each is honest in everything but one thing, and refused for that."""

import base64
import hashlib
import hmac
import json
import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

from auth import idtokens
from auth.discovery import Key
from auth.idtokens import Assertion
from core import ids
from core.errors import Denied, Unavailable
from tests.identity import claims_of, new_keys, nonsense, sign

ISSUER, CLIENT, NONCE = "https://id.hospital.example", "shanhai", "nonce-of-this-ceremony"
SUBJECT = "248289761001"
Check = Callable[..., Assertion]


@pytest.fixture(scope="module")
def keys() -> dict[str, Any]:
    return new_keys()


@pytest.fixture
def check(keys: dict[str, Any]) -> Check:
    """Check a token as of the ceremony, against the provider's own keys."""

    def find(kid: object) -> list[Key]:
        return [key for name, key in keys.items() if kid in (None, name)]

    def checked(token: str, **more: Any) -> Assertion:
        return idtokens.check(token, issuer=ISSUER, client_id=CLIENT, nonce=NONCE, **({"find_keys": find} | more))

    return checked


def honest(keys: dict[str, Any], algorithm: str = "RS256", **more: Any) -> str:
    return sign(keys[algorithm], claims_of(ISSUER, NONCE, **more), alg=algorithm, kid=algorithm)


def why(check: Check, token: str, **more: Any) -> str:
    """Why it was refused."""
    with pytest.raises(Denied) as refused:
        check(token, **more)
    assert refused.value.code == "assertion-refused"
    return str(refused.value.params["why"])


def forged(header: dict[str, Any] | bytes, claims: dict[str, Any], signature: bytes = b"") -> str:
    """A token put together by hand."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    first = header if isinstance(header, bytes) else json.dumps(header).encode()
    return f"{part(first)}.{part(json.dumps(claims).encode())}.{part(signature)}"


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
def test_an_honest_token_says_who_it_is_and_how_they_proved_it(keys: dict[str, Any], check: Check, algorithm: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = check(honest(keys, algorithm, amr=["pwd", "otp"], acr="urn:level:2", email="li.na@hospital.example"))
    assert told == Assertion(ISSUER, SUBJECT, frozenset({"pwd", "otp", "urn:level:2"}))


def test_a_key_without_a_name_will_do_while_there_is_only_one(keys: dict[str, Any], check: Check) -> None:
    token = sign(keys["ES256"], claims_of(ISSUER, NONCE), alg="ES256")
    assert check(token, find_keys=lambda _: [keys["ES256"]]).subject == SUBJECT
    assert why(check, token) == "key"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"iss": "https://id.hospital.example/"}, "issuer"),
        ({"iss": "https://evil.example"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"aud": "another-client"}, "audience"),
        ({"aud": None}, "audience"),
        ({"aud": []}, "audience"),
        ({"aud": {"shanhai": 1}}, "audience"),
        ({"aud": "xshanhai"}, "audience"),
        ({"aud": ["shanhai", "another"]}, "party"),
        ({"aud": ["shanhai", "another"], "azp": "another"}, "party"),
        ({"azp": "another"}, "party"),
        ({"nonce": "nonce-of-another-ceremony"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": ["nonce-of-this-ceremony"]}, "nonce"),
        ({"exp": None}, "time"),
        ({"exp": "2999-01-01"}, "time"),
        ({"exp": True}, "time"),
        ({"exp": math.inf}, "time"),
        ({"exp": math.nan}, "time"),
        ({"exp": 10**400}, "time"),
        ({"iat": None}, "time"),
        ({"sub": None}, "subject"),
        ({"sub": ""}, "subject"),
        ({"sub": 1001}, "subject"),
        ({"sub": "x" * 256}, "subject"),
        ({"sub": "a\u0000b"}, "subject"),
        ({"sub": " 1001"}, "subject"),
    ],
    ids=str,
)
def test_a_claim_that_is_not_as_it_should_be(keys: dict[str, Any], check: Check, more: dict[str, Any], reason: str) -> None:
    assert why(check, honest(keys, **more)) == reason


@pytest.mark.parametrize(
    ("more", "reason"),
    [({"exp": -120}, "expired"), ({"iat": 120}, "issued"), ({"iat": -900}, "issued"), ({"nbf": 120}, "issued")],
    ids=["expired", "made-tomorrow", "made-long-ago", "not-yet"],
)
def test_a_token_of_another_time(keys: dict[str, Any], check: Check, more: dict[str, int], reason: str) -> None:
    now = int(ids.now().timestamp())
    assert why(check, honest(keys, **{name: now + seconds for name, seconds in more.items()})) == reason


def test_clocks_may_differ_by_a_minute(keys: dict[str, Any], check: Check) -> None:
    now = int(ids.now().timestamp())
    assert check(honest(keys, exp=now - 50, iat=now + 50, nbf=now + 50)).subject == SUBJECT


def test_a_token_for_several_says_which_of_them_asked(keys: dict[str, Any], check: Check) -> None:
    assert check(honest(keys, aud=["another", "shanhai"], azp="shanhai")).subject == SUBJECT
    assert check(honest(keys, aud=["shanhai"])).subject == SUBJECT


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", None, ["none"], {"RS256": 1}], ids=str)
def test_a_token_nobody_signed(check: Check, name: object) -> None:
    assert why(check, forged({"alg": name, "kid": "RS256"}, claims_of(ISSUER, NONCE))) in ("algorithm", "signature")


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_the_public_key_as_a_shared_secret(keys: dict[str, Any], check: Check, algorithm: str) -> None:
    """HS/RS confusion: the forger knows what is public, in whatever form it is taken for the secret."""
    public = keys["RS256"]
    header = {"alg": algorithm, "kid": "RS256"}
    for known in (public.as_pem(private=False), public.as_der(private=False), json.dumps(public.as_dict(private=False)).encode()):
        signed = forged(header, claims_of(ISSUER, NONCE)).rpartition(".")[0].encode()
        signature = hmac.digest(known, signed, f"sha{algorithm[2:]}")
        assert why(check, forged(header, claims_of(ISSUER, NONCE), signature)) == "algorithm"


@pytest.mark.parametrize(("algorithm", "kid"), [("RS256", "ES256"), ("ES256", "RS256"), ("RS256", "PS256"), ("EdDSA", "ES256")])
def test_an_algorithm_that_is_not_the_keys(keys: dict[str, Any], check: Check, algorithm: str, kid: str) -> None:
    token = sign(keys[algorithm], claims_of(ISSUER, NONCE), alg=algorithm, kid=kid)
    assert why(check, token) in ("signature", "key")


def test_a_key_that_is_kept_for_another_algorithm(keys: dict[str, Any], check: Check) -> None:
    """RFC 8725 §3.1: the pair of both keys fits in principle, and the provider has said otherwise."""
    token = sign(
        RSAKey.import_key(keys["PS256"].as_dict(private=True) | {"alg": "RS256"}), claims_of(ISSUER, NONCE), alg="RS256", kid="PS256"
    )
    assert why(check, token) == "key"


@pytest.mark.parametrize("kid", ["another", "", "../../RS256", 5, None, ["RS256"]], ids=str)
def test_a_key_the_provider_does_not_have(keys: dict[str, Any], check: Check, kid: object) -> None:
    assert why(check, forged({"alg": "RS256", "kid": kid}, claims_of(ISSUER, NONCE), b"x" * 256)) in ("key", "signature")


@pytest.mark.parametrize("with_name", [True, False], ids=["kid", "no-kid"])
@pytest.mark.parametrize("header", ["jwk", "jku", "x5u", "x5c"])
def test_a_key_that_the_token_brings_along(keys: dict[str, Any], check: Check, header: str, with_name: bool) -> None:
    own = RSAKey.generate_key(2048, {"kid": "RS256"})
    brought = {
        "jwk": own.as_dict(private=False),
        "jku": "https://evil.example/jwks",
        "x5u": "https://evil.example/certificate",
        "x5c": ["MIIB"],
    }
    named = {"kid": "RS256"} if with_name else {}
    token = sign(own, claims_of(ISSUER, NONCE), alg="RS256", **{header: brought[header]}, **named)
    assert why(check, token, find_keys=lambda _: [keys["RS256"]]) == "signature"


def test_what_a_token_brings_along_is_not_looked_at(keys: dict[str, Any], check: Check) -> None:
    """Some providers put the address of their keys there: that alone is no forgery."""
    token = sign(keys["RS256"], claims_of(ISSUER, NONCE), alg="RS256", kid="RS256", jku="https://id.hospital.example/jwks", strange=1)
    assert check(token).subject == SUBJECT


@pytest.mark.parametrize(
    "header",
    [{"crit": ["exp"], "exp": 1}, {"crit": ["b64"], "b64": False}, {"crit": []}, {"crit": "b64"}, {"b64": False}, {"crit": ["alg"]}],
    ids=str,
)
def test_extensions_that_are_critical(keys: dict[str, Any], check: Check, header: dict[str, Any]) -> None:
    whole = {"alg": "ES256", "kid": "ES256", **header}
    signed = forged(whole, claims_of(ISSUER, NONCE)).rpartition(".")[0].encode()
    signature = JWSRegistry.algorithms["ES256"].sign(signed, keys["ES256"])
    assert why(check, forged(whole, claims_of(ISSUER, NONCE), signature)) in ("crit", "signature")


# the same in every process that collects these tests
LONG = "YWJj" * 25_000


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (f"{LONG}.e30.AA", "size"),
        (f"e30.{LONG}.AA", "size"),
        (f"e30.e30.{LONG}", "size"),
        ("." * 100_000, "size"),
        ("", "size"),
        ("a.b", "size"),
        ("a.b.c.d.e", "size"),
        ("é.b.c", "size"),
        ("!.!.!", "signature"),
        ("e30.e30.", "signature"),
        ("bnVsbA.e30.AA", "signature"),
        ("ImFsZyI.e30.AA", "header"),
        ("WyJhbGciXQ.e30.AA", "header"),
        ("NQ.e30.AA", "signature"),
    ],
    ids=lambda told: f"{told[:12]}-{len(told)}",
)
def test_what_is_no_token(check: Check, token: str, reason: str) -> None:
    assert why(check, token) == reason


def test_a_giant_header_is_not_parsed(keys: dict[str, Any], check: Check) -> None:
    """One that would be honest otherwise; some padding is the provider's to send."""

    def padded(length: int) -> str:
        return sign(keys["ES256"], claims_of(ISSUER, NONCE), alg="ES256", kid="ES256", padding=nonsense(length))

    for token in (padded(9_000), padded(100_000), "x" * 500_000_000):
        assert why(check, token) == "size"
    assert check(padded(3_000)).subject == SUBJECT


@pytest.mark.parametrize("payload", [b"[]", b"null", b'"x"', b"{", b"", b"\xff", b"[" * 30_000, b'{"exp":1' + b"0" * 5000 + b"}"])
def test_claims_that_are_none(keys: dict[str, Any], check: Check, payload: bytes) -> None:
    assert why(check, sign(keys["ES256"], payload, alg="ES256", kid="ES256")) in ("claims", "signature")


def test_a_changed_claim_breaks_the_signature(keys: dict[str, Any], check: Check) -> None:
    header, _, signature = honest(keys, "ES256").split(".")
    other = base64.urlsafe_b64encode(json.dumps(claims_of(ISSUER, NONCE, sub="1")).encode()).rstrip(b"=").decode()
    assert why(check, f"{header}.{other}.{signature}") == "signature"


def test_the_hash_of_the_access_token_is_checked_when_there(keys: dict[str, Any], check: Check) -> None:
    half = base64.urlsafe_b64encode(hashlib.sha256(b"opaque").digest()[:16]).rstrip(b"=").decode()
    assert check(honest(keys, at_hash=half), access_token="opaque").subject == SUBJECT
    assert why(check, honest(keys, at_hash=half), access_token="another") == "at-hash"
    assert why(check, honest(keys, at_hash=5), access_token="opaque") == "at-hash"


def test_a_provider_that_does_not_answer_is_no_forgery(keys: dict[str, Any], check: Check) -> None:
    def away(_: object) -> list[Key]:
        raise Unavailable("provider-away", why="slow")

    with pytest.raises(Unavailable):
        check(honest(keys), find_keys=away)


@pytest.mark.parametrize("claims", [{"amr": "mfa"}, {"amr": [["mfa"], 5, None]}, {"acr": ["mfa"]}, {"amr": {"mfa": 1}}], ids=str)
def test_methods_of_another_form_are_none(keys: dict[str, Any], check: Check, claims: dict[str, Any]) -> None:
    assert check(honest(keys, **claims)).methods == frozenset()
