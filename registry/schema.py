"""The database schema: every table of the product, brought up to date by Alembic migrations.

A deployment never creates tables from the models; it runs the migrations, and a test holds the two equal.
"""

import importlib
import pkgutil
import tempfile
from pathlib import Path

import pysqlite3.dbapi2 as sqlite
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from core.db import Database
from core.errors import Unavailable
from registry import walls

PACKAGES = ("core", "auth", "imaging", "registry")
SCRIPTS = Path(__file__).resolve().parent.parent / "migrations"
LOCK_TIMEOUT = "5s"
_OF_ANOTHER = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND NOT pg_has_role(tableowner, 'USAGE') LIMIT 1"
NO_TABLES = ("app", "cli", "cli_people", "cli_sso", "worker")


def load() -> None:
    """Import every module that may declare a table, so that the metadata is whole."""
    for package in PACKAGES:
        folder = importlib.import_module(package).__path__
        for module in pkgutil.iter_modules(folder):
            if not module.ispkg and (package, module.name) not in {("registry", name) for name in NO_TABLES}:
                importlib.import_module(f"{package}.{module.name}")


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration for the scripts of this product, on ``connection``."""
    settings = Config()
    settings.set_main_option("script_location", str(SCRIPTS))
    settings.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    settings.attributes["connection"] = connection
    return settings


def upgrade(database: Database, application: str | None = None) -> None:
    """Bring the schema to the newest migration, and the wall between hospitals to `registry.walls`, in one transaction.

    ``application`` is the PostgreSQL role of the server, which gets the rights it needs, where it is not the owner.
    On PostgreSQL a lock that is not had within five seconds ends the attempt rather than the service. Raises Unavailable
    ``database-role-not-owner`` there for a role that may not alter the tables that stand.
    """
    with database.begin() as db:
        connection = db.connection()
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
            if connection.scalar(text(_OF_ANOTHER)) is not None:
                raise Unavailable("database-role-not-owner", cure="name the role that owns the tables in SHANHAI_OWNER_DATABASE_URL")
        walls.take_down(connection)
        command.upgrade(config(connection), "head")
        walls.put_up(connection, application)


def is_current(database: Database) -> bool:
    """Whether the database stands at the newest migration."""
    with database.begin(readonly=True) as db:
        current = MigrationContext.configure(db.connection()).get_current_revision()
    return current == ScriptDirectory.from_config(config()).get_current_head()


def revise(message: str) -> None:
    """Write a migration that takes a database at the newest one to what the models say, for a developer to read."""
    load()
    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{folder}/revise.sqlite", module=sqlite)
        with engine.connect() as connection:
            command.upgrade(config(connection), "head")
            number = sum(1 for _ in ScriptDirectory.from_config(config()).walk_revisions()) + 1
            command.revision(config(connection), message, autogenerate=True, rev_id=f"{number:04d}")
        engine.dispose()
