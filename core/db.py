"""The database: one transaction per request or job, on SQLite or PostgreSQL.

``Database.begin()`` is the only place that commits. On SQLite a writing transaction takes a fair lock
of this process before ``BEGIN IMMEDIATE``, because SQLite's own busy handler starves writers under
contention; other processes still wait by ``busy_timeout``. SQLite older than 3.51.3 is refused: its
WAL-reset fault loses committed rows (sqlite.org, release log 3.51.3).

A transaction says for whom it acts: for one organisation, as the system, or for nobody. On PostgreSQL that is
a setting of the transaction (SET LOCAL) which the policies of row-level security ask (`registry.walls`); who
acts for nobody sees no row of theirs. SQLite has no such second wall.
"""

import copy
import logging
import os
import stat
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self
from uuid import UUID

import pysqlite3.dbapi2 as sqlite
from psycopg.pq import Format
from sqlalchemy import Engine, ExceptionContext, create_engine, event, text
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from core.errors import Conflict, Invalid, PreconditionFailed, ShanhaiError, Unavailable
from core.keyring import Keyring
from core.storage import Store
from core.tables import Base

OLDEST_SQLITE = (3, 51, 3)
SQLITE_ERROR = 1
BUSY_TIMEOUT_MS = 15_000

ACTING = "shanhai.acting"
"""The setting of a PostgreSQL transaction that says for whom it acts: the id of an organisation, SYSTEM, or nothing."""
SYSTEM = "system"

IN_BINARY = "in_binary"
"""The execution option of a query of many bytes: PostgreSQL sends a result as text unless asked, and bytes in hexadecimal."""

log = logging.getLogger("shanhai.db")


class Tx(Session):
    """One transaction, with the keyring and the store its verbs need.

    ``acting`` is for whom: an organisation, SYSTEM (jobs, commands, sign-in), or None for nobody.
    """

    keyring: Keyring
    store: Store
    acting: UUID | str | None = None

    def act_for(self, organisation_id: UUID) -> None:
        """From here on, act for that organisation alone. It only ever narrows: RuntimeError once it is another's."""
        if self.acting != organisation_id:
            if isinstance(self.acting, UUID):
                raise RuntimeError("a transaction acts for one organisation")
            self._act(organisation_id)

    def _act(self, acting: UUID | str) -> None:
        if self.get_bind().dialect.name == "postgresql":
            self.execute(text("SELECT set_config(:name, :acting, true)"), {"name": ACTING, "acting": str(acting)})
        self.acting = acting


