"""A proof of an opinion shows, without the product's database, what was signed; what is no proof is refused."""

import json
import subprocess
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import audit
from core.errors import Invalid, NotFound
from registry import opinions, presentations, proofs, referrals
from tests import trainees
from tests.registry.conftest import WORDS, World, stepped_up
from tests.registry.test_opinion_format import FIRST, KEY, OPINION, SECOND, STATEMENT

VECTOR: dict[str, Any] = {
    "schema": proofs.SCHEMA,
    "document": OPINION.decode(),
    "signature": FIRST.hex(),
    "public_key": KEY.hex(),
    "countersignature": {"document": STATEMENT.decode(), "signature": SECOND.hex(), "public_key": KEY.hex()},
}


def check(proof: dict[str, Any]) -> proofs.Checked:
    """Check a proof that has been put together by hand."""
    return proofs.check(json.dumps(proof).encode())


def shanhai(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command, with no settings and no database."""
    return subprocess.run(
        [Path(sys.executable).parent / "shanhai", "opinion", "verify", *arguments], capture_output=True, text=True, check=False
    )


def test_a_signed_opinion_proves_itself(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        opinion = opinions.sign(db, stepped_up(world.cast.expert.actor), case.id, WORDS)
        data = proofs.make(db, surgeon, opinion.id)
        assert proofs.make(db, world.cast.expert.actor, opinion.id) == data
        key = db.keyring.public_key(db, world.cast.taizhou.id).hex()
        with pytest.raises(NotFound):
            proofs.make(db, world.cast.stranger.actor, opinion.id)
    found = proofs.check(data)
    assert (found.holds, found.signature_holds, found.countersignature_holds) == (True, True, None)
    assert (found.sha256, found.keys, found.countersigner) == (opinion.sha256, {key}, None)
    assert found.content["signer"]["id"] == str(world.cast.expert.id)
    with world.begin() as db:
        events = audit.events(db, world.cast.aral.id, case_id=case.id, actions=("opinion:export",))
        assert sorted(event.actor_id for event in events) == sorted([world.cast.surgeon.id, world.cast.expert.id])
        assert {event.object_id for event in events} == {opinion.id}


def test_a_trainees_opinion_proves_both_signatures(world: World) -> None:
    with world.begin() as db:
        trainee = trainees.expert(db, world.cast)
        case = world.case(db)
        referral = world.refer(db, case)
        referrals.allocate(db, world.cast.coordinator.actor, referral.id, expert_id=trainee.id)
        presentation = presentations.present(db, stepped_up(trainee.actor), case.id, WORDS, senior_id=world.cast.expert.id)
        opinion = presentations.countersign(db, stepped_up(world.cast.expert.actor), presentation.id)
        data = proofs.make(db, world.cast.surgeon.actor, opinion.id)
    found = proofs.check(data)
    assert (found.holds, found.countersignature_holds) == (True, True)
    assert found.countersigner is not None
    assert found.countersigner["id"] == str(world.cast.expert.id)
    alone = json.loads(data) | {"countersignature": None}
    assert (check(alone).holds, check(alone).countersignature_holds) == (False, False)


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ({}, True),
        ({"document": OPINION.decode().replace("断端整齐", "断端不齐")}, False),
        ({"signature": SECOND.hex()}, False),
        ({"public_key": "00" * 32}, False),
        ({"countersignature": None}, False),
        ({"countersignature": VECTOR["countersignature"] | {"signature": FIRST.hex()}}, False),
        ({"countersignature": VECTOR["countersignature"] | {"document": STATEMENT.decode().replace("陈浩", "陈皓")}}, False),
    ],
    ids=["whole", "words", "signature", "key", "no-second", "second-signature", "second-words"],
)
def test_a_changed_proof_does_not_hold(change: dict[str, Any], holds: bool) -> None:
    assert check(VECTOR | change).holds is holds


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff\xfe",
        b"%PDF-1.7",
        b"[" * 100_000,
        json.dumps(VECTOR | {"schema": "shanhai/opinion-proof/2"}).encode(),
        json.dumps(VECTOR | {"more": 1}).encode(),
        json.dumps(VECTOR | {"document": "{}"}).encode(),
        json.dumps(VECTOR | {"document": OPINION.decode().replace("shanhai/opinion/2", "shanhai/opinion/9")}).encode(),
        json.dumps(VECTOR | {"signature": "zz"}).encode(),
        json.dumps(VECTOR | {"countersignature": VECTOR["countersignature"] | {"document": "[]"}}).encode(),
        b" " * (proofs.LARGEST + 1) + json.dumps(VECTOR).encode(),
    ],
    ids=["empty", "object", "list", "bytes", "pdf", "deep", "schema", "more", "document", "opinion-schema", "hex", "statement", "large"],
)  # fmt: skip
def test_what_is_no_proof_is_refused(data: bytes) -> None:
    with pytest.raises(Invalid, match="proof-unreadable"):
        proofs.check(data)


@settings(max_examples=300)
@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_whatever_stands_in_a_document_nothing_breaks(told: Any) -> None:
    """Only ``Invalid`` comes of it, and nothing that was not signed holds."""
    document = json.dumps(told if not isinstance(told, dict) else {**json.loads(OPINION), **told})
    for change in ({"document": document}, {"countersignature": VECTOR["countersignature"] | {"document": document}}):
        with suppress(Invalid):
            assert not check(VECTOR | change).holds


def test_the_command_checks_a_proof_alone(tmp_path: Path) -> None:
    path = tmp_path / "SH-2026-0147-opinion.json"
    path.write_text(json.dumps(VECTOR), encoding="utf-8")
    good = shanhai(str(path), "--key", KEY.hex().upper())
    assert good.returncode == 0, good.stderr
    assert good.stdout.splitlines()[3:] == [
        "Opinion 01930000-0000-7000-8000-000000000011 on case SH-2026-0147",
        f"  signed at 2026-11-20T06:50:00+00:00, SHA-256 {sha256(OPINION).hexdigest()}",
        "  何平 住院医师, licence -, 台州骨科医院",
        "  陈浩 主任医师, licence -, 台州骨科医院",
        "  所见: 断端整齐",
        "  紧急程度: 特急",
        "This opinion is what was signed.",
    ]
    unknown = shanhai(str(path))
    assert (unknown.returncode, unknown.stdout.splitlines()[-1]) == (
        0,
        "It is what the holders of these keys signed. Compare each key with its hospital's.",
    )
    other = shanhai(str(path), "--key", "00" * 32)
    assert (other.returncode, "NOT one of those given" in other.stdout) == (1, True)
    path.write_text(json.dumps(VECTOR | {"signature": SECOND.hex()}), encoding="utf-8")
    broken = shanhai(str(path), "--key", KEY.hex())
    assert (broken.returncode, "Signature: BROKEN" in broken.stdout, "断端整齐" in broken.stdout) == (1, True, False)
    path.write_bytes(b"%PDF-1.7")
    assert shanhai(str(path)).stderr == "shanhai: proof-unreadable\n"
