"""Passkeys: good here, now, once, for whom they were asked for, with the user verified; nothing else is (attack 17)."""

import base64
import dataclasses
import datetime as dt
import hashlib
import json
import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from auth import ceremonies, challenges, factors, means, news, passkeys, people, sessions, signin, stepup
from auth.ceremonies import Site
from auth.challenges import Challenge
from auth.passkeys import Passkey
from auth.proofs import Refused
from auth.signin import SignedIn
from auth.throttle import Bucket
from core import audit, ids
from core.actor import Actor
from core.db import Database
from core.errors import Conflict, Denied, Invalid, NotFound, StepUpNeeded, Throttled
from core.jobs import JobRow
from tests.authenticator import BACKED_UP, ELIGIBLE, USER_PRESENT, USER_VERIFIED, Authenticator
from tests.cast import Cast, Member

ORIGIN = "https://shanhai.test"
SITE = ceremonies.site_of(f"{ORIGIN}/")
HOME = "192.0.2.1"


def fresh(actor: Actor) -> Actor:
    """The actor as after a step-up."""
    return dataclasses.replace(actor, stepped_up_at=ids.now())


@pytest.fixture
def mine() -> Authenticator:
    """The surgeon's authenticator."""
    return Authenticator(ORIGIN)


def enrol(database: Database, member: Member, authenticator: Authenticator, name: str = "ward phone") -> UUID:
    """A passkey of somebody's, on that authenticator."""
    with database.begin() as db:
        me = fresh(member.actor)
        passkey = passkeys.register(db, me, authenticator.create(passkeys.begin(db, me, site=SITE)), name=name, site=SITE)
        assert passkey is not None
        return passkey.id


def asked(database: Database) -> dict[str, Any]:
    """A challenge to sign in."""
    with database.begin() as db:
        return signin.ask_passkey(db, site=SITE, address=HOME)


def enter(database: Database, given: str, address: str = HOME, presented: str | None = None) -> SignedIn | Refused:
    """Sign in with an answer."""
    with database.begin() as db:
        return signin.passkey(db, given=given, site=SITE, address=address, presented=presented)


def refusals(database: Database, cast: Cast) -> list[str]:
    """Why the log of Aral says that passkeys were refused, newest first."""
    with database.begin() as db:
        return [str(event.detail["because"]) for event in audit.events(db, cast.aral.id, actions=["passkey:refuse"])]


def told(database: Database, member: Member) -> list[str]:
    """What somebody is to be told about their account."""
    with database.begin() as db:
        jobs = db.scalars(select(JobRow).where(JobRow.kind == news.TELL).order_by(JobRow.id))
        return [str(job.payload["kind"]) for job in jobs if job.payload["person_id"] == str(member.id)]


REFUSED = Refused("passkey-refused")


# --- making one --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", [-7, -8, -257])
def test_a_passkey_is_both_factors_at_once(database: Database, cast: Cast, algorithm: int, log: Callable[[UUID], list[str]]) -> None:
    mine = Authenticator(ORIGIN, algorithm=algorithm)
    enrol(database, cast.surgeon, mine)
    done = enter(database, mine.get(asked(database)))
    assert isinstance(done, SignedIn)
    assert (done.actor.person_id, done.actor.organisation_id, done.actor.stepped_up_at) == (cast.surgeon.id, cast.aral.id, None)
    with database.begin() as db:
        assert sessions.resolve(db, done.cookie) == done.actor
        [event] = audit.events(db, cast.aral.id, actions=["session:start"], actor_id=cast.surgeon.id, limit=1)
        assert event.detail == {"by": "passkey"}
        [row] = passkeys.listed(db, done.actor)
        assert (row.sign_count, row.last_used_at is not None, row.transports) == (1, True, ["hybrid", "internal"])