class FairLock:
    """A mutex that is handed on in the order of asking."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._held = False

    def __enter__(self) -> None:
        with self._guard:
            if not self._held:
                self._held = True
                return
            turn = threading.Event()
            self._waiting.append(turn)
        turn.wait()

    def __exit__(self, *_: object) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._held = False


class Database:
    """An engine with its keyring and store. ``url`` is a SQLAlchemy URL; the engine opens lazily."""

    def __init__(self, url: str, keyring: Keyring, store: Store) -> None:
        self.keyring = keyring
        self.store = store
        self.engine = _engine(url)
        self._writer = FairLock() if self.engine.dialect.name == "sqlite" else None
        self._acting: str | None = SYSTEM

    def at_the_edge(self) -> Self:
        """The same database as it is met from outside: a transaction acts for nobody until it says for whom."""
        edge = copy.copy(self)
        edge._acting = None
        return edge

    @contextmanager
    def begin(self, *, readonly: bool = False, acting: UUID | None = None) -> Iterator[Tx]:
        """One transaction: committed when the block ends well, rolled back when it raises.

        It acts for the organisation ``acting``; without one as the system, or at the edge for nobody.

        Raises Conflict ``written-meanwhile`` and PreconditionFailed ``changed-meanwhile`` when another
        transaction was first, Invalid ``value-invalid`` for what the engine cannot hold (a NUL in a text, a number
        out of range) and no rule refused before, Unavailable ``database-unavailable`` when the database is away,
        locked for too long, full, or changing hands.
        """
        if self._writer is None or readonly:
            with self._transaction(readonly=readonly, acting=acting or self._acting) as db:
                yield db
        else:
            with self._writer, self._transaction(readonly=False, acting=acting or self._acting) as db:
                yield db

    @contextmanager
    def _transaction(self, *, readonly: bool, acting: UUID | str | None) -> Iterator[Tx]:
        options: dict[str, Any] = {"readonly": readonly}
        if readonly and self.engine.dialect.name == "postgresql":
            options["postgresql_readonly"] = True
        with Tx(self.engine, expire_on_commit=False) as db:
            db.keyring, db.store = self.keyring, self.store
            try:
                db.connection(execution_options=options)
                if acting is not None:
                    db._act(acting)
                yield db
                db.commit()
            except StaleDataError:
                raise PreconditionFailed("changed-meanwhile") from None
            except DataError:
                raise Invalid("value-invalid") from None
            except DBAPIError as error:
                raise _meanwhile(error) or _unavailable(error) or error from None
            except PoolTimeoutError as error:
                raise _away(type(error).__name__, "") from None

    def create_all(self) -> None:
        """Every table of the packages imported so far, for tests; a deployment runs the migrations."""
        Base.metadata.create_all(self.engine)

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()


def _meanwhile(error: DBAPIError) -> ShanhaiError | None:
    """What another transaction did first, as an error of ours; None for any other fault of the database.

    PostgreSQL appendix A: 23505 unique_violation, 40P01 deadlock_detected, 40001 serialization_failure.
    """
    state = getattr(error.orig, "sqlstate", None)
    if state == "23505" or "UNIQUE constraint failed" in str(error.orig):
        return Conflict("written-meanwhile")
    return PreconditionFailed("changed-meanwhile") if state in ("40P01", "40001") else None


def _unavailable(error: DBAPIError) -> ShanhaiError | None:
    """A database that does not answer, as an error of ours; None for a statement that is wrong.

    psycopg has other classes for wrong statements. SQLite tells them by its code 1 (sqlite.org, result codes).
    """
    if not (isinstance(error, OperationalError) or error.connection_invalidated):
        return None
    if getattr(error.orig, "sqlite_errorcode", None) == SQLITE_ERROR:
        return None
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", None)
    return _away(type(error.orig).__name__, state or "")


def _away(kind: str, state: str) -> ShanhaiError:
    # the words of such an error may name an address or a value: they are not written down
    log.error("the database does not answer: %s %s", kind, state)
    return Unavailable("database-unavailable", cure="see that the database runs and SHANHAI_DATABASE_URL leads to it")


def _engine(url: str) -> Engine:
    # hide_parameters: an error that carries bound values would end in a log
    if not url.startswith("sqlite"):
        engine = create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20, hide_parameters=True)

        @event.listens_for(engine, "before_cursor_execute")
        def _in_binary(_connection: object, cursor: Any, _statement: str, _parameters: object, context: Any, _many: bool) -> None:
            if context.execution_options.get(IN_BINARY):
                cursor.format = Format.BINARY

        return engine
    if sqlite.sqlite_version_info < OLDEST_SQLITE:
        raise Unavailable("sqlite-too-old", version=sqlite.sqlite_version)
    engine = create_engine(url, module=sqlite, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000}, hide_parameters=True)

    # secure_delete: a destroyed key must not stay behind in a free page
    pragmas = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON", f"busy_timeout={BUSY_TIMEOUT_MS}")

    @event.listens_for(engine, "do_connect")
    def _private(_dialect: object, _record: object, arguments: list[Any], _options: object) -> None:
        # SQLite gives its log the mode of the file, and makes a file that the umask alone protects. mknod opens
        # nothing: closing a descriptor of the file would drop every lock that SQLite holds on it (fcntl(2)).
        if not arguments[0].startswith((":memory:", "file:")):
            with suppress(OSError):
                os.mknod(arguments[0], 0o600 | stat.S_IFREG)

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        readonly = connection.get_execution_options().get("readonly", False)
        connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")

    @event.listens_for(engine, "handle_error")
    def _too_large(context: ExceptionContext) -> Exception | None:
        return Invalid("value-invalid") if isinstance(context.original_exception, OverflowError) else None

    return engine
