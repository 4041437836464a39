"""Jobs: done at least once, by one worker at a time, again when they fail, and never without their commit."""

import datetime as dt
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from sqlalchemy import select, update

from core import ids, jobs
from core.db import Database
from core.errors import NotFound, ShanhaiError, Unavailable
from core.jobs import Job, JobRow, Worker, claim, enqueue, run_once

if TYPE_CHECKING:
    from tests.conftest import Engine

ORGANISATION = ids.new()


def ask(database: Database, kind: str = "preview", key: str | None = None, run_at: dt.datetime | None = None, **payload: str | int) -> None:
    with database.begin() as db:
        enqueue(db, kind, payload, organisation_id=ORGANISATION, key=key, run_at=run_at)


def rows(database: Database) -> list[JobRow]:
    with database.begin(readonly=True) as db:
        return list(db.scalars(select(JobRow).order_by(JobRow.id)))


def later(seconds: float) -> dt.datetime:
    return ids.now() + dt.timedelta(seconds=seconds)


class Done:
    """A handler that remembers what it was given, and may be told to fail."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.jobs: list[Job] = []
        self.failure = failure

    def __call__(self, database: Database, job: Job) -> None:
        self.jobs.append(job)
        if self.failure:
            raise self.failure


# -- enqueued with the transaction ---------------------------------------------------------------------------


def test_a_job_is_worked_once_and_gone(database: Database) -> None:
    done = Done()
    ask(database, study="7", frame=3)
    assert run_once(database, {"preview": done})
    assert not run_once(database, {"preview": done})
    (job,) = done.jobs
    assert (job.kind, job.payload, job.organisation_id, job.attempt) == ("preview", {"study": "7", "frame": 3}, ORGANISATION, 1)
    assert rows(database) == []


def test_what_is_rolled_back_is_never_worked(database: Database) -> None:
    with suppress(ZeroDivisionError), database.begin() as db:
        enqueue(db, "preview", {}, organisation_id=ORGANISATION)
        raise ZeroDivisionError
    assert claim(database, ["preview"]) is None


def test_a_job_waits_for_its_time_and_for_a_worker_that_knows_it(database: Database) -> None:
    ask(database, run_at=later(60))
    assert claim(database, ["preview"]) is None
    with ids.told(later(61)):
        assert claim(database, ["other"]) is None
        assert claim(database, ["preview"])


def test_the_oldest_is_first(database: Database) -> None:
    for seconds, name in ((-1, "second"), (-3, "first"), (-0.5, "third")):
        ask(database, run_at=later(seconds), name=name)
    assert [job.payload["name"] for _ in range(3) if (job := claim(database, ["preview"]))] == ["first", "second", "third"]


def test_of_several_waiting_with_one_key_one_is_worked(database: Database) -> None:
    ask(database, key="study-1", run_at=later(-1), turn=1)
    ask(database, key="study-1", run_at=later(60), turn=2)
    ask(database, "index", key="study-1", turn=3)
    ask(database, turn=4)
    ask(database, turn=5)
    turns = []
    while job := claim(database, ["preview", "index"]):
        turns.append(job.payload["turn"])
    assert turns == [2, 3, 4, 5], "the earliest time and the newest payload of the two"


def test_a_job_asked_for_while_its_like_is_running_is_worked_again(database: Database) -> None:
    """The one that runs may have read what was there before."""
    ask(database, key="study-1", turn=1)
    running = claim(database, ["preview"])
    ask(database, key="study-1", turn=2)
    second = claim(database, ["preview"])
    assert running
    assert second
    assert second.payload == {"turn": 2}


def test_a_waiting_job_is_not_taken_while_a_like_one_is_being_asked_for(database: Database) -> None:
    """On PostgreSQL the second request holds the row until it commits; SQLite has one writer anyway."""
    if database.engine.dialect.name == "sqlite":
        ask(database, key="study-1", turn=1)
        ask(database, key="study-1", turn=2)
    else:
        ask(database, key="study-1", turn=1)
        with database.begin() as db:
            enqueue(db, "preview", {"turn": 2}, organisation_id=ORGANISATION, key="study-1")
            assert claim(database, ["preview"]) is None
    job = claim(database, ["preview"])
    assert job
    assert job.payload == {"turn": 2}


# -- leases, failures, dead letters -----------------------------------------------------------------------------


def test_a_job_in_hand_is_nobody_elses_until_its_lease_lapses(database: Database) -> None:
    ask(database)
    first = claim(database, ["preview"])
    assert first
    assert claim(database, ["preview"]) is None
    with ids.told(ids.now() + jobs.LEASE + dt.timedelta(seconds=1)):
        second = claim(database, ["preview"])
    assert second
    assert (second.id, second.attempt) == (first.id, 2)
    assert second.lease_id != first.lease_id


def test_a_worker_whose_lease_went_to_another_does_not_settle_the_job(database: Database) -> None:
    ask(database)

    def slow(database: Database, job: Job) -> None:
        with ids.told(ids.now() + 2 * jobs.LEASE):
            assert claim(database, ["preview"])

    run_once(database, {"preview": slow})
    (row,) = rows(database)
    assert (row.state, row.attempts) == ("running", 2)


def test_what_fails_is_tried_again_later_each_time_and_at_last_put_aside(database: Database) -> None:
    failing = Done(Unavailable("store-unavailable"))
    ask(database, key="study-1")
    waits = []
    now = ids.now()
    for attempt in range(1, jobs.MAX_ATTEMPTS + 1):
        with ids.told(now):
            assert run_once(database, {"preview": failing})
            assert not run_once(database, {"preview": failing}), "not at once"
        (row,) = rows(database)
        assert (row.attempts, row.failed_with) == (attempt, "store-unavailable")
        if attempt < jobs.MAX_ATTEMPTS:
            assert row.state == "waiting"
            waits.append((row.run_at - now).total_seconds())
        now = row.run_at + dt.timedelta(seconds=1)
    assert row.state == "dead"
    assert waits == sorted(waits)
    assert 1 < waits[0] < 4 < 90 < waits[-1]
    with ids.told(later(10**6)):
        assert claim(database, ["preview"]) is None
    with database.begin() as db:
        assert jobs.backlog(db) == {"waiting": 0, "running": 0, "dead": 1}
        (letter,) = jobs.dead(db, ORGANISATION)
        assert jobs.dead(db, ids.new()) == []
        jobs.revive(db, letter.id)
        with pytest.raises(NotFound, match="job-not-found"):
            jobs.revive(db, letter.id)
    failing.failure = None
    assert run_once(database, {"preview": failing})
    assert rows(database) == []


def test_a_job_that_kills_its_workers_is_put_aside_too(database: Database) -> None:
    ask(database)
    now = ids.now()
    for _ in range(jobs.MAX_ATTEMPTS):
        with ids.told(now):
            assert claim(database, ["preview"])
        now += jobs.LEASE + dt.timedelta(seconds=1)
    with ids.told(now):
        assert claim(database, ["preview"]) is None
    (row,) = rows(database)
    assert (row.state, row.failed_with) == ("dead", "worker-lost")


def test_a_failure_is_noted_without_its_words(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """What an exception says may be about a patient."""
    ask(database)
    run_once(database, {"preview": Done(ValueError("张三 has two left hands"))})
    (row,) = rows(database)
    assert row.failed_with == "ValueError"
    assert "test_jobs.py" in caplog.text
    assert "张三" not in caplog.text


def test_a_failed_job_makes_way_for_a_waiting_one_with_its_key(database: Database) -> None:
    ask(database, key="study-1", turn=1)

    def fail(database: Database, job: Job) -> None:
        ask(database, key="study-1", turn=2)
        raise ValueError

    run_once(database, {"preview": fail})
    (row,) = rows(database)
    assert (row.payload, row.attempts) == ({"turn": 2}, 0)


def test_a_failed_job_makes_way_for_one_that_is_being_asked_for_at_the_same_moment(database: Database) -> None:
    """On PostgreSQL its return waits at the unique index for that transaction; on SQLite it waits for the only writer."""
    ask(database, key="study-1", turn=1)
    begun, asked, outcome = threading.Event(), threading.Event(), list[object]()

    def fail(_: Database, __: Job) -> None:
        begun.set()
        asked.wait(20)
        raise ValueError

    def run() -> None:
        try:
            outcome.append(run_once(database, {"preview": fail}))
        except ShanhaiError as error:
            outcome.append(error.code)

    worker = threading.Thread(target=run)
    worker.start()
    assert begun.wait(20)
    with database.begin() as db:
        enqueue(db, "preview", {"turn": 2}, organisation_id=ORGANISATION, key="study-1")
        asked.set()
        worker.join(0.7)
        assert worker.is_alive(), "it waits for this transaction"
    worker.join(20)
    assert outcome == [True]
    assert [(row.payload, row.state, row.attempts) for row in rows(database)] == [({"turn": 2}, "waiting", 0)]


def test_a_dead_letter_makes_way_for_a_waiting_one_with_its_key(database: Database) -> None:
    ask(database, key="study-1", turn=1)
    job = claim(database, ["preview"])
    assert job
    with database.begin() as db:
        db.execute(update(JobRow).values(state="dead"))
    ask(database, key="study-1", turn=2)
    with database.begin() as db:
        jobs.revive(db, job.id)
    assert [(row.payload, row.state) for row in rows(database)] == [({"turn": 2}, "waiting")]


def test_a_lease_is_renewed_while_the_handler_runs(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LEASE", dt.timedelta(seconds=0.6))
    ask(database)
    others: list[Job | None] = []

    def slow(database: Database, job: Job) -> None:
        for _ in range(5):
            time.sleep(0.3)
            others.append(claim(database, ["preview"]))

    assert run_once(database, {"preview": slow})
    assert others == [None] * 5
    assert rows(database) == []


# -- workers -----------------------------------------------------------------------------------------------------


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def test_workers_that_race_work_each_job_once(database: Database) -> None:
    for number in range(60):
        ask(database, number=number)
    done = Done()
    workers = [Worker(database, {"preview": done}) for _ in range(4)]
    for worker in workers:
        worker.start()
    try:
        until(lambda: len(done.jobs) >= 60)
        until(lambda: rows(database) == [])
    finally:
        for worker in workers:
            worker.stop()
    assert sorted(int(job.payload["number"]) for job in done.jobs) == list(range(60))


def test_a_worker_wakes_at_once_for_its_own_process(database: Database) -> None:
    done = Done()
    worker = Worker(database, {"preview": done}, poll=30.0)
    worker.start()
    try:
        time.sleep(0.2)
        for count in (1, 2, 3):
            began = time.monotonic()
            ask(database)
            until(lambda count=count: len(done.jobs) == count)  # type: ignore[misc]
            assert time.monotonic() - began < 5, "far below the 30 seconds it polls at"
    finally:
        worker.stop()


def test_a_worker_finds_what_another_process_asked_for_within_its_poll(engine: "Engine", tmp_path: Path) -> None:
    database, done = engine.open(), Done()
    worker = Worker(database, {"preview": done})
    worker.start()
    script = """
