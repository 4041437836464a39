"""The work list as the registry grows, and what saving an entry costs.

Two PostgreSQL databases in one server (or two SQLite files), alike but for how many cases are over: each of those has its
grant, question, opinion, decision, consents, messages and visits. The same people ask both by turns; printed are the 95th
percentiles in milliseconds of the larger against the smaller, and the median time of saving and of submitting an entry.

    python -m bench.work_list [--few 1000] [--many 100000] [--times 60] [--sqlite]
"""

import argparse
import datetime as dt
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Table, insert, select
from starlette.testclient import TestClient

from bench import databases
from bench.walls import BASE, browser
from core import ids
from core.db import Database
from core.settings import Settings
from core.tables import Base
from registry import cases, consents, decisions, followups, messages
from registry.app import create_app
from registry.cases import Case
from tests import cast, engines
from tests.cast import Member
from tests.registry.conftest import World, wall

RATIO, LIMIT_MS, SAVE_MS = 1.5, 100.0, 50.0
COPIED = (
    "consents", "grants", "referrals", "referral_steps", "entries", "messages", "message_marks", "opinions", "decisions", "visits", "notices",
)  # fmt: skip
BATCH = 500
WORKED_ON = 20
LIVE = 2_000
"""How many of the cases that are over the invited hospital still sees; of the others its grant has run out."""


def main() -> None:
    """Fill both databases, ask, print; ends with 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description="The work list as the registry grows, and what saving an entry costs.")
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=60)
    parser.add_argument("--sqlite", action="store_true")
    given = parser.parse_args()
    server = None if given.sqlite else engines.Postgres()
    with tempfile.TemporaryDirectory() as name:
        houses = [_house(server, Path(name) / str(count), count) for count in (given.few, given.many)]
        missed = _ask(houses, given.times) + _save(houses[1], given.times)
        for app, _, free in houses:
            app.state.pool.close()
            free.close()
    if server is not None:
        server.close()
    raise SystemExit(missed > 0)


def _house(server: engines.Postgres | None, folder: Path, count: int) -> tuple[Any, World, Database]:
    """An application over a database of ``count`` cases that are over and some that are worked on."""
    folder.mkdir()
    held, free = databases.fresh(server, folder, f"bench{count}")
    app = create_app(Settings(base_url=BASE, data_dir=folder), held)
    with held.begin() as db:
        world = World(held, cast.make(db))
    _over(world, free, count)
    for number in range(WORKED_ON):
        with world.begin() as db:
            case = world.case(db)
            world.injury(db, case)
            world.severed(db, case)
            if number % 2:
                world.asked(db, case)
            else:
                world.refer(db, case)
    if server is not None:
        server.execute("VACUUM ANALYZE", f"bench{count}")
    return app, world, free


def _over(world: World, free: Database, count: int) -> None:
    """One case from the injury to its closing, by the verbs, and ``count`` copies of its rows."""
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        world.injury(db, case)
        for purpose in consents.NEEDED_TO_REFER:
            consents.record(db, surgeon, case_id=case.id, purpose=purpose, statement="give")
        world.asked(db, case)
        messages.post(db, surgeon, case_id=case.id, text="One more picture is on its way.")
        messages.thread(db, world.cast.expert.actor, case.id)
        opinion = world.sign(db, case)
        decisions.record(db, surgeon, case_id=case.id, opinion_id=opinion.id, choice="accept")
        followups.plan(db, surgeon, case.id, treated_on=ids.now().date() - dt.timedelta(days=900))
    with world.begin() as db:
        cases.close(db, surgeon, case.id)
    tables = [table for table in Base.metadata.sorted_tables if table.name in COPIED]
    with free.begin() as db:
        whole = dict(db.execute(select(Case.__table__).where(Case.id == case.id)).mappings().one())
        asked = select(Base.metadata.tables["referrals"].c.id).where(Base.metadata.tables["referrals"].c.case_id == case.id)
        rows = {
            table: [dict(row) for row in db.execute(
                select(table).where(table.c.case_id == case.id if "case_id" in table.c else table.c.referral_id.in_(asked))
            ).mappings()]
            for table in tables
        }  # fmt: skip
    for start in range(0, count, BATCH):
        with free.begin() as db:
            copies = [_copy(whole, rows, number, count) for number in range(start, min(start + BATCH, count))]
            db.execute(insert(Case), [copy[0] for copy in copies])
            for table in tables:
                made = [row for _, found in copies for row in found[table]]
                if made:
                    db.execute(insert(table), made)


def _copy(
    whole: dict[str, Any], rows: dict[Table, list[dict[str, Any]]], number: int, count: int
) -> tuple[dict[str, Any], dict[Table, list[dict[str, Any]]]]:
    """The case and its rows under ids of their own."""
    fresh: dict[UUID, UUID] = {whole["id"]: ids.new()}
    fresh |= {row[key]: ids.new() for found in rows.values() for row in found for key in ("id", "chain_id") if key in row}

    def moved(row: dict[str, Any]) -> dict[str, Any]:
        return {name: fresh.get(value, value) if isinstance(value, UUID) else value for name, value in row.items()}

    case = moved(whole) | {"year": 2020, "sequence": number + 1, "client_key": None}
    made = {table: [moved(row) for row in found] for table, found in rows.items()}
    for table, found in made.items():
        for row in found:
            if table.name == "notices":
                row["read_at"] = row["at"]
            if table.name == "grants" and number < count - LIVE:
                row["expires_at"] = row["given_at"]
    return case, made


def _ask(houses: list[tuple[Any, World, Database]], times: int) -> int:
    """Everybody's first page and the list of cases, from both by turns; how many limits were missed."""
    missed = 0
    world = houses[0][1]
    for who, name in ((world.cast.surgeon, "surgeon"), (world.cast.expert, "expert"), (world.cast.coordinator, "coordinator")):
        for what, path in (("work list", "/"), ("list of cases", "/cases")):
            clients = [browser(app, free, _same(who, name, other)) for app, other, free in houses]
            few, many = _by_turns([partial(_get, client, path) for client in clients], times)
            ratio, p95 = _p95(many) / _p95(few), _p95(many)
            over = ratio > RATIO or p95 > LIMIT_MS
            missed += over
            print(
                f"{what}, {name}: p95 {_p95(few):.1f} ms, {p95:.1f} ms; {ratio:.2f} × (limits {RATIO} ×, {LIMIT_MS:.0f} ms){'  MISSED' if over else ''}"
            )
    return missed


