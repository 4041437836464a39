"""Fixtures every test shares: the two engines, and a database with its keys and its store on either.

A test that asks for ``database`` runs twice, as ``sqlite-directory`` and as ``postgres-s3``. Each gets a
database of its own, copied from a template that holds the schema, and a store of its own (a folder, or
a prefix in the bucket). The servers start when the first test needs them and stop at the end.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests import engines

if TYPE_CHECKING:
    from core.db import Database
    from tests.identity import Authority, Liar, RealProvider

HANG_UP = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
# as a replica: neither foreign keys nor append-only triggers are asked
EMPTY = """
DO $$
DECLARE name text;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
END $$
"""


@dataclass(frozen=True)
class Engine:
    """One of the two pairs of database and store; the URLs lead to an empty, private one with the schema in place.

    On PostgreSQL ``database_url`` is the application's role, ``owner_url`` the owner's of the tables, and ``root_url``
    the database administrator's, whom no wall holds. SQLite knows no roles: there all three are the same.
    """

    name: str
    folder: Path
    database_url: str
    store_url: str
    owner_url: str
    root_url: str

    def open(self, url: str = "") -> "Database":
        """A ``Database`` on it, with a fresh root key: as the application meets it, or by another of its URLs."""
        return open_database(url or self.database_url, self.store_url, self.folder)


class Engines:
    """Starts what is asked for once a session and hands out fresh databases and stores."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._used: list[str] = []
        self._clean: list[str] = []

    @cached_property
    def postgres(self) -> engines.Postgres:
        """The PostgreSQL server."""
        return engines.Postgres()

    @cached_property
    def s3(self) -> engines.S3:
        """The S3 server; its address and keys are put into the environment, where the product looks for them."""
        server = engines.S3()
        os.environ.update(server.environment)
        return server

    @cached_property
    def postgres_template(self) -> str:
        """The name of a PostgreSQL database that holds the schema and nothing else."""
        name = f"schema{uuid4().hex}"
        self.postgres.execute(f"CREATE DATABASE {name} OWNER {self.postgres.OWNER}")
        create_schema(self.postgres.url(name, self.postgres.OWNER), self.folder / name, self.postgres.APPLICATION)
        return name

    @cached_property
    def sqlite_template(self) -> Path:
        """A SQLite file that holds the schema and nothing else."""
        path = self.folder / f"{uuid4().hex}.sqlite"
        create_schema(f"sqlite:///{path}", path.with_suffix(""))
        return path

    def fresh(self, name: str, folder: Path) -> Engine:
        """A database with the schema and a store that nobody else has; ``folder`` takes what lies in files."""
        if name == engines.SQLITE_DIRECTORY:
            shutil.copyfile(self.sqlite_template, folder / "shanhai.sqlite")
            return self._engine(name, folder, "")
        if not self._clean:
            database = f"t{uuid4().hex}"
            self.postgres.execute(f"CREATE DATABASE {database} TEMPLATE {self.postgres_template}")
            self._clean.append(database)
        self._used.append(self._clean.pop())
        return self._engine(name, folder, self._used[-1])

    def blank(self, name: str, folder: Path) -> Engine:
        """The like without any table, for the migrations."""
        if name == engines.SQLITE_DIRECTORY:
            return self._engine(name, folder, "")
        database = f"blank{uuid4().hex}"
        self.postgres.execute(f"CREATE DATABASE {database} OWNER {self.postgres.OWNER}")
        return self._engine(name, folder, database)

    def _engine(self, name: str, folder: Path, database: str) -> Engine:
        if name == engines.SQLITE_DIRECTORY:
            url = f"sqlite:///{folder / 'shanhai.sqlite'}"
            return Engine(name, folder, url, (folder / "objects").as_uri(), url, url)
        assert self.s3
        server = self.postgres
        application, owner, root = (server.url(database, role) for role in (server.APPLICATION, server.OWNER, "shanhai"))
        return Engine(name, folder, application, f"s3://{engines.BUCKET}/{uuid4().hex}", owner, root)

    def clean(self) -> None:
        """Empty the PostgreSQL databases handed out so far: six times as fast as making new ones."""
        while self._used:
            database = self._used.pop()
            self.postgres.execute(HANG_UP, database)
            self.postgres.execute(EMPTY, database)
            self._clean.append(database)

    def close(self) -> None:
        """Stop the servers that were started."""
        for name in ("postgres", "s3"):
            if name in self.__dict__:
                self.__dict__[name].close()


def open_database(url: str, store_url: str, folder: Path) -> "Database":
    """``core.db.Database`` with a fresh root key in ``folder``."""
    from core.db import Database
    from core.keyring import FileProvider, Keyring
    from core.storage import open_store

    return Database(url, Keyring(FileProvider(folder / "keys" / "root.key", create=True)), open_store(store_url))


def create_schema(url: str, folder: Path, application: str | None = None) -> None:
    """The schema as a deployment gets it: by the migrations, run as the owner."""
    from registry import schema

    folder.mkdir()
    database = open_database(url, (folder / "objects").as_uri(), folder)
    schema.load()
    schema.upgrade(database, application)
    database.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser's tests come last: its driver keeps an event loop running in the main thread."""
    items.sort(key=lambda item: "browser" in Path(item.path).parts)


@pytest.fixture(scope="session")
def all_engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """The session's engines; servers start on first use."""
    made = Engines(tmp_path_factory.mktemp("engines"))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(params=engines.NAMES)
def engine(request: pytest.FixtureRequest, all_engines: Engines, tmp_path: Path) -> Iterator[Engine]:
    """A fresh database and store on each engine in turn."""
    yield all_engines.fresh(request.param, tmp_path)
    all_engines.clean()


@pytest.fixture(params=engines.NAMES)
def blank_engine(request: pytest.FixtureRequest, all_engines: Engines, tmp_path: Path) -> Engine:
    """The like without any table."""
    return all_engines.blank(request.param, tmp_path)


@pytest.fixture
def root(engine: Engine, database: "Database") -> "Iterator[Database]":
    """The same database as its administrator meets it, for attacks and accidents on the database itself."""
    opened = engine.open(engine.root_url)
    yield opened
    opened.close()


@pytest.fixture
def database(engine: Engine) -> "Iterator[Database]":
    """``core.db.Database`` on a fresh engine: tables created, keyring and store ready."""
    opened = engine.open()
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> "Authority":
    """A certificate authority of the session's own, with a certificate for localhost."""
    from tests import identity

    return identity.authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def identity_provider(authority: "Authority", tmp_path_factory: pytest.TempPathFactory) -> "Iterator[RealProvider]":
    """A real identity provider, with TLS."""
    from tests import identity

    with identity.real_provider(tmp_path_factory.mktemp("provider"), authority) as running:
        yield running


@pytest.fixture
def liar(authority: "Authority") -> "Iterator[Liar]":
    """An identity provider that says what the test lets it say."""
    from tests import identity

    with identity.liar(authority) as running:
        yield running
