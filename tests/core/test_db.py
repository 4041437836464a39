"""Transactions: all or nothing, one writer after another on SQLite, and no acknowledged write lost."""

import datetime as dt
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pysqlite3.dbapi2 as sqlite
import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import DBAPIError, StatementError

from core import db as module
from core import ids
from core.db import Database, FairLock
from core.errors import Conflict, Invalid, Unavailable
from core.jobs import JobRow
from core.ledger import Head

if TYPE_CHECKING:
    from tests.conftest import Engine


def head(size: int = 0) -> Head:
    return Head(organisation_id=ids.new(), size=size)


def count(database: Database) -> int:
    with database.begin(readonly=True) as db:
        return db.scalar(select(func.count()).select_from(Head)) or 0


def test_a_block_that_ends_well_is_committed_and_one_that_raises_is_not(database: Database) -> None:
    with database.begin() as db:
        db.add(head())
    with suppress(ZeroDivisionError), database.begin() as db:
        db.add(head())
        db.flush()
        raise ZeroDivisionError
    assert count(database) == 1


def test_rows_are_there_to_read_after_the_commit(database: Database) -> None:
    with database.begin() as db:
        db.add(row := head(7))
    assert row.size == 7


def test_a_writer_is_not_seen_before_it_commits(database: Database) -> None:
    with database.begin() as db:
        db.add(head())
        db.flush()
        assert count(database) == 0
    assert count(database) == 1


def test_keyring_and_store_come_with_the_transaction(database: Database) -> None:
    with database.begin() as db:
        assert (db.keyring, db.store) == (database.keyring, database.store)


def test_a_second_row_with_one_key_is_a_conflict(database: Database) -> None:
    organisation = ids.new()

    def write() -> None:
        with database.begin() as db:
            db.execute(insert(Head).values(organisation_id=organisation))

    write()
    with pytest.raises(Conflict, match="written-meanwhile"):
        write()


def test_an_error_of_the_database_does_not_carry_the_values(database: Database) -> None:
    """It may end in a log."""
    with pytest.raises(DBAPIError) as caught, database.begin() as db:
        db.execute(text("INSERT INTO nowhere VALUES (:name)"), {"name": "张三"})
    assert "张三" not in str(caught.value)


def test_a_time_without_a_zone_is_refused_and_any_zone_comes_back_as_utc(database: Database) -> None:
    urumqi = dt.timezone(dt.timedelta(hours=6))
    at = dt.datetime(2026, 11, 24, 9, 30, 15, 123456, tzinfo=urumqi)
    values = {"kind": "x", "organisation_id": ids.new(), "payload": {}, "state": "waiting"}
    with database.begin() as db:
        db.execute(insert(JobRow).values(**values, run_at=at))
    with database.begin(readonly=True) as db:
        stored = db.scalars(select(JobRow.run_at)).one()
        assert stored == at
        assert stored.utcoffset() == dt.timedelta()
        assert db.scalar(select(func.count()).select_from(JobRow).where(JobRow.run_at <= at)) == 1
        assert db.scalar(select(func.count()).select_from(JobRow).where(JobRow.run_at < at)) == 0
    with pytest.raises(StatementError, match="without a zone"), database.begin() as db:
        db.execute(insert(JobRow).values(**values, run_at=at.replace(tzinfo=None)))


def test_a_text_that_postgresql_cannot_hold_is_refused_as_what_was_sent(database: Database) -> None:
    if database.engine.dialect.name == "sqlite":
        with database.begin() as db:
            assert db.scalar(text("SELECT :told"), {"told": "a\0b"}) == "a\0b"
        return
    with pytest.raises(Invalid, match="value-invalid"), database.begin() as db:
        db.execute(text("SELECT :told"), {"told": "a\0b"})


def test_a_sqlite_that_loses_rows_is_refused(monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    monkeypatch.setattr(sqlite, "sqlite_version_info", (3, 51, 2))
    with pytest.raises(Unavailable, match="sqlite-too-old"):
        Database("sqlite://", database.keyring, database.store)


def test_the_fair_lock_is_handed_on_in_the_order_of_asking() -> None:
    lock, order = FairLock(), list[int]()
    assert module.FairLock is FairLock

    def take(number: int) -> None:
        with lock:
            order.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    with lock:
        for thread in threads:
            thread.start()
            time.sleep(0.02)
    for thread in threads:
        thread.join()
    assert order == list(range(8))


def test_writers_at_the_same_moment_all_get_through(database: Database) -> None:
    def write() -> None:
        for _ in range(25):
            with database.begin() as db:
                db.add(head())

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(database) == 200


KILLED = """
import sys
from pathlib import Path
from core import ids
from core.db import Database
from core.keyring import FileProvider, Keyring
from core.ledger import Head
from core.storage import open_store
database = Database(sys.argv[1], Keyring(FileProvider(Path(sys.argv[3]))), open_store(sys.argv[2]))
while True:
    key = f"ab/{ids.new()}"
    database.store.put(key, [b"sealed"])
    with database.begin() as db:
        db.add(Head(organisation_id=(organisation_id := ids.new())))
    print(organisation_id, key, flush=True)
"""


@pytest.mark.parametrize("trial", range(5))
def test_no_acknowledged_write_is_lost_to_a_kill(engine: "Engine", tmp_path: Path, trial: int) -> None:
    database = engine.open()
    command = [sys.executable, "-c", KILLED, engine.database_url, engine.store_url, str(tmp_path / "keys" / "root.key")]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    acknowledged = [child.stdout.readline().split() for _ in range(3 + 4 * trial)]
    child.send_signal(signal.SIGKILL)
    acknowledged += [line.split() for line in child.stdout if line.endswith("\n")]
    child.stdout.close()
    child.wait()
    with database.begin(readonly=True) as db:
        rows = {str(found) for found in db.scalars(select(Head.organisation_id))}
    assert rows >= {row for row, _ in acknowledged}
    assert set(database.store.keys("ab/")) >= {key for _, key in acknowledged}
    database.close()
