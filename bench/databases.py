"""Databases for the measurements: fresh ones, with the schema as a deployment gets it."""

from pathlib import Path

from core.db import Database
from tests import engines
from tests.conftest import create_schema, open_database


def fresh(server: engines.Postgres | None, folder: Path, name: str) -> tuple[Database, Database]:
    """One database, new in the server or, without one, a file of SQLite: as the application meets it, and past the walls."""
    store = (folder / "objects").as_uri()
    if server is None:
        url = f"sqlite:///{folder / 'shanhai.db'}"
        create_schema(url, folder / "schema")
        return open_database(url, store, folder), open_database(url, store, folder)
    server.execute(f"CREATE DATABASE {name} OWNER {server.OWNER}")
    create_schema(server.url(name, server.OWNER), folder / "schema", server.APPLICATION)
    application, owner = (open_database(server.url(name, role), store, folder) for role in (server.APPLICATION, "shanhai"))
    return application, owner
