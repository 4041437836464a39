"""Closing a case: the summary stands in the record, is told to whoever advised, and is written once."""

import datetime as dt
import threading

import pytest
from sqlalchemy import select

from auth import grants, people
from auth.agreements import Agreement
from auth.grants import Grant
from core import ids
from core.actor import Actor
from core.errors import Conflict, Denied, Invalid, NotFound
from registry import cases, closures, consents, entries, notices, outcomes
from registry.cases import Case
from registry.forms.closure import Closure
from registry.referrals import ACCESS
from tests.registry.conftest import World

ENDED = {"result": "healed", "survival": "survived", "work_status": "same", "summary": "Bends, feels, works."}


def test_a_case_is_closed_with_how_it_ended_and_the_expert_is_told(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        with pytest.raises(Conflict, match="case-question-out"):
            closures.close(db, cast.surgeon.actor, case.id, ENDED)
        world.sign(db, case)
        with pytest.raises(Invalid) as caught:
            closures.close(db, cast.surgeon.actor, case.id, ENDED | {"result": "not_assessed"})
        assert caught.value.fields == {"result": "field-required"}
        assert case.state != "closed"
        for actor, error in ((cast.nurse.actor, Denied), (cast.expert.actor, Denied), (cast.stranger.actor, NotFound)):
            with pytest.raises(error):
                closures.close(db, actor, case.id, ENDED)
        closures.close(db, cast.surgeon.actor, case.id, ENDED, client_key="k")
        closures.close(db, cast.surgeon.actor, case.id, ENDED, client_key="k")
        assert case.state == "closed"
        told = [one for one in notices.for_actor(db, cast.expert.actor) if one.kind == "case-closed"]
        assert [(one.case_id, one.urgency) for one in told] == [(case.id, "routine")]
    with world.database.begin(acting=cast.taizhou.id) as db:
        [item] = entries.for_case(db, cast.expert.actor, case.id, entry_type="closure")
        assert isinstance(item.document, Closure)
        assert (item.document.result, item.document.summary) == ("healed", "Bends, feels, works.")
        assert b"Bends" not in item.entry.body


def test_what_is_closed_is_not_closed_again(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        cases.close(db, world.cast.surgeon.actor, case.id)
        with pytest.raises(Conflict):
            closures.close(db, world.cast.surgeon.actor, case.id, ENDED)


@pytest.fixture
def advised(world: World) -> Case:
    """A case on which the expert has advised."""
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        world.sign(db, case)
        assert grants.run_out(db, case.id, [world.cast.expert.id]) == [], "it still holds"
    return case


def later(world: World, case: Case) -> list[str]:
    """Close the case when the expert's time is over; what they are told, and that they can read it if they are and for a while."""
    over = ids.now() + ACCESS + dt.timedelta(days=1)
    with ids.told(over), world.begin() as db:
        closures.close(db, world.cast.surgeon.actor, case.id, ENDED)
        told = [one.kind for one in notices.for_actor(db, world.cast.expert.actor) if one.kind == "case-closed"]
        if told:
            assert cases.get(db, world.cast.expert.actor, case.id).state == "closed"
        else:
            with pytest.raises(NotFound):
                cases.get(db, world.cast.expert.actor, case.id)
    with ids.told(over + outcomes.AGAIN + dt.timedelta(minutes=1)), world.begin() as db, pytest.raises(NotFound):
        cases.get(db, world.cast.expert.actor, case.id)
    return told


def test_the_outcome_comes_back_to_an_expert_whose_time_is_over(world: World, advised: Case) -> None:
    assert later(world, advised) == ["case-closed"]
    with world.begin() as db:
        [again] = db.scalars(select(Grant).where(Grant.case_id == advised.id, Grant.given_by.is_(None)))
        assert (again.person_id, again.role, again.sees_identity) == (world.cast.expert.id, "expert", False)


def test_it_does_not_where_the_right_was_taken_back(world: World, advised: Case) -> None:
    with world.begin() as db:
        for grant in db.scalars(select(Grant).where(Grant.case_id == advised.id, Grant.person_id == world.cast.expert.id)):
            grants.revoke(db, world.cast.surgeon.actor, grant.id, because="test")
    assert later(world, advised) == []


def test_it_does_not_against_the_patients_word(world: World, advised: Case) -> None:
    with ids.told(ids.now() + ACCESS), world.begin() as db:
        consents.record(db, world.cast.surgeon.actor, case_id=advised.id, purpose=consents.NEEDED_TO_REFER[0], statement="withdraw")
    assert later(world, advised) == []


def test_it_does_not_without_an_agreement(world: World, advised: Case) -> None:
    with world.begin() as db:
        for agreement in db.scalars(select(Agreement)):
            agreement.ends = ids.now()
    assert later(world, advised) == []


def test_it_does_not_where_they_are_no_expert_any_more(world: World, advised: Case) -> None:
    with world.begin() as db:
        people.disable(db, Actor.system(world.cast.taizhou.id), world.cast.expert.id)
    with ids.told(ids.now() + ACCESS + dt.timedelta(days=1)), world.begin() as db:
        closures.close(db, world.cast.surgeon.actor, advised.id, ENDED)
        assert not list(db.scalars(select(Grant).where(Grant.case_id == advised.id, Grant.given_by.is_(None))))


def test_who_closes_it_twice_at_once_closes_it_once(world: World) -> None:
    surgeon, raised = world.cast.surgeon.actor, list[BaseException]()
    with world.begin() as db:
        case_id = world.case(db).id

    def close_too() -> None:
        try:
            with world.begin() as db:
                closures.close(db, surgeon, case_id, ENDED, client_key="k")
        except Exception as error:  # noqa: BLE001  it is the answer
            raised.append(error)

    second = threading.Thread(target=close_too)
    with world.begin() as db:
        closures.close(db, surgeon, case_id, ENDED, client_key="k")
        second.start()
        second.join(1.0)
        assert second.is_alive()
    second.join()
    assert raised == []
    with world.begin() as db:
        assert len(entries.for_case(db, surgeon, case_id, entry_type="closure")) == 1
