"""Keys: what each opens, what a wrapping is bound to, and that a destroyed one is gone."""

import re
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from sqlalchemy import event, select, update

from core import ids
from core.db import Database, Tx
from core.errors import Conflict, Damaged, NotFound, Unavailable
from core.jobs import JobRow, enqueue
from core.keyring import FileProvider, Keyring, Unit, WrappedKey, open_provider, verifies
from core.sealed import Context
from tests.engines import SQLITE_DIRECTORY

if TYPE_CHECKING:
    from tests.conftest import Engines

ORGANISATION, OTHER = ids.new(), ids.new()


@pytest.fixture
def db(database: Database) -> Iterator[Tx]:
    with database.begin() as db:
        db.keyring.create_organisation(db, ORGANISATION)
        db.keyring.create_organisation(db, OTHER)
        yield db


def unit(kind: str, organisation_id: UUID = ORGANISATION) -> Unit:
    return Unit(kind, organisation_id, organisation_id if kind == "organisation" else ids.new())  # type: ignore[arg-type]


def made(db: Tx, kind: str, organisation_id: UUID = ORGANISATION) -> Unit:
    new = unit(kind, organisation_id)
    if kind == "study":
        db.keyring.create_study(db, organisation_id, new.id, None)
    elif kind != "organisation":
        db.keyring.create(db, new)
    return new


def forget(db: Tx) -> None:
    """As in a fresh transaction: nothing unwrapped is kept."""
    db.flush()
    db.expire_all()
    db.info.clear()


def row_of(db: Tx, owner: Unit) -> WrappedKey:
    kind = "records" if owner.kind == "organisation" else owner.kind
    return db.scalars(select(WrappedKey).where(WrappedKey.kind == kind, WrappedKey.unit_id == owner.id)).one()


@pytest.mark.parametrize("kind", ["organisation", "case", "patient", "directory", "study"])
def test_each_unit_opens_what_it_sealed_and_nothing_of_another(db: Tx, kind: str) -> None:
    mine, yours, row = made(db, kind), made(db, kind, OTHER), ids.new()
    data = db.keyring.seal(db, mine, "note", "entries", row, 1, "断指".encode())
    forget(db)
    assert db.keyring.unseal(db, mine, "note", "entries", row, 1, data) == "断指".encode()
    with pytest.raises(Damaged, match="sealed-key"):
        db.keyring.unseal(db, yours, "note", "entries", row, 1, data)
    for place in (("text", "entries", row, 1), ("note", "cases", row, 1), ("note", "entries", ids.new(), 1), ("note", "entries", row, 2)):
        with pytest.raises(Damaged, match="sealed-damaged"):
            db.keyring.unseal(db, mine, *place, data)


def test_two_units_of_one_organisation_do_not_open_each_other(db: Tx) -> None:
    one, other, row = made(db, "case"), made(db, "case"), ids.new()
    data = db.keyring.seal(db, one, "note", "entries", row, 1, b"x")
    with pytest.raises(Damaged, match="sealed-key"):
        db.keyring.unseal(db, other, "note", "entries", row, 1, data)


def test_a_case_asked_for_under_another_organisation_has_no_key(db: Tx) -> None:
    case = made(db, "case")
    with pytest.raises(NotFound, match="key-not-found"):
        db.keyring.seal(db, Unit("case", OTHER, case.id), "note", "entries", ids.new(), 1, b"x")


def test_writer_and_reader_outlive_the_transaction(database: Database) -> None:
    row = ids.new()
    with database.begin() as db:
        db.keyring.create_organisation(db, ORGANISATION)
        case = made(db, "case")
        writer = db.keyring.writer(db, case, "image", "instances", row, 1)
    data = b"".join(writer.stream([b"a" * 20_000, b"b" * 20_000]))
    with database.begin() as db:
        reader = db.keyring.reader(db, case, "image", "instances", row, 1, lambda start, length: data[start : start + length], len(data))
    assert reader.size == 40_000
    assert reader.read(19_999, 2) == b"ab"


def test_keys_are_made_once(db: Tx) -> None:
    case, study = made(db, "case"), made(db, "study")
    with pytest.raises(Conflict, match="key-exists-already"):
        db.keyring.create(db, case)
    with pytest.raises(Conflict, match="key-exists-already"):
        db.keyring.create_study(db, ORGANISATION, study.id, None)
    with pytest.raises(Conflict, match="key-exists-already"):
        db.keyring.create_organisation(db, ORGANISATION)
    with pytest.raises(ValueError, match="study"):
        db.keyring.create(db, study)


