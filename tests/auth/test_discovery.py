"""What a provider says of itself: believed of itself alone, kept for an hour, its keys asked for anew when they change."""

from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from auth.discovery import Directory
from auth.outward import Caller
from core.errors import Unavailable
from tests.identity import Authority, Liar, RealProvider


class Clock:
    """Seconds that a test lets go by."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def directory(authority: Authority, clock: Clock) -> Directory:
    return Directory(Caller(tls=authority.trusting), clock=clock)


def why(directory: Directory, issuer: str) -> str:
    with pytest.raises(Unavailable) as away:
        directory.describe(issuer)
    return str(away.value.params["why"])


def test_a_real_provider_describes_itself(authority: Authority, identity_provider: RealProvider) -> None:
    directory = Directory(Caller(tls=authority.trusting))
    described = directory.describe(identity_provider.issuer)
    assert described.issuer == identity_provider.issuer
    assert described.names_itself
    assert [key.kid for key in directory.keys(described, "key-ES256")] == ["key-ES256"]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"issuer": "https://another.example"}, "issuer"),
        ({"issuer": None}, "issuer"),
        ({"token_endpoint": "http://id.hospital.example/token"}, "endpoint"),
        ({"jwks_uri": "http://localhost:1/jwks"}, "endpoint"),
        ({"jwks_uri": "file:///etc/passwd"}, "endpoint"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "endpoint"),
        ({"authorization_endpoint": "/authorize"}, "endpoint"),
        ({"authorization_endpoint": ["https://localhost/"]}, "endpoint"),
        ({"token_endpoint": None}, "endpoint"),
    ],
    ids=str,
)
def test_a_description_that_is_not_its_own_or_leads_astray(liar: Liar, directory: Directory, more: dict[str, Any], reason: str) -> None:
    liar.describe(**more)
    assert why(directory, liar.issuer) == reason


def test_an_issuer_is_compared_to_the_letter(liar: Liar, directory: Directory) -> None:
    assert why(directory, liar.issuer + "/") == "issuer"


def test_a_path_belongs_to_the_issuer(liar: Liar, directory: Directory) -> None:
    issuer = f"{liar.issuer}/realms/taizhou"
    liar.paths["/realms/taizhou/.well-known/openid-configuration"] = liar.description(issuer=issuer)
    assert directory.describe(issuer).token_endpoint == f"{liar.issuer}/token"


def test_a_description_is_kept_for_an_hour(liar: Liar, directory: Directory, clock: Clock) -> None:
    directory.describe(liar.issuer)
    clock.now += 3599
    directory.describe(liar.issuer)
    assert len(liar.asked) == 1
    clock.now += 2
    liar.describe(issuer="https://another.example")
    assert why(directory, liar.issuer) == "issuer"


def test_a_provider_that_is_away_is_left_alone_for_a_while(liar: Liar, directory: Directory, clock: Clock) -> None:
    del liar.paths["/.well-known/openid-configuration"]
    assert [why(directory, liar.issuer) for _ in range(3)] == ["status", "lately", "lately"]
    assert len(liar.asked) == 1
    liar.describe()
    clock.now += 16
    assert directory.describe(liar.issuer).issuer == liar.issuer


def test_an_unknown_key_has_them_asked_for_anew_at_most_once_a_minute(liar: Liar, directory: Directory, clock: Clock) -> None:
    described = directory.describe(liar.issuer)
    assert [key.kid for key in directory.keys(described, "RS256")] == ["RS256"]
    fresh = ECKey.generate_key("P-256", {"kid": "fresh", "use": "sig"})
    liar.paths["/jwks"] = {"keys": [fresh.as_dict(private=False)]}
    assert [directory.keys(described, name) for name in ("fresh", "forged", "fresh")] == [[], [], []]
    assert liar.asked.count("/jwks") == 1
    clock.now += 61
    assert [key.kid for key in directory.keys(described, "fresh")] == ["fresh"]
    assert directory.keys(described, "RS256") == []
    assert liar.asked.count("/jwks") == 2


def test_keys_are_kept_for_an_hour(liar: Liar, directory: Directory, clock: Clock) -> None:
    described = directory.describe(liar.issuer)
    directory.keys(described, "RS256")
    liar.paths["/jwks"] = {"keys": []}
    clock.now += 3599
    assert directory.keys(described, "RS256") != []
    clock.now += 2
    assert directory.keys(described, "RS256") == []


def test_keys_that_are_none_are_passed_over(liar: Liar, directory: Directory) -> None:
    good = liar.keys["ES256"].as_dict(private=False)
    short = RSAKey.generate_key(2048).as_dict(private=False) | {"n": "AQAB" * 42, "kid": "short"}
    liar.paths["/jwks"] = {
        "keys": [
            {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
            {"kty": "RSA", "kid": "empty"},
            {"kty": "EC", "crv": "P-9", "x": "AA", "y": "AA", "kid": "curve"},
            {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "point"},
            {"kty": ["RSA"], "kid": "list"},
            short,
            good | {"use": "enc", "kid": "for-secrets"},
            "nonsense",
            None,
            good,
        ]
    }
    assert [key.kid for key in directory.keys(directory.describe(liar.issuer), None)] == ["ES256"]


@pytest.mark.parametrize(
    "told", [{"keys": {}}, {"keys": None}, {}, {"keys": [{"kty": "oct", "k": "AA"}] * 5000}], ids=lambda told: str(told)[:30]
)
def test_a_set_without_keys(liar: Liar, directory: Directory, told: dict[str, Any]) -> None:
    liar.paths["/jwks"] = told
    assert directory.keys(directory.describe(liar.issuer), None) == []
