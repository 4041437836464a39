"""The sandbox: what a worker may not do, and what becomes of one that tries."""

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Damaged, Unavailable
from imaging import seccomp, wire
from imaging.bodies import Memory
from imaging.sandbox import Pool, Refused
from imaging.wire import Message
from tests.imaging.hostile import ATTEMPTS

HERE = uuid4()
NOTHING = Memory(b"")


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    made = Pool(2, ["tests.imaging.hostile"])
    yield made
    made.close()


def test_a_task_gets_its_arguments_and_gives_back_json_and_bytes(pool: Pool) -> None:
    result = pool.run("hostile.echo", Memory(b"12345"), "山海", organisation_id=HERE, blobs=[b"ab", b"cd"])
    assert (result.value["word"], result.value["size"], result.value["blobs"], result.blobs) == ("山海", 5, 2, (b"abcd",))


@pytest.mark.parametrize(("start", "length"), [(0, 10), (131_070, 4), (100, 300_000), (0, 20_000_000), (19_999_990, 100), (30_000_000, 1)])
def test_a_file_is_read_by_range(pool: Pool, start: int, length: int) -> None:
    data = os.urandom(1 << 20) * 19 + bytes(77_824)
    found = pool.run("hostile.digest", Memory(data), start, length, organisation_id=HERE)
    assert found.blobs[0] == data[start : start + length]


def test_a_file_of_four_gigabytes_takes_no_memory(pool: Pool) -> None:
    class Huge:
        size = 4 << 30
        largest = 0

        def read(self, start: int, length: int) -> bytes:
            self.largest = max(self.largest, length)
            return b"x" * length

    file = Huge()
    assert pool.run("hostile.digest", file, (4 << 30) - 10, 100, organisation_id=HERE).value == 10
    assert file.largest <= wire.RANGE


@pytest.mark.parametrize("what", sorted(ATTEMPTS))
def test_a_worker_reaches_nothing(pool: Pool, what: str) -> None:
    """Neither network nor file nor process; as whoever the tests run, root included."""
    assert pool.run("hostile.attempt", NOTHING, what, organisation_id=HERE).value == errno.EPERM


@pytest.mark.parametrize("what", ["tcp", "open", "fork"])
def test_nor_does_a_thread_it_starts(pool: Pool, what: str) -> None:
    assert pool.run("hostile.attempt_in_thread", NOTHING, what, organisation_id=HERE).value == [errno.EPERM]


def test_the_same_acts_succeed_outside_or_the_test_above_proves_nothing() -> None:
    for what in ("tcp", "unix", "pair", "open", "list", "pipe"):
        made = ATTEMPTS[what]()
        for end in made if isinstance(made, tuple) else (made,):
            if isinstance(end, int):
                os.close(end)
            elif hasattr(end, "close"):
                end.close()


def test_a_worker_inherits_no_secret(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHANHAI_KEYRING_URL", "file:///secret")
    other = Pool(1, ["tests.imaging.hostile"])
    try:
        found, user = other.run("hostile.environment", NOTHING, organisation_id=HERE).value
    finally:
        other.close()
    assert set(found) <= {"LC_ALL", "LC_CTYPE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"}
    assert user != 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("hang", "sandbox-timeout"),
        ("die", "sandbox-fault"),
        ("swell", "sandbox-memory"),
        ("dig", "too-deep"),
        ("flood", "sandbox-fault"),
        ("trip", "unreadable"),
    ],
)
def test_a_fault_is_a_refusal_and_the_worker_is_replaced(pool: Pool, name: str, reason: str) -> None:
    before = pool.run("hostile.echo", NOTHING, "", organisation_id=HERE).value["pid"]
    with pytest.raises(Refused) as refused:
        pool.run(f"hostile.{name}", NOTHING, organisation_id=HERE)
    assert (refused.value.reason, refused.value.code) == (reason, f"image-{reason}")
    assert "Zhang" not in refused.value.at
    assert pool.run("hostile.echo", NOTHING, "", organisation_id=HERE).value["pid"] != before
    _gone(before)


