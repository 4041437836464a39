"""The two stores: what was put is there whole, what was not put to its end is not there at all."""

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from core import ids
from core.errors import Damaged, Unavailable
from core.storage import DirectoryStore, S3Store, Store, open_store

if TYPE_CHECKING:
    from tests.conftest import Engine

MIB = 1 << 20
KEY = f"ab/{ids.new()}"


@pytest.fixture
def store(engine: "Engine") -> Store:
    return open_store(engine.store_url)


def run(script: str, *arguments: str, kill_at: str = "") -> tuple[int, str]:
    """A Python of its own with the store's address as first argument; killed when it prints ``kill_at``."""
    code = "import sys\nfrom core.storage import open_store\nstore = open_store(sys.argv[1])\n" + textwrap.dedent(script)
    child = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    out = ""
    for line in child.stdout:
        out += line
        if kill_at and kill_at in line:
            child.send_signal(signal.SIGKILL)
    child.stdout.close()
    return child.wait(), out


# -- what both promise -----------------------------------------------------------------------------------


def test_an_object_is_there_whole_until_it_is_deleted(store: Store) -> None:
    assert store.put(KEY, [b"one ", b"", b"two"]) == 7
    assert store.size(KEY) == 7
    assert store.read(KEY, 0, 7) == b"one two"
    assert list(store.keys()) == [KEY]
    store.delete(KEY)
    store.delete(KEY)
    assert list(store.keys()) == []
    for use in (store.size, lambda key: store.read(key, 0, 1)):
        with pytest.raises(Damaged, match="object-missing"):
            use(KEY)


def test_an_empty_object_is_an_object(store: Store) -> None:
    assert store.put(KEY, []) == 0
    assert store.size(KEY) == 0
    assert store.read(KEY, 0, 10) == b""


def test_a_second_put_replaces_the_first(store: Store) -> None:
    store.put(KEY, [b"first"])
    store.put(KEY, [b"second one"])
    assert store.read(KEY, 0, 100) == b"second one"


def test_ranges_end_where_the_object_ends(store: Store) -> None:
    data = os.urandom(1000)
    store.put(KEY, [data])
    for start, length in [(0, 1000), (0, 1), (999, 1), (500, 500), (500, 5000), (0, 2000), (1000, 1), (5000, 10), (3, 0)]:
        assert store.read(KEY, start, length) == data[start : start + length]


def test_keys_are_found_by_prefix(store: Store) -> None:
    for key in ("ab/one", "ab/two", "abc/three", "cd/ef/four"):
        store.put(key, [b"x"])
    assert sorted(store.keys()) == ["ab/one", "ab/two", "abc/three", "cd/ef/four"]
    assert sorted(store.keys("ab/")) == ["ab/one", "ab/two"]
    assert sorted(store.keys("ab/t")) == ["ab/two"]
    assert sorted(store.keys("ab")) == ["ab/one", "ab/two", "abc/three"]
    assert sorted(store.keys("cd/ef")) == ["cd/ef/four"]
    assert list(store.keys("zz/")) == []


def test_a_large_object_in_odd_pieces(store: Store) -> None:
    """Over several parts of a multipart upload, none of them aligned with what is given."""
    block = os.urandom(MIB + 77)
    pieces = [block[n:] + block[:n] for n in range(20)]
    assert store.put(KEY, pieces) == 20 * len(block)
    whole = b"".join(pieces)
    assert store.size(KEY) == len(whole)
    for at in (0, 8 * MIB - 3, 16 * MIB - 1, len(whole) - 10):
        assert store.read(KEY, at, 100) == whole[at : at + 100]
    assert hashlib.sha256(store.read(KEY, 0, len(whole))).digest() == hashlib.sha256(whole).digest()


