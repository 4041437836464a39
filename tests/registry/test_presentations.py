"""A trainee's opinion is signed and not given: nobody outside their hospital learns of it until a senior countersigns."""

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Callable

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import delete, func, insert, select, update

from auth import grants, people, rules
from auth.grants import Grant
from core import audit, ids
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict, Damaged, Denied, Invalid, NotFound, PreconditionFailed, StepUpNeeded
from registry import (
    cases,
    consents,
    countersignatures,
    decisions,
    drafts,
    escalation,
    notices,
    opinions,
    presentations,
    questions,
    referrals,
    verdicts,
    worklist,
)
from registry.cases import Case
from registry.countersignatures import Countersignature
from registry.opinions import Opinion
from registry.presented import Presentation
from registry.referrals import Referral
from tests import trainees
from tests.cast import Member
from tests.registry.conftest import WORDS, World, run_jobs, stepped_up


@dataclasses.dataclass
class Ward:
    """A case of Aral whose question lies with a trainee of Taizhou."""

    world: World
    trainee: Member
    case: Case
    referral: Referral

    @property
    def senior(self) -> Member:
        """The senior who is asked."""
        return self.world.cast.expert

    def present(self, db: Tx, senior: Member | None = None, **words: str) -> Presentation:
        """The trainee's signed opinion before a senior."""
        chosen = (senior or self.senior).id
        return presentations.present(db, stepped_up(self.trainee.actor), self.case.id, {**WORDS, **words}, senior_id=chosen)

    def countersign(self, db: Tx, presentation: Presentation) -> Opinion:
        """Given by the senior."""
        return presentations.countersign(db, stepped_up(self.senior.actor), presentation.id)


def begin(world: World, db: Tx, **more: object) -> Ward:
    """The question at the trainee's."""
    trainee = trainees.expert(db, world.cast)
    case = world.case(db)
    world.injury(db, case)
    referral = world.refer(db, case, **more)
    referrals.allocate(db, world.cast.coordinator.actor, referral.id, expert_id=trainee.id)
    referrals.acknowledge(db, trainee.actor, referral.id)
    return Ward(world, trainee, case, referral)


def test_it_is_signed_and_not_given(world: World) -> None:
    surgeon, expert = world.cast.surgeon.actor, world.cast.expert
    with world.begin() as db:
        ward = begin(world, db)
        due = ward.referral.due_at
        presentation = ward.present(db)
        assert (presentation.state, db.scalar(select(func.count()).select_from(Opinion))) == ("waiting", 0)
        # the question is open, its clock goes on, and who is waited for is the senior with a telephone
        assert (ward.referral.state, ward.referral.answered_at, ward.referral.due_at) == ("acknowledged", None, due)
        assert ward.case.state == "referred"
        waiting = questions.waiting_for(db, ward.referral)
        assert waiting is not None
        assert (waiting.event, [c.person_id for c in waiting.contacts], waiting.since) == (
            "countersign",
            [expert.id],
            presentation.signed_at,
        )
        for reader in (surgeon, world.cast.nurse.actor, world.cast.coordinator.actor):
            with pytest.raises(Denied):
                presentations.for_case(db, reader, ward.case.id)
            with pytest.raises(NotFound):
                presentations.get(db, reader, presentation.id)
        assert opinions.for_case(db, surgeon, ward.case.id) == []
        for read in (opinions.get, opinions.canonical, verdicts.verify):
            with pytest.raises(NotFound):
                read(db, surgeon, presentation.id)
        with pytest.raises(NotFound):
            decisions.record(db, surgeon, case_id=ward.case.id, opinion_id=presentation.id, choice="accept")
        assert "opinion-signed" not in {n.kind for n in notices.for_actor(db, surgeon)}
        assert "decide" not in {item.action for item in worklist.items(db, surgeon).needs}
        assert [n.kind for n in notices.for_actor(db, expert.actor)] == ["opinion-to-countersign"]
    with world.begin() as db:
        (event,) = audit.events(db, world.cast.aral.id, case_id=ward.case.id, actions=("opinion:present",))
        assert (event.actor_id, event.person_id, event.detail) == (ward.trainee.id, expert.id, {"sha256": presentation.sha256})