def test_a_rolled_back_savepoint_leaves_no_key_behind(db: Tx) -> None:
    """Data sealed under a key that exists only in memory would be lost."""
    case = unit("case")
    with suppress(ZeroDivisionError), db.begin_nested():
        db.keyring.create(db, case)
        db.keyring.seal(db, case, "note", "entries", ids.new(), 1, b"x")
        raise ZeroDivisionError
    with pytest.raises(NotFound, match="key-not-found"):
        db.keyring.seal(db, case, "note", "entries", ids.new(), 1, b"x")


def test_the_keys_of_a_list_are_fetched_in_one_query(database: Database) -> None:
    with database.begin() as db:
        db.keyring.create_organisation(db, ORGANISATION)
        db.keyring.create_organisation(db, OTHER)
        cases, foreign = [made(db, "case") for _ in range(30)], made(db, "case", OTHER)
        sealed = {case: db.keyring.seal(db, case, "note", "entries", case.id, 1, b"x") for case in cases}
    with database.begin(readonly=True) as db:
        db.keyring.unseal(db, cases[0], "note", "entries", cases[0].id, 1, sealed[cases[0]])
        statements: list[str] = []
        watch = lambda connection, cursor, statement, *rest: statements.append(statement)  # noqa: E731
        event.listen(database.engine, "before_cursor_execute", watch)
        db.keyring.load(db, [*cases, Unit("case", ORGANISATION, foreign.id), Unit("case", ORGANISATION, ids.new())])
        for case in cases:
            assert db.keyring.unseal(db, case, "note", "entries", case.id, 1, sealed[case]) == b"x"
        event.remove(database.engine, "before_cursor_execute", watch)
        assert len(statements) == 1
        with pytest.raises(NotFound, match="key-not-found"):
            db.keyring.seal(db, Unit("case", ORGANISATION, foreign.id), "note", "entries", ids.new(), 1, b"x")


def test_the_keys_of_a_very_long_list_are_fetched_too(db: Tx) -> None:
    case = made(db, "case")
    db.keyring.load(db, [*(Unit("case", ORGANISATION, ids.new()) for _ in range(70_000)), case])
    assert db.keyring.seal(db, case, "note", "entries", ids.new(), 1, b"x")


# -- a wrapping is bound to its place ----------------------------------------------------------------


@pytest.mark.parametrize("column", ["id", "unit_id", "organisation_id", "kind", "generation"])
def test_a_wrapped_key_moved_to_another_place_does_not_unwrap(db: Tx, column: str) -> None:
    case = made(db, "case")
    row = row_of(db, case)
    moved = {"id": ids.new(), "unit_id": ids.new(), "organisation_id": OTHER, "kind": "patient", "generation": 2}[column]
    db.execute(update(WrappedKey).where(WrappedKey.id == row.id).values(**{column: moved}))
    db.expunge(row)
    forget(db)
    values: dict[str, object] = {"kind": "case", "organisation_id": ORGANISATION, "unit_id": case.id, column: moved}
    forged = Unit(values["kind"], values["organisation_id"], values["unit_id"])  # type: ignore[arg-type]
    with pytest.raises(Damaged):
        db.keyring.seal(db, forged, "note", "entries", ids.new(), 1, b"x")


def test_two_wrapped_keys_swapped_do_not_unwrap(db: Tx) -> None:
    one, other = row_of(db, made(db, "case")), row_of(db, made(db, "case"))
    one.wrapped, other.wrapped = other.wrapped, one.wrapped
    forget(db)
    with pytest.raises(Damaged, match="sealed-damaged"):
        db.keyring.seal(db, Unit("case", ORGANISATION, one.unit_id), "note", "entries", ids.new(), 1, b"x")


def test_a_wrapping_by_a_key_of_another_organisation_is_refused(db: Tx) -> None:
    mine, foreign = row_of(db, made(db, "case")), row_of(db, made(db, "case", OTHER))
    mine.parent_id = foreign.parent_id
    forget(db)
    with pytest.raises(Damaged, match="sealed-key"):
        db.keyring.seal(db, Unit("case", ORGANISATION, mine.unit_id), "note", "entries", ids.new(), 1, b"x")


