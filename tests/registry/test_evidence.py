"""What an opinion rests on: the pictures by hash and the marks as they stood, checked against the store later."""

from collections.abc import Iterator

import pytest
from sqlalchemy import update

from core import ids
from core.db import Database
from core.errors import Invalid
from imaging import annotations, intake
from imaging.sandbox import Pool
from imaging.studies import Instance
from registry import entries, matching, opinions, verdicts
from registry.cases import Case
from tests.imaging import samples
from tests.registry.conftest import World

LINE = [(3.0, 4.0), (30.5, 20.25)]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    made = Pool(1)
    yield made
    made.close()


def photo(world: World, pool: Pool, case: Case, colour: int = 0) -> Instance:
    """A photograph, uploaded by the surgeon and filed into the case."""
    data = samples.photo(colour=colour)
    upload = intake.take_in(world.database, pool, world.cast.surgeon.actor, case.id, "a.jpg", data, expected=matching.expected)
    assert upload.state == "filed", upload.reason
    with world.begin() as db:
        return db.get_one(Instance, upload.instance_id)


def test_pictures_and_marks_are_named_as_they_stood(world: World, root: Database, pool: Pool) -> None:
    cast, expert = world.cast, world.cast.expert.actor
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
    picture, other = photo(world, pool, case), photo(world, pool, case, 90)
    with world.begin() as db:
        drawn = {"case_id": case.id, "instance_id": picture.id, "frame": 1}
        mark = annotations.create(db, expert, tool="arrow", points=LINE, text="远端苍白", client_id=ids.new(), **drawn)
        gone = annotations.create(db, expert, tool="length", points=LINE, client_id=ids.new(), **drawn)
        annotations.withdraw(db, expert, gone.id, case_id=case.id, expected=1)
    with world.begin() as db:
        opinion = world.sign(db, case)
        content = opinions.get(db, cast.surgeon.actor, opinion.id).content
        assert {(row["id"], row["kind"], row["sha256"]) for row in content["images"]} == {
            (str(picture.id), "photo", picture.sha256),
            (str(other.id), "photo", other.sha256),
        }
        assert [(m["id"], m["version"], m["image"], m["frame"], m["tool"], m["text"], m["author"]) for m in content["marks"]] == [
            (str(mark.id), 1, str(picture.id), 1, "arrow", "远端苍白", str(cast.expert.id))
        ]
        assert [tuple(point) for point in content["marks"][0]["points"]] == LINE
        assert picture.sop_instance_uid not in opinions.canonical(db, cast.surgeon.actor, opinion.id).decode()
    with world.begin() as db:
        annotations.change(db, expert, mark.id, case_id=case.id, expected=1, tool="arrow", points=LINE, text="changed later")
    with world.begin() as db:
        verdict = verdicts.verify(db, cast.surgeon.actor, opinion.id)
        assert (verdict.whole, verdict.changed) == (True, ())
    with root.begin() as db:
        db.execute(update(Instance).where(Instance.id == other.id).values(state="withdrawn"))
        db.execute(update(annotations.AnnotationVersion).where(annotations.AnnotationVersion.version == 1).values(withdrawn=True))
    with world.begin() as db:
        verdict = verdicts.verify(db, cast.surgeon.actor, opinion.id)
        assert (verdict.whole, verdict.signature_holds) == (False, True)
        assert verdict.changed == (f"image:{other.id}", f"mark:{mark.id}")


def test_the_words_on_a_mark_are_looked_at_before_a_case_is_referred(world: World, pool: Pool) -> None:
    with world.begin() as db:
        case = world.case(db)
    picture = photo(world, pool, case)
    with world.begin() as db:
        mark = annotations.create(
            db,
            world.cast.surgeon.actor,
            case_id=case.id,
            instance_id=picture.id,
            frame=1,
            tool="arrow",
            points=LINE,
            text="张卫国 左手",
            client_id=ids.new(),
        )
        with pytest.raises(Invalid) as caught:
            world.refer(db, case)
        assert caught.value.fields == {f"mark.{mark.id}": "text-names-patient"}


def test_a_follow_up_shows_pictures_of_its_own_case_alone(world: World, pool: Pool) -> None:
    nurse = world.cast.nurse.actor
    with world.begin() as db:
        case, other = world.case(db), world.case(db)
    own, foreign = photo(world, pool, case), photo(world, pool, other)
    seen = {"seen_on": ids.now().date().isoformat(), "survival": "survived"}
    with world.begin() as db:
        entries.submit(db, nurse, case.id, "follow-up", {**seen, "pictures": [str(own.id)]})
        with pytest.raises(Invalid) as caught:
            entries.submit(db, nurse, case.id, "follow-up", {**seen, "pictures": [str(own.id), str(foreign.id)]})
        assert caught.value.fields == {"pictures": "field-picture-unknown"}
