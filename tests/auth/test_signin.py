"""Signing in: two steps, no telling who exists, no guessing at speed, no locking anybody out (attacks 11, 12, 14, 15)."""

import datetime as dt
import statistics
import threading
import time
from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import func, select

from auth import means, people, proofs, sessions, signin, stepup
from auth.proofs import Refused
from auth.sessions import Limits
from auth.signin import Pending, SignedIn, SignIn
from auth.throttle import Bucket
from core import audit, ids, jobs
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Throttled
from tests.cast import PASSWORD, Cast, Member

HOME, ELSEWHERE = "192.0.2.1", "203.0.113.9"
"""Where the cast has signed in before, and where nobody of it ever was."""


def first(db: Tx, member: Member, *, address: str = HOME, password: str = PASSWORD) -> str:
    """The first step, gone well."""
    step = signin.password(db, login=member.login, password=password, address=address)
    assert isinstance(step, Pending)
    return step.secret


def second(db: Tx, member: Member, pending: str, **more: object) -> SignedIn | Refused:
    asked = {"code": member.code(), "address": HOME} | more
    return signin.code(db, pending=pending, **asked)  # type: ignore[arg-type]


def guess(database: Database, login: str, address: str, password: str = "not the password") -> str:
    """One wrong try in a transaction of its own, as at the edge: the code, or ``throttled``."""
    try:
        with database.begin() as db:
            step = signin.password(db, login=login, password=password, address=address)
    except Throttled:
        return "throttled"
    return step.code if isinstance(step, Refused) else "in"


def refusals(database: Database, organisation_id: UUID) -> list[dict[str, object]]:
    """What the log of a hospital says of refused sign-ins, newest first, once the jobs are done."""
    while jobs.run_once(database, {signin.REFUSED: signin.log_refusal}):
        pass
    with database.begin() as db:
        return [dict(event.detail) for event in audit.events(db, organisation_id, actions=["session:refuse"])]


