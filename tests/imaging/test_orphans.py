"""Orphans: what no row names goes, and nothing else, and never too early."""

import datetime as dt

import pytest

from core import ids
from core.errors import Damaged
from core.jobs import run_once
from imaging import intake, orphans, previews, studies
from imaging.bodies import store_key
from imaging.studies import Instance
from tests.imaging import samples
from tests.imaging.conftest import World
from tests.imaging.test_uploads import FILE, begin, now, send


def test_only_what_nobody_names_goes_and_only_after_a_day(world: World) -> None:
    world.take_in(samples.dicom())
    assert run_once(world.database, previews.handlers(world.pool))
    store, lost = world.database.store, store_key(ids.new())
    for key in (lost, "backup/readme", f"00/{ids.new()}"):
        store.put(key, [b"x"])
    before = set(store.keys())
    assert len(before) == 6
    assert orphans.sweep(world.database, at=ids.now() + dt.timedelta(hours=23)) == 0
    assert set(store.keys()) == before
    assert orphans.sweep(world.database, at=ids.now() + dt.timedelta(hours=25)) == 1
    assert set(store.keys()) == before - {lost}


def test_a_picture_whose_object_is_gone_or_shorter_is_damaged_and_says_so(world: World) -> None:
    """Attack 63."""
    gone, shorter = world.take_in(samples.dicom()), world.take_in(samples.dicom())
    with world.database.begin(readonly=True) as db:
        rows = [db.get_one(Instance, upload.instance_id) for upload in (gone, shorter)]
        sources = [studies.source(db, row) for row in rows]
        key = store_key(rows[1].object_id)
        kept = db.store.read(key, 0, 1 << 20)
        db.store.delete(store_key(rows[0].object_id))
        db.store.put(key, [kept[:-10]])
    for source in sources:
        with pytest.raises(Damaged):
            source.read(0, source.size)


def test_an_upload_whose_bytes_are_gone_is_not_filed(world: World) -> None:
    upload_id = begin(world)
    send(world, upload_id, 0, FILE)
    for key in list(world.database.store.keys()):
        world.database.store.delete(key)
    with pytest.raises(Damaged):
        intake.process(world.database, world.pool, upload_id)
    assert now(world, upload_id).state == "received"
    assert not world.rows(Instance)
