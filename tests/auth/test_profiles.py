"""Profiles: who keeps what about whom, and what of it the log says."""

import dataclasses
from collections.abc import Callable
from uuid import UUID

import pytest

from auth import people, profiles
from auth.profiles import Profile
from core import audit, ids
from core.actor import Actor
from core.db import Database
from core.errors import Denied, Invalid, NotFound, StepUpNeeded
from tests.cast import Cast

TITLED = Profile(name="李娜", name_en="Li Na", title="主治医师", licence_number="110650000012345")


def fresh(actor: Actor) -> Actor:
    """The actor as after a step-up."""
    return dataclasses.replace(actor, stepped_up_at=ids.now())


def test_an_administrator_corrects_a_profile_and_the_log_says_which_fields(database: Database, cast: Cast) -> None:
    told = dataclasses.replace(TITLED, phone=" 0997-5550199 ", email=" Li.Na@Aral.Example.CN ", practising_since=ids.now().year - 2)
    with database.begin() as db:
        person = profiles.amend(db, fresh(cast.administrator.actor), cast.surgeon.id, told)
        assert (person.phone, person.email) == ("0997-5550199", "li.na@aral.example.cn")
        assert profiles.years_of_practice(person, ids.now()) == 2
        assert profiles.years_of_practice(people.get(db, cast.nurse.actor, cast.nurse.id), ids.now()) is None
        profiles.amend(db, fresh(cast.administrator.actor), cast.surgeon.id, profiles.of(person))
    with database.begin() as db:
        [event] = audit.events(db, cast.aral.id, actions=("person:amend",))
        assert event.detail == {"fields": "phone email practising_since"}


def test_another_address_needs_a_step_up_and_the_rest_does_not(database: Database, cast: Cast) -> None:
    admin = cast.administrator.actor
    with database.begin() as db:
        profiles.amend(db, admin, cast.surgeon.id, dataclasses.replace(TITLED, phone="0997-1"))
        with pytest.raises(StepUpNeeded):
            profiles.amend(db, admin, cast.surgeon.id, dataclasses.replace(TITLED, email="li.na@aral.example.cn"))


def test_what_is_wrong_is_named_and_nothing_is_kept(database: Database, cast: Cast) -> None:
    admin = fresh(cast.administrator.actor)
    with database.begin() as db:
        profiles.amend(db, admin, cast.nurse.id, Profile(name="阿依古丽", email="ward@aral.example.cn"))
        wrong = Profile(name=" ", title="x" * 201, phone="1\r\n2", email="li na@aral", practising_since=ids.now().year + 1)
        with pytest.raises(Invalid) as refused:
            profiles.amend(db, admin, cast.surgeon.id, wrong)
        assert refused.value.fields == {
            "name": "text-missing",
            "title": "text-too-long",
            "phone": "text-invalid",
            "email": "email-invalid",
            "practising_since": "year-out-of-range",
        }
        with pytest.raises(Invalid) as refused:
            profiles.amend(db, admin, cast.surgeon.id, dataclasses.replace(TITLED, email="WARD@aral.example.cn"))
        assert refused.value.fields == {"email": "email-taken"}
        assert profiles.of(people.get(db, admin, cast.surgeon.id)) == TITLED


def test_an_address_is_one_persons_in_a_hospital_and_may_be_used_in_several(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        for number, home in enumerate((cast.aral, cast.taizhou)):
            system = Actor.system(home.id)
            people.create(db, system, login=f"gu{number}", name="顾岚", email="Gu@Example.CN")
            with pytest.raises(Invalid) as refused:
                people.create(db, system, login=f"lan{number}", name="顾岚", email="gu@example.cn")
            assert refused.value.fields == {"email": "email-taken"}
            for login in (f"he{number}", f"yu{number}"):
                people.create(db, system, login=login, name="无邮箱")


def test_nobody_else_corrects_a_profile(database: Database, cast: Cast) -> None:
    machine = dataclasses.replace(fresh(cast.administrator.actor), token_id=ids.new(), scopes=frozenset({"people:manage"}))
    with database.begin() as db:
        for actor, whom, kind in (
            (cast.nurse.actor, cast.surgeon.id, Denied),
            (cast.auditor.actor, cast.surgeon.id, Denied),
            (machine, cast.surgeon.id, Denied),
            (cast.administrator.actor, cast.expert.id, NotFound),
        ):
            with pytest.raises(kind):
                profiles.amend(db, actor, whom, TITLED)
        # who works here and has their home elsewhere is kept there
        people.appoint(db, Actor.system(cast.aral.id), cast.expert.id, "expert")
        with pytest.raises(NotFound):
            profiles.amend(db, fresh(cast.administrator.actor), cast.expert.id, TITLED)


def test_everybody_keeps_up_their_own_telephone_and_nothing_that_vouches(
    database: Database, cast: Cast, log: Callable[[UUID], list[str]]
) -> None:
    with database.begin() as db:
        person = profiles.amend_own(db, cast.coordinator.actor, phone="0576-5550199", name_en="Lin Fang")
        assert (person.phone, person.name) == ("0576-5550199", "林芳")
        with pytest.raises(Invalid):
            profiles.amend_own(db, cast.coordinator.actor, phone="1" * 300, name_en="")
        with pytest.raises(Denied):
            profiles.amend_own(db, dataclasses.replace(cast.coordinator.actor, token_id=ids.new()), phone="1", name_en="")
    assert log(cast.taizhou.id)[0] == "person:amend success"
