"""Identity providers: where a hospital's people sign in once for everything (OpenID Connect 1.0).

A provider belongs to one hospital and speaks for the people whose home that is, nobody else: no hospital's
provider opens an account of another. It is set up on the command line alone. The client's secret is sealed under
the hospital's key. ``second_factors`` are the values of ``amr`` or ``acr`` (RFC 8176) by which it says that a
second factor was given; as long as none is named, ours is asked for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from auth import links, organisations, rules
from auth.organisations import LONGEST_NAME, Organisation
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Denied, Invalid, NotFound
from core.keyring import Unit
from core.tables import Base, IdColumn

LONGEST = 500


class IdentityProvider(Base):
    """One provider of one hospital. ``version`` counts the secrets it has had."""

    __tablename__ = "identity_providers"
    __table_args__ = (UniqueConstraint("organisation_id", "issuer"),)

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id))
    issuer: Mapped[str]
    client_id: Mapped[str]
    client_secret: Mapped[bytes | None]
    version: Mapped[int] = mapped_column(default=0)
    name: Mapped[str]
    name_en: Mapped[str]
    second_factors: Mapped[list[str]]


@dataclass(frozen=True, slots=True)
class Offered:
    """A provider as the sign-in page names it."""

    id: UUID
    name: str
    name_en: str


def set_up(
    db: Tx,
    actor: Actor,
    *,
    issuer: str,
    client_id: str,
    client_secret: str = "",
    name: str,
    name_en: str,
    second_factors: Iterable[str] = (),
) -> IdentityProvider:
    """Set up a provider of the actor's hospital, or change the one of that issuer, whose links stay.

    For the command line; whether ``issuer`` is an address that may be asked is the caller's to know. Raises Denied for
    any person, NotFound for an unknown hospital, and Invalid naming the fields.
    """
    _by_command_only(actor)
    organisations.get(db, actor.organisation_id)
    texts = {"issuer": issuer, "client_id": client_id, "name": name.strip(), "name_en": name_en.strip()}
    wrong = {key: "text-missing" for key, value in texts.items() if not value}
    wrong |= {key: "text-too-long" for key, value in texts.items() if len(value) > (LONGEST_NAME if "name" in key else LONGEST)}
    if wrong:
        raise Invalid(fields=wrong)
    provider = _of(db, actor.organisation_id, issuer)
    if provider is None:
        provider = IdentityProvider(id=ids.new(), organisation_id=actor.organisation_id, version=0)
        db.add(provider)
    for key, value in texts.items():
        setattr(provider, key, value)
    provider.second_factors = sorted(set(second_factors))
    provider.version += 1
    provider.client_secret = _sealed(db, provider, client_secret)
    db.flush()
    _record(db, actor, "identity-provider:set-up", provider)
    return provider


def remove(db: Tx, actor: Actor, *, issuer: str) -> None:
    """Take a provider of the actor's hospital away, and with it every link through it. Raises Denied and NotFound."""
    _by_command_only(actor)
    provider = _of(db, actor.organisation_id, issuer)
    if provider is None:
        raise NotFound("provider-not-found")
    ended = links.end_all(db, actor, provider_id=provider.id)
    db.delete(provider)
    db.flush()
    _record(db, actor, "identity-provider:remove", provider, links=ended)


def listed(db: Tx, organisation_id: UUID) -> list[IdentityProvider]:
    """The providers of a hospital, oldest first."""
    query = select(IdentityProvider).where(IdentityProvider.organisation_id == organisation_id)
    return list(db.scalars(query.order_by(IdentityProvider.id)))


def offered(db: Tx) -> list[Offered]:
    """Every hospital's providers, for a reader nobody knows yet."""
    query = select(IdentityProvider).order_by(IdentityProvider.name, IdentityProvider.id)
    return [Offered(provider.id, provider.name, provider.name_en) for provider in db.scalars(query)]


def get(db: Tx, provider_id: UUID) -> IdentityProvider:
    """A provider. Raises NotFound."""
    provider = db.get(IdentityProvider, provider_id)
    if provider is None:
        raise NotFound("provider-not-found")
    return provider


def secret_of(db: Tx, provider: IdentityProvider) -> str:
    """The client's secret in plain; empty for a client without one. For `auth.oidc` alone."""
    if provider.client_secret is None:
        return ""
    unit = Unit("organisation", provider.organisation_id, provider.organisation_id)
    told = db.keyring.unseal(db, unit, "client-secret", "identity_providers", provider.id, provider.version, provider.client_secret)
    return told.decode()


def _sealed(db: Tx, provider: IdentityProvider, plain: str) -> bytes | None:
    if not plain:
        return None
    unit = Unit("organisation", provider.organisation_id, provider.organisation_id)
    return db.keyring.seal(db, unit, "client-secret", "identity_providers", provider.id, provider.version, plain.encode())


def _of(db: Tx, organisation_id: UUID, issuer: str) -> IdentityProvider | None:
    query = select(IdentityProvider).where(IdentityProvider.organisation_id == organisation_id, IdentityProvider.issuer == issuer)
    return db.scalars(query).first()


def _by_command_only(actor: Actor) -> None:
    rules.require_in_organisation(actor, "organisation:manage")
    if actor.person_id is not None:
        raise Denied("not-allowed")


def _record(db: Tx, actor: Actor, action: str, provider: IdentityProvider, **detail: int) -> None:
    audit.record(
        db, actor, action, organisation_id=provider.organisation_id, object_type="identity-provider", object_id=provider.id,
        purpose="administration", detail=dict(detail),
    )  # fmt: skip
