"""Alembic's entry: runs the migrations on the connection it is handed.

Run through ``shanhai migrate``; to write a new one see docs/operations.md.
"""

from alembic import context

from core.tables import Base
from registry import schema

schema.load()


def run() -> None:
    """Run the migrations in the transaction of the connection ``schema.upgrade`` opened."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        compare_type=True,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
