"""Authenticators: a code is good once, also in parallel; the secret is sealed; replacing one needs a step-up (attack 12)."""

import dataclasses
import threading
from collections.abc import Callable
from uuid import UUID

import pyotp
import pytest
from sqlalchemy import select, update

from auth import factors, news, sessions
from auth.factors import Factor
from auth.people import Person
from core import ids
from core.actor import Actor
from core.db import Database
from core.errors import Damaged, Denied, Invalid, NotFound, StepUpNeeded
from core.jobs import JobRow
from tests.cast import Cast


def fresh(actor: Actor) -> Actor:
    """The actor as after a step-up."""
    return dataclasses.replace(actor, stepped_up_at=ids.now())


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_code_is_good_one_step_around_now_and_once(database: Database, cast: Cast, steps: int) -> None:
    code = cast.surgeon.code(steps)
    with database.begin() as db:
        assert factors.proves(db, cast.surgeon.id, f" {code[:3]} {code[3:]} ")
        assert not factors.proves(db, cast.surgeon.id, code)
    with database.begin() as db:
        assert not factors.proves(db, cast.surgeon.id, code)


def test_full_width_figures_are_figures(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        assert factors.proves(db, cast.surgeon.id, cast.surgeon.code().translate({48 + n: 0xFF10 + n for n in range(10)}))


def test_a_code_of_an_earlier_step_is_gone_once_a_later_one_was_taken(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        assert factors.proves(db, cast.surgeon.id, cast.surgeon.code(1))
        assert not factors.proves(db, cast.surgeon.id, cast.surgeon.code(0))
        assert not factors.proves(db, cast.surgeon.id, cast.surgeon.code(-1))


@pytest.mark.parametrize("steps", [-3, 3])
def test_a_code_further_off_is_refused(database: Database, cast: Cast, steps: int) -> None:
    with database.begin() as db:
        assert not factors.proves(db, cast.surgeon.id, cast.surgeon.code(steps))


@pytest.mark.parametrize("code", ["", "000000x", "abcdef", "12345", "1234567", "\ud800", "-1"])
def test_what_is_no_code_is_refused(database: Database, cast: Cast, code: str) -> None:
    with database.begin() as db:
        assert not factors.proves(db, cast.surgeon.id, code)


def test_somebody_elses_code_is_refused(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        assert not factors.proves(db, cast.surgeon.id, cast.nurse.code())
        assert not factors.proves(db, ids.new(), cast.surgeon.code())


def test_of_parallel_uses_of_one_code_one_wins(database: Database, cast: Cast) -> None:
    code, outcomes, together = cast.surgeon.code(), [], threading.Barrier(8)

    def use() -> None:
        together.wait()
        with database.begin() as db:
            outcomes.append(factors.proves(db, cast.surgeon.id, code))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(True) == 1
    assert len(outcomes) == 8


def test_the_secret_is_sealed_in_its_own_row(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        mine, other = factors.in_use(db, cast.surgeon.id), factors.in_use(db, cast.nurse.id)
        assert mine is not None
        assert other is not None
        assert cast.surgeon.totp_secret.encode() not in mine.secret
        assert factors.opened(db, mine) == cast.surgeon.totp_secret
        mine.secret = other.secret
        db.flush()
        with pytest.raises(Damaged):
            factors.proves(db, cast.surgeon.id, cast.nurse.code())
        db.rollback()


def test_a_new_authenticator_replaces_the_old_one_when_it_is_confirmed(
    database: Database, cast: Cast, log: Callable[[UUID], list[str]]
) -> None:
    me = fresh(cast.surgeon.actor)
    with database.begin() as db:
        with pytest.raises(NotFound):
            factors.confirm(db, me, ids.new(), "123456")
        offer = factors.offer(db, me)
        assert offer.uri.startswith("otpauth://totp/Shanhai:li.na?")
        assert offer.secret in offer.uri
        assert factors.opened(db, _in_use(db, cast)) == cast.surgeon.totp_secret
        with pytest.raises(Invalid):
            factors.confirm(db, me, offer.factor_id, cast.surgeon.code())
        assert factors.offered(db, me, offer.factor_id) == offer
        other = sessions.start(db, db.get_one(Person, cast.surgeon.id), organisation_id=cast.aral.id)[0]
        factors.confirm(db, me, offer.factor_id, pyotp.TOTP(offer.secret).at(ids.now()))
        assert sessions.again(db, other) is None
        assert sessions.again(db, me) is not None
        with pytest.raises(NotFound):
            factors.confirm(db, me, offer.factor_id, pyotp.TOTP(offer.secret).at(ids.now()))
        assert not factors.proves(db, cast.surgeon.id, cast.surgeon.code())
        assert factors.proves(db, cast.surgeon.id, pyotp.TOTP(offer.secret).at(ids.now(), counter_offset=1))
    assert log(cast.aral.id)[:2] == ["session:end-all success", "factor:add success"]
    with database.begin() as db:
        assert [job.payload["kind"] for job in db.scalars(select(JobRow).where(JobRow.kind == news.TELL))] == [
            "account-authenticator-changed"
        ]


def test_what_is_offered_to_one_is_confirmed_by_nobody_else(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        offer = factors.offer(db, fresh(cast.surgeon.actor))
        for act in (lambda me: factors.offered(db, me, offer.factor_id), lambda me: factors.confirm(db, me, offer.factor_id, "000000")):
            with pytest.raises(NotFound):
                act(fresh(cast.nurse.actor))
            with pytest.raises(StepUpNeeded):
                act(cast.surgeon.actor)


def test_changing_an_authenticator_needs_a_session_and_a_step_up(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        with pytest.raises(StepUpNeeded):
            factors.offer(db, cast.surgeon.actor)
        with pytest.raises(StepUpNeeded):
            factors.confirm(db, cast.surgeon.actor, ids.new(), "123456")
        for other in (Actor.system(cast.aral.id), dataclasses.replace(cast.surgeon.actor, session_id=None, token_id=ids.new())):
            with pytest.raises(Denied):
                factors.offer(db, other)


def test_an_administrator_puts_none_in(database: Database, cast: Cast) -> None:
    with database.begin() as db, pytest.raises(Denied):
        factors.install(db, fresh(cast.administrator.actor), cast.surgeon.id)


def test_one_that_was_taken_out_meanwhile_is_good_no_more(database: Database, cast: Cast) -> None:
    """Who had read the factor before it was retired does not get in by it after."""
    with database.begin() as db:
        factor = _in_use(db, cast)
        code = cast.surgeon.code()
        factors.retire_all(db, cast.surgeon.id)
        assert not factors.take(db, factor, code)
        assert db.get_one(Factor, factor.id, populate_existing=True).last_step == 0


def test_a_person_has_one_that_counts(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        factors.install(db, Actor.system(cast.aral.id), cast.surgeon.id)
        counting = select(Factor).where(Factor.person_id == cast.surgeon.id, Factor.retired_at.is_(None))
        assert len(db.scalars(counting).all()) == 1
        db.execute(update(Factor).where(Factor.person_id == cast.surgeon.id).values(last_step=1 << 40))
        assert not factors.proves(db, cast.surgeon.id, cast.surgeon.code())


def _in_use(db: object, cast: Cast) -> Factor:
    found = factors.in_use(db, cast.surgeon.id)  # type: ignore[arg-type]
    assert found is not None
    return found
