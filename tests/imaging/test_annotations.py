"""Annotations: never lost, never silently changed, by whom and as they stood."""

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from core import audit, ids
from core.actor import Actor
from core.db import Database
from core.errors import Conflict, Damaged, Denied, Invalid, NotFound, PreconditionFailed
from imaging import annotations
from imaging.annotations import AnnotationVersion, Mark
from tests.imaging import samples
from tests.imaging.conftest import World
from tests.imaging.visitors import let_in

LINE = [[1.0, 2.0], [6.5, 9.25]]


@pytest.fixture
def instance_id(world: World) -> UUID:
    found = world.take_in(samples.dicom(NumberOfFrames=2, PixelData=bytes(512))).instance_id
    assert found
    return found


def draw(world: World, actor: Actor, instance_id: UUID, **changed: Any) -> Mark:
    told: dict[str, Any] = {
        "case_id": world.case_id,
        "instance_id": instance_id,
        "frame": 1,
        "tool": "length",
        "points": LINE,
        "text": "桡动脉断端",
        "client_id": ids.new(),
    }
    with world.database.begin() as db:
        return annotations.create(db, actor, **(told | changed))


def change(world: World, actor: Actor, mark: Mark, expected: int, points: Sequence[Sequence[float]] = LINE, text: str = "") -> Mark:
    with world.database.begin() as db:
        return annotations.change(db, actor, mark.id, case_id=world.case_id, expected=expected, tool=mark.tool, points=points, text=text)


def withdraw(world: World, actor: Actor, mark: Mark, expected: int) -> None:
    with world.database.begin() as db:
        annotations.withdraw(db, actor, mark.id, case_id=world.case_id, expected=expected)


def listed(world: World, actor: Actor, at: dt.datetime | None = None) -> list[Mark]:
    with world.database.begin() as db:
        return annotations.for_case(db, actor, world.case_id, world.cast.aral.id, at=at)


def test_a_mark_is_there_for_both_sides_as_it_was_drawn(world: World, instance_id: UUID) -> None:
    expert = let_in(world)
    mark = draw(world, expert, instance_id)
    for reader in (expert, world.surgeon, world.cast.nurse.actor):
        assert listed(world, reader) == [mark]
    assert mark.points == ((1.0, 2.0), (6.5, 9.25))
    assert (mark.text, mark.version, mark.author_id, mark.frame) == ("桡动脉断端", 1, expert.person_id, 1)


def test_a_change_is_a_new_version_and_the_old_one_is_kept(world: World, instance_id: UUID) -> None:
    mark = draw(world, world.surgeon, instance_id)
    before = ids.now()
    changed = change(world, world.surgeon, mark, 1, [[0, 0], [5, 5]], "moved")
    assert (changed.id, changed.version, changed.text) == (mark.id, 2, "moved")
    assert listed(world, world.surgeon) == [changed]
    assert listed(world, world.surgeon, at=before) == [mark]


def test_of_two_who_write_on_one_version_the_second_is_told(world: World, instance_id: UUID) -> None:
    """Attack 64."""
    mark = draw(world, world.surgeon, instance_id)
    change(world, world.surgeon, mark, 1, text="first")
    with pytest.raises(PreconditionFailed):
        change(world, world.surgeon, mark, 1, text="second")
    with pytest.raises(PreconditionFailed):
        withdraw(world, world.surgeon, mark, 1)
    assert [one.text for one in listed(world, world.surgeon)] == ["first"]


def test_a_withdrawn_mark_is_shown_no_more_and_kept_for_ever(world: World, instance_id: UUID) -> None:
    mark = draw(world, world.surgeon, instance_id)
    before = ids.now()
    withdraw(world, world.surgeon, mark, 1)
    assert listed(world, world.surgeon) == []
    assert listed(world, world.surgeon, at=before) == [mark]
    with pytest.raises(NotFound):
        change(world, world.surgeon, mark, 2)
    with world.database.begin() as db:
        assert len(db.scalars(select(AnnotationVersion)).all()) == 2


def test_sent_twice_is_drawn_once(world: World, instance_id: UUID) -> None:
    client_id = ids.new()
    mark = draw(world, world.surgeon, instance_id, client_id=client_id)
    assert draw(world, world.surgeon, instance_id, client_id=client_id) == mark
    newer = change(world, world.surgeon, mark, 1, text="newer")
    assert draw(world, world.surgeon, instance_id, client_id=client_id) == newer
    assert listed(world, world.surgeon) == [newer]


def test_a_client_id_that_names_another_mark_is_a_conflict(world: World, instance_id: UUID) -> None:
    """Attack 65."""
    client_id = ids.new()
    draw(world, world.surgeon, instance_id, client_id=client_id)
    for other in ({"frame": 2}, {"tool": "arrow"}):
        with pytest.raises(Conflict):
            draw(world, world.surgeon, instance_id, client_id=client_id, **other)


def test_client_ids_of_two_people_do_not_meet(world: World, instance_id: UUID) -> None:
    client_id = ids.new()
    mine = draw(world, world.surgeon, instance_id, client_id=client_id)
    theirs = draw(world, let_in(world), instance_id, client_id=client_id)
    assert mine.id != theirs.id


