"""Recovery codes: each once, also in parallel, at sign-in alone and no faster than codes; the newest set alone (attack 12)."""

import dataclasses
import re
import threading
from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import select

from auth import news, recovery, secret, signin, stepup
from auth.people import Person
from auth.proofs import Refused
from auth.recovery import RecoveryCode
from auth.signin import Pending, SignedIn
from core import audit, ids
from core.actor import Actor
from core.db import Database
from core.errors import Denied, StepUpNeeded, Throttled
from core.jobs import JobRow
from tests.cast import PASSWORD, Cast, Member

HOME = "192.0.2.1"
WRONG = Refused("recovery-code-wrong")


def fresh(actor: Actor) -> Actor:
    """The actor as after a step-up."""
    return dataclasses.replace(actor, stepped_up_at=ids.now())


def made(database: Database, member: Member) -> list[str]:
    """Somebody's codes."""
    with database.begin() as db:
        return recovery.make(db, fresh(member.actor))


def first(database: Database, member: Member) -> str:
    """The first step, gone well."""
    with database.begin() as db:
        step = signin.password(db, login=member.login, password=PASSWORD, address=HOME)
        assert isinstance(step, Pending)
        return step.secret


def second(database: Database, pending: str, code: str) -> SignedIn | Refused:
    """The second step, by a recovery code."""
    with database.begin() as db:
        return signin.code(db, pending=pending, recovery_code=code, address=HOME)


