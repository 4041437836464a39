"""Opinions: signed with a fresh factor over canonical bytes, checkable by anybody, and never changed afterwards."""

import hashlib
import inspect
import json

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import update

from core import audit, ids
from core.db import Database
from core.errors import Conflict, Damaged, Denied, Invalid, NotFound, PreconditionFailed, StepUpNeeded
from imaging import studies
from registry import cases, entries, notices, opinions, valuesets, verdicts
from registry.entries import Entry
from registry.opinions import Opinion
from registry.referrals import Referral
from tests.registry.conftest import WORDS, World, stepped_up


def test_a_draft_is_its_authors_alone_and_merges_what_is_saved(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        opinions.save(db, cast.expert.actor, case.id, {"findings": "所见", "signed_at": "x"})
        draft = opinions.save(db, cast.expert.actor, case.id, {"limits": "照片"}, version=1)
        assert (draft.raw, draft.version) == ({"findings": "所见", "limits": "照片"}, 2)
        with pytest.raises(PreconditionFailed):
            opinions.save(db, cast.expert.actor, case.id, {"limits": "x"}, version=1)
        with pytest.raises(Denied):
            opinions.draft(db, cast.surgeon.actor, case.id)
        assert opinions.for_case(db, cast.surgeon.actor, case.id) == []


def test_signing_needs_a_factor_just_given_every_section_and_the_newest_draft(world: World) -> None:
    expert = world.cast.expert.actor
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        opinions.save(db, expert, case.id, {"findings": "a"})
        with pytest.raises(StepUpNeeded):
            opinions.sign(db, expert, case.id, WORDS)
        with pytest.raises(Invalid) as caught:
            opinions.sign(db, stepped_up(expert), case.id)
        assert caught.value.fields == dict.fromkeys(("recommendation", "urgency", "limits"), "field-required")
        with pytest.raises(PreconditionFailed, match="draft-changed-meanwhile"):
            opinions.sign(db, stepped_up(expert), case.id, WORDS, version=7)
        opinion = opinions.sign(db, stepped_up(expert), case.id, WORDS, version=1)
        with pytest.raises(Conflict, match="opinion-nothing-to-sign"):
            opinions.sign(db, stepped_up(expert), case.id)
        assert opinions.draft(db, expert, case.id).saved_at is None
        assert opinion.sha256


def test_what_is_signed_is_canonical_and_verifies_with_the_public_key_alone(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.injury(db, case)
        referral = world.asked(db, case)
        opinion = world.sign(db, case, findings="断端整齐，远端苍白")
        text = opinions.canonical(db, cast.surgeon.actor, opinion.id)
        assert hashlib.sha256(text).hexdigest() == opinion.sha256
        Ed25519PublicKey.from_public_bytes(opinion.public_key).verify(opinion.signature, text)
        assert opinion.public_key == db.keyring.public_key(db, cast.taizhou.id)
        content = json.loads(text)
        assert rfc8785.dumps(content) == text
        assert "断端".encode() not in opinion.document
        assert content["schema"] == "shanhai/opinion/1"
        assert content["signer"]["name"] == "陈浩"
        assert content["signer"]["organisation"]["id"] == str(cast.taizhou.id)
        assert content["referral"]["id"] == str(referral.id)
        assert content["referral"]["question"] == "Can it be replanted?"
        assert [(s["name"], s["label"]) for s in content["sections"]] == [
            ("findings", "What I see"),
            ("recommendation", "What I recommend"),
            ("urgency", "How urgent"),
            ("limits", "Limits of judging from afar"),
        ]
        assert content["sections"][2]["code"] == "emergency"
        assert [(e["type"], e["version"]) for e in content["entries"]] == [("injury", 1)]
        assert len(content["nonce"]) == 32
        assert "张卫国" not in text.decode()
        again = world.sign(db, case)
        assert json.loads(opinions.canonical(db, cast.surgeon.actor, again.id))["nonce"] != content["nonce"]


def test_labels_stand_as_they_were_shown_to_the_signer(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        expert = world.cast.second_expert
        world.refer(db, case, expert_id=expert.id)
        opinion = opinions.sign(db, stepped_up(expert.actor), case.id, WORDS)
        sections = opinions.get(db, expert.actor, opinion.id).content["sections"]
        labels = valuesets.value_set("opinion_section")
        assert [section["label"] for section in sections] == [labels.label(section["name"], "zh") for section in sections]
        assert [section["text"] for section in sections if section["code"]] == ["特急"]


def test_signing_answers_the_question_and_tells_who_asked(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        referral = world.asked(db, case)
        opinion = world.sign(db, case)
        assert (case.state, db.get_one(Referral, referral.id).state) == ("answered", "answered")
        assert opinion.referral_id == referral.id
        assert notices.for_actor(db, cast.surgeon.actor)[0].kind == "opinion-signed"
    with world.begin() as db:
        (event,) = audit.events(db, cast.aral.id, case_id=case.id, actions=("opinion:sign",))
        assert (event.object_id, event.detail, event.actor_id) == (opinion.id, {"sha256": opinion.sha256}, cast.expert.id)


def test_an_opinion_may_raise_the_urgency_and_never_lowers_it(world: World) -> None:
    with world.begin() as db:
        case = world.case(db, kind="fracture")
        world.asked(db, case)
        world.sign(db, case, urgency="urgent")
        assert case.urgency == "urgent"
        world.sign(db, case, urgency="routine")
        assert case.urgency == "urgent"


def test_there_is_no_verb_that_changes_a_signed_opinion() -> None:
    verbs = {name for name, verb in inspect.getmembers(opinions, inspect.isfunction) if verb.__module__ == opinions.__name__}
    assert {name for name in verbs if not name.startswith("_")} == {
        "draft",
        "save",
        "sign",
        "freeze",
        "give",
        "for_case",
        "whole",
        "reach",
        "get",
        "canonical",
        "row",
        "open_to",
        "kept_from",
        "experts",
    }


@pytest.mark.parametrize("column", ["sha256", "signature", "document", "public_key"])
def test_what_was_changed_behind_the_products_back_does_not_verify(world: World, root: Database, column: str) -> None:
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        one, two = world.sign(db, case), world.sign(db, case, findings="something else")
        values = {"sha256": two.sha256, "signature": two.signature, "document": two.document}
        values["public_key"] = db.keyring.public_key(db, world.cast.aral.id)
        assert verdicts.verify(db, world.cast.surgeon.actor, one.id).whole
    with root.begin() as db:
        db.execute(update(Opinion).where(Opinion.id == one.id).values({column: values[column]}))
    with world.begin() as db:
        if column == "document":
            with pytest.raises(Damaged):
                verdicts.verify(db, world.cast.surgeon.actor, one.id)
        else:
            verdict = verdicts.verify(db, world.cast.surgeon.actor, one.id)
            assert not verdict.whole
            assert verdict.hash_holds is (column != "sha256")
            assert verdict.signature_holds is (column not in ("signature", "public_key"))


def test_a_corrected_entry_leaves_the_opinion_whole_and_a_replaced_one_is_named(world: World, root: Database) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        injury = world.injury(db, case, note="first")
        world.asked(db, case)
        opinion = world.sign(db, case)
        entries.correct(db, surgeon, injury.id, {"note": "second"}, reason="better")
        assert verdicts.verify(db, surgeon, opinion.id).whole
        forged = entries.for_case(db, surgeon, case.id)[0].document.model_copy(update={"note": "forged"})
        body = cases.seal(db, case, "entry", "entries", injury.id, forged.model_dump_json().encode(), 1)
    with root.begin() as db:
        db.execute(update(Entry).where(Entry.id == injury.id).values(body=body))
    with world.begin() as db:
        verdict = verdicts.verify(db, surgeon, opinion.id)
        assert (verdict.whole, verdict.signature_holds, verdict.changed) == (False, True, (f"entry:{injury.id}",))


def test_an_addendum_belongs_to_its_own_authors_opinion(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        opinion = world.sign(db, case)
        expert = stepped_up(cast.expert.actor)
        opinions.save(db, expert, case.id, {"addition": "见补充照片", "findings": "dropped"}, addendum_to=opinion.id)
        assert opinions.draft(db, expert, case.id, addendum_to=opinion.id).raw == {"addition": "见补充照片"}
        with pytest.raises(StepUpNeeded):
            opinions.sign(db, cast.expert.actor, case.id, addendum_to=opinion.id)
        addendum = opinions.sign(db, expert, case.id, addendum_to=opinion.id)
        (signed,) = opinions.for_case(db, cast.surgeon.actor, case.id)
        assert [a.opinion.id for a in signed.addenda] == [addendum.id]
        assert signed.addenda[0].content["opinion"]["addendum_to"] == {"id": str(opinion.id), "sha256": opinion.sha256}
        assert verdicts.verify(db, cast.surgeon.actor, addendum.id).whole
        assert notices.for_actor(db, cast.surgeon.actor)[0].kind == "opinion-addendum"
        with pytest.raises(Invalid, match="addendum-to-addendum"):
            opinions.draft(db, expert, case.id, addendum_to=addendum.id)
        other = world.case(db)
        world.asked(db, other)
        with pytest.raises(NotFound, match="opinion-not-found"):
            opinions.draft(db, expert, other.id, addendum_to=opinion.id)
        world.refer(db, case, expert_id=cast.second_expert.id)
        with pytest.raises(Denied, match="opinion-of-other-expert"):
            opinions.draft(db, cast.second_expert.actor, case.id, addendum_to=opinion.id)


def test_who_reads_and_who_does_not(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        opinion = world.sign(db, case)
        for member in (cast.surgeon, cast.second_surgeon, cast.expert):
            assert opinions.get(db, member.actor, opinion.id).content["opinion"]["id"] == str(opinion.id)
        for member, error in ((cast.nurse, Denied), (cast.coordinator, Denied), (cast.stranger, NotFound), (cast.administrator, NotFound)):
            for read in (opinions.get, verdicts.verify, opinions.canonical):
                with pytest.raises(error):
                    read(db, member.actor, opinion.id)
            with pytest.raises(error):
                opinions.for_case(db, member.actor, case.id)
            with pytest.raises((Denied, NotFound)):
                opinions.sign(db, stepped_up(member.actor), case.id, WORDS)
        with pytest.raises(NotFound):
            opinions.get(db, cast.surgeon.actor, ids.new())


def test_the_imaging_part_of_the_evidence_names_objects_by_id_and_hash_only(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        opinion = world.sign(db, case)
        content = opinions.get(db, world.cast.surgeon.actor, opinion.id).content
        assert (content["images"], content["marks"]) == ([], [])
        assert studies.for_case(db, world.cast.surgeon.actor, case.id, case.organisation_id) == []
