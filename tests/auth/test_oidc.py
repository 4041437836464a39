"""The ceremony of single sign-on against a provider that lies (attack 16): bound to one browser, one provider, one time."""

import base64
import dataclasses
import datetime as dt
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlsplit
from uuid import UUID

import pytest
from sqlalchemy import func, select

from auth import links, means, oidc, people, providers, sessions, signin
from auth.discovery import Directory
from auth.idtokens import Assertion
from auth.oidc import Begun, Ceremony, Failed, Held
from auth.outward import Caller
from auth.proofs import Refused
from auth.providers import IdentityProvider
from auth.signin import Pending, SignedIn
from core import audit, ids
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Denied, NotFound, StepUpNeeded, Throttled
from tests import identity
from tests.cast import Cast, Member
from tests.identity import Authority, Liar

BASE, HOME = "https://shanhai.test", "192.0.2.1"
SECRET = "s3cret: +/%ü"
SUBJECT = "248289761001"


@dataclass
class Way:
    """A provider of Aral and the ways through it, each step in a transaction of its own."""

    database: Database
    directory: Directory
    liar: Liar
    provider: IdentityProvider

    def begin(self, *, linking: Actor | None = None, onward: str = "/cases") -> Begun:
        described = self.directory.describe(self.provider.issuer)
        with self.database.begin() as db:
            return oidc.begin(db, self.provider.id, described, base_url=BASE, onward=onward, address=HOME, linking=linking)

    def take(self, begun: Begun, *, provider_id: UUID | None = None, **more: str) -> Held | Refused:
        with self.database.begin() as db:
            asked = {"cookie": begun.cookie, "state": asked_for(begun)["state"], "base_url": BASE} | more
            return oidc.take(db, provider_id or self.provider.id, **asked)

    def held(self, begun: Begun) -> Held:
        found = self.take(begun)
        assert isinstance(found, Held)
        return found

    def exchange(self, held: Held, *, code: str = "code", issuer: str | None = None) -> Assertion | Failed:
        return oidc.exchange(self.directory, held, code=code, issuer=issuer)

    def sign_in(self, held: Held, told: Assertion | Failed, **more: Any) -> SignedIn | Pending | Refused:
        with self.database.begin() as db:
            return oidc.sign_in(db, held, told, **({"address": HOME} | more))

    def whole(self, subject: str = SUBJECT, **claims: Any) -> SignedIn | Pending | Refused:
        """The ceremony from end to end, with a provider that asserts these claims."""
        begun = self.begin()
        self.liar.claim(asked_for(begun)["nonce"], sub=subject, **claims)
        held = self.held(begun)
        return self.sign_in(held, self.exchange(held))

    def link(self, member: Member, subject: str = SUBJECT) -> None:
        with self.database.begin() as db:
            links.add(db, member.actor, provider_id=self.provider.id, issuer=self.provider.issuer, subject=subject)


def asked_for(begun: Begun) -> dict[str, str]:
    """What the provider is asked."""
    return dict(parse_qsl(urlsplit(begun.url).query))


def set_up(db: Tx, organisation_id: UUID, issuer: str, **more: Any) -> IdentityProvider:
    asked = {"client_id": "shanhai", "client_secret": SECRET, "name": "医院", "name_en": "Hospital", "second_factors": ["mfa"]}
    return providers.set_up(db, Actor.system(organisation_id), issuer=issuer, **(asked | more))


@pytest.fixture
def way(database: Database, cast: Cast, liar: Liar, authority: Authority) -> Way:
    with database.begin() as db:
        provider = set_up(db, cast.aral.id, liar.issuer)
    return Way(database, Directory(Caller(tls=authority.trusting)), liar, provider)


@pytest.fixture
def linked(way: Way, cast: Cast) -> Way:
    """The same, the surgeon's account being linked."""
    way.link(cast.surgeon)
    return way


