"""Tasks that do what hostile files would like to make a parser do; loaded only by the tests of the sandbox."""

import ctypes
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from imaging.confined import Refused, Reply, Source, task

MARK = {"organisation": ""}


def warm() -> None:
    """Nothing to load."""


@task(seconds=10)
def echo(source: Source, word: str, *blobs: bytes) -> Reply:
    return {"word": word, "size": source.size, "blobs": len(blobs), "pid": os.getpid()}, [b"".join(blobs)]


@task(seconds=10)
def digest(source: Source, start: int, length: int) -> Reply:
    source.seek(start)
    found = source.read(length)
    return len(found), [found]


@task(seconds=10)
def tally(source: Source) -> Reply:
    total = 0
    while piece := source.read(1 << 20):
        total += len(piece)
    return total, []


@task(seconds=10)
def refuse(source: Source, reason: str) -> Reply:
    raise Refused(reason)


@task(seconds=10)
def trip(source: Source) -> Reply:
    raise ValueError("Zhang San")


@task(seconds=1)
def hang(source: Source, *_: object) -> Reply:
    while True:
        time.sleep(0.01)


@task(seconds=10)
def die(source: Source, *_: object) -> Reply:
    ctypes.string_at(0)
    return None, []


@task(seconds=10)
def claim(source: Source, said: dict[str, Any]) -> Reply:
    """What a worker that a file took over says about it."""
    return said["summary"], [b"{}", b"{}", b"{}", said["frame_index"].encode()]


@task(seconds=10)
def swell(source: Source) -> Reply:
    held = []
    while True:
        held.append((ctypes.c_char * (64 << 20))())  # asked for and not written to: the limit is on what is asked for


@task(seconds=10)
def dig(source: Source) -> Reply:
    return dig(source)


@task(seconds=10, result=1000)
def flood(source: Source) -> Reply:
    return None, [bytes(10_000)]


@task(seconds=10)
def remember(source: Source, word: str) -> Reply:
    before, MARK["organisation"] = MARK["organisation"], word
    return before, []


@task(seconds=10)
def attempt(source: Source, what: str) -> Reply:
    """The error number of something a worker must not be able to do; 0 when it could."""
    try:
        ATTEMPTS[what]()
    except OSError as error:
        return error.errno, []
    return 0, []


@task(seconds=10)
def attempt_in_thread(source: Source, what: str) -> Reply:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(attempt(source, what)[0]))
    thread.start()
    thread.join()
    return found, []


@task(seconds=10)
def environment(source: Source) -> Reply:
    return [dict(os.environ), os.geteuid()], []


ATTEMPTS = {
    "tcp": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "udp": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM),
    "unix": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
    "raw": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "pair": socket.socketpair,
    "open": lambda: os.open("/etc/hosts", os.O_RDONLY),
    "write": lambda: Path("/tmp/shanhai-escape").write_text("x"),
    "list": lambda: list(Path("/").iterdir()),
    "fork": os.fork,
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "run": lambda: subprocess.run(["true"], check=False),
    "kill": lambda: os.kill(os.getppid(), signal.SIGTERM),
    "pipe": os.pipe,
    "chmod": lambda: Path("/tmp").chmod(0o1777),
}
