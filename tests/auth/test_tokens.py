"""API tokens: scopes that only narrow, ends that hold, secrets that are not kept."""

import dataclasses
import datetime as dt
from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import inspect, select

from auth import people, policy, tokens
from auth.tokens import Token
from core import ids
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Denied, Invalid, NotFound, StepUpNeeded
from tests.cast import Cast, Member

WEEK = dt.timedelta(days=7)


def fresh(member: Member) -> Actor:
    """The member's actor as after a step-up."""
    return dataclasses.replace(member.actor, stepped_up_at=ids.now())


def make(db: Tx, member: Member, *scopes: str) -> tuple[Token, str]:
    return tokens.create(db, fresh(member), name="gateway", scopes=scopes, expires_at=ids.now() + WEEK)


def test_a_token_acts_for_its_person_within_its_scopes(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    with database.begin() as db:
        token, plain = make(db, cast.surgeon, "case:read", "image:upload")
        actor = tokens.resolve(db, plain)
        assert actor is not None
        assert (actor.person_id, actor.token_id, actor.session_id) == (cast.surgeon.id, token.id, None)
        assert actor.scopes == frozenset({"case:read", "image:upload"})
        case = ids.new()
        assert policy.allowed(db, actor, "case:read", organisation_id=cast.aral.id, case_id=case)
        with pytest.raises(Denied):
            policy.require(db, actor, "image:read", organisation_id=cast.aral.id, case_id=case)
        with pytest.raises(Denied):
            policy.require_in_organisation(actor, "case:create")
    assert plain.startswith("shk_")
    assert log(cast.aral.id)[0] == "token:create success"


def test_without_the_scope_to_see_nothing_is_there(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        _, plain = make(db, cast.surgeon, "image:upload")
        actor = tokens.resolve(db, plain)
        assert actor is not None
        with pytest.raises(NotFound):
            policy.require(db, actor, "case:read", organisation_id=cast.aral.id, case_id=ids.new())


def test_only_a_digest_is_stored(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        _, plain = make(db, cast.surgeon, "case:read")
        stored = db.scalars(select(Token)).one()
        assert not any(plain[8:] in str(getattr(stored, column.key)) for column in inspect(Token).columns)


@pytest.mark.parametrize("bearer", ["", "shk_", "shk_x", "x", "\ud800", "shk_" + "a" * 100_000])
def test_what_is_no_token_is_nobody(database: Database, cast: Cast, bearer: str) -> None:
    with database.begin() as db:
        make(db, cast.surgeon, "case:read")
        assert tokens.resolve(db, bearer) is None


def test_scopes_are_what_the_roles_have(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        for scopes in ([], ["opinion:sign"], ["case:read", "case:erase"], ["*"]):
            with pytest.raises(Invalid) as wrong:
                tokens.create(db, fresh(cast.surgeon), name="x", scopes=scopes, expires_at=ids.now() + WEEK)
            assert wrong.value.fields == {"scopes": "scopes-not-held"}
        everything = policy.actions_of({"surgeon"})
        token, _ = tokens.create(db, fresh(cast.surgeon), name="x", scopes=everything, expires_at=ids.now() + WEEK)
        assert set(token.scopes) == everything


@pytest.mark.parametrize(("name", "code"), [("\t", "text-missing"), ("a\x00b", "text-invalid"), ("x" * 101, "text-too-long")])
def test_a_token_has_a_plain_name(database: Database, cast: Cast, name: str, code: str) -> None:
    with database.begin() as db, pytest.raises(Invalid) as wrong:
        tokens.create(db, fresh(cast.surgeon), name=name, scopes=["case:read"], expires_at=ids.now() + WEEK)
    assert wrong.value.fields == {"name": code}


@pytest.mark.parametrize("ahead", [dt.timedelta(0), dt.timedelta(seconds=-1), dt.timedelta(days=400)])
def test_a_token_expires_within_a_year(database: Database, cast: Cast, ahead: dt.timedelta) -> None:
    with database.begin() as db, pytest.raises(Invalid) as wrong:
        tokens.create(db, fresh(cast.surgeon), name=" ", scopes=["case:read"], expires_at=ids.now() + ahead)
    assert wrong.value.fields == {"name": "text-missing", "expires_at": "token-expiry-out-of-range"}


def test_making_one_needs_a_step_up_and_no_token_makes_another(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        with pytest.raises(StepUpNeeded):
            tokens.create(db, cast.surgeon.actor, name="x", scopes=["case:read"], expires_at=ids.now() + WEEK)
        _, plain = make(db, cast.surgeon, "token:manage", "case:read")
        machine = tokens.resolve(db, plain)
        assert machine is not None
        with pytest.raises(Denied):
            tokens.create(db, machine, name="x", scopes=["case:read"], expires_at=ids.now() + WEEK)


def test_only_the_command_line_makes_one_for_somebody_else(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        for member in (cast.administrator, cast.nurse):
            with pytest.raises(Denied):
                tokens.create(db, fresh(member), name="x", scopes=["case:read"], expires_at=ids.now() + WEEK, person_id=cast.surgeon.id)
        system = Actor.system(cast.aral.id)
        with pytest.raises(NotFound):
            tokens.create(db, system, name="x", scopes=["case:read"], expires_at=ids.now() + WEEK, person_id=cast.expert.id)
        _, plain = tokens.create(db, system, name="x", scopes=["case:read"], expires_at=ids.now() + WEEK, person_id=cast.surgeon.id)
        assert tokens.resolve(db, plain)


def test_an_expired_token_is_nobody(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        token, plain = make(db, cast.surgeon, "case:read")
        token.expires_at = ids.now() - dt.timedelta(seconds=1)
        db.flush()
        assert tokens.resolve(db, plain) is None


def test_a_token_is_revoked_by_its_person_and_their_administrator(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        for by in (cast.surgeon, cast.administrator):
            token, plain = make(db, cast.surgeon, "case:read")
            actor = tokens.resolve(db, plain)
            assert actor is not None
            for other in (cast.nurse, cast.stranger, cast.expert):
                with pytest.raises(NotFound):
                    tokens.revoke(db, other.actor, token.id)
            with pytest.raises(NotFound):
                tokens.revoke(db, actor, token.id)
            tokens.revoke(db, by.actor, token.id)
            assert tokens.resolve(db, plain) is None
            assert tokens.again(db, actor) is None
        with pytest.raises(NotFound):
            tokens.revoke(db, cast.surgeon.actor, ids.new())


def test_tokens_are_listed_to_their_person_and_administrator(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        token, _ = make(db, cast.surgeon, "case:read")
        assert [each.id for each in tokens.listed(db, cast.surgeon.actor)] == [token.id]
        assert [each.id for each in tokens.listed(db, cast.administrator.actor, cast.surgeon.id)] == [token.id]
        assert tokens.listed(db, cast.nurse.actor) == []
        with pytest.raises(Denied):
            tokens.listed(db, cast.nurse.actor, cast.surgeon.id)
        with pytest.raises(NotFound):
            tokens.listed(db, cast.administrator.actor, cast.expert.id)


def test_the_last_use_is_noted_once_a_minute(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        token, plain = make(db, cast.surgeon, "case:read")
    seen = []
    for _ in range(2):
        with database.begin() as db:
            tokens.resolve(db, plain)
        with database.begin() as db:
            seen.append(db.get_one(Token, token.id).last_used_at)
    assert seen[0] is not None
    assert seen[0] == seen[1]


def test_a_token_loses_what_its_person_loses(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        _, plain = make(db, cast.expert, "case:read", "opinion:write")
        people.appoint(db, Actor.system(cast.taizhou.id), cast.expert.id, "coordinator")
        people.dismiss(db, Actor.system(cast.taizhou.id), cast.expert.id, "expert")
        actor = tokens.resolve(db, plain)
        assert actor is not None
        assert actor.roles == {"coordinator"}
        assert not policy.allowed(db, actor, "opinion:write", organisation_id=cast.taizhou.id, case_id=ids.new())
        people.dismiss(db, Actor.system(cast.taizhou.id), cast.expert.id, "coordinator")
        assert tokens.resolve(db, plain) is None
