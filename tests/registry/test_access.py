"""Access: who saw this patient and what did this person see, answered from the log to those who may ask."""

import datetime as dt

import pytest

from auth import actors, people
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Denied, NotFound
from registry import access, cases, entries, patients, worklist
from tests.registry.conftest import World


def administrator_of_taizhou(db: Tx, world: World) -> Actor:
    """The invited hospital's own administrator."""
    home = world.cast.taizhou.id
    person = people.create(db, Actor.system(home), login="he.ping", name="何平", name_en="He Ping", roles=("administrator",))
    actor = actors.acting(db, person, home, session_id=ids.new())
    assert actor is not None
    return actor


def test_who_saw_this_patient_names_everybody_in_the_order_of_the_log(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        other = world.case(db)
        world.asked(db, case)
    with world.begin() as db:
        cases.get(db, cast.expert.actor, case.id)
        worklist.items(db, cast.expert.actor)
        cases.identity(db, cast.nurse.actor, case.id)
        cases.get(db, cast.second_surgeon.actor, other.id)
    with world.begin() as db:
        rows = access.who_saw_patient(db, cast.administrator.actor, case.patient_id)
        assert [row.leaf_index for row in rows] == sorted((row.leaf_index or 0 for row in rows), reverse=True)
        newest = rows[:3]
        assert [(row.person_name, row.action, row.case_number) for row in newest] == [
            ("阿依古丽", "patient:identify", case.number),
            ("陈浩", "case:worklist", None),
            ("陈浩", "case:read", case.number),
        ]
        assert newest[1].organisation_name_en == "Taizhou Orthopaedic Hospital"
        assert "王军" not in {row.person_name for row in rows}
        earlier = access.who_saw_patient(db, cast.administrator.actor, case.patient_id, before=rows[2].event_id)
        assert [row.event_id for row in earlier] == [row.event_id for row in rows[3:]]
        none = access.who_saw_patient(db, cast.auditor.actor, case.patient_id, until=ids.now() - dt.timedelta(days=1))
        assert none == []
    with world.begin() as db:
        asked = audit.events(db, cast.aral.id, actions=("audit:read",), patient_id=case.patient_id)
        assert [(event.actor_id, event.purpose) for event in asked][-1] == (cast.administrator.id, "audit")
        assert len(asked) == 3


def test_what_a_person_did_is_told_for_colleagues_everywhere_and_for_visitors_here(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        coordinator_of_taizhou = cast.coordinator.id
    with world.begin() as db:
        rows = access.what_did_person(db, cast.administrator.actor, coordinator_of_taizhou)
        assert {row.action for row in rows} >= {"referral:allocate", "grant:give"}
        assert all(not row.abroad for row in rows)
        with pytest.raises(NotFound):
            access.what_did_person(db, cast.administrator.actor, cast.stranger.id)
        assert access.what_did_person(db, cast.administrator.actor, cast.nurse.id)
        names = [byline.name for byline in access.visitors(db, cast.administrator.actor)]
        assert {"李娜", "林芳", "陈浩"} <= set(names)
        assert "马丽" not in names


def test_a_hospital_sees_what_its_people_did_abroad_without_the_others_case_numbers(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        administrator = administrator_of_taizhou(db, world)
        case = world.case(db)
        world.asked(db, case)
        world.sign(db, case)
    with world.begin() as db:
        rows = access.what_did_person(db, administrator, cast.expert.id)
        signed = [row for row in rows if row.action == "opinion:sign"]
        assert [(row.abroad, row.case_number, row.patients) for row in signed] == [(True, None, 1)]
        for verb, key in ((access.who_saw_patient, case.patient_id), (access.who_saw_case, case.id)):
            with pytest.raises(NotFound):
                verb(db, administrator, key)


def test_nothing_is_left_out_between_the_pages_of_an_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Own acts and acts abroad stand in two logs and are told as one; several may be of one moment."""
    cast = world.cast
    with world.begin() as db:
        administrator = administrator_of_taizhou(db, world)
        case = world.case(db)
        world.asked(db, case)
        moment = ids.now()
    with world.begin() as db, monkeypatch.context() as clock:
        clock.setattr(ids, "now", lambda: moment)
        for number in range(4):
            audit.record(db, cast.expert.actor, "case:list", organisation_id=cast.taizhou.id, detail={"shown": number})
            audit.record(db, cast.expert.actor, "case:read", organisation_id=cast.aral.id, case_id=case.id, patient_ids=(case.patient_id,))
    with world.begin() as db:
        whole = [row.event_id for row in access.what_did_person(db, administrator, cast.expert.id)]
    monkeypatch.setattr(access, "LIMIT", 3)
    told: list[access.Access] = []
    with world.begin() as db:
        while page := access.what_did_person(db, administrator, cast.expert.id, before=told[-1].event_id if told else None):
            assert len(page) <= 3
            told += page
    assert [row.event_id for row in told] == whole
    assert {row.abroad for row in told} == {True, False}


def test_who_may_ask(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        entry = world.injury(db, case)
    with world.begin() as db:
        for member in (cast.nurse, cast.expert, cast.coordinator, cast.stranger):
            for verb, key in (
                (access.who_saw_patient, case.patient_id),
                (access.who_saw_case, case.id),
                (access.what_did_person, cast.surgeon.id),
            ):
                with pytest.raises((Denied, NotFound)):
                    verb(db, member.actor, key)
        assert access.who_saw_case(db, cast.surgeon.actor, case.id)
        assert access.who_saw_case(db, cast.auditor.actor, case.id)
        with pytest.raises((Denied, NotFound)):
            access.who_saw_patient(db, cast.surgeon.actor, case.patient_id)
        for verb, key in ((cases.get, case.id), (entries.get, entry.id), (entries.for_case, case.id)):
            with pytest.raises(NotFound):
                verb(db, cast.administrator.actor, key)
        assert patients.identity(db, cast.administrator.actor, case.patient_id).name == "张卫国"
