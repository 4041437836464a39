"""Asking other servers (attack 40): where a name leads, what is followed, how long and how much."""

import itertools
import socket
import time
from http.server import BaseHTTPRequestHandler

import pytest

from auth import outward
from auth.outward import Caller
from core.errors import Unavailable
from tests.identity import Authority, Liar

ISSUER = "https://id.hospital.example"


def why(caller: Caller, url: str, set_by: str = ISSUER, **more: dict[str, str]) -> str:
    """Why there was no answer."""
    with pytest.raises(Unavailable) as away:
        caller.ask(url, set_by=set_by, **more)
    assert away.value.code == "provider-away"
    return str(away.value.params["why"])


@pytest.mark.parametrize(
    ("url", "fits", "at_home"),
    [
        ("https://id.hospital.example", True, True),
        ("https://id.hospital.example:8443/realms/a?b=c", True, True),
        ("https://10.20.30.40/", True, True),
        ("https://localhost:8443", True, True),
        ("http://localhost:8080/x", False, True),
        ("http://127.0.0.1:8080", False, True),
        ("http://[::1]:8080", False, True),
        ("http://id.hospital.example", False, False),
        ("http://localhost.evil.example", False, False),
        ("https://user:pass@id.hospital.example", False, False),
        ("https://id.hospital.example/#part", False, False),
        ("https://id.hospital.example/a b", False, False),
        ("https://id.hospital.example/\r\nX: y", False, False),
        ("https://医院.example", False, False),
        ("https://id.hospital.example:0", False, False),
        ("https://id.hospital.example:99999", False, False),
        ("https://[::1", False, False),
        ("javascript:alert(1)", False, False),
        ("file:///etc/passwd", False, False),
        ("//id.hospital.example", False, False),
        ("", False, False),
    ],
)
def test_which_addresses_fit(url: str, fits: bool, at_home: bool) -> None:
    assert Caller().fits(url) == fits
    assert Caller(at_home=True).fits(url) == at_home
    if not fits:
        assert why(Caller(), url) == "address"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.10",
        "::1",
        "::ffff:127.0.0.1",
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "fd00:ec2::254",
        "fe80::1%eth0",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
    ],
)
def test_a_name_that_leads_where_nothing_is_to_be_asked(address: str) -> None:
    """An endpoint that discovery names leads to this machine or a cloud's metadata, while the issuer is elsewhere."""
    leads = {"id.hospital.example": ["10.0.0.7"], "keys.example": ["198.51.100.1", address]}
    caller = Caller(resolve=lambda host, _: leads[host])
    assert why(caller, "https://keys.example/jwks") == "address"
    home = Caller(at_home=True, resolve=lambda host, _: leads[host])
    assert why(home, "https://keys.example/jwks") == "address"


def test_metadata_is_never_asked_though_the_operator_said_so() -> None:
    caller = Caller(at_home=True, resolve=lambda *_: ["169.254.169.254"])
    assert why(caller, "https://metadata.example/", "https://metadata.example") == "address"


def test_a_server_of_the_hospitals_own_network_may_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A private address is the operator's to name: all that fails here is that no such server answers."""
    monkeypatch.setattr(outward, "WHOLE_SECONDS", 0.5)
    for address in ("10.255.255.1", "192.168.77.77", "fd12:3456::1"):
        found: list[str] = []
        caller = Caller(resolve=lambda *_, to=address, found=found: found.append(to) or [to])
        assert why(caller, "https://id.hospital.example/") in ("unreachable", "slow", "tls")
        assert found == [address]


