"""Organisations and their agreements: in force both ways, for their time, recorded by both."""

import datetime as dt
from collections.abc import Callable
from uuid import UUID

import pytest

from auth import organisations
from core import ids
from core.actor import Actor
from core.db import Database
from core.errors import Conflict, Denied, Invalid, NotFound
from tests.cast import Cast, join

DAY = dt.timedelta(days=1)


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


def test_an_agreement_binds_both_ways_for_its_time(database: Database, cast: Cast) -> None:
    now = ids.now()
    with database.begin() as db:
        system = Actor.system(cast.taizhou.id)
        made = organisations.agree(db, system, other_id=cast.kashgar.id, starts=now + DAY, ends=now + 3 * DAY)
        for a, b in ((cast.taizhou.id, cast.kashgar.id), (cast.kashgar.id, cast.taizhou.id)):
            found = [organisations.agreement_between(db, a, b, now + n * DAY) for n in range(5)]
            assert [agreement.id if agreement else None for agreement in found] == [None, made.id, made.id, None, None]
        assert organisations.agreement_between(db, cast.aral.id, cast.kashgar.id, now + DAY) is None
        assert organisations.agreement_between(db, cast.aral.id, cast.aral.id, now) is None


def test_partners_are_those_with_an_agreement_in_force(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        assert [partner.id for partner in organisations.partners(db, cast.aral.id, ids.now())] == [cast.taizhou.id]
        assert [partner.id for partner in organisations.partners(db, cast.taizhou.id, ids.now())] == [cast.aral.id]
        assert organisations.partners(db, cast.kashgar.id, ids.now()) == []


def test_an_agreement_is_ended_by_either_side_once(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    with database.begin() as db:
        agreement = organisations.agreement_between(db, cast.aral.id, cast.taizhou.id, ids.now())
        assert agreement is not None
        with pytest.raises(NotFound):
            organisations.end_agreement(db, Actor.system(cast.kashgar.id), agreement.id)
        organisations.end_agreement(db, Actor.system(cast.taizhou.id), agreement.id)
        assert organisations.agreement_between(db, cast.aral.id, cast.taizhou.id, ids.now()) is None
        with pytest.raises(Conflict):
            organisations.end_agreement(db, Actor.system(cast.aral.id), agreement.id)
    assert log(cast.aral.id)[0] == log(cast.taizhou.id)[0] == "agreement:end success"


def test_only_who_manages_the_organisation_agrees(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        operator = join(db, cast.kashgar, "guo.ping", "郭平", "Guo Ping", "operator").actor
        for member in cast.members.values():
            with pytest.raises(Denied):
                organisations.agree(db, member.actor, other_id=cast.kashgar.id, starts=ids.now())
        assert organisations.agree(db, operator, other_id=cast.taizhou.id, starts=ids.now()).organisation_id == cast.kashgar.id


def test_agreements_that_cannot_be(database: Database, cast: Cast) -> None:
    system, now = Actor.system(cast.aral.id), ids.now()
    with database.begin() as db:
        with pytest.raises(Invalid):
            organisations.agree(db, system, other_id=cast.aral.id, starts=now)
        with pytest.raises(Invalid):
            organisations.agree(db, system, other_id=cast.taizhou.id, starts=now, ends=now)
        with pytest.raises(NotFound):
            organisations.agree(db, system, other_id=ids.new(), starts=now)
