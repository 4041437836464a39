"""A restricted case in the registry (attack 5): not in a list, a search, a count, a notice or an error of its own hospital."""

from typing import Any

import pytest

from auth import restrictions
from core.errors import Conflict, NotFound
from registry import access, audience, cases, followups, messages, notices, patients, teams, worklist
from tests.registry.conftest import World, stepped_up


def test_a_restricted_case_is_in_no_list_and_no_search(world: World) -> None:
    cast = world.cast
    second = cast.second_surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        world.sign(db, case)
        assert [one.id for one in cases.list_(db, second).cases] == [case.id]
        assert {item.case.id for item in worklist.items(db, second).needs} == {case.id}
        world.restrict(db, case)
        assert cases.list_(db, second).cases == []
        assert cases.list_(db, second, cases.Filter(patient_id=case.patient_id)).cases == []
        found = worklist.items(db, second)
        assert (found.needs, found.waiting, found.follow_ups_due) == ([], [], 0)
        assert followups.due(db, second) == []
        for verb in (cases.get, cases.identity, messages.thread):
            with pytest.raises(NotFound):
                verb(db, second, case.id)
        for member in (cast.surgeon, cast.expert):
            assert [one.id for one in cases.list_(db, member.actor).cases] == [case.id], "the team, and who was asked"


def test_who_opens_a_case_for_the_same_patient_learns_of_the_patient_alone(world: World) -> None:
    """The exact warning at entry names who is known; which case they have is not said, and the new case is another."""
    second = world.cast.second_surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        who = patients.unsealed(db, cases.patient_of(db, case))
        world.restrict(db, case)
        (known,) = patients.duplicates(db, second, name=who.name, record_number=who.record_number)
        assert known.patient_id == case.patient_id
        assert not hasattr(known, "case_id")
        fresh = cases.create(db, second, patient_id=known.patient_id, kind="flap")
        assert [one.id for one in cases.list_(db, second).cases] == [fresh.id]


def test_a_repeated_request_does_not_give_back_a_case_that_was_closed_to_its_maker(world: World) -> None:
    cast = world.cast
    surgeon = cast.surgeon.actor
    with world.begin() as db:
        patient = world.patient(db)
        asked: dict[str, Any] = {"patient_id": patient.id, "kind": "flap", "client_key": "once"}
        case = cases.create(db, surgeon, **asked)
        assert cases.create(db, surgeon, **asked) is case
        world.restrict(db, case, cast.second_surgeon)
        teams.release(db, stepped_up(cast.second_surgeon.actor), case.id, person_id=cast.surgeon.id)
        with pytest.raises(NotFound):
            cases.create(db, surgeon, **asked)


def test_nobody_outside_the_team_is_told_of_what_happens(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        world.restrict(db, case, cast.second_surgeon)
        teams.release(db, stepped_up(cast.second_surgeon.actor), case.id, person_id=cast.surgeon.id)
        before = notices.unread_count(db, cast.surgeon.actor)
        assert cast.surgeon.id in audience.participants(db, case)
        messages.post(db, cast.expert.actor, case_id=case.id, text="One more picture, please.")
        messages.post(db, cast.second_surgeon.actor, case_id=case.id, text="Here it is.")
        assert notices.unread_count(db, cast.surgeon.actor) == before
        assert [one.kind for one in notices.for_actor(db, cast.second_surgeon.actor)] == ["team-joined"]
        assert "message-posted" in {one.kind for one in notices.for_actor(db, cast.expert.actor)}


def test_the_log_of_it_is_read_by_its_auditors_and_by_the_team(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.restrict(db, case)
    with world.begin() as db:
        for member in (cast.auditor, cast.administrator, cast.surgeon):
            assert access.who_saw_case(db, member.actor, case.id)
        with pytest.raises(NotFound):
            access.who_saw_case(db, cast.second_surgeon.actor, case.id)


def test_the_page_of_a_restriction_offers_who_could_join(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        offered = teams.of_case(db, cast.surgeon.actor, case.id)
        assert (offered.restriction, offered.mates) == (None, [])
        assert {person.id for person in offered.candidates} == {cast.second_surgeon.id, cast.nurse.id}
        world.restrict(db, case, cast.nurse)
        teams.admit(db, stepped_up(cast.surgeon.actor), case.id, person_id=cast.second_surgeon.id)
        found = teams.of_case(db, cast.surgeon.actor, case.id)
        assert [mate.person_id for mate in found.mates] == [cast.surgeon.id, cast.nurse.id, cast.second_surgeon.id]
        assert found.candidates == []
        assert restrictions.among(db, [case.id, world.case(db).id]) == {case.id}
        teams.lift(db, stepped_up(cast.surgeon.actor), case.id)
        with pytest.raises(Conflict):
            teams.lift(db, stepped_up(cast.surgeon.actor), case.id)
