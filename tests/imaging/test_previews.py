"""Previews: made by the worker, sealed, thrown away and made again; never what a picture depends on."""

from io import BytesIO
from uuid import UUID

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

from core import jobs
from core.errors import Damaged
from imaging import bodies, previews, studies
from imaging.previews import Rendition
from imaging.studies import Instance
from tests.imaging import samples
from tests.imaging.conftest import World


def work(world: World) -> None:
    while jobs.run_once(world.database, previews.handlers(world.pool)):
        pass


def small(world: World, instance_id: UUID, kind: previews.Kind, frame: int = 1) -> Image.Image | None:
    with world.database.begin() as db:
        row = studies.instance(db, world.surgeon, instance_id)
        found = previews.find(db, row, frame, kind)
    return None if found is None else Image.open(BytesIO(found.data()))


def photo(world: World, size: tuple[int, int] = (2400, 1800)) -> UUID:
    found = world.take_in(samples.photo(size=size)).instance_id
    assert found
    return found


def test_a_filed_picture_gets_both_sizes_by_the_job_that_filing_asks_for(world: World) -> None:
    instance_id = photo(world)
    assert small(world, instance_id, "preview") is None
    work(world)
    preview, thumbnail = small(world, instance_id, "preview"), small(world, instance_id, "thumbnail")
    assert preview is not None
    assert thumbnail is not None
    assert (preview.size, thumbnail.size, preview.format) == ((1600, 1200), (320, 240), "WEBP")
    wanted = np.asarray(samples.picture((2400, 1800)).resize((320, 240))).astype(int)
    assert np.abs(np.asarray(thumbnail.convert("RGB")) - wanted).mean() < 4


def test_a_picture_that_is_small_stays_as_large_as_it_is(world: World) -> None:
    instance_id = photo(world, (200, 100))
    work(world)
    preview, thumbnail = small(world, instance_id, "preview"), small(world, instance_id, "thumbnail")
    assert preview is not None
    assert thumbnail is not None
    assert preview.size == thumbnail.size == (200, 100)


def test_the_middle_of_many_frames_stands_for_all(world: World) -> None:
    upload = world.take_in(samples.dicom(NumberOfFrames=5, PixelData=bytes(5 * 256)))
    assert upload.instance_id
    work(world)
    assert previews.representative(5) == 3
    assert small(world, upload.instance_id, "thumbnail", 3) is not None
    assert small(world, upload.instance_id, "thumbnail", 1) is None


def test_done_again_there_is_one_of_each_and_no_object_is_left_over(world: World) -> None:
    instance_id = photo(world)
    work(world)
    before = {row.object_id for row in world.rows(Rendition)}
    previews.make(world.database, world.pool, instance_id)
    work(world)
    rows = world.rows(Rendition)
    assert sorted(row.kind for row in rows) == ["preview", "thumbnail"]
    keys = set(world.database.store.keys())
    assert {bodies.store_key(row.object_id) for row in rows} <= keys
    assert not {bodies.store_key(object_id) for object_id in before} & keys


def test_all_of_a_hospital_are_thrown_away_and_made_again(world: World) -> None:
    instance_id = photo(world)
    work(world)
    before = {row.id for row in world.rows(Rendition)}
    with world.database.begin() as db:
        assert previews.rebuild(db, world.cast.aral.id) == 1
        assert previews.rebuild(db, world.cast.kashgar.id) == 0
    assert small(world, instance_id, "thumbnail") is None
    work(world)
    assert small(world, instance_id, "thumbnail") is not None
    assert not before & {row.id for row in world.rows(Rendition)}


def test_a_rendition_is_sealed_and_opens_nowhere_else(world: World) -> None:
    instance_id = photo(world)
    work(world)
    for row in world.rows(Rendition):
        stored = world.database.store.read(bodies.store_key(row.object_id), 0, row.sealed_size)
        assert b"WEBP" not in stored
        assert len(stored) == row.sealed_size
    with world.database.begin() as db:
        first, second = db.scalars(select(Rendition).order_by(Rendition.kind)).all()
        first.object_id, second.object_id = second.object_id, first.object_id
        first.sealed_size, second.sealed_size = second.sealed_size, first.sealed_size
    with pytest.raises(Damaged):
        small(world, instance_id, "thumbnail")


def test_a_lost_object_is_no_loss(world: World) -> None:
    """Attack 63, for what can be made again."""
    instance_id = photo(world)
    work(world)
    for row in world.rows(Rendition):
        world.database.store.delete(bodies.store_key(row.object_id))
    with world.database.begin() as db:
        row = studies.instance(db, world.surgeon, instance_id)
        found = previews.find(db, row, 1, "thumbnail")
    assert found is not None
    assert previews.read_or(found, lambda: b"made on the spot") == b"made on the spot"


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.90"])
def test_what_cannot_be_shown_gets_none_and_the_job_is_done(world: World, syntax: str) -> None:
    upload = world.take_in(samples.dicom(syntax=syntax, frames=[b"\xff\x4f\xff\x51 no picture at all"]))
    assert upload.state == "filed", upload.reason
    work(world)
    assert world.rows(Rendition) == []
    with world.database.begin() as db:
        assert jobs.dead(db, world.cast.aral.id) == []


def test_an_instance_that_is_gone_asks_for_nothing(world: World) -> None:
    instance_id = photo(world)
    with world.database.begin() as db:
        db.get_one(Instance, instance_id).state = "withdrawn"
    work(world)
    assert world.rows(Rendition) == []
