"""Passwords: the first factor.

Stored as Argon2id (OWASP's parameters: 19 MiB, two passes). What may be one follows NIST SP 800-63B-4
§3.1.1.2: eight characters, since a second factor is always asked for, at most 256, nothing that everybody
tries or that stands on the person's door, no rule about kinds of characters, no expiry. Nobody but the
person chooses it: administrators hand out an enrolment (`auth.enrolments`), the command line assigns one
to begin with, and where everything is lost.
"""

import datetime as dt
import re
import secrets
import unicodedata
from functools import cache
from pathlib import Path
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from auth import rules
from auth.organisations import Organisation
from auth.people import Person
from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Denied, Invalid
from core.tables import Base

SHORTEST = 8
LONGEST = 256
COMMON = Path(__file__).with_name("common-passwords.txt")
ROWS = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qazwsxedcrfvtgbyhnujmikolp", "!@#$%^&*()_+")
LEET = str.maketrans("@4301$5!7", "aaeolssit")

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class Password(Base):
    """One person's password, as its Argon2id hash."""

    __tablename__ = "passwords"

    person_id: Mapped[UUID] = mapped_column(ForeignKey(Person.id), primary_key=True)
    hash: Mapped[str]
    changed_at: Mapped[dt.datetime]


def check(plain: str, *, about: tuple[str, ...] = ()) -> None:
    """Hold a new password to the rules; ``about`` are the words on the person's door.

    Raises Invalid with ``password-too-short``, ``-too-long``, ``-common`` or ``-context``.
    """
    text = normal(plain)
    if len(text) < SHORTEST:
        raise Invalid(fields={"password": "password-too-short"})
    if len(text) > LONGEST:
        raise Invalid(fields={"password": "password-too-long"})
    if is_common(text):
        raise Invalid(fields={"password": "password-common"})
    if len(_without(text.casefold(), about)) < SHORTEST:
        raise Invalid(fields={"password": "password-context"})


def hold(db: Tx, person: Person, plain: str) -> None:
    """Hold a person's new password to the rules, without keeping it. Raises Invalid."""
    home = db.get_one(Organisation, person.organisation_id)
    check(plain, about=(person.login, person.name, person.name_en, person.phone, home.name, home.name_en, home.city))


def put(db: Tx, person: Person, plain: str) -> None:
    """Give a person a password that keeps the rules. For `auth.stepup`, `auth.enrolments` and `assign`. Raises Invalid."""
    hold(db, person, plain)
    fresh, now = hashed(plain), ids.now()
    row = db.get(Password, person.id)
    if row is None:
        db.add(Password(person_id=person.id, hash=fresh, changed_at=now))
    else:
        row.hash, row.changed_at = fresh, now
    db.flush()


def assign(db: Tx, actor: Actor, person_id: UUID, plain: str) -> None:
    """Give somebody a password: for the command line and the sample world, never for an administrator.

    Raises Denied for any person, and Invalid.
    """
    rules.require_in_organisation(actor, "people:manage")
    if actor.person_id is not None:
        raise Denied("not-allowed")
    put(db, db.get_one(Person, person_id), plain)


def mint() -> str:
    """A password that nobody guesses, for the command line to assign."""
    return "-".join(secrets.token_hex(2) for _ in range(4))


def matches(db: Tx, person: Person | None, plain: str) -> bool:
    """Whether this is the person's password; takes as long when there is no such person or no password."""
    row = db.get(Password, person.id if person is not None else UUID(int=0))
    if not verified(row.hash if row is not None else None, plain) or row is None:
        return False
    if _HASHER.check_needs_rehash(row.hash):
        row.hash = hashed(plain)
        db.flush()
    return True


def hashed(plain: str) -> str:
    """The Argon2id hash of a password or PIN."""
    return _HASHER.hash(_bytes(plain))


def verified(stored: str | None, plain: str) -> bool:
    """Whether the hash is of this; without one it takes as long and is not."""
    try:
        _HASHER.verify(stored or _decoy(), _bytes(plain) if len(normal(plain)) <= LONGEST else b"")
    except (VerifyMismatchError, InvalidHashError):
        return False
    return stored is not None


def normal(plain: str) -> str:
    """The spelling that is hashed: composed (NFC), otherwise as typed."""
    return unicodedata.normalize("NFC", plain)


def _bytes(plain: str) -> bytes:
    return normal(plain).encode("utf-8", "surrogatepass")


def is_common(text: str) -> bool:
    """Whether it is among what everybody tries: a listed password, also dressed up, a repeat, a run, a date."""
    folded = text.casefold()
    for variant in {folded, folded.translate(LEET)}:
        core = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", variant)
        if variant in _common() or (core in _common() and len(variant) - len(core) <= 6):
            return True
    repeated = any(folded == (folded[:n] * len(folded))[: len(folded)] for n in range(1, 5))
    return repeated or _runs(folded) <= 2 or re.fullmatch(r"(19|20)\d\d(0\d|1[0-2])[0-3]\d", folded) is not None


def _runs(text: str) -> int:
    """The fewest pieces the text falls into that each follow a row of the keyboard, the alphabet or the digits."""
    count = start = 0
    while start < len(text):
        end = start + 1
        while end < len(text) and any(text[start : end + 1] in row or text[start : end + 1] in row[::-1] for row in ROWS):
            end += 1
        count, start = count + 1, end
    return count


def _without(text: str, about: tuple[str, ...]) -> str:
    """The text less the words about the person and the product; a short Latin word (under four letters) counts for nothing."""
    lines = [unicodedata.normalize("NFC", line).casefold() for line in ("shanhai", "山海", *about)]
    words = {word for line in lines for word in (line, re.sub(r"\W", "", line), *re.findall(r"\w+", line))}
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= (4 if word.isascii() else 2):
            text = text.replace(word, "")
    return text


@cache
def _common() -> frozenset[str]:
    lines = COMMON.read_text("utf-8").splitlines()
    return frozenset(line for line in lines if line[:2] not in ("#", "# "))


@cache
def _decoy() -> str:
    """A hash nobody's password has, made with the same effort."""
    return _HASHER.hash(ids.new().hex)