def _same(who: Member, name: str, other: World) -> Member:
    return getattr(other.cast, name) if who is not None else who


def _save(house: tuple[Any, World, Database], times: int) -> int:
    """Saving what was typed, and entering it, in the larger database."""
    app, world, free = house
    client = browser(app, free, world.cast.surgeon)
    with world.begin() as db:
        case = world.case(db)
    base = f"/cases/{case.id}/entries/injury"
    typed = {"injured_at": wall(ids.now())[:16], "mechanism": "crush", "side": "left", "note": "Caught in a belt."}

    def save() -> None:
        _well(client.post(f"{base}/draft", data=typed, headers={"Accept": "application/json"}).status_code, 200)

    def enter() -> None:
        _well(client.post(base, data=typed, follow_redirects=False).status_code, 303)

    missed = 0
    for what, act in (("saving what was typed", save), ("entering it", enter)):
        (took,) = _by_turns([act], times)
        middle = statistics.median(took)
        missed += middle > SAVE_MS
        print(f"{what}: median {middle:.1f} ms, p95 {_p95(took):.1f} ms of {SAVE_MS:.0f}{'  MISSED' if middle > SAVE_MS else ''}")
    return missed


def _by_turns(acts: list[Callable[[], None]], times: int) -> Iterator[list[float]]:
    """Milliseconds of each, done by turns, after three that do not count."""
    took: list[list[float]] = [[] for _ in acts]
    for number in range(times + 3):
        for act, found in zip(acts, took, strict=True):
            began = time.perf_counter()
            act()
            if number >= 3:
                found.append(1000 * (time.perf_counter() - began))
    return iter(took)


def _get(client: TestClient, path: str) -> None:
    _well(client.get(path).status_code, 200)


def _well(status: int, owed: int) -> None:
    if status != owed:
        raise SystemExit(f"{status} in place of {owed}")


def _p95(took: list[float]) -> float:
    return statistics.quantiles(took, n=20)[-1]


if __name__ == "__main__":
    main()
