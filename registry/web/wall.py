"""The wall around every route: host, origin, size and headers, before any of our code sees a request.

One pure ASGI layer. It refuses a host that is not ours, an unsafe request another site made the browser
send, a compressed body and an oversized one; it puts the security headers on whatever goes out; it turns
a fault of ours into a page with a number; and it writes one log line per request, which holds the route's
pattern and never the address, a name or a query.
"""

import logging
import re
import time
import traceback
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from auth import documents
from auth.csrf import same_origin
from core import ids
from registry.web import problems

log = logging.getLogger("shanhai.web")

CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "worker-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "object-src 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
HSTS = "max-age=63072000; includeSubDomains"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = SAFE | {"POST", "PUT", "PATCH", "DELETE"}
ANY_HOST = frozenset({"/healthz", "/readyz", "/metrics"})
STREAMED = ("/files", "/dicomweb")
SMALL_BODY = 1 << 20
LARGER = {"/hospital/agreements/new": documents.LARGEST + SMALL_BODY}
"""Forms that carry a file."""
LARGER_ENDS = ("/consents/scans", documents.LARGEST + SMALL_BODY)
"""How the path of such a form of a case ends."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


class Metrics:
    """Counts and times by route pattern, method and status; no address, no person, no patient."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("shanhai_requests", "Requests answered", ["route", "method", "status"], registry=self.registry)
        self.seconds = Histogram("shanhai_request_seconds", "Time to answer", ["route"], registry=self.registry)


class Wall:
    """The layer. ``base_url`` is the one address people type; ``body_limit`` bounds the streamed paths, in bytes."""

    def __init__(self, app: ASGIApp, *, base_url: str, body_limit: int, metrics: Metrics) -> None:
        self.app, self.base_url, self.body_limit, self.metrics = app, base_url, body_limit, metrics
        parts = urlsplit(base_url)
        self.https = parts.scheme == "https"
        # some programs (dicomweb-client) leave the port out of Host; what guards us is the name
        self.hosts = {parts.netloc.lower(), f"{parts.hostname}"}
        if parts.hostname in {"localhost", "127.0.0.1", "::1"}:
            port = f":{parts.port}" if parts.port else ""
            self.hosts |= {f"{name}{port}" for name in LOOPBACK} | LOOPBACK

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        scope.setdefault("state", {})["request_id"] = str(ids.new())
        status = 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._harden(MutableHeaders(scope=message), scope)
            await send(message)

        try:
            await self._pass(scope, receive, sending)
        finally:
            self._count(scope, status, time.perf_counter() - started)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if not self._host_is_ours(headers, scope["path"]):
            await PlainTextResponse("unknown host", 400)(scope, receive, send)
            return
        request = Request(scope, receive)
        refused = self._refusal(scope, headers)
        if refused is not None:
            await problems.on_http(request, refused)(scope, receive, send)
            return
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, self._bounded(scope, receive), noting)
        except ClientDisconnect:
            # a line that broke is no fault of ours, and nobody is there to read the answer
            if not begun:
                await problems.on_http(request, HTTPException(400))(scope, receive, send)
        except Exception as fault:  # noqa: BLE001 (the last resort: whatever it is, it is answered and logged)
            frames = "".join(traceback.format_tb(fault.__traceback__))
            log.error("request %s: %s\n%s", scope["state"]["request_id"], type(fault).__name__, frames)
            if begun:
                raise ConnectionError("answer cut short") from None
            await problems.on_anything(request, fault)(scope, receive, send)

    def _host_is_ours(self, headers: Headers, path: str) -> bool:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not HOST.fullmatch(hosts[0]):
            return False
        return path in ANY_HOST or hosts[0].lower() in self.hosts

    def _refusal(self, scope: Scope, headers: Headers) -> HTTPException | None:
        if scope["method"] in SAFE:
            return None
        by_browser = "cookie" in headers or "origin" in headers or "sec-fetch-site" in headers
        if by_browser and "authorization" not in headers and not same_origin(scope["method"], headers, self.base_url):
            return HTTPException(403)
        if headers.get("content-encoding", "identity") != "identity":
            return HTTPException(415)
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit():
            return HTTPException(400)
        return HTTPException(413) if int(length) > self._limit(scope) else None

    def _limit(self, scope: Scope) -> int:
        path, (end, larger) = scope["path"], LARGER_ENDS
        return self.body_limit if path.startswith(STREAMED) else larger if path.endswith(end) else LARGER.get(path, SMALL_BODY)

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        limit, taken = self._limit(scope), 0

        async def receiving() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise HTTPException(413)
            return message

        return receiving

    def _harden(self, headers: MutableHeaders, scope: Scope) -> None:
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        headers["X-Request-Id"] = scope["state"]["request_id"]
        if self.https:
            headers["Strict-Transport-Security"] = HSTS

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "-")
        method = scope["method"] if scope["method"] in METHODS else "-"
        self.metrics.requests.labels(route, method, str(status)).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        log.info("%s %s %s %d ms %s", method, route, status, seconds * 1000, scope["state"]["request_id"])
