"""Invited: a further expert at one case, and when an invitation to it is worth nothing any more (attack 8)."""

import dataclasses
import datetime as dt
from uuid import UUID

import pytest
from sqlalchemy import select

from auth import agreements, invitations, people, profiles
from auth.grants import Grant
from auth.people import Person
from auth.proofs import Refused
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Denied, Invalid, NotFound, StepUpNeeded
from registry import cases, consents, decisions, invited, messages, notices, opinions, referrals
from registry.cases import Case
from tests.registry.conftest import WORDS, World, stepped_up

ADDRESS = "xu.wei@taizhou.example.cn"


@pytest.fixture
def case(world: World) -> Case:
    """A case whose question lies with the first expert; the second has the invited address."""
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        person = db.get_one(Person, world.cast.second_expert.id)
        system = dataclasses.replace(Actor.system(world.cast.taizhou.id))
        profiles.amend(db, system, person.id, dataclasses.replace(profiles.of(person), email=ADDRESS))
        return case


def invite(db: Tx, world: World, case: Case) -> str:
    """The surgeon invites the second expert; gives the code."""
    surgeon = stepped_up(world.cast.surgeon.actor)
    return invited.invite(db, surgeon, case.id, to_organisation_id=world.cast.taizhou.id, email=ADDRESS)[1]


def grants_of(db: Tx, case_id: UUID, person_id: UUID) -> list[Grant]:
    return list(db.scalars(select(Grant).where(Grant.case_id == case_id, Grant.person_id == person_id)))


def test_the_invited_expert_is_let_in_without_identity_and_may_give_an_opinion(world: World, case: Case) -> None:
    cast = world.cast
    with world.begin() as db:
        plain = invite(db, world, case)
        with pytest.raises(NotFound):
            cases.get(db, cast.second_expert.actor, case.id)
        assert isinstance(invited.accept(db, cast.second_expert.actor, plain), Case)
        assert cases.get(db, cast.second_expert.actor, case.id).id == case.id
        with pytest.raises(Denied):
            cases.identity(db, cast.second_expert.actor, case.id)
        [grant] = grants_of(db, case.id, cast.second_expert.id)
        assert (grant.given_by, grant.sees_identity, grant.role) == (cast.surgeon.id, False, "expert")
        assert opinions.sign(db, stepped_up(cast.second_expert.actor), case.id, WORDS)
        assert [one.kind for one in notices.for_actor(db, cast.surgeon.actor)][-1] in notices.KINDS
        assert "invitation-accepted" in [one.kind for one in notices.for_actor(db, cast.surgeon.actor)]
        [shown] = invited.for_case(db, cast.surgeon.actor, case.id)
        assert shown.state(ids.now()) == "accepted"
    with world.begin() as db:
        acts = {event.action for event in audit.events(db, cast.aral.id, case_id=case.id)}
        assert {"invitation:make", "invitation:accept", "grant:give"} <= acts


def test_it_is_good_once_and_for_its_address_at_the_invited_hospital(world: World, case: Case) -> None:
    cast = world.cast
    with world.begin() as db:
        plain = invite(db, world, case)
        for other in (cast.expert, cast.coordinator, cast.nurse):
            assert invited.accept(db, other.actor, plain) == Refused("invitation-other-address")
        # the same person at work elsewhere, or without the role
        people.appoint(db, Actor.system(cast.kashgar.id), cast.second_expert.id, "expert")
        elsewhere = dataclasses.replace(cast.second_expert.actor, organisation_id=cast.kashgar.id)
        assert invited.accept(db, elsewhere, plain) == Refused("invitation-other-hospital")
        unlike = dataclasses.replace(cast.second_expert.actor, roles=frozenset({"coordinator"}))
        assert invited.accept(db, unlike, plain) == Refused("invitation-other-hospital")
        assert grants_of(db, case.id, cast.second_expert.id) == []
        invited.accept(db, cast.second_expert.actor, plain)
        with pytest.raises(NotFound):
            invited.accept(db, cast.second_expert.actor, plain)
        assert len(grants_of(db, case.id, cast.second_expert.id)) == 1


def test_it_opens_no_hospital_and_a_hospitals_opens_no_case(world: World, case: Case) -> None:
    cast = world.cast
    with world.begin() as db:
        plain = invite(db, world, case)
        for act in (
            lambda: invitations.accept(db, cast.second_expert.actor, plain),
            lambda: invitations.accept_new(db, plain, login="xu.wei2", name="徐伟"),
        ):
            with pytest.raises(NotFound):
                act()
        admin = stepped_up(cast.administrator.actor)
        assert invitations.listed(db, admin) == []
        [row] = invited.for_case(db, cast.surgeon.actor, case.id)
        with pytest.raises(NotFound):
            invitations.withdraw(db, admin, row.id)
        _, into = invitations.invite(db, admin, email=ADDRESS, roles=["surgeon"])
        with pytest.raises(NotFound):
            invited.accept(db, cast.second_expert.actor, into)


def close(db: Tx, world: World, case: Case) -> None:
    opinion = world.sign(db, case)
    decisions.record(db, world.cast.surgeon.actor, case_id=case.id, opinion_id=opinion.id, choice="accept")
    cases.close(db, world.cast.surgeon.actor, case.id)


