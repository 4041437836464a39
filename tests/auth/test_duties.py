"""Separate duties: who audits, and that the switch holds for sessions, tokens and every way to a role."""

import dataclasses
import datetime as dt

import pytest

from auth import actors, duties, enrolments, means, people, rules, sessions, tokens
from core import ids
from core.actor import Actor
from core.db import Database
from core.errors import Conflict, Denied, Invalid
from tests.cast import Cast, join

AUDITING = ("patient:search", "patient:identify", "audit:read", "audit:verify", "glass:review")
MANAGING = ("people:manage", "device:manage", "machine:manage", "agreement:manage", "roster:manage")


def fresh(actor: Actor) -> Actor:
    """The actor as after a step-up."""
    return dataclasses.replace(actor, stepped_up_at=ids.now())


def may(actor: Actor | None, action: str) -> bool:
    assert actor is not None
    return bool(rules.roles_for(actor, "own", action))


def test_an_administrator_audits_until_duties_are_separate(database: Database, cast: Cast) -> None:
    """With the next request of a session, and of a token made before."""
    with database.begin() as db:
        person = people.get(db, cast.administrator.actor, cast.administrator.id)
        _, cookie = sessions.start(db, person, organisation_id=cast.aral.id)
        until = ids.now() + dt.timedelta(days=7)
        _, bearer = tokens.create(db, fresh(cast.administrator.actor), name="audit", scopes=[*AUDITING, "people:manage"], expires_at=until)
        for actor in (sessions.resolve(db, cookie), tokens.resolve(db, bearer)):
            assert all(may(actor, action) for action in AUDITING)
            assert may(actor, "people:manage")
        duties.switch(db, Actor.system(cast.aral.id), separate=True)
        for actor in (sessions.resolve(db, cookie), tokens.resolve(db, bearer)):
            assert not any(may(actor, action) for action in AUDITING)
            assert may(actor, "people:manage")
        assert all(may(sessions.resolve(db, cookie), action) for action in MANAGING)
        with pytest.raises(Invalid) as refused:
            tokens.create(db, fresh(cast.administrator.actor), name="audit", scopes=["audit:read"], expires_at=until)
        assert refused.value.fields == {"scopes": "scopes-not-held"}
        duties.switch(db, Actor.system(cast.aral.id), separate=False)
        assert all(may(sessions.resolve(db, cookie), action) for action in AUDITING)


def test_an_auditor_manages_nobody_either_way(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        for separate in (True, False):
            duties.switch(db, Actor.system(cast.aral.id), separate=separate)
            actor = actors.acting(db, people.get(db, cast.auditor.actor, cast.auditor.id), cast.aral.id)
            assert all(may(actor, action) for action in AUDITING)
            assert not any(may(actor, action) for action in MANAGING)


def test_one_hospitals_switch_is_nothing_in_another(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        people.appoint(db, Actor.system(cast.taizhou.id), cast.administrator.id, "administrator")
        duties.switch(db, Actor.system(cast.aral.id), separate=True)
        assert actors.roles(db, cast.administrator.id, cast.aral.id) == {"administrator"}
        assert actors.roles(db, cast.administrator.id, cast.taizhou.id) == {"administrator", "auditor"}
        assert actors.roles(db, cast.surgeon.id, cast.aral.id) == {"surgeon"}


def test_it_is_refused_while_somebody_is_both_and_says_how_many(database: Database, cast: Cast) -> None:
    system = Actor.system(cast.aral.id)
    with database.begin() as db:
        for login in ("he.yu", "he.jun"):
            join(db, cast.aral, login, "何雨", "He", "administrator", "auditor")
        with pytest.raises(Conflict) as refused:
            duties.switch(db, system, separate=True)
        assert (refused.value.code, refused.value.params) == ("duties-held-together", {"count": 2})
        with pytest.raises(Conflict) as refused:
            duties.switch(db, system, separate=False)
        assert refused.value.code == "duties-so-already"


@pytest.mark.parametrize(("name", "second"), [("administrator", "auditor"), ("auditor", "administrator")])
def test_while_duties_are_separate_nobody_is_given_the_second_role(database: Database, cast: Cast, name: str, second: str) -> None:
    with database.begin() as db:
        duties.switch(db, Actor.system(cast.aral.id), separate=True)
        with pytest.raises(Conflict) as refused:
            people.appoint(db, Actor.system(cast.aral.id), cast.members[name].id, second)
        assert refused.value.code == "duties-separate"
        with pytest.raises(Conflict):
            people.create(db, Actor.system(cast.aral.id), login="both", name="何雨", roles=["administrator", "auditor"])
        people.appoint(db, Actor.system(cast.taizhou.id), cast.members[name].id, second)


def test_no_administrator_makes_a_way_in_for_another_or_for_an_auditor(database: Database, cast: Cast) -> None:
    """Who could would be two people: their own second hand, and their own auditor."""
    admin = fresh(cast.administrator.actor)
    with database.begin() as db:
        second = join(db, cast.aral, "he.yu", "何雨", "He Yu", "administrator")
        for whom in (second, cast.auditor):
            with pytest.raises(Denied) as refused:
                means.retire(db, admin, whom.id)
            assert refused.value.code == "peer-by-command-only"
            # a new password for who has an authenticator asks for a code of it
            assert enrolments.issue(db, admin, whom.id)
            means.retire(db, Actor.system(cast.aral.id), whom.id)
            with pytest.raises(Denied) as refused:
                enrolments.issue(db, admin, whom.id)
            assert refused.value.code == "peer-by-command-only"
        means.retire(db, admin, cast.nurse.id)
        assert enrolments.issue(db, admin, cast.nurse.id)
