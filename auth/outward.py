"""Outward: asking a server that is not ours by HTTP, on a short lead (attack 40; ASVS 1.3.6, 13.2.5, 15.3.2).

Where a name leads is checked after it was resolved, and the connection goes to the address that was checked: a
name that changes its mind in between (DNS rebinding) gains nothing. No redirect is followed and no proxy is
asked. An answer has at most 1 MiB, and the whole of it ten seconds; what is not a JSON object with status 200 is
no answer. All of that is one error, ``provider-away``, with the reason as a code.

``set_by`` is the address the operator set, which the one that is asked follows from. It may lead anywhere in the
hospital's network, since the operator said so; an address it names may lead to this very machine only when it
does so itself, and to a cloud's metadata never.

``send`` is for an address that a hospital set, whose word on our network counts for nothing: it leads to the
Internet, or to the networks that the operator named (``inside``). What comes back is never shown to anybody.
"""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection, IncompleteRead
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

from core.errors import Unavailable

LARGEST = 1 << 20
CONNECT_SECONDS = 4.0
WHOLE_SECONDS = 10.0
PORTS = {"https": 443, "http": 80}

METADATA = frozenset({"100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"})
"""Where clouds keep a machine's own secrets, beside 169.254.0.0/16, which is link-local."""
THIS_NETWORK = ip_network("0.0.0.0/8")

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], list[str]]


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, as the machine finds them. Raises OSError."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Caller:
    """Asks other servers. ``at_home`` is for a deployment on loopback, which may ask its neighbours there without TLS."""

    def __init__(
        self, *, at_home: bool = False, tls: ssl.SSLContext | None = None, resolve: Resolve = resolve, inside: Iterable[str] = ()
    ) -> None:
        self._at_home, self._resolve = at_home, resolve
        self._inside = tuple(ip_network(network) for network in inside)
        self._tls = tls or ssl.create_default_context()

    def fits(self, url: str) -> bool:
        """Whether it is a full address with TLS (or on loopback, at home) and neither user, fragment nor odd sign."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            return False
        if not host or port == 0 or parts.username is not None or parts.fragment or not url.isascii() or any(ord(c) < 33 for c in url):
            return False
        return parts.scheme == "https" or (parts.scheme == "http" and self._at_home and host in ("localhost", "127.0.0.1", "::1"))

    def ask(
        self, url: str, *, set_by: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The JSON object at ``url``, or what it answers to ``form``. Raises Unavailable ``provider-away``."""
        typed = {"Content-Type": "application/x-www-form-urlencoded"} if form is not None else {}
        data = urlencode(form).encode() if form is not None else None
        status, body = self._exchanged(url, lambda: self._allowed(url, set_by), data, {**typed, **(headers or {})})
        if status != 200:
            raise _away("redirect" if 300 <= status < 400 else "status")
        return _object(body)

    def send(self, url: str, data: bytes, headers: Mapping[str, str]) -> bytes:
        """Post to an address that a hospital set; what was answered with a status of 2xx. Raises Unavailable ``provider-away``."""
        status, body = self._exchanged(url, lambda: self._far(url), data, headers)
        if not 200 <= status < 300:
            raise _away("redirect" if 300 <= status < 400 else "gone" if status == 410 else "missing" if status == 404 else "status")
        return body

    def _exchanged(self, url: str, allowed: Callable[[], list[str]], data: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        if not self.fits(url):
            raise _away("address")
        ends = time.monotonic() + WHOLE_SECONDS
        parts = urlsplit(url)
        try:
            with self._connected(parts, allowed(), ends) as connection:
                status, body = _exchange(connection, parts, data, headers)
        except (OSError, HTTPException, ValueError) as error:
            late = time.monotonic() > ends
            raise _away("slow" if late else "tls" if isinstance(error, ssl.SSLError) else "unreachable") from None
        if time.monotonic() > ends:
            raise _away("slow")
        if len(body) > LARGEST:
            raise _away("large")
        return status, body

    def _far(self, url: str) -> list[str]:
        """The addresses that ``url`` leads to; all of them on the Internet or where the operator allows, at home on this machine too."""
        found = self._addresses(url)
        if any(_never(address) or not self._reachable(address) for address in found):
            raise _away("address")
        if urlsplit(url).scheme == "http" and not all(address.is_loopback for address in found):
            raise _away("address")
        return [str(address) for address in found]

    def _reachable(self, address: Address) -> bool:
        if any(address in network for network in self._inside):
            return True
        if address.is_loopback:
            return self._at_home
        tunnelled = isinstance(address, IPv6Address) and (address.sixtofour or address.teredo)
        return address.is_global and not tunnelled

    def _allowed(self, url: str, set_by: str) -> list[str]:
        """The addresses that ``url`` leads to; all of them have to be fit to be asked."""
        found = self._addresses(url)
        if any(_never(address) for address in found):
            raise _away("address")
        loopback = [address.is_loopback for address in found]
        if any(loopback) and not any(address.is_loopback for address in self._addresses(set_by)):
            raise _away("address")
        if urlsplit(url).scheme == "http" and not all(loopback):
            raise _away("address")
        return [str(address) for address in found]

    def _addresses(self, url: str) -> list[Address]:
        parts = urlsplit(url)
        try:
            found = self._resolve(str(parts.hostname), _port(parts))
            return [_bare(ip_address(address.partition("%")[0])) for address in dict.fromkeys(found)]
        except (OSError, ValueError):
            raise _away("name") from None

    @contextmanager
    def _connected(self, parts: SplitResult, addresses: list[str], ends: float) -> Iterator[HTTPConnection]:
        host = str(parts.hostname)
        with _reached(addresses, _port(parts), ends) as raw, _hung_up_at(ends) as watch:
            if parts.scheme == "http":
                connection = HTTPConnection(host, _port(parts))
                connection.sock = watch(raw)
                yield connection
                return
            connection = HTTPSConnection(host, _port(parts), context=self._tls)
            with self._tls.wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False) as wrapped:
                connection.sock = watch(wrapped)
                wrapped.do_handshake()
                yield connection