def test_only_its_author_changes_a_mark(world: World, instance_id: UUID) -> None:
    mark = draw(world, let_in(world), instance_id)
    with pytest.raises(Denied, match="annotation-not-yours"):
        change(world, world.surgeon, mark, 1)
    with pytest.raises(Denied):
        withdraw(world, world.cast.second_surgeon.actor, mark, 1)
    assert listed(world, world.surgeon) == [mark]


def test_a_nurse_reads_marks_and_draws_none(world: World, instance_id: UUID) -> None:
    with pytest.raises(Denied):
        draw(world, world.cast.nurse.actor, instance_id)


def test_a_stranger_finds_neither_picture_nor_mark(world: World, instance_id: UUID) -> None:
    mark = draw(world, world.surgeon, instance_id)
    for act in (
        lambda: draw(world, world.stranger, instance_id),
        lambda: draw(world, world.cast.expert.actor, instance_id),
        lambda: change(world, world.stranger, mark, 1),
        lambda: withdraw(world, world.stranger, mark, 1),
        lambda: listed(world, world.stranger),
    ):
        with pytest.raises(NotFound):
            act()
    with world.database.begin() as db:
        assert annotations.counts(db, world.stranger, world.case_id, world.cast.aral.id) == {}


def test_a_mark_belongs_to_the_case_of_its_picture(world: World, instance_id: UUID) -> None:
    """Attack 3: ids of another case in the address."""
    mark = draw(world, world.surgeon, instance_id)
    with pytest.raises(NotFound):
        draw(world, world.surgeon, instance_id, case_id=world.other_case_id)
    with world.database.begin() as db, pytest.raises(NotFound):
        annotations.change(db, world.surgeon, mark.id, case_id=world.other_case_id, expected=1, tool="length", points=LINE)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"tool": "eraser"}, "tool"),
    ({"frame": 0}, "frame"),
    ({"frame": 3}, "frame"),
    ({"points": [[1, 1]]}, "points"),
    ({"points": [[1, 1], [2, 2], [3, 3]]}, "points"),
    ({"tool": "angle"}, "points"),
    ({"tool": "freehand", "points": [[1, 1]] * 5001}, "points"),
    ({"points": [[1, 1], [float("nan"), 2]]}, "points"),
    ({"points": [[1, 1], [float("inf"), 2]]}, "points"),
    ({"points": [[1, 1], [2, 2, 2]]}, "points"),
    ({"points": [[1, 1], [2000, 2]]}, "points"),
    ({"text": "x" * 501}, "text"),
    ({"text": "a\x00b"}, "text"),
    ({"finding": "free text <b>"}, "finding"),
]


def test_what_is_no_mark_is_refused_and_named(world: World, instance_id: UUID) -> None:
    for changed, field in WRONG:
        with pytest.raises(Invalid) as caught:
            draw(world, world.surgeon, instance_id, **changed)
        assert set(caught.value.fields) == {field}, changed
    assert listed(world, world.surgeon) == []


def test_a_mark_may_not_turn_into_another_kind(world: World, instance_id: UUID) -> None:
    mark = draw(world, world.surgeon, instance_id)
    with pytest.raises(Invalid):
        change(world, world.surgeon, dataclasses.replace(mark, tool="arrow"), 1)


def test_marks_are_counted_by_picture(world: World, instance_id: UUID) -> None:
    draw(world, world.surgeon, instance_id)
    withdraw(world, world.surgeon, draw(world, world.surgeon, instance_id), 1)
    draw(world, world.surgeon, instance_id, tool="arrow")
    with world.database.begin() as db:
        assert annotations.counts(db, world.surgeon, world.case_id, world.cast.aral.id) == {instance_id: 2}


def test_authors_stand_in_the_order_of_their_first_mark(world: World, instance_id: UUID) -> None:
    expert = let_in(world)
    draw(world, expert, instance_id)
    draw(world, world.surgeon, instance_id)
    draw(world, expert, instance_id)
    assert annotations.authors(listed(world, world.surgeon)) == [expert.person_id, world.surgeon.person_id]


def test_each_act_is_written_down_in_the_owner_s_log(world: World, instance_id: UUID) -> None:
    expert = let_in(world)
    mark = draw(world, expert, instance_id)
    change(world, expert, mark, 1)
    withdraw(world, expert, mark, 2)
    listed(world, world.surgeon)
    with world.database.begin() as db:
        events = audit.events(db, world.cast.aral.id, actor_id=expert.person_id)
        assert [event.action for event in events if event.object_id == mark.id] == [
            "annotation:withdraw",
            "annotation:change",
            "annotation:create",
        ]
        assert audit.events(db, world.cast.aral.id, actions=["annotation:read"], actor_id=world.surgeon.person_id)


def test_words_and_lines_are_sealed(world: World, instance_id: UUID) -> None:
    draw(world, world.surgeon, instance_id, text="OMUROV SECRET")
    with world.database.begin() as db:
        assert b"OMUROV" not in db.scalars(select(AnnotationVersion.body)).one()


def test_a_sealed_mark_does_not_open_in_another_s_place(world: World, root: Database, instance_id: UUID) -> None:
    """Attacks 46 and 47: swapped between rows, and an older version played again."""
    one = draw(world, world.surgeon, instance_id)
    change(world, world.surgeon, one, 1, text="second")
    with root.begin() as db:
        first, second = db.scalars(select(AnnotationVersion).order_by(AnnotationVersion.version)).all()
        second.body = first.body
    with pytest.raises(Damaged):
        listed(world, world.surgeon)
