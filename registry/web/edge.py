"""The edge: where a request meets the record. One transaction, one actor, and nothing else decides.

Routes take ``Db`` and ``Me`` and call one verb. The transaction ends *before* the answer goes out
(``scope="function"``), so nobody is told 200 for something that was not committed; a verb that raises
rolls everything back. Streams use ``short`` for transactions of their own, and what waits for another server ``apart``.

A transaction begins acting for nobody, and once the actor is found for the actor's organisation: PostgreSQL
itself then shows no more than that (`registry.walls`). Only signing in and what two hospitals agree on act as the
system.

A writing transaction on SQLite waits behind a lock. If waiting requests held a worker thread each, the
one that holds the lock could find no thread for its route; so they wait at an asynchronous gate first.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, TypeVar, cast

from anyio import Semaphore
from anyio.lowlevel import RunVar
from fastapi import Depends, Request
from fastapi.concurrency import contextmanager_in_threadpool, run_in_threadpool
from starlette.requests import HTTPConnection

from auth import sessions, tokens
from core.actor import Actor
from core.db import Database, Tx
from core.errors import SignInNeeded

COOKIE = "__Host-session"
DEVICE = "__Host-device"
POOLED = 20

T = TypeVar("T")


class Gate:
    """How many transactions may be open at once: one on SQLite, a pool's worth on PostgreSQL."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._semaphore: RunVar[Semaphore] = RunVar("gate")

    def __call__(self) -> Semaphore:
        """The semaphore of the running event loop."""
        semaphore = self._semaphore.get(None)
        if semaphore is None:
            semaphore = Semaphore(self._places)
            self._semaphore.set(semaphore)
        return semaphore

    @classmethod
    def of(cls, database: Database) -> "Gate":
        """A gate as wide as the engine behind the database allows."""
        return cls(1 if database.engine.dialect.name == "sqlite" else POOLED)


def database_of(request: HTTPConnection) -> Database:
    """The database the application was made with, as it is met at the edge: acting for nobody at first."""
    return cast(Database, request.app.state.database)


async def tx(request: Request) -> AsyncIterator[Tx]:
    """The request's one transaction: committed when the route has returned, rolled back when it raised."""
    async with _transaction(request, database_of(request)) as db:
        yield db


async def machinery(request: Request) -> AsyncIterator[Tx]:
    """The like, acting as the system: for signing in, before anybody is known, and for what binds two hospitals (``Negotiator``)."""
    async with _transaction(request, request.app.state.machinery) as db:
        yield db


@asynccontextmanager
async def _transaction(request: Request, database: Database) -> AsyncIterator[Tx]:
    async with request.app.state.gate(), contextmanager_in_threadpool(database.begin()) as db:
        request.state.db = db
        try:
            yield db
        finally:
            request.state.db = None


Db = Annotated[Tx, Depends(tx, scope="function")]
Machinery = Annotated[Tx, Depends(machinery, scope="function")]


def find_actor(request: HTTPConnection, db: Tx) -> Actor | None:
    """Who sent the request: the bearer of a token, else the holder of a session cookie, else None.

    A request with an ``Authorization`` header is judged by it alone; a cookie beside it is ignored.
    """
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    found: Actor | None = None
    if scheme:
        found = tokens.resolve(db, credential.strip()) if scheme.lower() == "bearer" else None
    elif cookie := request.cookies.get(COOKIE):
        found = sessions.resolve(db, cookie, touch="poll" not in request.query_params)
    request.state.actor = found
    return found


def actor(request: Request, db: Db) -> Actor:
    """Who sent the request. Raises SignInNeeded when nobody is signed in."""
    found = find_actor(request, db)
    if found is None:
        raise SignInNeeded("sign-in-needed")
    return found


def visitor(request: Request, db: Db) -> Actor | None:
    """Who sent the request, on pages that a stranger may see too."""
    return find_actor(request, db)


def negotiator(request: Request, db: Machinery) -> Actor:
    """Who sent a request that is written into the houses of two hospitals at once. Raises SignInNeeded."""
    return actor(request, db)


def newcomer(request: Request, db: Machinery) -> Actor | None:
    """The like, of whom nobody may know anything yet."""
    return find_actor(request, db)


Me = Annotated[Actor, Depends(actor, scope="function")]
Negotiator = Annotated[Actor, Depends(negotiator, scope="function")]
Newcomer = Annotated[Actor | None, Depends(newcomer, scope="function")]
Visitor = Annotated[Actor | None, Depends(visitor, scope="function")]


async def short(request: HTTPConnection, work: Callable[[Tx, Actor], T]) -> T:
    """Run ``work`` in one short transaction of its own, on a worker thread, with the actor looked up afresh.

    For routes that stream: call it before the first byte, and again to see that the right still stands.
    Raises SignInNeeded, and whatever ``work`` raises.
    """

    def whole(db: Tx) -> T:
        found = find_actor(request, db)
        if found is None:
            raise SignInNeeded("sign-in-needed")
        return work(db, found)

    return await _apart(request, database_of(request), whole)


async def apart(request: HTTPConnection, work: Callable[[Tx], T]) -> T:
    """Run ``work`` in one short transaction of its own, on a worker thread, whoever asks; a page it renders has its shell.

    For signing in by way of somebody else, whom no transaction waits for; it acts as the system, as `machinery` does.
    """
    return await _apart(request, request.app.state.machinery, work)


async def _apart(request: HTTPConnection, database: Database, work: Callable[[Tx], T]) -> T:
    def whole() -> T:
        with database.begin() as db:
            request.state.db = db
            try:
                return work(db)
            finally:
                request.state.db = None

    async with request.app.state.gate():
        return await run_in_threadpool(whole)
