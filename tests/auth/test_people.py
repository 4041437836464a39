"""People and their roles: what an administrator may do with them, and what nobody may (attacks 4 and 9)."""

import dataclasses
import threading
import time
from collections.abc import Callable
from uuid import UUID

import pytest

from auth import duties, people, profiles, rules, sessions, tokens
from core import ids
from core.actor import Actor
from core.db import Database
from core.errors import Conflict, Denied, Invalid, NotFound, ShanhaiError, StepUpNeeded
from tests.cast import Cast, join


def fresh(actor: Actor) -> Actor:
    """The actor as after a step-up."""
    return dataclasses.replace(actor, stepped_up_at=ids.now())


def test_an_administrator_adds_a_person_to_their_own_hospital(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    with database.begin() as db:
        person = people.create(
            db,
            fresh(cast.administrator.actor),
            login=" Gu.Ｌan ",
            name="顾岚",
            name_en="Gu Lan",
            roles=["nurse", "surgeon"],
            phone="0997-5550102",
        )
        assert (person.login, person.organisation_id, person.time_zone) == ("gu.lan", cast.aral.id, "Asia/Urumqi")
        assert people.roles_in(db, person.id, cast.aral.id) == {"nurse", "surgeon"}
        assert people.roles_in(db, person.id, cast.taizhou.id) == frozenset()
    assert log(cast.aral.id)[:3] == ["role:appoint success", "role:appoint success", "person:create success"]


@pytest.mark.parametrize("name", ["surgeon", "nurse", "auditor", "expert", "coordinator", "stranger"])
def test_nobody_else_adds_people(database: Database, cast: Cast, name: str) -> None:
    with database.begin() as db, pytest.raises(Denied):
        people.create(db, cast.members[name].actor, login="intruder", name="某人")


def test_what_is_wrong_with_a_new_person_is_named(database: Database, cast: Cast) -> None:
    admin = fresh(cast.administrator.actor)
    with database.begin() as db:
        with pytest.raises(Invalid) as wrong:
            people.create(
                db, admin, login="-", name="", title="x" * 201, phone="1\r\n2", language="fr", time_zone="Mars/Base", roles=["god", "nurse"]
            )
        assert wrong.value.fields == {
            "login": "login-invalid",
            "name": "text-missing",
            "title": "text-too-long",
            "phone": "text-invalid",
            "language": "language-unknown",
            "time_zone": "time-zone-unknown",
            "roles": "role-unknown",
        }
        with pytest.raises(Invalid) as wrong:
            people.create(db, admin, login="LI.NA", name="李娜")
        assert wrong.value.fields == {"login": "login-taken"}
        assert people.create(db, admin, login="li.na2", name="李娜").login == "li.na2"


def test_a_person_is_seen_by_their_own_hospitals_alone(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        assert people.get(db, cast.nurse.actor, cast.surgeon.id).login == "li.na"
        for other in (cast.expert, cast.stranger):
            with pytest.raises(NotFound):
                people.get(db, other.actor, cast.surgeon.id)
        with pytest.raises(NotFound):
            people.get(db, cast.nurse.actor, ids.new())
        people.appoint(db, Actor.system(cast.kashgar.id), cast.expert.id, "expert")
        assert people.get(db, cast.stranger.actor, cast.expert.id).login == "chen.hao"


def test_members_are_those_at_work(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        assert [person.login for person in people.members(db, cast.aral.id, "surgeon")] == ["li.na", "wang.jun"]
        assert [person.login for person in people.members(db, cast.taizhou.id)] == ["chen.hao", "lin.fang", "xu.wei"]
        people.disable(db, cast.administrator.actor, cast.second_surgeon.id)
        assert [person.login for person in people.members(db, cast.aral.id, "surgeon")] == ["li.na"]
        assert not people.serves(db, cast.aral.id, "surgeon", cast.second_surgeon.id)
        assert ("wang.jun", frozenset({"surgeon"})) in [(p.login, roles) for p, roles in people.staff(db, cast.administrator.actor)]
        with pytest.raises(Denied):
            people.staff(db, cast.surgeon.actor)


def test_bylines_name_people_and_nothing_more(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        found = people.bylines(db, [cast.expert.id, ids.new()])
    assert found == {cast.expert.id: people.Byline(cast.expert.id, "陈浩", "Chen Hao", "主任医师", cast.taizhou.id)}


def test_a_person_works_in_several_places_home_first(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        people.appoint(db, Actor.system(cast.aral.id), cast.expert.id, "expert")
        people.appoint(db, Actor.system(cast.aral.id), cast.expert.id, "surgeon")
        people.appoint(db, Actor.system(cast.aral.id), cast.expert.id, "surgeon")
        places = people.workplaces(db, cast.expert.id)
    assert list(places.items()) == [(cast.taizhou.id, frozenset({"expert"})), (cast.aral.id, frozenset({"expert", "surgeon"}))]


def test_handing_out_a_role_needs_a_step_up(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        with pytest.raises(StepUpNeeded):
            people.appoint(db, cast.administrator.actor, cast.nurse.id, "coordinator")
        with pytest.raises(StepUpNeeded):
            people.dismiss(db, cast.administrator.actor, cast.nurse.id, "nurse")
        people.appoint(db, fresh(cast.administrator.actor), cast.nurse.id, "coordinator")
        assert people.roles_in(db, cast.nurse.id, cast.aral.id) == {"nurse", "coordinator"}


def test_adding_somebody_with_a_role_needs_a_step_up(database: Database, cast: Cast) -> None:
    admin = cast.administrator.actor
    with database.begin() as db:
        with pytest.raises(StepUpNeeded):
            people.create(db, admin, login="he.yu", name="何雨", roles=["administrator"])
        assert people.by_login(db, "he.yu") is None
        person = people.create(db, admin, login="he.yu", name="何雨")
        assert people.roles_in(db, person.id, cast.aral.id) == frozenset()
        assert people.create(db, fresh(admin), login="gu.lan", name="顾岚", roles=["nurse"]).login == "gu.lan"


def test_a_token_adds_nobody_and_shuts_nobody_out(database: Database, cast: Cast) -> None:
    machine = dataclasses.replace(fresh(cast.administrator.actor), session_id=None, token_id=ids.new(), scopes=frozenset({"people:manage"}))
    with database.begin() as db:
        for act in (
            lambda: people.create(db, machine, login="he.yu", name="何雨"),
            lambda: people.create(db, machine, login="he.yu", name="何雨", roles=["administrator"]),
            lambda: people.disable(db, machine, cast.nurse.id),
        ):
            with pytest.raises(Denied) as refused:
                act()
            assert refused.value.code == "session-needed"
        assert people.serves(db, cast.aral.id, "nurse", cast.nurse.id)


def test_nobody_changes_their_own_rights(database: Database, cast: Cast) -> None:
    admin = fresh(cast.administrator.actor)
    with database.begin() as db:
        join(db, cast.aral, "he.yu", "何雨", "He Yu", "administrator")
        for act in (
            lambda: people.appoint(db, admin, cast.administrator.id, "surgeon"),
            lambda: people.dismiss(db, admin, cast.administrator.id, "administrator"),
            lambda: people.disable(db, admin, cast.administrator.id),
        ):
            with pytest.raises(Denied) as refused:
                act()
            assert refused.value.code == "own-rights"


def test_an_administrator_has_no_hand_in_another_hospital(database: Database, cast: Cast) -> None:
    admin = fresh(cast.administrator.actor)
    with database.begin() as db:
        for act in (
            lambda: people.appoint(db, admin, cast.expert.id, "administrator"),
            lambda: people.dismiss(db, admin, cast.expert.id, "expert"),
            lambda: people.disable(db, admin, cast.expert.id),
            lambda: people.enable(db, admin, cast.expert.id),
        ):
            with pytest.raises(NotFound):
                act()


def test_a_visitor_is_dismissed_but_not_disabled(database: Database, cast: Cast) -> None:
    admin = fresh(cast.administrator.actor)
    with database.begin() as db:
        people.appoint(db, Actor.system(cast.aral.id), cast.expert.id, "expert")
        with pytest.raises(NotFound):
            people.disable(db, admin, cast.expert.id)
        people.dismiss(db, admin, cast.expert.id, "expert")
        assert list(people.workplaces(db, cast.expert.id)) == [cast.taizhou.id]
        with pytest.raises(NotFound):
            people.dismiss(db, admin, cast.expert.id, "expert")


def test_only_the_command_line_makes_operators(database: Database, cast: Cast) -> None:
    admin = fresh(cast.administrator.actor)
    with database.begin() as db:
        with pytest.raises(Denied):
            people.appoint(db, admin, cast.nurse.id, "operator")
        with pytest.raises(Denied):
            people.create(db, admin, login="root2", name="某人", roles=["operator"])
        with pytest.raises(Invalid):
            people.appoint(db, admin, cast.nurse.id, rules.SYSTEM)
        people.appoint(db, Actor.system(cast.aral.id), cast.nurse.id, "operator")


def test_the_last_administrator_stays(database: Database, cast: Cast) -> None:
    system = Actor.system(cast.aral.id)
    with database.begin() as db:
        for act in (people.disable, lambda db, actor, who: people.dismiss(db, actor, who, "administrator")):
            with pytest.raises(Conflict) as refused:
                act(db, system, cast.administrator.id)
            assert refused.value.code == "last-administrator"
        second = join(db, cast.aral, "he.yu", "何雨", "He Yu", "administrator")
        people.disable(db, fresh(second.actor), cast.administrator.id)
        with pytest.raises(Conflict):
            people.dismiss(db, system, second.id, "administrator")


def test_two_administrators_cannot_remove_each_other_at_once(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        second = join(db, cast.aral, "he.yu", "何雨", "He Yu", "administrator")
    outcomes: list[str] = []
    removed = threading.Event()

    def remove(by: Actor, whom: UUID, *, first: bool) -> None:
        if not first:
            removed.wait()
        try:
            with database.begin() as db:
                people.dismiss(db, fresh(by), whom, "administrator")
                removed.set()
                time.sleep(0.3 if first else 0)
            outcomes.append("done")
        except ShanhaiError as error:
            outcomes.append(error.code)

    threads = [
        threading.Thread(target=remove, args=(cast.administrator.actor, second.id), kwargs={"first": True}),
        threading.Thread(target=remove, args=(second.actor, cast.administrator.id), kwargs={"first": False}),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == ["done", "last-administrator"]


def test_a_disabled_person_is_out_for_good_and_comes_back_anew(database: Database, cast: Cast) -> None:
    admin = fresh(cast.administrator.actor)
    with database.begin() as db:
        person = people.get(db, admin, cast.nurse.id)
        _, cookie = sessions.start(db, person, organisation_id=cast.aral.id)
        _, bearer = tokens.create(
            db,
            Actor.system(cast.aral.id),
            name="chart",
            scopes=["case:read"],
            expires_at=ids.now() + tokens.LONGEST_LIFE / 2,
            person_id=person.id,
        )
        assert sessions.resolve(db, cookie)
        assert tokens.resolve(db, bearer)
        people.disable(db, admin, cast.nurse.id)
        assert sessions.resolve(db, cookie) is None
        assert tokens.resolve(db, bearer) is None
        people.enable(db, admin, cast.nurse.id)
        assert sessions.resolve(db, cookie) is None
        assert tokens.resolve(db, bearer) is None
        _, cookie = sessions.start(db, person, organisation_id=cast.aral.id)
        assert sessions.resolve(db, cookie)


def test_a_person_chooses_their_own_language(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        profiles.set_language(db, cast.surgeon.actor, "en")
        _, cookie = sessions.start(db, people.get(db, cast.surgeon.actor, cast.surgeon.id), organisation_id=cast.aral.id)
        found = sessions.resolve(db, cookie)
        assert found is not None
        assert found.language == "en"
        with pytest.raises(Invalid):
            profiles.set_language(db, cast.surgeon.actor, "fr")
        with pytest.raises(Denied):
            profiles.set_language(db, Actor.system(cast.aral.id), "en")


def test_the_staff_is_who_belongs_or_works_here_with_what_they_are_here(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        people.appoint(db, Actor.system(cast.aral.id), cast.nurse.id, "coordinator")
        visitor = people.get(db, Actor.system(cast.taizhou.id), cast.expert.id)
        people.give_role(db, Actor.system(cast.aral.id), visitor, "surgeon")
        found = {person.login: roles for person, roles in people.staff(db, cast.administrator.actor)}
        here = {member.login for member in (cast.surgeon, cast.second_surgeon, cast.nurse, cast.administrator, cast.auditor)}
        assert set(found) == here | {cast.expert.login}
        assert (found[cast.nurse.login], found[cast.expert.login]) == ({"nurse", "coordinator"}, {"surgeon"})


def test_who_has_no_role_is_still_somebody_of_the_hospital_and_themselves(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        bare = people.create(db, Actor.system(cast.aral.id), login="gu.lan", name="顾岚")
        assert people.get(db, cast.administrator.actor, bare.id) is bare
        assert people.get(db, Actor(person_id=bare.id, organisation_id=cast.taizhou.id), bare.id) is bare
        with pytest.raises(NotFound):
            people.get(db, cast.expert.actor, bare.id)


def test_where_duties_are_separate_the_other_roles_are_given_as_ever(database: Database, cast: Cast) -> None:
    system = Actor.system(cast.aral.id)
    with database.begin() as db:
        auditor = people.get(db, system, cast.auditor.id)
        people.give_role(db, system, people.get(db, system, cast.nurse.id), "auditor")
        people.give_role(db, system, people.get(db, system, cast.nurse.id), "administrator")
        people.dismiss(db, system, cast.nurse.id, "administrator")
        duties.switch(db, system, separate=True)
        people.give_role(db, system, auditor, "nurse")
        with pytest.raises(Conflict, match="duties-separate"):
            people.give_role(db, system, auditor, "administrator")
        assert people.roles_in(db, auditor.id, cast.aral.id) == {"auditor", "nurse"}


def test_a_role_is_taken_away_alone_and_here_alone(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    admin, here, there = fresh(cast.administrator.actor), Actor.system(cast.aral.id), Actor.system(cast.taizhou.id)
    with database.begin() as db:
        nurse = people.get(db, here, cast.nurse.id)
        people.give_role(db, there, nurse, "coordinator")
        people.give_role(db, here, nurse, "coordinator")
        people.dismiss(db, admin, nurse.id, "coordinator")
        assert (people.roles_in(db, nurse.id, cast.aral.id), people.roles_in(db, nurse.id, cast.taizhou.id)) == ({"nurse"}, {"coordinator"})
        with pytest.raises(NotFound, match="role-not-held"):
            people.dismiss(db, admin, nurse.id, "coordinator")
        people.disable(db, admin, nurse.id)
    assert log(cast.aral.id)[:2] == ["person:disable success", "role:dismiss success"]