def _reached(addresses: list[str], port: int, ends: float) -> socket.socket:
    """A connection to the first of the addresses that takes one. Raises OSError."""
    for address in addresses:
        left = ends - time.monotonic()
        with suppress(OSError):
            found = socket.create_connection((address, port), max(0.01, min(CONNECT_SECONDS, left)))
            found.settimeout(WHOLE_SECONDS)
            return found
    raise OSError("nobody there")


@contextmanager
def _hung_up_at(ends: float) -> Iterator[Callable[[socket.socket], socket.socket]]:
    """Ends a connection when its time is over, whatever it is waiting for: a time-out of a socket bounds one read alone."""
    watched: list[socket.socket] = []

    def hang_up() -> None:
        for one in watched:
            with suppress(OSError):
                # not the wrapped one's own shutdown, which takes TLS off under whoever is reading
                socket.socket.shutdown(one, socket.SHUT_RDWR)

    def watch(one: socket.socket) -> socket.socket:
        watched.append(one)
        if time.monotonic() > ends:
            raise TimeoutError
        return one

    timer = threading.Timer(max(ends - time.monotonic(), 0), hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield watch
    finally:
        timer.cancel()


def _exchange(connection: HTTPConnection, parts: SplitResult, data: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    plain = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "Shanhai", "Connection": "close"}
    connection.request("GET" if data is None else "POST", target, data, headers={**plain, **headers})
    with connection.getresponse() as answer:
        body = answer.read(LARGEST + 1)
        if answer.length and len(body) <= LARGEST:
            raise IncompleteRead(body)
        return answer.status, body


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise _away("form") from None
    if not isinstance(found, dict):
        raise _away("form")
    return found


def _bare(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that carries it; else the address itself."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _never(address: Address) -> bool:
    """Whether nobody has a reason to ask there."""
    if address.is_loopback:
        return False
    special = address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved
    return special or address in THIS_NETWORK or str(address) in METADATA


def _port(parts: SplitResult) -> int:
    return parts.port or PORTS[parts.scheme]


def _away(why: str) -> Unavailable:
    return Unavailable("provider-away", why=why)
