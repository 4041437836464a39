"""Jobs: work that outlives a request, kept as rows and enqueued in the caller's transaction.

A job runs at least once: handlers must bear being run again. A worker holds a job by a lease that it
renews while the handler runs; when the worker dies the lease lapses and another takes the job. What
fails is tried again, later each time, and at last put aside as a dead letter. Payloads hold ids only.
"""

import datetime as dt
import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from traceback import format_tb
from uuid import UUID

from sqlalchemy import ColumnElement, Index, and_, case, event, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column

from core import ids
from core.db import Database, Tx
from core.errors import NotFound, ShanhaiError
from core.tables import Base, Code, IdColumn, Json

LEASE = dt.timedelta(seconds=60)
MAX_ATTEMPTS = 8
POLL_SECONDS = 1.0

log = logging.getLogger("shanhai.jobs")


class JobRow(Base):
    """One job. Done jobs are deleted; a dead letter stays until somebody looks at it."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index(None, "state", "run_at"),
        Index(
            "uq_jobs_waiting",
            "kind",
            "key",
            unique=True,
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
    )

    id: Mapped[IdColumn]
    kind: Mapped[Code]
    key: Mapped[str | None]
    organisation_id: Mapped[UUID] = mapped_column(index=True)
    payload: Mapped[Json]
    state: Mapped[Code] = mapped_column(default="waiting")
    run_at: Mapped[dt.datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    lease_id: Mapped[UUID | None]
    leased_until: Mapped[dt.datetime | None]
    failed_with: Mapped[str | None]
    created_at: Mapped[dt.datetime] = mapped_column(default=ids.now)


@dataclass(frozen=True, slots=True)
class Job:
    """A job in the hands of one worker, by a lease. ``attempt`` counts from 1."""

    id: UUID
    kind: str
    payload: Mapping[str, str | int]
    organisation_id: UUID
    attempt: int
    lease_id: UUID


Handler = Callable[[Database, Job], None]
Periodic = Callable[[Database], object]


def enqueue(
    db: Session,
    kind: str,
    payload: Mapping[str, str | int],
    *,
    organisation_id: UUID,
    run_at: dt.datetime | None = None,
    key: str | None = None,
) -> None:
    """Ask for work, when this transaction commits and not before ``run_at``.

    Of several waiting jobs with one kind and ``key`` only one is kept, at the earliest time asked
    for and with the newest payload; one that is already running does not count, since it may have
    read what was before.
    """
    table = postgres_insert(JobRow) if db.get_bind().dialect.name == "postgresql" else sqlite_insert(JobRow)
    run_at = run_at or ids.now()
    row = table.values(
        id=ids.new(), kind=kind, key=key, organisation_id=organisation_id, payload=dict(payload), state="waiting", run_at=run_at, attempts=0,
        created_at=ids.now(),
    )  # fmt: skip
    if key is not None:
        waiting = text("state = 'waiting'")
        earliest = case((JobRow.run_at < row.excluded.run_at, JobRow.run_at), else_=row.excluded.run_at)
        changed = {"run_at": earliest, "payload": row.excluded.payload}
        row = row.on_conflict_do_update(index_elements=["kind", "key"], index_where=waiting, set_=changed)
    db.execute(row)
    db.info["jobs.enqueued"] = True


def claim(database: Database, kinds: Collection[str]) -> Job | None:
    """Take the next job that is due, or whose worker has died, under a fresh lease."""
    due = _due(kinds)
    with database.begin(readonly=True) as db:
        if db.scalar(select(JobRow.id).where(due).limit(1)) is None:
            return None
    with database.begin() as db:
        query = select(JobRow).where(due).order_by(JobRow.run_at, JobRow.id).limit(1).with_for_update(skip_locked=True)
        while row := db.scalar(query):
            if row.attempts >= MAX_ATTEMPTS:
                row.state, row.lease_id, row.failed_with = "dead", None, row.failed_with or "worker-lost"
                db.flush()
                continue
            row.state, row.lease_id, row.leased_until = "running", ids.new(), ids.now() + LEASE
            row.attempts += 1
            return Job(row.id, row.kind, row.payload, row.organisation_id, row.attempts, row.lease_id)
    return None


def run_once(database: Database, handlers: Mapping[str, Handler]) -> bool:
    """Run one job if any is due; False if none was. What the handler raises is noted, never raised here."""
    job = claim(database, handlers.keys())
    if job is None:
        return False
    failure: str | None = None
    with _renewing(database, job):
        try:
            handlers[job.kind](database, job)
        except Exception as error:  # noqa: BLE001  a handler may fail in any way; the job is tried again
            failure = _failure(error)
            log.warning(
                "job %s %s failed in attempt %d: %s\n%s", job.kind, job.id, job.attempt, failure, "".join(format_tb(error.__traceback__))
            )
    with database.begin() as db:
        _settle(db, job, failure)
    return True


class Worker:
    """Runs jobs until stopped, in threads of the server or as a process of its own.

    A job enqueued by this process is taken up at once, one of another process within ``poll`` seconds.
    Each of ``lanes`` has a thread of its own and does the kinds it has handlers for: a short job in one
    never waits for a long one in another. ``periodic`` names what else to run, each with the seconds between two runs and in a thread of its own;
    nothing, however long, keeps it waiting.
    """

    def __init__(
        self,
        database: Database,
        *lanes: Mapping[str, Handler],
        periodic: Sequence[tuple[float, Periodic]] = (),
        poll: float = POLL_SECONDS,
    ) -> None:
        self._database, self._poll = database, poll
        self._stopping = threading.Event()
        loops = [partial(self._work, lane) for lane in lanes] + [partial(self._tick, seconds, task) for seconds, task in periodic]
        self._threads = [threading.Thread(target=loop, name=f"shanhai-worker-{n}", daemon=True) for n, loop in enumerate(loops)]

    def start(self) -> None:
        """Begin, in threads of its own."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float = 30.0) -> None:
        """Finish the jobs at hand, take no other, and wait for the threads to end."""
        self._stopping.set()
        _bell.ring()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout)

    def run(self) -> None:
        """Begin, and return when stopped from elsewhere or interrupted; the jobs at hand are finished first."""
        self.start()
        try:
            self._stopping.wait()
        finally:
            self.stop()

    def _work(self, handlers: Mapping[str, Handler]) -> None:
        """One lane's loop over its jobs. It outlives a database that is away for a while."""
        while not self._stopping.is_set():
            rung = _bell.count
            try:
                busy = run_once(self._database, handlers)
            except (SQLAlchemyError, ShanhaiError) as error:
                log.error("the worker cannot reach its database: %s", _failure(error))
                busy = False
            if not busy and not self._stopping.is_set():
                _bell.wait(rung, self._poll)

    def _tick(self, seconds: float, task: Periodic) -> None:
        """The loop of one periodic task, at once and then again and again; a run that fails stops no later one."""
        while not self._stopping.is_set():
            due = time.monotonic() + seconds
            try:
                task(self._database)
            except Exception as error:  # noqa: BLE001  whatever it was, the next run may succeed
                name = getattr(task, "__name__", "task")
                log.error("periodic %s failed: %s\n%s", name, _failure(error), "".join(format_tb(error.__traceback__)))
            self._stopping.wait(max(due - time.monotonic(), 0.0))