def details(database: Database, organisation_id: UUID, action: str) -> list[dict[str, Any]]:
    with database.begin() as db:
        return [dict(event.detail) for event in audit.events(db, organisation_id, actions=[action])]


# --- what is asked and kept -------------------------------------------------------------------------------------------


def test_the_provider_is_asked_for_a_code_with_everything_that_binds_it(way: Way) -> None:
    begun, other = way.begin(), way.begin()
    assert begun.url.startswith(f"{way.liar.issuer}/authorize?")
    asked = asked_for(begun)
    fixed = {name: asked[name] for name in ("response_type", "client_id", "redirect_uri", "scope", "code_challenge_method")}
    assert fixed == {
        "response_type": "code",
        "client_id": "shanhai",
        "redirect_uri": f"{BASE}/sign-in/oidc/{way.provider.id}/callback",
        "scope": "openid",
        "code_challenge_method": "S256",
    }
    fresh = ("state", "nonce", "code_challenge")
    assert len({asked[name] for name in fresh} | {asked_for(other)[name] for name in fresh}) == 6
    assert all(len(asked[name]) == 43 for name in fresh)
    assert begun.cookie not in begun.url


def test_the_server_keeps_nothing_that_would_finish_a_ceremony(way: Way) -> None:
    begun = way.begin()
    with way.database.begin() as db:
        row = db.scalars(select(Ceremony)).one()
        kept = " ".join(repr(getattr(row, column.key)) for column in Ceremony.__table__.columns)
    assert begun.cookie not in kept
    assert not any(asked_for(begun)[name] in kept for name in ("state", "nonce", "code_challenge"))


def test_the_code_is_changed_with_the_verifier_and_the_clients_secret(linked: Way) -> None:
    begun = linked.begin()
    linked.liar.claim(asked_for(begun)["nonce"])
    linked.exchange(linked.held(begun), code="a code")
    [form] = linked.liar.forms
    verifier = form.pop("code_verifier")
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    assert challenge == asked_for(begun)["code_challenge"]
    name, _, plain = base64.b64decode(form.pop("authorization").removeprefix("Basic ")).decode().partition(":")
    assert (unquote_plus(name), unquote_plus(plain)) == ("shanhai", SECRET)
    redirect = f"{BASE}/sign-in/oidc/{linked.provider.id}/callback"
    assert form == {"grant_type": "authorization_code", "code": "a code", "redirect_uri": redirect}


@pytest.mark.parametrize(("secret", "expected"), [(SECRET, {"client_secret": SECRET}), ("", {})], ids=["post", "public"])
def test_a_client_is_named_in_the_form_where_the_provider_wants_that(way: Way, secret: str, expected: dict[str, str]) -> None:
    way.liar.describe(token_endpoint_auth_methods_supported=["client_secret_post", "none"])
    with way.database.begin() as db:
        way.provider = set_up(db, way.provider.organisation_id, way.liar.issuer, client_secret=secret)
    way.exchange(way.held(way.begin()))
    [form] = way.liar.forms
    assert form["authorization"] == ""
    assert {name: form[name] for name in form if name.startswith("client")} == {"client_id": "shanhai", **expected}


# --- who gets in ------------------------------------------------------------------------------------------------------


def test_a_linked_account_is_the_first_factor(linked: Way, cast: Cast) -> None:
    pending = linked.whole(amr=["pwd"])
    assert isinstance(pending, Pending)
    with linked.database.begin() as db:
        done = signin.code(db, pending=pending.secret, code=cast.surgeon.code(), address=HOME)
        assert isinstance(done, SignedIn)
        assert done.actor.person_id == cast.surgeon.id
    assert details(linked.database, cast.aral.id, "session:start")[0] == {"by": "oidc"}


