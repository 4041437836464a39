"""Sandbox: a pool of confined processes that parse what strangers sent.

The pool lives in the server, which holds the keys and never parses; the workers parse and hold nothing. A worker
reads its file by asking this side for ranges, so that a file of gigabytes takes no memory here or there. It serves
one organisation: before it may see another's files it is replaced, and so it is after any fault. Whatever a file
does to a worker (crash, endless loop, out of memory) ends as ``Refused`` with a reason, never as a server error.
"""

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import orjson

from core.errors import Unavailable, Unsupported
from imaging import wire
from imaging.bodies import Readable
from imaging.wire import Message

MODULES = ("imaging.examine", "imaging.codecs")
"""Where tasks are; the fork server loads these and calls their ``warm()``, for a worker can load nothing more."""
START_SECONDS = 60.0
WAIT_SECONDS = 120.0
TASKS_PER_WORKER = 2_000

_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from imaging.confined import serve; serve(sys.argv[2], int(sys.argv[3]))"
_ROOT = Path(__file__).resolve().parent.parent
T = TypeVar("T")


REASONS = frozenset(
    {
        "animated",
        "archive",  # zip and its like: to be unpacked first
        "bomb",  # would grow out of all proportion
        "dicomdir",  # a medium's table of contents, not a picture
        "document",
        "empty",
        "encrypted",
        "inconsistent",  # its sizes or counts contradict one another
        "sandbox-fault",
        "sandbox-memory",
        "sandbox-timeout",
        "too-deep",  # nested beyond sense
        "too-large",
        "transfer-syntax",  # unknown, or not named
        "truncated",
        "uid",  # an identifier is missing or is none
        "unknown-type",
        "unreadable",
        "video",
    }
)
"""Why a worker may refuse a file: each is the catalogue key ``image-<reason>``."""


class Refused(Unsupported):
    """The file is not taken. ``fault``: the worker is not to be used again; ``at`` says where, without content."""

    def __init__(self, reason: str, *, fault: bool = False, at: str = "") -> None:
        super().__init__(f"image-{reason}")
        self.reason = reason
        self.fault = fault
        self.at = at


class _Late(wire.Broken):
    """The worker took longer than its task may."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a task gave back. It comes from a confined process: check before use."""

    value: Any
    blobs: tuple[bytes, ...]


@dataclass(slots=True)
class _Worker:
    pid: int
    line: socket.socket
    organisation_id: UUID
    tasks: int = 0
    deadline: float = field(default=0.0)

    def read(self, length: int) -> bytes:
        found = bytearray(length)
        view = memoryview(found)
        while view:
            taken = self._patiently(self.line.recv_into, view)
            if not taken:
                raise wire.Broken("closed")
            view = view[taken:]
        return bytes(found)

    def send(self, message: Message) -> None:
        for buffer in wire.pack(message):
            self._patiently(self.line.sendall, buffer)

    def _patiently(self, act: Callable[[Any], T], argument: object) -> T:
        left = self.deadline - time.monotonic()
        try:
            self.line.settimeout(max(left, 0.001))
            return act(argument)
        except TimeoutError as error:
            raise _Late from error
        except OSError as error:
            raise wire.Broken(str(error)) from error


