"""Enrolments: a first sign-in, and a reset that gets nobody round the second factor (attacks 8 and 13)."""

import dataclasses
import datetime as dt
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

import pyotp
import pytest
from sqlalchemy import select

from auth import ceremonies, enrolments, factors, means, news, passkeys, people, recovery, secret, sessions, signin
from auth.enrolments import Enrolment, Proof
from auth.people import Person
from auth.proofs import Refused
from auth.signin import Pending, SignedIn
from core import ids
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Denied, Invalid, NotFound, ShanhaiError, StepUpNeeded
from core.jobs import JobRow
from tests.authenticator import Authenticator
from tests.cast import PASSWORD, Cast

HOME = "192.0.2.1"
NEW = "eleven boats at the quay"
SITE = ceremonies.site_of("https://shanhai.test")


def complete(db: Tx, plain: str, code: str, *, password: str = NEW) -> Person | Refused:
    """Enrol by a code."""
    return enrolments.complete(db, plain, password=password, proof=Proof(code), site=SITE, address=HOME)


def fresh(actor: Actor) -> Actor:
    """The actor as after a step-up."""
    return dataclasses.replace(actor, stepped_up_at=ids.now())


def test_a_new_person_chooses_a_password_and_confirms_an_authenticator(database: Database, cast: Cast) -> None:
    admin = fresh(cast.administrator.actor)
    with database.begin() as db:
        person = people.create(db, admin, login="gu.lan", name="顾岚", roles=["nurse"])
        plain = enrolments.issue(db, admin, person.id)
    with database.begin() as db:
        shown = enrolments.shown(db, plain)
        assert shown.person.login == "gu.lan"
        assert shown.offer is not None
        code = pyotp.TOTP(shown.offer.secret).at(ids.now())
        assert complete(db, plain, "000") == Refused("code-wrong")
        assert signin.password(db, login="gu.lan", password=NEW, address=HOME) == Refused("sign-in-failed")
        done = complete(db, plain, code)
        assert isinstance(done, Person)
        pending = signin.password(db, login="gu.lan", password=NEW, address=HOME)
        assert isinstance(pending, Pending)
        assert signin.code(db, pending=pending.secret, code=code, address=HOME) == Refused("code-wrong")
        later = pyotp.TOTP(shown.offer.secret).at(ids.now(), counter_offset=1)
        assert isinstance(signin.code(db, pending=pending.secret, code=later, address=HOME), SignedIn)