def test_ten_codes_that_are_easy_to_read_and_kept_as_digests(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    codes = made(database, cast.surgeon)
    assert len(set(codes)) == 10
    assert all(re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}", code) for code in codes)
    with database.begin() as db:
        digests = set(db.scalars(select(RecoveryCode.digest)))
        assert digests == {secret.digest(code.replace("-", "")) for code in codes}
        told = [job.payload["kind"] for job in db.scalars(select(JobRow).where(JobRow.kind == news.TELL))]
    assert told == ["account-recovery-made"]
    assert log(cast.aral.id)[0] == "recovery:make success"


def test_one_stands_in_for_the_code_once(database: Database, cast: Cast) -> None:
    codes = made(database, cast.surgeon)
    done = second(database, first(database, cast.surgeon), codes[3])
    assert isinstance(done, SignedIn)
    assert done.recovery_codes == 9
    assert second(database, first(database, cast.surgeon), codes[3]) == WRONG
    with database.begin() as db:
        assert recovery.left(db, cast.surgeon.id) == 9
        [used] = audit.events(db, cast.aral.id, actions=["recovery:use"])
        assert (used.actor_id, used.detail) == (cast.surgeon.id, {"left": 9})
        [refused] = audit.events(db, cast.aral.id, actions=["session:refuse"])
        assert refused.detail == {"step": "recovery", "network": HOME}
        told = [job.payload["kind"] for job in db.scalars(select(JobRow).where(JobRow.kind == news.TELL).order_by(JobRow.id))]
    assert told == ["account-recovery-made", "account-recovery-used"]


@pytest.mark.parametrize(
    "typed",
    [
        str.lower,
        lambda code: code.replace("-", " "),
        lambda code: f" {code.replace('-', '')} ",
        lambda code: code.replace("0", "o").replace("1", "l"),
    ],
)
def test_it_is_read_however_it_is_typed(database: Database, cast: Cast, typed: Callable[[str], str]) -> None:
    assert isinstance(second(database, first(database, cast.surgeon), typed(made(database, cast.surgeon)[0])), SignedIn)


def test_it_opens_one_session_also_in_parallel(database: Database, cast: Cast) -> None:
    code, pendings, together = made(database, cast.surgeon)[0], [first(database, cast.surgeon) for _ in range(6)], threading.Barrier(6)
    outcomes: list[SignedIn | Refused] = []

    def try_it(pending: str) -> None:
        together.wait()
        outcomes.append(second(database, pending, code))

    threads = [threading.Thread(target=try_it, args=(pending,)) for pending in pendings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 1
    assert outcomes.count(WRONG) == 5


@pytest.mark.parametrize("code", ["0000-0000-0000-0000", "\ud800", "x" * 10_000])
def test_what_is_no_code_is_refused(database: Database, cast: Cast, code: str) -> None:
    made(database, cast.surgeon)
    assert second(database, first(database, cast.surgeon), code) == WRONG


def test_somebody_elses_is_refused(database: Database, cast: Cast) -> None:
    theirs = made(database, cast.nurse)[0]
    assert second(database, first(database, cast.surgeon), theirs) == WRONG
    assert isinstance(second(database, first(database, cast.nurse), theirs), SignedIn)


def test_made_anew_the_old_ones_end(database: Database, cast: Cast) -> None:
    old, new = made(database, cast.surgeon), made(database, cast.surgeon)
    with database.begin() as db:
        assert recovery.left(db, cast.surgeon.id) == 10
    assert second(database, first(database, cast.surgeon), old[0]) == WRONG
    assert isinstance(second(database, first(database, cast.surgeon), new[0]), SignedIn)


def test_made_anew_twice_at_once_one_set_is_good(database: Database, cast: Cast) -> None:
    together = threading.Barrier(2)

    def make() -> None:
        together.wait()
        made(database, cast.surgeon)

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.begin() as db:
        assert recovery.left(db, cast.surgeon.id) == 10


def test_who_makes_them(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        with pytest.raises(StepUpNeeded):
            recovery.make(db, cast.surgeon.actor)
        machine = dataclasses.replace(cast.surgeon.actor, session_id=None, token_id=ids.new(), stepped_up_at=ids.now())
        for nobody in (machine, Actor.system(cast.aral.id)):
            with pytest.raises(Denied):
                recovery.make(db, nobody)


def test_it_does_nowhere_but_at_sign_in(database: Database, cast: Cast) -> None:
    code = made(database, cast.surgeon)[0]
    with database.begin() as db:
        assert stepup.prove(db, cast.surgeon.actor, code=code, address=HOME) == Refused("code-wrong")
    pending = first(database, cast.surgeon)
    with database.begin() as db:
        assert signin.code(db, pending=pending, code=code, address=HOME) == Refused("code-wrong")
        assert recovery.left(db, cast.surgeon.id) == 10


def test_tries_count_together_with_those_of_codes(database: Database, cast: Cast) -> None:
    codes = made(database, cast.surgeon)
    for number in range(10):
        pending = first(database, cast.surgeon)
        with database.begin() as db:
            way = {"code": "0"} if number % 2 else {"recovery_code": "0"}
            assert isinstance(signin.code(db, pending=pending, address=HOME, **way), Refused)
    assert second(database, first(database, cast.surgeon), codes[0]) == Refused("throttled")
    with pytest.raises(Throttled):
        second(database, first(database, cast.surgeon), codes[0])
    with database.begin() as db:
        assert recovery.left(db, cast.surgeon.id) == 10


def test_a_first_step_bears_five_wrong_ones(database: Database, cast: Cast) -> None:
    codes, pending = made(database, cast.surgeon), first(database, cast.surgeon)
    assert [second(database, pending, "0") for _ in range(5)] == [WRONG] * 4 + [Refused("sign-in-expired")]
    assert second(database, pending, codes[0]) == Refused("sign-in-expired")


def test_what_is_typed_is_read_in_one_spelling() -> None:
    assert secret.plain_typed(" ab1o-il０z ") == "AB10110Z"
    assert secret.grouped("ABCDEFGHJ") == "ABCD-EFGH-J"
    assert secret.plain_typed(secret.grouped(plain := secret.mint_typed(5))) == plain


def test_the_codes_of_a_person_are_theirs_alone(database: Database, cast: Cast) -> None:
    made(database, cast.surgeon)
    with database.begin() as db:
        assert recovery.left(db, cast.nurse.id) == 0
        assert not recovery.take(db, db.get_one(Person, cast.nurse.id), "0")
