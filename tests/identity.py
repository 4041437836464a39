"""Identity providers for the tests: a real one (npm's oidc-provider), and one that says what a test lets it say.

Both speak TLS on loopback under a certificate authority made for the session, which the product is told to trust as
an operator would: by ``SSL_CERT_FILE``.
"""

import contextlib
import datetime as dt
import json
import os
import secrets
import signal
import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from core import ids
from tests import engines
from tests.browser import chromium

SCRIPT = chromium.HERE / "provider.mjs"
SECRET = "the client's secret, with signs: +/%&="


@dataclass(frozen=True)
class Authority:
    """A certificate authority, and a server's certificate and key that it signed, as files."""

    root: Path
    certificate: Path
    key: Path

    @property
    def trusting(self) -> ssl.SSLContext:
        """What a client uses that trusts it alone."""
        return ssl.create_default_context(cafile=str(self.root))


def authority(folder: Path) -> Authority:
    """Make one for ``localhost``."""
    now = ids.now()

    def name(words: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, words)])

    def signed(subject: x509.Name, key: ec.EllipticCurvePrivateKey, *more: tuple[x509.ExtensionType, bool]) -> x509.Certificate:
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(name("Test root")).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=1))
        made = made.not_valid_after(now + dt.timedelta(days=2))
        made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), critical=False)
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        for extension, critical in more:
            made = made.add_extension(extension, critical)
        return made.sign(root, hashes.SHA256())

    root, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    usage = dict.fromkeys(("digital_signature", "key_cert_sign", "crl_sign"), True)
    usage |= dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False
    )
    top = signed(name("Test root"), root, (x509.BasicConstraints(ca=True, path_length=0), True), (x509.KeyUsage(**usage), True))
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    made = Authority(folder / "root.pem", folder / "server.pem", folder / "server.key")
    made.root.write_bytes(top.public_bytes(serialization.Encoding.PEM))
    made.certificate.write_bytes(signed(name("localhost"), key, (names, False)).public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    made.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return made


@dataclass(frozen=True)
class RealProvider:
    """oidc-provider, running. Its clients are ``shanhai-RS256`` and so on, with ``SECRET``."""

    issuer: str
    tls: ssl.SSLContext | None

    def next(self, account: str, *amr: str) -> None:
        """Who is signed in next, and by which methods."""
        body = json.dumps({"account": account, "amr": amr or ("pwd",)}).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self.issuer}/next", body), timeout=20, context=self.tls):
            pass


@contextlib.contextmanager
def real_provider(folder: Path, with_tls: Authority | None = None) -> Iterator[RealProvider]:
    """Start it on a free port, with TLS or (for a deployment that is on loopback itself) without."""
    [port] = engines.Ports.draw(1)
    settings = {"PORT": str(port), "SECRET": SECRET}
    if with_tls is not None:
        settings |= {"CERT": str(with_tls.certificate), "KEY": str(with_tls.key)}
    running = engines.Server([str(chromium.node()), str(SCRIPT)], folder, stop=signal.SIGTERM, environment=settings)
    tls = with_tls.trusting if with_tls is not None else None
    issuer = f"{'https' if with_tls else 'http'}://localhost:{port}"

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"{issuer}/jwks", timeout=20, context=tls) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    try:
        running.wait_until(answers)
        yield RealProvider(issuer, tls)
    finally:
        running.close()


def new_keys() -> dict[str, Any]:
    """A key for each algorithm, named after it."""
    return {
        "RS256": RSAKey.generate_key(2048, {"kid": "RS256", "use": "sig"}),
        "PS256": RSAKey.generate_key(2048, {"kid": "PS256", "use": "sig", "alg": "PS256"}),
        "ES256": ECKey.generate_key("P-256", {"kid": "ES256", "use": "sig"}),
        "EdDSA": OKPKey.generate_key("Ed25519", {"kid": "EdDSA", "use": "sig"}),
    }


class _Anything(JWSRegistry):
    """Signs whatever a forger wants."""

    max_header_length = max_payload_length = 1 << 30

    def __init__(self) -> None:
        super().__init__(strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]

    def check_header(self, header: dict[str, Any]) -> None:
        return


def sign(key: Any, claims: dict[str, Any] | bytes, **header: Any) -> str:
    """A token with any header and any claims, signed by any key."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return jws.serialize_compact(header, payload, key, registry=_Anything())


def claims_of(issuer: str, nonce: str, /, **more: Any) -> dict[str, Any]:
    """The claims of an honest token; None leaves one out."""
    now = int(ids.now().timestamp())
    honest = {"iss": issuer, "sub": "248289761001", "aud": "shanhai", "exp": now + 300, "iat": now, "nonce": nonce}
    return {name: value for name, value in (honest | more).items() if value is not None}


Answering = Callable[[BaseHTTPRequestHandler], None]


class Liar(ThreadingHTTPServer):
    """A provider that a test has in hand: ``paths`` maps each path to the JSON it answers, or to what answers."""

    daemon_threads = True

    def __init__(self, authority: Authority) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.certificate, authority.key)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.issuer = f"https://localhost:{self.server_address[1]}"
        self.keys = new_keys()
        self.asked: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.paths: dict[str, Any] = {
            "/.well-known/openid-configuration": self.description(),
            "/jwks": {"keys": [key.as_dict(private=False) for key in self.keys.values()]},
            "/token": {"error": "invalid_grant"},
        }

    def description(self, **more: Any) -> dict[str, Any]:
        """What an honest provider says of itself."""
        ends = {f"{name}_endpoint": f"{self.issuer}/{path}" for name, path in (("authorization", "authorize"), ("token", "token"))}
        return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/jwks", **ends, **more}

    def describe(self, **more: Any) -> None:
        """Say something else of itself from now on."""
        self.paths["/.well-known/openid-configuration"] = self.description(**more)

    def claim(self, nonce: str, /, *, algorithm: str = "ES256", **more: Any) -> None:
        """Let the token endpoint answer with a well-signed token."""
        key = self.keys[algorithm]
        token = sign(key, claims_of(self.issuer, nonce, **more), alg=algorithm, kid=algorithm)
        self.paths["/token"] = {"access_token": "opaque", "token_type": "Bearer", "id_token": token}

    def get_request(self) -> tuple[socket.socket, Any]:
        found, address = super().get_request()
        found.settimeout(60)
        return found, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up on a liar is right."""


class _Answers(BaseHTTPRequestHandler):
    server: Liar

    def setup(self) -> None:
        self.request.do_handshake()
        super().setup()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.server.forms.append(dict(parse_qsl(body)) | {"authorization": self.headers.get("Authorization", "")})
        self._answer()

    def _answer(self) -> None:
        self.server.asked.append(self.path)
        found = self.server.paths.get(self.path)
        if callable(found):
            found(self)
            return
        body = json.dumps(found).encode()
        self.send_response(404 if found is None else 400 if "error" in found else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextlib.contextmanager
def liar(authority: Authority) -> Iterator[Liar]:
    """One that runs."""
    server = Liar(authority)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def nonsense(length: int) -> str:
    """Random text of a length."""
    return secrets.token_hex(length // 2)


def trusted(authority: Authority) -> dict[str, str]:
    """The environment in which the product trusts the authority."""
    return {**os.environ, "SSL_CERT_FILE": str(authority.root)}
