"""The command line: what it checks, what it hands out, and the server it starts."""

import dataclasses
import datetime as dt
import logging
import os
import re
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
import pyotp
import pytest
import uvicorn
from sqlalchemy import delete, select

from auth import agreements, organisations, people, proposals, providers, sessions, signin
from auth.organisations import Organisation
from auth.proofs import Refused
from auth.signin import Pending, SignedIn
from auth.throttle import Bucket
from core import audit, ids
from core.actor import Actor
from core.db import Database
from core.settings import Settings
from registry import cli
from registry.app import create_app, listening
from tests.cast import PASSWORD, Cast
from tests.conftest import Engine
from tests.engines import POSTGRES_S3
from tests.identity import Authority, Liar

HOME = "192.0.2.1"
BASE = "https://shanhai.example.org"


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    status: int
    out: str
    told: str


Shanhai = Callable[..., Done]


@pytest.fixture
def shanhai(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shanhai]:
    """The command, as the shell calls it."""
    before = os.umask(0o022)
    os.umask(before)

    def call(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["shanhai", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said, code = capsys.readouterr(), ended.value.code
        return Done(1, said.out, code) if isinstance(code, str) else Done(code or 0, said.out, said.err)

    yield call
    os.umask(before)


@pytest.fixture
def kept(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of kept logs of a deployment on the engine, whose root key lies in the data folder."""
    folder = engine.folder / "checkpoints"
    monkeypatch.setenv("SHANHAI_DATA_DIR", str(engine.folder))
    monkeypatch.setenv("SHANHAI_DATABASE_URL", engine.database_url)
    monkeypatch.setenv("SHANHAI_STORE_URL", engine.store_url)
    monkeypatch.setenv("SHANHAI_CHECKPOINT_DIR", str(folder))
    return folder


# --- audit verify -----------------------------------------------------------------------------------------------------


@pytest.fixture
def lone(database: Database, kept: Path) -> Organisation:
    """A hospital with a log that is kept, and nothing that would hold its row back."""
    with database.begin() as db:
        founded = organisations.create(db, name="台州骨科医院", name_en="Taizhou Orthopaedic Hospital", city="台州")
        audit.record(db, Actor.system(founded.id), "case:read", organisation_id=founded.id)
    audit.push_grown(database, kept)
    return founded


def test_a_whole_log_is_whole(shanhai: Shanhai, lone: Organisation) -> None:
    for more in ([], ["--org", str(lone.id)]):
        done = shanhai("audit", "verify", *more)
        assert (done.status, done.told) == (0, "")
        assert "Taizhou Orthopaedic Hospital: whole; " in done.out


def test_a_log_whose_hospital_is_gone_is_not_whole(root: Database, shanhai: Shanhai, lone: Organisation, kept: Path) -> None:
    with root.begin() as db:
        db.execute(delete(Organisation).where(Organisation.id == lone.id))
    for more in ([], ["--org", str(lone.id)], ["--checkpoints", str(kept)]):
        done = shanhai("audit", "verify", *more)
        assert done.status == 1
        assert f"{lone.id}, a hospital that the database no longer holds: " in done.out


def test_a_kept_log_of_which_the_database_holds_nothing_is_not_whole(shanhai: Shanhai, lone: Organisation, kept: Path) -> None:
    gone = ids.new()
    (kept / f"{gone}.jsonl").write_bytes((kept / f"{lone.id}.jsonl").read_bytes())
    done = shanhai("audit", "verify")
    assert done.status == 1
    assert "Taizhou Orthopaedic Hospital: whole; " in done.out
    assert f"{gone}, a hospital that the database no longer holds: NOT WHOLE" in done.out


def test_a_hospital_there_is_no_log_of_is_not_whole(shanhai: Shanhai, lone: Organisation) -> None:
    other = ids.new()
    done = shanhai("audit", "verify", "--org", str(other))
    assert (done.status, done.out) == (1, "")
    assert f"holds a log of {other}" in done.told
    assert shanhai("audit", "verify", "--org", "nonsense").status == 2


def test_a_strange_file_among_the_kept_logs_is_told(shanhai: Shanhai, lone: Organisation, kept: Path) -> None:
    (kept / "old copy.jsonl").write_text("")
    done = shanhai("audit", "verify")
    assert done.status == 1
    assert "old copy.jsonl: NOT A LOG" in done.out


# --- people -----------------------------------------------------------------------------------------------------------


def test_who_has_lost_everything_is_given_everything_anew(database: Database, cast: Cast, shanhai: Shanhai, kept: Path) -> None:
    done = shanhai("user", "reset", cast.surgeon.login)
    assert (done.status, done.told) == (0, "")
    password, secret = (re.search(rf"{what}: (\S+)", done.out) for what in ("password", "authenticator secret"))
    assert password is not None
    assert secret is not None
    with database.begin() as db:
        assert sessions.again(db, cast.surgeon.actor) is None
        assert signin.password(db, login=cast.surgeon.login, password=PASSWORD, address=HOME) == Refused("sign-in-failed")
        step = signin.password(db, login=cast.surgeon.login, password=password[1], address=HOME)
        assert isinstance(step, Pending)
        code = pyotp.TOTP(secret[1]).at(ids.now())
        assert isinstance(signin.code(db, pending=step.secret, code=code, address=HOME), SignedIn)
        assert len(audit.events(db, cast.aral.id, actions=["person:reset"])) == 1


def test_a_reset_of_nobody_says_so(shanhai: Shanhai, database: Database, kept: Path) -> None:
    assert shanhai("user", "reset", "nobody") == Done(1, "", "shanhai: person-not-found")


@pytest.mark.parametrize("command", [["user", "reset"], ["org", "sso"], ["audit", "verify"]], ids=" ".join)
def test_help_gives_an_example(shanhai: Shanhai, command: list[str]) -> None:
    assert f"shanhai {' '.join(command)} " in shanhai(*command, "--help").out


# --- single sign-on ---------------------------------------------------------------------------------------------------


def test_a_provider_is_set_up_listed_and_removed(
    database: Database,
    cast: Cast,
    shanhai: Shanhai,
    kept: Path,
    tmp_path: Path,
    liar: Liar,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.root))
    monkeypatch.setenv("SHANHAI_BASE_URL", BASE)
    secret = tmp_path / "secret.txt"
    secret.write_text("s3cret\n")
    asked = ["--client-id", "shanhai", "--name", "阿拉尔", "--name-en", "Aral", "--client-secret-file", str(secret), "--mfa", "mfa"]
    done = shanhai("org", "sso", str(cast.aral.id), "--issuer", liar.issuer, *asked)
    assert (done.status, done.told) == (0, "")
    with database.begin() as db:
        [provider] = providers.listed(db, cast.aral.id)
        assert (providers.secret_of(db, provider), provider.second_factors) == ("s3cret", ["mfa"])
    lines = [f"{liar.issuer}  阿拉尔  Aral", f"  redirect address: {BASE}/sign-in/oidc/{provider.id}/callback"]
    assert done.out.splitlines() == [*lines, "It answers."]
    assert shanhai("org", "sso", str(cast.aral.id)).out.splitlines() == lines
    assert shanhai("org", "sso", str(cast.aral.id), "--issuer", liar.issuer, "--remove").out == ""
    again = shanhai("org", "sso", str(cast.aral.id), "--issuer", liar.issuer, "--remove")
    assert (again.status, again.told) == (1, "shanhai: provider-not-found")


def test_a_provider_that_does_not_answer_is_set_up_and_told(cast: Cast, shanhai: Shanhai, kept: Path, liar: Liar) -> None:
    """Nobody vouches for its certificate here."""
    done = shanhai("org", "sso", str(cast.aral.id), "--issuer", liar.issuer, "--client-id", "x", "--name", "x", "--name-en", "x")
    assert done.status == 0
    assert "does not answer as it should: tls" in done.out


@pytest.mark.parametrize(
    "issuer", ["http://id.hospital.example", "https://id.hospital.example/?a=b", "https://id.hospital.example/#a", "nonsense"]
)
def test_an_issuer_without_tls_is_refused(cast: Cast, shanhai: Shanhai, kept: Path, issuer: str) -> None:
    done = shanhai("org", "sso", str(cast.aral.id), "--issuer", issuer, "--client-id", "x", "--name", "x", "--name-en", "x")
    assert done == Done(1, "", "shanhai: invalid\n  issuer: issuer-invalid")


def test_without_tls_a_neighbour_on_loopback_alone(cast: Cast, shanhai: Shanhai, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ["--issuer", "http://localhost:9", "--client-id", "x", "--name", "x", "--name-en", "x"]
    assert shanhai("org", "sso", str(cast.aral.id), *asked).status == 0
    monkeypatch.setenv("SHANHAI_BASE_URL", BASE)
    assert "issuer-invalid" in shanhai("org", "sso", str(cast.aral.id), *asked).told


# --- the process ------------------------------------------------------------------------------------------------------


def test_what_it_writes_is_its_owners_alone(
    blank_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shanhai: Shanhai
) -> None:
    folder = tmp_path / "data"
    on_disk = blank_engine.database_url.startswith("sqlite")
    monkeypatch.setenv("SHANHAI_DATA_DIR", str(folder))
    monkeypatch.setenv("SHANHAI_DATABASE_URL", "" if on_disk else blank_engine.database_url)
    monkeypatch.setenv("SHANHAI_OWNER_DATABASE_URL", "" if on_disk else blank_engine.owner_url)
    for command in (["keys", "init"], ["migrate"]):
        os.umask(0)
        assert shanhai(*command).status == 0
    written = {path.name: path.stat().st_mode for path in (folder, *folder.rglob("*"))}
    assert ("shanhai.sqlite" in written) == on_disk
    assert {name: oct(stat.S_IMODE(mode)) for name, mode in written.items() if mode & 0o077} == {}


@contextmanager
def served(settings: Settings, database: Database) -> Iterator[httpx.Client]:
    """The server as it is started, on a free loopback port, and a proxy in front of it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(settings, database), **listening(settings)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.02)
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with httpx.Client(base_url=address, headers={"Host": "shanhai.example.org", "Origin": BASE}) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


@pytest.mark.parametrize(
    ("trusted", "network"),
    [("127.0.0.1", "198.51.100.7"), ("192.0.2.1, 127.0.0.0/8", "198.51.100.7"), ("192.0.2.0/24", "127.0.0.1"), ("", "127.0.0.1")],
    ids=["the-proxy", "its-network", "another", "nobody"],
)
def test_where_somebody_comes_from_is_taken_from_the_named_proxy_alone(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, trusted: str, network: str
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")  # what uvicorn asks for by itself
    settings = Settings(data_dir=tmp_path, base_url=BASE, trusted_proxies=trusted)
    with caplog.at_level(logging.WARNING, "shanhai"), served(settings, database) as proxy:
        answer = proxy.post("/sign-in", data={"login": "nobody", "password": "wrong"}, headers={"X-Forwarded-For": "198.51.100.7"})
        assert answer.status_code == 401
    with database.begin() as db:
        assert list(db.scalars(select(Bucket.key).where(Bucket.key.startswith("network:")))) == [f"network:{network}"]
    assert ("SHANHAI_TRUSTED_PROXIES IS NOT SET" in caplog.text) == (not trusted)


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_previews_are_made_anew_for_one_hospital(cast: Cast, shanhai: Shanhai, kept: Path) -> None:
    done = shanhai("previews", "--org", str(cast.aral.id))
    assert (done.status, done.out) == (0, "0 pictures are made anew.\n")


# --- the database -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_a_database_that_is_away_is_a_sentence_and_no_trace(
    shanhai: Shanhai, kept: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    assert shanhai("keys", "init").status == 0
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("SHANHAI_DATABASE_URL", f"postgresql://shanhai@127.0.0.1:{nobody.getsockname()[1]}/shanhai")
        done = shanhai(command)
    assert done.status == 1
    assert "database-unavailable" in done.told
    assert "Traceback" not in done.told


# --- agreements -------------------------------------------------------------------------------------------------------


def test_an_agreement_that_both_confirmed_is_recorded_with_its_document(
    database: Database, shanhai: Shanhai, cast: Cast, kept: Path, tmp_path: Path
) -> None:
    signed = tmp_path / "agreement.pdf"
    signed.write_bytes(b"%PDF-1.7 signed")
    hospitals = (str(cast.aral.id), str(cast.kashgar.id))
    done = shanhai("org", "agree", *hospitals, "--until", "2099-12-31", "--scope", "consultation", "--document", str(signed))
    assert (done.status, done.out) == (0, "Recorded.\n")
    with database.begin() as db:
        made = agreements.agreement_between(db, cast.kashgar.id, cast.aral.id, ids.now())
        assert made is not None
        assert (made.state, made.covers, made.ends) == ("confirmed", ["consultation"], dt.datetime(2099, 12, 31, 18, tzinfo=dt.UTC))
        _, reader = agreements.document(db, Actor.system(cast.kashgar.id), made.id)
        assert reader.read(0, reader.size) == b"%PDF-1.7 signed"
    done = shanhai("org", "agree", *hospitals, "--scope", "surgery")
    assert (done.status, done.told) == (1, "shanhai: invalid\n  covers: agreement-covers-nothing")


# --- proposals --------------------------------------------------------------------------------------------------------


def test_the_operator_confirms_where_there_is_no_second_administrator(database: Database, cast: Cast, shanhai: Shanhai, kept: Path) -> None:
    admin = dataclasses.replace(cast.administrator.actor, stepped_up_at=ids.now())
    with database.begin() as db:
        proposal = proposals.propose(db, admin, proposals.GIVE, person_id=cast.nurse.id, role="auditor")
    listed = shanhai("user", "proposals")
    assert listed.out.startswith(f"{proposal.id}  阿拉尔第一师医院: give-role auditor 阿依古丽, by 赵敏, ")
    done = shanhai("user", "approve", str(proposal.id))
    assert (done.status, done.told) == (0, "")
    with database.begin() as db:
        assert people.roles_in(db, cast.nurse.id, cast.aral.id) == {"nurse", "auditor"}
        [event] = audit.events(db, cast.aral.id, actions=("proposal:confirm",))
        assert event.actor_id is None
    assert shanhai("user", "proposals").out == ""
    assert shanhai("user", "approve", str(proposal.id)).told == "shanhai: proposal-ended"
    assert shanhai("user", "approve", str(ids.new())).told == "shanhai: proposal-not-found"


@pytest.mark.parametrize("engine", [POSTGRES_S3], indirect=True)
@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_database_role_that_no_wall_holds_does_not_serve(
    engine: Engine, shanhai: Shanhai, kept: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    assert shanhai("keys", "init").status == 0
    monkeypatch.setenv("SHANHAI_DATABASE_URL", engine.root_url)
    done = shanhai(command)
    assert done.status == 1
    assert "database-role-over-walls" in done.told
    assert "neither superuser nor BYPASSRLS" in done.told
