"""Single sign-on: the authorization code flow with PKCE (OpenID Connect Core 1.0 §3.1, RFC 7636, RFC 9700).

A ceremony begins here, goes on at the provider and comes back, in one browser, once, within ten minutes. Its
cookie holds the one secret; ``state``, ``nonce`` and the verifier of PKCE are derived from it, so that the server
keeps nothing that a reader of its tables could use, and what comes back to another browser fits nothing. Each
provider has an address of its own to come back to, and its ``iss`` is checked where it sends one: a code of one
provider never goes to another (mix-up, RFC 9700 §4.4, RFC 9207).

What the provider asserts opens the account that its person has linked (`auth.links`), if the provider is their own
hospital's. It is the first factor; the second too, when the provider says so in a way that the hospital named.
Nothing here waits for the provider inside a transaction: `begin`, `take` and the last step have one each, and
`exchange` none.
"""

import base64
import datetime as dt
import hashlib
import hmac
import logging
from dataclasses import dataclass, field
from urllib.parse import quote_plus, urlencode
from uuid import UUID

from sqlalchemy import LargeBinary, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from auth import idtokens, links, means, people, proofs, providers, rules, secret, signin, throttle
from auth.discovery import Description, Directory
from auth.idtokens import Assertion
from auth.links import Link
from auth.people import Person
from auth.proofs import Refused
from auth.providers import IdentityProvider
from auth.sessions import Limits
from auth.signin import Pending, SignedIn
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Denied, NotFound, Unavailable
from core.tables import Base, IdColumn

LIFE = dt.timedelta(minutes=10)
STARTS, PER = 600, dt.timedelta(minutes=15)
LONGEST_CODE = 4096

log = logging.getLogger("shanhai.oidc")


class Ceremony(Base):
    """One way to a provider and back. ``session_id`` is whose account is being linked; None where somebody signs in."""

    __tablename__ = "oidc_ceremonies"

    id: Mapped[IdColumn]
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    provider_id: Mapped[UUID]
    session_id: Mapped[UUID | None]
    onward: Mapped[str]
    expires_at: Mapped[dt.datetime] = mapped_column(index=True)
    ended_at: Mapped[dt.datetime | None]


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes, and the secret for its cookie."""

    url: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Held:
    """A ceremony that came back: all that the exchange needs, outside any transaction."""

    provider_id: UUID
    organisation_id: UUID
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    cookie: str = field(repr=False)
    redirect_uri: str
    session_id: UUID | None
    onward: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Why nothing was asserted: the code of the sentence to show, and of the reason for the log."""

    code: str
    why: str


def redirect_uri(base_url: str, provider_id: UUID) -> str:
    """Where a provider sends the browser back to: an address of its own, to be set up there."""
    return f"{base_url.rstrip('/')}/sign-in/oidc/{provider_id}/callback"


def begin(
    db: Tx, provider_id: UUID, described: Description, *, base_url: str, onward: str, address: str, linking: Actor | None = None
) -> Begun:
    """Begin a ceremony: to sign in, or (``linking``) to link the account of somebody who has just stepped up.

    The provider is made to ask who it is before an account is linked: on a shared computer it may know somebody
    else. Raises NotFound, Throttled, and Denied and StepUpNeeded for ``linking``.
    """
    provider = providers.get(db, provider_id)
    if linking is not None:
        may_link(db, linking, provider.id)
    throttle.hit(db, f"oidc:{throttle.network(address)}", STARTS, PER)
    cookie = secret.mint()
    session_id = linking.session_id if linking is not None else None
    row = Ceremony(digest=secret.digest(cookie), provider_id=provider.id, session_id=session_id, onward=onward, expires_at=ids.now() + LIFE)
    db.add(row)
    db.flush()
    asked = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri(base_url, provider.id),
        "scope": "openid",
        "state": _derived(cookie, "state"),
        "nonce": _derived(cookie, "nonce"),
        "code_challenge": _base64url(hashlib.sha256(_derived(cookie, "verifier").encode()).digest()),
        "code_challenge_method": "S256",
    }
    if linking is not None:
        asked["prompt"] = "login"
    end = described.authorization_endpoint
    return Begun(f"{end}{'&' if '?' in end else '?'}{urlencode(asked)}", cookie)


def may_link(db: Tx, actor: Actor, provider_id: UUID) -> None:
    """Hold the actor to a provider of their home hospital, just stepped up. Raises NotFound, Denied and StepUpNeeded."""
    if actor.person_id is None or actor.session_id is None:
        raise Denied("session-needed")
    if db.get_one(Person, actor.person_id).organisation_id != providers.get(db, provider_id).organisation_id:
        raise NotFound("provider-not-found")
    rules.require_step_up(actor)


def take(db: Tx, provider_id: UUID, *, cookie: str, state: str, base_url: str) -> Held | Refused:
    """The ceremony of that cookie and state, which is used up by this. Refused ``sso-expired``."""
    query = select(Ceremony).where(Ceremony.digest == secret.digest(cookie)).with_for_update()
    row = db.scalars(query, execution_options={"populate_existing": True}).first()
    if row is None or row.ended_at is not None or row.expires_at <= ids.now() or row.provider_id != provider_id:
        return Refused("sso-expired")
    if not hmac.compare_digest(state.encode("utf-8", "surrogatepass"), _derived(cookie, "state").encode()):
        return Refused("sso-expired")
    row.ended_at = ids.now()
    db.flush()
    try:
        provider = providers.get(db, provider_id)
    except NotFound:
        return Refused("sso-expired")
    return Held(
        provider_id=provider.id,
        organisation_id=provider.organisation_id,
        issuer=provider.issuer,
        client_id=provider.client_id,
        client_secret=providers.secret_of(db, provider),
        cookie=cookie,
        redirect_uri=redirect_uri(base_url, provider.id),
        session_id=row.session_id,
        onward=row.onward,
    )


