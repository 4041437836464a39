"""What sealing, the keyring, the store and the audit log cost, beside doing without each.

    python bench/sealing.py [--megabytes 256]

Each line gives our figure and, where there is one, the peer: plain AES-256-GCM over 16 KiB pieces, a file
written and flushed without sealing, a transaction without an audit event. SQLite and a folder, as embedded.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core import audit, ids, sealed
from core.actor import Actor
from core.db import Database
from core.jobs import JobRow
from core.keyring import FileProvider, Keyring, Unit
from core.sealed import CHUNK, Context, Key, Reader, Writer
from core.storage import DirectoryStore

MIB = 1 << 20


def main() -> None:
    """Run every measure once and print it."""
    parser = argparse.ArgumentParser(description="What sealing, the keyring, the store and the audit log cost.")
    parser.add_argument("--megabytes", type=int, default=256)
    size = parser.parse_args().megabytes
    with tempfile.TemporaryDirectory() as folder:
        sealing(size)
        frames(size)
        store(Path(folder), size)
        records(Path(folder))


def sealing(size: int) -> None:
    """Throughput of a stream, and the time of a short document."""
    key, context, block = Key(ids.new(), os.urandom(32)), Context("image", ids.new(), "instances", ids.new(), 1), os.urandom(MIB)

    def ours() -> None:
        writer = Writer(key, context)
        for _ in range(size):
            writer.update(block)
        writer.finish()

    def plain() -> None:
        cipher = AESGCM(key.secret)
        for number in range(size):
            for at in range(0, MIB, CHUNK):
                cipher.encrypt((number * 64 + at).to_bytes(12, "big"), block[at : at + CHUNK], None)

    report("seal a stream", size / seconds(ours), size / seconds(plain), "MiB/s")
    document = os.urandom(600)
    sealed_document = sealed.seal(key, context, document)
    report("seal a document of 600 bytes", 1e6 * seconds(lambda: sealed.seal(key, context, document), 5000), None, "µs")
    report("open it", 1e6 * seconds(lambda: sealed.unseal(key, context, sealed_document), 5000), None, "µs")


def frames(size: int) -> None:
    """Reading frames of half a megabyte out of a sealed object held in memory."""
    key, context = Key(ids.new(), os.urandom(32)), Context("image", ids.new(), "instances", ids.new(), 1)
    data = sealed.seal(key, context, os.urandom(size * MIB))
    reader = Reader(key, context, lambda start, length: data[start : start + length], len(data))
    frame, count = 512 * 512 * 2, size * 2
    taken = seconds(lambda: [reader.read(number * frame, frame) for number in range(count)])
    report("read frames of 512 KiB by range", size / taken, None, "MiB/s")


def store(folder: Path, size: int) -> None:
    """Sealing into the folder, flushed, and plain bytes into a file, flushed."""
    keep, key, context = DirectoryStore(folder / "objects"), Key(ids.new(), os.urandom(32)), Context("i", ids.new(), "t", ids.new(), 1)
    block = os.urandom(MIB)

    def plain() -> None:
        with (folder / "plain").open("wb") as file:
            for _ in range(size):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())

    ours = seconds(lambda: keep.put("ab/one", Writer(key, context).stream(block for _ in range(size))))
    report("store a sealed stream, durably", size / ours, size / seconds(plain), "MiB/s")
    small = seconds(lambda: [keep.put(f"ab/{ids.new()}", [block[:1000]]) for _ in range(100)]) / 100
    report("store an object of 1,000 bytes, durably", 1e3 * small, None, "ms")


def records(folder: Path) -> None:
    """A transaction with and without an audit event; opening documents of many cases."""
    database = Database(f"sqlite:///{folder / 'bench.sqlite'}", Keyring(FileProvider(folder / "keys" / "root", create=True)), None)  # type: ignore[arg-type]
    database.create_all()
    organisation = ids.new()
    actor = Actor(ids.new(), organisation, frozenset({"surgeon"}), session_id=ids.new())
    with database.begin() as db:
        database.keyring.create_organisation(db, organisation)

    def act(*, logged: bool) -> None:
        with database.begin() as db:
            db.add(JobRow(kind="x", organisation_id=organisation, payload={}, run_at=ids.now()))
            if logged:
                audit.record(db, actor, "case:read", organisation_id=organisation, case_id=ids.new(), patient_ids=[ids.new()])

    with_event, without = (seconds(lambda logged=logged: act(logged=logged), 300) for logged in (True, False))  # type: ignore[misc]
    report("commit an act with its audit event", 1e3 * with_event, 1e3 * without, "ms")
    cases = [Unit("case", organisation, ids.new()) for _ in range(500)]
    with database.begin() as db:
        for case in cases:
            database.keyring.create(db, case)
        data = {case: database.keyring.seal(db, case, "title", "cases", case.id, 1, b"severed hand") for case in cases}

    def open_list() -> None:
        with database.begin(readonly=True) as db:
            database.keyring.load(db, cases)
            for case in cases:
                database.keyring.unseal(db, case, "title", "cases", case.id, 1, data[case])

    report("open one line of 500 cases, each under its own key", 1e3 * seconds(open_list, 5), None, "ms")
    with database.begin() as db:
        for _ in range(20_000):
            audit.record(db, actor, "image:read", organisation_id=organisation, case_id=ids.new())
    with database.begin(readonly=True) as db:
        taken = seconds(lambda: audit.verify(db, organisation))
        report("verify an audit log", audit.verify(db, organisation).size / taken, None, "events/s")
    database.close()


def seconds(work: Callable[[], object], times: int = 1) -> float:
    """The time of one run."""
    began = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - began) / times


def report(what: str, ours: float, peer: float | None, unit: str) -> None:
    """One line."""
    beside = "" if peer is None else f"   (peer {peer:,.1f})"
    print(f"{what:<52}{ours:>12,.1f} {unit}{beside}")


if __name__ == "__main__":
    main()
