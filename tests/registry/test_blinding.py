"""Independent opinions: what one adviser writes is kept from the others by every verb, until all have answered, and never in an emergency."""

import datetime as dt
from collections.abc import Iterator
from uuid import UUID

import pytest

from auth import agreements, blinding
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Invalid, NotFound
from imaging import annotations
from imaging.sandbox import Pool
from registry import cases, decisions, independence, messages, notices, opinions, proofs, referrals, verdicts, worklist
from registry.cases import Case
from registry.opinions import Opinion
from registry.outgoing import Referral
from tests import cast as people_of
from tests.cast import Cast, Member
from tests.registry.conftest import WORDS, World, run_jobs, stepped_up
from tests.registry.test_evidence import LINE, photo

HANDLERS = {blinding.LIFTED: independence.unblinded}
QUESTION = {"question": "Nail or plate?", "independent": True}


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    made = Pool(1)
    yield made
    made.close()


def second_hospital(db: Tx, cast: Cast) -> tuple[Member, Member]:
    """An expert and a coordinator of Kashgar, with which Aral now has an agreement too."""
    starts = ids.now().date() - dt.timedelta(days=1)
    agreements.agree(db, Actor.system(cast.aral.id), other_id=cast.kashgar.id, starts=starts, words="limb trauma")
    expert = people_of.join(db, cast.kashgar, "gu.lan", "古兰", "Gu Lan", "expert", specialty="hand-surgery")
    return expert, people_of.join(db, cast.kashgar, "di.mei", "迪梅", "Di Mei", "coordinator")


def put(db: Tx, world: World, case: Case, other: tuple[Member, Member]) -> tuple[Referral, Referral]:
    """The question put to both hospitals, each expert having it."""
    expert, coordinator = other
    first = world.asked(db, case, **QUESTION)
    second = world.refer(db, case, **QUESTION | {"to_organisation_id": world.cast.kashgar.id})
    referrals.allocate(db, coordinator.actor, second.id, expert_id=expert.id)
    return first, referrals.acknowledge(db, expert.actor, second.id)


def sign(db: Tx, who: Member, case_id: UUID, **words: str) -> Opinion:
    return opinions.sign(db, stepped_up(who.actor), case_id, {**WORDS, "urgency": "routine", **words})


def kinds(db: Tx, who: Member) -> list[str]:
    return sorted(told.kind for told in notices.for_actor(db, who.actor))


