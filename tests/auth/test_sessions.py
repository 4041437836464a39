"""Sessions: when they live and end, whose they are, and that a secret seen earlier is worth nothing (attacks 6 and 14)."""

import dataclasses
import datetime as dt
from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import inspect, select

from auth import news, people, profiles, sessions
from auth.people import Person
from auth.rules import ACTIONS
from auth.sessions import Limits, SignedSession
from core import ids
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Denied, NotFound
from core.jobs import JobRow
from tests.cast import Cast, Member

SECOND = dt.timedelta(seconds=1)


def begin(db: Tx, member: Member, **more: object) -> tuple[Actor, str]:
    person = people.get(db, member.actor, member.id)
    return sessions.start(db, person, organisation_id=member.actor.organisation_id, **more)  # type: ignore[arg-type]


def row(db: Tx, actor: Actor) -> SignedSession:
    assert actor.session_id is not None
    return db.get_one(SignedSession, actor.session_id)


def test_a_session_says_who_acts(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    with database.begin() as db:
        actor, cookie = begin(db, cast.expert, network="192.0.2.9", agent="Firefox\r\n\x00 140")
        assert row(db, actor).agent == "Firefox 140"
    with database.begin() as db:
        found = sessions.resolve(db, cookie)
    assert found == actor
    assert actor == Actor(
        person_id=cast.expert.id,
        organisation_id=cast.taizhou.id,
        roles=frozenset({"expert"}),
        session_id=actor.session_id,
        language="en",
        time_zone="Asia/Shanghai",
    )
    assert log(cast.taizhou.id)[0] == "session:start success"


def test_only_a_digest_is_stored(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        _, cookie = begin(db, cast.surgeon)
        for stored in db.scalars(select(SignedSession)):
            for column in inspect(SignedSession).columns:
                assert cookie not in str(getattr(stored, column.key))
        assert all(sessions.resolve(db, stored.digest.hex()) is None for stored in db.scalars(select(SignedSession)))


@pytest.mark.parametrize("cookie", ["", "x", "\ud800", "shk_" + "a" * 43, "a" * 100_000])
def test_what_is_no_cookie_is_nobody(database: Database, cast: Cast, cookie: str) -> None:
    with database.begin() as db:
        assert sessions.resolve(db, cookie) is None


def test_an_idle_session_ends(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        actor, cookie = begin(db, cast.surgeon, limits=Limits(idle=dt.timedelta(minutes=15)))
        assert row(db, actor).idle_at - row(db, actor).seen_at == dt.timedelta(minutes=15)
        row(db, actor).idle_at = ids.now() - SECOND
    with database.begin() as db:
        assert sessions.resolve(db, cookie) is None


def test_use_pushes_the_idle_limit_on_and_never_the_absolute_one(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        actor, cookie = begin(db, cast.surgeon, limits=Limits(idle=dt.timedelta(minutes=20), absolute=dt.timedelta(hours=2)))
        row(db, actor).seen_at -= dt.timedelta(minutes=10)
        row(db, actor).idle_at -= dt.timedelta(minutes=10)
        before = row(db, actor).idle_at
    with database.begin() as db:
        assert sessions.resolve(db, cookie, touch=False)
        assert row(db, actor).idle_at == before
    with database.begin(readonly=True) as db:
        assert sessions.resolve(db, cookie)
    with database.begin() as db:
        assert row(db, actor).idle_at == before
        assert sessions.resolve(db, cookie)
    with database.begin() as db:
        assert row(db, actor).idle_at > before + dt.timedelta(minutes=9)
        row(db, actor).expires_at = ids.now() - SECOND
    with database.begin() as db:
        assert sessions.resolve(db, cookie) is None


def test_signing_out_ends_it(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    with database.begin() as db:
        actor, cookie = begin(db, cast.surgeon)
        sessions.end(db, actor)
        assert sessions.resolve(db, cookie) is None
        assert sessions.again(db, actor) is None
    assert log(cast.aral.id)[0] == "session:end success"


def test_a_person_sees_and_ends_their_own_sessions_alone(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        here, _ = begin(db, cast.surgeon)
        there, cookie = begin(db, cast.surgeon)
        assert {session.id for session in sessions.own(db, here)} == {here.session_id, there.session_id, cast.surgeon.actor.session_id}
        for other in (cast.nurse, cast.administrator, cast.stranger):
            with pytest.raises(NotFound):
                sessions.end(db, other.actor, there.session_id)
        sessions.end(db, here, there.session_id)
        assert sessions.resolve(db, cookie) is None
        assert {session.id for session in sessions.own(db, here)} == {here.session_id, cast.surgeon.actor.session_id}


def test_the_administrator_ends_all_of_a_persons_sessions(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        _, cookie = begin(db, cast.nurse)
        for other, wanted in ((cast.surgeon, Denied), (cast.stranger, Denied)):
            with pytest.raises(wanted):
                sessions.end_all(db, other.actor, cast.nurse.id, because="lost-phone")
        with pytest.raises(NotFound):
            sessions.end_all(db, cast.administrator.actor, cast.expert.id, because="lost-phone")
        assert sessions.end_all(db, cast.administrator.actor, cast.nurse.id, because="lost-phone") == 2
        assert sessions.resolve(db, cookie) is None


def test_a_disabled_person_and_one_without_a_role_are_nobody_at_once(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        nurse, nurses = begin(db, cast.nurse)
        expert, experts = begin(db, cast.expert)
        people.disable(db, cast.administrator.actor, cast.nurse.id)
        people.dismiss(db, Actor.system(cast.taizhou.id), cast.expert.id, "expert")
    with database.begin() as db:
        assert sessions.resolve(db, nurses) is None
        assert sessions.resolve(db, experts) is None
        assert sessions.again(db, nurse) is None
        assert sessions.again(db, expert) is None
        with pytest.raises(Denied):
            begin(db, dataclasses.replace(cast.expert, actor=expert))


def test_a_taken_role_is_gone_with_the_next_look(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        people.appoint(db, Actor.system(cast.aral.id), cast.nurse.id, "surgeon")
        actor, cookie = begin(db, cast.nurse)
        assert actor.roles == {"nurse", "surgeon"}
        people.dismiss(db, Actor.system(cast.aral.id), cast.nurse.id, "surgeon")
        found = sessions.resolve(db, cookie)
        again = sessions.again(db, actor)
        assert found is not None
        assert found.roles == {"nurse"}
        assert again == found


def test_going_on_in_another_hospital_takes_its_roles_and_a_fresh_secret(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        people.appoint(db, Actor.system(cast.aral.id), cast.expert.id, "surgeon")
        actor, cookie = begin(db, cast.expert)
        stepped, cookie = sessions.step_up(db, actor, by="code")
        there, fresh = sessions.switch(db, stepped, cast.aral.id)
        assert (there.organisation_id, there.roles, there.stepped_up_at) == (cast.aral.id, frozenset({"surgeon"}), None)
        assert there.session_id == actor.session_id
        assert sessions.resolve(db, cookie) is None
        assert sessions.resolve(db, fresh) == there
        with pytest.raises(NotFound):
            sessions.switch(db, there, cast.kashgar.id)
        with pytest.raises(Denied):
            sessions.switch(db, dataclasses.replace(there, session_id=None), cast.taizhou.id)


def test_a_step_up_rotates_the_secret_and_is_remembered(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        actor, cookie = begin(db, cast.surgeon)
        assert actor.stepped_up_at is None
        stepped, fresh = sessions.step_up(db, actor, by="code")
        assert stepped.stepped_up_at is not None
        assert sessions.resolve(db, cookie) is None
        assert sessions.resolve(db, fresh) == stepped


def test_a_network_is_known_after_a_sign_in_there(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        begin(db, cast.surgeon, network="198.51.100.4")
        assert sessions.signed_in_from(db, cast.surgeon.id, "198.51.100.4")
        assert not sessions.signed_in_from(db, cast.surgeon.id, "198.51.100.5")
        assert not sessions.signed_in_from(db, cast.nurse.id, "198.51.100.4")


def test_a_token_has_no_business_with_its_persons_sessions_or_preferences(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        session, cookie = begin(db, cast.surgeon)
        machine = dataclasses.replace(session, session_id=None, token_id=ids.new(), scopes=frozenset(ACTIONS))
        for act in (
            lambda: sessions.own(db, machine),
            lambda: sessions.end(db, machine, session.session_id),
            lambda: sessions.end_all(db, machine, cast.surgeon.id, because="mischief"),
            lambda: sessions.switch(db, machine, cast.aral.id),
            lambda: profiles.set_language(db, machine, "en"),
            lambda: profiles.set_time_zone(db, machine, "Asia/Urumqi"),
        ):
            with pytest.raises(Denied) as refused:
                act()
            assert refused.value.code == "session-needed"
        assert sessions.resolve(db, cookie) == session


def test_a_person_is_told_of_a_sign_in_from_where_they_never_were(database: Database, cast: Cast) -> None:
    def told() -> int:
        with database.begin() as db:
            return len(db.scalars(select(JobRow).where(JobRow.kind == news.TELL)).all())

    def begin(network: str) -> None:
        with database.begin() as db:
            sessions.start(db, db.get_one(Person, cast.surgeon.id), organisation_id=cast.aral.id, network=network)

    assert told() == 0, "the first sign-in of all is no news"
    begin("192.0.2.1")
    assert told() == 0
    begin("198.51.100.9")
    assert told() == 1
    begin("198.51.100.9")
    assert told() == 1
