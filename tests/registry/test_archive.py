"""The archive: closed cases leave the list by hand or by rule, and lose nothing."""

import datetime as dt

import pytest

from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Denied, NotFound
from registry import archive, cases, patients, retention
from registry.cases import Case, Filter
from tests.registry.conftest import World


def closed(world: World, db: Tx) -> Case:
    case = world.case(db)
    return cases.close(db, world.cast.surgeon.actor, case.id)


def listed(db: Tx, actor: Actor, *, archived: bool | None) -> set[object]:
    return {case.id for case in cases.list_(db, actor, Filter(archived=archived)).cases}


def test_a_closed_case_goes_to_a_list_of_its_own_and_back_and_reads_as_before(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case, other = closed(world, db), world.case(db)
        with pytest.raises(Conflict, match="case-not-closed"):
            archive.archive(db, surgeon, other.id)
        archive.archive(db, surgeon, case.id)
        archive.archive(db, surgeon, case.id)
        assert (listed(db, surgeon, archived=True), listed(db, surgeon, archived=False)) == ({case.id}, {other.id})
        assert listed(db, surgeon, archived=None) == {case.id, other.id}
        assert cases.get(db, surgeon, case.id).state == "closed"
        archive.take_out(db, surgeon, case.id)
        assert listed(db, surgeon, archived=True) == set()
    assert archive.sweep(world.database, at=ids.now() + dt.timedelta(days=400)) == 0, "what was taken out stays out"
    with world.begin() as db:
        done = [event.action for event in audit.events(db, world.cast.aral.id, actions=("case:archive", "case:unarchive"))]
        assert done == ["case:unarchive", "case:archive"]


def test_the_rule_archives_half_a_year_after_closing_and_not_sooner(world: World) -> None:
    with world.begin() as db:
        case, other = closed(world, db), world.case(db)
        at = case.closed_at
    assert at is not None
    after = dt.timedelta(days=180)
    assert archive.sweep(world.database, at=at + after) == 0
    assert archive.sweep(world.database, at=at + after + dt.timedelta(seconds=1)) == 1
    assert archive.sweep(world.database, at=at + after + dt.timedelta(days=1)) == 0
    with world.begin() as db:
        assert listed(db, world.cast.surgeon.actor, archived=True) == {case.id}
        assert other.archived_at is None
        (event,) = audit.events(db, world.cast.aral.id, actions=("case:archive",))
        assert event.actor_id is None


def test_only_who_closes_cases_archives_them(world: World) -> None:
    with world.begin() as db:
        case = closed(world, db)
        for verb in (archive.archive, archive.take_out):
            for member in (world.cast.nurse, world.cast.coordinator, world.cast.administrator, world.cast.stranger):
                with pytest.raises((Denied, NotFound)):
                    verb(db, member.actor, case.id)


def test_each_hospital_archives_by_its_own_rule(world: World) -> None:
    with world.begin() as db:
        case = closed(world, db)
        stranger = world.cast.stranger.actor
        elsewhere = cases.create(
            db, stranger, patient_id=patients.create(db, stranger, name="柳", birth_date=dt.date(1970, 1, 1)).id, kind="flap"
        )
        cases.close(db, stranger, elsewhere.id)
        at = case.closed_at
        years = {"outpatient_years": 15, "inpatient_years": 30}
        retention.set_rule(db, world.cast.administrator.actor, **years, archive_after_days=30)
    assert at is not None
    assert archive.sweep(world.database, at=at + dt.timedelta(days=30)) == 0
    assert archive.sweep(world.database, at=at + dt.timedelta(days=30, seconds=9)) == 1
    with world.begin() as db:
        assert [db.get_one(Case, one.id).archived_at is not None for one in (case, elsewhere)] == [True, False]
