"""Signed notes and checkpoints, against the examples of their specifications and against forgery."""

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core import notes
from core.errors import Damaged

# c2sp.org/signed-note, "Example"
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""

SIGNER = Ed25519PrivateKey.generate()
PUBLIC = SIGNER.public_key().public_bytes_raw()
NAME = "shanhai/audit/test"
HEAD = notes.Checkpoint(NAME, 20852163, b"r" * 32)


def signed(text: str = HEAD.text(), name: str = NAME) -> str:
    return notes.sign(text, name, PUBLIC, SIGNER.sign)


def test_the_example_of_the_specification_opens() -> None:
    name, public = notes.public_key(VKEY)
    assert notes.opened(NOTE, name, public) == "This is an example message.\n"
    assert notes.verifier_key(name, public) == VKEY


def test_a_checkpoint_comes_back() -> None:
    assert notes.checkpoint(signed(), NAME, PUBLIC) == HEAD
    empty = notes.Checkpoint(NAME, 0, b"e" * 32)
    assert notes.checkpoint(signed(empty.text()), NAME, PUBLIC) == empty


def test_every_changed_character_is_found() -> None:
    note = signed()
    for at in range(len(note)):
        changed = note[:at] + ("x" if note[at] != "x" else "y") + note[at + 1 :]
        with pytest.raises(Damaged):
            notes.checkpoint(changed, NAME, PUBLIC)


def test_a_signature_of_another_key_or_name_does_not_count() -> None:
    other = Ed25519PrivateKey.generate()
    for forged in (
        notes.sign(HEAD.text(), NAME, other.public_key().public_bytes_raw(), other.sign),
        notes.sign(HEAD.text(), NAME, PUBLIC, other.sign),
        notes.sign(HEAD.text(), "shanhai/audit/other", PUBLIC, SIGNER.sign),
        HEAD.text(),
        HEAD.text() + "\n",
        "",
    ):
        with pytest.raises(Damaged):
            notes.checkpoint(forged, NAME, PUBLIC)


def test_signatures_of_others_beside_ours_are_passed_over() -> None:
    other = Ed25519PrivateKey.generate()
    witness = notes.sign(HEAD.text(), "witness.example", other.public_key().public_bytes_raw(), other.sign)
    both = signed() + witness.rpartition("\n\n")[2]
    assert notes.checkpoint(both, NAME, PUBLIC) == HEAD
    assert notes.checkpoint(both, "witness.example", other.public_key().public_bytes_raw()) == HEAD


@pytest.mark.parametrize(
    "text",
    [
        f"{NAME}\n7\n",
        f"{NAME}\n7\n{b64encode(b'short').decode()}\n",
        f"{NAME}\n07\n{b64encode(b'r' * 32).decode()}\n",
        f"{NAME}\n-7\n{b64encode(b'r' * 32).decode()}\n",
        f"{NAME}\n٧\n{b64encode(b'r' * 32).decode()}\n",
        f"{NAME}\n7\n!!!\n",
        f"\n7\n{b64encode(b'r' * 32).decode()}\n",
        "hello\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(Damaged, match="checkpoint-form"):
        notes.checkpoint(signed(text), NAME, PUBLIC)


def test_a_text_that_cannot_be_a_note_is_not_signed() -> None:
    for text in ("no newline", "tab\t\n", "return\r\n"):
        with pytest.raises(ValueError, match="newline"):
            signed(text)


@pytest.mark.parametrize("vkey", ["", "a+b", "a+00000000+AA==", VKEY.replace("530d", "530e"), VKEY[:-4], VKEY.replace("+Ae", "+Be")])
def test_a_verifier_key_that_is_none_is_refused(vkey: str) -> None:
    with pytest.raises(Damaged, match="verifier-key"):
        notes.public_key(vkey)