def test_advisers_are_blind_to_each_other_until_each_has_answered(world: World, pool: Pool) -> None:
    cast = world.cast
    with world.begin() as db:
        other = second_hospital(db, cast)
        case_id = world.case(db, kind="fracture").id
        case = db.get_one(Case, case_id)
        put(db, world, case, other)
    picture = photo(world, pool, case)
    expert = other[0]
    with world.begin() as db:
        case = db.get_one(Case, case_id)
        drawn = {"case_id": case_id, "instance_id": picture.id, "frame": 1, "tool": "arrow", "points": LINE}
        mark = annotations.create(db, cast.expert.actor, text="Butterfly fragment", client_id=ids.new(), **drawn)
        own = annotations.create(db, expert.actor, text="Mine", client_id=ids.new(), **drawn)
        theirs = annotations.create(db, cast.surgeon.actor, text="Here?", client_id=ids.new(), **drawn)
        messages.post(db, cast.expert.actor, case_id=case_id, text="I would plate it.")
        messages.post(db, cast.coordinator.actor, case_id=case_id, text="Ours is on it.")
        messages.post(db, cast.surgeon.actor, case_id=case_id, text="Thank you both.")
        opinion = sign(db, cast.expert, case_id, recommendation="Plate.")
        decisions.record(db, cast.surgeon.actor, case_id=case_id, opinion_id=opinion.id, choice="accept")
    with world.begin() as db:
        case = db.get_one(Case, case_id)
        assert case.state == "referred", "the state would tell the other expert that somebody has answered"
        # the treating hospital reads everything, the writer their own
        for reader in (cast.surgeon, cast.expert):
            assert [item.opinion.id for item in opinions.for_case(db, reader.actor, case_id)] == [opinion.id]
            assert [item.decision.opinion_id for item in decisions.for_case(db, reader.actor, case_id)] == [opinion.id]
        assert len(messages.thread(db, cast.surgeon.actor, case_id)) == 3
        assert {one.id for one in annotations.for_case(db, cast.surgeon.actor, case_id, case.organisation_id)} == {
            mark.id,
            own.id,
            theirs.id,
        }
    with world.database.begin(acting=cast.kashgar.id) as db:
        case = db.get_one(Case, case_id)
        # to the other nothing of it exists
        assert opinions.for_case(db, expert.actor, case_id) == []
        assert decisions.for_case(db, expert.actor, case_id) == []
        for verb in (opinions.get, opinions.reach, opinions.canonical, verdicts.verify, proofs.make):
            with pytest.raises(NotFound, match="opinion-not-found"):
                verb(db, expert.actor, opinion.id)
        with pytest.raises(NotFound, match="opinion-not-found"):
            opinions.draft(db, expert.actor, case_id, addendum_to=opinion.id)
        assert {one.id for one in annotations.for_case(db, expert.actor, case_id, case.organisation_id)} == {own.id, theirs.id}
        now = annotations.for_case(db, expert.actor, case_id, case.organisation_id, at=ids.now())
        assert {one.id for one in now} == {own.id, theirs.id}
        assert annotations.counts(db, expert.actor, case_id, case.organisation_id) == {picture.id: 2}
        with pytest.raises(NotFound, match="annotation-not-found"):
            annotations.withdraw(db, expert.actor, mark.id, case_id=case_id, expected=1)
        assert messages.unread(db, expert.actor, [case_id]) == {case_id: 1}
        assert [post.text for post in messages.thread(db, expert.actor, case_id)] == ["Thank you both."]
        assert [post.text for post in messages.thread(db, other[1].actor, case_id)] == ["Thank you both."]
        assert messages.hearers(db, expert.actor, case) == {cast.surgeon.id}
        assert {one.referral.to_organisation_id for one in referrals.for_case(db, expert.actor, case_id)} == {cast.kashgar.id}
        assert kinds(db, expert) == ["message-posted", "referral-allocated"]
        # what is drawn by others is not in what one signs
        second = sign(db, expert, case_id, recommendation="Nail.")
        signed = opinions.get(db, expert.actor, second.id)
        assert {one["id"] for one in signed.content["marks"]} == {str(own.id), str(theirs.id)}
        assert "decision-recorded" not in kinds(db, expert)
        assert db.get_one(Case, case_id).state == "answered"
    with world.database.begin(acting=cast.taizhou.id) as db:
        # who goes by the same question is not kept apart
        assert len(messages.thread(db, cast.coordinator.actor, case_id)) == 3
    with world.begin() as db:
        for reader in (cast.expert, expert):
            assert {item.opinion.id for item in opinions.for_case(db, reader.actor, case_id)} == {opinion.id, second.id}
        assert verdicts.verify(db, expert.actor, opinion.id).whole
        assert [post.text for post in messages.thread(db, expert.actor, case_id)][:1] == ["I would plate it."]
        assert len(annotations.for_case(db, expert.actor, case_id, case.organisation_id)) == 3
        found = audit.events(db, cast.aral.id, case_id=case_id, actions=("case:blind", "case:unblind"))
        assert [(event.action, event.detail) for event in reversed(found)] == [
            ("case:blind", {}),
            ("case:unblind", {"because": "answered"}),
        ]


