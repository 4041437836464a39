"""A database's owner against the audit log: what he changes is named, what cannot be known is not claimed."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, insert, select, text, update
from sqlalchemy.orm import Session

from core import audit, checkpoints, ids, merkle, verification
from core.actor import Actor
from core.audit import Finding, KeptLog, Push, Report
from core.db import Database
from core.errors import Damaged, ShanhaiError
from core.keyring import WrappedKey
from core.ledger import Event, EventPatient, Head, Leaf, encode
from registry.web.translations import translate
from tests.engines import SQLITE_DIRECTORY

if TYPE_CHECKING:
    from tests.conftest import Engines

ORGANISATION, OTHER = sorted((ids.new(), ids.new()))
PATIENT = ids.new()
COLUMNS = list(Event.__table__.columns.keys())
SIZE = 12
"""Events in the log: pushed after 5 and after 9, so that 9 to 11 are covered by nothing."""


class Log:
    """A log of twelve events with its kept copy, and the owner of its database."""

    def __init__(self, database: Database, root: Database, folder: Path) -> None:
        self.database, self.root, self.folder = database, root, folder

    def write(self, count: int, organisation_id: UUID = ORGANISATION) -> None:
        for _ in range(count):
            with self.database.begin() as db:
                actor = Actor(ids.new(), organisation_id, frozenset({"nurse"}), session_id=ids.new())
                audit.record(db, actor, "case:read", organisation_id=organisation_id, case_id=ids.new(), patient_ids=[PATIENT, ids.new()])

    def push(self, folder: Path | None = None) -> bool:
        with self.database.begin() as db:
            return audit.push(db, ORGANISATION, folder or self.folder)

    def verify(self, kept: KeptLog | None = None) -> Report:
        with self.database.begin() as db:
            return audit.verify(db, ORGANISATION, kept)

    def kept(self) -> KeptLog:
        return audit.kept(self.folder, ORGANISATION)

    def bare(self) -> KeptLog:
        """The signed checkpoints alone, as somebody keeps them who was mailed them."""
        kept = self.kept()
        return KeptLog(kept.verifier_key, tuple(Push(push.note, push.first, ()) for push in kept.pushes))

    def ids(self, organisation_id: UUID = ORGANISATION) -> list[UUID]:
        with self.database.begin(readonly=True) as db:
            return list(db.scalars(select(Leaf.event_id).where(Leaf.organisation_id == organisation_id).order_by(Leaf.leaf_index)))

    @contextmanager
    def owner(self) -> Iterator[Connection]:
        """The database's owner at work: no listener, no foreign key, no trigger stands in his way."""
        with self.root.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            postgres = self.database.engine.dialect.name == "postgresql"
            off, on = ("SET session_replication_role = replica", "SET session_replication_role = DEFAULT")
            if not postgres:
                connection.rollback()
                off, on = "PRAGMA foreign_keys=OFF", "PRAGMA foreign_keys=ON"
            raw: Any = connection.connection.dbapi_connection
            raw.execute(off)
            yield connection
            connection.commit()
            raw.execute(on)
            if postgres:
                raw.commit()

    def rebuild(self, connection: Connection, order: list[UUID] | None = None, organisation_id: UUID = ORGANISATION) -> None:
        """Make everything agree with itself again, in the given order of events."""
        with Session(connection) as db:
            if order is None:
                order = list(db.scalars(select(Leaf.event_id).where(Leaf.organisation_id == organisation_id).order_by(Leaf.leaf_index)))
            tree = merkle.Frontier()
            db.execute(delete(Leaf).where(Leaf.organisation_id == organisation_id))
            for event_id in order:
                leaf = merkle.leaf_hash(encode(db.get_one(Event, event_id)))
                db.execute(insert(Leaf).values(organisation_id=organisation_id, leaf_index=tree.size, event_id=event_id, leaf_hash=leaf))
                tree.append(leaf)
            forged = {"size": tree.size, "frontier": tree.encode(), "signed_size": 0, "signed_frontier": b"", "signed_note": None}
            db.execute(update(Head).where(Head.organisation_id == organisation_id).values(**forged))
            db.commit()


@pytest.fixture
def log(database: Database, root: Database, tmp_path: Path) -> Log:
    with database.begin() as db:
        db.keyring.create_organisation(db, ORGANISATION)
        db.keyring.create_organisation(db, OTHER)
    made = Log(database, root, tmp_path / "kept")
    for count in (5, 4):
        made.write(count)
        made.push()
    made.write(SIZE - 9)
    return made


