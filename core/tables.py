"""What every table is made of: the declarative base, its naming convention and its column types."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import JSON, DateTime, LargeBinary, MetaData, String, Text, TypeDecorator, Uuid
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, mapped_column

from core import ids


class UtcDateTime(TypeDecorator[dt.datetime]):
    """An aware datetime, kept and given back in UTC; a naive one is refused.

    SQLite keeps no zone, so there the UTC wall time is stored and the zone put back on reading.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without a zone cannot be stored")
        value = value.astimezone(dt.UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


Json = dict[str, Any]
IdColumn = Annotated[UUID, mapped_column(Uuid, primary_key=True, default=ids.new)]
Code = Annotated[str, mapped_column(String(64))]


class Base(DeclarativeBase):
    """The declarative base. Relationships are never loaded by accident: declare ``lazy="raise"``."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        dt.datetime: UtcDateTime(),
        UUID: Uuid(),
        bytes: LargeBinary(),
        str: Text(),
        dict[str, Any]: JSON(),
        list[str]: JSON(),
    }