def test_its_registration_stands_in_the_log_for_anybody_to_check(database: Database, cast: Cast, mine: Authenticator) -> None:
    mine.flags |= ELIGIBLE | BACKED_UP
    passkey_id = enrol(database, cast.surgeon, mine)
    with database.begin() as db:
        row = db.get_one(Passkey, passkey_id)
        [event] = audit.events(db, cast.aral.id, actions=["passkey:add"])
        assert (event.actor_id, event.person_id, event.object_id) == (cast.surgeon.id, cast.surgeon.id, passkey_id)
        assert event.detail == {
            "credential_id_sha256": hashlib.sha256(mine.held[0].id).hexdigest(),
            "public_key_sha256": hashlib.sha256(row.public_key).hexdigest(),
            "aaguid": "00010203-0405-0607-0809-0a0b0c0d0e0f",
            "backed_up": True,
        }
    assert told(database, cast.surgeon) == ["account-passkey-added"]


def test_who_makes_one(database: Database, cast: Cast, mine: Authenticator) -> None:
    machine = dataclasses.replace(cast.surgeon.actor, session_id=None, token_id=ids.new())
    with database.begin() as db:
        options = passkeys.begin(db, fresh(cast.surgeon.actor), site=SITE)
        given = mine.create(options)
        with pytest.raises(StepUpNeeded):
            passkeys.begin(db, cast.surgeon.actor, site=SITE)
        with pytest.raises(StepUpNeeded):
            passkeys.register(db, cast.surgeon.actor, given, name="x", site=SITE)
        for nobody in (machine, Actor.system(cast.aral.id)):
            with pytest.raises(Denied):
                passkeys.begin(db, nobody, site=SITE)
            with pytest.raises(Denied):
                passkeys.register(db, nobody, given, name="x", site=SITE)
        with pytest.raises(Denied):
            passkeys.listed(db, machine)


def test_what_is_asked_for(database: Database, cast: Cast, mine: Authenticator) -> None:
    enrol(database, cast.surgeon, mine)
    with database.begin() as db:
        options = passkeys.begin(db, fresh(cast.surgeon.actor), site=SITE)
        assert options["rp"] == {"id": "shanhai.test", "name": "Shanhai"}
        assert [each["alg"] for each in options["pubKeyCredParams"]] == [-7, -257, -8]
        assert options.get("attestation") == "none"
        assert base64.urlsafe_b64decode(options["user"]["id"] + "==") == cast.surgeon.id.bytes
        assert [each["transports"] for each in options["excludeCredentials"]] == [["hybrid", "internal"]]
        with pytest.raises(AssertionError, match="InvalidStateError"):
            mine.create(options)
    assert asked(database)["userVerification"] == "required"
    assert asked(database)["allowCredentials"] == []


@pytest.mark.parametrize(("name", "code"), [("", "field-required"), ("  ", "field-required"), ("x" * 61, "field-too-long")])
def test_a_name_is_asked_for_before_anything_is_used_up(database: Database, cast: Cast, mine: Authenticator, name: str, code: str) -> None:
    me = fresh(cast.surgeon.actor)
    with database.begin() as db:
        given = mine.create(passkeys.begin(db, me, site=SITE))
        with pytest.raises(Invalid) as wrong:
            passkeys.register(db, me, given, name=name, site=SITE)
        assert wrong.value.fields == {"name": code}
        assert passkeys.register(db, me, given, name=" 办公室电脑 ", site=SITE) is not None
        assert [one.name for one in passkeys.listed(db, me)] == ["办公室电脑"]


def _json(given: str, **response: Any) -> str:
    answer = json.loads(given)
    answer["response"] |= response
    return json.dumps(answer)


BAD_REGISTRATIONS: dict[str, Callable[[Authenticator, dict[str, Any]], str]] = {
    "another origin": lambda mine, options: mine.create(options, origin="https://evil.example"),
    "our name at another port": lambda mine, options: mine.create(options, origin="https://shanhai.test:8443"),
    "another site's id": lambda mine, options: mine.create(options, rp_id="evil.example"),
    "another challenge": lambda mine, options: mine.create({**options, "challenge": "AAAA"}),
    "in a frame of another site": lambda mine, options: mine.create(options, crossOrigin=True),
    "user not verified": lambda mine, options: dataclasses.replace(mine, flags=USER_PRESENT).create(options),
    "user not present": lambda mine, options: dataclasses.replace(mine, flags=USER_VERIFIED).create(options),
    "an answer to the other ceremony": lambda mine, options: mine.create(options, type="webauthn.get"),
    "no attestation object": lambda mine, options: _json(mine.create(options), attestationObject="AAAA"),
    "no client data": lambda mine, options: _json(mine.create(options), clientDataJSON="AAAA"),
    "nonsense": lambda mine, options: "{",
    "deep nonsense": lambda mine, options: "[" * 60_000,
    "nothing": lambda mine, options: "",
    "too much": lambda mine, options: mine.create(options) + " " * 70_000,
}


