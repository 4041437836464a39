"""docs/formats.md is true of opinions and their countersignatures: down to the line, written from that page alone."""

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")


def table(after: str) -> list[str]:
    """The members that the first table after some words lists."""
    rows = PAGE.split(after, 1)[1].split("|---|---|\n", 1)[1].split("\n\n", 1)[0]
    return sorted(name for row in rows.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1]))


def good(key: bytes, data: bytes, signature: bytes) -> bool:
    """Whether a signature holds."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, data)
    except InvalidSignature:
        return False
    return True


def given(key: bytes, opinion: bytes, signature: bytes, statement: bytes | None, second: bytes) -> bool:
    """Whether the hospital with this key gave this opinion."""
    told = json.loads(opinion)
    if not good(key, opinion, signature):
        return False
    if told["schema"] == "shanhai/opinion/1":
        return True
    if told["schema"] != "shanhai/opinion/2" or statement is None:
        return False
    said = json.loads(statement)
    return (
        said["schema"] == "shanhai/countersignature/1"
        and said["opinion"] == {"id": told["opinion"]["id"], "sha256": sha256(opinion).hexdigest()}
        and said["signer"] == told["signer"]
        and said["countersigner"]["id"] != told["signer"]["id"]
        and said["countersigner"]["organisation"]["id"] == told["signer"]["organisation"]["id"]
        and good(key, statement, second)
    )


def joined(opinion: bytes, statement: bytes, signature: bytes, key: bytes) -> bool:
    """Whether the statement, by a hospital with this key, joins this joint opinion."""
    told, said = json.loads(opinion), json.loads(statement)
    who = (said["joiner"]["id"], said["joiner"]["organisation"]["id"])
    return (
        told["schema"] == "shanhai/opinion/3"
        and said["schema"] == "shanhai/joining/1"
        and said["opinion"] == {"id": told["opinion"]["id"], "sha256": sha256(opinion).hexdigest()}
        and who in [(one["giver"]["id"], one["giver"]["organisation"]["id"]) for one in told["joins"]]
        and who[0] != told["signer"]["id"]
        and good(key, statement, signature)
    )


# ---- the line: from here on the product is used ----------------------------------------------------

from sqlalchemy import select  # noqa: E402

from registry import cases, countersignatures, joinings, opinions, presentations, referrals  # noqa: E402
from registry.countersignatures import Countersignature  # noqa: E402
from tests import trainees  # noqa: E402
from tests.registry.conftest import WORDS, World, stepped_up  # noqa: E402

FOUND = re.search(r"```json countersignature\n(.*?)```", PAGE, re.DOTALL)
assert FOUND
VECTOR: dict[str, Any] = json.loads(FOUND[1])
KEY, OPINION, STATEMENT = bytes.fromhex(VECTOR["public_key"]), VECTOR["opinion"].encode(), VECTOR["statement"].encode()
FOUND_JOINING = re.search(r"```json joining\n(.*?)```", PAGE, re.DOTALL)
assert FOUND_JOINING
JOINING_VECTOR: dict[str, Any] = json.loads(FOUND_JOINING[1])
JOINT, JOINED = JOINING_VECTOR["opinion"].encode(), JOINING_VECTOR["statement"].encode()
JOINER, JOINING = bytes.fromhex(JOINING_VECTOR["statement_signature"]), bytes.fromhex(JOINING_VECTOR["joiner_public_key"])
FIRST, SECOND = bytes.fromhex(VECTOR["opinion_signature"]), bytes.fromhex(VECTOR["statement_signature"])


def test_the_vector_holds_by_the_page_and_by_the_product() -> None:
    assert given(KEY, OPINION, FIRST, STATEMENT, SECOND)
    assert countersignatures.needed(json.loads(OPINION))
    assert countersignatures.holds(OPINION, STATEMENT, SECOND, KEY)


def test_the_vector_of_a_joining_holds_by_the_page_and_by_the_product() -> None:
    assert joined(JOINT, JOINED, JOINER, JOINING)
    assert joinings.holds(JOINT, JOINED, JOINER, JOINING)
    assert good(KEY, JOINT, bytes.fromhex(JOINING_VECTOR["opinion_signature"]))
    assert not countersignatures.needed(json.loads(JOINT))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (sha256(JOINT).hexdigest(), "0" * 64),
        ("01930000-0000-7000-8000-0000000000d3", "01930000-0000-7000-8000-0000000000d2"),
        ("01930000-0000-7000-8000-0000000000cc", "01930000-0000-7000-8000-0000000000bb"),
        ("shanhai/joining/1", "shanhai/joining/2"),
        ("古兰", "谷兰"),
    ],
    ids=["another-opinion", "the-signer", "another-hospital", "schema", "another-name"],
)
def test_a_statement_about_something_else_joins_nothing(old: str, new: str) -> None:
    forged = JOINED.decode().replace(old, new).encode()
    assert forged != JOINED
    # signed anew by the same key, it is still no joining; but a name or title may change between two days
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(JOINING_VECTOR["joiner_seed"]))
    assert not joinings.holds(JOINT, forged, JOINER, JOINING)
    assert joinings.holds(JOINT, forged, key.sign(forged), JOINING) == joined(JOINT, forged, key.sign(forged), JOINING) == (new == "谷兰")


def test_without_its_statement_a_trainees_document_is_no_opinion() -> None:
    assert not given(KEY, OPINION, FIRST, None, b"")
    # nor does it become one by calling itself something else
    renamed = OPINION.replace(b"shanhai/opinion/2", b"shanhai/opinion/1")
    assert not given(KEY, renamed, FIRST, None, b"")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (sha256(OPINION).hexdigest(), "0" * 64),
        ("01930000-0000-7000-8000-0000000000d2", "01930000-0000-7000-8000-0000000000d1"),
        ("shanhai/countersignature/1", "shanhai/countersignature/2"),
        ("何平", "何萍"),
    ],
    ids=["another-opinion", "the-writer", "schema", "another-signer"],
)
def test_a_statement_about_something_else_gives_nothing(old: str, new: str) -> None:
    forged = STATEMENT.decode().replace(old, new).encode()
    assert forged != STATEMENT
    assert not given(KEY, OPINION, FIRST, forged, SECOND)
    assert not countersignatures.holds(OPINION, forged, SECOND, KEY)


def test_what_the_product_signs_is_read_from_this_page(world: World) -> None:
    with world.begin() as db:
        trainee = trainees.expert(db, world.cast)
        case = world.case(db)
        referral = world.refer(db, case)
        referrals.allocate(db, world.cast.coordinator.actor, referral.id, expert_id=trainee.id)
        presentation = presentations.present(db, stepped_up(trainee.actor), case.id, WORDS, senior_id=world.cast.expert.id)
        row = presentations.countersign(db, stepped_up(world.cast.expert.actor), presentation.id)
        text = opinions.canonical(db, world.cast.surgeon.actor, row.id)
        second = db.scalars(select(Countersignature)).one()
        statement = cases.unseal(db, case, "countersignature", "countersignatures", second.id, second.document)
        key = db.keyring.public_key(db, world.cast.taizhou.id)
        assert given(key, text, row.signature, statement, second.signature)
        assert not given(key, text, row.signature, None, b"")
        plain = opinions.sign(db, stepped_up(world.cast.expert.actor), case.id, WORDS)
        assert given(key, opinions.canonical(db, world.cast.surgeon.actor, plain.id), plain.signature, None, b"")
    assert sorted(json.loads(text)) == table("## Opinions")
    assert sorted(json.loads(statement)) == table("**Countersignature.**")
