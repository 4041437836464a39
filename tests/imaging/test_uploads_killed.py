"""Attack 61 for uploads: the receiving process is killed in mid-stream, again and again, and no byte is in doubt."""

import os
import random
import subprocess
import sys
from pathlib import Path

from core import ids
from core.db import Database
from core.jobs import run_once
from imaging import bodies, intake, orphans, studies, uploads
from imaging.bodies import Part
from imaging.sandbox import Pool
from imaging.studies import Instance
from imaging.uploads import Upload
from tests.conftest import Engine
from tests.imaging import samples
from tests.imaging.conftest import World


def test_a_killed_server_goes_on_where_it_stood(world: World, engine: Engine, tmp_path: Path, pool: Pool) -> None:
    data = samples.dicom(Rows=128, Columns=200, PixelData=random.Random(7).randbytes(128 * 200 * 2))
    file = tmp_path / "sent.dcm"
    file.write_bytes(data)
    with world.database.begin() as db:
        upload_id = uploads.create(db, world.surgeon, organisation_id=world.cast.aral.id, case_id=world.case_id, length=len(data)).id
    stood = [0]
    while stood[-1] < len(data):
        _send_until_killed(engine, world, str(upload_id), file, after=len(data) // 4_000)
        with world.database.begin(readonly=True) as db:
            upload = db.get_one(Upload, upload_id)
            body = bodies.open_body(db, upload.unit, bodies.pieces(db, upload_id))
        assert body.size == upload.offset >= stood[-1]
        assert body.read(0, body.size) == data[: upload.offset]
        stood.append(upload.offset)
    assert len(stood) > 2, "it was never killed in the middle"
    assert run_once(world.database, intake.handlers(pool))
    _check_filed(world.database, upload_id, data)
    assert len(list(world.database.store.keys(""))) - len(world.rows(Part)) <= len(stood), "at most one orphan a kill"
    orphans.sweep(world.database, at=ids.now() + 2 * orphans.SAFE_AGE)
    assert len(list(world.database.store.keys(""))) == len(world.rows(Part))


def _send_until_killed(engine: Engine, world: World, upload_id: str, file: Path, *, after: int) -> None:
    arguments = [engine.database_url, engine.store_url, str(engine.folder), str(world.cast.aral.id), str(world.surgeon.person_id)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.imaging.sender", *arguments, upload_id, str(file)],
        cwd=Path(__file__).parents[2],
        env=dict(os.environ),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process.stdout as lines:
        for count, _ in enumerate(lines):
            if count >= after:
                process.kill()
                break
    process.wait()


def _check_filed(database: Database, upload_id: object, data: bytes) -> None:
    with database.begin(readonly=True) as db:
        upload = db.get_one(Upload, upload_id)
        assert upload.state == "filed"
        source = studies.source(db, db.get_one(Instance, upload.instance_id))
    assert source.read(0, source.size) == data