def test_countersigned_it_is_given_with_both_names(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        ward = begin(world, db)
        presentation = ward.present(db, findings="断端整齐")
        (mine,) = worklist.items(db, cast.expert.actor).needs
        assert (mine.action, mine.presentation_id, mine.due_at) == ("countersign", presentation.id, ward.referral.due_at)
        waits = worklist.items(db, ward.trainee.actor)
        assert (waits.needs, [i.waiting and i.waiting.contacts[0].person_id for i in waits.waiting]) == ([], [cast.expert.id])
        opinion = ward.countersign(db, presentation)
        assert (opinion.id, opinion.sha256, opinion.author_id) == (presentation.id, presentation.sha256, ward.trainee.id)
        assert (ward.referral.state, ward.case.state, presentation.state) == ("answered", "answered", "given")
        (signed,) = opinions.for_case(db, cast.surgeon.actor, ward.case.id)
        assert signed.countersigned is not None
        assert (signed.content["signer"]["name"], signed.countersigned["countersigner"]["name"]) == ("何平", "陈浩")
        assert signed.author_signed_at == presentation.signed_at <= opinion.signed_at
        verdict = verdicts.verify(db, cast.surgeon.actor, opinion.id)
        assert (verdict.whole, verdict.countersignature_holds) == (True, True)
        assert notices.for_actor(db, cast.surgeon.actor)[0].kind == "opinion-signed"
        assert "opinion-countersigned" in {n.kind for n in notices.for_actor(db, ward.trainee.actor)}
        assert worklist.items(db, cast.surgeon.actor).needs[0].action == "decide"
        decisions.record(db, cast.surgeon.actor, case_id=ward.case.id, opinion_id=opinion.id, choice="accept")
        assert notices.for_actor(db, cast.expert.actor)[0].kind == "decision-recorded"
        with pytest.raises(Conflict, match="presentation-state-forbids"):
            ward.countersign(db, presentation)
    with world.begin() as db:
        (event,) = audit.events(db, cast.aral.id, case_id=ward.case.id, actions=("opinion:countersign",))
        assert (event.actor_id, event.person_id) == (cast.expert.id, ward.trainee.id)


def test_both_signatures_can_be_checked_with_the_documents_alone(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        ward = begin(world, db)
        opinion = ward.countersign(db, ward.present(db))
        text = opinions.canonical(db, cast.surgeon.actor, opinion.id)
        row = db.scalars(select(Countersignature)).one()
        statement = cases.unseal(db, ward.case, "countersignature", "countersignatures", row.id, row.document)
        Ed25519PublicKey.from_public_bytes(opinion.public_key).verify(opinion.signature, text)
        Ed25519PublicKey.from_public_bytes(row.public_key).verify(row.signature, statement)
        assert row.public_key == db.keyring.public_key(db, cast.taizhou.id)
        told = json.loads(statement)
        assert json.loads(text)["schema"] == "shanhai/opinion/2"
        assert told["opinion"] == {"id": str(opinion.id), "sha256": hashlib.sha256(text).hexdigest()}
        assert (told["signer"]["id"], told["countersigner"]["id"]) == (str(ward.trainee.id), str(cast.expert.id))
        assert "张卫国" not in statement.decode()


def test_an_opinion_without_its_countersignature_is_not_what_was_given(world: World, root: Database) -> None:
    """Whoever owns the database copies a waiting opinion among the given ones, or takes the senior's signature away."""
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        ward = begin(world, db)
        presentation = ward.present(db)
    with root.begin() as db:
        row = {column.name: getattr(presentation, column.name) for column in Opinion.__table__.columns}
        db.execute(insert(Opinion).values(**row))
    with world.begin() as db, pytest.raises(Damaged):
        opinions.for_case(db, surgeon, ward.case.id)
    with root.begin() as db:
        db.execute(delete(Opinion))
    with world.begin() as db:
        opinion = ward.countersign(db, presentation)
    with root.begin() as db:
        db.execute(delete(Countersignature))
    with world.begin() as db:
        verdict = verdicts.verify(db, surgeon, opinion.id)
        assert (verdict.whole, verdict.countersignature_holds, verdict.signature_holds) == (False, False, True)


def test_a_countersignature_of_another_opinion_does_not_hold(world: World, root: Database) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        ward = begin(world, db)
        first = ward.countersign(db, ward.present(db))
        second = ward.countersign(db, ward.present(db, findings="Later."))
        rows = {row.opinion_id: row for row in db.scalars(select(Countersignature))}
        statement = cases.unseal(db, ward.case, "countersignature", "countersignatures", rows[first.id].id, rows[first.id].document)
        forged = cases.seal(db, ward.case, "countersignature", "countersignatures", rows[second.id].id, statement)
        values = {"document": forged, "signature": rows[first.id].signature}
    with root.begin() as db:
        db.execute(update(Countersignature).where(Countersignature.opinion_id == second.id).values(**values))
    with world.begin() as db:
        assert verdicts.verify(db, surgeon, first.id).whole
        verdict = verdicts.verify(db, surgeon, second.id)
        assert (verdict.whole, verdict.countersignature_holds) == (False, False)


def test_a_countersignature_is_another_persons_of_the_same_hospital_over_this_very_opinion() -> None:
    """Each statement is honest in everything but one thing, and signed with a good key."""
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    hospital, elsewhere = {"id": "taizhou"}, {"id": "kashgar"}
    trainee, senior = {"id": "he.ping", "organisation": hospital}, {"id": "chen.hao", "organisation": hospital}
    canonical = rfc8785.dumps({"schema": countersignatures.TRAINEE, "opinion": {"id": "1"}, "signer": trainee})
    honest = json.loads(countersignatures.state(canonical, senior, ids.now()))

    def holds(signing: Ed25519PrivateKey = key, **more: object) -> bool:
        statement = rfc8785.dumps(honest | more)  # type: ignore[arg-type]
        return countersignatures.holds(canonical, statement, signing.sign(statement), key.public_key().public_bytes_raw())

    assert holds()
    assert not holds(countersigner=trainee)
    assert not holds(countersigner=senior | {"organisation": elsewhere})
    assert not holds(signer=trainee | {"id": "jin.shan"})
    assert not holds(opinion=honest["opinion"] | {"sha256": hashlib.sha256(b"another").hexdigest()})
    assert not holds(opinion=honest["opinion"] | {"id": "2"})
    assert not holds(schema=countersignatures.TRAINEE)
    assert not holds(other)


def test_an_opinion_that_needs_none_says_so(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        opinion = world.sign(db, case)
        verdict = verdicts.verify(db, world.cast.surgeon.actor, opinion.id)
        assert (verdict.whole, verdict.countersignature_holds) == (True, None)
        assert opinions.get(db, world.cast.surgeon.actor, opinion.id).countersigned is None


def test_returned_with_words_the_old_text_is_the_draft_again_and_the_version_stays(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        ward = begin(world, db)
        presentation = ward.present(db, findings="断端整齐，远端苍白")
        with pytest.raises(Invalid):
            presentations.give_back(db, cast.expert.actor, presentation.id, words="  ")
        presentations.give_back(db, cast.expert.actor, presentation.id, words="请写明吻合几条静脉。")
        assert notices.for_actor(db, ward.trainee.actor)[0].kind == "opinion-returned"
        draft = opinions.draft(db, ward.trainee.actor, ward.case.id)
        assert (draft.raw["findings"], draft.raw["urgency"], draft.raw["limits"]) == ("断端整齐，远端苍白", "emergency", WORDS["limits"])
        (item,) = worklist.items(db, ward.trainee.actor).needs
        assert item.action == "answer"
        saved = opinions.save(db, ward.trainee.actor, ward.case.id, {"recommendation": "两动脉三静脉"})
        assert saved.raw["findings"] == "断端整齐，远端苍白"
        second = presentations.present(db, stepped_up(ward.trainee.actor), ward.case.id, senior_id=cast.expert.id, version=saved.version)
        assert opinions.draft(db, ward.trainee.actor, ward.case.id).raw == {}
        opinion = ward.countersign(db, second)
        (signed,) = opinions.for_case(db, cast.surgeon.actor, ward.case.id)
        assert signed.opinion.id == opinion.id
        texts = {section["name"]: section["text"] for section in signed.content["sections"]}
        assert (texts["findings"], texts["recommendation"]) == ("断端整齐，远端苍白", "两动脉三静脉")
        kept = presentations.for_case(db, ward.trainee.actor, ward.case.id)
        assert [(item.presentation.state, item.words) for item in kept] == [("returned", "请写明吻合几条静脉。"), ("given", "")]
        assert kept[0].content["sections"][0]["text"] == "断端整齐，远端苍白"
        with pytest.raises(Conflict, match="presentation-state-forbids"):
            ward.countersign(db, presentation)


def test_what_is_typed_while_it_waits_is_not_lost_when_it_comes_back(world: World) -> None:
    with world.begin() as db:
        ward = begin(world, db)
        presentation = ward.present(db)
        opinions.save(db, ward.trainee.actor, ward.case.id, {"findings": "a second thought"})
        presentations.give_back(db, ward.senior.actor, presentation.id, words="x")
        assert opinions.draft(db, ward.trainee.actor, ward.case.id).raw == {"findings": "a second thought"}
        assert drafts.started(db, ward.trainee.actor, [ward.case.id])


def test_signing_needs_all_that_signing_needs_and_a_senior_who_can(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        ward = begin(world, db)
        fellow = trainees.expert(db, cast, "jin.shan", "金山", "Jin Shan")
        signing, case_id = stepped_up(ward.trainee.actor), ward.case.id
        with pytest.raises(StepUpNeeded):
            presentations.present(db, ward.trainee.actor, case_id, WORDS, senior_id=cast.expert.id)
        for wrong in (None, fellow.id, ward.trainee.id, cast.coordinator.id, cast.surgeon.id, ids.new()):
            with pytest.raises(Invalid) as caught:
                presentations.present(db, signing, case_id, WORDS, senior_id=wrong)
            assert "senior_id" in caught.value.fields
        with pytest.raises(Invalid) as caught:
            presentations.present(db, signing, case_id, {"findings": "a"}, senior_id=cast.expert.id)
        assert set(caught.value.fields) == {"recommendation", "urgency", "limits"}
        with pytest.raises(PreconditionFailed):
            presentations.present(db, signing, case_id, WORDS, senior_id=cast.expert.id, version=3)
        with pytest.raises(Conflict, match="opinion-needs-senior"):
            opinions.sign(db, signing, case_id, WORDS)
        token = dataclasses.replace(signing, token_id=ids.new(), scopes=frozenset(rules.ACTIONS))
        with pytest.raises(Denied, match="session-needed"):
            presentations.present(db, token, case_id, WORDS, senior_id=cast.expert.id)
        ward.present(db)
        with pytest.raises(Conflict, match="opinion-waits-already"):
            ward.present(db)
        # and whoever is not in training asks no senior
        with pytest.raises(Conflict, match="opinion-needs-no-senior"):
            presentations.present(db, stepped_up(cast.expert.actor), case_id, WORDS, senior_id=cast.second_expert.id)
        assert [person.id for person in presentations.seniors(db, ward.trainee.actor)] == [cast.expert.id, cast.second_expert.id]


def test_the_last_senior_is_offered_first(world: World) -> None:
    with world.begin() as db:
        ward = begin(world, db)
        ward.present(db, world.cast.second_expert)
        assert next(iter(presentations.seniors(db, ward.trainee.actor))).id == world.cast.second_expert.id


def refused(world: World, ward: Ward, presentation: Presentation, db: Tx) -> dict[str, tuple[Actor, type[Exception]]]:
    """Who must not countersign, and how they are told."""
    cast = world.cast
    fellow = trainees.expert(db, cast, "jin.shan", "金山", "Jin Shan")
    scopes = frozenset(rules.ACTIONS)
    return {
        "the writer": (stepped_up(ward.trainee.actor), Denied),
        "a fellow trainee": (stepped_up(fellow.actor), NotFound),
        "another expert of the hospital": (stepped_up(cast.second_expert.actor), NotFound),
        "the surgeon": (stepped_up(cast.surgeon.actor), NotFound),
        "the coordinator": (stepped_up(cast.coordinator.actor), NotFound),
        "a stranger": (stepped_up(cast.stranger.actor), NotFound),
        "a token of the senior": (dataclasses.replace(stepped_up(cast.expert.actor), token_id=ids.new(), scopes=scopes), Denied),
        "the senior without a step-up": (cast.expert.actor, StepUpNeeded),
        "the product": (Actor.system(cast.taizhou.id), NotFound),
    }


def test_nobody_but_the_senior_countersigns_or_returns(world: World) -> None:
    with world.begin() as db:
        ward = begin(world, db)
        presentation = ward.present(db)
        for who, (actor, error) in refused(world, ward, presentation, db).items():
            with pytest.raises(error):
                presentations.countersign(db, actor, presentation.id)
            if error is not StepUpNeeded:
                with pytest.raises((Denied, NotFound)):
                    presentations.give_back(db, actor, presentation.id, words="x")
            assert presentation.state == "waiting", who
        assert db.scalar(select(func.count()).select_from(Opinion)) == 0


def test_a_fellow_trainee_who_was_let_in_countersigns_nothing(world: World) -> None:
    """A trainee who had the question before, or was named and then put in training, is no senior."""
    cast = world.cast
    with world.begin() as db:
        ward = begin(world, db)
        presentation = ward.present(db)
        trainees.begin(db, cast.expert)
        for act in (
            lambda: ward.countersign(db, presentation),
            lambda: presentations.give_back(db, cast.expert.actor, presentation.id, words="x"),
        ):
            with pytest.raises(Denied, match="in-training"):
                act()
        # whoever is waited for is the trainee again, who has to name another
        waiting = questions.waiting_for(db, ward.referral)
        assert waiting is not None
        assert [c.person_id for c in waiting.contacts] == [ward.trainee.id]
        assert [item.action for item in worklist.items(db, ward.trainee.actor).needs] == ["name-senior"]
        # the end of the writer's own training changes nothing about what they signed in it
        trainees.end(db, ward.trainee)
        with pytest.raises(Denied, match="presentation-of-other-senior"):
            presentations.countersign(db, stepped_up(ward.trainee.actor), presentation.id)


def test_another_expert_who_was_let_in_countersigns_and_returns_nothing(world: World) -> None:
    """They read the case and what waits in it; it lies with the senior who was named, and with nobody else."""
    cast = world.cast
    with world.begin() as db:
        ward = begin(world, db)
        presentation = ward.present(db)
        let_in = {"case_id": ward.case.id, "organisation_id": cast.aral.id, "grantee_organisation_id": cast.taizhou.id}
        until, second = ids.now() + dt.timedelta(days=30), cast.second_expert
        grants.give(db, cast.surgeon.actor, **let_in, role="expert", person_id=second.id, expires_at=until, reason="x")
        acting = stepped_up(second.actor)
        assert presentations.get(db, acting, presentation.id).presentation is presentation
        for act in (
            lambda: presentations.countersign(db, acting, presentation.id),
            lambda: presentations.give_back(db, acting, presentation.id, words="x"),
        ):
            with pytest.raises(Denied, match="presentation-of-other-senior"):
                act()
        assert (presentation.state, db.scalar(select(func.count()).select_from(Opinion))) == ("waiting", 0)
        ward.countersign(db, presentation)


@pytest.mark.parametrize("gone", ["disabled", "dismissed", "in training"])
def test_a_senior_who_is_gone_gives_way_to_another(world: World, gone: str) -> None:
    cast = world.cast
    with world.begin() as db:
        ward = begin(world, db)
        presentation = ward.present(db)
        system = Actor.system(cast.taizhou.id)
        if gone == "disabled":
            boss = people.create(db, system, login="qian.yu", name="钱宇", roles=["administrator"])
            people.disable(db, Actor(boss.id, cast.taizhou.id, frozenset({"administrator"})), cast.expert.id)
        elif gone == "dismissed":
            people.dismiss(db, system, cast.expert.id, "expert")
        else:
            trainees.begin(db, cast.expert)
        assert [item.action for item in worklist.items(db, ward.trainee.actor).needs] == ["name-senior"]
        with pytest.raises(Invalid):
            presentations.hand_over(db, ward.trainee.actor, presentation.id, senior_id=cast.expert.id)
        presentations.hand_over(db, ward.trainee.actor, presentation.id, senior_id=cast.second_expert.id)
        live = {g.person_id for g in db.scalars(select(Grant).where(Grant.case_id == ward.case.id, Grant.revoked_at.is_(None)))}
        assert live == {None, ward.trainee.id, cast.second_expert.id}
        opinion = presentations.countersign(db, stepped_up(cast.second_expert.actor), presentation.id)
        assert verdicts.verify(db, cast.surgeon.actor, opinion.id).whole


def test_only_the_writer_hands_over_and_the_first_senior_is_out(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        ward = begin(world, db)
        presentation = ward.present(db)
        with pytest.raises(Denied, match="presentation-of-other-expert"):
            presentations.hand_over(db, cast.expert.actor, presentation.id, senior_id=cast.second_expert.id)
        presentations.hand_over(db, ward.trainee.actor, presentation.id, senior_id=cast.expert.id)
        assert cases.get(db, cast.expert.actor, ward.case.id)
        presentations.hand_over(db, ward.trainee.actor, presentation.id, senior_id=cast.second_expert.id)
        with pytest.raises(NotFound):
            cases.get(db, cast.expert.actor, ward.case.id)
        with pytest.raises(NotFound):
            ward.countersign(db, presentation)


@pytest.mark.parametrize("sees_identity", [False, True])
def test_the_senior_is_let_in_with_what_the_trainee_holds_and_no_more(world: World, sees_identity: bool) -> None:
    cast = world.cast
    with world.begin() as db:
        ward = begin(world, db, sees_identity=sees_identity)
        with pytest.raises(NotFound):
            cases.get(db, cast.expert.actor, ward.case.id)
        ward.present(db)
        theirs = {g.person_id: g for g in db.scalars(select(Grant).where(Grant.case_id == ward.case.id, Grant.revoked_at.is_(None)))}
        mine, own = theirs[cast.expert.id], theirs[ward.trainee.id]
        assert (mine.role, mine.sees_identity, mine.expires_at, mine.given_by) == ("expert", sees_identity, own.expires_at, ward.trainee.id)
        assert cases.get(db, cast.expert.actor, ward.case.id).id == ward.case.id
        if not sees_identity:
            with pytest.raises(Denied):
                cases.identity(db, cast.expert.actor, ward.case.id)
    with world.begin() as db:
        event = audit.events(db, cast.aral.id, case_id=ward.case.id, actions=("grant:give",))[0]
        assert (event.actor_id, event.person_id) == (ward.trainee.id, cast.expert.id)


def test_what_the_senior_holds_already_is_not_taken(world: World) -> None:
    """They answered an earlier question that showed them who it is; the trainee's does not."""
    cast = world.cast
    with world.begin() as db:
        trainee = trainees.expert(db, cast)
        case = world.case(db)
        world.asked(db, case, sees_identity=True)
        world.sign(db, case)
        again = world.refer(db, case)
        referrals.allocate(db, cast.coordinator.actor, again.id, expert_id=trainee.id)
        presentations.present(db, stepped_up(trainee.actor), case.id, WORDS, senior_id=cast.expert.id)
        assert cases.identity(db, cast.expert.actor, case.id).name == "张卫国"


def test_nobody_passes_on_what_they_do_not_hold(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        ward = begin(world, db)
        told = {"case_id": ward.case.id, "reason": "x"}
        for actor, person, error in (
            (cast.second_expert.actor, cast.expert.id, NotFound),
            (cast.coordinator.actor, cast.expert.id, NotFound),
            (cast.stranger.actor, cast.expert.id, NotFound),
            (ward.trainee.actor, cast.surgeon.id, NotFound),
            (ward.trainee.actor, cast.coordinator.id, NotFound),
        ):
            with pytest.raises(error):
                grants.pass_on(db, actor, "opinion:sign", person_id=person, **told)  # type: ignore[arg-type]


def lapsed(world: World, ward: Ward, db: Tx, how: str) -> None:
    """The question is taken from the trainee in one of the ways there are."""
    cast = world.cast
    match how:
        case "withdrawn":
            referrals.withdraw(db, cast.surgeon.actor, ward.referral.id)
        case "declined by the hospital":
            referrals.decline(db, cast.coordinator.actor, ward.referral.id, code="wrong_specialty")
        case "declined by the trainee":
            referrals.decline(db, ward.trainee.actor, ward.referral.id, code="wrong_specialty")
        case "given to another":
            referrals.allocate(db, cast.coordinator.actor, ward.referral.id, expert_id=cast.second_expert.id)
        case "given to the senior":
            referrals.allocate(db, cast.coordinator.actor, ward.referral.id, expert_id=cast.expert.id)


@pytest.mark.parametrize(
    "how", ["withdrawn", "declined by the hospital", "declined by the trainee", "given to another", "given to the senior"]
)
def test_what_waits_lapses_when_the_question_is_taken_away(world: World, how: str) -> None:
    cast = world.cast
    with world.begin() as db:
        ward = begin(world, db)
        presentation = ward.present(db)
        lapsed(world, ward, db, how)
        assert presentation.state == "lapsed"
        assert "opinion-lapsed" in {n.kind for n in notices.for_actor(db, cast.expert.actor)}
        if how == "given to the senior":
            with pytest.raises(Conflict, match="presentation-state-forbids"):
                ward.countersign(db, presentation)
            # who signs for themselves now
            opinions.sign(db, stepped_up(cast.expert.actor), ward.case.id, WORDS)
        else:
            with pytest.raises(NotFound):
                ward.countersign(db, presentation)
            with pytest.raises(NotFound):
                cases.get(db, cast.expert.actor, ward.case.id)
        waiting = questions.waiting_for(db, ward.referral)
        assert waiting is None or waiting.event != "countersign"
        assert "countersign" not in {item.action for item in worklist.items(db, cast.expert.actor).needs}
        assert db.get(Opinion, presentation.id) is None


def test_a_consent_withdrawn_ends_what_waits(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        ward = begin(world, db)
        presentation = ward.present(db)
        consents.record(db, cast.surgeon.actor, case_id=ward.case.id, purpose="transfer", statement="withdraw")
        with pytest.raises(NotFound):
            ward.countersign(db, presentation)
    run_jobs(world.database, {consents.WITHDRAWN: referrals.consent_withdrawn, escalation.OVERDUE: escalation.overdue})
    with world.begin() as db:
        assert db.get_one(Presentation, presentation.id).state == "lapsed"


def test_the_same_expert_again_keeps_what_waits(world: World) -> None:
    with world.begin() as db:
        ward = begin(world, db)
        presentation = ward.present(db)
        referrals.allocate(db, world.cast.coordinator.actor, ward.referral.id, expert_id=ward.trainee.id)
        assert presentation.state == "waiting"
        ward.countersign(db, presentation)


def test_a_case_is_not_closed_over_what_waits_and_a_second_opinion_ends_with_it(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        ward = begin(world, db)
        presentation = ward.present(db)
        with pytest.raises(Conflict, match="case-question-out"):
            cases.close(db, cast.surgeon.actor, ward.case.id)
        ward.countersign(db, presentation)
        second = ward.present(db, findings="On second thoughts.")
        cases.close(db, cast.surgeon.actor, ward.case.id)
        for act in (lambda: ward.countersign(db, second), lambda: presentations.give_back(db, cast.expert.actor, second.id, words="x")):
            with pytest.raises(Conflict, match="case-closed"):
                act()
        assert worklist.items(db, cast.expert.actor).needs == []


def test_an_addendum_waits_as_well(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        ward = begin(world, db)
        opinion = ward.countersign(db, ward.present(db))
        signing = stepped_up(ward.trainee.actor)
        added = presentations.present(
            db, signing, ward.case.id, {"addition": "注意静脉。"}, senior_id=cast.expert.id, addendum_to=opinion.id
        )
        (signed,) = opinions.for_case(db, cast.surgeon.actor, ward.case.id)
        assert signed.addenda == ()
        presentations.give_back(db, cast.expert.actor, added.id, words="x")
        draft = opinions.draft(db, ward.trainee.actor, ward.case.id, addendum_to=opinion.id)
        assert draft.raw == {"addition": "注意静脉。"}
        again = presentations.present(
            db, signing, ward.case.id, {"addition": "注意静脉危象。"}, senior_id=cast.expert.id, addendum_to=opinion.id
        )  # fmt: skip
        cases.close(db, cast.surgeon.actor, ward.case.id)
        ward.countersign(db, again)
        (signed,) = opinions.for_case(db, cast.surgeon.actor, ward.case.id)
        (extra,) = signed.addenda
        assert extra.countersigned is not None
        assert notices.for_actor(db, cast.surgeon.actor)[0].kind == "opinion-addendum"


def test_a_trainee_of_the_own_hospital_waits_for_its_expert(world: World) -> None:
    """Inside one hospital nobody is let in; the surgeon there reads it once it is given."""
    cast = world.cast
    with world.begin() as db:
        ward = begin(world, db)
        trainee = trainees.surgeon(db, cast)
        people.appoint(db, Actor.system(cast.aral.id), trainee.id, "expert")
        people.appoint(db, Actor.system(cast.aral.id), cast.second_surgeon.id, "expert")
        acting = dataclasses.replace(stepped_up(trainee.actor), roles=frozenset({"expert"}))
        senior = dataclasses.replace(stepped_up(cast.second_surgeon.actor), roles=frozenset({"surgeon", "expert"}))
        presentation = presentations.present(db, acting, ward.case.id, WORDS, senior_id=cast.second_surgeon.id)
        assert opinions.for_case(db, cast.surgeon.actor, ward.case.id) == []
        with pytest.raises((Denied, NotFound)):
            presentations.for_case(db, cast.surgeon.actor, ward.case.id)
        assert presentations.for_case(db, stepped_up(ward.trainee.actor), ward.case.id) == []
        presentations.countersign(db, senior, presentation.id)
        assert len(opinions.for_case(db, cast.surgeon.actor, ward.case.id)) == 1


def test_words_that_name_the_patient_are_looked_at_again_before_they_are_given(world: World) -> None:
    """Another hospital was let in meanwhile that is not to know who it is."""
    cast = world.cast
    with world.begin() as db:
        ward = begin(world, db, sees_identity=True)
        presentation = ward.present(db, findings="张卫国 断端整齐")
        give: Callable[..., Grant] = grants.give
        give(
            db, cast.surgeon.actor, case_id=ward.case.id, organisation_id=cast.aral.id, grantee_organisation_id=cast.kashgar.id,
            role="expert", person_id=_expert_of_kashgar(db, world), expires_at=ids.now().replace(year=2999), reason="x",
        )  # fmt: skip
        with pytest.raises(Invalid):
            ward.countersign(db, presentation)


def _expert_of_kashgar(db: Tx, world: World) -> object:
    people.appoint(db, Actor.system(world.cast.kashgar.id), world.cast.stranger.id, "expert")
    return world.cast.stranger.id