def _gone(pid: int) -> None:
    end = time.monotonic() + 10
    while _runs(pid):
        assert time.monotonic() < end, "the worker lives on"
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    """Whether the process is there; a dead one whose parent has not yet asked after it is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_refusal_on_purpose_keeps_the_worker(pool: Pool) -> None:
    before = pool.run("hostile.echo", NOTHING, "", organisation_id=HERE).value["pid"]
    with pytest.raises(Refused, match="image-truncated"):
        pool.run("hostile.refuse", NOTHING, "truncated", organisation_id=HERE)
    assert pool.run("hostile.echo", NOTHING, "", organisation_id=HERE).value["pid"] == before


def test_a_reason_nobody_knows_is_a_fault(pool: Pool) -> None:
    with pytest.raises(Refused, match="image-sandbox-fault"):
        pool.run("hostile.refuse", NOTHING, "<script>", organisation_id=HERE)


def test_a_worker_never_serves_two_organisations(pool: Pool) -> None:
    """What one hospital's file left behind in a worker is not there for the next."""
    one, other = uuid4(), uuid4()
    seen = [pool.run("hostile.remember", NOTHING, str(who), organisation_id=who).value for who in (one, one, other, one, other) * 2]
    assert seen[1] == str(one)
    for who, before in zip((one, one, other, one, other) * 2, seen, strict=True):
        assert before in ("", str(who))


def test_reading_that_fails_is_not_the_files_fault(pool: Pool) -> None:
    class Rotten:
        size = 100

        def read(self, start: int, length: int) -> bytes:
            raise Damaged("sealed-damaged")

    with pytest.raises(Damaged):
        pool.run("hostile.tally", Rotten(), organisation_id=HERE)
    assert pool.run("hostile.tally", Memory(b"abc"), organisation_id=HERE).value == 3


def test_many_threads_share_two_workers(pool: Pool) -> None:
    found: list[int] = []

    def ask(number: int) -> None:
        found.append(pool.run("hostile.digest", Memory(bytes([number]) * 1000), 0, 1000, organisation_id=HERE).blobs[0][7])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(24))


def test_the_fork_server_is_started_again_when_it_was_killed() -> None:
    pool = Pool(1, ["tests.imaging.hostile"])
    try:
        pid = pool.run("hostile.echo", NOTHING, "", organisation_id=HERE).value["pid"]
        assert pool._server is not None
        pool._server._process.kill()
        pool._server._process.wait()
        _gone(pid)
        assert pool.run("hostile.echo", NOTHING, "again", organisation_id=HERE).value["word"] == "again"
    finally:
        pool.close()
    with pytest.raises(Unavailable):
        pool.run("hostile.echo", NOTHING, "", organisation_id=HERE)


def test_the_workers_die_with_the_server() -> None:
    """Killed in the middle of a task, the server leaves no process behind."""
    script = (
        "import os, threading, time\n"
        "from uuid import uuid4\n"
        "from imaging.sandbox import Pool\n"
        "from imaging.bodies import Memory\n"
        "pool = Pool(1, ['tests.imaging.hostile'])\n"
        "here = uuid4()\n"
        "print(pool.run('hostile.echo', Memory(b''), '', organisation_id=here).value['pid'], pool._server._process.pid, flush=True)\n"
        "threading.Thread(target=lambda: pool.run('hostile.hang', Memory(b''), organisation_id=here)).start()\n"
        "time.sleep(0.2)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    for pid in ran.stdout.split():
        _gone(int(pid))
    assert len(ran.stdout.split()) == 2


def test_parsers_that_do_not_load_say_why() -> None:
    pool = Pool(1, ["imaging.no_such_module"])
    try:
        with pytest.raises(RuntimeError, match="no_such_module"):
            pool.run("x.y", NOTHING, organisation_id=HERE)
    finally:
        pool.close()


def test_a_machine_without_a_filter_gets_no_sandbox() -> None:
    with pytest.raises(Unavailable, match="sandbox-unsupported-machine"):
        seccomp.program("pdp11")
    assert all(len(seccomp.program(machine)) % 8 == 0 for machine in ("x86_64", "aarch64"))


@settings(deadline=None)
@given(value=st.recursive(st.none() | st.integers(-(2**53), 2**53) | st.text(), st.lists), blobs=st.lists(st.binary(), max_size=5))
def test_messages_come_out_as_they_went_in(value: object, blobs: list[bytes]) -> None:
    data = b"".join(wire.pack(Message(wire.DONE, value, tuple(blobs))))
    assert _received(data, 1 << 20) == Message(wire.DONE, value, tuple(blobs))


@settings(deadline=None)
@given(data=st.binary(max_size=200))
def test_what_is_no_message_is_told_apart(data: bytes) -> None:
    try:
        message = _received(data, 1000)
    except wire.Broken:
        return
    assert message.kind == wire.DONE


def _received(data: bytes, limit: int) -> Message:
    rest = bytearray(data)

    def read(length: int) -> bytes:
        if length > len(rest):
            raise wire.Broken("closed")
        found = bytes(rest[:length])
        del rest[:length]
        return found

    return wire.receive(read, (wire.DONE,), limit)
