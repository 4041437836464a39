"""docs/formats.md is true: what follows down to the line was written from that page alone."""

import hmac
import json
import re
from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")


def expand(secret: bytes, info: bytes, length: int) -> bytes:
    blocks = [b""]
    while sum(map(len, blocks)) < length:
        blocks.append(hmac.digest(secret, blocks[-1] + info + bytes([len(blocks)]), "sha512"))
    return b"".join(blocks)[:length]


def place(header: bytes, organisation: str, row: str, version: int, purpose: str, table: str) -> bytes:
    ids = UUID(organisation).bytes + UUID(row).bytes + version.to_bytes(8, "big")
    return header + ids + b"".join(len(text.encode()).to_bytes(2, "big") + text.encode() for text in (purpose, table))


def derive(secret: bytes, salt: bytes, context: bytes) -> tuple[AESGCM, int, bytes]:
    derived = expand(secret, b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + context, 76)
    return AESGCM(derived[:32]), int.from_bytes(derived[32:44], "big"), derived[44:]


def read(secret: bytes, sealed: bytes, **where: Any) -> bytes:
    header, salt, commitment, chunks = sealed[:24], sealed[24:48], sealed[48:80], sealed[80:]
    assert header[:8] == b"SHANHAI\x01"
    assert len(sealed) >= 96
    assert len(chunks) % 16400 >= 16
    cipher, nonce, expected = derive(secret, salt, place(header, **where))
    assert commitment == expected
    pieces = [chunks[at : at + 16400] for at in range(0, len(chunks), 16400)]
    return b"".join(cipher.decrypt((nonce ^ n).to_bytes(12, "big"), piece, None) for n, piece in enumerate(pieces))