@pytest.mark.parametrize("after", [0, 1, 30 * MIB])
def test_a_put_that_breaks_off_leaves_nothing(store: Store, after: int) -> None:
    def broken() -> Iterator[bytes]:
        for _ in range(after // MIB):
            yield bytes(MIB)
        yield bytes(after % MIB)
        raise ConnectionAbortedError("the sender is gone")

    with pytest.raises((ConnectionAbortedError, Unavailable)):
        store.put(KEY, broken())
    assert list(store.keys()) == []
    with pytest.raises(Damaged, match="object-missing"):
        store.size(KEY)


def test_what_the_source_of_a_put_raises_comes_through(store: Store) -> None:
    """A sealed stream whose own source is damaged must say so, not blame the store."""

    def damaged() -> Iterator[bytes]:
        yield bytes(9 * MIB)
        yield bytes(9 * MIB)
        raise Damaged("sealed-damaged")

    with pytest.raises(Damaged, match="sealed-damaged"):
        store.put(KEY, damaged())


def test_a_put_that_is_killed_leaves_no_named_object(engine: "Engine") -> None:
    script = f"""
        def slow():
            for n in range(40):
                yield bytes(1 << 20)
                print("piece", n, flush=True)
        store.put({KEY!r}, slow())
        print("kept")
    """
    status, out = run(script, engine.store_url, kill_at="piece 20")
    assert status == -signal.SIGKILL
    assert "kept" not in out
    store = open_store(engine.store_url)
    assert list(store.keys()) == []
    with pytest.raises(Damaged, match="object-missing"):
        store.size(KEY)
    assert store.put(KEY, [b"again"]) == 5


def test_memory_stays_bounded(engine: "Engine") -> None:
    script = f"""
        import resource
        store.put("aa/small", [b"x"])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert store.put({KEY!r}, (bytes(1 << 20) for _ in range(256))) == 256 << 20
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
    """
    status, out = run(script, engine.store_url)
    assert status == 0
    assert int(out) < 100, f"256 MiB took {out} MiB of memory"


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "../x", "ab/../../x", "ab//x", "ab/", ".incoming/x", "ab/.x", "AB/x", "ab/x y", "ab/x\0", "张三"]
)
def test_keys_that_are_no_keys_are_refused(store: Store, key: str) -> None:
    for use in (store.size, store.delete, lambda key: store.read(key, 0, 1), lambda key: store.put(key, [b"x"])):
        with pytest.raises(ValueError, match="object key"):
            use(key)


# -- the directory -----------------------------------------------------------------------------------------


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is flushed and renamed under the test's folder, in its order."""
    seen, fsync, rename = list[str](), os.fsync, Path.rename

    def watched_fsync(handle: int) -> None:
        seen.append(f"fsync {Path(f'/proc/self/fd/{handle}').readlink().relative_to(tmp_path)}")
        fsync(handle)

    def watched_rename(self: Path, target: Path) -> Path:
        seen.append(f"rename to {target.relative_to(tmp_path)}")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "rename", watched_rename)
    return seen


def test_file_and_folder_are_flushed_before_put_returns(tmp_path: Path, steps: list[str]) -> None:
    store = DirectoryStore(tmp_path / "new" / "objects")
    assert steps == ["fsync .", "fsync new", "fsync new/objects"], "and so is the store's own folder"
    store = DirectoryStore(tmp_path / "objects")
    steps.clear()
    store.put("ab/cd/x", [b"x"])
    steps[0] = steps[0].rpartition("/")[0]
    assert steps == [
        "fsync objects/.incoming",
        "fsync objects",
        "fsync objects/ab",
        "rename to objects/ab/cd/x",
        "fsync objects/ab/cd",
    ]


def test_a_folder_that_another_has_just_made_is_flushed_all_the_same(tmp_path: Path, steps: list[str]) -> None:
    """Its maker may be a thread that has not come to flush it yet; then a put here would outrun it."""
    store = DirectoryStore(tmp_path / "objects")
    (tmp_path / "objects" / "ab").mkdir()
    steps.clear()
    store.put("ab/x", [b"x"])
    assert steps[1:] == ["fsync objects", "rename to objects/ab/x", "fsync objects/ab"]
    steps.clear()
    store.put("ab/y", [b"y"])
    assert steps[1:] == ["rename to objects/ab/y", "fsync objects/ab"], "once is enough"


def test_a_folder_that_was_tidied_away_is_made_again(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "objects")
    store.put("ab/x", [b"x"])
    store.delete("ab/x")
    (tmp_path / "objects" / "ab").rmdir()
    assert store.put("ab/x", [b"again"]) == 5


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "objects")
    store.put("ab/x", [b"x"])
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "objects").rglob("*")}
    assert modes == {".incoming": 0o700, "ab": 0o700, "x": 0o600}


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    script = """
        import resource, signal
        from core.errors import Unavailable
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        try:
            store.put("ab/x", (bytes(1 << 18) for _ in range(8)))
        except Unavailable as error:
            print(error.code)
    """
    assert run(script, str(tmp_path / "objects")) == (0, "store-full\n")
    assert [path.name for path in (tmp_path / "objects").rglob("*")] == [".incoming"]


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "objects")
    old, fresh = tmp_path / "objects" / ".incoming" / "old", tmp_path / "objects" / ".incoming" / "fresh"
    for left in (old, fresh):
        left.write_bytes(b"half")
    os.utime(old, (time.time() - 25 * 3600,) * 2)
    assert list(store.keys()) == []
    DirectoryStore(tmp_path / "objects")
    assert (old.exists(), fresh.exists()) == (False, True)