def kinds(report: Report) -> list[tuple[str, int | None]]:
    return [(finding.kind, finding.leaf_index) for finding in report.findings]


# -- a log that nobody touched -------------------------------------------------------------------------------


def test_an_untouched_log_is_whole_and_the_report_says_what_is_not_covered(log: Log) -> None:
    report = log.verify(log.kept())
    assert report.whole
    assert (report.size, report.covered, report.uncovered, report.checkpoints) == (12, 9, 3, 2)
    with log.database.begin(readonly=True) as db:
        assert report.covered_until == db.get_one(Event, log.ids()[8]).at
    alone = log.verify()
    assert alone.whole
    assert (alone.covered, alone.covered_until, alone.uncovered) == (0, None, 12)
    assert log.verify(log.bare()).whole


def test_a_log_that_never_was_is_empty_and_whole(log: Log) -> None:
    with log.database.begin() as db:
        report = audit.verify(db, OTHER)
    assert (report.whole, report.size, report.root) == (True, 0, merkle.EMPTY_ROOT)


def test_verifying_within_a_transaction_that_records_finds_nothing(log: Log) -> None:
    with log.database.begin() as db:
        audit.record(db, Actor.system(ORGANISATION), "audit:verify", organisation_id=ORGANISATION)
        assert audit.verify(db, ORGANISATION, log.kept()).whole


def test_verifying_while_others_write_finds_nothing(log: Log) -> None:
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            log.write(1)

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(15):
            log.push()
            with log.database.begin(readonly=True) as db:
                assert audit.verify(db, ORGANISATION, log.kept()).findings == ()
    finally:
        stop.set()
        for writer in writers:
            writer.join()


# -- the owner who rebuilds everything, against the kept leaf hashes -----------------------------------------


ALTERED: dict[str, Any] = {
    "at": ids.now(),
    "action": "case:list",
    "outcome": "failure",
    "purpose": "teaching",
    "actor_id": ids.new(),
    "actor_organisation_id": OTHER,
    "actor_roles": ["expert"],
    "session_id": None,
    "token_id": ids.new(),
    "case_id": None,
    "person_id": ids.new(),
    "object_type": "study",
    "object_id": ids.new(),
    "detail": {"x": 1},
    "schema": 2,
}


@pytest.mark.parametrize("column", ALTERED)
@pytest.mark.parametrize("rebuilt", [True, False], ids=["rebuilt", "clumsy"])
def test_an_altered_event_is_named(log: Log, column: str, rebuilt: bool) -> None:
    victim = log.ids()[3]
    with log.owner() as connection:
        connection.execute(update(Event).where(Event.id == victim).values({column: ALTERED[column]}))
        if rebuilt:
            log.rebuild(connection)
    assert log.verify(log.kept()).findings == (Finding("altered", 3, victim),)
    assert log.verify().whole is rebuilt, "without what was kept a rebuilt log cannot be told from a true one"


def test_every_column_of_an_event_is_in_its_leaf() -> None:
    elsewhere = {"id", "organisation_id", "named_patients"}
    assert set(COLUMNS) == set(ALTERED) | elsewhere


def removed(log: Log, connection: Connection, ids_: list[UUID]) -> list[UUID]:
    gone = ids_[4]
    connection.execute(delete(Event).where(Event.id == gone))
    return [event_id for event_id in ids_ if event_id != gone]


def forged(connection: Connection, like: UUID) -> UUID:
    with Session(connection) as db:
        row = db.get_one(Event, like)
        values = {column: getattr(row, column) for column in COLUMNS} | {"id": ids.new(), "named_patients": []}
        db.execute(insert(Event).values(**values))
        db.commit()
        return UUID(str(values["id"]))


def inserted(log: Log, connection: Connection, ids_: list[UUID]) -> list[UUID]:
    return [*ids_[:4], forged(connection, ids_[4]), *ids_[4:]]


def swapped(log: Log, connection: Connection, ids_: list[UUID]) -> list[UUID]:
    return [*ids_[:2], ids_[6], *ids_[3:6], ids_[2], *ids_[7:]]


def reversed_(log: Log, connection: Connection, ids_: list[UUID]) -> list[UUID]:
    return [*ids_[2::-1], *ids_[3:]]


def truncated(log: Log, connection: Connection, ids_: list[UUID]) -> list[UUID]:
    for gone in ids_[7:]:
        connection.execute(delete(Event).where(Event.id == gone))
    return ids_[:7]


def replaced(log: Log, connection: Connection, ids_: list[UUID]) -> list[UUID]:
    gone = ids_[8]
    new = forged(connection, gone)
    connection.execute(delete(Event).where(Event.id == gone))
    return [*ids_[:8], new, *ids_[9:]]