def test_a_wrapping_whose_parent_is_gone_is_damaged(db: Tx) -> None:
    row = row_of(db, made(db, "case"))
    row.parent_id = ids.new()
    forget(db)
    with pytest.raises(Damaged, match="key-parent-missing"):
        db.keyring.seal(db, Unit("case", ORGANISATION, row.unit_id), "note", "entries", ids.new(), 1, b"x")


def test_no_table_holds_a_plain_key(db: Tx, tmp_path: Path) -> None:
    made(db, "case")
    forget(db)
    secrets = [db.keyring._secret(db, row).secret for row in db.scalars(select(WrappedKey))]
    columns = b"".join(bytes(row.wrapped or b"") for row in db.scalars(select(WrappedKey)))
    assert len({*secrets}) == len(secrets)
    assert not any(secret in columns for secret in secrets)


# -- studies from the inbox into a case ----------------------------------------------------------------


def test_filing_a_study_wraps_its_key_again_and_destroys_the_inbox_wrapping(db: Tx) -> None:
    study, case, row = made(db, "study"), made(db, "case"), ids.new()
    data = db.keyring.seal(db, study, "image", "instances", row, 1, b"pixels")
    inbox = row_of(db, study).wrapped
    assert inbox is not None
    db.keyring.file_study(db, ORGANISATION, study.id, case.id)
    forget(db)
    assert db.keyring.unseal(db, study, "image", "instances", row, 1, data) == b"pixels"
    assert row_of(db, study).parent_id == row_of(db, case).id
    assert all(wrapped != inbox for wrapped in db.scalars(select(WrappedKey.wrapped)))
    with pytest.raises(Conflict, match="study-filed-already"):
        db.keyring.file_study(db, ORGANISATION, study.id, made(db, "case").id)


def test_a_study_cannot_be_filed_into_another_organisations_case(db: Tx) -> None:
    study, case = made(db, "study"), made(db, "case", OTHER)
    with pytest.raises(NotFound):
        db.keyring.file_study(db, ORGANISATION, study.id, case.id)


# -- shredding ---------------------------------------------------------------------------------------


def test_a_destroyed_case_takes_its_documents_and_its_studies_with_it(database: Database) -> None:
    row = ids.new()
    with database.begin() as db:
        db.keyring.create_organisation(db, ORGANISATION)
        case, kept = made(db, "case"), made(db, "case")
        filed, arrived = made(db, "study"), unit("study")
        db.keyring.file_study(db, ORGANISATION, filed.id, case.id)
        db.keyring.create_study(db, ORGANISATION, arrived.id, case.id)
        sealed = {each: db.keyring.seal(db, each, "note", "entries", row, 1, b"x") for each in (case, kept, filed, arrived)}
    with database.begin() as db:
        db.keyring.destroy(db, case)
        db.keyring.destroy(db, case)
    with database.begin() as db:
        for gone in (case, filed, arrived):
            with pytest.raises(NotFound, match="key-destroyed"):
                db.keyring.unseal(db, gone, "note", "entries", row, 1, sealed[gone])
            with pytest.raises(NotFound, match="key-destroyed"):
                db.keyring.seal(db, gone, "note", "entries", row, 2, b"x")
            assert row_of(db, gone).wrapped is None
        assert db.keyring.unseal(db, kept, "note", "entries", row, 1, sealed[kept]) == b"x"
        assert db.keyring.count(db, ORGANISATION) == {"case": 1, "inbox": 1, "log": 1, "organisation": 1, "records": 1, "signing": 1}
        with pytest.raises(NotFound, match="key-not-found"):
            db.keyring.destroy(db, unit("case"))
        with pytest.raises(NotFound, match="key-not-found"):
            db.keyring.destroy(db, Unit("case", OTHER, kept.id))


def test_a_destroyed_key_is_gone_within_the_transaction_too(db: Tx) -> None:
    case = made(db, "case")
    db.keyring.seal(db, case, "note", "entries", ids.new(), 1, b"x")
    db.keyring.destroy(db, case)
    with pytest.raises(NotFound, match="key-destroyed"):
        db.keyring.seal(db, case, "note", "entries", ids.new(), 1, b"x")


