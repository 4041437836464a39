"""Organisations: with keys and a log of their own."""

from collections.abc import Callable
from uuid import UUID

import pytest

from auth import organisations
from core.db import Database
from core.errors import Invalid


def test_a_new_organisation_has_keys_and_a_log(database: Database, log: Callable[[UUID], list[str]]) -> None:
    with database.begin() as db:
        made = organisations.create(db, name=" 和田医院 ", name_en="Hotan Hospital", city="和田", time_zone="Asia/Urumqi")
    with database.begin() as db:
        assert organisations.get(db, made.id).name == "和田医院"
        assert len(db.keyring.public_key(db, made.id)) == 32
    assert log(made.id) == ["organisation:create success"]


def test_what_is_wrong_is_named(database: Database) -> None:
    with database.begin() as db, pytest.raises(Invalid) as wrong:
        organisations.create(db, name=" ", name_en="x" * 201, city="", time_zone="Mars/Base")
    assert wrong.value.fields == {"name": "text-missing", "name_en": "text-too-long", "time_zone": "time-zone-unknown"}