def first_removed_and_one_inserted_later(log: Log, connection: Connection, ids_: list[UUID]) -> list[UUID]:
    new = forged(connection, ids_[0])
    connection.execute(delete(Event).where(Event.id == ids_[0]))
    return [*ids_[1:5], new, *ids_[5:]]


def emptied(log: Log, connection: Connection, ids_: list[UUID]) -> list[UUID]:
    connection.execute(delete(Event).where(Event.organisation_id == ORGANISATION))
    return []


Attack = Callable[[Log, Connection, list[UUID]], list[UUID]]
REBUILT: dict[str, tuple[Attack, list[tuple[str, int]], tuple[str, int]]] = {
    "removed": (removed, [("removed", 4)], ("stretch", 5)),
    "inserted": (inserted, [("inserted", 4)], ("stretch", 5)),
    "swapped": (swapped, [("moved", 2), ("moved", 6)], ("stretch", 5)),
    "reversed": (reversed_, [("moved", 0), ("moved", 2)], ("stretch", 5)),
    "truncated": (truncated, [("removed", 7), ("removed", 8)], ("truncated", 9)),
    "replaced": (replaced, [("altered", 8)], ("stretch", 9)),
    "shifted": (first_removed_and_one_inserted_later, [("removed", 0), ("inserted", 4)], ("stretch", 5)),
    "emptied": (emptied, [("removed", n) for n in range(9)], ("truncated", 5)),
}


@pytest.mark.parametrize("attack", REBUILT)
def test_what_the_owner_does_to_the_rows_is_named_by_the_kept_leaf_hashes(log: Log, attack: str) -> None:
    act, named, stretch = REBUILT[attack]
    with log.owner() as connection:
        log.rebuild(connection, act(log, connection, log.ids()))
    report = log.verify(log.kept())
    assert kinds(report) == named
    assert kinds(log.verify(log.bare())) == [stretch], "without leaf hashes the stretch is named"
    assert log.verify().whole, "and without anything kept, nothing can be said"


def test_both_rows_of_a_swap_are_named_with_their_events(log: Log) -> None:
    events = log.ids()
    with log.owner() as connection:
        log.rebuild(connection, swapped(log, connection, events))
    assert log.verify(log.kept()).findings == (Finding("moved", 2, events[6], 6), Finding("moved", 6, events[2], 2))


def test_what_is_younger_than_the_last_push_is_not_covered_and_not_claimed(log: Log) -> None:
    with log.owner() as connection:
        connection.execute(update(Event).where(Event.id == log.ids()[10]).values(action="case:list"))
        log.rebuild(connection)
    report = log.verify(log.kept())
    assert report.whole
    assert (report.size, report.covered, report.uncovered) == (12, 9, 3)


# -- the clumsy, found without any kept copy ------------------------------------------------------------------


def test_an_event_deleted_from_under_its_leaf_is_named(log: Log) -> None:
    victim = log.ids()[10]
    with log.owner() as connection:
        connection.execute(delete(Event).where(Event.id == victim))
    assert log.verify().findings == (Finding("removed", 10, victim),)


def test_a_leaf_deleted_is_named_and_its_event_stands_outside(log: Log) -> None:
    victim = log.ids()[2]
    with log.owner() as connection:
        connection.execute(delete(Leaf).where(Leaf.event_id == victim))
    found = log.verify(log.kept()).findings
    assert Finding("removed", 2) in found
    assert Finding("inserted", None, victim) in found


def test_an_event_slipped_in_beside_the_tree_is_named(log: Log) -> None:
    with log.owner() as connection:
        slipped = forged(connection, log.ids()[0])
    assert log.verify().findings == (Finding("inserted", None, slipped),)


def test_a_forged_head_is_found(log: Log) -> None:
    with log.owner() as connection:
        connection.execute(update(Head).where(Head.organisation_id == ORGANISATION).values(frontier=bytes(64)))
    assert kinds(log.verify()) == [("head", 12)]
    with log.owner() as connection:
        connection.execute(update(Head).where(Head.organisation_id == ORGANISATION).values(size=5))
    assert kinds(log.verify()) == [("head", 5)]
    with log.owner() as connection:
        connection.execute(delete(Head).where(Head.organisation_id == ORGANISATION))
    assert kinds(log.verify()) == [("head", 0)]


