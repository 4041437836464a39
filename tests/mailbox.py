"""A mail server for the tests (aiosmtpd), and a server that hooks call on: both real, on loopback, and both can refuse."""

import email
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests import engines
from tests.identity import Authority

LOGIN, PASSWORD = "shanhai", "open: sesame/@%"


@dataclass
class Mailbox:
    """What came. ``refuses`` are replies to give instead of taking a letter, in order; ``later`` is given to every recipient."""

    port: int
    letters: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    refuses: list[str] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]) -> str:  # noqa: N802
        """One recipient."""
        if address in self.unknown:
            return "550 5.1.1 no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """The letter."""
        if self.refuses:
            return self.refuses.pop(0)
        assert isinstance(envelope.content, bytes)
        self.raw.append(envelope.content)
        self.encrypted.append(session.ssl is not None)
        self.letters.append(email.message_from_bytes(envelope.content, policy=default))  # type: ignore[arg-type]
        return "250 taken"

    @property
    def texts(self) -> list[str]:
        """Subject and body of each, as a person reads them."""
        return [f"{letter['Subject']}\n{letter.get_content()}".replace("\r\n", "\n") for letter in self.letters]


def _knows(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    assert isinstance(data, LoginPassword)
    return AuthResult(success=(data.login, data.password) == (LOGIN.encode(), PASSWORD.encode()), handled=False)


class _Controller(Controller):
    def __init__(self, box: Mailbox, *, wrapped: ssl.SSLContext | None, **more: Any) -> None:
        super().__init__(box, hostname="127.0.0.1", port=box.port, ssl_context=wrapped, **more)


def _tls(authority: Authority) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority.certificate, authority.key)
    return tls


@contextmanager
def mailbox(*, smtps: Authority | None = None, starttls: Authority | None = None, signed_in: bool = False) -> Iterator[Mailbox]:
    """A mail server on a free port, plain or with one of the two kinds of TLS."""
    [port] = engines.Ports.draw(1)
    box = Mailbox(port)
    more: dict[str, Any] = {"authenticator": _knows, "auth_required": signed_in, "auth_require_tls": starttls is not None}
    if starttls is not None:
        more |= {"tls_context": _tls(starttls), "require_starttls": True}
    controller = _Controller(box, wrapped=_tls(smtps) if smtps is not None else None, **more)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


@dataclass
class Call:
    """One request that came."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver(ThreadingHTTPServer):
    """Takes what hooks send. ``answers`` are statuses and bodies to give in order; then 200 and ``{"errcode": 0}``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.calls: list[Call] = []
        self.answers: list[tuple[int, bytes]] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.calls.append(Call(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        status, answer = self.server.answers.pop(0) if self.server.answers else (200, b'{"errcode": 0}')
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Nothing is said."""


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A server that hooks call on."""
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
