"""Signed heads of the audit log, and the copies of them that a hospital keeps outside the database.

A kept log is one file per organisation, to which lines are only added. Its first line names the log and
the key that verifies it; every other line is a push: a signed checkpoint with the leaf hashes added
since the push before (docs/formats.md). Before anything is signed, what was added since the last
signature is computed again from the events themselves, so that a log changed behind the product's
back is not signed.
"""

import json
import logging
import os
from base64 import b64decode, b64encode
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import merkle, notes
from core.db import Database, Tx
from core.errors import Damaged, ShanhaiError
from core.ledger import Event, Head, Leaf, encode, lock_head

FORMAT = "shanhai-kept-log-1"

log = logging.getLogger("shanhai.audit")


@dataclass(frozen=True, slots=True)
class Push:
    """One line of a kept log: leaf hashes from ``first`` on, and the checkpoint over all up to the last."""

    note: str
    first: int
    leaf_hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class KeptLog:
    """What was kept of one log; ``broken_lines`` (from 1) could not be read, or the whole file could not."""

    verifier_key: str | None = None
    pushes: tuple[Push, ...] = ()
    broken_lines: tuple[int, ...] = field(default=())
    readable: bool = True


def log_name(organisation_id: UUID) -> str:
    """The log's origin, and the name of the key that signs it."""
    return f"shanhai/audit/{organisation_id}"


def verifier_key(db: Tx, organisation_id: UUID) -> str:
    """What checks this log's checkpoints, for the hospital to keep (C2SP vkey)."""
    return notes.verifier_key(log_name(organisation_id), db.keyring.public_key(db, organisation_id, use="log"))


def checkpoint(db: Tx, organisation_id: UUID) -> str:
    """The log's head as a C2SP signed note; a new one is made only when the log has grown.

    Raises Damaged when what lies in the database does not continue what was signed last.
    """
    head = lock_head(db, organisation_id)
    name, public = log_name(organisation_id), db.keyring.public_key(db, organisation_id, use="log")
    tree = _frontier(head.signed_size, head.signed_frontier)
    if head.signed_note is not None:
        signed = notes.checkpoint(head.signed_note, name, public)
        if (signed.size, signed.root) != (tree.size, tree.root()):
            raise Damaged("audit-log-inconsistent", leaf_index=tree.size)
        if signed.size == head.size and head.frontier == head.signed_frontier:
            return head.signed_note
    with closing(_recomputed(db, organisation_id, tree.size)) as leaves:
        for index, leaf in leaves:
            if index != tree.size or leaf is None:
                raise Damaged("audit-log-inconsistent", leaf_index=index)
            tree.append(leaf)
    if (tree.size, tree.encode()) != (head.size, head.frontier):
        raise Damaged("audit-log-inconsistent", leaf_index=tree.size)
    text = notes.Checkpoint(name, tree.size, tree.root()).text()
    head.signed_note = notes.sign(text, name, public, lambda message: db.keyring.sign(db, organisation_id, message, use="log"))
    head.signed_size, head.signed_frontier = tree.size, tree.encode()
    db.flush()
    return head.signed_note


def push(db: Tx, organisation_id: UUID, folder: Path) -> bool:
    """Add what is new to the kept log in ``folder``, durably; False when nothing is.

    Raises Damaged when the log does not continue what was kept: then nothing is written.
    """
    head = lock_head(db, organisation_id)
    path = folder / f"{organisation_id}.jsonl"
    last = _last(path)
    name, public = log_name(organisation_id), db.keyring.public_key(db, organisation_id, use="log")
    kept = notes.checkpoint(last, name, public) if last is not None else notes.Checkpoint(name, 0, merkle.EMPTY_ROOT)
    if head.size < kept.size:
        raise Damaged("audit-log-shorter-than-kept", leaf_index=head.size)
    if _root_at(db, head, kept.size) != kept.root:
        raise Damaged("audit-log-inconsistent", leaf_index=kept.size)
    if head.size == kept.size:
        return False
    note = checkpoint(db, organisation_id)
    leaves = select(Leaf.leaf_hash).where(Leaf.organisation_id == organisation_id, Leaf.leaf_index >= kept.size).order_by(Leaf.leaf_index)
    hashes = [b64encode(leaf).decode() for leaf in db.scalars(leaves)]
    lines = [{"checkpoint": note, "first": kept.size, "leaf_hashes": hashes}]
    if last is None:
        lines.insert(0, {"format": FORMAT, "log": name, "verifier_key": notes.verifier_key(name, public)})
    _append(path, "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines))
    return True


def push_grown(database: Database, folder: Path) -> int:
    """Push every log that has grown, each in its own transaction; how many were. For the worker, each few seconds.

    A log that cannot be pushed, whatever the fault, is reported, and the first fault raised, after the others are done.
    """
    with database.begin(readonly=True) as db:
        heads = db.execute(select(Head.organisation_id, Head.size).order_by(Head.organisation_id)).all()
    pushed, faults = 0, list[Exception]()
    for organisation_id, size in heads:
        try:
            if _kept_size(folder / f"{organisation_id}.jsonl") != size:
                with database.begin() as db:
                    pushed += push(db, organisation_id, folder)
        except Exception as error:  # noqa: BLE001  whatever is wrong with one log, the others are pushed
            what = f"{error.code} {error.params}" if isinstance(error, ShanhaiError) else type(error).__name__
            log.critical("the audit log of organisation %s was not pushed: %s", organisation_id, what)
            faults.append(error)
    if faults:
        raise faults[0]
    return pushed


def kept(folder: Path, organisation_id: UUID) -> KeptLog:
    """What ``push`` has kept of a log; empty when there is no file. Checks no signature: ``verify`` does.

    Whatever stands in the file, or in its place, it raises nothing: what cannot be read is told in the answer.
    """
    verifier, pushes, broken = None, list[Push](), list[int]()
    try:
        with (folder / f"{organisation_id}.jsonl").open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, 1):
                try:
                    parsed = _parsed(line)
                    if "format" in parsed:
                        verifier = str(parsed["verifier_key"])
                    else:
                        pushes.append(_push(parsed))
                except (ValueError, KeyError, TypeError):
                    broken.append(number)
    except FileNotFoundError:
        return KeptLog()
    except OSError:
        return KeptLog(verifier, tuple(pushes), tuple(broken), readable=False)
    return KeptLog(verifier, tuple(pushes), tuple(broken))