def withdraw_consent(db: Tx, world: World, case: Case) -> None:
    consents.record(db, world.cast.surgeon.actor, case_id=case.id, purpose="treatment", statement="withdraw")


def end_agreement(db: Tx, world: World, case: Case) -> None:
    agreement = agreements.agreement_between(db, world.cast.aral.id, world.cast.taizhou.id, ids.now())
    assert agreement is not None
    agreements.end(db, stepped_up(world.cast.administrator.actor), agreement.id, reason=agreements.ENDINGS[0])


def name_the_patient(db: Tx, world: World, case: Case) -> None:
    referral = referrals.for_case(db, world.cast.surgeon.actor, case.id)[0].referral
    referrals.withdraw(db, world.cast.surgeon.actor, referral.id)
    messages.post(db, world.cast.surgeon.actor, case_id=case.id, text="张卫国 is asleep.")
    case.state = "referred"
    db.flush()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (close, "invitation-over"),
        (withdraw_consent, "invitation-over"),
        (end_agreement, "invitation-over"),
        (name_the_patient, "invitation-not-ready"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_what_has_changed_since_is_looked_at(world: World, case: Case, change: object, code: str) -> None:
    with world.begin() as db:
        plain = invite(db, world, case)
        change(db, world, db.get_one(Case, case.id))  # type: ignore[operator]
        with pytest.raises(Conflict) as refused:
            invited.accept(db, world.cast.second_expert.actor, plain)
        assert refused.value.code == code
        assert grants_of(db, case.id, world.cast.second_expert.id) == []


@pytest.mark.parametrize("end", ["dismiss", "disable", "withdraw", "expire"])
def test_it_is_worth_what_the_inviter_may_do_when_it_is_accepted(world: World, case: Case, end: str) -> None:
    cast, late = world.cast, dt.timedelta(0)
    with world.begin() as db:
        plain = invite(db, world, case)
        if end == "dismiss":
            people.appoint(db, Actor.system(cast.aral.id), cast.surgeon.id, "nurse")
            people.dismiss(db, Actor.system(cast.aral.id), cast.surgeon.id, "surgeon")
        elif end == "disable":
            people.disable(db, Actor.system(cast.aral.id), cast.surgeon.id)
        elif end == "withdraw":
            [row] = invited.for_case(db, cast.second_surgeon.actor, case.id)
            invited.withdraw(db, cast.second_surgeon.actor, case.id, row.id)
        else:
            late = dt.timedelta(days=7, seconds=1)
    with ids.told(ids.now() + late), world.begin() as db:
        with pytest.raises(NotFound) as refused:
            invited.accept(db, cast.second_expert.actor, plain)
        assert refused.value.code == "invitation-not-found"


def test_who_is_in_already_keeps_what_they_have(world: World, case: Case) -> None:
    cast = world.cast
    with world.begin() as db:
        person = db.get_one(Person, cast.expert.id)
        told = dataclasses.replace(profiles.of(person), email="chen.hao@taizhou.example.cn")
        profiles.amend(db, Actor.system(cast.taizhou.id), person.id, told)
        before = [(grant.id, grant.revoked_at) for grant in grants_of(db, case.id, cast.expert.id)]
        surgeon = stepped_up(cast.surgeon.actor)
        _, plain = invited.invite(db, surgeon, case.id, to_organisation_id=cast.taizhou.id, email=told.email)
        invited.accept(db, cast.expert.actor, plain)
        assert [(grant.id, grant.revoked_at) for grant in grants_of(db, case.id, cast.expert.id)] == before


def test_who_may_invite_and_to_what(world: World, case: Case) -> None:
    cast = world.cast
    surgeon, there = stepped_up(cast.surgeon.actor), cast.taizhou.id
    with world.begin() as db:
        with pytest.raises(StepUpNeeded):
            invited.invite(db, cast.surgeon.actor, case.id, to_organisation_id=there, email=ADDRESS)
        for member, kind in ((cast.nurse, Denied), (cast.expert, Denied), (cast.administrator, NotFound), (cast.stranger, NotFound)):
            for act in (
                lambda actor: invited.invite(db, actor, case.id, to_organisation_id=there, email=ADDRESS),
                lambda actor: invited.for_case(db, actor, case.id),
                lambda actor: invited.withdraw(db, actor, case.id, ids.new()),
            ):
                with pytest.raises(kind):
                    act(stepped_up(member.actor))
        for elsewhere in (cast.kashgar.id, cast.aral.id, ids.new()):
            with pytest.raises(Invalid) as wrong:
                invited.invite(db, surgeon, case.id, to_organisation_id=elsewhere, email="x")
            assert wrong.value.fields == {"to_organisation_id": "referral-no-agreement", "email": "email-invalid"}
        draft = world.case(db, kind="flap")
        with pytest.raises(Conflict) as refused:
            invited.invite(db, surgeon, draft.id, to_organisation_id=there, email=ADDRESS)
        assert refused.value.code == "invitation-before-referral"
        other = world.case(db)
        invite(db, world, case)
        [row] = invited.for_case(db, cast.surgeon.actor, case.id)
        with pytest.raises(NotFound):
            invited.withdraw(db, cast.surgeon.actor, other.id, row.id)
