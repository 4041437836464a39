"""What somebody in training enters stands at once and waits for a senior of the same hospital, who countersigns or returns it."""

import dataclasses
import datetime as dt
import hashlib

import pytest
from sqlalchemy import func, select

from core import audit, ids
from core.errors import Conflict, Denied, Invalid, NotFound
from registry import board, cases, entries, followups, notices, reviews, unconfirmed, worklist
from registry.entries import Entry
from registry.unconfirmed import Review, ReviewStep
from tests import trainees
from tests.registry.conftest import INDEX, World, wall


def told() -> dict[str, str | list[str]]:
    """An injury of two hours ago, with a pressure that is an emergency."""
    return {"injured_at": wall(ids.now() - dt.timedelta(hours=2)), "mechanism": "crush", "side": "left", "systolic": "80"}


def test_a_trainees_entry_stands_at_once_raises_the_urgency_and_waits(world: World) -> None:
    with world.begin() as db:
        trainee = trainees.surgeon(db, world.cast)
        case = world.case(db, kind="hand_injury")
        assert case.urgency == "routine"
        entry = entries.submit(db, trainee.actor, case.id, "injury", told())
        assert case.urgency == "emergency"
        entries.submit(db, trainee.actor, case.id, "amputation", INDEX)
        shown = entries.for_case(db, world.cast.surgeon.actor, case.id)
        assert [item.review and item.review.state for item in shown] == ["waiting", "waiting"]
        assert [reading.running for reading in board.readings(db, case)] == ["warm"]
        countersigned = reviews.countersign(db, world.cast.surgeon.actor, entry.id)
        assert countersigned.id == entry.id
        standing = entries.get(db, trainee.actor, entry.id).review
        assert standing is not None
        assert (standing.state, standing.by_id) == ("countersigned", world.cast.surgeon.id)
        step = db.scalars(select(ReviewStep)).one()
        plain = cases.unseal(db, case, "entry", "entries", entry.id, entry.body, entry.version)
        assert (step.sha256, step.event) == (hashlib.sha256(plain).hexdigest(), "countersign")
    with world.begin() as db:
        (event,) = audit.events(db, world.cast.aral.id, case_id=case.id, actions=("entry:countersign",))
        assert (event.object_id, event.actor_id, event.person_id) == (entry.id, world.cast.surgeon.id, trainee.id)


