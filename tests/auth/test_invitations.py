"""Invitations: once, for one address, for seven days, and for no more than the inviter may give (attacks 8 and 9)."""

import dataclasses
import datetime as dt
import threading
from collections.abc import Callable
from uuid import UUID

import pyotp
import pytest
from sqlalchemy import inspect, select

from auth import ceremonies, enrolments, invitations, people, profiles
from auth.enrolments import Proof
from auth.invitations import STATES, Invitation
from auth.organisations import Organisation
from auth.people import Person
from auth.profiles import Profile
from auth.proofs import Refused
from core import audit, ids
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict, Denied, Invalid, NotFound, ShanhaiError, StepUpNeeded
from tests.cast import Cast, Member, join

ADDRESS = "he.yu@example.cn"
SITE = ceremonies.site_of("https://shanhai.test")
SENTENCE = "eleven cranes above the reed bed"


def fresh(member: Member) -> Actor:
    """The member's actor as after a step-up."""
    return dataclasses.replace(member.actor, stepped_up_at=ids.now())


def invite(db: Tx, cast: Cast, *roles: str, email: str = ADDRESS) -> tuple[Invitation, str]:
    """Aral's administrator invites somebody."""
    return invitations.invite(db, fresh(cast.administrator), email=email, roles=roles or ("surgeon",))


def addressed(db: Tx, member: Member, email: str) -> Member:
    """The member with an address, as their own hospital's administrator put it there."""
    person = db.get_one(Person, member.id)
    clerk = join(db, db.get_one(Organisation, person.organisation_id), f"clerk.{member.login}", "文员", "Clerk", "administrator")
    profiles.amend(db, fresh(clerk), member.id, dataclasses.replace(profiles.of(person), email=email))
    return member