@pytest.mark.parametrize("claims", [{"amr": ["pwd", "mfa"]}, {"acr": "mfa"}], ids=str)
def test_a_second_factor_the_hospital_has_named_is_the_second(linked: Way, cast: Cast, claims: dict[str, Any]) -> None:
    done = linked.whole(**claims)
    assert isinstance(done, SignedIn)
    assert (done.actor.person_id, done.actor.organisation_id, done.actor.stepped_up_at) == (cast.surgeon.id, cast.aral.id, None)
    assert details(linked.database, cast.aral.id, "session:start")[0] == {"by": "oidc"}


@pytest.mark.parametrize("claims", [{}, {"amr": ["otp"]}, {"amr": "mfa"}, {"acr": "MFA"}, {"mfa": True}], ids=str)
def test_anything_else_is_not(linked: Way, claims: dict[str, Any]) -> None:
    assert isinstance(linked.whole(**claims), Pending)


def test_a_hospital_that_named_none_has_none(linked: Way) -> None:
    with linked.database.begin() as db:
        set_up(db, linked.provider.organisation_id, linked.liar.issuer, second_factors=[])
    assert isinstance(linked.whole(amr=["mfa", ""], acr=""), Pending)


def test_whoever_has_no_way_in_is_refused_alike(way: Way, cast: Cast) -> None:
    with way.database.begin() as db:
        system = Actor.system(cast.aral.id)
        for member in (cast.surgeon, cast.nurse, cast.second_surgeon, cast.expert):
            links.add(db, member.actor, provider_id=way.provider.id, issuer=way.provider.issuer, subject=member.login)
        people.disable(db, system, cast.surgeon.id)
        people.dismiss(db, system, cast.nurse.id, "nurse")
        means.retire(db, system, cast.second_surgeon.id)
    answers = [way.whole(subject) for subject in ("nobody", cast.surgeon.login, cast.nurse.login, cast.second_surgeon.login)]
    answers += [way.whole(subject, amr=["mfa"]) for subject in ("nobody", cast.surgeon.login, cast.nurse.login)]
    # the provider of one hospital speaks for none of another, though they had linked it
    answers.append(way.whole(cast.expert.login, amr=["mfa"]))
    assert answers == [Refused("sso-refused")] * 8
    assert details(way.database, cast.aral.id, "session:refuse") == [{"step": "oidc", "network": HOME}] * 5
    assert details(way.database, cast.taizhou.id, "session:refuse") == [{"step": "oidc", "network": HOME}]


def test_somebody_without_a_second_factor_here_gets_in_by_that_of_the_provider(linked: Way, cast: Cast) -> None:
    with linked.database.begin() as db:
        means.retire(db, Actor.system(cast.aral.id), cast.surgeon.id)
    assert isinstance(linked.whole(amr=["mfa"]), SignedIn)


@pytest.mark.parametrize("verified", [True, False, None])
def test_a_name_or_an_address_like_somebodys_links_nothing(way: Way, cast: Cast, verified: bool | None) -> None:
    login = cast.surgeon.login
    claims = {"email": login, "email_verified": verified, "preferred_username": login, "name": "李娜", "amr": ["mfa"]}
    assert way.whole(login, **claims) == Refused("sso-refused")
    with way.database.begin() as db:
        assert links.own(db, cast.surgeon.actor) == []


def test_the_same_subject_at_two_providers_is_two_people(
    linked: Way, cast: Cast, authority: Authority, log: Callable[[UUID], list[str]]
) -> None:
    with identity.liar(authority) as second:
        with linked.database.begin() as db:
            provider = set_up(db, cast.aral.id, second.issuer)
        other = Way(linked.database, linked.directory, second, provider)
        assert other.whole(amr=["mfa"]) == Refused("sso-refused")
        other.link(cast.nurse)
        found = [way.whole(amr=["mfa"]) for way in (linked, other)]
    assert [one.actor.person_id for one in found if isinstance(one, SignedIn)] == [cast.surgeon.id, cast.nurse.id]