def test_whoever_is_not_in_training_waits_for_nobody(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        entry = world.injury(db, case)
        assert entries.get(db, world.cast.surgeon.actor, entry.id).review is None
        with pytest.raises(NotFound):
            reviews.countersign(db, world.cast.second_surgeon.actor, entry.id)
        with pytest.raises(NotFound):
            reviews.get(db, world.cast.second_surgeon.actor, entry.id)


def test_a_nurses_visit_in_training_waits_for_a_surgeon(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        nurse = trainees.nurse(db, cast)
        case = world.case(db)
        followups.plan(db, cast.surgeon.actor, case.id, treated_on=ids.now().date())
        entry = followups.record(db, nurse.actor, case.id, {"seen_on": ids.now().date().isoformat(), "survival": "survived"})
        for other in (cast.nurse, cast.administrator):
            with pytest.raises((Denied, NotFound)):
                reviews.countersign(db, other.actor, entry.id)
        reviews.countersign(db, cast.surgeon.actor, entry.id)
        (seen,) = [item for item in followups.for_case(db, nurse.actor, case.id) if item.record]
        assert seen.record is not None
        assert seen.record.review is not None
        assert seen.record.review.state == "countersigned"


def test_returned_with_words_the_trainee_corrects_and_it_waits_again(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        trainee = trainees.surgeon(db, cast)
        case = world.case(db)
        entry = entries.submit(db, trainee.actor, case.id, "injury", told())
        for words in ("", "   ", "x" * 5000):
            with pytest.raises(Invalid):
                reviews.give_back(db, cast.surgeon.actor, entry.id, words=words)
        reviews.give_back(db, cast.surgeon.actor, entry.id, words="止血带时间呢？")
        assert next(n.kind for n in notices.for_actor(db, trainee.actor)) == "entry-returned"
        assert reviews.said(db, trainee.actor, case, [entry.id]) == {entry.id: "止血带时间呢？"}
        assert reviews.said(db, cast.expert.actor, case, [entry.id]) == {}
        assert "止血带".encode() not in (db.scalars(select(ReviewStep)).one().words or b"")
        with pytest.raises(Conflict, match="review-state-forbids"):
            reviews.countersign(db, cast.surgeon.actor, entry.id)
        again = entries.correct(db, trainee.actor, entry.id, {"note": "无止血带"}, reason="补充")
        history = {i.entry.id: i for i in entries.for_case(db, trainee.actor, case.id, history=True)}
        states = {key: item.review.state for key, item in history.items() if item.review}
        assert states == {entry.id: "replaced", again.id: "waiting"}
        # what was returned and why stays in the record
        assert reviews.said(db, trainee.actor, case, [entry.id]) == {entry.id: "止血带时间呢？"}
        reviews.countersign(db, cast.second_surgeon.actor, again.id)
        later = entries.correct(db, trainee.actor, again.id, {"note": "无"}, reason="再补充")
        states = {i.entry.id: i.review.state for i in entries.for_case(db, trainee.actor, case.id, history=True) if i.review}
        assert states == {entry.id: "replaced", again.id: "countersigned", later.id: "waiting"}


def test_a_correction_by_a_senior_needs_none_and_takes_the_place_of_what_waited(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        trainee = trainees.surgeon(db, cast)
        case = world.case(db)
        entry = entries.submit(db, trainee.actor, case.id, "injury", told())
        mended = entries.correct(db, cast.surgeon.actor, entry.id, {"note": "x"}, reason="y")
        assert entries.get(db, cast.surgeon.actor, mended.id).review is None
        assert reviews.waiting(db, cast.second_surgeon.actor, limit=9) == []
        with pytest.raises(Conflict, match="review-state-forbids"):
            reviews.countersign(db, cast.second_surgeon.actor, entry.id)
        # and one by the trainee of a senior's entry waits
        again = entries.correct(db, trainee.actor, mended.id, {"note": "z"}, reason="y")
        review = entries.get(db, cast.surgeon.actor, again.id).review
        assert review is not None
        assert review.state == "waiting"


def test_no_trainee_no_writer_no_token_and_no_other_hospital_countersigns(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        trainee = trainees.surgeon(db, cast)
        fellow = trainees.surgeon(db, cast, "shi.lei", "石磊", "Shi Lei")
        case = world.case(db)
        world.asked(db, case)
        entry = entries.submit(db, trainee.actor, case.id, "injury", told())
        token = dataclasses.replace(
            cast.surgeon.actor, token_id=ids.new(), session_id=None, scopes=frozenset({"case:read", "entry:countersign"})
        )
        for act in (lambda a: reviews.countersign(db, a, entry.id), lambda a: reviews.give_back(db, a, entry.id, words="x")):
            with pytest.raises(Denied, match="own-entry"):
                act(trainee.actor)
            with pytest.raises(Denied, match="in-training"):
                act(fellow.actor)
            with pytest.raises(Denied, match="session-needed"):
                act(token)
            with pytest.raises(Denied, match="full-sign-in-needed"):
                act(dataclasses.replace(cast.surgeon.actor, scopes=frozenset({"case:read", "entry:countersign"})))
            for other in (cast.nurse, cast.expert):
                with pytest.raises(Denied):
                    act(other.actor)
            for other in (cast.stranger, cast.second_expert, cast.administrator):
                with pytest.raises(NotFound):
                    act(other.actor)
        # one whose training has ended is a senior to others, never to themselves
        trainees.end(db, fellow)
        trainees.end(db, trainee)
        with pytest.raises(Denied, match="own-entry"):
            reviews.countersign(db, trainee.actor, entry.id)
        # a senior who was put in training meanwhile is none
        trainees.begin(db, cast.surgeon)
        with pytest.raises(Denied, match="in-training"):
            reviews.countersign(db, cast.surgeon.actor, entry.id)
        assert db.scalar(select(func.count()).select_from(ReviewStep)) == 0
        reviews.countersign(db, fellow.actor, entry.id)


def test_a_closed_case_can_be_countersigned_and_not_returned(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        trainee = trainees.surgeon(db, cast)
        case = world.case(db, kind="flap")
        entry = entries.submit(db, trainee.actor, case.id, "injury", told())
        cases.close(db, cast.surgeon.actor, case.id)
        with pytest.raises(Conflict, match="case-closed"):
            reviews.give_back(db, cast.surgeon.actor, entry.id, words="x")
        assert [item.action for item in worklist.items(db, cast.surgeon.actor).needs] == ["countersign-entry"]
        reviews.countersign(db, cast.surgeon.actor, entry.id)
        assert worklist.items(db, cast.surgeon.actor).needs == []


def test_the_work_list_shows_the_senior_what_waits_and_the_trainee_that_it_does(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        trainee = trainees.surgeon(db, cast)
        fellow = trainees.surgeon(db, cast, "shi.lei", "石磊", "Shi Lei")
        first, second = world.case(db, kind="flap"), world.case(db, kind="flap")
        older = entries.submit(db, trainee.actor, first.id, "injury", told() | {"systolic": ""})
        entries.submit(db, trainee.actor, second.id, "injury", told())
        needs = [item for item in worklist.items(db, cast.second_surgeon.actor).needs if item.action == "countersign-entry"]
        assert [item.case.id for item in needs] == [second.id, first.id], "the emergency first"
        assert needs[1].since == db.scalars(select(Review.at).where(Review.entry_id == older.id)).one()
        assert worklist.items(db, fellow.actor).needs == []
        mine = worklist.items(db, trainee.actor)
        assert (mine.needs, {item.action for item in mine.waiting}) == ([], {"wait"})
        reviews.give_back(db, cast.second_surgeon.actor, older.id, words="x")
        mine = worklist.items(db, trainee.actor)
        assert [(item.action, item.case.id, item.entry_id) for item in mine.needs] == [("correct-entry", first.id, older.id)]


def test_a_review_belongs_to_one_version_and_is_not_asked_twice(world: World) -> None:
    with world.begin() as db:
        trainee = trainees.surgeon(db, world.cast)
        case = world.case(db)
        said = told()
        entry = entries.submit(db, trainee.actor, case.id, "injury", said, client_key="k")
        again = entries.submit(db, trainee.actor, case.id, "injury", said, client_key="k")
        assert again.id == entry.id
        assert db.scalar(select(func.count()).select_from(Review)) == 1
        assert unconfirmed.of_entry(db, ids.new()) is None
        assert db.scalar(select(func.count()).select_from(Entry)) == 1
