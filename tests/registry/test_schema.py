"""The migrations make exactly the tables that the models declare, on both engines."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from core.tables import Base
from registry import schema
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
