"""What the second wall costs: the same requests behind row-level security and past it.

One PostgreSQL, one database of 10,000 cases, two applications over it: one connects as the role that the policies hold,
the other as the superuser, whom none holds. The requests alternate; printed are medians in milliseconds and their ratio.

    python -m bench.walls [--cases 10000] [--times 40]
"""

import argparse
import datetime as dt
import statistics
import tempfile
import time
from pathlib import Path
from uuid import UUID

from sqlalchemy import insert, select
from starlette.testclient import TestClient

from auth import sessions
from auth.grants import Grant
from auth.people import Person
from bench import databases
from core import ids
from core.db import Database
from core.settings import Settings
from imaging import intake
from imaging.sandbox import Pool
from imaging.studies import Instance, Series, Study
from registry.app import create_app
from registry.cases import Case
from tests import cast, engines
from tests.cast import Cast, Member
from tests.imaging import samples
from tests.registry.conftest import World

BASE = "https://shanhai.test"
LIVE = 2_000
"""How many of the cases the invited hospital is let into now; of the others its grant has run out."""


def main() -> None:
    """Fill the database, ask, print."""
    parser = argparse.ArgumentParser(description="What the second wall costs.")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=40)
    given = parser.parse_args()
    server = engines.Postgres()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        held, free = databases.fresh(server, folder, "bench")
        apps = [create_app(Settings(base_url=BASE, data_dir=folder), database) for database in (held, free)]
        with held.begin() as db:
            world = World(held, cast.make(db))
        paths = fill(world, free, apps[0].state.pool, given.cases)
        server.execute("VACUUM ANALYZE", "bench")
        for who, what, path in paths:
            clients = [browser(app, held, who) for app in apps]
            report(what, *medians(clients, path, given.times))
        for app in apps:
            app.state.pool.close()
        held.close()
        free.close()
    server.close()


def fill(world: World, free: Database, pool: Pool, count: int) -> list[tuple[Member, str, str]]:
    """Ten cases that are worked on, one with a picture, and ``count`` that are over; gives who asks for what."""
    members: Cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        for _ in range(9):
            other = world.case(db)
            world.injury(db, other)
            world.asked(db, other)
    upload = intake.take_in(
        world.database, pool, members.surgeon.actor, case.id, "slice.dcm", samples.dicom(PatientID=None, PatientName=None)
    )
    with free.begin() as db:
        over = dict(db.execute(select(Case.__table__).where(Case.id == case.id)).mappings().one())
        grant = dict(db.execute(select(Grant.__table__).where(Grant.case_id == case.id, Grant.person_id.is_not(None))).mappings().one())
        made = [ids.new() for _ in range(count)]
        db.execute(insert(Case), [over | _over(number, case_id) for number, case_id in enumerate(made)])
        ended = ids.now() - dt.timedelta(days=1)
        late = [grant | {"id": ids.new(), "case_id": case_id, "expires_at": ended} for case_id in made[LIVE:]]
        db.execute(insert(Grant), [grant | {"id": ids.new(), "case_id": case_id} for case_id in made[:LIVE]] + late)
        uids = db.execute(
            select(Study.study_instance_uid, Series.series_instance_uid, Instance.sop_instance_uid)
            .join(Series, Series.study_id == Study.id)
            .join(Instance, Instance.series_id == Series.id)
            .where(Instance.id == upload.instance_id)
        ).one()
    frame = f"/dicomweb/cases/{case.id}/studies/{uids[0]}/series/{uids[1]}/instances/{uids[2]}/frames/1"
    return [
        (members.surgeon, "work list, own hospital", "/"),
        (members.expert, "work list, invited hospital", "/"),
        (members.surgeon, f"list of {count:,} cases, own hospital", "/cases"),
        (members.expert, f"list of {LIVE:,} cases, invited hospital", "/cases"),
        (members.surgeon, "case page, own hospital", f"/cases/{case.id}"),
        (members.expert, "case page, invited hospital", f"/cases/{case.id}"),
        (members.surgeon, "WADO-RS frame, own hospital", frame),
        (members.expert, "WADO-RS frame, invited hospital", frame),
    ]


def _over(number: int, case_id: UUID) -> dict[str, object]:
    return {"id": case_id, "year": 2020, "sequence": number + 1, "state": "closed", "client_key": None}


def browser(app: object, database: Database, member: Member) -> TestClient:
    """Somebody signed in."""
    client = TestClient(app, base_url=BASE, headers={"Origin": BASE, "Accept": "*/*"})  # type: ignore[arg-type]
    with database.begin() as db:
        organisation_id = member.actor.organisation_id
        _, secret = sessions.start(db, db.get_one(Person, member.id), organisation_id=organisation_id, network="192.0.2.7")
    client.cookies.set("__Host-session", secret, domain="shanhai.test")
    return client


def medians(clients: list[TestClient], path: str, times: int) -> list[float]:
    """The median of each, asked by turns, after three that do not count."""
    took: list[list[float]] = [[] for _ in clients]
    for number in range(times + 3):
        for client, found in zip(clients, took, strict=True):
            began = time.perf_counter()
            answer = client.get(path)
            if number >= 3:
                found.append(1000 * (time.perf_counter() - began))
            if answer.status_code != 200:
                raise SystemExit(f"{path}: {answer.status_code}")
    return [statistics.median(found) for found in took]


def report(what: str, behind: float, past: float) -> None:
    """One line."""
    print(f"{what:<46}{behind:>9.1f} ms   past it {past:>8.1f} ms   {behind / past:.2f} ×", flush=True)


if __name__ == "__main__":
    main()
