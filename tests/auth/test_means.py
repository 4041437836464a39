"""Means: what a lost telephone held goes out of use together, and a password alone is never enough."""

import dataclasses
from collections.abc import Callable
from uuid import UUID

import pytest

from auth import ceremonies, factors, means, passkeys, proofs, recovery, sessions, signin
from auth.means import Means
from auth.proofs import Refused
from auth.signin import Pending, SignedIn
from core import ids
from core.actor import Actor
from core.db import Database
from core.errors import Denied, NotFound, StepUpNeeded
from tests.authenticator import Authenticator
from tests.cast import PASSWORD, Cast

HOME = "192.0.2.1"
SITE = ceremonies.site_of("https://shanhai.test")


def fresh(actor: Actor) -> Actor:
    """The actor as after a step-up."""
    return dataclasses.replace(actor, stepped_up_at=ids.now())


def test_an_administrator_takes_everything_out_of_use(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    admin, me, mine = fresh(cast.administrator.actor), fresh(cast.surgeon.actor), Authenticator(SITE.origin)
    with database.begin() as db:
        passkeys.register(db, me, mine.create(passkeys.begin(db, me, site=SITE)), name="phone", site=SITE)
        code = recovery.make(db, me)[0]
        assert means.of(db, cast.surgeon.id) == Means(authenticator=True, passkeys=1, recovery_codes=10)
        with pytest.raises(StepUpNeeded):
            means.retire(db, cast.administrator.actor, cast.surgeon.id)
        with pytest.raises(Denied):
            means.retire(db, fresh(cast.nurse.actor), cast.surgeon.id)
        with pytest.raises(NotFound):
            means.retire(db, admin, cast.expert.id)
        means.retire(db, admin, cast.surgeon.id)
        assert means.of(db, cast.surgeon.id) == Means()
        assert sessions.again(db, cast.surgeon.actor) is None
        assert not factors.proves(db, cast.surgeon.id, cast.surgeon.code())
        person = db.get_one(passkeys.Person, cast.surgeon.id)
        assert proofs.recovery_code(db, person, code, network=HOME) == Refused("recovery-code-wrong")
        given = mine.get(signin.ask_passkey(db, site=SITE, address=HOME))
        assert signin.passkey(db, given=given, site=SITE, address=HOME) == Refused("passkey-refused")
        assert signin.password(db, login=cast.surgeon.login, password=PASSWORD, address=HOME) == Refused("sign-in-failed")
        assert factors.proves(db, cast.nurse.id, cast.nurse.code())
    assert "factor:retire success" in log(cast.aral.id)[:3]


def test_a_person_with_a_passkey_and_no_authenticator_gets_in(database: Database, cast: Cast) -> None:
    me, mine = fresh(cast.surgeon.actor), Authenticator(SITE.origin)
    with database.begin() as db:
        passkeys.register(db, me, mine.create(passkeys.begin(db, me, site=SITE)), name="phone", site=SITE)
        code = recovery.make(db, me)[0]
        factors.retire_all(db, cast.surgeon.id)
        given = mine.get(signin.ask_passkey(db, site=SITE, address=HOME))
        assert isinstance(signin.passkey(db, given=given, site=SITE, address=HOME), SignedIn)
        step = signin.password(db, login=cast.surgeon.login, password=PASSWORD, address=HOME)
        assert isinstance(step, Pending)
        assert signin.beside(db, step.secret) == Means(passkeys=1, recovery_codes=10)
        assert signin.code(db, pending=step.secret, code=cast.surgeon.code(), address=HOME) == Refused("code-wrong")
        assert isinstance(signin.code(db, pending=step.secret, recovery_code=code, address=HOME), SignedIn)


def test_a_first_step_that_is_none_says_nothing(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        assert signin.beside(db, "x") == Means()