def test_a_destroyed_wrapping_is_not_left_in_the_files_of_sqlite(all_engines: "Engines", tmp_path: Path) -> None:
    """PostgreSQL keeps dead rows until vacuum, and says so in its manual: docs/threat-model.md."""
    database = all_engines.fresh(SQLITE_DIRECTORY, tmp_path).open()
    with database.begin() as db:
        db.keyring.create_organisation(db, ORGANISATION)
        case = made(db, "case")
        wrapped = row_of(db, case).wrapped or b""
    checkpoint(database)
    assert wrapped in (tmp_path / "shanhai.sqlite").read_bytes()
    pieces = [wrapped[at : at + 12] for at in range(24, len(wrapped) - 12)]
    with database.begin() as db:
        db.keyring.destroy(db, case)
    checkpoint(database)
    left = b"".join(file.read_bytes() for file in tmp_path.glob("shanhai.sqlite*"))
    assert not any(piece in left for piece in pieces)
    database.close()


def test_a_deleted_row_is_not_left_in_the_files_of_sqlite(all_engines: "Engines", tmp_path: Path) -> None:
    """Blind indexes and job payloads go with a shredded case."""
    database = all_engines.fresh(SQLITE_DIRECTORY, tmp_path).open()
    with database.begin() as db:
        for number in range(12):
            enqueue(db, "preview", {"study": f"study-number-{number:03}"}, organisation_id=ORGANISATION)
    checkpoint(database)
    assert b"study-number-005" in (tmp_path / "shanhai.sqlite").read_bytes()
    with database.begin() as db:
        for row in db.scalars(select(JobRow)):
            if row.payload["study"] != "study-number-011":
                db.delete(row)
    checkpoint(database)
    left = b"".join(file.read_bytes() for file in tmp_path.glob("shanhai.sqlite*"))
    assert left.count(b"study-number-") == 1
    database.close()


def checkpoint(database: Database) -> None:
    with database.engine.connect() as connection:
        connection.rollback()
        raw = connection.connection.dbapi_connection
        assert raw is not None
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_an_organisation_goes_with_all_its_keys(db: Tx) -> None:
    case, records = made(db, "case"), unit("organisation")
    db.keyring.destroy(db, records)
    for gone in (case, records):
        with pytest.raises(NotFound, match="key-destroyed"):
            db.keyring.seal(db, gone, "note", "entries", ids.new(), 1, b"x")
    assert db.keyring.seal(db, made(db, "case", OTHER), "note", "entries", ids.new(), 1, b"x")


# -- blind index and signatures -------------------------------------------------------------------------


def test_a_blind_index_is_equal_only_for_equal_values_of_one_purpose_and_organisation(db: Tx) -> None:
    index = db.keyring.blind_index(db, ORGANISATION, "national-id", "110101199003070031")
    forget(db)
    assert index == db.keyring.blind_index(db, ORGANISATION, "national-id", "110101199003070031")
    assert len(index) == 32
    others = {
        db.keyring.blind_index(db, OTHER, "national-id", "110101199003070031"),
        db.keyring.blind_index(db, ORGANISATION, "record-number", "110101199003070031"),
        db.keyring.blind_index(db, ORGANISATION, "national-id", "110101199003070032"),
    }
    assert len(others | {index}) == 4


def test_signatures_hold_and_the_two_uses_have_two_keys(db: Tx) -> None:
    public, log = db.keyring.public_key(db, ORGANISATION), db.keyring.public_key(db, ORGANISATION, use="log")
    signature = db.keyring.sign(db, ORGANISATION, b"opinion")
    assert verifies(public, b"opinion", signature)
    assert not verifies(public, b"another", signature)
    assert not verifies(log, b"opinion", signature)
    assert not verifies(db.keyring.public_key(db, OTHER), b"opinion", signature)
    assert verifies(log, b"head", db.keyring.sign(db, ORGANISATION, b"head", use="log"))


# -- the root key file -----------------------------------------------------------------------------------