def exchange(directory: Directory, held: Held, *, code: str, issuer: str | None) -> Assertion | Failed:
    """Turn the code that came back into what the provider asserts. ``issuer`` is its ``iss``, if it sent one (RFC 9207).

    Failed ``provider-away``, ``provider-declined`` (it sent no code) or ``assertion-refused``.
    """
    try:
        described = directory.describe(held.issuer)
        if issuer != held.issuer and (issuer is not None or described.names_itself):
            raise Denied("assertion-refused", why="mixed-up")
        if not code or len(code) > LONGEST_CODE:
            raise Denied("provider-declined", why="no-code")
        told = directory.caller.ask(described.token_endpoint, set_by=held.issuer, **_token_request(described, held, code))
        token = told.get("id_token")
        if not isinstance(token, str):
            raise Denied("assertion-refused", why="no-token")
        return idtokens.check(
            token,
            issuer=held.issuer,
            client_id=held.client_id,
            nonce=_derived(held.cookie, "nonce"),
            find_keys=lambda kid: directory.keys(described, kid),
            access_token=told.get("access_token"),
        )
    except (Unavailable, Denied) as error:
        return Failed(error.code, str(error.params.get("why", "")))


def sign_in(
    db: Tx,
    held: Held,
    told: Assertion | Failed,
    *,
    address: str,
    agent: str = "",
    limits: Limits | None = None,
    presented: str | None = None,
) -> SignedIn | Pending | Refused:
    """The last step of signing in: a session, or our own second step, or one refusal for whoever gets neither.

    An account that nobody linked, a person of another hospital, a disabled one, one who works nowhere and one
    without a second factor are refused alike (``sso-refused``) and count against the network. Refused too with the
    code of a failure, or ``throttled``; raises Throttled.
    """
    network = throttle.network(address)
    if held.session_id is not None:
        return Refused("sso-expired")
    if isinstance(told, Failed):
        return _failed(db, held, told, network)
    provider = providers.get(db, held.provider_id)
    person = links.person_of(db, provider_id=provider.id, issuer=told.issuer, subject=told.subject)
    both = not told.methods.isdisjoint(provider.second_factors)
    if person is None or not _usable(db, person, provider) or not (both or means.of(db, person.id).enrolled):
        return _refused(db, person, network)
    if not both:
        return signin.pend(db, person, by="oidc")
    signed_in = signin.admit(db, person, by="oidc", network=network, agent=agent, limits=limits, presented=presented)
    return signed_in or _refused(db, person, network)


def link(db: Tx, actor: Actor, held: Held, told: Assertion | Failed, *, address: str) -> Link | Refused:
    """The last step of linking, in the session that began it. Refused ``link-taken``, or as `sign_in`; raises Throttled."""
    if held.session_id is None or held.session_id != actor.session_id:
        return Refused("sso-expired")
    if isinstance(told, Failed):
        return _failed(db, held, told, throttle.network(address))
    provider = providers.get(db, held.provider_id)
    try:
        return links.add(db, actor, provider_id=provider.id, issuer=told.issuer, subject=told.subject)
    except Conflict as taken:
        return Refused(taken.code)


def sweep(db: Tx) -> int:
    """Forget the ceremonies that are over; gives their number."""
    return len(db.execute(delete(Ceremony).where(Ceremony.expires_at < ids.now()).returning(Ceremony.id)).all())


def _usable(db: Tx, person: Person, provider: IdentityProvider) -> bool:
    at_home = person.organisation_id == provider.organisation_id
    return at_home and person.disabled_at is None and bool(people.workplaces(db, person.id))


def _token_request(described: Description, held: Held, code: str) -> dict[str, dict[str, str]]:
    """The form of RFC 6749 §4.1.3 and RFC 7636 §4.5, with the client's secret as the provider takes it."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": held.redirect_uri,
        "code_verifier": _derived(held.cookie, "verifier"),
    }
    if held.client_secret and described.takes_basic:
        pair = f"{quote_plus(held.client_id)}:{quote_plus(held.client_secret)}"
        return {"form": form, "headers": {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}}
    named = {"client_id": held.client_id, **({"client_secret": held.client_secret} if held.client_secret else {})}
    return {"form": form | named}


def _derived(cookie: str, what: str) -> str:
    """What the browser's secret amounts to for one use; none of them gives away another."""
    return _base64url(hmac.digest(cookie.encode("utf-8", "surrogatepass"), f"oidc {what}".encode(), "sha256"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _failed(db: Tx, held: Held, told: Failed, network: str) -> Refused:
    """The answer to an exchange that failed. What was not believed is told to the provider's hospital."""
    log.warning("provider %s: %s %s", held.provider_id, told.code, told.why)
    if told.code == "assertion-refused":
        full = proofs.from_elsewhere(db, network=network)
        if full is not None:
            return full
        audit.record(
            db, Actor.system(held.organisation_id), "session:refuse", organisation_id=held.organisation_id,
            object_type="identity-provider", object_id=held.provider_id, purpose="administration", outcome="failure",
            detail={"step": "oidc", "why": told.why, "network": network},
        )  # fmt: skip
    return Refused(told.code)


def _refused(db: Tx, person: Person | None, network: str) -> Refused:
    """The one refusal of whoever the provider knows and we do not let in; the person's hospital is told, if any."""
    full = proofs.from_elsewhere(db, network=network)
    if person is not None and (full is None or full.news):
        signin.refused(db, person, "oidc", network, throttled=full is not None)
    return full or Refused("sso-refused")