import sys
from pathlib import Path
from uuid import UUID
from core.db import Database
from core.jobs import enqueue
from core.keyring import FileProvider, Keyring
from core.storage import open_store
database = Database(sys.argv[1], Keyring(FileProvider(Path(sys.argv[3]))), open_store(sys.argv[2]))
with database.begin() as db:
    enqueue(db, "preview", {"from": "afar"}, organisation_id=UUID(sys.argv[4]))
"""
    key = str(tmp_path / "keys" / "root.key")
    try:
        subprocess.run([sys.executable, "-c", script, engine.database_url, engine.store_url, key, str(ORGANISATION)], check=True)
        until(lambda: len(done.jobs) == 1, 5)
        assert done.jobs[0].payload == {"from": "afar"}
    finally:
        worker.stop()
        database.close()


def test_a_killed_workers_job_is_taken_up_again(engine: "Engine", tmp_path: Path) -> None:
    database = engine.open()
    ask(database)
    script = """
import os, signal, sys
from pathlib import Path
from core.db import Database
from core.jobs import run_once
from core.keyring import FileProvider, Keyring
from core.storage import open_store
database = Database(sys.argv[1], Keyring(FileProvider(Path(sys.argv[3]))), open_store(sys.argv[2]))
run_once(database, {"preview": lambda database, job: os.kill(os.getpid(), signal.SIGKILL)})
"""
    arguments = [sys.executable, "-c", script, engine.database_url, engine.store_url, str(tmp_path / "keys" / "root.key")]
    assert subprocess.run(arguments, check=False).returncode == -9
    done = Done()
    assert not run_once(database, {"preview": done})
    with ids.told(ids.now() + jobs.LEASE + dt.timedelta(seconds=1)):
        assert run_once(database, {"preview": done})
    assert done.jobs[0].attempt == 2
    database.close()


def test_a_worker_does_its_periodic_tasks_and_one_that_fails_stops_nothing(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    runs, failures = list[float](), list[float]()

    def task(database: Database) -> None:
        runs.append(time.monotonic())

    def failing(database: Database) -> None:
        failures.append(time.monotonic())
        raise Unavailable("store-unavailable")

    worker = Worker(database, {}, periodic=[(0.1, failing), (0.1, task), (3600.0, task)], poll=0.05)
    worker.start()
    until(lambda: len(runs) >= 4 and len(failures) >= 3)
    worker.stop()
    assert runs[-1] - runs[1] >= 0.15
    assert "periodic failing failed: store-unavailable" in caplog.text


def test_a_long_periodic_task_keeps_no_other_waiting(database: Database) -> None:
    """Sweeping the whole store may take an hour."""
    blocking, ticks = threading.Event(), list[float]()
    worker = Worker(database, {}, periodic=[(3600.0, lambda database: blocking.wait(20)), (0.05, lambda database: ticks.append(0))])
    worker.start()
    until(lambda: len(ticks) >= 3)
    assert not blocking.is_set()
    blocking.set()
    worker.stop()


def test_a_long_job_keeps_no_periodic_task_and_no_other_lane_waiting(database: Database) -> None:
    """Neither a checkpoint nor a call for help must wait for a CT of two hundred slices."""
    blocking, ticks, done = threading.Event(), list[float](), Done()

    def long(database: Database, job: Job) -> None:
        assert blocking.wait(20)

    ask(database, "intake")
    worker = Worker(database, {"intake": long}, {"preview": done}, periodic=[(0.05, lambda database: ticks.append(0))])
    worker.start()
    until(lambda: [row.state for row in rows(database)] == ["running"])
    before = len(ticks)
    ask(database, "preview")
    until(lambda: len(ticks) > before + 2)
    until(lambda: len(done.jobs) == 1)
    blocking.set()
    until(lambda: rows(database) == [])
    worker.stop()


def test_a_worker_that_runs_in_the_foreground_ends_when_it_is_stopped(database: Database) -> None:
    worker = Worker(database, {})
    thread = threading.Thread(target=worker.run)
    thread.start()
    worker.stop()
    thread.join(20)
    assert not thread.is_alive()


def test_a_worker_outlives_a_database_that_is_away(database: Database, root: Database, caplog: pytest.LogCaptureFixture) -> None:
    """The table stands for the database: it goes and comes back."""
    done = Done()
    ask(database)
    with root.begin() as db:
        db.connection().exec_driver_sql("ALTER TABLE jobs RENAME TO jobs_away")
    worker = Worker(database, {"preview": done}, poll=0.05)
    worker.start()
    until(lambda: "cannot reach its database" in caplog.text)
    with root.begin() as db:
        db.connection().exec_driver_sql("ALTER TABLE jobs_away RENAME TO jobs")
    until(lambda: len(done.jobs) == 1)
    worker.stop()


def test_stopping_waits_for_the_job_at_hand(database: Database) -> None:
    begun, finished = threading.Event(), threading.Event()

    def slow(database: Database, job: Job) -> None:
        begun.set()
        time.sleep(0.5)
        finished.set()

    ask(database)
    worker = Worker(database, {"preview": slow})
    worker.start()
    assert begun.wait(20)
    worker.stop()
    assert finished.is_set()
    assert rows(database) == []


def test_a_jobs_lease_is_its_own(database: Database) -> None:
    ask(database)
    job = claim(database, ["preview"])
    assert job
    with database.begin() as db:
        db.execute(update(JobRow).where(JobRow.id == job.id).values(lease_id=UUID(int=1)))
    with database.begin() as db:
        jobs._settle(db, job, None)
    assert len(rows(database)) == 1