def test_the_session_shown_at_sign_in_ends(linked: Way) -> None:
    old = linked.whole(amr=["mfa"])
    assert isinstance(old, SignedIn)
    begun = linked.begin()
    linked.liar.claim(asked_for(begun)["nonce"], amr=["mfa"])
    held = linked.held(begun)
    new = linked.sign_in(held, linked.exchange(held), presented=old.cookie)
    assert isinstance(new, SignedIn)
    with linked.database.begin() as db:
        assert sessions.resolve(db, old.cookie) is None


def test_refusals_count_against_the_network_and_keep_nobody_out(linked: Way) -> None:
    for _ in range(100):
        assert linked.sign_in(_held(linked), Assertion(linked.provider.issuer, "nobody", frozenset())) == Refused("sso-refused")
    assert linked.sign_in(_held(linked), Assertion(linked.provider.issuer, "nobody", frozenset())) == Refused("throttled")
    with pytest.raises(Throttled):
        linked.sign_in(_held(linked), Assertion(linked.provider.issuer, "nobody", frozenset()))
    assert isinstance(linked.whole(amr=["mfa"]), SignedIn)


def test_a_flood_of_forgeries_does_not_fill_the_log(way: Way, cast: Cast) -> None:
    forged = Failed("assertion-refused", "signature")
    answers = [way.sign_in(_held(way), forged) for _ in range(101)]
    assert answers == [Refused("assertion-refused")] * 100 + [Refused("throttled")]
    with pytest.raises(Throttled):
        way.sign_in(_held(way), forged)
    with way.database.begin() as db:
        refused = audit.events(db, cast.aral.id, actions=["session:refuse"], limit=1000)
    assert len(refused) == 100


def _held(way: Way) -> Held:
    """A ceremony that came back, as the last step gets it."""
    provider = way.provider
    return Held(provider.id, provider.organisation_id, provider.issuer, "shanhai", "", "", "", None, "/")


# --- what comes back --------------------------------------------------------------------------------------------------


def test_a_ceremony_is_good_once(linked: Way) -> None:
    begun = linked.begin()
    linked.liar.claim(asked_for(begun)["nonce"], amr=["mfa"])
    held = linked.held(begun)
    assert isinstance(linked.sign_in(held, linked.exchange(held)), SignedIn)
    assert linked.take(begun) == Refused("sso-expired")


def test_a_ceremony_is_used_up_before_the_provider_is_asked(way: Way) -> None:
    begun = way.begin()
    way.held(begun)
    assert way.liar.forms == []
    assert way.take(begun) == Refused("sso-expired")


@pytest.mark.parametrize("cookie", ["", "planted", "\ud800"])
def test_in_another_browser_it_is_nothing(way: Way, cookie: str) -> None:
    begun = way.begin()
    assert way.take(begun, cookie=cookie) == Refused("sso-expired")
    assert way.take(begun, cookie=way.begin().cookie) == Refused("sso-expired")
    assert isinstance(way.take(begun), Held)


@pytest.mark.parametrize("state", ["", "x", "\ud800é", "A" * 43])
def test_a_state_that_is_not_its_own(way: Way, state: str) -> None:
    begun = way.begin()
    assert way.take(begun, state=state) == Refused("sso-expired")
    assert way.take(begun, state=asked_for(way.begin())["state"]) == Refused("sso-expired")
    assert isinstance(way.take(begun), Held)


def test_a_ceremony_lasts_ten_minutes(way: Way) -> None:
    begun = way.begin()
    with way.database.begin() as db:
        row = db.scalars(select(Ceremony)).one()
        assert dt.timedelta(minutes=9) < row.expires_at - ids.now() <= oidc.LIFE
        row.expires_at = ids.now()
    assert way.take(begun) == Refused("sso-expired")
    with way.database.begin() as db:
        assert oidc.sweep(db) == 1
        assert db.scalar(select(func.count()).select_from(Ceremony)) == 0