def _parsed(line: str | bytes) -> dict[str, Any]:
    """The object in a line. Raises ValueError when there is none, and for one nested deeper than Python reads."""
    try:
        parsed = json.loads(line)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(parsed, dict):
        raise ValueError("no object")
    return parsed


def _push(parsed: dict[str, Any]) -> Push:
    first = parsed["first"]
    if not isinstance(first, int) or not 0 <= first < 1 << 63:
        raise ValueError("no leaf has this index")
    return Push(str(parsed["checkpoint"]), first, tuple(b64decode(leaf, validate=True) for leaf in parsed["leaf_hashes"]))


def _recomputed(db: Session, organisation_id: UUID, first: int) -> Generator[tuple[int, bytes | None], None, None]:
    """Leaf index and leaf hash from ``first`` on; None where event and leaf hash disagree."""
    rows = select(Leaf.leaf_index, Leaf.leaf_hash, Event).outerjoin(Event, Event.id == Leaf.event_id)
    rows = rows.where(Leaf.organisation_id == organisation_id, Leaf.leaf_index >= first).order_by(Leaf.leaf_index)
    with db.execute(rows.execution_options(yield_per=1000, populate_existing=True)) as result:
        for index, leaf, row in result:
            same = row is not None and row.organisation_id == organisation_id and merkle.leaf_hash(encode(row)) == leaf
            yield index, leaf if same else None


def _frontier(size: int, encoded: bytes) -> merkle.Frontier:
    """The tree that a head describes. Raises Damaged when no tree of that size has it."""
    try:
        return merkle.Frontier(size, encoded)
    except (ValueError, TypeError):
        raise Damaged("audit-log-inconsistent", leaf_index=size) from None


def _root_at(db: Session, head: Head, size: int) -> bytes:
    """The root at an earlier size, from what was signed then if it was, else from the leaf hashes."""
    if size == head.size:
        return _frontier(head.size, head.frontier).root()
    if size == head.signed_size:
        return _frontier(size, head.signed_frontier).root()
    leaves = select(Leaf.leaf_hash).where(Leaf.organisation_id == head.organisation_id, Leaf.leaf_index < size).order_by(Leaf.leaf_index)
    tree = merkle.Frontier()
    for leaf in db.scalars(leaves.execution_options(yield_per=1000)):
        tree.append(leaf)
    return tree.root()


def _kept_size(path: Path) -> int | None:
    """The size that the last kept checkpoint claims, its signature unchecked; None when there is none. Raises Damaged."""
    last = _last(path)
    return notes.parse_checkpoint(last.rpartition("\n\n")[0] + "\n").size if last is not None else None


def _last(path: Path) -> str | None:
    """The last checkpoint of a kept log, None when it holds none. Raises OSError when it cannot be read."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        end, tail = file.seek(0, os.SEEK_END), b""
        while end > 0:
            step = min(end, 1 << 16)
            end = file.seek(end - step)
            tail = file.read(step) + tail
            for line in reversed(tail.split(b"\n")[1 if end else 0 : -1]):
                try:
                    parsed = _parsed(line)
                except ValueError:
                    continue  # cut short by a crash while it was written
                if "checkpoint" in parsed:
                    return str(parsed["checkpoint"])
    return None


def _append(path: Path, lines: str) -> None:
    """Add lines durably, apart from a line that a crash may have cut short."""
    new = not path.exists()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            lines = "\n" + lines
        data = memoryview(lines.encode())
        while data:
            data = data[os.write(handle, data) :]
        os.fsync(handle)
    finally:
        os.close(handle)
    if new:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
