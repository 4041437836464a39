"""Confined: the inside of the sandbox, where untrusted bytes are parsed.

``serve`` is the fork server: a fresh interpreter with an empty environment, started by ``imaging.sandbox``, that
never held a key. It loads the parsers once, then forks a worker whenever the pool asks. A worker gives up root
where it has it, limits itself, installs the system call filter and from then on knows one socket, by which tasks
come, ranges of the file are asked for, and results leave. A task is a plain function in a module of imaging:

    @task(seconds=10)
    def examine(source: Source, name: str) -> Reply: ...
"""

import contextlib
import ctypes
import gc
import importlib
import os
import resource
import select
import signal
import socket
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import orjson

from imaging import seccomp, wire
from imaging.wire import Message

MEMORY = 1536 << 20
"""Address space of a worker beyond what the parsers take themselves."""
CPU_SECONDS = 600
"""Processor time of a worker over its whole life; the pool retires it long before."""
NOBODY = 65534
BLOCK = 128 << 10
"""Bytes asked for at a time; a header of the usual size comes with the first."""
KEPT_BLOCKS = 8

Reply = tuple[Any, Sequence[bytes]]
"""What a task gives back: one JSON value and byte strings."""
Function = TypeVar("Function", bound=Callable[..., Reply])


class Refused(Exception):
    """Raised by a task: the file is not taken. The argument is a reason of ``imaging.sandbox``."""


@dataclass(frozen=True, slots=True)
class Task:
    """A registered function, the seconds it may take and the most bytes it may give back."""

    function: Callable[..., Reply]
    seconds: float
    result: int


TASKS: dict[str, Task] = {}


def task(*, seconds: float, result: int = 64 << 20) -> Callable[[Function], Function]:
    """Register a function as the task ``<module>.<function>``: its time limit and the most bytes it may give back."""

    def register(function: Function) -> Function:
        TASKS[f"{function.__module__.rpartition('.')[2]}.{function.__name__}"] = Task(function, seconds, result)
        return function

    return register


class Source:
    """The file of a task, fetched by blocks through ``fetch(start, length)``, a few of them kept.

    As much of a file object as pydicom and Pillow ask for.
    """

    def __init__(self, size: int, fetch: Callable[[int, int], bytes]) -> None:
        self.size = size
        self._fetch = fetch
        self._at = 0
        self._blocks: dict[int, bytes] = {}

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence])
        return self._at

    def read(self, length: int = -1) -> bytes:
        found = self.at(self._at, self.size - self._at if length < 0 else length)
        self._at += len(found)
        return found

    def at(self, start: int, length: int) -> bytes:
        """``length`` bytes from ``start``, fewer only at the end of the file."""
        length = max(0, min(length, self.size - start))
        if length > BLOCK:
            return self._whole(start, length)
        found = b""
        while len(found) < length:
            number, skip = divmod(start + len(found), BLOCK)
            found += self._block(number)[skip : skip + length - len(found)]
        return found

    def _whole(self, start: int, length: int) -> bytes:
        parts = [self._fetch(at, min(wire.RANGE, start + length - at)) for at in range(start, start + length, wire.RANGE)]
        return b"".join(parts)

    def _block(self, number: int) -> bytes:
        block = self._blocks.pop(number, None)
        if block is None:
            if len(self._blocks) >= KEPT_BLOCKS:
                del self._blocks[next(iter(self._blocks))]
            block = self._fetch(number * BLOCK, min(BLOCK, self.size - number * BLOCK))
        self._blocks[number] = block
        return block


def serve(modules: str, control: int) -> None:
    """The fork server: load ``modules`` (comma separated), say so on the socket ``control``, then fork on demand."""
    line = socket.socket(fileno=control)
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = "1"
    try:
        for name in modules.split(","):
            getattr(importlib.import_module(name), "warm", lambda: None)()
        seccomp.program(os.uname().machine)
    except Exception as error:  # noqa: BLE001 - whatever it is, the operator has to be told
        line.sendall(orjson.dumps({"failed": "".join(traceback.format_exception(error))})[:60_000])
        return
    line.sendall(orjson.dumps({"tasks": {name: [each.seconds, each.result] for name, each in TASKS.items()}}))
    gc.freeze()
    workers: set[int] = set()
    while True:
        select.select([line], [], [], 1.0)
        workers -= {pid for pid in workers if os.waitpid(pid, os.WNOHANG)[0]}
        with contextlib.suppress(BlockingIOError):
            order, handed, _, _ = socket.recv_fds(line, 64, 1, socket.MSG_DONTWAIT)
            if not order:
                break
            if handed:
                line.sendall(str(_fork(line, handed[0], workers)).encode())
            elif int(order) in workers:
                os.kill(int(order), signal.SIGKILL)
                os.waitpid(int(order), 0)
                workers.discard(int(order))
    for pid in workers:
        os.kill(pid, signal.SIGKILL)


def _fork(line: socket.socket, handed: int, workers: set[int]) -> int:
    pid = os.fork()
    if pid:
        os.close(handed)
        workers.add(pid)
        return pid
    status = 1
    with contextlib.suppress(BaseException):
        line.close()
        lock_down()
        work(handed)
        status = 0
    os._exit(status)


def lock_down() -> None:
    """Give up root, limit this process, and let it ask nothing more of the kernel than ``seccomp`` allows.

    There is no limit on processes, which would count those of the same user elsewhere: the filter forbids them.
    """
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):  # a user namespace may know no other user; the filter is the wall
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG: die with the fork server
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = {"AS": taken + MEMORY, "CPU": CPU_SECONDS, "CORE": 0, "FSIZE": 0, "NOFILE": 16}
    for name, limit in limits.items():
        number = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(number)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(number, (limit, limit))
    seccomp.confine()


def work(line: int) -> None:
    """Do the tasks that come on ``line`` until it is closed."""

    def read(length: int) -> bytes:
        found = bytearray()
        while len(found) < length:
            piece = os.read(line, min(length - len(found), 1 << 20))
            if not piece:
                raise wire.Broken("closed")
            found += piece
        return bytes(found)

    def send(message: Message) -> None:
        for buffer in wire.pack(message):
            view = memoryview(buffer)
            while view:
                view = view[os.write(line, view) :]

    def fetch(start: int, length: int) -> bytes:
        send(Message(wire.READ, [start, length]))
        return wire.receive(read, (wire.BYTES,), 2 * wire.RANGE).blobs[0]

    while True:
        message = wire.receive(read, (wire.TASK,), wire.TASK_BYTES)
        name, size, args = message.value
        source = Source(size, fetch)
        send(_answer(name, source, args, message.blobs))


def _answer(name: str, source: Source, args: list[Any], blobs: Sequence[bytes]) -> Message:
    try:
        value, found = TASKS[name].function(source, *args, *blobs)
        return Message(wire.DONE, value, tuple(found))
    except Refused as refused:
        return Message(wire.REFUSED, [str(refused), False, ""])
    except MemoryError:
        return Message(wire.REFUSED, ["sandbox-memory", True, ""])
    except RecursionError:
        return Message(wire.REFUSED, ["too-deep", True, ""])
    except wire.Broken:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a parser raises, the file did it
        last = traceback.extract_tb(error.__traceback__)[-1]
        return Message(wire.REFUSED, ["unreadable", True, f"{type(error).__name__} {Path(last.filename).name}:{last.lineno}"])
