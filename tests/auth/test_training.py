"""Training: begun and ended by who manages people, never one's own, told to the person and in the log."""

import dataclasses
from collections.abc import Callable
from uuid import UUID

import pytest

from auth import news, training
from core import ids, jobs
from core.actor import Actor
from core.db import Database
from core.errors import Denied, NotFound, StepUpNeeded
from tests import cast as people_of
from tests.cast import Cast


def stepped_up(actor: Actor) -> Actor:
    """The actor with a second factor just given."""
    return dataclasses.replace(actor, stepped_up_at=ids.now())


def test_it_begins_without_a_step_up_and_ends_with_one(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    boss, surgeon = cast.administrator.actor, cast.surgeon
    with database.begin() as db:
        assert not training.in_training(db, surgeon.id, cast.aral.id)
        first = training.begin(db, boss, surgeon.id)
        assert training.begin(db, boss, surgeon.id) is first
        assert training.in_training(db, surgeon.id, cast.aral.id)
        assert not training.in_training(db, surgeon.id, cast.taizhou.id)
        with pytest.raises(StepUpNeeded):
            training.end(db, boss, surgeon.id)
        ended = training.end(db, stepped_up(boss), surgeon.id)
        assert (ended.begun_by, ended.ended_by) == (boss.person_id, boss.person_id)
        assert not training.in_training(db, surgeon.id, cast.aral.id)
        with pytest.raises(NotFound, match="training-not-found"):
            training.end(db, stepped_up(boss), surgeon.id)
        assert training.trainees(db, cast.aral.id) == {}
        again = training.begin(db, boss, surgeon.id)
        assert training.trainees(db, cast.aral.id) == {surgeon.id: again}
        assert again.id != first.id
    assert log(cast.aral.id)[:3] == ["training:begin success", "training:end success", "training:begin success"]


def test_nobody_begins_or_ends_their_own_or_that_of_another_hospital(database: Database, cast: Cast) -> None:
    boss = stepped_up(cast.administrator.actor)
    with database.begin() as db:
        second = people_of.join(db, cast.aral, "qi.wei", "齐伟", "Qi Wei", "administrator", "surgeon")
        training.begin(db, boss, second.id)
        for actor in (stepped_up(second.actor), boss):
            with pytest.raises(Denied, match="own-rights"):
                training.begin(db, actor, actor.person_id)  # type: ignore[arg-type]
            with pytest.raises(Denied, match="own-rights"):
                training.end(db, actor, actor.person_id)  # type: ignore[arg-type]
        for act in (training.begin, training.end):
            with pytest.raises(NotFound):
                act(db, boss, cast.expert.id)
            with pytest.raises(Denied, match="not-allowed"):
                act(db, stepped_up(cast.surgeon.actor), second.id)
        with pytest.raises(Denied):
            training.current(db, cast.surgeon.actor, second.id)
        assert training.current(db, boss, second.id) is not None


def test_no_token_begins_or_ends_it(database: Database, cast: Cast) -> None:
    token = dataclasses.replace(stepped_up(cast.administrator.actor), token_id=ids.new(), scopes=frozenset({"people:manage"}))
    with database.begin() as db:
        with pytest.raises(Denied, match="session-needed"):
            training.begin(db, token, cast.surgeon.id)
        training.begin(db, cast.administrator.actor, cast.surgeon.id)
        with pytest.raises(Denied, match="session-needed"):
            training.end(db, token, cast.surgeon.id)


def test_the_person_is_told(database: Database, cast: Cast) -> None:
    told: list[tuple[str, str]] = []
    with database.begin() as db:
        training.begin(db, cast.administrator.actor, cast.surgeon.id)
        training.end(db, stepped_up(cast.administrator.actor), cast.surgeon.id)
    handlers = {news.TELL: lambda _, job: told.append((str(job.payload["person_id"]), str(job.payload["kind"])))}
    while jobs.run_once(database, handlers):
        pass
    assert sorted(told) == [(str(cast.surgeon.id), "account-training-began"), (str(cast.surgeon.id), "account-training-ended")]


def test_seniors_are_those_of_the_role_who_are_not_in_training(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        assert {p.id for p in training.seniors(db, cast.taizhou.id, "expert")} == {cast.expert.id, cast.second_expert.id}
        training.begin(db, Actor.system(cast.taizhou.id), cast.expert.id)
        assert [p.id for p in training.seniors(db, cast.taizhou.id, "expert")] == [cast.second_expert.id]
        assert training.seniors(db, cast.taizhou.id, "expert", but=cast.second_expert.id) == []