@pytest.mark.parametrize("hidden", ["row", "list", "both", "added"])
def test_hiding_an_event_from_the_question_who_saw_this_patient_is_found(log: Log, hidden: str) -> None:
    victim = log.ids()[6]
    with log.owner() as connection:
        if hidden in ("row", "both"):
            connection.execute(delete(EventPatient).where(EventPatient.event_id == victim, EventPatient.patient_id == PATIENT))
        if hidden in ("list", "both"):
            connection.execute(update(Event).where(Event.id == victim).values(named_patients=[]))
        if hidden == "both":
            connection.execute(delete(EventPatient).where(EventPatient.event_id == victim))
        if hidden == "added":
            connection.execute(insert(EventPatient).values(event_id=victim, patient_id=ids.new()))
    assert log.verify().findings == (Finding("altered", 6, victim),)


def test_an_event_moved_into_another_organisations_log_is_found_in_both(log: Log) -> None:
    log.write(2, OTHER)
    victim = log.ids()[1]
    with log.owner() as connection:
        log.rebuild(connection, [event_id for event_id in log.ids() if event_id != victim])
        log.rebuild(connection, [*log.ids(OTHER), victim], OTHER)
    assert ("removed", 1) in kinds(log.verify(log.kept()))
    with log.database.begin() as db:
        assert audit.verify(db, OTHER).findings == (Finding("altered", 2, victim),)


def test_an_event_that_cannot_even_be_read_is_named(log: Log) -> None:
    victim = log.ids()[3]
    with log.owner() as connection:
        connection.execute(update(Event).where(Event.id == victim).values(named_patients=["nobody"]))
    assert log.verify().findings == (Finding("altered", 3, victim),)


# -- the kept copy itself --------------------------------------------------------------------------------------


def lines(log: Log) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (log.folder / f"{ORGANISATION}.jsonl").read_text(encoding="utf-8").splitlines()]


def rewrite(log: Log, new: list[Any]) -> KeptLog:
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in new)
    (log.folder / f"{ORGANISATION}.jsonl").write_text(text, encoding="utf-8")
    return log.kept()


def test_a_changed_leaf_hash_in_the_kept_copy_contradicts_its_checkpoint(log: Log) -> None:
    kept = lines(log)
    kept[2]["leaf_hashes"][0] = kept[1]["leaf_hashes"][0]
    assert kinds(log.verify(rewrite(log, kept))) == [("kept-conflict", 9)]


def test_a_changed_checkpoint_has_no_valid_signature(log: Log) -> None:
    kept = lines(log)
    kept[2]["checkpoint"] = kept[2]["checkpoint"].replace("\n9\n", "\n8\n")
    assert kinds(log.verify(rewrite(log, kept))) == [("kept-signature", 9)]


def test_a_line_taken_out_of_the_kept_copy_leaves_the_checkpoints_to_speak(log: Log) -> None:
    header, first, second = lines(log)
    report = log.verify(rewrite(log, [header, second]))
    assert (report.whole, report.covered) == (True, 9)
    assert kinds(log.verify(rewrite(log, [header, "garbage", second]))) == [("kept-broken", None)]
    with log.owner() as connection:
        log.rebuild(connection, swapped(log, connection, log.ids()))
    assert kinds(log.verify(rewrite(log, [header, second]))) == [("stretch", 9)]
    assert kinds(log.verify(rewrite(log, [second, header, first]))) == [("moved", 2), ("moved", 6)], "in whatever order they are kept"


def test_the_checkpoints_of_another_organisation_prove_nothing_here(log: Log) -> None:
    log.write(3, OTHER)
    with log.database.begin() as db:
        audit.push(db, OTHER, log.folder)
    report = log.verify(audit.kept(log.folder, OTHER))
    assert {finding.kind for finding in report.findings} >= {"kept-key", "kept-conflict"}
    kept = audit.kept(log.folder, OTHER)
    assert {finding.kind for finding in log.verify(KeptLog(None, kept.pushes)).findings} == {"kept-signature"}


