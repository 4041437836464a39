"""Searching patients by part of a name as a hospital grows, against unsealing every one of them; and what entering one costs.

Two PostgreSQL databases in one server (or two SQLite files), with a hospital of few and one of many patients, half of whom have
names of foreign origin, which are long and have dozens of readings. Each patient has a key and a sealed identity, and is entered
into the directory by the step of the worker that enters those of before. Then the same words are looked for in both, through
the walls and recorded as ever; and by the plain scan, which has to find the same patients. Printed are the 95th percentiles in
milliseconds, their ratio to the scan, and the time of entering and correcting one patient with what the directory takes of it.

Of 100,000 patients p95 was 202 and 137 ms on PostgreSQL in two rounds (103 and 105 of the processor), in a 2-core machine shared
with other work, where what came before (bytes sent in hexadecimal, columns copied and walked hit by hit) took 366 and 361 ms (177 and
176 of the processor): 0.6 of the processor. On SQLite p95 130 ms (106) against 139 ms (135).

    python -m bench.patient_search [--few 1000] [--many 100000] [--times 10] [--scans 1] [--sqlite]
"""

import argparse
import datetime as dt
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from sqlalchemy import func, insert, select

from bench import databases
from core import ids
from core.db import Database, Tx
from core.keyring import Unit
from registry import directory, identities, names, patients
from registry.directory import Shard
from registry.patients import Patient
from tests import cast, engines
from tests.cast import Cast

LIMIT_MS, ENTER_MS = 300.0, 50.0
BATCH = 500
T = TypeVar("T")
SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹单解盖"
GIVEN = "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂华建国志文红玉辉力永健世广义兴良海山仁波宁贵福生龙元全胜学祥才发成康星光天达安岩中茂进林有坚和彪博诚先敬震振壮会思群豪心邦承乐绍功松善厚庆友裕河哲江浩亮政谦亨奇固之轮翰朗伯宏言若鸣朋斌梁栋维启克伦翔旭鹏泽晨辰行长重"
FOREIGN = [
    "阿卜杜热合曼",
    "买买提",
    "吐尔逊",
    "艾力",
    "古丽",
    "阿依古丽",
    "玉素甫",
    "努尔买买提",
    "阿不都克里木",
    "热依汗古丽",
    "穆罕默德",
    "图尔荪",
    "帕提古丽",
    "伊力亚斯",
    "木合塔尔",
    "麦麦提敏",
    "艾合买提",
    "依布拉音",
    "阿力木江",
    "迪丽努尔",
    "玛依拉",
    "吾斯曼",
    "买合木提",
    "库尔班江",
    "热娜古丽",
    "阿卜力孜",
    "沙吾提",
    "阿依努尔",
    "哈力克",
    "卡德尔",
]
ENDS = ["", "", "江", "汗", "尼亚孜", "阿吉", "提", "拜克"]
SOUGHT = (
    "张伟", "建国", "买买提·吐尔逊", "zhang", "zhangjianguo", "zjg", "abudurehemanaili", "maimaititiituersun", "A000777", "650101", "nobody",
)  # fmt: skip


def main() -> None:
    """Fill both databases, ask, print; ends with 1 where a limit is missed or the two find different patients."""
    parser = argparse.ArgumentParser(description="Searching patients as a hospital grows, and what entering one costs.")
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--scans", type=int, default=1)
    parser.add_argument("--sqlite", action="store_true")
    given = parser.parse_args()
    server = None if given.sqlite else engines.Postgres()
    missed = 0
    with tempfile.TemporaryDirectory() as name:
        for count in (given.few, given.many):
            database, members = _house(server, Path(name) / str(count), count)
            missed += _ask(database, members, count, given.times, given.scans) + _enter(database, members, count, 4 * given.times)
            database.close()
    if server is not None:
        server.close()
    raise SystemExit(missed > 0)


def _house(server: engines.Postgres | None, folder: Path, count: int) -> tuple[Database, Cast]:
    """A hospital of ``count`` patients, as the application meets its database."""
    folder.mkdir()
    database, free = databases.fresh(server, folder, f"bench{count}")
    free.close()
    with database.begin() as db:
        members = cast.make(db)
    drawn = random.Random(count)
    for start in range(0, count, BATCH):
        with database.begin() as db:
            db.execute(insert(Patient), [_patient(db, members.aral.id, drawn, n) for n in range(start, min(start + BATCH, count))])
    began = time.perf_counter()
    patients.fill(database)
    took = time.perf_counter() - began
    if server is not None:
        server.execute("VACUUM ANALYZE", f"bench{count}")
    with database.begin() as db:
        shards, size = db.execute(select(func.count(), func.sum(func.length(Shard.content))).select_from(Shard)).one()
    print(f"{count:,} patients: {shards} shards of {size / 1e6:.1f} MB in all, filled in {took:.1f} s", flush=True)
    return database, members