def test_a_nonce_of_another_ceremony(linked: Way, cast: Cast) -> None:
    """A token that was made for one ceremony is worth nothing in another of the same browser."""
    first, second = linked.begin(), linked.begin()
    linked.liar.claim(asked_for(first)["nonce"], amr=["mfa"])
    held = linked.held(second)
    told = linked.exchange(held)
    assert told == Failed("assertion-refused", "nonce")
    assert linked.sign_in(held, told) == Refused("assertion-refused")
    assert details(linked.database, cast.aral.id, "session:refuse") == [{"step": "oidc", "why": "nonce", "network": HOME}]


@pytest.mark.parametrize(
    ("issuer", "announced", "refused"),
    [
        ("own", True, False),
        ("own", False, False),
        (None, False, False),
        (None, True, True),
        ("", True, True),
        ("https://other", False, True),
    ],
)
def test_the_issuer_that_comes_back_is_the_one_that_was_asked(linked: Way, issuer: str | None, announced: bool, refused: bool) -> None:
    linked.liar.describe(authorization_response_iss_parameter_supported=announced)
    begun = linked.begin()
    linked.liar.claim(asked_for(begun)["nonce"])
    told = linked.exchange(linked.held(begun), issuer=linked.liar.issuer if issuer == "own" else issuer)
    assert (told == Failed("assertion-refused", "mixed-up")) == refused
    assert (linked.liar.forms == []) == refused


def test_a_code_of_one_provider_never_goes_to_another(linked: Way, cast: Cast, authority: Authority) -> None:
    """Mix-up: what the honest one sends back comes to its own address, where no ceremony of the other's waits."""
    with identity.liar(authority) as attacker:
        with linked.database.begin() as db:
            theirs = set_up(db, cast.taizhou.id, attacker.issuer)
        begun = Way(linked.database, linked.directory, attacker, theirs).begin()
        assert linked.take(begun) == Refused("sso-expired")
        assert attacker.forms == []
        # and a token of the honest one is not believed of the other
        linked.liar.claim(asked_for(begun)["nonce"], amr=["mfa"])
        attacker.paths["/token"] = linked.liar.paths["/token"]
        way = Way(linked.database, linked.directory, attacker, theirs)
        assert way.exchange(way.held(begun)) == Failed("assertion-refused", "signature")
        attacker.paths["/jwks"] = linked.liar.paths["/jwks"]


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        ({"error": "invalid_grant"}, Failed("provider-away", "status")),
        ({}, Failed("assertion-refused", "no-token")),
        ({"id_token": None}, Failed("assertion-refused", "no-token")),
        ({"id_token": ["x"]}, Failed("assertion-refused", "no-token")),
        ({"id_token": "x"}, Failed("assertion-refused", "size")),
        ({"id_token": "x" * 900_000}, Failed("assertion-refused", "size")),
        ({"id_token": "e30.e30.", "padding": "x" * 2_000_000}, Failed("provider-away", "large")),
        (None, Failed("provider-away", "status")),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_token_endpoint_that_answers_otherwise(way: Way, answer: dict[str, Any] | None, failed: Failed) -> None:
    way.liar.paths["/token"] = answer
    assert way.exchange(way.held(way.begin())) == failed


@pytest.mark.parametrize("code", ["", "x" * 5000], ids=len)
def test_a_provider_that_sends_no_code_did_not_sign_anybody_in(way: Way, code: str) -> None:
    held = way.held(way.begin())
    told = way.exchange(held, code=code)
    assert told == Failed("provider-declined", "no-code")
    assert way.sign_in(held, told) == Refused("provider-declined")
    assert way.liar.forms == []


def test_what_failed_is_in_the_servers_log_without_a_word_of_anybodys(linked: Way, cast: Cast, caplog: pytest.LogCaptureFixture) -> None:
    held = linked.held(linked.begin())
    with caplog.at_level(logging.WARNING, "shanhai.oidc"):
        linked.sign_in(held, linked.exchange(held, code="a-code-nobody-reads"))
    assert f"provider {linked.provider.id}: provider-away status" in caplog.text
    assert "a-code-nobody-reads" not in caplog.text
    assert held.cookie not in repr(held)
    assert SECRET not in repr(held)
    assert details(linked.database, cast.aral.id, "session:refuse") == []