SURROGATE = "\\ud800"
DEEP = "[" * 200_000
TAMPERED: dict[str, tuple[Callable[[list[dict[str, Any]]], list[Any]], set[str]]] = {
    "a lone surrogate in a note": (
        lambda kept: [*kept[:2], json.dumps(kept[2]).replace(" shanhai", f"{SURROGATE} shanhai")],
        {"kept-signature"},
    ),
    "a lone surrogate in a signed text": (
        lambda kept: [*kept[:2], json.dumps(kept[2]).replace('": "shanhai', f'": "{SURROGATE}shanhai')],
        {"kept-signature"},
    ),
    "a lone surrogate in the key": (
        lambda kept: [json.dumps(kept[0]).replace('": "shanhai/audit/', f'": "{SURROGATE}shanhai/audit/'), *kept[1:]],
        {"kept-key", "kept-signature"},
    ),
    "a lone surrogate as the key": (lambda kept: [kept[0] | {"verifier_key": "\ud800+x+y"}, *kept[1:]], {"kept-key", "kept-signature"}),
    "no key": (lambda kept: [kept[0] | {"verifier_key": ""}, *kept[1:]], {"kept-key"}),
    "brackets without end": (lambda kept: [kept[0], DEEP, kept[2]], {"kept-broken"}),
    "brackets without end at the end": (lambda kept: [*kept, DEEP], set()),
    "an object without end": (lambda kept: [kept[0], '{"a":' * 200_000, kept[2]], {"kept-broken"}),
    "a number": (lambda kept: [kept[0], 5, kept[2]], {"kept-broken"}),
    "a text": (lambda kept: [kept[0], '"format"', kept[2]], {"kept-broken"}),
    "a place beyond all numbers": (
        lambda kept: [kept[0], json.dumps(kept[1]).replace('"first": 0', '"first": 1e999'), kept[2]],
        {"kept-broken"},
    ),
    "a place of 4,300 digits": (
        lambda kept: [kept[0], json.dumps(kept[1]).replace('"first": 0', f'"first": {"9" * 4300}'), kept[2]],
        {"kept-broken"},
    ),
    "a place before the first": (lambda kept: [kept[0], kept[1] | {"first": -1}, kept[2]], {"kept-broken"}),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_whatever_is_done_to_the_kept_copy_is_a_finding_and_no_fault(log: Log, how: str) -> None:
    tamper, named = TAMPERED[how]
    kept = rewrite(log, tamper(lines(log)))
    report = log.verify(kept)
    assert {finding.kind for finding in report.findings} == named
    assert all(str(finding) for finding in report.findings), "and can be written down"
    victim = log.ids()[8]
    with log.owner() as connection:
        connection.execute(update(Event).where(Event.id == victim).values(action="case:list"))
    assert Finding("altered", 8, victim) in log.verify(kept).findings, "the rest is looked at all the same"


def test_a_kept_copy_that_cannot_be_read_is_a_finding_and_no_fault(log: Log) -> None:
    path = log.folder / f"{ORGANISATION}.jsonl"
    path.unlink()
    path.mkdir()
    assert kinds(log.verify(log.kept())) == [("kept-broken", None)]
    path.rmdir()
    path.symlink_to(path.name)
    assert kinds(log.verify(log.kept())) == [("kept-broken", None)]


SPOILT: dict[str, Any] = {
    "destroyed": {"wrapped": None},
    "cut": {"wrapped": b""},
    "junk": {"wrapped": b"junk" * 50},
    "of an unknown root key": {"wrapped": b"SHANHAI\x01" + bytes(200), "parent_id": None},
    "of another organisation": {"organisation_id": OTHER},
    "without a parent": {"parent_id": ids.new()},
    "its own parent": {},
    "of a generation that never was": {"generation": -1},
}


@pytest.mark.parametrize("how", ["deleted", *SPOILT])
def test_who_owns_the_database_cannot_switch_the_verification_off_by_spoiling_the_key(log: Log, how: str) -> None:
    events = log.ids()
    mine = (WrappedKey.kind == "log", WrappedKey.unit_id == ORGANISATION)
    with log.owner() as connection:
        log.rebuild(connection, swapped(log, connection, events))
        if how == "deleted":
            connection.execute(delete(WrappedKey).where(*mine))
        elif how == "its own parent":
            connection.execute(update(WrappedKey).where(*mine).values(parent_id=WrappedKey.id))
        else:
            connection.execute(update(WrappedKey).where(*mine).values(**SPOILT[how]))
    found = log.verify(log.kept()).findings
    assert found == (Finding("kept-key"), Finding("moved", 2, events[6], 6), Finding("moved", 6, events[2], 2))
    assert kinds(log.verify(log.bare())) == [("kept-key", None), ("stretch", 5)]
    assert kinds(log.verify()) == [("kept-key", None)], "with nothing kept, that alone is seen"


def test_a_key_that_sqlite_keeps_as_another_type_is_a_finding_too(all_engines: "Engines", tmp_path: Path) -> None:
    """SQLite takes a text or a number in any column; PostgreSQL does not."""
    database = all_engines.fresh(SQLITE_DIRECTORY, tmp_path).open()
    log = Log(database, database, tmp_path / "kept")
    with database.begin() as db:
        db.keyring.create_organisation(db, ORGANISATION)
    log.write(3)
    log.push()
    for column, junk in (
        ("wrapped", "'text'"),
        ("wrapped", "5"),
        ("parent_id", "'nobody'"),
        ("generation", "'first'"),
        ("created_at", "'x'"),
    ):
        with database.begin() as db:
            before = db.execute(text(f"SELECT {column} FROM wrapped_keys WHERE kind = 'log'")).scalar_one()
            db.execute(text(f"UPDATE wrapped_keys SET {column} = {junk} WHERE kind = 'log'"))
        assert kinds(log.verify(log.kept())) == [("kept-key", None)], (column, junk)
        with database.begin() as db:
            db.execute(text(f"UPDATE wrapped_keys SET {column} = :before WHERE kind = 'log'"), {"before": before})
    assert log.verify(log.kept()).whole
    database.close()


def test_every_finding_has_its_sentence_in_both_languages() -> None:
    for language in ("en", "zh"):
        for kind in get_args(verification.Kind):
            sentence = translate(language, f"proof-{kind}", at=7, other=3)
            assert sentence
            assert not sentence.startswith("proof-")


def test_a_split_view_is_found_when_the_two_sides_compare(log: Log, tmp_path: Path) -> None:
    """The owner shows one auditor a log, rebuilds, and shows another auditor another one, both duly signed."""
    with log.owner() as connection:
        log.rebuild(connection, swapped(log, connection, log.ids()))
    assert log.push(tmp_path / "elsewhere")
    mine, theirs = log.kept(), audit.kept(tmp_path / "elsewhere", ORGANISATION)
    assert log.verify(theirs).whole
    assert not log.verify(mine).whole
    both = KeptLog(mine.verifier_key, (*mine.pushes, *theirs.pushes))
    assert ("kept-conflict", 12) in kinds(log.verify(both))


def test_a_split_view_is_found_by_two_checkpoints_alone(log: Log, tmp_path: Path) -> None:
    log.push()
    with log.owner() as connection:
        log.rebuild(connection, swapped(log, connection, log.ids()))
    log.push(tmp_path / "elsewhere")
    notes = [kept.pushes[-1].note for kept in (log.kept(), audit.kept(tmp_path / "elsewhere", ORGANISATION))]
    assert ("kept-conflict", 12) in kinds(log.verify(KeptLog(None, tuple(Push(note, 0, ()) for note in notes))))


def test_a_line_cut_short_by_a_crash_is_passed_over(log: Log) -> None:
    path = log.folder / f"{ORGANISATION}.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:40])
    assert log.push(), "even the first line"
    assert (log.kept().broken_lines, log.verify(log.kept()).covered) == ((1,), 12)
    path.write_bytes(whole[:-40])
    assert log.kept().broken_lines == (3,)
    assert log.push()
    assert [push.first for push in log.kept().pushes] == [0, 5]
    report = log.verify(log.kept())
    assert (report.whole, report.covered) == (True, 12)


# -- what is signed and pushed -----------------------------------------------------------------------------------


def test_a_checkpoint_is_made_only_when_the_log_has_grown(log: Log) -> None:
    def note() -> str:
        with log.database.begin() as db:
            return audit.checkpoint(db, ORGANISATION)

    assert log.push()
    one = note()
    assert note() == one
    assert not log.push()
    size = (log.folder / f"{ORGANISATION}.jsonl").stat().st_size
    assert audit.push_grown(log.database, log.folder) == 0
    assert (log.folder / f"{ORGANISATION}.jsonl").stat().st_size == size
    log.write(1)
    assert note() != one
    assert audit.push_grown(log.database, log.folder) == 1
    assert len(log.kept().pushes) == 4
    assert log.verify(log.kept()).uncovered == 0


@pytest.mark.parametrize("attack", [*REBUILT, "altered", "clumsy"])
def test_a_log_changed_behind_the_products_back_is_not_pushed(log: Log, attack: str) -> None:
    """Detection within one round of the worker, before anybody asks."""
    before = (log.folder / f"{ORGANISATION}.jsonl").read_bytes()
    with log.owner() as connection:
        if attack in REBUILT:
            log.rebuild(connection, REBUILT[attack][0](log, connection, log.ids()))
        else:
            victim = log.ids()[3 if attack == "altered" else 10]
            connection.execute(update(Event).where(Event.id == victim).values(action="case:list"))
            if attack == "altered":
                log.rebuild(connection)
    log.write(3)
    log.write(2, OTHER)
    with pytest.raises(Damaged, match=r"audit-log-(inconsistent|shorter-than-kept)"):
        audit.push_grown(log.database, log.folder)
    assert (log.folder / f"{ORGANISATION}.jsonl").read_bytes() == before
    assert audit.kept(log.folder, OTHER).pushes, "the logs of others are pushed all the same"


Spoil = Callable[[Log, Path], None]


def head_of(**values: object) -> Spoil:
    def spoil(log: Log, _: Path) -> None:
        with log.owner() as connection:
            connection.execute(update(Head).where(Head.organisation_id == ORGANISATION).values(**values))

    return spoil


def ending(line: str) -> Spoil:
    def spoil(_: Log, path: Path) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    return spoil


def folder_in_its_place(_: Log, path: Path) -> None:
    path.unlink()
    path.mkdir()


FAULTS: dict[str, tuple[Spoil, str]] = {
    "a signed frontier that is none": (head_of(signed_frontier=b""), "audit-log-inconsistent"),
    "a frontier that is none": (head_of(frontier=b"x"), "audit-log-inconsistent"),
    "a size that was never signed": (head_of(signed_size=1 << 20), "audit-log-inconsistent"),
    "a kept note that is none": (ending('{"checkpoint":"garbage","first":9,"leaf_hashes":[]}'), "checkpoint-form"),
    "a kept note without text": (ending('{"checkpoint":"","first":9,"leaf_hashes":[]}'), "checkpoint-form"),
    "a kept note of a lone surrogate": (ending(r'{"checkpoint":"\ud800\n9\nx\n\n","first":9,"leaf_hashes":[]}'), "checkpoint-form"),
    "a kept size of 5,000 digits": (ending(r'{"checkpoint":"x\n' + "9" * 5000 + r'\nx\n\n"}'), "checkpoint-form"),
    "a folder in the file's place": (folder_in_its_place, "IsADirectoryError"),
    "a destroyed key": (lambda log, _: destroy_key(log), "key-destroyed"),
}


def destroy_key(log: Log) -> None:
    with log.owner() as connection:
        connection.execute(update(WrappedKey).where(WrappedKey.unit_id == ORGANISATION).values(wrapped=None))


@pytest.mark.parametrize("how", FAULTS)
def test_whatever_is_wrong_with_one_log_the_others_are_pushed(log: Log, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """The one at fault comes first."""
    spoil, told = FAULTS[how]
    log.write(2, OTHER)
    spoil(log, log.folder / f"{ORGANISATION}.jsonl")
    with pytest.raises((ShanhaiError, OSError)) as caught:
        audit.push_grown(log.database, log.folder)
    assert told in (getattr(caught.value, "code", ""), type(caught.value).__name__)
    assert len(audit.kept(log.folder, OTHER).pushes) == 1
    (record,) = [record for record in caplog.records if record.levelname == "CRITICAL"]
    assert record.getMessage().startswith(f"the audit log of organisation {ORGANISATION} was not pushed: {told}")
    assert str(log.folder) not in caplog.text
    assert record.exc_info is None


@pytest.mark.parametrize("line", ["5", "null", "[]", '"checkpoint"', pytest.param(DEEP, id="brackets"), "{"])
def test_a_line_that_is_no_push_is_passed_over_by_the_next_push(log: Log, line: str) -> None:
    ending(line)(log, log.folder / f"{ORGANISATION}.jsonl")
    log.write(2, OTHER)
    assert audit.push_grown(log.database, log.folder) == 2
    report = log.verify(log.kept())
    assert (report.whole, report.covered, log.kept().broken_lines) == (True, 12, (4,))


def test_a_log_with_a_forged_head_or_signature_is_not_signed(log: Log) -> None:
    for forgery in ({"frontier": bytes(64)}, {"signed_frontier": bytes(64)}, {"signed_note": "hello\n\n"}):
        with log.database.begin() as db:
            true = {column: getattr(db.get_one(Head, ORGANISATION), column) for column in forgery}
        with log.owner() as connection:
            connection.execute(update(Head).where(Head.organisation_id == ORGANISATION).values(**forgery))
        with pytest.raises(Damaged), log.database.begin() as db:
            audit.checkpoint(db, ORGANISATION)
        with log.owner() as connection:
            connection.execute(update(Head).where(Head.organisation_id == ORGANISATION).values(**true))
    with log.database.begin() as db:
        assert audit.checkpoint(db, ORGANISATION)


def test_a_log_that_contradicts_the_signature_beside_it_is_not_signed(log: Log) -> None:
    """Forged in one piece: rows, head and the frontier of the last signature agree, only its note does not."""
    with log.database.begin() as db:
        note = db.get_one(Head, ORGANISATION).signed_note
    with log.owner() as connection:
        log.rebuild(connection, swapped(log, connection, log.ids()))
        with Session(connection) as db:
            tree = merkle.Frontier()
            for leaf in db.scalars(select(Leaf.leaf_hash).where(Leaf.leaf_index < 9).order_by(Leaf.leaf_index)):
                tree.append(leaf)
        forged = {"signed_size": 9, "signed_frontier": tree.encode(), "signed_note": note}
        connection.execute(update(Head).where(Head.organisation_id == ORGANISATION).values(**forged))
    with pytest.raises(Damaged, match="audit-log-inconsistent"), log.database.begin() as db:
        audit.checkpoint(db, ORGANISATION)


def test_an_older_backup_of_the_database_is_not_pushed_over_a_newer_kept_log(log: Log) -> None:
    with log.owner() as connection:
        log.rebuild(connection, log.ids()[:6])
    with pytest.raises(Damaged, match="audit-log-shorter-than-kept"):
        log.push()


def test_a_new_folder_gets_the_whole_log(log: Log, tmp_path: Path) -> None:
    assert log.push(tmp_path / "second")
    (push,) = audit.kept(tmp_path / "second", ORGANISATION).pushes
    assert (push.first, len(push.leaf_hashes)) == (0, 12)
    assert log.push(), "and the first one gets what it lacks, though the head was signed already"
    assert log.verify(log.kept()).uncovered == 0


def test_nothing_is_kept_of_a_log_without_a_file(tmp_path: Path) -> None:
    assert audit.kept(tmp_path, ORGANISATION) == KeptLog()


def test_the_last_checkpoint_is_found_from_the_end_of_a_long_file(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    note = {"checkpoint": "old", "first": 0, "leaf_hashes": []}
    long = {"checkpoint": "new", "first": 0, "leaf_hashes": ["x" * 44] * 5000}
    path.write_text("".join(json.dumps(line) + "\n" for line in ({"format": "x"}, note, long)) + '{"checkpoint": "cut')
    assert checkpoints._last(path) == "new"


# -- naming, by itself -------------------------------------------------------------------------------------------

names = [merkle.leaf_hash(b"%d" % n) for n in range(40)]
events = [UUID(int=n) for n in range(80)]


@given(st.integers(0, 20), st.integers(0, 20))
def test_growth_is_no_finding(kept: int, more: int) -> None:
    assert verification.compare(names[:kept], names[: kept + more], events) == []


@given(st.integers(1, 15), st.data())
def test_any_other_difference_is_a_finding_that_names_it(kept: int, data: st.DataObject) -> None:
    present = data.draw(st.permutations(names[: kept + 3]))[: data.draw(st.integers(0, kept + 3))]
    strangers = data.draw(st.lists(st.integers(0, len(present)), max_size=3))
    for number, place in enumerate(strangers):
        present.insert(place, names[30 + number])
    found = verification.compare(names[:kept], present, events)
    assert (found == []) == (present[:kept] == names[:kept])
    lost = [finding for finding in found if finding.kind in ("removed", "altered")]
    missing = [index for index in range(kept) if names[index] not in present]
    assert sorted(finding.leaf_index or 0 for finding in lost) == missing
    for finding in found:
        if finding.kind == "moved":
            assert finding.leaf_index is not None
            assert finding.other is not None
            assert present[finding.leaf_index] == names[finding.other]


def test_a_long_log_is_compared_in_reasonable_time() -> None:
    kept = [merkle.leaf_hash(b"%d" % n) for n in range(50_000)]
    tail = kept[30_000:]
    random.Random(1).shuffle(tail)
    present = [*kept[:20_000], *kept[20_001:30_000], *tail]
    places = {leaf: index for index, leaf in enumerate(kept)}
    begun = time.process_time()
    found = verification.compare(kept, present, [UUID(int=0)] * 50_000)
    assert time.process_time() - begun < 5, "it takes a quarter of a second; row by row it would take minutes"
    assert [finding.leaf_index for finding in found if finding.kind == "removed"] == [20_000]
    moved = [finding for finding in found if finding.kind == "moved"]
    assert len(found) == 1 + len(moved)
    assert all(places[present[finding.leaf_index or 0]] == finding.other for finding in moved)
    still = set(range(len(present))) - {finding.leaf_index for finding in moved}
    assert still >= set(range(29_999)), "what was not shuffled is not said to have moved"
    order = [places[present[now]] for now in sorted(still)]
    assert order == sorted(order), "and what is not named stands in its old order"
