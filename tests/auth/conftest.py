"""Fixtures of these tests: the cast in a fresh database, and the log as the tests read it."""

from collections.abc import Callable
from uuid import UUID

import pytest

from core import audit
from core.db import Database
from tests import cast as casting
from tests.cast import Cast


@pytest.fixture
def cast(database: Database) -> Cast:
    """The fixed cast, committed."""
    with database.begin() as db:
        return casting.make(db)


@pytest.fixture
def log(database: Database) -> Callable[[UUID], list[str]]:
    """The newest events of an organisation's log, as ``action outcome``, newest first."""

    def read(organisation_id: UUID) -> list[str]:
        with database.begin() as db:
            return [f"{event.action} {event.outcome}" for event in audit.events(db, organisation_id)]

    return read
