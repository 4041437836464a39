"""A hospital with a case, and the real sandbox, for everything that takes pictures in or gives them out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase

from core import ids
from core.actor import Actor
from core.db import Database
from core.keyring import Unit
from imaging import intake
from imaging.patients import Expected
from imaging.sandbox import Pool
from imaging.uploads import Upload
from tests import cast
from tests.cast import Cast

Row = TypeVar("Row", bound=DeclarativeBase)


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    """Two real workers, shared by all tests: a worker never outlives a change of organisation."""
    made = Pool(2)
    yield made
    made.close()


@dataclass(frozen=True)
class World:
    """The cast in a database, with two cases of Aral's and one of Kashgar's. Imaging knows cases by id and key alone."""

    database: Database
    pool: Pool
    cast: Cast
    case_id: UUID
    other_case_id: UUID
    foreign_case_id: UUID

    @property
    def surgeon(self) -> Actor:
        return self.cast.surgeon.actor

    @property
    def stranger(self) -> Actor:
        return self.cast.stranger.actor

    def take_in(
        self, data: bytes, *, name: str = "", case_id: UUID | None = None, inbox: bool = False, whom: Expected | None = None
    ) -> Upload:
        """Upload by the surgeon and filed at once; into the case unless told otherwise."""
        where = None if inbox else case_id or self.case_id
        return intake.take_in(self.database, self.pool, self.surgeon, where, name, data, expected=lambda _, __: whom)

    def rows(self, table: type[Row]) -> list[Row]:
        with self.database.begin(readonly=True) as db:
            return list(db.scalars(select(table)))


@pytest.fixture
def world(database: Database, pool: Pool) -> World:
    with database.begin() as db:
        people = cast.make(db)
        cases = ids.new(), ids.new(), ids.new()
        for case_id, owner in zip(cases, (people.aral, people.aral, people.kashgar), strict=True):
            db.keyring.create(db, Unit("case", owner.id, case_id))
    return World(database, pool, people, *cases)
