"""Every route × everybody whose right has ended, or who never had one in the hospital that owns the case (attacks 1 and 10)."""

import datetime as dt
import time
from collections.abc import Callable
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from auth import grants, people
from auth.rules import ACTIONS, actions_of
from core import ids
from core.actor import Actor
from core.db import Tx
from tests.cast import Member, join
from tests.registry.web.conftest import House
from tests.registry.web.expectations import CASES, EXPECTATIONS, IMAGES, OK, Expect
from tests.registry.web.test_routes import ask, pictured

PATIENT = "张卫国"


def let_in(house: House, db: Tx, names: dict[str, str], member: Member, *, life: dt.timedelta = dt.timedelta(days=30)) -> grants.Grant:
    """The hospital that owns the case lets an expert of the invited one in."""
    cast, until = house.world.cast, ids.now() + life
    where = {"case_id": UUID(names["case_id"]), "organisation_id": cast.aral.id, "grantee_organisation_id": cast.taizhou.id}
    return grants.give(
        db, cast.surgeon.actor, **where, role="expert", person_id=member.id, sees_identity=True, expires_at=until, reason="test"
    )


def expired(house: House, names: dict[str, str], member: Member) -> None:
    """The expert's right has run its time."""
    short = dt.timedelta(milliseconds=500)
    with house.world.begin() as db:
        let_in(house, db, names, member, life=short)
    time.sleep(short.total_seconds())


def revoked(house: House, names: dict[str, str], member: Member) -> None:
    """The expert's right was taken back."""
    with house.world.begin() as db:
        grant = let_in(house, db, names, member)
        grants.revoke(db, house.world.cast.surgeon.actor, grant.id, because="test")


def disabled(house: House, names: dict[str, str], member: Member) -> None:
    """The expert, let in, was shut out by their own hospital while signed in."""
    with house.world.begin() as db:
        let_in(house, db, names, member)
        people.disable(db, Actor.system(house.world.cast.taizhou.id), member.id)


def dismissed(house: House, names: dict[str, str], member: Member) -> None:
    """The expert, let in, lost the role while signed in."""
    with house.world.begin() as db:
        let_in(house, db, names, member)
        people.dismiss(db, Actor.system(house.world.cast.taizhou.id), member.id, "expert")


Ending = Callable[[House, dict[str, str], Member], None]


@pytest.mark.parametrize(
    ("ending", "as_if"),
    [(expired, "other"), (revoked, "other"), (disabled, "anonymous"), (dismissed, "anonymous")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_whose_right_has_ended_is_answered_as_if_it_never_was(house: House, ending: Ending, as_if: str) -> None:
    names = pictured(house)
    member = house.world.cast.second_expert
    client = house.browser(member)
    ending(house, names, member)
    wrong = []
    for (method, path), expect in EXPECTATIONS.items():
        if path == "/sign-out":
            continue
        answer = ask(client, method, path, expect, names)
        if answer.status_code != getattr(expect, as_if):
            wrong.append(f"{method} {path}: {answer.status_code}, not {getattr(expect, as_if)}")
        if (method, path) in CASES | IMAGES:
            assert PATIENT not in answer.text, path
    assert not wrong, "\n".join(wrong)


OF_THE_LOG = ("/cases/{case_id}/access", "/cases/{case_id}/people")
"""What auditors are shown of a case: who saw it, and who can."""


@pytest.mark.parametrize("role", ["auditor", "operator", "learner", "administrator"])
def test_who_has_no_part_in_treating_reaches_nothing_of_a_case(house: House, role: str) -> None:
    """In the very hospital that owns it: the log of the case for those who audit, and nothing else."""
    names = pictured(house)
    with house.world.begin() as db:
        member = join(db, house.world.cast.aral, f"one.{role}", "有人", "Somebody", role)
    client = house.browser(member)
    audits = role in ("auditor", "administrator")
    wrong = []
    for (method, path), expect in (CASES | IMAGES).items():
        answer = ask(client, method, path, expect, names)
        owed = 404 if path in OF_THE_LOG and not audits else expect.administrator
        if answer.status_code != owed:
            wrong.append(f"{method} {path}: {answer.status_code}, not {owed}")
        if path not in OF_THE_LOG:
            assert PATIENT not in answer.text, path
    assert not wrong, "\n".join(wrong)


# What a form asks and does not change: a token that may only read may send it.
ASKS = {
    ("POST", "/cases/search"),
    ("POST", "/cases/new/known"),
    ("POST", "/cases/{case_id}/identity"),
    ("POST", "/audit/patient"),
}
READS = tuple(action for action in ACTIONS if action.endswith((":read", ":search", ":identify", ":verify")))


def _writes() -> list[tuple[str, str, Expect]]:
    open_to_all = {key for key, expect in EXPECTATIONS.items() if expect.anonymous in OK or key[1].startswith("/sign-in")}
    safe = {key for key in EXPECTATIONS if key[0] in ("GET", "HEAD", "OPTIONS")}
    return [(*key, expect) for key, expect in EXPECTATIONS.items() if key not in open_to_all | safe | ASKS]


def test_a_token_that_may_only_read_writes_nowhere(house: House) -> None:
    names = pictured(house)
    cast = house.world.cast
    clients: dict[str, TestClient] = {}
    wrong = []
    for method, path, expect in _writes():
        part = expect.part
        if part not in clients:
            roles = getattr(cast, part).actor.roles
            scopes = [action for action in READS if action in actions_of(roles)]
            clients[part] = house.program(getattr(cast, part), *scopes)
        answer = ask(clients[part], method, path, expect, names)
        if answer.status_code in OK or answer.status_code >= 500:
            wrong.append(f"{method} {path} as {part}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