class Pool:
    """``size`` workers at most. Safe to share between threads; ``close`` ends every process it started."""

    def __init__(self, size: int = 2, modules: Sequence[str] = MODULES) -> None:
        self._size = size
        self._modules = tuple(modules)
        self._turn = threading.Condition()
        self._idle: list[_Worker] = []
        self._alive = 0
        self._server: _Server | None = None
        self._closed = False

    def start(self) -> None:
        """Begin to load the parsers, so that the first file need not wait for it."""
        with self._turn:
            self._running()

    def run(self, name: str, file: Readable | None, *args: object, organisation_id: UUID, blobs: Sequence[bytes] = ()) -> Result:
        """Do the task ``<module>.<function>`` on a file, with JSON arguments and then byte strings.

        Raises Refused for whatever the file did, Unavailable when there is no sandbox or no free worker, and lets
        through what reading the file raises (Damaged).
        """
        worker, limits = self._take(organisation_id, name)
        well = False
        try:
            result = _run(worker, limits, Message(wire.TASK, [name, 0 if file is None else file.size, list(args)], tuple(blobs)), file)
            well = True
            return result
        except Refused as refused:
            well = not refused.fault
            raise
        finally:
            self._give_back(worker, well)

    def close(self) -> None:
        """End every worker and the fork server."""
        with self._turn:
            self._closed = True
            server, self._server = self._server, None
            for worker in self._idle:
                worker.line.close()
            self._idle.clear()
            if server is not None:
                server.close()
            self._turn.notify_all()

    def _take(self, organisation_id: UUID, name: str) -> tuple[_Worker, "_Limits"]:
        end = time.monotonic() + WAIT_SECONDS
        with self._turn:
            while True:
                server = self._running()
                for worker in reversed(self._idle):
                    if worker.organisation_id == organisation_id:
                        self._idle.remove(worker)
                        return worker, server.limits(name)
                if self._alive >= self._size and self._idle:
                    self._retire(self._idle.pop(0))
                if self._alive < self._size:
                    worker = server.fork(organisation_id)
                    self._alive += 1
                    return worker, server.limits(name)
                if not self._turn.wait(end - time.monotonic()):
                    raise Unavailable("sandbox-busy")

    def _give_back(self, worker: _Worker, well: bool) -> None:
        with self._turn:
            worker.tasks += 1
            if well and not self._closed and worker.tasks < TASKS_PER_WORKER:
                self._idle.append(worker)
            else:
                self._retire(worker)
            self._turn.notify()

    def _retire(self, worker: _Worker) -> None:
        self._alive -= 1
        worker.line.close()
        if self._server is not None:
            self._server.kill(worker.pid)

    def _running(self) -> "_Server":
        if self._closed:
            raise Unavailable("sandbox-closed")
        if self._server is None or not self._server.alive():
            for worker in self._idle:
                worker.line.close()
            self._alive -= len(self._idle)
            self._idle.clear()
            if self._server is not None:
                self._server.close()
            self._server = _Server(self._modules)
        return self._server


@dataclass(frozen=True, slots=True)
class _Limits:
    seconds: float
    result: int


class _Server:
    """The fork server's process and the line to it. Guarded by the pool's lock."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, fixed arguments
                [sys.executable, "-I", "-c", _BOOT, str(_ROOT), ",".join(modules), str(theirs.fileno())],
                env={"LC_ALL": "C.UTF-8"},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._line.settimeout(START_SECONDS)
        self._limits: dict[str, _Limits] = {}

    def alive(self) -> bool:
        return self._process.poll() is None

    def limits(self, name: str) -> _Limits:
        if name not in self._limits:
            raise LookupError(f"no task is called {name}")
        return self._limits[name]

    def fork(self, organisation_id: UUID) -> _Worker:
        try:
            self._ready()
            ours, theirs = socket.socketpair()
            with theirs:
                socket.send_fds(self._line, [b"+"], [theirs.fileno()])
            return _Worker(int(self._line.recv(64)), ours, organisation_id)
        except (OSError, ValueError) as error:
            self.close()
            raise Unavailable("sandbox-unavailable") from error

    def _ready(self) -> None:
        if self._limits:
            return
        hello = orjson.loads(self._line.recv(65_536))
        if "failed" in hello:
            raise RuntimeError(f"the sandbox could not load its parsers\n{hello['failed']}")
        self._limits = {name: _Limits(seconds, result) for name, (seconds, result) in hello["tasks"].items()}

    def kill(self, pid: int) -> None:
        with contextlib.suppress(OSError):
            self._line.send(str(pid).encode())

    def close(self) -> None:
        self._line.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _run(worker: _Worker, limits: _Limits, order: Message, file: Readable | None) -> Result:
    worker.deadline = time.monotonic() + limits.seconds
    try:
        worker.send(order)
        while True:
            message = wire.receive(worker.read, (wire.READ, wire.DONE, wire.REFUSED), limits.result)
            if message.kind == wire.DONE:
                return Result(message.value, message.blobs)
            if message.kind == wire.REFUSED:
                raise _refusal(message.value)
            _give(worker, file, message.value)
    except _Late as error:
        raise Refused("sandbox-timeout", fault=True) from error
    except wire.Broken as error:
        raise Refused("sandbox-fault", fault=True) from error


def _give(worker: _Worker, file: Readable | None, wanted: object) -> None:
    match wanted:
        case [int(start), int(length)] if file is not None and start >= 0 and 0 <= length <= wire.RANGE:
            began = time.monotonic()
            found = file.read(start, length)
            worker.deadline += time.monotonic() - began
            worker.send(Message(wire.BYTES, None, (found,)))
        case _:
            raise wire.Broken("asked for no range of this file")


def _refusal(value: object) -> Refused:
    match value:
        case [str(reason), bool(fault), str(at)] if reason in REASONS:
            return Refused(reason, fault=fault, at=at[:100])
        case _:
            raise wire.Broken("no reason")