@pytest.mark.parametrize("what", BAD_REGISTRATIONS)
def test_what_makes_no_passkey(database: Database, cast: Cast, mine: Authenticator, what: str, log: Callable[[UUID], list[str]]) -> None:
    me = fresh(cast.surgeon.actor)
    with database.begin() as db:
        options = passkeys.begin(db, me, site=SITE)
        assert passkeys.register(db, me, BAD_REGISTRATIONS[what](mine, options), name="x", site=SITE) is None
        assert passkeys.listed(db, me) == []
    assert log(cast.aral.id)[0] == "passkey:add failure"
    assert told(database, cast.surgeon) == []


def test_a_key_of_another_algorithm_makes_no_passkey(database: Database, cast: Cast, mine: Authenticator) -> None:
    me = fresh(cast.surgeon.actor)
    with database.begin() as db:
        options = passkeys.begin(db, me, site=SITE)
        mine.algorithm = -36
        options["pubKeyCredParams"].append({"type": "public-key", "alg": -36})
        assert passkeys.register(db, me, mine.create(options), name="x", site=SITE) is None


def test_the_challenge_to_make_one_is_of_its_session(database: Database, cast: Cast, mine: Authenticator) -> None:
    me, other_session = fresh(cast.surgeon.actor), dataclasses.replace(fresh(cast.surgeon.actor), session_id=ids.new())
    with database.begin() as db:
        for options in (
            passkeys.begin(db, fresh(cast.nurse.actor), site=SITE),
            passkeys.begin(db, other_session, site=SITE),
            {**passkeys.begin(db, me, site=SITE), "challenge": signin.ask_passkey(db, site=SITE, address=HOME)["challenge"]},
        ):
            assert passkeys.register(db, me, mine.create(options), name="x", site=SITE) is None
        given = mine.create(passkeys.begin(db, me, site=SITE))
        assert passkeys.register(db, me, given, name="x", site=SITE) is not None
        assert passkeys.register(db, me, given, name="x", site=SITE) is None


def test_a_credential_is_one_persons(database: Database, cast: Cast, mine: Authenticator) -> None:
    """A credential id that is known, also one taken out of use, is registered for nobody else (§7.1 step 26)."""
    enrol(database, cast.nurse, mine)
    nurse = fresh(cast.nurse.actor)
    with database.begin() as db:
        passkeys.remove(db, nurse, passkeys.listed(db, nurse)[0].id)
        me = fresh(cast.surgeon.actor)
        options = passkeys.begin(db, me, site=SITE)
        copied = mine.held.pop()
        given = mine.create(options)
        forged = json.loads(given)
        forged["id"] = forged["rawId"] = base64.urlsafe_b64encode(copied.id).decode().rstrip("=")
        new, old = mine.held[-1].id, copied.id
        attested = base64.urlsafe_b64decode(forged["response"]["attestationObject"] + "==").replace(new, old)
        forged["response"]["attestationObject"] = base64.urlsafe_b64encode(attested).decode().rstrip("=")
        assert passkeys.register(db, me, json.dumps(forged), name="x", site=SITE) is None
        assert passkeys.listed(db, me) == []


# --- signing in --------------------------------------------------------------------------------------------------------

