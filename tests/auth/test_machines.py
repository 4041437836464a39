"""Machines: a title and a certificate together, and neither alone, nor another's, nor too late."""

import dataclasses
import datetime as dt
from collections.abc import Callable
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from sqlalchemy import select

from auth import machines
from auth.machines import Machine
from core import audit, ids
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict, Denied, Invalid, NotFound, StepUpNeeded
from core.jobs import JobRow
from tests.cast import Cast, Member, join

DAY = dt.timedelta(days=1)
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def certify(name: str = "ct.aral.example", *, starts: int = -1, ends: int = 365, key: Key | None = None) -> tuple[str, bytes]:
    """A certificate of a machine's own, as PEM and DER; days are counted from now."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    built = x509.CertificateBuilder(called, called, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(ids.now() + starts * DAY).not_valid_after(ids.now() + ends * DAY)
    signed = built.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256())
    return signed.public_bytes(Encoding.PEM).decode(), signed.public_bytes(Encoding.DER)


def administrator(cast: Cast) -> Actor:
    """Aral's, with a second factor just given."""
    return dataclasses.replace(cast.administrator.actor, stepped_up_at=ids.now())


def register(db: Tx, cast: Cast, **more: object) -> Machine:
    """The CT of Aral."""
    told = {"ae_title": "ARAL_CT1", "name": "CT 一号", "may": ["store"], **more}
    return machines.register(db, administrator(cast), **told)  # type: ignore[arg-type]


def wrong(database: Database, cast: Cast, **told: object) -> dict[str, str]:
    """The fields that are refused."""
    with database.begin() as db, pytest.raises(Invalid) as caught:
        register(db, cast, **{"certificate": certify()[0], **told})
    return caught.value.fields


@pytest.fixture
def taizhou(database: Database, cast: Cast) -> Member:
    """The administrator of another hospital."""
    with database.begin() as db:
        return join(db, cast.taizhou, "qiao", "乔", "Qiao", "administrator")


# --- who is it ----------------------------------------------------------------------------------------------


def test_title_and_certificate_together_are_known(database: Database, cast: Cast) -> None:
    pem, der = certify()
    with database.begin() as db:
        made = register(db, cast, certificate=pem)
    with database.begin() as db:
        for title in ("ARAL_CT1", " ARAL_CT1", "ARAL_CT1        "):
            found = machines.recognise(db, title, der)
            assert found is not None
            assert (found.id, found.organisation_id, found.may) == (made.id, cast.aral.id, ["store"])
    with database.begin() as db:
        seen = db.get_one(Machine, made.id).last_seen_at
        assert seen is not None
        machines.recognise(db, "ARAL_CT1", der)
        assert db.get_one(Machine, made.id).last_seen_at == seen, "noted once a minute"


def test_neither_alone_is_known_and_all_unknown_are_alike(database: Database, cast: Cast, taizhou: Member) -> None:
    """Another hospital's title with one's own certificate; one's own title with another's certificate; neither."""
    (ours, our_der), (theirs, their_der) = certify(), certify("ct.taizhou.example")
    with database.begin() as db:
        register(db, cast, certificate=ours)
        there = dataclasses.replace(taizhou.actor, stepped_up_at=ids.now())
        machines.register(db, there, ae_title="TZ_CT", name="CT", certificate=theirs, may=["store", "find"])
    with database.begin() as db:
        for title, der in (
            ("ARAL_CT1", their_der),
            ("TZ_CT", our_der),
            ("aral_ct1", our_der),
            ("ARAL_CT", our_der),
            ("ARAL_CT1\n", our_der),
            ("", our_der),
            ("NOBODY", certify()[1]),
            ("ARAL_CT1", b""),
            ("ARAL_CT1", bytes(32)),
            ("ARAL_CT1", our_der + b"\0"),
        ):
            assert machines.recognise(db, title, der) is None, (title, der[:8])
        assert machines.recognise(db, "TZ_CT", their_der) is not None