def test_a_link_is_no_object(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "objects")
    store.put("ab/x", [b"x"])
    (tmp_path / "objects" / "ab" / "y").symlink_to("/etc/hostname")
    with pytest.raises(Unavailable, match="store-unavailable"):
        store.read("ab/y", 0, 10)


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="store-unavailable"):
        DirectoryStore(tmp_path / "file" / "objects")


# -- S3 against a store that errs ---------------------------------------------------------------------------


class ErringS3(ThreadingHTTPServer):
    """Takes objects on loopback as S3 does, after ``spoil`` has had its way with them."""

    def __init__(self, *, spoil: bool = False, opaque: bool = False, refuse: bool = False, mute: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), ErringHandler)
        self.spoil, self.opaque, self.refuse, self.mute, self.objects = spoil, opaque, refuse, mute, dict[str, bytes]()


class ErringHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ErringS3

    def answer(self, status: int, body: bytes = b"", length: int | None = None) -> None:
        stored = self.server.objects.get(self.path, b"")
        tag = "opaque" if self.server.opaque else hashlib.md5(stored, usedforsecurity=False).hexdigest()
        self.send_response(status)
        self.send_header("ETag", f'"{tag}"')
        self.send_header("Last-Modified", "Tue, 24 Nov 2026 03:52:54 GMT")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.refuse:
            return self.answer(403)
        self.server.objects[self.path] = body[:-1] + bytes([body[-1] ^ 1]) if self.server.spoil else body
        return self.answer(200)

    def do_HEAD(self) -> None:
        if self.server.mute:
            return self.answer(403)
        return self.answer(200, length=len(self.server.objects[self.path]))

    def do_GET(self) -> None:
        self.answer(200, self.server.objects[self.path])

    def do_DELETE(self) -> None:
        self.server.objects.pop(self.path, None)
        self.answer(204)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def erring(monkeypatch: pytest.MonkeyPatch) -> Iterator["Erring"]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    made = Erring()
    yield made
    made.close()


class Erring:
    def __init__(self) -> None:
        self.servers: list[ErringS3] = []

    def store(self, **faults: bool) -> tuple[S3Store, ErringS3]:
        server = ErringS3(**faults)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.servers.append(server)
        return S3Store("bucket", "prefix", endpoint=f"http://127.0.0.1:{server.server_port}"), server

    def close(self) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()


def test_a_spoilt_object_is_not_acknowledged_and_is_removed(erring: Erring) -> None:
    store, server = erring.store(spoil=True)
    with pytest.raises(Unavailable, match="store-checksum"):
        store.put(KEY, [b"what was sent"])
    assert server.objects == {}
    store, server = erring.store(spoil=True, opaque=True)
    with pytest.raises(Unavailable, match="store-checksum"):
        store.put(KEY, [b"what was sent"])


def test_an_object_that_cannot_be_looked_at_after_the_put_is_removed(erring: Erring) -> None:
    store, server = erring.store(mute=True)
    with pytest.raises(Unavailable, match="store-unavailable"):
        store.put(KEY, [b"what was sent"])
    assert server.objects == {}


def test_a_store_without_checksums_is_read_back(erring: Erring) -> None:
    store, server = erring.store(opaque=True)
    assert store.put(KEY, [b"what was sent"]) == 13
    assert list(server.objects) == [f"/bucket/prefix/{KEY}"]


def test_a_store_that_refuses_or_is_away_is_unavailable(erring: Erring) -> None:
    store, server = erring.store(refuse=True)
    with pytest.raises(Unavailable, match="store-unavailable"):
        store.put(KEY, [b"x"])
    assert server.objects == {}


def test_plain_http_is_refused_outside_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://s3.example.org")
    with pytest.raises(Unavailable, match="store-endpoint-plain") as caught:
        open_store("s3://bucket/prefix")
    assert "https" in str(caught.value.params["cure"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://s3.example.org")
    assert isinstance(open_store("s3://bucket/prefix"), S3Store)


def test_store_urls(tmp_path: Path) -> None:
    for url in ((tmp_path / "a b").as_uri(), str(tmp_path / "c")):
        assert isinstance(open_store(url), DirectoryStore)
    assert (tmp_path / "a b").is_dir()
    for url in ("", "s3://", "file://host/x", "http://example.org/", "gs://bucket"):
        with pytest.raises(Unavailable, match="store-url"):
            open_store(url)
