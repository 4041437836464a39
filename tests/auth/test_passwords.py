"""Passwords: what may be one (NIST SP 800-63B-4), how it is kept, and that it is compared exactly."""

import pytest
from sqlalchemy import select

from auth import passwords, people
from auth.passwords import Password
from core.actor import Actor
from core.db import Database
from core.errors import Denied, Invalid
from tests.cast import PASSWORD, Cast

DOOR = ("li.na", "李娜", "Li Na", "0997-5550101", "阿拉尔第一师医院", "Aral First Division Hospital", "阿拉尔")


def verdict(plain: str, about: tuple[str, ...] = DOOR) -> str:
    try:
        passwords.check(plain, about=about)
    except Invalid as wrong:
        return wrong.fields["password"].removeprefix("password-")
    return "good"


@pytest.mark.parametrize(
    "plain",
    [
        "kq7vtmzp",
        "correcthorsebatterystaple",
        "七盏灯笼照过河面啊",
        "ein Löwe im Schnee",
        " leading and trailing ",
        "🙂🙃🙂🙃🙄🦊🦉🐘",
        "x" * 3 + "9Lq" * 20 + "vw",
        "qmzpthvw" * 32,
        "a whole passphrase that mentions Aral somewhere",
    ],
)
def test_good(plain: str) -> None:
    assert verdict(plain) == "good"


@pytest.mark.parametrize("plain", ["", "a", "kq7vtmz", "七盏灯笼照过河", "e\u0301" * 7])
def test_too_short(plain: str) -> None:
    assert verdict(plain) == "too-short"


def test_length_is_counted_in_characters() -> None:
    assert verdict("qmzpthvw" * 32 + "k") == "too-long"


@pytest.mark.parametrize(
    "plain",
    [
        "password",
        "PassWord",
        "P@ssw0rd",
        "password2026!",
        "Dragon2026",
        "12345678",
        "87654321",
        "1234567890123",
        "abcd1234",
        "qwertyuiop",
        "1qaz2wsx",
        "aaaaaaaa",
        "12121212",
        "abcabcabc",
        "abcdabcdab",
        "woaini1314",
        "5201314520",
        "zhang123",
        "qq123456789",
        "19861024",
        "20080808",
        "yiyuan123",
        "admin@2026",
    ],
)
def test_what_everybody_tries(plain: str) -> None:
    assert verdict(plain) == "common"


@pytest.mark.parametrize("plain", ["shanhai-2026x", "ShanHai!k7v", "aral4hospital", "阿拉尔第一师医院", "hospital+division", "xx5550101yy"])
def test_what_stands_on_the_door(plain: str) -> None:
    assert verdict(plain) == "context"


def test_the_list_is_there_and_large() -> None:
    common = passwords._common()
    assert len(common) > 15_000
    assert all(word == word.casefold() for word in common)
    assert not any(word.startswith("permission is hereby") for word in common)


def test_only_an_argon2id_hash_is_kept(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        kept = db.get_one(Password, cast.surgeon.id).hash
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PASSWORD not in kept


def test_it_is_compared_exactly(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        person = people.get(db, cast.surgeon.actor, cast.surgeon.id)
        assert passwords.matches(db, person, PASSWORD)
        for other in (PASSWORD.upper(), PASSWORD + " ", " " + PASSWORD, PASSWORD[:-1], PASSWORD + "\0", "", "x" * 10_000):
            assert not passwords.matches(db, person, other), other
        assert not passwords.matches(db, None, PASSWORD)


def test_all_of_a_long_password_counts(database: Database, cast: Cast) -> None:
    long = "qmzpthvw" * 32
    with database.begin() as db:
        person = people.get(db, cast.surgeon.actor, cast.surgeon.id)
        passwords.assign(db, Actor.system(cast.aral.id), person.id, long)
        assert passwords.matches(db, person, long)
        assert not passwords.matches(db, person, long[:-1] + "x")
        assert not passwords.matches(db, person, long + "x")


def test_composed_and_decomposed_letters_are_the_same_password(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        person = people.get(db, cast.surgeon.actor, cast.surgeon.id)
        passwords.assign(db, Actor.system(cast.aral.id), person.id, "Le caf\u00e9 du coin")
        assert passwords.matches(db, person, "Le cafe\u0301 du coin")


def test_a_hash_of_weaker_times_is_renewed_when_it_is_next_used(database: Database, cast: Cast) -> None:
    from argon2 import PasswordHasher

    with database.begin() as db:
        person = people.get(db, cast.surgeon.actor, cast.surgeon.id)
        db.get_one(Password, person.id).hash = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
        db.flush()
        assert passwords.matches(db, person, PASSWORD)
        assert "m=19456,t=2,p=1" in db.scalars(select(Password.hash).where(Password.person_id == person.id)).one()
        assert passwords.matches(db, person, PASSWORD)


def test_an_administrator_chooses_nobodys_password(database: Database, cast: Cast) -> None:
    with database.begin() as db, pytest.raises(Denied):
        passwords.assign(db, cast.administrator.actor, cast.nurse.id, "another fine long phrase")
