"""Merges: one person's cases come together and go back exactly, whatever was done meanwhile; keys, indexes and log untouched."""

import datetime as dt
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from auth import policy
from core import audit, ledger
from core.db import Tx
from core.errors import Conflict, Denied, Invalid, NotFound
from core.keyring import Unit
from registry import access, board, cases, consents, matching, merges, messages, notices, opinions, patients, verdicts
from registry.cases import Case, Filter
from registry.consents import Consent
from registry.indexes import PatientIndex
from registry.merges import Merge
from registry.patients import Patient
from tests.registry.conftest import WORDS, World, run_jobs, stepped_up

BORN, OTHER_BORN = dt.date(1988, 3, 5), dt.date(1990, 3, 5)


def two(world: World) -> tuple[Case, Case]:
    """A case of 张卫国, who is kept, and one of 章伟国, who is merged."""
    with world.begin() as db:
        kept = world.case(db, patient_id=world.patient(db, "张卫国", BORN).id)
        return kept, world.case(db, patient_id=world.patient(db, "章伟国", OTHER_BORN).id)


def merge(world: World, kept: UUID, merged: UUID) -> Merge:
    with world.begin() as db:
        return merges.merge(db, world.cast.surgeon.actor, kept_id=kept, merged_id=merged, reason="Same card.")


def undo(world: World, row: Merge) -> Merge:
    with world.begin() as db:
        return merges.undo(db, world.cast.surgeon.actor, row.id, reason="Two cards.")


def work(world: World) -> None:
    run_jobs(world.database, {patients.AMENDED: board.person_changed})


def under(world: World, patient_id: UUID) -> list[UUID]:
    with world.begin() as db:
        return sorted(case.id for case in cases.list_(db, world.cast.surgeon.actor, Filter(patient_id=patient_id)).cases)


def at_rest(db: Tx) -> dict[str, list[Any]]:
    """What undoing has to bring back, but for when a case was last touched."""
    known = [(row.id, row.version, row.identity, row.merged_into_id) for row in db.scalars(select(Patient).order_by(Patient.id))]
    found = [(row.id, row.patient_id, row.came_from_id, row.facts, row.state) for row in db.scalars(select(Case).order_by(Case.id))]
    indexes = [(row.id, row.patient_id, row.kind, row.value) for row in db.scalars(select(PatientIndex).order_by(PatientIndex.id))]
    agreed = [(row.id, row.case_id, row.standing) for row in db.scalars(select(Consent).order_by(Consent.id))]
    return {"patients": known, "cases": found, "indexes": indexes, "consents": agreed}


def test_the_cases_of_both_stand_under_the_one_who_is_kept_and_either_is_found(world: World) -> None:
    kept, merged = two(world)
    row = merge(world, kept.patient_id, merged.patient_id)
    work(world)
    assert under(world, kept.patient_id) == sorted([kept.id, merged.id])
    assert under(world, merged.patient_id) == []
    with world.begin() as db:
        surgeon, administrator = world.cast.surgeon.actor, world.cast.administrator.actor
        assert cases.identity(db, surgeon, merged.id).name == "张卫国"
        assert cases.get(db, surgeon, merged.id).summary.age == cases.get(db, surgeon, kept.id).summary.age
        for query in ({"name": "章伟国", "birth_date": OTHER_BORN}, {"name": "张卫国", "birth_date": BORN}, {"number": "A000002"}):
            assert [found.patient_id for found in patients.find(db, administrator, **query)] == [kept.patient_id]  # type: ignore[arg-type]
        assert [found.patient_id for found in patients.search(db, surgeon, "zhangweig")] == [kept.patient_id]
        (found,) = patients.duplicates(db, surgeon, name="章伟国", birth_date=OTHER_BORN)
        assert (found.patient_id, found.identity.name) == (kept.patient_id, "张卫国")
        new = cases.create(db, surgeon, patient_id=merged.patient_id, kind="flap")
        assert new.patient_id == kept.patient_id, "a form that still names the other opens the case under the one who is kept"
        with pytest.raises(Conflict, match="patient-merged-away"):
            patients.amend(db, surgeon, merged.patient_id, version=1, name="x")
        (told,) = merges.of_patient(db, surgeon, kept.patient_id)
        assert (told.merge.id, told.merged.name, told.reason) == (row.id, "章伟国", "Same card.")
        assert b"Same card." not in row.reason


def test_undoing_restores_exactly_what_was(world: World) -> None:
    kept, merged = two(world)
    with world.begin() as db:
        before, logged = at_rest(db), [ledger.encode(event) for event in audit.events(db, world.cast.aral.id, limit=1000)]
    row = merge(world, kept.patient_id, merged.patient_id)
    work(world)
    with world.begin() as db:
        assert at_rest(db)["cases"] != before["cases"]
        assert at_rest(db)["indexes"] == before["indexes"]
    undo(world, row)
    work(world)
    with world.begin() as db:
        assert at_rest(db) == before
        assert [ledger.encode(event) for event in audit.events(db, world.cast.aral.id, limit=1000)][-len(logged) :] == logged


