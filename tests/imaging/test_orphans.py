"""Orphans: what no row names goes, and nothing else, and never too early."""

import datetime as dt
from contextlib import suppress

import pytest

from core import ids
from core.errors import Damaged, Unavailable
from core.jobs import run_once
from imaging import bodies, intake, orphans, previews, studies
from imaging.bodies import Part, store_key
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
    assert run_once(world.database, intake.handlers(world.pool))
    assert (now(world, upload_id).state, now(world, upload_id).reason) == ("refused", "damaged")
    assert not run_once(world.database, intake.handlers(world.pool))
    assert not world.rows(Part)
    assert not world.rows(Instance)


def test_bytes_go_when_the_transaction_is_committed_and_not_before(world: World) -> None:
    """A savepoint that is released is no commit, and one that is undone has let nothing go."""

    def there() -> list[bool]:
        known = set(world.database.store.keys())
        return [store_key(piece.object_id) in known for piece in pieces]

    held = [begin(world) for _ in range(3)]
    for upload_id in held:
        send(world, upload_id, 0, FILE)
    with world.database.begin(readonly=True) as db:
        pieces = [piece for upload_id in held for piece in bodies.pieces(db, upload_id)]
    with suppress(Unavailable), world.database.begin() as db:
        with db.begin_nested():
            bodies.forget(db, held[0])
        assert there() == [True] * 3
        raise Unavailable("database-unavailable")
    assert there() == [True] * 3
    with world.database.begin() as db:
        with db.begin_nested():
            bodies.forget(db, held[0])
        with suppress(Unavailable), db.begin_nested():
            bodies.forget(db, held[1])
            with db.begin_nested():
                bodies.forget(db, held[2])
            raise Unavailable("database-unavailable")
        assert there() == [True] * 3
    assert there() == [False, True, True]
    assert sorted(row.body_id for row in world.rows(Part)) == sorted(held[1:])