BAD_ANSWERS: dict[str, tuple[Callable[[Authenticator, dict[str, Any]], str], str]] = {
    "another origin": (lambda mine, options: mine.get(options, origin="https://evil.example"), "signature"),
    "plain http": (lambda mine, options: mine.get(options, origin="http://shanhai.test"), "signature"),
    "another site's id": (lambda mine, options: mine.get(options, rp_id="evil.example"), "signature"),
    "in a frame of another site": (lambda mine, options: mine.get(options, crossOrigin=True), "signature"),
    "user not verified": (lambda mine, options: dataclasses.replace(mine, flags=USER_PRESENT).get(options), "signature"),
    "user not present": (lambda mine, options: dataclasses.replace(mine, flags=USER_VERIFIED).get(options), "signature"),
    "an answer to the other ceremony": (lambda mine, options: mine.get(options, type="webauthn.create"), "signature"),
    "another person's name": (lambda mine, options: mine.get(options, user_handle=bytes(16)), "person"),
    "nobody's name": (lambda mine, options: mine.get(options, nameless=True), "person"),
    "a signature that does not hold": (lambda mine, options: _json(mine.get(options), signature="AAAA"), "signature"),
    "authenticator data cut short": (lambda mine, options: _json(mine.get(options), authenticatorData="AAAA"), "signature"),
    "another challenge": (lambda mine, options: mine.get({"challenge": "AAAA"}), ""),
    "no client data": (lambda mine, options: _json(mine.get(options), clientDataJSON="AAAA"), ""),
    "nonsense": (lambda mine, options: "{", ""),
    "deep nonsense": (lambda mine, options: "[" * 60_000, ""),
    "surrogates": (lambda mine, options: "\ud800", ""),
    "too much": (lambda mine, options: mine.get(options) + " " * 70_000, ""),
}


@pytest.mark.parametrize("what", BAD_ANSWERS)
def test_what_signs_nobody_in(database: Database, cast: Cast, mine: Authenticator, what: str) -> None:
    enrol(database, cast.surgeon, mine)
    make, because = BAD_ANSWERS[what]
    assert enter(database, make(mine, asked(database))) == REFUSED
    assert refusals(database, cast) == ([because] if because else [])
    assert isinstance(enter(database, mine.get(asked(database))), SignedIn)


def test_a_passkey_nobody_knows_looks_like_one_that_is_wrong(database: Database, cast: Cast, mine: Authenticator) -> None:
    enrol(database, cast.surgeon, mine)
    stranger = Authenticator(ORIGIN)
    with database.begin() as db:
        stranger.create(passkeys.begin(db, fresh(cast.nurse.actor), site=SITE))
    assert enter(database, stranger.get(asked(database))) == enter(database, _json(mine.get(asked(database)), signature="AAAA")) == REFUSED


def test_an_answer_is_good_once(database: Database, cast: Cast, mine: Authenticator) -> None:
    enrol(database, cast.surgeon, mine)
    mine.counts = False
    given = mine.get(asked(database))
    assert isinstance(enter(database, given), SignedIn)
    assert enter(database, given) == REFUSED


def test_a_challenge_is_used_up_by_an_answer_that_was_wrong(database: Database, cast: Cast, mine: Authenticator) -> None:
    enrol(database, cast.surgeon, mine)
    options = asked(database)
    assert enter(database, mine.get(options, origin="https://evil.example")) == REFUSED
    assert enter(database, mine.get(options)) == REFUSED