def backlog(db: Session) -> dict[str, int]:
    """How many jobs wait, run and lie dead, for metrics: keys waiting, running, dead."""
    counts = dict(db.execute(select(JobRow.state, func.count()).group_by(JobRow.state)).all())
    return {state: counts.get(state, 0) for state in ("waiting", "running", "dead")}


def dead(db: Session, organisation_id: UUID) -> list[JobRow]:
    """An organisation's dead letters, oldest first."""
    query = select(JobRow).where(JobRow.state == "dead", JobRow.organisation_id == organisation_id)
    return list(db.scalars(query.order_by(JobRow.id)))


def revive(db: Session, job_id: UUID) -> None:
    """Give a dead letter its attempts again. Raises NotFound."""
    row = db.scalar(select(JobRow).where(JobRow.id == job_id, JobRow.state == "dead").with_for_update())
    if row is None:
        raise NotFound("job-not-found")
    _wait_again(db, row, ids.now())
    row.attempts = 0
    db.info["jobs.enqueued"] = True


def _failure(error: Exception) -> str:
    """What may be written down of an error: its code or its type, never its words."""
    return error.code if isinstance(error, ShanhaiError) else type(error).__name__


def _due(kinds: Collection[str]) -> ColumnElement[bool]:
    now = ids.now()
    waiting = and_(JobRow.state == "waiting", JobRow.run_at <= now)
    lapsed = and_(JobRow.state == "running", JobRow.leased_until < now)
    return and_(JobRow.kind.in_(kinds), or_(waiting, lapsed))


def _settle(db: Session, job: Job, failure: str | None) -> None:
    """Delete what is done; put off or aside what failed. A job whose lease went to another is left alone."""
    row = db.scalar(select(JobRow).where(JobRow.id == job.id, JobRow.lease_id == job.lease_id).with_for_update())
    if row is None:
        log.warning("job %s %s outlived its lease", job.kind, job.id)
    elif failure is None:
        db.delete(row)
    else:
        row.failed_with = failure
        if row.attempts >= MAX_ATTEMPTS:
            row.state, row.lease_id = "dead", None
        else:
            _wait_again(db, row, ids.now() + _pause(row.attempts))


def _wait_again(db: Session, row: JobRow, run_at: dt.datetime) -> None:
    """Back among the waiting, unless one with its key waits already: that one will do the work.

    The unique index is asked, for it alone sees one that another transaction is about to commit.
    """
    try:
        with db.begin_nested():
            row.state, row.lease_id, row.leased_until, row.run_at = "waiting", None, None, run_at
    except IntegrityError:
        db.delete(row)


def _pause(attempts: int) -> dt.timedelta:
    """2, 4, 8 … seconds, at most an hour, spread by a quarter so that failures do not march in step."""
    return dt.timedelta(seconds=min(2**attempts, 3600) * random.uniform(0.75, 1.25))  # noqa: S311  no secret


@contextmanager
def _renewing(database: Database, job: Job) -> Iterator[None]:
    """Renews the lease from a thread of its own for as long as the handler runs."""
    done = threading.Event()

    def renew() -> None:
        while not done.wait(LEASE.total_seconds() / 3):
            held = update(JobRow).where(JobRow.id == job.id, JobRow.lease_id == job.lease_id)
            try:
                with database.begin() as db:
                    db.execute(held.values(leased_until=ids.now() + LEASE))
            except (SQLAlchemyError, ShanhaiError) as error:
                log.error("lease of job %s not renewed: %s", job.id, _failure(error))

    thread = threading.Thread(target=renew, name="shanhai-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class _Bell:
    """Wakes the workers of this process; a ring between looking and waiting is not lost."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self.count = 0

    def ring(self) -> None:
        with self._condition:
            self.count += 1
            self._condition.notify_all()

    def wait(self, seen: int, seconds: float) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self.count != seen, seconds)


_bell = _Bell()


@event.listens_for(Tx, "after_commit")
def _wake(db: Session) -> None:
    if not db.in_nested_transaction() and db.info.pop("jobs.enqueued", False):
        _bell.ring()
