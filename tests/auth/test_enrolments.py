"""Enrolments: a first sign-in, and a reset that gets nobody round the second factor (attacks 8 and 13)."""

import dataclasses
import datetime as dt

import pyotp
import pytest
from sqlalchemy import select

from auth import enrolments, factors, people, sessions, signin
from auth.enrolments import Enrolment
from auth.people import Person
from auth.proofs import Refused
from auth.signin import Pending, SignedIn
from core import ids
from core.actor import Actor
from core.db import Database
from core.errors import Denied, Invalid, NotFound, StepUpNeeded
from tests.cast import PASSWORD, Cast

HOME = "192.0.2.1"
NEW = "eleven boats at the quay"


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
        assert enrolments.complete(db, plain, password=NEW, code="000", address=HOME) == Refused("code-wrong")
        assert signin.password(db, login="gu.lan", password=NEW, address=HOME) == Refused("sign-in-failed")
        done = enrolments.complete(db, plain, password=NEW, code=code, address=HOME)
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
            assert enrolments.complete(db, plain, password=NEW, code=code, address=HOME) == Refused("code-wrong")
        assert isinstance(signin.password(db, login=cast.surgeon.login, password=PASSWORD, address=HOME), Pending)
        assert isinstance(enrolments.complete(db, plain, password=NEW, code=cast.surgeon.code(), address=HOME), Person)
        assert signin.password(db, login=cast.surgeon.login, password=PASSWORD, address=HOME) == Refused("sign-in-failed")
        assert sessions.again(db, cast.surgeon.actor) is None


def test_an_offer_made_before_the_person_had_a_factor_does_not_replace_it(database: Database, cast: Cast) -> None:
    system = Actor.system(cast.aral.id)
    with database.begin() as db:
        person = people.create(db, system, login="gu.lan", name="顾岚", roles=["nurse"])
        plain = enrolments.issue(db, system, person.id)
        offer = enrolments.shown(db, plain).offer
        assert offer is not None
        secret = factors.install(db, system, person.id).secret
        stolen = pyotp.TOTP(offer.secret).at(ids.now())
        assert enrolments.complete(db, plain, password=NEW, code=stolen, address=HOME) == Refused("code-wrong")
        code = pyotp.TOTP(secret).at(ids.now())
        assert isinstance(enrolments.complete(db, plain, password=NEW, code=code, address=HOME), Person)


def test_it_is_good_once_and_for_three_days_and_the_newest_alone(database: Database, cast: Cast) -> None:
    admin = fresh(cast.administrator.actor)
    with database.begin() as db:
        replaced = enrolments.issue(db, admin, cast.surgeon.id)
        used = enrolments.issue(db, admin, cast.surgeon.id)
        enrolments.complete(db, used, password=NEW, code=cast.surgeon.code(), address=HOME)
        old = enrolments.issue(db, admin, cast.nurse.id)
        db.scalars(select(Enrolment).where(Enrolment.ended_at.is_(None))).one().expires_at -= dt.timedelta(days=3)
        db.flush()
        for plain, code in ((replaced, 1), (used, 1), (old, 0), ("", 0), ("x", 0), ("\ud800", 0)):
            with pytest.raises(NotFound):
                enrolments.shown(db, plain)
            with pytest.raises(NotFound):
                enrolments.complete(db, plain, password=NEW, code=cast.surgeon.code(code), address=HOME)


def test_ten_wrong_codes_end_it(database: Database, cast: Cast) -> None:
    system = Actor.system(cast.aral.id)
    with database.begin() as db:
        person = people.create(db, system, login="gu.lan", name="顾岚", roles=["nurse"])
        plain = enrolments.issue(db, system, person.id)
    for _ in range(10):
        with database.begin() as db:
            assert enrolments.complete(db, plain, password=NEW, code="000", address=HOME) == Refused("code-wrong")
    with database.begin() as db, pytest.raises(NotFound):
        enrolments.shown(db, plain)


def test_a_bad_password_uses_nothing_up(database: Database, cast: Cast) -> None:
    code = cast.surgeon.code()
    with database.begin() as db:
        plain = enrolments.issue(db, fresh(cast.administrator.actor), cast.surgeon.id)
    with database.begin() as db, pytest.raises(Invalid):
        enrolments.complete(db, plain, password="li.na2026", code=code, address=HOME)
    with database.begin() as db:
        assert isinstance(enrolments.complete(db, plain, password=NEW, code=code, address=HOME), Person)


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