def test_an_answer_opens_one_session_also_in_parallel(database: Database, cast: Cast, mine: Authenticator) -> None:
    enrol(database, cast.surgeon, mine)
    mine.counts = False
    given, together = mine.get(asked(database)), threading.Barrier(6)
    outcomes: list[SignedIn | Refused] = []

    def try_it() -> None:
        together.wait()
        outcomes.append(enter(database, given))

    threads = [threading.Thread(target=try_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 1


def test_a_challenge_is_good_for_five_minutes(database: Database, cast: Cast, mine: Authenticator) -> None:
    enrol(database, cast.surgeon, mine)
    options = asked(database)
    with database.begin() as db:
        for row in db.scalars(select(Challenge)):
            row.expires_at -= challenges.LIFE
    assert enter(database, mine.get(options)) == REFUSED
    asked(database)
    with database.begin() as db:
        assert challenges.sweep(db) == 0
        for row in db.scalars(select(Challenge)):
            row.expires_at -= challenges.LIFE
        db.flush()
        assert challenges.sweep(db) == 1


def test_a_challenge_is_kept_as_a_digest(database: Database, cast: Cast) -> None:
    challenge = base64.urlsafe_b64decode(asked(database)["challenge"] + "==")
    assert len(challenge) == 32
    with database.begin() as db:
        assert db.scalars(select(Challenge.digest)).all() == [hashlib.sha256(challenge).digest()]


def test_a_challenge_of_another_purpose_is_good_for_nothing_here(database: Database, cast: Cast, mine: Authenticator) -> None:
    enrol(database, cast.surgeon, mine)
    with database.begin() as db:
        to_step_up = stepup.ask_passkey(db, cast.surgeon.actor, site=SITE)
        to_register = passkeys.begin(db, fresh(cast.surgeon.actor), site=SITE)
    for options in (to_step_up, to_register):
        assert enter(database, mine.get(options)) == REFUSED
    with database.begin() as db:
        to_sign_in = signin.ask_passkey(db, site=SITE, address=HOME)
        assert stepup.passkey(db, cast.surgeon.actor, given=mine.get(to_sign_in), site=SITE, address=HOME) == REFUSED


def test_a_count_that_goes_back_is_refused_and_told(database: Database, cast: Cast, mine: Authenticator) -> None:
    passkey_id = enrol(database, cast.surgeon, mine)
    copy = dataclasses.replace(mine.held[0])
    for _ in range(3):
        assert isinstance(enter(database, mine.get(asked(database))), SignedIn)
    assert enter(database, mine.get(asked(database), credential=copy)) == REFUSED
    assert refusals(database, cast) == ["count"]
    assert told(database, cast.surgeon)[1:] == ["account-passkey-count"]
    with database.begin() as db:
        assert db.get_one(Passkey, passkey_id).sign_count == 3
        [event] = audit.events(db, cast.aral.id, actions=["passkey:refuse"])
        assert (event.object_id, event.person_id, event.detail["purpose"], event.detail["network"]) == (
            passkey_id,
            cast.surgeon.id,
            "sign-in",
            HOME,
        )
    mine.counts, mine.held[0].count = False, 0
    assert enter(database, mine.get(asked(database))) == REFUSED
    mine.counts = True
    assert isinstance(enter(database, mine.get(asked(database), credential=dataclasses.replace(copy, count=9))), SignedIn)


def test_nobody_has_a_person_told_of_a_count_without_the_key(database: Database, cast: Cast, mine: Authenticator) -> None:
    enrol(database, cast.surgeon, mine)
    assert isinstance(enter(database, mine.get(asked(database))), SignedIn)
    mine.held[0].count = 0
    assert enter(database, _json(mine.get(asked(database)), signature="AAAA")) == REFUSED
    assert refusals(database, cast) == ["signature"]
    assert told(database, cast.surgeon) == ["account-passkey-added"]


def test_one_that_keeps_no_count_is_good_again_and_again(database: Database, cast: Cast) -> None:
    mine = Authenticator(ORIGIN, counts=False)
    enrol(database, cast.surgeon, mine)
    for _ in range(3):
        assert isinstance(enter(database, mine.get(asked(database))), SignedIn)


def test_who_may_not_come_in_does_not_by_a_passkey(database: Database, cast: Cast, mine: Authenticator) -> None:
    other = Authenticator(ORIGIN)
    enrol(database, cast.nurse, mine)
    enrol(database, cast.second_surgeon, other)
    with database.begin() as db:
        system = Actor.system(cast.aral.id)
        people.disable(db, system, cast.nurse.id)
        people.dismiss(db, system, cast.second_surgeon.id, "surgeon")
    for authenticator in (mine, other):
        assert enter(database, authenticator.get(asked(database))) == REFUSED


def test_the_cookie_that_was_shown_ends(database: Database, cast: Cast, mine: Authenticator) -> None:
    enrol(database, cast.surgeon, mine)
    first = enter(database, mine.get(asked(database)))
    assert isinstance(first, SignedIn)
    second = enter(database, mine.get(asked(database)), presented=first.cookie)
    assert isinstance(second, SignedIn)
    with database.begin() as db:
        assert sessions.resolve(db, first.cookie) is None


def drain(database: Database, key: str) -> None:
    """Leave a bucket as many tries would: empty now, full again after its quarter of an hour."""
    with database.begin() as db:
        bucket = db.get(Bucket, key) or Bucket(key=key)
        bucket.full_at = ids.now() + dt.timedelta(minutes=15)
        db.add(bucket)


def used(database: Database, key: str) -> bool:
    """Whether a bucket is short of a try."""
    with database.begin() as db:
        return db.get_one(Bucket, key).full_at > ids.now()


def test_wrong_answers_are_throttled_by_network_and_good_ones_given_back(database: Database, cast: Cast, mine: Authenticator) -> None:
    enrol(database, cast.surgeon, mine)
    assert isinstance(enter(database, mine.get(asked(database))), SignedIn)
    assert not used(database, f"passkey:{HOME}")
    assert enter(database, "") == REFUSED
    assert used(database, f"passkey:{HOME}")
    drain(database, f"passkey:{HOME}")
    assert enter(database, mine.get(asked(database))) == Refused("throttled")
    with pytest.raises(Throttled):
        enter(database, mine.get(asked(database)))
    assert isinstance(enter(database, mine.get(asked(database)), "203.0.113.9"), SignedIn)


def test_nobody_fills_the_table_with_challenges(database: Database, cast: Cast) -> None:
    asked(database)
    assert used(database, f"challenge:{HOME}")
    drain(database, f"challenge:{HOME}")
    with pytest.raises(Throttled):
        asked(database)
    with database.begin() as db:
        assert db.scalar(select(func.count()).select_from(Challenge)) == 1


def test_a_site_is_named_by_its_address() -> None:
    assert ceremonies.site_of("http://localhost:8000") == Site("localhost", "http://localhost:8000")
    assert ceremonies.site_of("https://Shanhai.Example:443/") == Site("shanhai.example", "https://shanhai.example")


# --- step-up -----------------------------------------------------------------------------------------------------------


def test_ones_own_passkey_steps_up(database: Database, cast: Cast, mine: Authenticator, log: Callable[[UUID], list[str]]) -> None:
    enrol(database, cast.surgeon, mine)
    with database.begin() as db:
        with pytest.raises(NotFound):
            stepup.ask_passkey(db, cast.nurse.actor, site=SITE)
        options = stepup.ask_passkey(db, cast.surgeon.actor, site=SITE)
        assert len(options["allowCredentials"]) == 1
        done = stepup.passkey(db, cast.surgeon.actor, given=mine.get(options, nameless=True), site=SITE, address=HOME)
        assert isinstance(done, SignedIn)
        assert done.actor.stepped_up_at is not None
        assert sessions.resolve(db, done.cookie) == done.actor
    with database.begin() as db:
        [event] = audit.events(db, cast.aral.id, actions=["session:step-up"])
        assert event.detail == {"by": "passkey"}


def test_another_persons_passkey_steps_nobody_up(
    database: Database, cast: Cast, mine: Authenticator, log: Callable[[UUID], list[str]]
) -> None:
    theirs = Authenticator(ORIGIN)
    enrol(database, cast.surgeon, mine)
    enrol(database, cast.nurse, theirs)
    with database.begin() as db:
        for more in ({"nameless": True}, {}, {"user_handle": cast.surgeon.id.bytes}):
            options = stepup.ask_passkey(db, cast.surgeon.actor, site=SITE)
            assert stepup.passkey(db, cast.surgeon.actor, given=theirs.get(options, **more), site=SITE, address=HOME) == REFUSED
        found = sessions.again(db, cast.surgeon.actor)
        assert found is not None
        assert found.stepped_up_at is None
    assert log(cast.aral.id)[:3] == ["session:step-up failure"] * 3


def test_a_challenge_to_step_up_is_of_its_person_and_session(database: Database, cast: Cast, mine: Authenticator) -> None:
    enrol(database, cast.surgeon, mine)
    elsewhere = dataclasses.replace(cast.surgeon.actor, session_id=ids.new())
    with database.begin() as db:
        options = stepup.ask_passkey(db, elsewhere, site=SITE)
        assert stepup.passkey(db, cast.surgeon.actor, given=mine.get(options), site=SITE, address=HOME) == REFUSED
        machine = dataclasses.replace(cast.surgeon.actor, session_id=None, token_id=ids.new())
        with pytest.raises(Denied):
            stepup.ask_passkey(db, machine, site=SITE)
        with pytest.raises(Denied):
            stepup.passkey(db, machine, given="", site=SITE, address=HOME)


# --- keeping them ------------------------------------------------------------------------------------------------------


def test_one_that_is_removed_is_good_no_more_and_other_sessions_end(database: Database, cast: Cast, mine: Authenticator) -> None:
    passkey_id = enrol(database, cast.surgeon, mine)
    other = enter(database, mine.get(asked(database)))
    assert isinstance(other, SignedIn)
    options = asked(database)
    with database.begin() as db:
        with pytest.raises(StepUpNeeded):
            passkeys.remove(db, cast.surgeon.actor, passkey_id)
        passkeys.remove(db, fresh(cast.surgeon.actor), passkey_id)
        assert sessions.resolve(db, other.cookie) is None
        assert sessions.again(db, cast.surgeon.actor) is not None
        assert passkeys.listed(db, cast.surgeon.actor) == []
        with pytest.raises(NotFound):
            passkeys.remove(db, fresh(cast.surgeon.actor), passkey_id)
        with pytest.raises(NotFound):
            passkeys.rename(db, cast.surgeon.actor, passkey_id, "x")
    assert enter(database, mine.get(options)) == REFUSED
    assert told(database, cast.surgeon)[1:] == ["account-passkey-removed"]


def test_somebody_elses_passkey_is_not_there(database: Database, cast: Cast, mine: Authenticator) -> None:
    passkey_id = enrol(database, cast.surgeon, mine)
    with database.begin() as db:
        for member in (cast.nurse, cast.administrator, cast.stranger):
            with pytest.raises(NotFound):
                passkeys.remove(db, fresh(member.actor), passkey_id)
            with pytest.raises(NotFound):
                passkeys.rename(db, member.actor, passkey_id, "mine now")


def test_the_last_means_of_signing_in_stays(database: Database, cast: Cast, mine: Authenticator) -> None:
    first, me = enrol(database, cast.surgeon, mine), fresh(cast.surgeon.actor)
    with database.begin() as db:
        factors.retire_all(db, cast.surgeon.id)
        with pytest.raises(Conflict):
            passkeys.remove(db, me, first)
    second = enrol(database, cast.surgeon, Authenticator(ORIGIN))
    with database.begin() as db:
        passkeys.remove(db, me, first)
        with pytest.raises(Conflict):
            passkeys.remove(db, me, second)


def test_of_the_last_two_removed_at_once_one_stays(database: Database, cast: Cast) -> None:
    both = [enrol(database, cast.surgeon, Authenticator(ORIGIN)) for _ in range(2)]
    with database.begin() as db:
        factors.retire_all(db, cast.surgeon.id)
    together = threading.Barrier(2)

    def remove(passkey_id: UUID) -> None:
        together.wait()
        try:
            with database.begin() as db:
                passkeys.remove(db, fresh(cast.surgeon.actor), passkey_id)
        except Conflict:
            return

    threads = [threading.Thread(target=remove, args=(each,)) for each in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.begin() as db:
        assert means.of(db, cast.surgeon.id).passkeys == 1


def test_a_passkey_is_called_something_else(database: Database, cast: Cast, mine: Authenticator, log: Callable[[UUID], list[str]]) -> None:
    passkey_id = enrol(database, cast.surgeon, mine)
    with database.begin() as db:
        assert passkeys.rename(db, cast.surgeon.actor, passkey_id, "值班手机").name == "值班手机"
        with pytest.raises(Invalid):
            passkeys.rename(db, cast.surgeon.actor, passkey_id, " ")
    assert log(cast.aral.id)[0] == "passkey:rename success"