def test_a_message_kept_from_somebody_does_not_call_them_to_their_list(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        other = second_hospital(db, cast)
        case = world.case(db, kind="fracture")
        put(db, world, case, other)
        sign(db, other[0], case.id)
        messages.post(db, cast.expert.actor, case_id=case.id, text="I would plate it.")
        assert worklist.items(db, other[0].actor).needs == []
        assert [item.action for item in worklist.items(db, cast.surgeon.actor).needs] == ["decide"]


def test_who_has_answered_hears_of_no_decision_on_another_while_a_question_is_out(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        other = second_hospital(db, cast)
        case = world.case(db, kind="fracture")
        put(db, world, case, other)
        mine = sign(db, other[0], case.id)
        theirs = sign(db, cast.expert, case.id)
        assert blinding.standing(db, case.id) is None
        world.refer(db, case, **QUESTION)
        before = kinds(db, other[0])
        decisions.record(db, cast.surgeon.actor, case_id=case.id, opinion_id=theirs.id, choice="accept")
        assert kinds(db, other[0]) == before
        assert "decision-recorded" in kinds(db, cast.expert)
        decisions.record(db, cast.surgeon.actor, case_id=case.id, opinion_id=mine.id, choice="reject", reason="Too late.")
        assert "decision-recorded" in kinds(db, other[0])


def test_what_an_expert_of_the_treating_hospital_advises_is_kept_too_and_what_its_surgeon_writes_is_not(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        other = second_hospital(db, cast)
        at_home = people_of.join(db, cast.aral, "he.ping", "何平", "He Ping", "expert", specialty="hand-surgery")
        case = world.case(db, kind="fracture")
        put(db, world, case, other)
        before = kinds(db, other[0])
        opinion = sign(db, at_home, case.id)
        messages.post(db, cast.surgeon.actor, case_id=case.id, text="Thank you.")
        assert [item.opinion.id for item in opinions.for_case(db, cast.surgeon.actor, case.id)] == [opinion.id]
        assert opinions.for_case(db, other[0].actor, case.id) == []
        assert [post.text for post in messages.thread(db, other[0].actor, case.id)] == ["Thank you."]
        assert kinds(db, other[0]) == sorted([*before, "message-posted"])


def test_nothing_is_kept_where_nobody_asked_for_it(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        other = second_hospital(db, cast)
        case = world.case(db, kind="fracture")
        world.asked(db, case)
        second = world.refer(db, case, to_organisation_id=cast.kashgar.id)
        referrals.allocate(db, other[1].actor, second.id, expert_id=other[0].id)
        opinion = sign(db, cast.expert, case.id)
        assert [item.opinion.id for item in opinions.for_case(db, other[0].actor, case.id)] == [opinion.id]
        assert case.state == "answered"
        assert "opinion-signed" in kinds(db, other[0])


def test_an_emergency_is_never_blind(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        other = second_hospital(db, cast)
        severed = world.case(db)
        with pytest.raises(Invalid) as refused:
            world.refer(db, severed, **QUESTION)
        assert refused.value.fields == {"independent": "referral-independent-emergency"}
        case = world.case(db, kind="fracture")
        put(db, world, case, other)
        opinion = sign(db, cast.expert, case.id)
        assert opinions.for_case(db, other[0].actor, case.id) == []
        cases.raise_urgency(db, cast.surgeon.actor, case, "urgent", "test")
        assert opinions.for_case(db, other[0].actor, case.id) == []
        cases.raise_urgency(db, cast.surgeon.actor, case, "emergency", "test")
        assert [item.opinion.id for item in opinions.for_case(db, other[0].actor, case.id)] == [opinion.id]
        case_id = case.id
    run_jobs(world.database, HANDLERS)
    with world.begin() as db:
        assert db.get_one(Case, case_id).state == "answered"
        version = db.get_one(Case, case_id).version
        again = cases.set_urgency(db, cast.surgeon.actor, case_id, urgency="routine", version=version)
        assert blinding.standing(db, again.id) is None, "it does not come back by itself"


def test_the_treating_hospital_ends_it_when_it_likes(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        other = second_hospital(db, cast)
        case = world.case(db, kind="fracture")
        put(db, world, case, other)
        opinion = sign(db, cast.expert, case.id)
        for nobody in (cast.expert, other[0], cast.nurse):
            with pytest.raises(Exception, match="not-allowed"):
                independence.end(db, nobody.actor, case.id)
        independence.end(db, cast.surgeon.actor, case.id)
        assert case.state == "answered"
        assert [item.opinion.id for item in opinions.for_case(db, other[0].actor, case.id)] == [opinion.id]


def test_a_question_that_comes_back_finds_the_opinion_of_the_other_still_kept(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        other = second_hospital(db, cast)
        case = world.case(db, kind="fracture")
        _, second = put(db, world, case, other)
        opinion = sign(db, cast.expert, case.id)
        referrals.decline(db, other[0].actor, second.id, code="no_capacity")
        case_id, second_id = case.id, second.id
        assert (case.state, blinding.standing(db, case_id)) == ("answered", None)
        referrals.allocate(db, other[1].actor, second_id, expert_id=other[0].id)
        assert opinions.for_case(db, other[0].actor, case_id) == []
        sign(db, other[0], case_id)
        assert len(opinions.for_case(db, other[0].actor, case_id)) == 2
        assert opinion.id in {item.opinion.id for item in opinions.for_case(db, other[0].actor, case_id)}


def test_a_hospital_that_declines_leaves_the_case_with_the_other(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        other = second_hospital(db, cast)
        case = world.case(db, kind="fracture")
        _, second = put(db, world, case, other)
        case_id, second_id = case.id, second.id
    with world.database.begin(acting=cast.kashgar.id) as db:
        referrals.decline(db, other[1].actor, second_id, code="no_capacity")
    run_jobs(world.database, HANDLERS)
    with world.begin() as db:
        assert db.get_one(Case, case_id).state == "referred"