def test_the_address_that_was_checked_is_the_one_that_is_asked(liar: Liar, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the name leads elsewhere when it is asked again, and is not asked again."""
    monkeypatch.setattr(outward, "WHOLE_SECONDS", 1.0)
    port = liar.server_address[1]
    answers = itertools.chain([["192.0.2.55"]], itertools.repeat(["127.0.0.1"]))
    caller = Caller(tls=authority.trusting, resolve=lambda *_: next(answers))
    assert why(caller, f"https://localhost:{port}/jwks") in ("unreachable", "slow", "tls")
    assert liar.asked == []


def test_an_issuer_on_this_machine_may_name_endpoints_here(liar: Liar, authority: Authority) -> None:
    caller = Caller(tls=authority.trusting)
    assert "keys" in caller.ask(f"{liar.issuer}/jwks", set_by=liar.issuer)
    assert why(Caller(tls=authority.trusting, resolve=_elsewhere), f"{liar.issuer}/jwks") == "address"


def _elsewhere(host: str, _: int) -> list[str]:
    return ["127.0.0.1"] if host == "localhost" else ["192.0.2.1"]


def test_a_certificate_nobody_vouches_for_or_of_another_name(liar: Liar, authority: Authority) -> None:
    assert why(Caller(), f"{liar.issuer}/jwks", liar.issuer) == "tls"
    other = f"https://other.example:{liar.server_address[1]}"
    assert why(Caller(tls=authority.trusting, resolve=lambda *_: ["127.0.0.1"]), f"{other}/jwks", other) == "tls"


def test_without_tls_on_loopback_alone() -> None:
    """At home a name that looks like loopback and is not stays unasked."""
    caller = Caller(at_home=True, resolve=lambda *_: ["192.0.2.1"])
    assert why(caller, "http://localhost:8080/", "http://localhost:8080") == "address"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(liar: Liar, authority: Authority, status: int) -> None:
    def redirect(answer: BaseHTTPRequestHandler) -> None:
        answer.send_response(status)
        answer.send_header("Location", "/jwks")
        answer.end_headers()

    liar.paths["/moved"] = redirect
    assert why(Caller(tls=authority.trusting), f"{liar.issuer}/moved", liar.issuer) == "redirect"
    assert liar.asked == ["/moved"]


def raw(data: bytes, *, again: bool = False, pause: float = 0.0) -> object:
    """Answers with these bytes, and if ``again`` with more for half a minute, which is for ever here."""

    def answer(to: BaseHTTPRequestHandler) -> None:
        to.wfile.write(data)
        ends = time.monotonic() + 30
        while again and time.monotonic() < ends:
            time.sleep(pause)
            to.wfile.write(b"x" if pause else b"x" * 65536)

    return answer


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + b"[" * 2_000_000, "large"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 2_000_000, "large"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n{}", "unreachable"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n{}", "unreachable"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 500 + b"\r\n{}", "unreachable"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffff\r\nx", "unreachable"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}", ""),
        (b"nonsense\r\n\r\n", "unreachable"),
        (b"", "unreachable"),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{}", "status"),
        (b"HTTP/1.1 204 None\r\n\r\n", "status"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull", "form"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "form"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "form"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 500_000, "form"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\xff\xfe\xfd", "form"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[:60].decode("latin-1").replace("\r\n", " "),
)
def test_an_answer_that_is_none(liar: Liar, authority: Authority, data: bytes, reason: str) -> None:
    liar.paths["/odd"] = raw(data)
    caller = Caller(tls=authority.trusting)
    if reason:
        assert why(caller, f"{liar.issuer}/odd", liar.issuer) == reason
    else:
        assert caller.ask(f"{liar.issuer}/odd", set_by=liar.issuer) == {}


@pytest.mark.parametrize(
    ("head", "pause"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", 0.0),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 0.05),
        (b"HTTP/1.1 200 OK\r\n\r\n", 0.05),
        (b"HTTP/1.1 200 OK\r\nX: ", 0.05),
    ],
    ids=["endless", "dripping-chunks", "dripping-body", "dripping-headers"],
)
def test_an_answer_that_does_not_end(liar: Liar, authority: Authority, monkeypatch: pytest.MonkeyPatch, head: bytes, pause: float) -> None:
    monkeypatch.setattr(outward, "WHOLE_SECONDS", 1.5)
    liar.paths["/endless"] = raw(head, again=True, pause=pause)
    began = time.monotonic()
    assert why(Caller(tls=authority.trusting), f"{liar.issuer}/endless", liar.issuer) in ("large", "slow", "unreachable")
    assert time.monotonic() - began < 10


def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outward, "WHOLE_SECONDS", 1.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"https://localhost:{silent.getsockname()[1]}"
        began = time.monotonic()
        assert why(Caller(resolve=lambda *_: ["127.0.0.1"]), url, url) == "slow"
        assert time.monotonic() - began < 10


def test_a_name_that_is_none() -> None:
    def nowhere(*_: object) -> list[str]:
        raise socket.gaierror

    assert why(Caller(resolve=nowhere), "https://id.hospital.example/") == "name"
    assert why(Caller(resolve=lambda *_: ["not an address"]), "https://id.hospital.example/") == "name"
    assert why(Caller(resolve=lambda *_: []), "https://id.hospital.example/") == "unreachable"


def test_a_form_is_sent_as_one(liar: Liar, authority: Authority) -> None:
    liar.paths["/form"] = {"token": "taken"}
    asked = {"form": {"a": "1&2", "b": "山"}, "headers": {"Authorization": "Basic x"}}
    assert Caller(tls=authority.trusting).ask(f"{liar.issuer}/form", set_by=liar.issuer, **asked) == {"token": "taken"}
    assert liar.forms == [{"a": "1&2", "b": "山", "authorization": "Basic x"}]


def test_no_proxy_is_asked(liar: Liar, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert "keys" in Caller(tls=authority.trusting).ask(f"{liar.issuer}/jwks", set_by=liar.issuer)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::ffff:127.0.0.1",
        "10.0.0.7",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "100.100.100.200",
        "169.254.169.254",
        "fd12:3456::1",
        "fe80::1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "::",
        "0.0.0.0",
    ],
)
def test_what_a_hospital_set_leads_out_of_the_house_alone(address: str) -> None:
    """Though it was set: a hospital's word on the network of the server counts for nothing. One bad address among good ones is enough."""
    for found in ([address], ["198.41.0.4", address]):
        caller = Caller(resolve=lambda *_, found=found: found)
        with pytest.raises(Unavailable) as away:
            caller.send("https://hook.example/", b"{}", {})
        assert away.value.params["why"] == "address"


def test_the_operator_may_open_a_network_to_what_hospitals_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outward, "WHOLE_SECONDS", 0.5)
    for address, why in (("10.255.255.1", "unreachable slow tls"), ("10.255.254.1", "address")):
        caller = Caller(resolve=lambda *_, to=address: [to], inside=["10.255.255.0/24"])
        with pytest.raises(Unavailable) as away:
            caller.send("https://sms.example/", b"{}", {})
        assert away.value.params["why"] in why.split()
    never = Caller(resolve=lambda *_: ["169.254.169.254"], inside=["169.254.0.0/16"])
    with pytest.raises(Unavailable) as away:
        never.send("https://meta.example/", b"{}", {})
    assert away.value.params["why"] == "address"


def test_what_is_sent_arrives_and_what_comes_back_counts_by_its_status(liar: Liar, authority: Authority) -> None:
    caller = Caller(at_home=True, tls=authority.trusting)
    liar.paths["/hook"] = {"any": "thing"}
    assert b"thing" in caller.send(f"{liar.issuer}/hook", b"a=1", {"Content-Type": "application/x-www-form-urlencoded"})
    assert liar.forms[-1]["a"] == "1"
    for head, why in ((b"204 No", ""), (b"302 Found", "redirect"), (b"410 Gone", "gone"), (b"500 Oh", "status")):
        liar.paths["/odd"] = raw(b"HTTP/1.1 " + head + b"\r\nContent-Length: 0\r\n\r\n")
        if why:
            with pytest.raises(Unavailable) as away:
                caller.send(f"{liar.issuer}/odd", b"", {})
            assert away.value.params["why"] == why
        else:
            assert caller.send(f"{liar.issuer}/odd", b"", {}) == b""