def _patient(db: Tx, organisation_id: UUID, drawn: random.Random, number: int) -> dict[str, object]:
    if number % 2:
        name = "·".join(one + drawn.choice(ENDS) for one in drawn.choices(FOREIGN, k=2))
    else:
        name = drawn.choice(SURNAMES) + "".join(drawn.choices(GIVEN, k=drawn.choice((1, 2, 2))))
    born = dt.date(1940, 1, 1) + dt.timedelta(days=drawn.randrange(25_000))
    who = identities.checked(name, "unknown", born, f"650101{born:%Y%m%d}{number % 10_000:04d}", f"A{number:06d}", "13800001234")
    unit = Unit("patient", organisation_id, ids.new())
    db.keyring.create(db, unit)
    sealed = db.keyring.seal(db, unit, "identity", "patients", unit.id, 1, who.model_dump_json().encode())
    return {"id": unit.id, "organisation_id": organisation_id, "created_at": ids.now(), "version": 1, "identity": sealed}


def _ask(database: Database, members: Cast, count: int, times: int, scans: int) -> int:
    """Every word, from the directory and by the scan; how many limits were missed."""
    surgeon = members.surgeon.actor
    by_directory: list[float] = []
    by_processor: list[float] = []
    by_scan: list[float] = []
    for query in SOUGHT:
        listed = [_timed(database, members, lambda db, query=query: patients.search(db, surgeon, query)) for _ in range(times + 1)][1:]
        scanned = [_timed(database, members, lambda db, query=query: _scan(db, surgeon.organisation_id, query)) for _ in range(scans)]
        if [one.patient_id for one in listed[0][2]] != scanned[0][2]:
            raise SystemExit(f"{query}: the directory and the scan find different patients")
        by_directory += [took for took, *_ in listed]
        by_processor += [busy for _, busy, _ in listed]
        by_scan += [took for took, *_ in scanned]
        fast, slow = statistics.median(took for took, *_ in listed), statistics.median(took for took, *_ in scanned)
        busy = statistics.median(busy for _, busy, _ in listed)
        print(f"  {query:<20}{len(scanned[0][2]):>3} found {fast:>9.1f} ms ({busy:.1f} of the processor)   scan {slow:>10.1f} ms   {fast / slow:.4f} ×", flush=True)  # fmt: skip
    fast, busy, slow = _p95(by_directory), _p95(by_processor), _p95(by_scan)
    over = fast > LIMIT_MS
    print(
        f"search, {count:,} patients: p95 {fast:.1f} ms (limit {LIMIT_MS:.0f}), {busy:.1f} of the processor, "
        f"scan p95 {slow:.1f} ms; {fast / slow:.4f} ×{'  MISSED' if over else ''}"
    )
    return over


def _scan(db: Tx, organisation_id: UUID, query: str) -> list[UUID]:
    """Every patient of the hospital unsealed, newest first, until as many are found as are shown."""
    found: list[UUID] = []
    rows = select(Patient).where(Patient.organisation_id == organisation_id).order_by(Patient.id.desc()).limit(patients.BATCH)
    batch = list(db.scalars(rows))
    while batch and len(found) < patients.SEARCH_LIMIT:
        db.keyring.load(db, map(patients.unit, batch))
        told = [(row.id, patients.unsealed(db, row)) for row in batch]
        found += [patient_id for patient_id, who in told if names.matches(query, who.name, who.numbers)]
        batch = list(db.scalars(rows.where(Patient.id < batch[-1].id)))
    return found[: patients.SEARCH_LIMIT]


def _enter(database: Database, members: Cast, count: int, times: int) -> int:
    """Entering and correcting a patient, and how much of it the directory takes: the same line written once more."""
    surgeon = members.surgeon.actor
    entered: list[Patient] = []

    def enter(db: Tx) -> None:
        number = f"B{len(entered):06d}"
        entered.append(patients.create(db, surgeon, name="阿卜杜热合曼·买买提", birth_date=dt.date(2000, 1, 1), record_number=number, despite_duplicates=True))  # fmt: skip

    def correct(db: Tx) -> None:
        patients.amend(db, surgeon, entered[0].id, version=patients.get(db, surgeon, entered[0].id).version, name="张伟")

    def write(db: Tx) -> None:
        row = entered[-1]
        began = time.perf_counter()
        directory.put(db, row.organisation_id, row.shard_id, {row.id: patients.unsealed(db, row)})
        alone.append(1000 * (time.perf_counter() - began))

    alone: list[float] = []
    missed = 0
    for what, act in (("entering", enter), ("correcting", correct), ("a line written by itself", write)):
        took = [_timed(database, members, act)[0] for _ in range(times)]
        middle = statistics.median(took)
        missed += middle > ENTER_MS
        print(f"{what}, {count:,} patients: median {middle:.1f} ms, p95 {_p95(took):.1f} ms{'  MISSED' if middle > ENTER_MS else ''}")
    print(f"of which the directory, without the commit: median {statistics.median(alone):.1f} ms", flush=True)
    return missed


def _timed(database: Database, members: Cast, act: Callable[[Tx], T]) -> tuple[float, float, T]:
    """Milliseconds of a whole transaction that acts for the hospital, those that this process computed, and what came of it."""
    began, before = time.perf_counter(), time.process_time()
    with database.at_the_edge().begin(acting=members.aral.id) as db:
        given = act(db)
    return 1000 * (time.perf_counter() - began), 1000 * (time.process_time() - before), given


def _p95(took: list[float]) -> float:
    return statistics.quantiles(took, n=20)[-1]


if __name__ == "__main__":
    main()