def test_a_revoked_machine_is_unknown_at_once_and_its_names_are_free(database: Database, cast: Cast, taizhou: Member) -> None:
    pem, der = certify()
    with database.begin() as db:
        made = register(db, cast, certificate=pem)
        machines.revoke(db, cast.administrator.actor, made.id)
        assert machines.recognise(db, "ARAL_CT1", der) is None
        with pytest.raises(Conflict, match="machine-revoked"):
            machines.renew(db, administrator(cast), made.id, certificate=certify()[0])
        again = register(db, cast, certificate=pem)
        found = machines.recognise(db, "ARAL_CT1", der)
        assert found is not None
        assert found.id == again.id != made.id


def test_a_certificate_is_good_for_its_days_alone(database: Database, cast: Cast) -> None:
    (later, later_der), (sooner, sooner_der) = certify(starts=1), certify(ends=1)
    with database.begin() as db:
        register(db, cast, ae_title="LATER", certificate=later)
        register(db, cast, ae_title="SOONER", certificate=sooner)
        assert machines.recognise(db, "LATER", later_der) is None
        assert machines.recognise(db, "SOONER", sooner_der) is not None
        with ids.told(ids.now() + 2 * DAY):
            assert machines.recognise(db, "LATER", later_der) is not None
            assert machines.recognise(db, "SOONER", sooner_der) is None


def test_renewing_changes_the_certificate_and_nothing_else(database: Database, cast: Cast) -> None:
    (old, old_der), (new, new_der) = certify(ends=10), certify()
    with database.begin() as db:
        made = register(db, cast, certificate=old)
        before = made.fingerprint.hex()
        machines.renew(db, administrator(cast), made.id, certificate=new)
        assert machines.recognise(db, "ARAL_CT1", old_der) is None
        assert machines.recognise(db, "ARAL_CT1", new_der) is made
    with database.begin() as db:
        (event,) = audit.events(db, cast.aral.id, actions=["machine:renew"])
        assert event.detail == {"before": before, "sha256": made.fingerprint.hex()}


# --- what is taken -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("title", ["", "   ", "A" * 17, "A\\B", "A\tB", "CT\x00", "放射科", "Ä", "A\nB"])
def test_titles_that_are_none(database: Database, cast: Cast, title: str) -> None:
    """PS3.5 §6.2, VR AE."""
    assert wrong(database, cast, ae_title=title) == {"ae_title": "ae-title-invalid"}


