"""What a decision costs, and what the predicate costs over many cases, with and without restricted ones among them.

    python bench/policy.py [--cases 10000] [--restricted 200]

A decision is set beside a look into a dictionary of all cells, which is the least it could be. The predicate is set
beside the same query by hospital alone, which is what it would be if everybody saw everything. SQLite, as embedded.
"""

import argparse
import tempfile
import timeit
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from sqlalchemy import Column, ColumnElement, MetaData, Table, Uuid, func, select

from auth import organisations, people, policy, restrictions, rules
from auth.restrictions import Restriction, Teammate
from core import ids
from core.actor import Actor
from core.db import Database, Tx
from core.keyring import FileProvider, Keyring
from core.storage import DirectoryStore
from registry import schema

CASES = Table("bench_cases", MetaData(), Column("id", Uuid, primary_key=True), Column("organisation_id", Uuid, index=True))


def main() -> None:
    """Run every measure and print it."""
    parser = argparse.ArgumentParser(description="What a decision and the predicate cost.")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--restricted", type=int, default=200)
    asked = parser.parse_args()
    decisions()
    with tempfile.TemporaryDirectory() as folder:
        predicates(Path(folder), asked.cases, asked.restricted)


def decisions() -> None:
    """One decision from the table, without a database."""
    here, case = ids.new(), ids.new()
    surgeon = Actor(person_id=ids.new(), organisation_id=here, roles=frozenset({"surgeon"}))
    cells = dict.fromkeys(rules.RULES, True)
    lookup = per_call(lambda: cells.get(("surgeon", "own", "case:write"), False))
    for standing in rules.STANDINGS:

        def decide(standing: str = standing) -> bool:
            return rules.decide(surgeon, "case:write", organisation_id=here, case_id=case, standing=standing)

        report(f"decide, {standing}", per_call(decide), lookup, "a dictionary")


def predicates(folder: Path, cases: int, restricted: int) -> None:
    """The predicate over all cases of a hospital: a count, and the newest fifty."""
    database = Database(
        f"sqlite:///{folder / 'bench.sqlite'}", Keyring(FileProvider(folder / "root.key", create=True)), DirectoryStore(folder / "objects")
    )
    schema.load()
    schema.upgrade(database)
    with database.begin() as db:
        CASES.create(db.connection())
        hospital = organisations.create(db, name="望海", name_en="Wanghai", city="望海")
        system = Actor.system(hospital.id)
        me, other = (people.create(db, system, login=login, name=login, roles=["surgeon"]).id for login in ("me1", "other1"))
        case_ids = [ids.new() for _ in range(cases)]
        db.execute(CASES.insert(), [{"id": case_id, "organisation_id": hospital.id} for case_id in case_ids])
    surgeon = Actor(person_id=me, organisation_id=hospital.id, roles=frozenset({"surgeon"}))
    for times in (0, restricted):
        with database.begin() as db:
            _restrict(db, hospital.id, case_ids[:: max(1, cases // times)][:times] if times else [], me, other)
        with database.begin(readonly=True) as db:
            allowed = policy.predicate(surgeon, "case:read", organisation_id=CASES.c.organisation_id, case_id=CASES.c.id)
            of_hospital = CASES.c.organisation_id == hospital.id
            seen = db.scalar(select(func.count()).where(allowed))
            print(f"\n{cases:,} cases, {times} of them restricted; the surgeon sees {seen:,}")
            for name, query in (("count", _count), ("newest fifty", _newest)):
                report(f"predicate, {name}", query(db, allowed), query(db, of_hospital), "by hospital alone")
            with_case = per_call(lambda: policy.allowed(db, surgeon, "case:read", organisation_id=hospital.id, case_id=case_ids[0]), 300)
            report("allowed, with its look-ups", with_case, None, "")
    database.close()


def _restrict(db: Tx, organisation_id: UUID, case_ids: list[UUID], me: UUID, other: UUID) -> None:
    """Restrict these cases: every fourth with the surgeon in its team, the others without."""
    for number, case_id in enumerate(case_ids):
        row = Restriction(id=ids.new(), case_id=case_id, organisation_id=organisation_id, reason="other", restricted_by=other)
        db.add(row)
        db.flush()
        for person_id in (me, other) if number % 4 == 0 else (other,):
            db.add(
                Teammate(restriction_id=row.id, case_id=case_id, organisation_id=organisation_id, person_id=person_id, admitted_by=other)
            )
    assert len(restrictions.among(db, case_ids)) == len(case_ids)


def _count(db: Tx, where: ColumnElement[bool]) -> float:
    return per_call(lambda: db.scalar(select(func.count()).select_from(CASES).where(where)), 50)


def _newest(db: Tx, where: ColumnElement[bool]) -> float:
    return per_call(lambda: db.execute(select(CASES.c.id).where(where).order_by(CASES.c.id.desc()).limit(50)).all(), 50)


def per_call(work: Callable[[], object], times: int = 20_000) -> float:
    """Seconds for one call, the best of five rounds."""
    return min(timeit.repeat(work, number=times, repeat=5)) / times


def report(name: str, ours: float, peer: float | None, beside: str) -> None:
    """One line: microseconds, and how many times the peer's."""
    ratio = f"{ours / peer:8.1f} × {beside} ({1e6 * peer:,.2f} µs)" if peer else ""
    print(f"{name:<30}{1e6 * ours:>12,.2f} µs {ratio}")


if __name__ == "__main__":
    main()
