"""Cross-site requests that ride on a cookie (attack 18)."""

import pytest

from auth import csrf

BASE = "https://shanhai.example.org"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "post", "QUERY", ""])
@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({"origin": BASE, "sec-fetch-site": "same-origin"}, True),
        ({"origin": BASE}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({}, False),
        ({"origin": "null"}, False),
        ({"origin": "null", "sec-fetch-site": "same-origin"}, False),
        ({"origin": ""}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "https://evil.example", "sec-fetch-site": "same-origin"}, False),
        ({"origin": BASE, "sec-fetch-site": "cross-site"}, False),
        ({"origin": BASE, "sec-fetch-site": "same-site"}, False),
        ({"origin": BASE, "sec-fetch-site": "none"}, False),
        ({"origin": BASE, "sec-fetch-site": ""}, False),
        ({"origin": "https://wiki.shanhai.example.org", "sec-fetch-site": "same-site"}, False),
        ({"origin": "https://wiki.shanhai.example.org"}, False),
        ({"origin": "http://shanhai.example.org"}, False),
        ({"origin": "https://shanhai.example.org:8443"}, False),
        ({"origin": "https://shanhai.example.org.evil.example"}, False),
        ({"origin": "https://shanhai.example.org@evil.example"}, False),
        ({"origin": "https://evil.example/https://shanhai.example.org"}, False),
        ({"referer": BASE + "/cases"}, False),
    ],
    ids=str,
)
def test_unsafe_requests(method: str, headers: dict[str, str], wanted: bool) -> None:
    assert csrf.same_origin(method, headers, BASE) is wanted


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "get"])
def test_safe_requests_change_nothing_and_pass(method: str) -> None:
    assert csrf.same_origin(method, {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}, BASE)


@pytest.mark.parametrize(
    ("base_url", "origin"),
    [
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://localhost:8000/", "http://localhost:8000"),
        ("https://Shanhai.Example.org:443/app", "https://shanhai.example.org"),
        ("http://shanhai.example.org:80", "http://shanhai.example.org"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_an_origin_is_compared_as_a_browser_writes_it(base_url: str, origin: str) -> None:
    assert csrf.same_origin("POST", {"origin": origin}, base_url)
    assert not csrf.same_origin("POST", {"origin": origin + "0"}, base_url)