def test_a_reset_asks_for_the_second_factor_there_is(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        plain = enrolments.issue(db, fresh(cast.administrator.actor), cast.surgeon.id)
        assert enrolments.shown(db, plain).offer is None
        for code in ("", "000", cast.administrator.code()):
            assert complete(db, plain, code) == Refused("code-wrong")
        assert isinstance(signin.password(db, login=cast.surgeon.login, password=PASSWORD, address=HOME), Pending)
        assert isinstance(complete(db, plain, cast.surgeon.code()), Person)
        assert signin.password(db, login=cast.surgeon.login, password=PASSWORD, address=HOME) == Refused("sign-in-failed")
        assert sessions.again(db, cast.surgeon.actor) is None


def test_a_recovery_code_or_a_passkey_does_in_the_place_of_the_code(database: Database, cast: Cast) -> None:
    me, mine = fresh(cast.surgeon.actor), Authenticator(SITE.origin)
    with database.begin() as db:
        passkeys.register(db, me, mine.create(passkeys.begin(db, me, site=SITE)), name="phone", site=SITE)
        code = recovery.make(db, me)[0]
    for way in ("recovery", "passkey"):
        with database.begin() as db:
            plain = enrolments.issue(db, fresh(cast.administrator.actor), cast.surgeon.id)
            if way == "recovery":
                wrong, good, refused = Proof(recovery_code="0"), Proof(recovery_code=code), "recovery-code-wrong"
            else:
                to_sign_in, to_enrol = signin.ask_passkey(db, site=SITE, address=HOME), enrolments.ask_passkey(db, plain, site=SITE)
                wrong, good, refused = Proof(passkey=mine.get(to_sign_in)), Proof(passkey=mine.get(to_enrol)), "passkey-refused"
            assert enrolments.complete(db, plain, password=NEW, proof=wrong, site=SITE, address=HOME) == Refused(refused)
            assert isinstance(enrolments.complete(db, plain, password=NEW, proof=good, site=SITE, address=HOME), Person)


def test_a_reset_gets_nobody_round_a_passkey(database: Database, cast: Cast) -> None:
    """Whoever has a passkey and no authenticator is offered none: they show the passkey (attack 13)."""
    me, mine = fresh(cast.surgeon.actor), Authenticator(SITE.origin)
    with database.begin() as db:
        factors.retire_all(db, cast.surgeon.id)
        before = enrolments.issue(db, fresh(cast.administrator.actor), cast.surgeon.id)
        offer = enrolments.shown(db, before).offer
        assert offer is not None
        passkeys.register(db, me, mine.create(passkeys.begin(db, me, site=SITE)), name="phone", site=SITE)
        assert enrolments.shown(db, before).offer is None
        assert complete(db, before, pyotp.TOTP(offer.secret).at(ids.now())) == Refused("code-wrong")
        plain = enrolments.issue(db, fresh(cast.administrator.actor), cast.surgeon.id)
        shown = enrolments.shown(db, plain)
        assert (shown.offer, shown.means.passkeys) == (None, 1)
        assert complete(db, plain, "") == Refused("code-wrong")
        proof = Proof(passkey=mine.get(enrolments.ask_passkey(db, plain, site=SITE)))
        assert isinstance(enrolments.complete(db, plain, password=NEW, proof=proof, site=SITE, address=HOME), Person)


def test_another_persons_passkey_enrols_nobody(database: Database, cast: Cast) -> None:
    me, mine = fresh(cast.nurse.actor), Authenticator(SITE.origin)
    with database.begin() as db:
        passkeys.register(db, me, mine.create(passkeys.begin(db, me, site=SITE)), name="phone", site=SITE)
        plain = enrolments.issue(db, fresh(cast.administrator.actor), cast.surgeon.id)
        proof = Proof(passkey=mine.get(enrolments.ask_passkey(db, plain, site=SITE)))
        assert enrolments.complete(db, plain, password=NEW, proof=proof, site=SITE, address=HOME) == Refused("passkey-refused")


def test_the_secret_is_read_however_it_is_typed(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        plain = enrolments.issue(db, fresh(cast.administrator.actor), cast.surgeon.id)
        assert len(plain) == 20
        for typed in (plain, secret.grouped(plain), f" {plain.lower()} ", secret.grouped(plain).replace("-", " ")):
            assert enrolments.shown(db, typed).person.id == cast.surgeon.id


def test_an_offer_made_before_the_person_had_a_factor_does_not_replace_it(database: Database, cast: Cast) -> None:
    system = Actor.system(cast.aral.id)
    with database.begin() as db:
        person = people.create(db, system, login="gu.lan", name="顾岚", roles=["nurse"])
        plain = enrolments.issue(db, system, person.id)
        offer = enrolments.shown(db, plain).offer
        assert offer is not None
        secret = factors.install(db, system, person.id).secret
        stolen = pyotp.TOTP(offer.secret).at(ids.now())
        assert complete(db, plain, stolen) == Refused("code-wrong")
        code = pyotp.TOTP(secret).at(ids.now())
        assert isinstance(complete(db, plain, code), Person)


def test_it_is_good_once_and_for_three_days_and_the_newest_alone(database: Database, cast: Cast) -> None:
    admin = fresh(cast.administrator.actor)
    with database.begin() as db:
        replaced = enrolments.issue(db, admin, cast.surgeon.id)
        used = enrolments.issue(db, admin, cast.surgeon.id)
        complete(db, used, cast.surgeon.code())
        old = enrolments.issue(db, admin, cast.nurse.id)
        db.scalars(select(Enrolment).where(Enrolment.ended_at.is_(None))).one().expires_at -= dt.timedelta(days=3)
        db.flush()
        for plain, code in ((replaced, 1), (used, 1), (old, 0), ("", 0), ("x", 0), ("\ud800", 0)):
            with pytest.raises(NotFound):
                enrolments.shown(db, plain)
            with pytest.raises(NotFound):
                complete(db, plain, cast.surgeon.code(code))


def test_everything_is_given_anew_from_the_command_line_alone(database: Database, cast: Cast) -> None:
    system = Actor.system(cast.aral.id)
    program = dataclasses.replace(system, token_id=ids.new(), scopes=frozenset({"case:read"}))
    with database.begin() as db:
        for actor in (fresh(cast.administrator.actor), program):
            with pytest.raises(Denied):
                enrolments.reset(db, actor, cast.surgeon.id, NEW)
            assert isinstance(signin.password(db, login=cast.surgeon.login, password=PASSWORD, address=HOME), Pending), "nothing is touched"
        with pytest.raises(NotFound):
            enrolments.reset(db, system, cast.expert.id, NEW)
        handed = enrolments.issue(db, system, cast.surgeon.id)
        kept = enrolments.issue(db, system, cast.nurse.id)
        enrolments.reset(db, system, cast.surgeon.id, NEW)
        assert isinstance(signin.password(db, login=cast.surgeon.login, password=NEW, address=HOME), Pending)
        with pytest.raises(NotFound):
            enrolments.shown(db, handed)
        assert enrolments.shown(db, kept), "another's stays good"


def test_it_is_in_the_log_and_the_person_is_told(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    with database.begin() as db:
        plain = enrolments.issue(db, fresh(cast.administrator.actor), cast.surgeon.id)
        complete(db, plain, "000")
        complete(db, plain, cast.surgeon.code())
        told = db.query(JobRow).where(JobRow.kind == news.TELL)
        assert [(row.payload["person_id"], row.payload["kind"]) for row in told] == [(str(cast.surgeon.id), "account-password-changed")]
    found = [line for line in log(cast.aral.id) if line.startswith("enrolment:")]
    assert found == ["enrolment:complete success", "enrolment:refuse failure", "enrolment:issue success"]


def test_ten_wrong_codes_end_it(database: Database, cast: Cast) -> None:
    system = Actor.system(cast.aral.id)
    with database.begin() as db:
        person = people.create(db, system, login="gu.lan", name="顾岚", roles=["nurse"])
        plain = enrolments.issue(db, system, person.id)
    for _ in range(10):
        with database.begin() as db:
            assert complete(db, plain, "000") == Refused("code-wrong")
    with database.begin() as db, pytest.raises(NotFound):
        enrolments.shown(db, plain)


def test_a_bad_password_uses_nothing_up(database: Database, cast: Cast) -> None:
    code = cast.surgeon.code()
    with database.begin() as db:
        plain = enrolments.issue(db, fresh(cast.administrator.actor), cast.surgeon.id)
    with database.begin() as db, pytest.raises(Invalid):
        complete(db, plain, code, password="li.na2026")
    with database.begin() as db:
        assert isinstance(complete(db, plain, code), Person)


def test_who_hands_them_out(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        with pytest.raises(StepUpNeeded):
            enrolments.issue(db, cast.administrator.actor, cast.surgeon.id)
        with pytest.raises(Denied):
            enrolments.issue(db, fresh(cast.surgeon.actor), cast.nurse.id)
        with pytest.raises(Denied):
            enrolments.issue(db, fresh(cast.administrator.actor), cast.administrator.id)
        for whom in (cast.expert.id, ids.new()):
            with pytest.raises(NotFound):
                enrolments.issue(db, fresh(cast.administrator.actor), whom)
        plain = enrolments.issue(db, fresh(cast.administrator.actor), cast.nurse.id)
        people.disable(db, cast.administrator.actor, cast.nurse.id)
        with pytest.raises(NotFound):
            enrolments.shown(db, plain)


def test_it_does_not_come_back_with_the_person(database: Database, cast: Cast) -> None:
    admin = fresh(cast.administrator.actor)
    with database.begin() as db:
        before = enrolments.issue(db, admin, cast.nurse.id)
        people.disable(db, admin, cast.nurse.id)
        people.enable(db, admin, cast.nurse.id)
        with pytest.raises(NotFound):
            enrolments.shown(db, before)
        with pytest.raises(NotFound):
            complete(db, before, cast.nurse.code())
        assert enrolments.shown(db, enrolments.issue(db, admin, cast.nurse.id)).person.id == cast.nurse.id


def test_a_refused_code_is_logged(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    with database.begin() as db:
        plain = enrolments.issue(db, fresh(cast.administrator.actor), cast.nurse.id)
    with database.begin() as db:
        assert complete(db, plain, "000") == Refused("code-wrong")
    assert log(cast.aral.id)[:2] == ["enrolment:refuse failure", "enrolment:issue success"]


def together(count: int, act: Callable[[], str]) -> list[str]:
    """What comes of an act, or the code of its refusal, when it is done several times at once."""
    barrier, outcomes = threading.Barrier(count), []

    def once() -> None:
        barrier.wait()
        try:
            outcomes.append(act())
        except ShanhaiError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=once) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_of_two_handed_out_at_once_the_newest_alone_is_good(database: Database, cast: Cast) -> None:
    def issue() -> str:
        with database.begin() as db:
            plain = enrolments.issue(db, fresh(cast.administrator.actor), cast.nurse.id)
            time.sleep(0.3)
        return plain

    handed_out, good = together(2, issue), 0
    assert len(set(handed_out)) == 2
    with database.begin() as db:
        for plain in handed_out:
            with suppress(NotFound):
                good += enrolments.shown(db, plain).person.id == cast.nurse.id
    assert good == 1


def test_of_parallel_uses_one_wins(database: Database, cast: Cast) -> None:
    """Each brings a code of its own, so that it is not the code's being good once that tells them apart."""
    with database.begin() as db:
        plain = enrolments.issue(db, fresh(cast.administrator.actor), cast.surgeon.id)
    codes = [cast.surgeon.code(0), cast.surgeon.code(1)]

    def use() -> str:
        with database.begin() as db:
            enrolments.shown(db, plain)
            done = complete(db, plain, codes.pop(0))
            time.sleep(0.3)
        return "done" if isinstance(done, Person) else done.code

    assert sorted(together(2, use)) == ["done", "enrolment-not-found"]


def test_only_the_command_line_gives_everything_anew(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    with database.begin() as db:
        me, mine = fresh(cast.surgeon.actor), Authenticator(SITE.origin)
        passkeys.register(db, me, mine.create(passkeys.begin(db, me, site=SITE)), name="phone", site=SITE)
        recovery.make(db, me)
        pending = enrolments.issue(db, fresh(cast.administrator.actor), cast.surgeon.id)
        for actor in (fresh(cast.administrator.actor), fresh(cast.surgeon.actor), cast.expert.actor):
            with pytest.raises(Denied):
                enrolments.reset(db, actor, cast.surgeon.id, NEW)
        with pytest.raises(NotFound):
            enrolments.reset(db, Actor.system(cast.taizhou.id), cast.surgeon.id, NEW)
        offer = enrolments.reset(db, Actor.system(cast.aral.id), cast.surgeon.id, NEW)
    assert log(cast.aral.id)[:3] == ["person:reset success", "session:end-all success", "factor:add success"]
    with database.begin() as db:
        assert means.of(db, cast.surgeon.id) == means.Means(authenticator=True)
        assert sessions.again(db, cast.surgeon.actor) is None
        with pytest.raises(NotFound):
            enrolments.shown(db, pending)
        assert signin.password(db, login=cast.surgeon.login, password=PASSWORD, address=HOME) == Refused("sign-in-failed")
        step = signin.password(db, login=cast.surgeon.login, password=NEW, address=HOME)
        assert isinstance(step, Pending)
        assert signin.code(db, pending=step.secret, code=cast.surgeon.code(), address=HOME) == Refused("code-wrong")
        code = pyotp.TOTP(offer.secret).at(ids.now())
        assert isinstance(signin.code(db, pending=step.secret, code=code, address=HOME), SignedIn)
