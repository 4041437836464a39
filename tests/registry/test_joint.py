"""Joint opinions: experts who have each advised say one thing together; each joins in their own hospital's name, or says why not."""

import dataclasses
import datetime as dt
import json
import threading
from functools import partial
from uuid import UUID

import pytest
import rfc8785
from sqlalchemy.orm.attributes import set_committed_value

from auth import grants
from core import audit, ids
from core.db import Tx
from core.errors import Conflict, Denied, Invalid, NotFound, StepUpNeeded
from registry import cases, joint, notices, opinions, presentations, proofs, referrals, verdicts, worklist
from registry.cases import Case
from registry.forms import fields
from registry.opinions import Opinion
from tests import cast as people_of
from tests import trainees
from tests.cast import Member
from tests.registry.conftest import WORDS, World, stepped_up
from tests.registry.test_blinding import put, second_hospital, sign

TOGETHER = {**WORDS, "urgency": "urgent", "differences": "Timing of the flap."}


def advised(db: Tx, world: World) -> tuple[Case, Member, Opinion, Opinion]:
    """A fracture on which an expert of Taizhou and one of Kashgar have each signed an opinion."""
    other = second_hospital(db, world.cast)
    case = world.case(db, kind="fracture")
    put(db, world, case, other)
    return case, other[0], sign(db, world.cast.expert, case.id), sign(db, other[0], case.id)


def asked(db: Tx, who: Member) -> list[UUID | None]:
    return [item.opinion_id for item in worklist.items(db, who.actor).needs if item.action == "join"]


def to_decide(db: Tx, who: Member) -> list[UUID | None]:
    return [item.opinion_id for item in worklist.items(db, who.actor).needs if item.action == "decide"]


def kinds(db: Tx, who: Member) -> set[str]:
    return {told.kind for told in notices.for_actor(db, who.actor) if told.kind.startswith(("joint", "opinion"))}


