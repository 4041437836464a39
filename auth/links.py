"""Links: which account at an identity provider opens which person's account here.

The provider's own pair (issuer, subject) is the key, never a name or an e-mail address, which a provider may
change, give to another or not have checked. Only the person makes a link, while signed in here with both factors;
one pair opens one person. Making and ending one is told to the person.
"""

import datetime as dt
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from auth import news, rules
from auth.people import Person
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Denied, NotFound
from core.tables import Base, IdColumn


class Link(Base):
    """One account at one provider, and whose it is here."""

    __tablename__ = "account_links"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: Mapped[IdColumn]
    person_id: Mapped[UUID] = mapped_column(ForeignKey(Person.id), index=True)
    provider_id: Mapped[UUID] = mapped_column(ForeignKey("identity_providers.id"), index=True)
    issuer: Mapped[str]
    subject: Mapped[str]
    linked_at: Mapped[dt.datetime] = mapped_column(default=ids.now)
    used_at: Mapped[dt.datetime | None]


def add(db: Tx, actor: Actor, *, provider_id: UUID, issuer: str, subject: str) -> Link:
    """Link an account that the provider has just vouched for to the actor's own; again changes nothing.

    For `auth.oidc` alone. Raises Denied without a session, and Conflict ``link-taken`` when it opens somebody else's.
    """
    if actor.person_id is None or actor.session_id is None:
        raise Denied("session-needed")
    link = _of(db, issuer, subject)
    if link is None:
        link = Link(id=ids.new(), person_id=actor.person_id, provider_id=provider_id, issuer=issuer, subject=subject)
        try:
            with db.begin_nested():
                db.add(link)
        except IntegrityError:
            raise Conflict("link-taken") from None
        _tell(db, actor, "account:link", link, "account-link-added")
    if link.person_id != actor.person_id:
        raise Conflict("link-taken")
    return link


def remove(db: Tx, actor: Actor, link_id: UUID) -> None:
    """End a link of the actor's own; needs a step-up. Raises NotFound, Denied and StepUpNeeded."""
    rules.refuse_token(actor)
    link = db.get(Link, link_id)
    if link is None or actor.person_id is None or link.person_id != actor.person_id:
        raise NotFound("link-not-found")
    rules.require_step_up(actor)
    db.delete(link)
    db.flush()
    _tell(db, actor, "account:unlink", link, "account-link-removed")


def own(db: Tx, actor: Actor) -> list[Link]:
    """The links of the actor's own account, oldest first. Raises Denied for a token."""
    rules.refuse_token(actor)
    return list(db.scalars(select(Link).where(Link.person_id == actor.person_id).order_by(Link.id)))


def person_of(db: Tx, *, provider_id: UUID, issuer: str, subject: str) -> Person | None:
    """Whose account here the provider's account opens; the use is noted. For `auth.oidc` alone."""
    link = _of(db, issuer, subject)
    if link is None or link.provider_id != provider_id:
        return None
    link.used_at = ids.now()
    db.flush()
    return db.get_one(Person, link.person_id, populate_existing=True)


def end_all(db: Tx, actor: Actor, *, person_id: UUID | None = None, provider_id: UUID | None = None) -> int:
    """End every link of a person, or through a provider; gives their number. For `auth.enrolments` and `auth.providers`."""
    which = Link.person_id == person_id if person_id is not None else Link.provider_id == provider_id
    ended = list(db.scalars(select(Link).where(which)))
    db.execute(delete(Link).where(which))
    for link in ended:
        _tell(db, actor, "account:unlink", link, "account-link-removed")
    return len(ended)


def _of(db: Tx, issuer: str, subject: str) -> Link | None:
    return db.scalars(select(Link).where(Link.issuer == issuer, Link.subject == subject)).first()


def _tell(db: Tx, actor: Actor, action: str, link: Link, kind: str) -> None:
    person = db.get_one(Person, link.person_id)
    audit.record(
        db, actor, action, organisation_id=person.organisation_id, person_id=person.id, object_type="account-link", object_id=link.id,
        purpose="administration",
    )  # fmt: skip
    news.tell(db, person, kind)
