"""Notices: one's own alone, without patient content, and silent about cases that are no longer one's."""

import pytest

from auth import news
from auth.people import Person
from core import audit, jobs
from core.actor import Actor
from core.errors import SignInNeeded
from registry import notices, referrals
from registry.notices import Notice
from tests.registry.conftest import World


def test_a_notice_says_its_kind_and_the_number_while_the_case_may_be_read(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        referral = world.asked(db, case)
        (told,) = notices.for_actor(db, cast.expert.actor)
        assert (told.kind, told.urgency, told.case_id, told.case_number) == ("referral-allocated", "emergency", case.id, case.number)
        referrals.withdraw(db, cast.surgeon.actor, referral.id)
        for told in notices.for_actor(db, cast.expert.actor):
            assert (told.case_id, told.case_number) == (None, None)


def test_a_notice_has_no_room_for_patient_content() -> None:
    held = {column.key: str(column.type) for column in Notice.__table__.columns}
    assert set(held) == {"id", "person_id", "organisation_id", "case_id", "kind", "urgency", "at", "read_at"}


def test_one_reads_ones_own_notices_alone(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        one, two = world.case(db), world.case(db)
        world.asked(db, one)
        world.asked(db, two)
        assert notices.unread_count(db, cast.expert.actor) == 2
        of_expert = [told.id for told in notices.for_actor(db, cast.expert.actor)]
        assert notices.read(db, cast.surgeon.actor, notice_ids=of_expert) == 0
        assert notices.unread_count(db, cast.expert.actor) == 2
        assert notices.read(db, cast.expert.actor, case_id=one.id) == 1
        assert [told.case_id for told in notices.for_actor(db, cast.expert.actor, unread=True)] == [two.id]
        assert notices.read(db, cast.expert.actor) == 1
        assert notices.read(db, cast.expert.actor) == 0
        assert notices.for_actor(db, cast.stranger.actor) == []
        with pytest.raises(SignInNeeded):
            notices.for_actor(db, Actor.system(cast.aral.id))
    with world.begin() as db:
        events = audit.events(db, cast.taizhou.id, actions=("notice:read",))
        assert [event.detail for event in events] == [{"count": 1}, {"count": 1}]


def test_a_kind_nobody_knows_is_a_mistake_of_the_program(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        with pytest.raises(ValueError, match="张卫国"):
            notices.tell(db, [world.cast.surgeon.id], "张卫国", case)


def test_everybody_is_told_once_and_who_caused_it_not_at_all(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        notices.tell(db, [cast.surgeon.id, cast.nurse.id, cast.nurse.id], "urgency-raised", case, but=cast.surgeon.id)
        assert len(notices.for_actor(db, cast.nurse.actor)) == 1
        assert notices.for_actor(db, cast.surgeon.actor) == []


def test_news_of_ones_account_becomes_one_notice_however_often_the_job_runs(world: World) -> None:
    with world.begin() as db:
        news.tell(db, db.get_one(Person, world.cast.nurse.id), "account-password-changed")
        with pytest.raises(ValueError, match="account-eaten"):
            news.tell(db, db.get_one(Person, world.cast.nurse.id), "account-eaten")
    job = jobs.claim(world.database, [news.TELL])
    assert job is not None
    notices.told(world.database, job)
    notices.told(world.database, job)
    with world.begin() as db:
        (told,) = notices.for_actor(db, world.cast.nurse.actor)
        assert (told.kind, told.case_id, told.read_at) == ("account-password-changed", None, None)