def write(secret: bytes, key_id: str, salt: bytes, plain: bytes, **where: Any) -> bytes:
    header = b"SHANHAI\x01" + UUID(key_id).bytes
    cipher, nonce, commitment = derive(secret, salt, place(header, **where))
    pieces = [plain[n * 16384 : (n + 1) * 16384] for n in range(len(plain) // 16384 + 1)]
    return header + salt + commitment + b"".join(cipher.encrypt((nonce ^ n).to_bytes(12, "big"), p, None) for n, p in enumerate(pieces))


def root(leaves: list[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sha256(b"\1" + root(leaves[:split]) + root(leaves[split:])).digest()


# ---- the line: from here on the product is used ----------------------------------------------------

from core import ids, ledger, merkle, notes, sealed  # noqa: E402
from core.actor import Actor  # noqa: E402
from core.audit import kept, prove, push, record  # noqa: E402
from core.db import Database  # noqa: E402
from core.keyring import Unit, WrappedKey  # noqa: E402


def vectors(name: str) -> Any:
    found = re.search(rf"```json {name}\n(.*?)```", PAGE, re.DOTALL)
    assert found, name
    return json.loads(found[1])


SEALED = vectors("sealed")
SECRET, SALT = bytes.fromhex(SEALED["secret"]), bytes.fromhex(SEALED["salt"])
WHERE = {
    "organisation": SEALED["organisation_id"],
    "row": SEALED["row_id"],
    "version": SEALED["version"],
    "purpose": SEALED["purpose"],
    "table": SEALED["table"],
}
KEY = sealed.Key(UUID(SEALED["key_id"]), SECRET)
CONTEXT = sealed.Context("image", UUID(SEALED["organisation_id"]), "instances", UUID(SEALED["row_id"]), 1)


def test_the_context_and_the_derivation_are_as_written() -> None:
    header = b"SHANHAI\x01" + KEY.id.bytes
    context = bytes.fromhex(SEALED["context"])
    assert place(header, **WHERE) == context == header + CONTEXT.encode()
    assert expand(SECRET, b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + SALT + context, 76).hex() == SEALED["derived"]


@pytest.mark.parametrize("message", SEALED["messages"], ids=["empty", "text"])
def test_the_short_messages_open(message: dict[str, str]) -> None:
    plain, data = bytes.fromhex(message["plain"]), bytes.fromhex(message["sealed"])
    assert write(SECRET, SEALED["key_id"], SALT, plain, **WHERE) == data
    assert read(SECRET, data, **WHERE) == sealed.unseal(KEY, CONTEXT, data) == plain


@pytest.mark.parametrize("message", vectors("sealed-long"), ids=lambda message: str(message["size"]))
def test_the_long_messages_open(message: dict[str, Any]) -> None:
    plain = bytes(i % 251 for i in range(message["size"]))
    data = write(SECRET, SEALED["key_id"], SALT, plain, **WHERE)
    assert (len(data), sha256(data).hexdigest()) == (message["sealed_size"], message["sha256"])
    assert sealed.unseal(KEY, CONTEXT, data) == plain
    assert sealed.Reader(KEY, CONTEXT, lambda start, length: data[start : start + length], len(data)).read(0, 1 << 20) == plain


@pytest.mark.parametrize("size", [0, 1, 16383, 16384, 16385, 50_000])
def test_the_small_reader_opens_what_the_product_seals(size: int) -> None:
    plain = bytes(i % 251 for i in range(size))
    assert read(SECRET, sealed.seal(KEY, CONTEXT, plain), **WHERE) == plain


def test_a_wrapped_key_is_as_written() -> None:
    told = vectors("wrapped")
    row = WrappedKey(
        id=UUID(told["id"]), kind=told["kind"], organisation_id=UUID(told["organisation_id"]), unit_id=UUID(told["unit_id"]), generation=1
    )
    assert sealed.unseal(KEY, row.context(), bytes.fromhex(told["wrapped"])).hex() == told["secret"]
    assert unwrap(SECRET, told).hex() == told["secret"]


def unwrap(parent: bytes, row: dict[str, Any]) -> bytes:
    purpose = f"wrap:{row['kind']}:{row['unit_id']}"
    where = {"organisation": row["organisation_id"], "row": row["id"], "version": row["generation"], "purpose": purpose}
    return read(parent, bytes.fromhex(row["wrapped"]), table="wrapped_keys", **where)


def test_a_record_is_read_from_the_root_key_file_the_tables_and_this_page(database: Database, tmp_path: Path) -> None:
    """Root key → organisation → case → study → an image; and a blind index from the records key."""
    organisation, case, study = ids.new(), ids.new(), ids.new()
    with database.begin() as db:
        db.keyring.create_organisation(db, organisation)
        db.keyring.create(db, Unit("case", organisation, case))
        db.keyring.create_study(db, organisation, study, None)
        image = db.keyring.seal(db, Unit("study", organisation, study), "image", "instances", study, 3, b"DICM")
        db.keyring.file_study(db, organisation, study, case)
        index = db.keyring.blind_index(db, organisation, "national-id", "110101199003070031")
    rows: dict[UUID, dict[str, Any]] = {}
    with database.begin(readonly=True) as db:
        for row in db.query(WrappedKey):
            told = {column: str(getattr(row, column)) for column in ("id", "kind", "organisation_id", "unit_id")}
            rows[row.id] = {**told, "generation": row.generation, "wrapped": (row.wrapped or b"").hex(), "parent": row.parent_id}
    word, root_id, root_secret = (tmp_path / "keys" / "root.key").read_text().split()
    assert word == "shanhai-root-key-1"

    def secret(key_id: UUID) -> bytes:
        parent = rows[key_id]["parent"]
        assert bytes.fromhex(rows[key_id]["wrapped"])[8:24] == (parent or UUID(root_id)).bytes
        return unwrap(secret(parent) if parent else b64decode(root_secret), rows[key_id])

    where = {"organisation": str(organisation), "row": str(study), "version": 3, "purpose": "image", "table": "instances"}
    assert read(secret(UUID(bytes=image[8:24])), image, **where) == b"DICM"
    records = next(key for key, row in rows.items() if row["kind"] == "records")
    assert blind(secret(records), "national-id", "110101199003070031") == index


def blind(secret: bytes, purpose: str, value: str) -> bytes:
    return hmac.digest(expand(secret, b"shanhai/blind-index@v1\0" + purpose.encode(), 32), value.encode(), "sha256")


def test_the_blind_index_is_as_written() -> None:
    told = vectors("blind-index")
    assert blind(bytes.fromhex(told["secret"]), told["purpose"], told["value"]).hex() == told["blind_index"]


def test_leaf_tree_and_checkpoint_are_as_written() -> None:
    told = vectors("leaf")
    assert sha256(b"\0" + told["leaf"].encode()).hexdigest() == told["leaf_hash"] == merkle.leaf_hash(told["leaf"].encode()).hex()
    tree, leaves = merkle.Frontier(), [sha256(b"\0leaf %d" % n).digest() for n in range(7)]
    for size, told_root in enumerate(vectors("tree")["roots"]):
        assert tree.root().hex() == root(leaves[:size]).hex() == told_root
        if size < 7:
            tree.append(leaves[size])
    assert [node.hex() for node in merkle.inclusion_path(leaves, 4)] == vectors("tree")["path_of_leaf_4"]
    told = vectors("checkpoint")
    seed = Ed25519PrivateKey.from_private_bytes(bytes(range(0x40, 0x60)))
    public = seed.public_key().public_bytes_raw()
    name = told["note"].split("\n")[0]
    assert notes.verifier_key(name, public) == told["verifier_key"]
    assert notes.sign(notes.Checkpoint(name, 7, tree.root()).text(), name, public, seed.sign) == told["note"]


MEMBERS = sorted(vectors("leaf")["leaf"] and json.loads(vectors("leaf")["leaf"]))


def test_a_kept_log_and_a_proof_are_checked_from_this_page(database: Database, tmp_path: Path) -> None:
    organisation = ids.new()
    actor = Actor(ids.new(), organisation, frozenset({"surgeon", "expert"}), session_id=ids.new())
    folder = tmp_path / "kept"
    for count in (1, 4, 2):
        with database.begin() as db:
            if count == 1:
                db.keyring.create_organisation(db, organisation)
            for _ in range(count):
                event = record(db, actor, "case:read", organisation_id=organisation, case_id=ids.new(), patient_ids=[ids.new(), ids.new()])
        with database.begin() as db:
            assert push(db, organisation, folder)
    lines = [json.loads(line) for line in (folder / f"{organisation}.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines[0].keys() == {"format", "log", "verifier_key"}
    assert (lines[0]["format"], lines[0]["log"]) == ("shanhai-kept-log-1", f"shanhai/audit/{organisation}")
    verifier = b64decode(lines[0]["verifier_key"].split("+", 2)[2])[1:]
    leaves: list[bytes] = []
    for line in lines[1:]:
        assert line["first"] == len(leaves)
        leaves += [b64decode(leaf) for leaf in line["leaf_hashes"]]
        assert check_note(line["checkpoint"], verifier) == [lines[0]["log"], str(len(leaves)), root(leaves)]
    assert len(leaves) == 7
    assert len(kept(folder, organisation).pushes) == 3
    with database.begin() as db:
        leaf, proof = prove(db, event.id)
    assert sorted(json.loads(leaf)) == MEMBERS
    assert json.loads(leaf)["at"] == ledger.stamp(event.at)
    head, _, note = proof.partition("\n\n")
    version, index, *path = head.split("\n")
    assert (version, index) == ("c2sp.org/tlog-proof@v1", "index 6")
    assert check_note(note, verifier)[1:] == ["7", root(leaves)]
    node = sha256(b"\0" + leaf).digest()
    for sibling in path:  # leaf 6 of 7 is the last: every sibling stands on its left
        node = sha256(b"\1" + b64decode(sibling) + node).digest()
    assert node == root(leaves)


def check_note(note: str, public: bytes) -> list[Any]:
    text, _, signature = note.rpartition("\n\n")
    Ed25519PublicKey.from_public_bytes(public).verify(b64decode(signature.split(" ")[2])[4:], text.encode() + b"\n")
    origin, size, encoded = text.split("\n")
    return [origin, size, b64decode(encoded)]


def test_the_page_lists_the_kinds_of_keys_and_the_members_of_a_leaf() -> None:
    for kind in ("organisation", "records", "inbox", "signing", "log", "patient", "case", "study"):
        assert f"`{kind}`" in PAGE
    table = PAGE.split("**Leaf.**")[1].split("```")[0]
    assert [member for member in MEMBERS if f"`{member}`" not in table] == []