def test_a_provider_that_is_gone_meanwhile(linked: Way, cast: Cast) -> None:
    begun = linked.begin()
    with linked.database.begin() as db:
        providers.remove(db, Actor.system(cast.aral.id), issuer=linked.liar.issuer)
    assert linked.take(begun) == Refused("sso-expired")


def test_ceremonies_are_begun_at_a_measure(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oidc, "STARTS", 2)
    way.begin()
    way.begin()
    with pytest.raises(Throttled):
        way.begin()


# --- linking ----------------------------------------------------------------------------------------------------------


def stepped_up(member: Member) -> Actor:
    return dataclasses.replace(member.actor, stepped_up_at=ids.now())


def linking(way: Way, begun: Begun, actor: Actor, **claims: Any) -> object:
    way.liar.claim(asked_for(begun)["nonce"], **claims)
    held = way.held(begun)
    told = way.exchange(held)
    with way.database.begin() as db:
        return oidc.link(db, actor, held, told, address=HOME)


def test_a_person_links_their_account_by_going_there(way: Way, cast: Cast) -> None:
    begun = way.begin(linking=stepped_up(cast.surgeon))
    assert asked_for(begun)["prompt"] == "login"
    # a step-up that runs out on the way does not matter
    assert isinstance(linking(way, begun, cast.surgeon.actor), links.Link)
    done = way.whole(amr=["mfa"])
    assert isinstance(done, SignedIn)
    assert done.actor.person_id == cast.surgeon.id


def test_linking_needs_a_session_a_step_up_and_a_provider_of_ones_own(way: Way, cast: Cast) -> None:
    with pytest.raises(StepUpNeeded):
        way.begin(linking=cast.surgeon.actor)
    with pytest.raises(NotFound):
        way.begin(linking=stepped_up(cast.expert))
    with pytest.raises(Denied):
        way.begin(linking=dataclasses.replace(stepped_up(cast.surgeon), session_id=None))
    with way.database.begin() as db:
        assert db.scalar(select(func.count()).select_from(Ceremony)) == 0


def test_a_link_is_made_in_the_session_that_began_it(way: Way, cast: Cast) -> None:
    for other in (cast.nurse.actor, dataclasses.replace(cast.surgeon.actor, session_id=ids.new())):
        begun = way.begin(linking=stepped_up(cast.surgeon))
        assert linking(way, begun, other) == Refused("sso-expired")
    with way.database.begin() as db:
        assert db.scalar(select(func.count()).select_from(links.Link)) == 0


def test_a_sign_in_links_nothing_and_a_link_signs_nobody_in(linked: Way, cast: Cast) -> None:
    assert linking(linked, linked.begin(), cast.nurse.actor, sub="another") == Refused("sso-expired")
    begun = linked.begin(linking=stepped_up(cast.nurse))
    linked.liar.claim(asked_for(begun)["nonce"], amr=["mfa"])
    held = linked.held(begun)
    assert linked.sign_in(held, linked.exchange(held)) == Refused("sso-expired")


def test_an_account_that_opens_somebody_elses_is_not_linked_again(linked: Way, cast: Cast) -> None:
    assert linking(linked, linked.begin(linking=stepped_up(cast.nurse)), cast.nurse.actor) == Refused("link-taken")


def test_a_forged_assertion_links_nothing(way: Way, cast: Cast) -> None:
    begun = way.begin(linking=stepped_up(cast.surgeon))
    assert linking(way, begun, cast.surgeon.actor, iss="https://evil.example") == Refused("assertion-refused")
    with way.database.begin() as db:
        assert links.own(db, cast.surgeon.actor) == []