def test_password_and_code_make_a_session(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    with database.begin() as db:
        pending = first(db, cast.surgeon)
    with database.begin() as db:
        done = second(db, cast.surgeon, pending, agent="Firefox", limits=Limits(absolute=dt.timedelta(hours=3)))
        assert isinstance(done, SignedIn)
        assert sessions.resolve(db, done.cookie) == done.actor
        [session] = [session for session in sessions.own(db, done.actor) if session.id == done.actor.session_id]
        assert (session.network, session.agent, session.expires_at - session.started_at) == (HOME, "Firefox", dt.timedelta(hours=3))
    assert (done.actor.person_id, done.actor.organisation_id, done.actor.roles) == (cast.surgeon.id, cast.aral.id, frozenset({"surgeon"}))
    assert done.actor.stepped_up_at is None
    assert log(cast.aral.id)[0] == "session:start success"
    with database.begin() as db:
        assert audit.events(db, cast.aral.id, actions=["session:start"])[0].detail == {"by": "password"}


@pytest.mark.parametrize("login", [" Li.Na ", "LI.NA", "ｌｉ.ｎａ"])
def test_a_login_has_many_spellings(database: Database, cast: Cast, login: str) -> None:
    with database.begin() as db:
        assert isinstance(signin.password(db, login=login, password=PASSWORD, address=HOME), Pending)


def test_whatever_is_wrong_the_answer_is_the_same(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        system = Actor.system(cast.aral.id)
        people.disable(db, system, cast.nurse.id)
        means.retire(db, system, cast.auditor.id)
        people.create(db, system, login="new.one", name="新人", roles=["nurse"])
        answers = [
            signin.password(db, login=login, password=password, address=HOME)
            for login, password in [
                ("nobody", PASSWORD),
                ("", ""),
                ("\ud800", "\ud800"),
                ("x" * 100_000, "x" * 100_000),
                (cast.surgeon.login, "not the password"),
                (cast.surgeon.login, ""),
                (cast.nurse.login, PASSWORD),
                (cast.auditor.login, PASSWORD),
                ("new.one", PASSWORD),
            ]
        ]
    assert answers == [Refused("sign-in-failed")] * len(answers)


def test_an_unknown_login_takes_as_long_as_a_wrong_password(database: Database, cast: Cast) -> None:
    def took(login: str) -> float:
        began = time.perf_counter()
        with database.begin() as db:
            signin.password(db, login=login, password="not the password", address=f"198.51.100.{len(times)}")
        return time.perf_counter() - began

    guess(database, "nobody", ELSEWHERE)
    times: list[tuple[float, float]] = []
    for number in range(15):
        times.append((took(f"nobody{number}"), took(cast.surgeon.login)))
    unknown, known = (statistics.median(each) for each in zip(*times, strict=True))
    assert 0.5 < unknown / known < 2


def test_a_refusal_is_logged_by_the_persons_hospital(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    for login in ("nobody", cast.expert.login):
        assert guess(database, login, ELSEWHERE) == "sign-in-failed"
        assert jobs.run_once(database, {signin.REFUSED: signin.log_refusal})
    assert not jobs.run_once(database, {signin.REFUSED: signin.log_refusal})
    with database.begin() as db:
        pending = first(db, cast.expert)
    with database.begin() as db:
        assert second(db, cast.expert, pending, code="000") == Refused("code-wrong")
    assert log(cast.taizhou.id)[:2] == ["session:refuse failure"] * 2
    with database.begin() as db:
        details = [event.detail for event in audit.events(db, cast.taizhou.id, actions=["session:refuse"])]
        assert details == [{"step": "code", "network": HOME}, {"step": "password", "network": ELSEWHERE}]
        assert all(event.person_id == cast.expert.id for event in audit.events(db, cast.taizhou.id, actions=["session:refuse"]))


def test_a_code_opens_one_session_also_in_parallel(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        pendings = [first(db, cast.surgeon) for _ in range(6)]
    code, together = cast.surgeon.code(), threading.Barrier(6)
    outcomes: list[SignedIn | Refused] = []

    def try_it(pending: str) -> None:
        together.wait()
        with database.begin() as db:
            outcomes.append(second(db, cast.surgeon, pending, code=code))

    threads = [threading.Thread(target=try_it, args=(pending,)) for pending in pendings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 1
    assert outcomes.count(Refused("code-wrong")) == 5


def test_a_first_step_is_good_once(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        pending = first(db, cast.surgeon)
        assert isinstance(second(db, cast.surgeon, pending), SignedIn)
        assert second(db, cast.surgeon, pending, code=cast.surgeon.code(1)) == Refused("sign-in-expired")


def test_a_first_step_is_good_for_five_minutes(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        pending = first(db, cast.surgeon)
        db.scalars(select(SignIn)).one().expires_at -= signin.PENDING
        db.flush()
        assert second(db, cast.surgeon, pending) == Refused("sign-in-expired")
        assert signin.sweep(db) == 1
        assert db.scalar(select(func.count()).select_from(SignIn)) == 0


def test_a_first_step_bears_five_codes(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        pending = first(db, cast.surgeon)
        answers = [second(db, cast.surgeon, pending, code="000") for _ in range(5)]
        assert answers == [Refused("code-wrong")] * 4 + [Refused("sign-in-expired")]
        assert second(db, cast.surgeon, pending) == Refused("sign-in-expired")


@pytest.mark.parametrize("pending", ["", "x", "\ud800"])
def test_a_code_without_a_first_step_is_nothing(database: Database, cast: Cast, pending: str) -> None:
    with database.begin() as db:
        assert second(db, cast.surgeon, pending) == Refused("sign-in-expired")


def test_one_persons_first_step_and_anothers_code(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        assert second(db, cast.nurse, first(db, cast.surgeon)) == Refused("code-wrong")


def test_a_password_changed_or_a_person_disabled_between_the_steps(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        changed, disabled = first(db, cast.surgeon), first(db, cast.nurse)
        stepup.change_password(db, cast.surgeon.actor, current=PASSWORD, new="eleven boats at the quay", address=HOME)
        people.disable(db, cast.administrator.actor, cast.nurse.id)
        assert second(db, cast.surgeon, changed) == Refused("sign-in-expired")
        assert second(db, cast.nurse, disabled) == Refused("sign-in-failed")


def test_the_cookie_shown_at_sign_in_ends_and_none_is_taken_over(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        old = second(db, cast.nurse, first(db, cast.nurse))
        assert isinstance(old, SignedIn)
        new = second(db, cast.surgeon, first(db, cast.surgeon), presented=old.cookie)
        assert isinstance(new, SignedIn)
        assert new.cookie != old.cookie
        assert sessions.resolve(db, old.cookie) is None
        planted = second(db, cast.surgeon, first(db, cast.surgeon), presented="planted", code=cast.surgeon.code(1))
        assert isinstance(planted, SignedIn)
        assert planted.cookie != "planted"
        assert sessions.resolve(db, "planted") is None


def test_a_session_that_a_sign_in_ends_is_logged_by_the_hospital_of_its_person(
    database: Database, cast: Cast, log: Callable[[UUID], list[str]]
) -> None:
    with database.begin() as db:
        old = second(db, cast.expert, first(db, cast.expert))
        assert isinstance(old, SignedIn)
        second(db, cast.surgeon, first(db, cast.surgeon), presented=old.cookie)
    assert log(cast.taizhou.id)[0] == "session:end success"
    with database.begin() as db:
        [event] = audit.events(db, cast.taizhou.id, actions=["session:end"])
        assert (event.person_id, event.object_id, event.detail) == (cast.expert.id, old.actor.session_id, {"because": "replaced"})
        assert (event.actor_id, event.actor_organisation_id) == (cast.surgeon.id, cast.aral.id)


def test_somebody_without_any_role_does_not_get_in(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        people.dismiss(db, Actor.system(cast.aral.id), cast.nurse.id, "nurse")
        assert second(db, cast.nurse, first(db, cast.nurse)) == Refused("sign-in-failed")


def test_a_person_of_several_hospitals_begins_at_home(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        people.appoint(db, Actor.system(cast.aral.id), cast.expert.id, "surgeon")
        done = second(db, cast.expert, first(db, cast.expert))
        assert isinstance(done, SignedIn)
        assert done.actor.organisation_id == cast.taizhou.id
        people.dismiss(db, Actor.system(cast.taizhou.id), cast.expert.id, "expert")
        done = second(db, cast.expert, first(db, cast.expert), code=cast.expert.code(1))
        assert isinstance(done, SignedIn)
        assert done.actor.organisation_id == cast.aral.id


def test_guessing_is_throttled_per_login_and_network_alike_for_unknown_logins(database: Database, cast: Cast) -> None:
    for login in (cast.surgeon.login, "nobody"):
        answers = [guess(database, login, ELSEWHERE) for _ in range(12)]
        assert answers == ["sign-in-failed"] * 10 + ["throttled"] * 2
    assert guess(database, cast.surgeon.login, ELSEWHERE, PASSWORD) == "throttled"
    assert guess(database, cast.nurse.login, ELSEWHERE, PASSWORD) == "in"


def test_an_account_that_cannot_sign_in_is_throttled_like_any_other(database: Database, cast: Cast) -> None:
    """Whoever knows the password of a disabled person learns nothing from how often they may try."""
    with database.begin() as db:
        system = Actor.system(cast.aral.id)
        people.disable(db, system, cast.nurse.id)
        means.retire(db, system, cast.auditor.id)
    for number, login in enumerate((cast.nurse.login, cast.auditor.login, "nobody")):
        answers = [guess(database, login, f"203.0.113.{number}", PASSWORD) for _ in range(12)]
        assert answers == ["sign-in-failed"] * 10 + ["throttled"] * 2


def test_guessing_at_many_logins_from_one_network_is_throttled(database: Database, cast: Cast) -> None:
    _drain(database, f"network:{ELSEWHERE}", dt.timedelta(minutes=15))
    assert guess(database, "nobody", ELSEWHERE) == "throttled"
    assert guess(database, "nobody", "203.0.113.10") == "sign-in-failed"


def test_the_throttle_counts_in_the_database_what_was_refused(database: Database, cast: Cast) -> None:
    guess(database, cast.surgeon.login, ELSEWHERE)
    with database.begin() as db:
        keys = db.scalars(select(Bucket.key).where(Bucket.full_at > ids.now())).all()
    assert len(keys) == 3
    assert not any(cast.surgeon.login in key for key in keys)


def test_nobody_is_kept_out_of_their_own_hospital_by_guesses_from_elsewhere(database: Database, cast: Cast) -> None:
    assert guess(database, cast.surgeon.login, ELSEWHERE) == "sign-in-failed"
    with database.begin() as db:
        [anywhere] = [bucket for bucket in db.scalars(select(Bucket)) if bucket.key.startswith("login:") and bucket.key.count(":") == 1]
        anywhere.full_at = ids.now() + dt.timedelta(hours=1)
    assert guess(database, cast.surgeon.login, "203.0.113.200", PASSWORD) == "throttled"
    assert guess(database, cast.surgeon.login, HOME, PASSWORD) == "in"


def test_from_ones_own_hospital_a_login_guessed_at_everywhere_is_like_an_unknown_one(database: Database, cast: Cast) -> None:
    for number in range(6):
        for login in (cast.surgeon.login, "nobody"):
            assert [guess(database, login, f"203.0.113.{number}") for _ in range(10)] == ["sign-in-failed"] * 10
    for address in (HOME, "203.0.113.200"):
        answers = {login: [guess(database, login, address) for _ in range(12)] for login in (cast.surgeon.login, "nobody")}
        assert answers[cast.surgeon.login] == answers["nobody"] == ["throttled"] * 12
    # the twelve counted at home too: not even the right password opens now
    assert guess(database, cast.surgeon.login, HOME, PASSWORD) == "throttled"


def test_tries_from_ones_own_hospital_count_anywhere(database: Database, cast: Cast) -> None:
    """Otherwise a login known there could be told from an unknown one by what is left elsewhere."""
    for login in (cast.surgeon.login, "nobody"):
        for number in range(5):
            for _ in range(10):
                guess(database, login, f"203.0.113.{number}")
        for _ in range(10):
            guess(database, login, HOME)
    assert {guess(database, login, "203.0.113.200") for login in (cast.surgeon.login, "nobody")} == {"throttled"}


def test_a_throttle_is_logged_once_in_its_period(database: Database, cast: Cast) -> None:
    for _ in range(15):
        guess(database, cast.expert.login, ELSEWHERE)
        guess(database, "nobody", ELSEWHERE)
    wrong = {"step": "password", "network": ELSEWHERE}
    assert refusals(database, cast.taizhou.id) == [{**wrong, "throttled": True}] + [wrong] * 10


def test_throttled_tries_use_up_nothing_of_the_hospitals_network(database: Database, cast: Cast) -> None:
    def left() -> dt.datetime:
        with database.begin() as db:
            return db.get_one(Bucket, f"network:{HOME}").full_at

    for _ in range(10):
        assert guess(database, "nobody", HOME) == "sign-in-failed"
    before = left()
    assert {guess(database, "nobody", HOME) for _ in range(3)} == {"throttled"}
    assert left() == before


def test_good_sign_ins_do_not_use_the_throttle_up(database: Database, cast: Cast) -> None:
    assert {guess(database, cast.surgeon.login, ELSEWHERE, PASSWORD) for _ in range(15)} == {"in"}


def test_codes_are_throttled_over_many_first_steps(database: Database, cast: Cast) -> None:
    answers = []
    for _ in range(12):
        with database.begin() as db:
            pending = first(db, cast.surgeon)
        try:
            with database.begin() as db:
                outcome = second(db, cast.surgeon, pending, code="000")
            answers.append(outcome.code if isinstance(outcome, Refused) else "in")
        except Throttled:
            answers.append("throttled")
    assert answers == ["code-wrong"] * 10 + ["throttled"] * 2
    wrong = {"step": "code", "network": HOME}
    assert refusals(database, cast.aral.id) == [{**wrong, "throttled": True}] + [wrong] * 10


def test_codes_are_throttled_over_all_networks_for_a_day(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        person = people.by_login(db, cast.surgeon.login)
        assert person is not None
        for number in range(6):
            answers = [proofs.code(db, person, "000", network=f"203.0.113.{number}") for _ in range(10)]
            assert answers == [Refused("code-wrong")] * 10
        assert proofs.code(db, person, cast.surgeon.code(), network=HOME) == Refused("throttled")


def test_a_first_step_bears_five_codes_also_in_parallel(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        pending = first(db, cast.surgeon)
    together, outcomes = threading.Barrier(8), []

    def try_it() -> None:
        together.wait()
        with database.begin() as db:
            outcome = second(db, cast.surgeon, pending, code="000")
            time.sleep(0.1)
        assert isinstance(outcome, Refused)
        outcomes.append(outcome.code)

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["code-wrong"] * 4 + ["sign-in-expired"] * 4
    with database.begin() as db:
        assert db.scalars(select(SignIn.tries)).one() == 5


def _drain(database: Database, key: str, per: dt.timedelta) -> None:
    """Leave a bucket as many tries would: empty now, full again after the period."""
    with database.begin() as db:
        db.add(Bucket(key=key, full_at=ids.now() + per))
