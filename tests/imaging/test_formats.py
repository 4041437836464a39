"""The part of docs/formats.md on pictures is true: a file and its frames are read again from that page alone."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.db import Tx
from core.keyring import Unit
from imaging.frameindex import FrameIndex
from tests.imaging import samples
from tests.imaging.conftest import World

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")


def vectors(name: str) -> Any:
    found = re.search(rf"```json {name}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_the_frame_index_of_the_page() -> None:
    page = vectors("frame-index")
    native = FrameIndex.decode(page["native"].encode())
    assert [list(each) for each in native.ranges(1)] == [page["native_frame_1"]["range"]]
    assert native.first_bit(1) == page["native_frame_1"]["first_bit"]
    assert native.encode().decode() == page["native"]
    encapsulated = FrameIndex.decode(page["encapsulated"].encode())
    assert [list(each) for each in encapsulated.ranges(0)] == page["encapsulated_frame_0"]["ranges"]
    assert encapsulated.encode().decode() == page["encapsulated"]


# -- written from the page ------------------------------------------------------------------------------


def rows(db: Tx, query: str) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in db.execute(text(query))]


def unsealed(db: Tx, unit: Unit, purpose: str, table: str, row: dict[str, Any], column: str) -> bytes:
    return db.keyring.unseal(db, unit, purpose, table, UUID(str(row["id"])), 1, bytes(row[column]))


def test_a_file_and_its_frames_are_read_as_the_page_says(world: World) -> None:
    frames = [samples.photo(size=(16, 16), colour=number) for number in range(2)]
    sent = samples.encapsulated(frames, table="basic", fragments=2)
    world.take_in(sent)
    with world.database.begin(readonly=True) as db:
        [row] = rows(db, "SELECT * FROM instances")
        [study] = rows(db, "SELECT * FROM studies")
        unit = Unit("study", world.cast.aral.id, UUID(str(row["key_id"])))
        file = b""
        for part in rows(db, "SELECT * FROM image_parts ORDER BY start"):
            assert str(part["body_id"]) == str(row["body_id"])
            assert part["start"] == len(file)
            name = UUID(str(part["id"]))
            stored = db.store.read(f"{name.hex[-2:]}/{name}", 0, part["sealed_size"] + 1)
            assert len(stored) == part["sealed_size"]
            file += db.keyring.unseal(db, unit, "image", "image_parts", name, 1, stored)
        header = json.loads(unsealed(db, unit, "header", "instances", row, "header"))
        index = json.loads(unsealed(db, unit, "frame-index", "instances", row, "frame_index"))
        of_study = Unit("study", world.cast.aral.id, UUID(str(study["id"])))
        patient = json.loads(unsealed(db, of_study, "header", "studies", study, "header"))
    assert file == sent
    assert hashlib.sha256(file).hexdigest() == row["sha256"]
    assert patient["00100020"]["Value"] == ["0010234"]
    found = [b"".join(file[start : start + length] for start, length in ranges) for ranges in index["fragments"]]
    assert [each.rstrip(b"\0") for each in found] == frames
    _, start, length = header["7FE00010"]["BulkDataURI"].split("/")
    assert file[int(start) :][:4] == b"\xfe\xff\x00\xe0"
    assert file[int(start) : int(start) + int(length)].endswith(b"\xfe\xff\xdd\xe0\0\0\0\0")
