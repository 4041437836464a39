"""Orphans: objects in the store that no row names, and how they go.

Bytes are stored before the row that names them, so a crash between the two leaves an object behind; so does a store
that would not delete. An object is named by a UUIDv7, which tells when it was made: what is younger than a day may
belong to a transaction that has yet to commit and is never touched.
"""

import datetime as dt
from collections.abc import Iterator
from itertools import islice
from uuid import UUID

from sqlalchemy import select

from core import ids
from core.db import Database
from imaging.bodies import Part, store_key
from imaging.previews import Rendition

SAFE_AGE = dt.timedelta(hours=24)
_BATCH = 500


def sweep(database: Database, *, at: dt.datetime | None = None) -> int:
    """Delete the objects older than a day that neither a part nor a rendition names; how many there were."""
    latest = (at or ids.now()) - SAFE_AGE
    count = 0
    found = _older(database, latest)
    while some := list(islice(found, _BATCH)):
        with database.begin(readonly=True) as db:
            named = set(db.scalars(select(Part.id).where(Part.id.in_(some))))
            named |= set(db.scalars(select(Rendition.object_id).where(Rendition.object_id.in_(some))))
        for object_id in set(some) - named:
            database.store.delete(store_key(object_id))
            count += 1
    return count


def _older(database: Database, latest: dt.datetime) -> Iterator[UUID]:
    for key in database.store.keys(""):
        try:
            object_id = UUID(key.rpartition("/")[2])
        except ValueError:
            continue
        if object_id.version == 7 and store_key(object_id) == key and object_id.int >> 80 < latest.timestamp() * 1_000:
            yield object_id