def test_a_new_person_gets_an_account_with_the_invited_address(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    with database.begin() as db:
        invitation, plain = invite(db, cast, "surgeon", "coordinator", email=" He.Yu@Example.CN ")
        assert invitation.email == ADDRESS
        made = invitations.accept_new(db, f" {plain[:9].lower()} - {plain[9:]}", login="he.yu", name="何雨", language="en")
        assert isinstance(made, tuple)
        person, secret = made
        assert (person.organisation_id, person.email, person.language) == (cast.aral.id, ADDRESS, "en")
        assert people.roles_in(db, person.id, cast.aral.id) == {"surgeon", "coordinator"}
        offer = enrolments.shown(db, secret).offer
        assert offer is not None
        code = pyotp.TOTP(offer.secret).at(ids.now())
        assert isinstance(enrolments.complete(db, secret, password=SENTENCE, proof=Proof(code), site=SITE, address="192.0.2.9"), Person)
    with database.begin() as db:
        [event] = audit.events(db, cast.aral.id, actions=("invitation:accept",))
        assert (event.actor_id, event.person_id) == (person.id, person.id)
    assert "invitation:make success" in log(cast.aral.id)


def test_somebody_of_another_hospital_joins_with_the_account_they_have(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        addressed(db, cast.stranger, ADDRESS)
        _, plain = invite(db, cast, "surgeon")
        assert isinstance(invitations.accept(db, cast.stranger.actor, plain), Invitation)
        assert list(people.workplaces(db, cast.stranger.id)) == [cast.kashgar.id, cast.aral.id]
        # what already holds is not held twice
        _, again = invite(db, cast, "surgeon", "nurse")
        invitations.accept(db, cast.stranger.actor, again)
        assert people.roles_in(db, cast.stranger.id, cast.aral.id) == {"surgeon", "nurse"}


def test_it_is_good_once(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        addressed(db, cast.stranger, ADDRESS)
        invitation, plain = invite(db, cast)
        invitations.accept(db, cast.stranger.actor, plain)
        assert invitation.state(ids.now()) == "accepted"
        with pytest.raises(NotFound):
            invitations.accept(db, cast.stranger.actor, plain)
        with pytest.raises(NotFound):
            invitations.accept_new(db, plain, login="he.yu", name="何雨")
        with pytest.raises(Conflict):
            invitations.withdraw(db, cast.administrator.actor, invitation.id)


def test_of_two_who_use_it_at_once_one_gets_in(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        _, plain = invite(db, cast)
    outcomes: list[str] = []
    together = threading.Barrier(2)

    def use(login: str) -> None:
        together.wait()
        try:
            with database.begin() as db:
                made = invitations.accept_new(db, plain, login=login, name="何雨")
            outcomes.append("in" if isinstance(made, tuple) else made.code)
        except ShanhaiError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=use, args=(login,)) for login in ("he.yu", "he.yu2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["in", "invitation-not-found"]
    with database.begin() as db:
        assert len(list(db.scalars(select(Person).where(Person.email == ADDRESS)))) == 1


def test_it_is_for_its_address_alone(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    """A code that was forwarded, or read over a shoulder, lets nobody else in; each try is in the log, and ten end it."""
    with database.begin() as db:
        addressed(db, cast.expert, "chen.hao@taizhou.example.cn")
        addressed(db, cast.stranger, ADDRESS)
        _, plain = invite(db, cast)
        for member in (cast.expert, cast.coordinator):
            assert invitations.accept(db, member.actor, plain) == Refused("invitation-other-address")
        assert people.roles_in(db, cast.expert.id, cast.aral.id) == frozenset()
        for _ in range(invitations.TRIES - 2):
            invitations.accept(db, cast.expert.actor, plain)
        with pytest.raises(NotFound):
            invitations.accept(db, cast.stranger.actor, plain)
    assert log(cast.aral.id)[0] == "invitation:refuse failure"


def test_nobody_gives_themselves_the_address_it_needs(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        _, plain = invite(db, cast)
        profiles.amend_own(db, cast.stranger.actor, phone="1", name_en="x")
        assert db.get_one(Person, cast.stranger.id).email == ""
        with pytest.raises(Denied):
            profiles.amend(db, fresh(cast.stranger), cast.stranger.id, Profile(name="马丽", email=ADDRESS))
        assert invitations.accept(db, cast.stranger.actor, plain) == Refused("invitation-other-address")


def test_it_ends_after_seven_days_and_when_withdrawn(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        addressed(db, cast.stranger, ADDRESS)
        old, expired = invite(db, cast)
        taken, withdrawn = invite(db, cast)
        invitations.withdraw(db, cast.administrator.actor, taken.id)
        assert [one.state(ids.now()) for one in invitations.listed(db, cast.administrator.actor)] == ["withdrawn", "open"]
        with pytest.raises(NotFound):
            invitations.accept(db, cast.stranger.actor, withdrawn)
    with ids.told(ids.now() + dt.timedelta(days=7, seconds=1)), database.begin() as db:
        assert db.get_one(Invitation, old.id).state(ids.now()) == "expired"
        assert {"open", "accepted", "withdrawn", "expired"} == set(STATES)
        with pytest.raises(NotFound):
            invitations.accept(db, cast.stranger.actor, expired)
        with pytest.raises(Conflict):
            invitations.withdraw(db, cast.administrator.actor, old.id)


def test_it_is_worth_what_the_inviter_may_give_when_it_is_accepted(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        addressed(db, cast.stranger, ADDRESS)
        second = join(db, cast.aral, "gu.lan", "顾岚", "Gu Lan", "administrator", "nurse")
        for end in (
            lambda: people.dismiss(db, fresh(cast.administrator), second.id, "administrator"),
            lambda: people.disable(db, fresh(cast.administrator), second.id),
        ):
            if "administrator" not in people.roles_in(db, second.id, cast.aral.id):
                people.appoint(db, Actor.system(cast.aral.id), second.id, "administrator")
            _, plain = invitations.invite(db, fresh(second), email=ADDRESS, roles=["surgeon"])
            end()
            with pytest.raises(NotFound):
                invitations.accept(db, cast.stranger.actor, plain)
            with pytest.raises(NotFound):
                invitations.accept_new(db, plain, login="he.yu", name="何雨")


def test_an_administrator_invites_into_their_own_hospital_alone(database: Database, cast: Cast) -> None:
    """Attack 9: there is no way to name another hospital, its invitations are not seen, and nobody else invites."""
    with database.begin() as db:
        stranger = join(db, cast.kashgar, "ya.sen", "亚森", "Yasen", "administrator")
        invitation, _ = invite(db, cast)
        assert (invitation.organisation_id, invitation.to_organisation_id) == (cast.aral.id, cast.aral.id)
        assert invitations.listed(db, stranger.actor) == []
        with pytest.raises(NotFound):
            invitations.withdraw(db, stranger.actor, invitation.id)
        for member in (cast.surgeon, cast.nurse, cast.auditor, cast.coordinator):
            for act in (
                lambda actor: invitations.invite(db, actor, email=ADDRESS, roles=["nurse"]),
                lambda actor: invitations.withdraw(db, actor, invitation.id),
                lambda actor: invitations.listed(db, actor),
            ):
                with pytest.raises(Denied):
                    act(fresh(member))


@pytest.mark.parametrize(
    ("roles", "code"),
    [
        ((), "field-required"),
        (("king",), "role-unknown"),
        (("administrator",), "role-needs-second-hand"),
        (("nurse", "auditor"), "role-needs-second-hand"),
        (("operator",), "role-by-command-only"),
    ],
)
def test_no_invitation_gives_a_role_that_takes_more(database: Database, cast: Cast, roles: tuple[str, ...], code: str) -> None:
    with database.begin() as db, pytest.raises(Invalid) as refused:
        invitations.invite(db, fresh(cast.administrator), email="no address", roles=roles)
    assert refused.value.fields == {"roles": code, "email": "email-invalid"}


def test_nobody_accepts_what_they_made_themselves(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        second = join(db, cast.aral, "gu.lan", "顾岚", "Gu Lan", "administrator")
        profiles.amend(db, fresh(second), cast.administrator.id, Profile(name="赵敏", email=ADDRESS))
        _, plain = invite(db, cast, "surgeon")
        with pytest.raises(Denied) as refused:
            invitations.accept(db, cast.administrator.actor, plain)
        assert refused.value.code == "own-rights"


def test_making_one_needs_a_step_up_and_a_session(database: Database, cast: Cast) -> None:
    machine = dataclasses.replace(fresh(cast.administrator), token_id=ids.new(), scopes=frozenset({"people:manage"}))
    with database.begin() as db:
        with pytest.raises(StepUpNeeded):
            invitations.invite(db, cast.administrator.actor, email=ADDRESS, roles=["nurse"])
        for actor in (machine, Actor.system(cast.aral.id)):
            with pytest.raises(Denied):
                invitations.invite(db, actor, email=ADDRESS, roles=["nurse"])
        _, plain = invite(db, cast)
        for actor in (machine, Actor.system(cast.aral.id)):
            with pytest.raises(Denied):
                invitations.accept(db, actor, plain)


def test_a_login_that_is_taken_is_told_and_counted(database: Database, cast: Cast) -> None:
    """One invitation is no oracle for who has an account."""
    with database.begin() as db:
        _, plain = invite(db, cast)
        with pytest.raises(Invalid):
            invitations.accept_new(db, plain, login="-", name="")
        for _ in range(invitations.TRIES):
            assert invitations.accept_new(db, plain, login="Li.Na", name="何雨") == Refused("login-taken")
        with pytest.raises(NotFound):
            invitations.accept_new(db, plain, login="he.yu", name="何雨")


def test_only_a_digest_is_stored_and_a_wrong_code_finds_nothing(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        invitation, plain = invite(db, cast)
        assert not any(plain in str(getattr(invitation, column.key)) for column in inspect(Invitation).columns)
        for wrong in ("", plain[:-1], plain + "A", "\ud800", "x" * 100_000):
            with pytest.raises(NotFound):
                invitations.find(db, wrong)
