"""Identity providers of hospitals: set up by command alone, their secrets sealed."""

from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import func, select

from auth import links, providers
from auth.links import Link
from auth.providers import IdentityProvider
from core import ids
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Damaged, Denied, Invalid, NotFound
from tests.cast import Cast

ISSUER = "https://id.hospital.example"


def set_up(db: Tx, organisation_id: UUID, **more: str | list[str]) -> IdentityProvider:
    asked = {"issuer": ISSUER, "client_id": "shanhai", "client_secret": "s3cret", "name": "台州骨科医院", "name_en": "Taizhou"} | more
    return providers.set_up(db, Actor.system(organisation_id), **asked)  # type: ignore[arg-type]


def test_a_provider_is_set_up_and_changed(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    with database.begin() as db:
        first = set_up(db, cast.taizhou.id, second_factors=["mfa", "mfa", "otp"])
        assert first.client_secret is not None
        assert b"s3cret" not in first.client_secret
        assert (providers.secret_of(db, first), first.second_factors) == ("s3cret", ["mfa", "otp"])
    with database.begin() as db:
        again = set_up(db, cast.taizhou.id, client_secret="another", name="台州")
        assert (again.id, again.name, again.second_factors, providers.secret_of(db, again)) == (first.id, "台州", [], "another")
        public = set_up(db, cast.taizhou.id, client_secret="")
        assert (public.client_secret, providers.secret_of(db, public)) == (None, "")
        assert [one.name for one in providers.offered(db)] == ["台州骨科医院"]
        assert providers.listed(db, cast.aral.id) == []
    assert log(cast.taizhou.id)[:3] == ["identity-provider:set-up success"] * 3


def test_an_old_secret_cannot_be_put_back(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        old = set_up(db, cast.taizhou.id).client_secret
        provider = set_up(db, cast.taizhou.id, client_secret="another")
        provider.client_secret = old
        db.flush()
        with pytest.raises(Damaged):
            providers.secret_of(db, provider)


def test_a_secret_of_another_hospital_is_no_secret_here(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        one, other = set_up(db, cast.taizhou.id), set_up(db, cast.aral.id)
        other.client_secret = one.client_secret
        db.flush()
        with pytest.raises(Damaged):
            providers.secret_of(db, other)


def test_only_the_command_line_sets_up_and_removes(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        for member in (cast.administrator, cast.surgeon):
            with pytest.raises(Denied):
                providers.set_up(db, member.actor, issuer=ISSUER, client_id="x", name="x", name_en="x")
            with pytest.raises(Denied):
                providers.remove(db, member.actor, issuer=ISSUER)
        with pytest.raises(NotFound):
            set_up(db, ids.new())


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("client_id", "", "text-missing"),
        ("name", " ", "text-missing"),
        ("name_en", "", "text-missing"),
        ("name", "x" * 201, "text-too-long"),
    ],
)
def test_what_is_missing_is_named(database: Database, cast: Cast, field: str, value: str, code: str) -> None:
    with database.begin() as db, pytest.raises(Invalid) as refused:
        set_up(db, cast.taizhou.id, **{field: value})
    assert refused.value.fields == {field: code}


def test_a_provider_goes_with_its_links(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    with database.begin() as db:
        provider = set_up(db, cast.aral.id)
        other = set_up(db, cast.aral.id, issuer="https://other.example")
        for member, through in ((cast.surgeon, provider), (cast.nurse, provider), (cast.nurse, other)):
            links.add(db, member.actor, provider_id=through.id, issuer=through.issuer, subject=member.login)
    with database.begin() as db:
        providers.remove(db, Actor.system(cast.aral.id), issuer=ISSUER)
        assert db.scalar(select(func.count()).select_from(Link)) == 1
        with pytest.raises(NotFound):
            providers.get(db, provider.id)
        with pytest.raises(NotFound):
            providers.remove(db, Actor.system(cast.aral.id), issuer=ISSUER)
        with pytest.raises(NotFound):
            providers.remove(db, Actor.system(cast.taizhou.id), issuer="https://other.example")
    assert log(cast.aral.id)[:3] == ["identity-provider:remove success", *["account:unlink success"] * 2]
