"""Step-up and changing one's password: proven again, under a fresh secret, at the throttle's pace."""

import dataclasses
from collections.abc import Callable
from uuid import UUID

import pytest

from auth import policy, sessions, signin, stepup
from auth.proofs import Refused
from auth.signin import Pending, SignedIn
from core import ids
from core.actor import Actor
from core.db import Database
from core.errors import Denied, Invalid, StepUpNeeded, Throttled
from tests.cast import PASSWORD, Cast

HOME = "192.0.2.1"
NEW = "eleven boats at the quay"


@pytest.mark.parametrize("by", ["code", "password"])
def test_a_code_or_the_password_steps_up(database: Database, cast: Cast, by: str, log: Callable[[UUID], list[str]]) -> None:
    with database.begin() as db:
        with pytest.raises(StepUpNeeded):
            policy.require_step_up(cast.expert.actor)
        proof = {"code": cast.expert.code()} if by == "code" else {"password": PASSWORD}
        done = stepup.prove(db, cast.expert.actor, **proof, address=HOME)
        assert isinstance(done, SignedIn)
        policy.require_step_up(done.actor)
        assert sessions.resolve(db, done.cookie) == done.actor
    assert log(cast.taizhou.id)[0] == "session:step-up success"


def test_a_code_steps_up_once(database: Database, cast: Cast) -> None:
    code = cast.expert.code()
    with database.begin() as db:
        assert isinstance(stepup.prove(db, cast.expert.actor, code=code, address=HOME), SignedIn)
        assert stepup.prove(db, cast.expert.actor, code=code, address=HOME) == Refused("code-wrong")


def test_a_wrong_proof_leaves_things_as_they_were(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    with database.begin() as db:
        assert stepup.prove(db, cast.expert.actor, code="000", address=HOME) == Refused("code-wrong")
        assert stepup.prove(db, cast.expert.actor, password="not it", address=HOME) == Refused("password-wrong")
        assert stepup.prove(db, cast.expert.actor, address=HOME) == Refused("code-wrong")
        assert stepup.prove(db, cast.expert.actor, code=cast.second_expert.code(), address=HOME) == Refused("code-wrong")
        found = sessions.again(db, cast.expert.actor)
        assert found is not None
        assert found.stepped_up_at is None
    assert log(cast.taizhou.id)[:4] == ["session:step-up failure"] * 4


def test_proofs_are_throttled_in_a_session_too(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    for _ in range(10):
        with database.begin() as db:
            stepup.prove(db, cast.expert.actor, password="not it", address=HOME)
    with database.begin() as db:
        assert stepup.prove(db, cast.expert.actor, password=PASSWORD, address=HOME) == Refused("throttled")
    assert log(cast.taizhou.id)[:11] == ["session:step-up failure"] * 11
    with database.begin() as db, pytest.raises(Throttled):
        stepup.prove(db, cast.expert.actor, password=PASSWORD, address=HOME)


def test_only_a_session_steps_up(database: Database, cast: Cast) -> None:
    machine = dataclasses.replace(cast.expert.actor, session_id=None, token_id=ids.new())
    with database.begin() as db:
        for actor in (machine, Actor.system(cast.taizhou.id)):
            with pytest.raises(Denied):
                stepup.prove(db, actor, password=PASSWORD, address=HOME)
            with pytest.raises(Denied):
                stepup.change_password(db, actor, current=PASSWORD, new=NEW, address=HOME)


def test_a_changed_password_ends_every_other_session(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    with database.begin() as db:
        done = stepup.prove(db, cast.surgeon.actor, password=PASSWORD, address=HOME)
        assert isinstance(done, SignedIn)
        pending = signin.password(db, login=cast.surgeon.login, password=PASSWORD, address=HOME)
        assert isinstance(pending, Pending)
        other = signin.code(db, pending=pending.secret, code=cast.surgeon.code(), address=HOME)
        assert isinstance(other, SignedIn)
        changed = stepup.change_password(db, done.actor, current=PASSWORD, new=NEW, address=HOME)
        assert isinstance(changed, SignedIn)
        assert sessions.resolve(db, other.cookie) is None
        assert sessions.resolve(db, done.cookie) is None
        assert sessions.resolve(db, changed.cookie) == changed.actor
        assert signin.password(db, login=cast.surgeon.login, password=PASSWORD, address=HOME) == Refused("sign-in-failed")
        assert isinstance(signin.password(db, login=cast.surgeon.login, password=NEW, address=HOME), Pending)
    assert "password:change success" in log(cast.aral.id)


def test_changing_it_needs_the_current_one_and_keeps_the_rules(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        assert stepup.change_password(db, cast.surgeon.actor, current="not it", new=NEW, address=HOME) == Refused("password-wrong")
        for new, code in (("short", "too-short"), ("password2026", "common"), ("li.na at aral", "context")):
            with pytest.raises(Invalid) as wrong:
                stepup.change_password(db, cast.surgeon.actor, current=PASSWORD, new=new, address=HOME)
            assert wrong.value.fields == {"password": f"password-{code}"}
        assert isinstance(signin.password(db, login=cast.surgeon.login, password=PASSWORD, address=HOME), Pending)