def test_what_was_done_meanwhile_stays_where_it_was_done(world: World) -> None:
    kept, merged = two(world)
    surgeon = world.cast.surgeon.actor
    row = merge(world, kept.patient_id, merged.patient_id)
    with world.begin() as db:
        messages.post(db, surgeon, case_id=merged.id, text="Said after the merge.")
        consents.record(db, surgeon, case_id=merged.id, purpose="teaching", statement="give")
        opened = cases.create(db, surgeon, patient_id=kept.patient_id, kind="flap")
        patients.amend(db, surgeon, kept.patient_id, version=1, name="张为国", birth_date=BORN)
        (told,) = merges.of_patient(db, surgeon, kept.patient_id)
        assert ([c.id for c in told.back], [c.id for c in told.stay], told.amended) == ([merged.id], [opened.id], True)
    undo(world, row)
    work(world)
    assert (under(world, kept.patient_id), under(world, merged.patient_id)) == (sorted([kept.id, opened.id]), [merged.id])
    with world.begin() as db:
        assert [post.text for post in messages.thread(db, surgeon, merged.id)] == ["Said after the merge."]
        standing = consents.standing(db, surgeon, merged.id)["teaching"]
        assert standing is not None
        assert standing.standing == "given"
        assert cases.identity(db, surgeon, merged.id).name == "章伟国"
        assert cases.identity(db, surgeon, kept.id).name == "张为国"
        (told,) = merges.of_patient(db, surgeon, kept.patient_id)
        assert (told.undone_reason, told.back, told.stay, told.amended) == ("Two cards.", (), (), False)


def test_merges_that_follow_each_other_are_undone_in_turn(world: World) -> None:
    kept, merged = two(world)
    with world.begin() as db:
        last = world.case(db, patient_id=world.patient(db, "张三", BORN).id)
        before = at_rest(db)
    first = merge(world, kept.patient_id, merged.patient_id)
    second = merge(world, last.patient_id, kept.patient_id)
    assert under(world, last.patient_id) == sorted([kept.id, merged.id, last.id])
    with world.begin() as db:
        assert [f.patient_id for f in patients.find(db, world.cast.administrator.actor, number="A000002")] == [last.patient_id]
        for one, other in ((kept, last), (last, kept), (merged, last)):
            with pytest.raises(Conflict, match="merge-merged-already"):
                merges.merge(db, world.cast.surgeon.actor, kept_id=one.patient_id, merged_id=other.patient_id, reason="x")
    with pytest.raises(Conflict, match="merge-later-first"):
        undo(world, first)
    undo(world, second)
    assert under(world, kept.patient_id) == sorted([kept.id, merged.id])
    undo(world, first)
    work(world)
    with world.begin() as db:
        assert at_rest(db) == before
    with pytest.raises(Conflict, match="merge-undone-already"):
        undo(world, first)
    merge(world, merged.patient_id, kept.patient_id)
    assert under(world, merged.patient_id) == sorted([kept.id, merged.id])


def test_each_key_opens_what_it_opened_whatever_becomes_of_the_other(world: World) -> None:
    """Patients' keys are units of crypto-shredding: a case that moved rests on neither."""
    kept, merged = two(world)
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        messages.post(db, surgeon, case_id=merged.id, text="Before the merge.")
    row = merge(world, kept.patient_id, merged.patient_id)
    with world.begin() as db:
        assert [post.text for post in messages.thread(db, surgeon, merged.id)] == ["Before the merge."]
        db.keyring.destroy(db, Unit("patient", world.cast.aral.id, kept.patient_id))
    with world.begin() as db:
        assert [post.text for post in messages.thread(db, surgeon, merged.id)] == ["Before the merge."]
        with pytest.raises(NotFound, match="key-destroyed"):
            cases.identity(db, surgeon, merged.id)
    undo(world, row)
    with world.begin() as db:
        assert cases.identity(db, surgeon, merged.id).name == "章伟国"