def test_the_root_key_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "root.key"
    open_provider(path.as_uri(), create=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    before = path.read_bytes()
    open_provider(path.as_uri(), create=True)
    assert path.read_bytes() == before


KILLED_AS_IT_WRITES = """
import resource, signal, sys
from pathlib import Path
from core.keyring import FileProvider
from core.sealed import Context
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
FileProvider(Path(sys.argv[1]), create=True)
"""


def test_a_start_that_is_killed_as_it_makes_the_root_key_leaves_none(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "root.key"
    child = subprocess.run([sys.executable, "-B", "-c", KILLED_AS_IT_WRITES, str(path)], check=False)
    assert child.returncode == -signal.SIGXFSZ
    assert not path.exists()
    FileProvider(path, create=True)
    assert path.read_text().startswith("shanhai-root-key-1 ")


@pytest.mark.parametrize("trial", range(10))
def test_of_several_first_starts_at_once_one_makes_the_root_key(tmp_path: Path, trial: int) -> None:
    path, together = tmp_path / "keys" / f"{trial}.key", threading.Barrier(8)
    context = Context("wrap:test", ORGANISATION, "wrapped_keys", ORGANISATION, 1)

    def start() -> FileProvider:
        together.wait(20)
        return FileProvider(path, create=True)

    with ThreadPoolExecutor(8) as pool:
        providers = [running.result() for running in [pool.submit(start) for _ in range(8)]]
    wrapped = providers[0].wrap(context, b"s" * 32)
    assert {provider.unwrap(context, wrapped) for provider in providers} == {b"s" * 32}
    assert [left.name for left in path.parent.iterdir()] == [path.name], "and nothing else is left there"


@pytest.mark.parametrize(("which", "mode"), [("file", 0o640), ("file", 0o604), ("file", 0o660), ("folder", 0o750), ("folder", 0o701)])
def test_loose_permissions_are_refused_with_their_cure(tmp_path: Path, which: str, mode: int) -> None:
    path = tmp_path / "keys" / "root.key"
    FileProvider(path, create=True)
    loose = path if which == "file" else path.parent
    loose.chmod(mode)
    with pytest.raises(Unavailable, match="root-key-open-to-others") as caught:
        FileProvider(path)
    assert f"chmod {'600' if which == 'file' else '700'} '{loose}'" in str(caught.value.params["cure"])
    loose.chmod(0o600 if which == "file" else 0o700)
    FileProvider(path)


def test_a_missing_foreign_or_broken_root_key_file_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "root.key"
    with pytest.raises(Unavailable, match="root-key-missing") as caught:
        FileProvider(path)
    assert "shanhai keys init" in str(caught.value.params["cure"])
    FileProvider(path, create=True)
    good = path.read_text()
    for broken in ("", "hello\n", good.replace("key-1", "key-9"), good[:-6] + "\n", good + "shanhai-root-key-1 x y\n"):
        path.write_text(broken)
        with pytest.raises(Unavailable, match="root-key-unreadable"):
            FileProvider(path)
    path.write_text(good)
    link = path.with_name("link.key")
    link.symlink_to(path)
    with pytest.raises(Unavailable, match="root-key-missing"):
        FileProvider(link)
    for url in ("", "root.key", "vault://x/y", "file://elsewhere/root.key"):
        with pytest.raises(Unavailable, match="keyring-url"):
            open_provider(url)


def test_the_last_root_key_wraps_and_the_earlier_ones_still_unwrap(database: Database, tmp_path: Path) -> None:
    with database.begin() as db:
        db.keyring.create_organisation(db, ORGANISATION)
    path, newer = tmp_path / "keys" / "root.key", tmp_path / "newer" / "root.key"
    FileProvider(newer, create=True)
    path.write_text(path.read_text() + newer.read_text())
    database.keyring = Keyring(FileProvider(path))
    with database.begin() as db:
        db.keyring.create_organisation(db, OTHER)
        db.keyring.public_key(db, ORGANISATION)
    database.keyring = Keyring(FileProvider(newer))
    with database.begin() as db:
        db.keyring.public_key(db, OTHER)
        with pytest.raises(Unavailable, match="root-key-unknown"):
            db.keyring.public_key(db, ORGANISATION)


def test_without_the_root_key_nothing_opens_and_nothing_is_sealed(database: Database, tmp_path: Path) -> None:
    """A provider that is down never leads to plain text."""
    with database.begin() as db:
        db.keyring.create_organisation(db, ORGANISATION)
        case = made(db, "case")
    database.keyring = Keyring(FileProvider(tmp_path / "other" / "root.key", create=True))
    with database.begin() as db, pytest.raises(Unavailable, match="root-key-unknown"):
        db.keyring.seal(db, case, "note", "entries", ids.new(), 1, b"x")


def test_keyring_and_provider_show_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "root.key"
    provider = FileProvider(path, create=True)
    secret = path.read_text().split()[2]
    assert secret not in repr(provider) + repr(Keyring(provider)) + repr(vars(provider))
    assert not re.search(r"\bb['\"]", repr(vars(provider))), "no bytes, and an id may end in b"
