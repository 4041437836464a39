"""Referrals that went without an agreement: told at once and again, to both hospitals, until they are settled."""

import datetime as dt
from uuid import UUID

import pytest
from sqlalchemy import select

from auth import agreements
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Denied, Invalid, NotFound
from core.jobs import JobRow
from registry import referrals, unagreed
from registry.unagreed import Unagreed
from tests.cast import Member, join
from tests.registry.conftest import World

WEEK = dt.timedelta(days=7)


@pytest.fixture
def kashgar(world: World) -> Member:
    """The administrator of the hospital without an agreement, which has somebody who hands out questions."""
    with world.begin() as db:
        join(db, world.cast.kashgar, "duty", "值班", "Duty", "coordinator")
        return join(db, world.cast.kashgar, "guli", "古丽", "Guli", "administrator")


def cross(world: World, db: Tx) -> referrals.Referral:
    """A severed finger goes to Kashgar without an agreement."""
    return world.refer(db, world.case(db), to_organisation_id=world.cast.kashgar.id, without_agreement="最近的医院")


def told(db: Tx) -> list[UUID]:
    """Whom the jobs will tell that an agreement is missing."""
    rows = db.scalars(select(JobRow).where(JobRow.kind == "person:tell"))
    return sorted(UUID(row.payload["person_id"]) for row in rows if row.payload["kind"] == "agreement-missing")


def test_a_referral_marks_itself_and_both_sides_are_told_at_once(world: World, kashgar: Member) -> None:
    with world.begin() as db:
        referral = cross(world, db)
        assert told(db) == sorted([world.cast.administrator.id, kashgar.id])
        assert [row.referral_id for row in db.scalars(select(Unagreed))] == [referral.id]
    with world.begin() as db:
        (event,) = audit.events(db, world.cast.aral.id, actions=["agreement:excuse"])
        assert (event.case_id, event.object_id) == (referral.case_id, referral.id)


def test_one_under_an_agreement_is_not_chased(world: World) -> None:
    with world.begin() as db:
        world.refer(db, world.case(db))
        assert told(db) == []
        assert db.scalars(select(Unagreed)).all() == []


def test_the_other_hospital_is_shown_no_case(world: World, kashgar: Member) -> None:
    with world.begin() as db:
        first, second = cross(world, db), cross(world, db)
        (ours,), (theirs,) = unagreed.chased(db, world.cast.administrator.actor), unagreed.chased(db, kashgar.actor)
        for one in (ours, theirs):
            assert (one.from_id, one.to_id) == (world.cast.aral.id, world.cast.kashgar.id)
            assert [crossing.referral_id for crossing in one.crossings] == [first.id, second.id]
            assert [crossing.at for crossing in one.crossings] == [first.requested_at, second.requested_at]
        assert all(crossing.number and crossing.number.startswith("SH-") for crossing in ours.crossings)
        assert [crossing.number for crossing in theirs.crossings] == [None, None]
        stranger = join(db, world.cast.taizhou, "qiao", "乔", "Qiao", "administrator")
        assert unagreed.chased(db, stranger.actor) == []
        for member in (world.cast.surgeon, world.cast.auditor, world.cast.coordinator):
            with pytest.raises(Denied):
                unagreed.chased(db, member.actor)


def test_it_is_told_again_every_seven_days_once_for_the_two(world: World, kashgar: Member) -> None:
    with world.begin() as db:
        cross(world, db)
        cross(world, db)
        at_once = len(told(db))
    assert unagreed.chase(world.database) == 0
    for weeks in (1, 2):
        with ids.told(ids.now() + weeks * WEEK):
            assert [unagreed.chase(world.database), unagreed.chase(world.database)] == [1, 0]
        with world.begin() as db:
            assert len(told(db)) == at_once + weeks * 2


def test_an_agreement_in_force_settles_it(world: World, kashgar: Member) -> None:
    with world.begin() as db:
        cross(world, db)
        agreements.agree(db, Actor.system(world.cast.kashgar.id), other_id=world.cast.aral.id)
        assert unagreed.chased(db, world.cast.administrator.actor) == []
    with ids.told(ids.now() + WEEK):
        assert unagreed.chase(world.database) == 0
    with world.begin() as db:
        row = db.scalars(select(Unagreed)).one()
        assert (row.settled_as, row.settled_by) == ("agreed", None)
        (made,) = [one for one in agreements.listed(db, kashgar.actor) if one.state == "confirmed"]
        agreements.end(db, Actor.system(world.cast.aral.id), made.id, reason="other")
        assert unagreed.chased(db, kashgar.actor) == [], "what was settled stays so when the agreement ends"


def test_an_agreement_that_does_not_cover_consultation_settles_nothing(world: World, kashgar: Member) -> None:
    with world.begin() as db:
        cross(world, db)
        agreements.agree(db, Actor.system(world.cast.kashgar.id), other_id=world.cast.aral.id, covers=["teaching"])
        assert len(unagreed.chased(db, kashgar.actor)) == 1


def test_an_administrator_of_either_side_settles_it_once_with_a_code(world: World, kashgar: Member) -> None:
    administrator = world.cast.administrator
    with world.begin() as db:
        first, second = cross(world, db), cross(world, db)
        with pytest.raises(Invalid):
            unagreed.settle(db, administrator.actor, referrals=[first.id], reason="because")
        unagreed.settle(db, kashgar.actor, referrals=[first.id], reason="one_off")
        (left,) = unagreed.chased(db, administrator.actor)
        assert [crossing.referral_id for crossing in left.crossings] == [second.id]
        with pytest.raises(Conflict, match="unagreed-settled-already"):
            unagreed.settle(db, administrator.actor, referrals=[first.id, second.id], reason="other")
        unagreed.settle(db, administrator.actor, referrals=[second.id, second.id], reason="agreement_refused")
        assert unagreed.chased(db, administrator.actor) == []
    with ids.told(ids.now() + WEEK):
        assert unagreed.chase(world.database) == 0
    for organisation, case_ids in ((world.cast.aral, [second.case_id, first.case_id]), (world.cast.kashgar, [None, None])):
        with world.begin() as db:
            events = audit.events(db, organisation.id, actions=["agreement:settle"])
            assert [event.detail["reason"] for event in events] == ["agreement_refused", "one_off"]
            assert [event.case_id for event in events] == case_ids


def test_nobody_settles_what_is_not_theirs(world: World, kashgar: Member) -> None:
    with world.begin() as db:
        referral = cross(world, db)
        stranger = join(db, world.cast.taizhou, "qiao", "乔", "Qiao", "administrator")
        for actor, named in ((stranger.actor, [referral.id]), (kashgar.actor, [ids.new()]), (kashgar.actor, [referral.id, ids.new()])):
            with pytest.raises(NotFound):
                unagreed.settle(db, actor, referrals=named, reason="one_off")
        with pytest.raises(NotFound):
            unagreed.settle(db, kashgar.actor, referrals=[], reason="one_off")
        for member in (world.cast.surgeon, world.cast.auditor):
            with pytest.raises(Denied):
                unagreed.settle(db, member.actor, referrals=[referral.id], reason="one_off")
        assert len(unagreed.chased(db, kashgar.actor)) == 1
