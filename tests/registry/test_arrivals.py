"""Pictures that come to a case under way are told of: once for a minute's worth, to everybody but who brought them."""

import datetime as dt
from collections.abc import Iterator
from uuid import UUID

import pytest

from auth import grants
from core import ids, jobs
from imaging import inbox, intake, studies
from imaging.sandbox import Pool
from registry import arrivals, cases, matching, notices, opinions
from tests.cast import Member
from tests.imaging import samples
from tests.registry.conftest import WORDS, World, run_jobs, stepped_up

ARRIVED: dict[str, jobs.Handler] = {arrivals.ARRIVED: arrivals.tell}


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    made = Pool(1)
    yield made
    made.close()


def put(world: World, pool: Pool, case_id: UUID | None, number: int, member: Member | None = None) -> None:
    """One more photograph, brought by the surgeon or by somebody else."""
    data = samples.photo(size=(40 + number, 30))
    brought = (member or world.cast.surgeon).actor
    upload = intake.take_in(world.database, pool, brought, case_id, "a.jpg", data, expected=matching.expected)
    assert upload.state == "filed", upload.reason


def gathered(world: World) -> None:
    """A minute later."""
    with ids.told(ids.now() + dt.timedelta(seconds=61)):
        run_jobs(world.database, ARRIVED)


def told(world: World, member: Member) -> list[str]:
    """The news of pictures that somebody has, newest first."""
    with world.begin() as db:
        return [one.kind for one in notices.for_actor(db, member.actor) if one.kind.startswith("pictures-")]


def test_the_pictures_of_a_minute_are_one_piece_of_news(world: World, pool: Pool) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
    for number in range(3):
        put(world, pool, case.id, number)
    run_jobs(world.database, ARRIVED)
    assert told(world, cast.expert) == []
    gathered(world)
    assert (told(world, cast.expert), told(world, cast.surgeon)) == (["pictures-added"], [])
    put(world, pool, case.id, 3, cast.nurse)
    gathered(world)
    assert (len(told(world, cast.expert)), told(world, cast.surgeon), told(world, cast.nurse)) == (2, ["pictures-added"], [])


def test_who_has_advised_hears_that_there_is_something_to_add(world: World, pool: Pool) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        opinions.sign(db, stepped_up(cast.expert.actor), case.id, WORDS)
    put(world, pool, case.id, 1)
    gathered(world)
    assert told(world, cast.expert) == ["pictures-since-opinion"]


def test_a_case_nobody_else_knows_of_and_one_that_is_over_are_silent(world: World, pool: Pool) -> None:
    cast = world.cast
    with world.begin() as db:
        draft = world.case(db)
    put(world, pool, draft.id, 1, cast.nurse)
    gathered(world)
    assert told(world, cast.surgeon) == []


def test_who_is_let_in_no_more_hears_nothing(world: World, pool: Pool) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        for grant in grants.for_case(db, cast.surgeon.actor, case_id=case.id, organisation_id=cast.aral.id):
            grants.revoke(db, cast.surgeon.actor, grant.id, because="referral-ended")
    put(world, pool, case.id, 1)
    gathered(world)
    assert told(world, cast.expert) == []


def test_a_study_filed_by_hand_is_news_too(world: World, pool: Pool) -> None:
    cast = world.cast
    put(world, pool, None, 1)
    gathered(world)
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        [study] = studies.inbox(db, cast.surgeon.actor)
        inbox.file_study(db, cast.surgeon.actor, study.id, case_id=case.id)
        assert cases.get(db, cast.surgeon.actor, case.id)
    gathered(world)
    assert told(world, cast.expert) == ["pictures-added"]
