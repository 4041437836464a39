"""Memory of the whole server while it takes in large things.

Starts the demo server on a fresh data folder, then (1) files a 200-slice CT of 105 MB by one STOW-RS
request and (2) uploads a 2 GB file by tus, sampling the summed PSS of the server and all its children.
Prints one line per step with the peak in MB.

    python bench/memory.py [--slices 200] [--gigabytes 2]
"""

import argparse
import base64
import contextlib
import datetime as dt
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx

ROOT = Path(__file__).resolve().parent.parent
LIMIT_MB = 500
CHUNK = 8 << 20


class Peak:
    """Samples the summed PSS of a process tree until closed."""

    def __init__(self, pid: int) -> None:
        self._pid, self._stop, self.megabytes = pid, threading.Event(), 0.0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.2):
            self.megabytes = max(self.megabytes, sum(map(_pss, _tree(self._pid))) / 1024)


def _tree(pid: int) -> list[int]:
    found, queue = [], [pid]
    while queue:
        current = queue.pop()
        found.append(current)
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{current}/task").iterdir():
                queue += [int(child) for child in (task / "children").read_text().split()]
    return found


def _pss(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def _slices(count: int) -> Iterator[bytes]:
    from pydicom.uid import generate_uid

    from imaging.phantoms import films

    subject = films.Subject("CESHI^BENCH", "BENCH-1", dt.date(1980, 1, 1), "M")
    study, series = generate_uid(), generate_uid()
    for index in range(count):
        yield films.forearm_ct_dicom(subject, dt.datetime.now(dt.UTC), study_uid=study, series_uid=series, slices=count, index=index)


def _multipart(files: Iterator[bytes], boundary: str) -> Iterator[bytes]:
    for data in files:
        yield f"\r\n--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        yield data
    yield f"\r\n--{boundary}--\r\n".encode()


def stow(client: httpx.Client, pid: int, count: int) -> tuple[float, float]:
    """Peak MB and seconds of one STOW-RS request with ``count`` slices into the inbox."""
    boundary = secrets.token_hex(12)
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    with Peak(pid) as peak:
        started = time.monotonic()
        answer = client.post("/dicomweb/studies", content=_multipart(_slices(count), boundary), headers={"Content-Type": kind})
        seconds = time.monotonic() - started
    answer.raise_for_status()
    stored = len(answer.json()["00081199"]["Value"])
    if stored != count:
        raise SystemExit(f"only {stored} of {count} slices were stored")
    return peak.megabytes, seconds


def tus(client: httpx.Client, pid: int, size: int) -> tuple[float, float]:
    """Peak MB and seconds of one resumable upload of ``size`` bytes into the inbox."""
    tus_headers = {"Tus-Resumable": "1.0.0"}
    name = base64.b64encode(b"large.dcm").decode()
    made = client.post("/files", headers=tus_headers | {"Upload-Length": str(size), "Upload-Metadata": f"filename {name}"})
    made.raise_for_status()
    block = bytes(128) + b"DICM" + os.urandom(CHUNK - 132)
    with Peak(pid) as peak:
        started, offset = time.monotonic(), 0
        while offset < size:
            part = block[: min(CHUNK, size - offset)]
            answer = client.patch(
                made.headers["Location"],
                content=part,
                headers=tus_headers | {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"},
            )
            answer.raise_for_status()
            offset = int(answer.headers["Upload-Offset"])
        time.sleep(5)
        seconds = time.monotonic() - started - 5
    return peak.megabytes, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=200)
    parser.add_argument("--gigabytes", type=float, default=2)
    arguments = parser.parse_args()
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [sys.executable, "-m", "registry.cli", "demo", "--port", str(port), "--data-dir", folder], cwd=ROOT, stdout=subprocess.DEVNULL
        )
        try:
            client = httpx.Client(base_url=f"http://localhost:{port}", timeout=600)
            wait_until_ready(client)
            accounts = json.loads((Path(folder) / "demo-accounts.json").read_text())
            surgeon = next(a for a in accounts if a["role"] == "surgeon")
            client.headers["Authorization"] = f"Bearer {surgeon['token']}"
            failed = False
            for what, (peak, seconds) in (
                (f"STOW-RS, {arguments.slices} slices", stow(client, server.pid, arguments.slices)),
                (f"tus, {arguments.gigabytes:g} GB", tus(client, server.pid, int(arguments.gigabytes * (1 << 30)))),
            ):
                failed |= peak > LIMIT_MB
                print(f"{what}: peak {peak:.0f} MB of {LIMIT_MB}, {seconds:.1f} s")
        finally:
            server.terminate()
            server.wait(20)
    raise SystemExit(failed)


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(client: httpx.Client) -> None:
    """Return when the server answers that it is ready, its sample world made."""
    for _ in range(600):
        with contextlib.suppress(httpx.TransportError):
            if client.get("/readyz").status_code == 200:
                return
        time.sleep(0.5)
    raise SystemExit("the server did not become ready")


if __name__ == "__main__":
    main()