def test_one_signs_and_the_other_joins(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case, other, first, second = advised(db, world)
        case_id = case.id
        drafted = joint.draft(db, cast.expert.actor, case_id)
        assert drafted.raw == {"urgency": "routine"}, "it begins with the highest urgency that was told"
    with world.database.begin(acting=cast.taizhou.id) as db:
        joint.save(db, cast.expert.actor, case_id, TOGETHER)
        opinion = joint.sign(db, stepped_up(cast.expert.actor), case_id)
    with world.begin() as db:
        case = db.get_one(Case, case_id)
        assert case.urgency == "urgent"
        item = opinions.get(db, cast.surgeon.actor, opinion.id)
        assert [(one["id"], one["sha256"], one["giver"]["id"]) for one in item.content["joins"]] == [
            (str(first.id), first.sha256, str(cast.expert.id)),
            (str(second.id), second.sha256, str(other.id)),
        ]
        assert [(one.joining.state, one.giver["name"]) for one in item.joined] == [("joined", "陈浩"), ("asked", "古兰")]
        assert [one.joining.decided_at for one in item.joined] == [opinion.signed_at, None]
        assert verdicts.verify(db, cast.surgeon.actor, opinion.id).joinings_hold is None
        assert "joint-asked" in kinds(db, other)
        assert "opinion-signed" in kinds(db, cast.surgeon)
        assert (asked(db, other), asked(db, cast.expert)) == ([opinion.id], [])
        # of those who stand behind the joint one their own need no decision any more
        assert set(to_decide(db, cast.surgeon)) <= {second.id, opinion.id}
        with pytest.raises(StepUpNeeded):
            joint.join(db, other.actor, opinion.id)
        with pytest.raises(StepUpNeeded):
            joint.sign(db, cast.expert.actor, case_id, TOGETHER)
    with world.database.begin(acting=cast.kashgar.id) as db:
        joint.join(db, stepped_up(other.actor), opinion.id)
    with world.begin() as db:
        assert to_decide(db, cast.surgeon) == [opinion.id]
        assert asked(db, other) == []
        assert {"joint-joined"} <= kinds(db, cast.surgeon) & kinds(db, cast.expert)
        verdict = verdicts.verify(db, cast.surgeon.actor, opinion.id)
        assert (verdict.whole, verdict.joinings_hold, verdict.countersignature_holds) == (True, True, None)
        found = proofs.check(proofs.make(db, cast.surgeon.actor, opinion.id))
        assert (found.holds, [(who["name"], good) for who, good in found.joinings]) == (True, [("古兰", True)])
        assert found.keys == {db.keyring.public_key(db, house).hex() for house in (cast.taizhou.id, cast.kashgar.id)}
        with pytest.raises(Conflict, match="joining-state-forbids"):
            joint.join(db, stepped_up(other.actor), opinion.id)
        actions = ("opinion:joint", "opinion:join")
        assert [event.action for event in reversed(audit.events(db, cast.aral.id, case_id=case_id, actions=actions))] == list(actions)
        assert not joint.open_to_join(cast.expert.actor, opinions.for_case(db, cast.expert.actor, case_id))


def test_who_does_not_join_says_why_and_may_think_again(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case, other, _, second = advised(db, world)
        opinion = joint.sign(db, stepped_up(cast.expert.actor), case.id, TOGETHER)
        for words, code in (("  ", "field-required"), ("x" * (fields.NOTE_LIMIT + 1), "field-too-long")):
            with pytest.raises(Invalid) as refused:
                joint.decline(db, other.actor, opinion.id, words=words)
            assert refused.value.fields == {"words": code}
        joint.decline(db, other.actor, opinion.id, words="I would wait a day.")
        assert "joint-declined" in kinds(db, cast.surgeon)
        assert set(to_decide(db, cast.surgeon)) <= {second.id, opinion.id}
        [_, one] = opinions.get(db, cast.surgeon.actor, opinion.id).joined
        assert (one.joining.state, one.words) == ("declined", "I would wait a day.")
        assert b"wait" not in (one.joining.words or b"")
        assert verdicts.verify(db, cast.surgeon.actor, opinion.id).whole
        assert proofs.check(proofs.make(db, cast.surgeon.actor, opinion.id)).joinings[0][1] is None
        # what nobody has agreed on yet can be written anew, by either
        assert joint.open_to_join(other.actor, opinions.for_case(db, other.actor, case.id))
        joint.join(db, stepped_up(other.actor), opinion.id)
        [_, one] = opinions.get(db, cast.surgeon.actor, opinion.id).joined
        assert (one.joining.state, one.words) == ("joined", "")
    with world.begin() as db:
        assert [event.actor_id for event in audit.events(db, cast.aral.id, actions=("opinion:not-join",))] == [other.id]


def test_a_later_joint_opinion_asks_anew(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case, other, _, second = advised(db, world)
        before = joint.sign(db, stepped_up(cast.expert.actor), case.id, TOGETHER)
        after = joint.sign(db, stepped_up(other.actor), case.id, TOGETHER)
        assert {one["id"] for one in opinions.get(db, other.actor, after.id).content["joins"]} == {str(before.id), str(second.id)}
        assert [one.joining.state for one in opinions.get(db, other.actor, before.id).joined] == ["joined", "lapsed"]
        assert (asked(db, other), asked(db, cast.expert)) == ([], [after.id])
        with pytest.raises(Conflict, match="joining-state-forbids"):
            joint.join(db, stepped_up(other.actor), before.id)
        joint.join(db, stepped_up(cast.expert.actor), after.id)
        assert to_decide(db, cast.surgeon) == [after.id]


def test_a_joint_opinion_leaves_alone_what_is_asked_in_another_case(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        other, made = second_hospital(db, cast), []
        for case in (world.case(db, kind="fracture"), world.case(db, kind="fracture")):
            put(db, world, case, other)
            sign(db, cast.expert, case.id)
            sign(db, other[0], case.id)
            made.append(joint.sign(db, stepped_up(cast.expert.actor), case.id, TOGETHER).id)
        assert set(asked(db, other[0])) == set(made)
        assert joint.join(db, stepped_up(other[0].actor), made[1]).joint_id == made[1]
        assert asked(db, other[0]) == [made[0]]


def test_of_two_who_sign_at_once_the_second_joins_what_the_first_signed(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case, other, first, _ = advised(db, world)
    made: list[Opinion] = []

    def sign_too() -> None:
        with world.database.begin(acting=cast.kashgar.id) as db:
            made.append(joint.sign(db, stepped_up(other.actor), case.id, TOGETHER))

    second = threading.Thread(target=sign_too)
    with world.database.begin(acting=cast.taizhou.id) as db:
        before = joint.sign(db, stepped_up(cast.expert.actor), case.id, TOGETHER)
        second.start()
        second.join(1.0)
        assert second.is_alive()
    second.join()
    with world.begin() as db:
        named = {one["id"] for one in opinions.get(db, cast.surgeon.actor, made[0].id).content["joins"]}
        assert str(before.id) in named
        assert str(first.id) not in named


def test_who_joins_waits_for_a_later_joint_opinion_that_is_being_signed(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case, other, *_ = advised(db, world)
        before = joint.sign(db, stepped_up(cast.expert.actor), case.id, TOGETHER)
    refused: list[str] = []

    def join_too() -> None:
        with pytest.raises(Conflict) as caught, world.database.begin(acting=cast.kashgar.id) as db:
            joint.join(db, stepped_up(other.actor), before.id)
        refused.append(caught.value.code)

    second = threading.Thread(target=join_too)
    with world.database.begin(acting=cast.taizhou.id) as db:
        joint.sign(db, stepped_up(cast.expert.actor), case.id, TOGETHER)
        second.start()
        second.join(1.0)
        assert second.is_alive()
    second.join()
    assert refused == ["joining-state-forbids"]


def test_a_named_expert_answers_as_an_expert_in_a_session(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case, other, *_ = advised(db, world)
        opinion = joint.sign(db, stepped_up(cast.expert.actor), case.id, TOGETHER)
        token = dataclasses.replace(other.actor, token_id=ids.new(), scopes=frozenset({"opinion:read", "opinion:sign"}))
        with pytest.raises(Denied, match="session-needed"):
            joint.decline(db, token, opinion.id, words="No.")
        coordinator = dataclasses.replace(stepped_up(other.actor), roles=frozenset({"coordinator"}))
        for act in (joint.join, partial(joint.decline, words="No.")):
            with pytest.raises(Denied, match="not-allowed"):
                act(db, coordinator, opinion.id)


def test_why_somebody_does_not_join_names_the_patient_to_nobody_who_may_not_know(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        other = second_hospital(db, cast)
        case = world.case(db, kind="fracture")
        name = cases.known_as(db, case)[0].name
        world.asked(db, case)
        there = world.refer(db, case, to_organisation_id=cast.kashgar.id, sees_identity=True)
        referrals.allocate(db, other[1].actor, there.id, expert_id=other[0].id)
        for who in (cast.expert, other[0]):
            sign(db, who, case.id)
        opinion = joint.sign(db, stepped_up(cast.expert.actor), case.id, TOGETHER)
        with pytest.raises(Invalid, match="text-identifies-patient"):
            joint.decline(db, other[0].actor, opinion.id, words=f"Not for {name}.")


def test_who_is_in_training_neither_brings_opinions_together_nor_joins(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case, other, *_ = advised(db, world)
        trainees.begin(db, cast.expert)
        with pytest.raises(Conflict, match="opinion-needs-senior"):
            joint.sign(db, stepped_up(cast.expert.actor), case.id, TOGETHER)
        trainees.end(db, cast.expert)
        opinion = joint.sign(db, stepped_up(cast.expert.actor), case.id, TOGETHER)
        trainees.begin(db, other)
        with pytest.raises(Denied, match="in-training"):
            joint.join(db, stepped_up(other.actor), opinion.id)
        # which gives nothing
        assert joint.decline(db, other.actor, opinion.id, words="My senior would wait.").state == "declined"
        trainees.end(db, other)
        assert joint.join(db, stepped_up(other.actor), opinion.id).state == "joined"


def test_for_the_opinion_of_a_trainee_the_senior_is_asked(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        trainee, other = trainees.expert(db, cast), second_hospital(db, cast)
        case = world.case(db, kind="fracture")
        first, _ = put(db, world, case, other)
        referrals.allocate(db, cast.coordinator.actor, first.id, expert_id=trainee.id)
        referrals.acknowledge(db, trainee.actor, first.id)
        presented = presentations.present(db, stepped_up(trainee.actor), case.id, WORDS, senior_id=cast.expert.id)
        sign(db, other[0], case.id)
        presentations.countersign(db, stepped_up(cast.expert.actor), presented.id)
        opinion = joint.sign(db, stepped_up(other[0].actor), case.id, TOGETHER)
        assert (asked(db, cast.expert), asked(db, trainee)) == ([opinion.id], [])
        trainees.end(db, trainee)
        with pytest.raises(NotFound, match="joining-not-found"):
            joint.join(db, stepped_up(trainee.actor), opinion.id)
        assert not joint.to_join(trainee.actor, opinions.for_case(db, trainee.actor, case.id))
        joint.join(db, stepped_up(cast.expert.actor), opinion.id)
        assert verdicts.verify(db, cast.surgeon.actor, opinion.id).whole
        assert proofs.check(proofs.make(db, cast.surgeon.actor, opinion.id)).holds


def test_nobody_else_joins_and_nothing_is_joined_that_is_not_there(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        other = second_hospital(db, cast)
        case = world.case(db, kind="fracture")
        put(db, world, case, other)
        sign(db, cast.expert, case.id)
        for verb in (joint.draft, joint.sign):
            with pytest.raises(Conflict, match="joint-blinded"):
                verb(db, stepped_up(cast.expert.actor), case.id)
        sign(db, other[0], case.id)
        for actor, error in ((cast.surgeon.actor, "not-allowed"), (cast.stranger.actor, "case-not-found")):
            with pytest.raises(Exception, match=error):
                joint.sign(db, stepped_up(actor), case.id, TOGETHER)
        opinion = joint.sign(db, stepped_up(cast.expert.actor), case.id, TOGETHER)
        third = people_of.join(db, cast.taizhou, "he.xin", "何欣", "He Xin", "expert")
        let_in = {
            "organisation_id": cast.aral.id,
            "grantee_organisation_id": cast.taizhou.id,
            "expires_at": ids.now() + dt.timedelta(days=1),
        }
        grants.give(db, cast.surgeon.actor, case_id=case.id, role="expert", person_id=third.id, reason="test", **let_in)
        for actor, error in ((cast.stranger.actor, "case-not-found"), (third.actor, "joining-not-found")):
            with pytest.raises(NotFound, match=error):
                joint.join(db, stepped_up(actor), opinion.id)
            with pytest.raises(NotFound, match=error):
                joint.decline(db, stepped_up(actor), opinion.id, words="No.")
        with pytest.raises(Conflict, match="joint-alone"):
            joint.sign(db, stepped_up(third.actor), case.id, TOGETHER)
        alone = world.case(db)
        world.asked(db, alone)
        world.sign(db, alone)
        with pytest.raises(Conflict, match="joint-alone"):
            joint.draft(db, cast.expert.actor, alone.id)


def test_a_joining_of_something_else_is_no_joining(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case, other, first, _ = advised(db, world)
        opinion = joint.sign(db, stepped_up(cast.expert.actor), case.id, TOGETHER)
        row = joint.join(db, stepped_up(other.actor), opinion.id)
        proof = json.loads(proofs.make(db, cast.surgeon.actor, opinion.id))
        [statement] = proof["joinings"]
        told = json.loads(statement["document"])
        for changed in (
            {"opinion": {"id": str(first.id), "sha256": first.sha256}},
            {"joiner": json.loads(proof["document"])["signer"]},
            {"schema": "shanhai/joining/2"},
        ):
            text = rfc8785.dumps(told | changed)
            signed = db.keyring.sign(db, cast.kashgar.id, text)
            given = statement | {"document": text.decode(), "signature": signed.hex()}
            assert not proofs.check(json.dumps(proof | {"joinings": [given]}).encode()).holds
            held = row.document, row.signature
            row.document, row.signature = cases.seal(db, case, "joining", "joinings", row.id, text), signed
            assert not verdicts.verify(db, cast.surgeon.actor, opinion.id).whole
            row.document, row.signature = held
        assert verdicts.verify(db, cast.surgeon.actor, opinion.id).whole
        # beside a good signature a key that is not the hospital's
        held_key, held_signature = row.public_key, row.signature
        row.public_key = db.keyring.public_key(db, cast.taizhou.id)
        assert not verdicts.verify(db, cast.surgeon.actor, opinion.id).joinings_hold
        # the statement by the key of another hospital than the joiner's
        row.signature = db.keyring.sign(db, cast.taizhou.id, statement["document"].encode())
        assert not verdicts.verify(db, cast.surgeon.actor, opinion.id).joinings_hold
        row.public_key, row.signature = held_key, held_signature
        set_committed_value(first, "sha256", "0" * 64)
        assert verdicts.verify(db, cast.surgeon.actor, opinion.id).changed == (f"opinion:{first.id}",)
