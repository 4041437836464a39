"""Streams: bodies that take long, in either direction, without taking the house's threads.

What moves bytes waits (for the line, the store, the sandbox, the writer's lock of SQLite) and has threads of its own
for that: were they the routes' threads, enough slow senders could leave none for the one that holds the lock. A
long answer looks every five seconds whether the reader may still have it, in a short transaction of its own.
"""

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import TypeVar

import anyio.to_thread
from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from auth import sessions, tokens
from core.actor import Actor
from core.db import Tx
from core.errors import SignInNeeded
from registry.web.edge import database_of

THREADS = 16
RECHECK_SECONDS = 5.0
RAW = {"Content-Disposition": "attachment", "Content-Security-Policy": "sandbox"}
"""For bytes that a stranger sent: kept from being shown as a page of ours."""

T = TypeVar("T")
Check = Callable[[Tx, Actor], object]
_limiter: RunVar[CapacityLimiter] = RunVar("streams")


async def run(work: Callable[..., T], *arguments: object) -> T:
    """Do something that takes its time on a thread of the streams."""
    limiter = _limiter.get(None)
    if limiter is None:
        limiter = CapacityLimiter(THREADS)
        _limiter.set(limiter)
    return await anyio.to_thread.run_sync(lambda: work(*arguments), limiter=limiter)


async def answer(
    request: Request, me: Actor, chunks: Iterator[bytes], check: Check, *, content_type: str, length: int | None, headers: Mapping[str, str]
) -> Response:
    """The pieces as an answer. ``check`` raises when the reader may no longer have them, which cuts the answer short.

    The first piece is made before the status goes out, so that what cannot be given is still answered as an error.
    """
    first = await run(next, chunks, b"")
    sized = {} if length is None else {"Content-Length": str(length)}
    return StreamingResponse(_pieces(request, me, first, chunks, check), headers={"Content-Type": content_type, **sized, **headers})


async def _pieces(request: Request, me: Actor, first: bytes, chunks: Iterator[bytes], check: Check) -> AsyncIterator[bytes]:
    yield first
    checked = time.monotonic()
    while True:
        piece: bytes | None = await run(next, chunks, None)
        if piece is None:
            return
        if time.monotonic() - checked >= RECHECK_SECONDS:
            await run(_look_again, request, me, check)
            checked = time.monotonic()
        yield piece


def _look_again(request: Request, me: Actor, check: Check) -> None:
    with database_of(request).begin(readonly=True) as db:
        still = tokens.again(db, me) if me.token_id is not None else sessions.again(db, me)
        if still is None:
            raise SignInNeeded("sign-in-needed")
        check(db, still)
