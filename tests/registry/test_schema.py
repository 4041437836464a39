"""The migrations make exactly the tables that the models declare, on both engines."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from core.db import Database
from core.errors import Unavailable
from core.tables import Base
from registry import schema, walls
from tests import cast as people_of
from tests.conftest import Engine


def test_migrations_make_what_the_models_say(blank_engine: Engine) -> None:
    schema.load()
    database = blank_engine.open(blank_engine.owner_url)
    try:
        assert not schema.is_current(database)
        schema.upgrade(database)
        assert schema.is_current(database)
        with database.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, Base.metadata) == []
    finally:
        database.close()


def test_upgrading_twice_changes_nothing(blank_engine: Engine) -> None:
    database = blank_engine.open(blank_engine.owner_url)
    try:
        schema.upgrade(database)
        schema.upgrade(database)
        assert schema.is_current(database)
    finally:
        database.close()


def test_a_role_that_does_not_own_the_tables_is_told_so(database: Database, engine: Engine) -> None:
    """On PostgreSQL the server's own role; where there is one role only, it owns what it makes."""
    if engine.database_url == engine.owner_url:
        schema.upgrade(database)
    else:
        with pytest.raises(Unavailable, match="database-role-not-owner") as refused:
            schema.upgrade(database)
        assert "SHANHAI_OWNER_DATABASE_URL" in str(refused.value.params["cure"])


def test_a_migration_reaches_the_rows_behind_the_wall(blank_engine: Engine) -> None:
    owner = blank_engine.open(blank_engine.owner_url)
    schema.upgrade(owner)
    with owner.begin() as db:
        people_of.make(db)
        rows = db.scalar(text("SELECT count(*) FROM audit_events"))
    with owner.begin() as db:
        walls.take_down(db.connection())
        assert db.scalar(text("SELECT count(*) FROM audit_events")) == rows > 0
        walls.put_up(db.connection())
    with owner.at_the_edge().begin() as db:
        seen = db.scalar(text("SELECT count(*) FROM audit_events"))
        assert seen == (0 if db.get_bind().dialect.name == "postgresql" else rows)
    owner.close()
