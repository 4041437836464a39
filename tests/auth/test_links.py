"""Links between accounts: made and ended by their person alone, told to them, one pair for one person."""

import dataclasses
from collections.abc import Callable
from uuid import UUID

import pytest

from auth import enrolments, links, news, providers
from auth.providers import IdentityProvider
from core import ids, jobs
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict, Denied, NotFound, StepUpNeeded
from tests.cast import Cast, Member

ISSUER, OTHER = "https://id.hospital.example", "https://id.other.example"


@pytest.fixture
def through(database: Database, cast: Cast) -> IdentityProvider:
    """A provider of Aral."""
    with database.begin() as db:
        return provider(db, cast.aral.id, ISSUER)


def provider(db: Tx, organisation_id: UUID, issuer: str) -> IdentityProvider:
    return providers.set_up(db, Actor.system(organisation_id), issuer=issuer, client_id="shanhai", name="医院", name_en="Hospital")


def told(database: Database) -> list[tuple[str, str]]:
    """Which news waits to be told to whom."""
    found: list[tuple[str, str]] = []
    while jobs.run_once(database, {news.TELL: lambda _, job: found.append((str(job.payload["person_id"]), str(job.payload["kind"])))}):
        pass
    return found


def add(db: Tx, member: Member, through: IdentityProvider, subject: str = "1001") -> links.Link:
    return links.add(db, member.actor, provider_id=through.id, issuer=through.issuer, subject=subject)


def stepped_up(member: Member) -> Actor:
    return dataclasses.replace(member.actor, stepped_up_at=ids.now())


def test_a_link_opens_the_account_it_was_made_for(
    database: Database, cast: Cast, through: IdentityProvider, log: Callable[[UUID], list[str]]
) -> None:
    with database.begin() as db:
        link = add(db, cast.surgeon, through)
        assert add(db, cast.surgeon, through).id == link.id
        assert link.used_at is None
    with database.begin() as db:
        person = links.person_of(db, provider_id=through.id, issuer=ISSUER, subject="1001")
        assert person is not None
        assert person.id == cast.surgeon.id
        [kept] = links.own(db, cast.surgeon.actor)
        assert kept.used_at is not None
        assert links.own(db, cast.nurse.actor) == []
    assert log(cast.aral.id)[0] == "account:link success"
    assert told(database) == [(str(cast.surgeon.id), "account-link-added")]


def test_another_subject_issuer_or_provider_opens_nothing(database: Database, cast: Cast, through: IdentityProvider) -> None:
    with database.begin() as db:
        add(db, cast.surgeon, through)
        elsewhere = provider(db, cast.taizhou.id, ISSUER)
        for provider_id, issuer, subject in (
            (through.id, ISSUER, "1002"),
            (through.id, ISSUER, "1001 "),
            (through.id, OTHER, "1001"),
            (through.id, ISSUER + "/", "1001"),
            (elsewhere.id, ISSUER, "1001"),
        ):
            assert links.person_of(db, provider_id=provider_id, issuer=issuer, subject=subject) is None


def test_the_same_subject_at_two_issuers_is_two_accounts(database: Database, cast: Cast, through: IdentityProvider) -> None:
    with database.begin() as db:
        other = provider(db, cast.aral.id, OTHER)
        add(db, cast.surgeon, through)
        add(db, cast.nurse, other)
        found = [links.person_of(db, provider_id=one.id, issuer=one.issuer, subject="1001") for one in (through, other)]
        assert [person.id for person in found if person is not None] == [cast.surgeon.id, cast.nurse.id]


def test_one_account_there_opens_one_here(database: Database, cast: Cast, through: IdentityProvider) -> None:
    with database.begin() as db:
        add(db, cast.surgeon, through)
        with pytest.raises(Conflict) as taken:
            add(db, cast.nurse, through)
    assert taken.value.code == "link-taken"
    with database.begin() as db:
        assert links.own(db, cast.nurse.actor) == []


def test_its_person_alone_ends_a_link_having_stepped_up(database: Database, cast: Cast, through: IdentityProvider) -> None:
    with database.begin() as db:
        link = add(db, cast.surgeon, through)
        for stranger in (cast.nurse, cast.administrator, cast.expert):
            with pytest.raises(NotFound):
                links.remove(db, stepped_up(stranger), link.id)
        with pytest.raises(NotFound):
            links.remove(db, Actor.system(cast.aral.id), link.id)
        with pytest.raises(StepUpNeeded):
            links.remove(db, cast.surgeon.actor, link.id)
        token = dataclasses.replace(stepped_up(cast.surgeon), session_id=None, token_id=ids.new(), scopes=frozenset())
        for verb in (links.own, lambda db, actor: links.remove(db, actor, link.id)):
            with pytest.raises(Denied):
                verb(db, token)
        links.remove(db, stepped_up(cast.surgeon), link.id)
        assert links.own(db, cast.surgeon.actor) == []
        with pytest.raises(NotFound):
            links.remove(db, stepped_up(cast.surgeon), link.id)
    assert told(database)[-1] == (str(cast.surgeon.id), "account-link-removed")


def test_only_a_session_makes_a_link(database: Database, cast: Cast, through: IdentityProvider) -> None:
    token = dataclasses.replace(cast.surgeon.actor, session_id=None, token_id=ids.new(), scopes=frozenset())
    with database.begin() as db:
        for actor in (token, Actor.system(cast.aral.id)):
            with pytest.raises(Denied):
                links.add(db, actor, provider_id=through.id, issuer=ISSUER, subject="1001")


def test_who_is_given_everything_anew_keeps_no_link(database: Database, cast: Cast, through: IdentityProvider) -> None:
    """Whoever had taken the account over may have linked one of their own."""
    with database.begin() as db:
        add(db, cast.surgeon, through)
        add(db, cast.nurse, through, "1002")
        enrolments.reset(db, Actor.system(cast.aral.id), cast.surgeon.id, "eleven boats at the quay")
        assert links.own(db, cast.surgeon.actor) == []
        assert len(links.own(db, cast.nurse.actor)) == 1