def test_only_a_surgeon_who_may_write_in_every_case_of_both_merges_and_undoes(world: World) -> None:
    kept, merged = two(world)
    cast, what = world.cast, {"kept_id": kept.patient_id, "merged_id": merged.patient_id, "reason": "Same card."}
    with world.begin() as db:
        for member in (cast.nurse, cast.coordinator, cast.administrator, cast.auditor, cast.expert):
            with pytest.raises((Denied, NotFound)):
                merges.merge(db, member.actor, **what)
        with pytest.raises(NotFound):
            merges.merge(db, cast.stranger.actor, **what)
        foreign = patients.create(db, cast.stranger.actor, name="张卫国")
        with pytest.raises(NotFound):
            merges.merge(db, cast.surgeon.actor, **{**what, "merged_id": foreign.id})
        with pytest.raises(Conflict, match="merge-same-patient"):
            merges.merge(db, cast.surgeon.actor, **{**what, "merged_id": kept.patient_id})
        for reason, wrong in ((" ", "field-required"), ("x" * 1001, "field-too-long")):
            with pytest.raises(Invalid) as caught:
                merges.merge(db, cast.surgeon.actor, **{**what, "reason": reason})
            assert caught.value.fields == {"reason": wrong}
    row = merge(world, kept.patient_id, merged.patient_id)
    with world.begin() as db:
        for member in (cast.nurse, cast.administrator, cast.auditor, cast.expert, cast.stranger):
            with pytest.raises((Denied, NotFound)):
                merges.undo(db, member.actor, row.id, reason="x")
            with pytest.raises((Denied, NotFound)):
                merges.of_patient(db, member.actor, kept.patient_id)


def test_with_a_restricted_case_out_of_reach_nothing_is_merged_or_undone(world: World) -> None:
    kept, merged = two(world)
    with world.begin() as db:
        world.restrict(db, merged)
        barred = world.cast.second_surgeon.actor
        assert not policy.allowed(db, barred, "case:write", organisation_id=world.cast.aral.id, case_id=merged.id)
        for one, other in ((kept, merged), (merged, kept)):
            with pytest.raises(Conflict, match="merge-out-of-reach"):
                merges.merge(db, barred, kept_id=one.patient_id, merged_id=other.patient_id, reason="Same card.")
    assert under(world, merged.patient_id) == [merged.id]
    row = merge(world, kept.patient_id, merged.patient_id)
    with world.begin() as db:
        with pytest.raises(Conflict, match="merge-out-of-reach"):
            merges.undo(db, barred, row.id, reason="Two.")
        (told,) = merges.of_patient(db, barred, kept.patient_id)
        assert told.back == ()


def test_the_log_answers_for_either_patient_during_and_after(world: World) -> None:
    kept, merged = two(world)
    cast = world.cast
    row = merge(world, kept.patient_id, merged.patient_id)
    with world.begin() as db:
        cases.get(db, cast.nurse.actor, merged.id)
        cases.list_(db, cast.nurse.actor)

    def seen(patient_id: UUID, action: str) -> set[UUID | None]:
        with world.begin() as db:
            return {item.person_id for item in access.who_saw_patient(db, cast.administrator.actor, patient_id) if item.action == action}

    assert cast.nurse.id in seen(kept.patient_id, "case:read")
    assert cast.surgeon.id in seen(kept.patient_id, "case:create")
    with world.begin() as db:
        created = access.who_saw_patient(db, cast.administrator.actor, kept.patient_id)
        assert {item.case_id for item in created if item.action == "case:create"} == {kept.id, merged.id}
    undo(world, row)
    for action in ("case:read", "case:list"):
        assert cast.nurse.id in seen(merged.patient_id, action), "who read the case while it lay elsewhere read this patient's"
    for patient_id in (kept.patient_id, merged.patient_id):
        assert seen(patient_id, "patient:merge") == seen(patient_id, "patient:unmerge") == {cast.surgeon.id}


def test_an_opinion_begun_before_a_merge_is_not_signed_unseen(world: World) -> None:
    kept, merged = two(world)
    with world.begin() as db:
        world.asked(db, merged)
        expert = stepped_up(world.cast.expert.actor)
        opinions.save(db, expert, merged.id, WORDS)
        page = merged.subject
    row = merge(world, kept.patient_id, merged.patient_id)
    with world.begin() as db:
        kinds = {one.kind for one in notices.for_actor(db, world.cast.expert.actor)}
        assert "patient-merged" in kinds
        opinions.save(db, expert, merged.id, {"findings": "Typed on, after the merge."})
        for seen in (None, page, "unseen"):
            with pytest.raises(Conflict, match="opinion-patient-changed"):
                opinions.sign(db, expert, merged.id, subject=seen)
    undo(world, row)
    again = merge(world, kept.patient_id, merged.patient_id)
    with world.begin() as db:
        now = db.get_one(Case, merged.id).subject
        assert now != page
        signed = opinions.sign(db, expert, merged.id, subject=now)
    undo(world, again)
    with world.begin() as db:
        assert verdicts.verify(db, expert, signed.id).whole


def test_words_and_pictures_are_held_against_both_names(world: World) -> None:
    kept, merged = two(world)
    with world.begin() as db:
        world.refer(db, merged)
    merge(world, kept.patient_id, merged.patient_id)
    with world.begin() as db:
        for name in ("张卫国", "章伟国"):
            with pytest.raises(Invalid, match="text-identifies-patient"):
                messages.post(db, world.cast.surgeon.actor, case_id=merged.id, text=f"{name} is well")
        expected = matching.expected(db, merged.id)
        assert {"张卫国", "章伟国"} <= set(expected.names)
        assert set(expected.ids) == {"A000001", "A000002"}
