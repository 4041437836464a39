"""Transactions: all or nothing, one writer after another on SQLite, and no acknowledged write lost."""

import datetime as dt
import logging
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pysqlite3.dbapi2 as sqlite
import pytest
from fastapi import FastAPI
from sqlalchemy import event, func, insert, literal, select, text
from sqlalchemy.exc import DBAPIError, StatementError
from starlette.testclient import TestClient

from core import db as module
from core import ids
from core.db import Database, FairLock, Tx
from core.errors import Conflict, Invalid, ShanhaiError, Unavailable
from core.jobs import JobRow
from core.ledger import Head
from registry.web import health, problems
from registry.web.translations import translate
from tests.engines import SQLITE_DIRECTORY

if TYPE_CHECKING:
    from tests.conftest import Engine, Engines


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


@pytest.mark.parametrize("in_binary", [False, True])
def test_bytes_come_back_as_they_were_however_they_are_sent(database: Database, in_binary: bool) -> None:
    sent = []

    def look(_connection: object, cursor: Any, *_: object) -> None:
        sent.append(getattr(cursor, "format", None))

    row = head(7)
    with database.begin() as db:
        db.add(row)
        db.flush()
        event.listen(database.engine, "after_cursor_execute", look)
        told = select(Head.organisation_id, Head.size, literal(bytes(range(256)))).where(Head.organisation_id == row.organisation_id)
        found = db.execute(told.execution_options(**{module.IN_BINARY: in_binary})).one()
        event.remove(database.engine, "after_cursor_execute", look)
    assert found == (row.organisation_id, 7, bytes(range(256)))
    assert sent == [None if database.engine.dialect.name == "sqlite" else int(in_binary)]


def test_a_number_that_no_column_holds_is_refused_as_what_was_sent(database: Database) -> None:
    for number in (1 << 63, 1 << 200):
        with pytest.raises(Invalid, match="value-invalid"), database.begin() as db:
            db.execute(insert(Head).values(organisation_id=ids.new(), size=number))
    with pytest.raises(OverflowError), database.begin():
        float(1 << 2000)  # a fault of the product's own arithmetic is not what was sent
    assert count(database) == 0


# -- a database that is away ---------------------------------------------------------------------------------------


def nowhere(database: Database) -> Database:
    """The same database at an address where nothing answers."""
    url = database.engine.url
    lost = (
        url.set(database=str(Path(url.database or "").parent / "no-folder" / "x.sqlite"), port=None)
        if "sqlite" in str(url)
        else url.set(port=1)
    )
    return Database(lost.render_as_string(hide_password=False), database.keyring, database.store)


def ready(database: Database) -> int:
    """What a load balancer is told."""
    app = FastAPI()
    app.state.database = database
    app.include_router(health.router)
    return TestClient(app).get("/readyz").status_code


@pytest.mark.parametrize("readonly", [False, True])
def test_a_database_that_does_not_answer_is_unavailable(database: Database, readonly: bool, caplog: pytest.LogCaptureFixture) -> None:
    lost = nowhere(database)
    with pytest.raises(Unavailable, match="database-unavailable") as caught, lost.begin(readonly=readonly):
        pytest.fail("there is no transaction without a database")
    assert "SHANHAI_DATABASE_URL" in str(caught.value.params["cure"]), "what the command line prints"
    assert (ready(lost), ready(database)) == (503, 200)
    assert "the database does not answer: OperationalError" in caplog.text
    assert "x.sqlite" not in caplog.text
    assert "127.0.0.1" not in caplog.text
    lost.close()


def test_an_unavailable_database_is_told_in_both_languages_and_as_503() -> None:
    said = [translate(language, "error-database-unavailable") for language in ("en", "zh")]
    assert said == ["The database does not answer. Try again in a moment.", "数据库没有响应，请稍后再试。"]
    assert problems.status_of(Unavailable("database-unavailable"), "/") == 503


def hang_up(database: Database, db: Tx) -> None:
    """Lose the connection of a transaction, and go on with it."""
    own = db.scalar(text("SELECT pg_backend_pid()"))
    with database.begin() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": own})
    db.add(head())
    db.flush()


def test_a_database_that_fails_over_in_the_middle_is_unavailable_and_then_back(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """PostgreSQL hangs up; SQLite's file is held by another process for longer than the busy timeout."""
    if database.engine.dialect.name == "sqlite":
        monkeypatch.setattr(module, "BUSY_TIMEOUT_MS", 100)
        impatient = Database(str(database.engine.url), database.keyring, database.store)
        with database.begin() as db:
            db.add(head())
            with pytest.raises(Unavailable, match="database-unavailable"), impatient.begin() as other:
                other.add(head())
        assert "OperationalError SQLITE_BUSY" in caplog.text
        impatient.close()
    else:
        with pytest.raises(Unavailable, match="database-unavailable"), database.begin() as db:
            hang_up(database, db)
        assert "AdminShutdown 57P01" in caplog.text
    before = count(database)
    with database.begin() as db:
        db.add(head())
    assert count(database) == before + 1


def test_every_connection_in_use_is_unavailable_too(engine: "Engine") -> None:
    database = engine.open()
    database.engine.pool._timeout = 0.1  # type: ignore[attr-defined]
    with ExitStack() as held:
        for _ in range(database.engine.pool.size() + database.engine.pool._max_overflow):  # type: ignore[attr-defined]
            held.enter_context(database.begin(readonly=True))
        with pytest.raises(Unavailable, match="database-unavailable"):
            held.enter_context(database.begin(readonly=True))
    assert count(database) == 0
    database.close()


def test_what_another_transaction_did_first_is_no_outage(engine: "Engine", caplog: pytest.LogCaptureFixture) -> None:
    """A deadlock of PostgreSQL has the class of an outage; SQLite has one writer and no deadlock."""
    database = engine.open()
    one, two = head(), head()
    with database.begin() as db:
        db.add_all([one, two])
    met, lost = threading.Barrier(2), list[str]()

    def grow(first: Head, second: Head) -> None:
        try:
            with database.begin() as db:
                db.get_one(Head, first.organisation_id, with_for_update=True)
                if database.engine.dialect.name == "postgresql":
                    met.wait(20)
                db.get_one(Head, second.organisation_id, with_for_update=True)
        except ShanhaiError as error:
            lost.append(error.code)

    threads = [threading.Thread(target=grow, args=pair) for pair in ((one, two), (two, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lost == ([] if database.engine.dialect.name == "sqlite" else ["changed-meanwhile"])
    assert not [record for record in caplog.records if record.name == "shanhai.db" and record.levelno >= logging.ERROR]
    database.close()


# -- the files of SQLite -------------------------------------------------------------------------------------------


def test_the_files_of_sqlite_are_for_their_owner_alone(tmp_path: Path, all_engines: "Engines") -> None:
    """Whatever the umask; a file that was there keeps the mode its owner gave it."""
    template = all_engines.fresh(SQLITE_DIRECTORY, tmp_path).open()
    before = os.umask(0o022)
    try:
        for name, mode in (("new", 0o600), ("given", 0o640)):
            (tmp_path / name).mkdir()
            path = tmp_path / name / "x.sqlite"
            if name == "given":
                path.touch()
                path.chmod(mode)
            database = Database(f"sqlite:///{path}", template.keyring, template.store)
            assert path.exists() == (name == "given"), "the engine opens lazily"
            database.create_all()
            with database.begin() as db:
                db.add(head())
                modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
            assert modes == {"x.sqlite": mode, "x.sqlite-wal": mode, "x.sqlite-shm": mode}
            database.close()
    finally:
        os.umask(before)
    template.close()


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