def test_a_title_has_sixteen_signs_and_no_spaces_around_it(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        assert register(db, cast, ae_title="  Ward 3/CT (new)  ", certificate=certify()[0]).ae_title == "Ward 3/CT (new)"
        assert len(register(db, cast, ae_title="A" * 16, certificate=certify()[0]).ae_title) == 16


def test_a_private_key_is_refused_before_anything_else(database: Database, cast: Cast) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    pem = certify(key=key)[0]
    for text in (
        secret,
        pem + secret,
        secret + pem,
        secret.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ):
        assert wrong(database, cast, certificate=text, ae_title="") == {"certificate": "certificate-private-key"}
    with database.begin() as db, pytest.raises(Invalid):
        machines.register(db, cast.administrator.actor, ae_title="X", name="x", certificate=secret, may=["store"])


def test_what_is_no_certificate_that_will_do(database: Database, cast: Cast) -> None:
    for text in ("", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "证书", "x" * 40_000):
        assert wrong(database, cast, certificate=text) == {"certificate": "certificate-unreadable"}
    assert wrong(database, cast, certificate=certify()[0] + certify()[0]) == {"certificate": "certificate-one-only"}
    assert wrong(database, cast, certificate=certify(starts=-9, ends=-1)[0]) == {"certificate": "certificate-expired"}
    weak = rsa.generate_private_key(65537, 1024)
    assert wrong(database, cast, certificate=certify(key=weak)[0]) == {"certificate": "certificate-weak"}
    with database.begin() as db:
        register(db, cast, ae_title="RSA", certificate=certify(key=rsa.generate_private_key(65537, 2048))[0])
        register(db, cast, ae_title="EDWARDS", certificate=certify(key=ed25519.Ed25519PrivateKey.generate())[0])


def test_everything_wrong_is_named_at_once(database: Database, cast: Cast) -> None:
    named = wrong(database, cast, ae_title="", name=" ", may=["delete"], certificate="x")
    assert named == {
        "ae_title": "ae-title-invalid", "name": "text-missing", "may": "machine-may-nothing", "certificate": "certificate-unreadable"
    }  # fmt: skip
    assert wrong(database, cast, may=[], name="x" * 201) == {"may": "machine-may-nothing", "name": "text-too-long"}
    assert wrong(database, cast, name="a\u202eb") == {"name": "text-invalid"}


def test_a_title_and_a_certificate_each_belong_to_one_machine_of_the_deployment(database: Database, cast: Cast, taizhou: Member) -> None:
    pem, _ = certify()
    there = dataclasses.replace(taizhou.actor, stepped_up_at=ids.now())
    with database.begin() as db:
        register(db, cast, certificate=pem)
        with pytest.raises(Invalid) as caught:
            machines.register(db, there, ae_title="ARAL_CT1 ", name="CT", certificate=certify()[0], may=["store"])
        assert caught.value.fields == {"ae_title": "ae-title-taken"}
        for actor in (there, administrator(cast)):
            with pytest.raises(Invalid) as caught:
                machines.register(db, actor, ae_title="SECOND", name="CT", certificate=pem, may=["store", "find"])
            assert caught.value.fields == {"certificate": "certificate-taken"}
    with pytest.raises(Conflict):
        _race(database)


def _race(database: Database) -> None:
    """The same machine once more, by a transaction that had looked before."""
    with database.begin() as db:
        row = db.scalars(select(Machine)).one()
        db.add(Machine(**{column.name: getattr(row, column.name) for column in Machine.__table__.columns} | {"id": ids.new()}))


# --- who may --------------------------------------------------------------------------------------------------


def test_only_its_own_administrators_manage_it(database: Database, cast: Cast, taizhou: Member, log: Callable[[UUID], list[str]]) -> None:
    with database.begin() as db:
        made = register(db, cast, certificate=certify()[0])
        assert machines.listed(db, taizhou.actor) == []
        with pytest.raises(NotFound, match="machine-not-found"):
            machines.revoke(db, taizhou.actor, made.id)
        with pytest.raises(NotFound):
            machines.renew(db, dataclasses.replace(taizhou.actor, stepped_up_at=ids.now()), made.id, certificate=certify()[0])
        with pytest.raises(StepUpNeeded):
            machines.renew(db, cast.administrator.actor, made.id, certificate=certify()[0])
        with pytest.raises(StepUpNeeded):
            machines.register(db, cast.administrator.actor, ae_title="X", name="x", certificate=certify()[0], may=["store"])
        token = dataclasses.replace(administrator(cast), token_id=ids.new(), scopes=frozenset({"machine:manage"}))
        with pytest.raises(Denied, match="session-needed"):
            machines.revoke(db, token, made.id)
        with pytest.raises(Denied, match="session-needed"):
            machines.register(db, token, ae_title="X", name="x", certificate=certify()[0], may=["store"])
        for member in (cast.surgeon, cast.auditor, cast.coordinator):
            with pytest.raises(Denied):
                machines.listed(db, member.actor)
            with pytest.raises(Denied):
                machines.revoke(db, member.actor, made.id)
        machines.revoke(db, cast.administrator.actor, made.id)
        machines.revoke(db, cast.administrator.actor, made.id)
    assert log(cast.aral.id)[:2] == ["machine:revoke success", "machine:register success"]


def test_administrators_are_told_once_before_a_certificate_ends(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        soon = register(db, cast, ae_title="SOON", certificate=certify(ends=20)[0])
        register(db, cast, ae_title="LATER", certificate=certify()[0])
        machines.revoke(db, cast.administrator.actor, register(db, cast, ae_title="GONE", certificate=certify(ends=20)[0]).id)
    assert [machines.remind(database), machines.remind(database)] == [1, 0]
    with database.begin() as db:
        told = [row.payload["person_id"] for row in db.scalars(select(JobRow)) if row.payload.get("kind") == "machine-expires"]
        assert told == [str(cast.administrator.id)]
        machines.renew(db, administrator(cast), soon.id, certificate=certify(ends=25)[0])
    assert machines.remind(database) == 1
