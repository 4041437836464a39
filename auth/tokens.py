"""API tokens: what a machine holds to act for a person in one organisation, within scopes.

A scope is an action's name; a token can never do more than its person's roles allow at the moment of use.
Only a digest of the secret is stored; its prefix ``shk_`` lets scanners of leaked text recognise it. A
token cannot step up, so it signs nothing and makes no other token.
"""

import datetime as dt
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, LargeBinary, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from auth import actors, people, rules, secret
from auth.people import Person
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Denied, Invalid, NotFound
from core.tables import Base, IdColumn

PREFIX = "shk_"
LONGEST_LIFE = dt.timedelta(days=366)
LONGEST_NAME = 100


class Token(Base):
    """One token: whose, where, for what, until when."""

    __tablename__ = "tokens"

    id: Mapped[IdColumn]
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey(Person.id), index=True)
    organisation_id: Mapped[UUID]
    name: Mapped[str]
    scopes: Mapped[list[str]]
    created_at: Mapped[dt.datetime] = mapped_column(default=ids.now)
    expires_at: Mapped[dt.datetime]
    last_used_at: Mapped[dt.datetime | None]
    revoked_at: Mapped[dt.datetime | None]


def create(
    db: Tx, actor: Actor, *, name: str, scopes: Iterable[str], expires_at: dt.datetime, person_id: UUID | None = None
) -> tuple[Token, str]:
    """Make a token for the actor; gives the row and the secret, which is shown this once.

    Needs a step-up; only the command line (the system) makes one for somebody else. Raises Denied,
    StepUpNeeded, NotFound, and Invalid for scopes the person's roles do not have.
    """
    owner_id = person_id or actor.person_id
    rules.require_in_organisation(actor, "token:manage", person_id=owner_id)
    if owner_id is None or (actor.person_id is not None and owner_id != actor.person_id):
        raise Denied("token-for-another")
    rules.require_step_up(actor)
    person = people.get(db, actor, owner_id)
    scopes = sorted(set(scopes))
    wrong = {}
    if not name.strip():
        wrong["name"] = "text-missing"
    elif len(name) > LONGEST_NAME or not name.isprintable():
        wrong["name"] = "text-too-long" if len(name) > LONGEST_NAME else "text-invalid"
    if not scopes or not set(scopes) <= rules.actions_of(actors.roles(db, owner_id, actor.organisation_id)):
        wrong["scopes"] = "scopes-not-held"
    if not ids.now() < expires_at <= ids.now() + LONGEST_LIFE:
        wrong["expires_at"] = "token-expiry-out-of-range"
    if wrong:
        raise Invalid(fields=wrong)
    plain = secret.mint(PREFIX)
    token = Token(
        digest=secret.digest(plain),
        person_id=person.id,
        organisation_id=actor.organisation_id,
        name=name.strip(),
        scopes=scopes,
        expires_at=expires_at,
    )
    db.add(token)
    db.flush()
    _record(db, actor, "token:create", token)
    return token, plain


def resolve(db: Tx, bearer: str) -> Actor | None:
    """Who holds this token; None when there is no such live token. Notes the time of use, at most once a minute."""
    return _actor(db, Token.digest == secret.digest(bearer)) if bearer.startswith(PREFIX) else None


def again(db: Tx, actor: Actor) -> Actor | None:
    """The same token's actor as of now, for streams that check whether their right still stands."""
    return _actor(db, Token.id == actor.token_id) if actor.token_id is not None else None


def listed(db: Tx, actor: Actor, person_id: UUID | None = None) -> list[Token]:
    """The actor's tokens, or a person's of the actor's organisation for its administrator; newest first.

    Raises Denied and NotFound.
    """
    owner_id = person_id or actor.person_id
    rules.require_in_organisation(actor, "token:manage", person_id=owner_id)
    if owner_id is None:
        raise NotFound("person-not-found")
    people.get(db, actor, owner_id)
    query = select(Token).where(Token.person_id == owner_id)
    if owner_id != actor.person_id:
        query = query.where(Token.organisation_id == actor.organisation_id)
    return list(db.scalars(query.order_by(Token.id.desc())))


def of_hospital(db: Tx, actor: Actor) -> list[tuple[Token, Person]]:
    """Every token that acts in the actor's organisation, with whose it is; newest first. For its administrators. Raises Denied."""
    rules.require_in_organisation(actor, "token:manage")
    query = select(Token, Person).join(Person, Person.id == Token.person_id).where(Token.organisation_id == actor.organisation_id)
    return [(token, person) for token, person in db.execute(query.order_by(Token.id.desc()))]


def revoke(db: Tx, actor: Actor, token_id: UUID) -> Token:
    """End a token at once: one's own, or as an administrator one of one's organisation. Raises NotFound."""
    token = db.get(Token, token_id)
    if token is None:
        raise NotFound("token-not-found")
    mine = actor.person_id is not None and token.person_id == actor.person_id
    managed = token.organisation_id == actor.organisation_id and rules.roles_for(actor, "own", "token:manage")
    if not (mine and rules.roles_for(actor, "self", "token:manage")) and not managed:
        raise NotFound("token-not-found")
    if token.revoked_at is None:
        token.revoked_at = ids.now()
        db.flush()
        _record(db, actor, "token:revoke", token)
    return token


def _actor(db: Tx, which: ColumnElement[bool]) -> Actor | None:
    now = ids.now()
    query = (
        select(Token, Person)
        .join(Person, Person.id == Token.person_id)
        .where(
            which,
            Token.revoked_at.is_(None),
            Token.expires_at > now,
            or_(Person.void_before.is_(None), Token.created_at > Person.void_before),
        )
    )
    found = db.execute(query.execution_options(populate_existing=True)).first()
    if found is None:
        return None
    token, person = found
    actor = actors.acting(db, person, token.organisation_id, token_id=token.id, scopes=frozenset(token.scopes))
    if actor is not None and actors.touch_is_due(token.last_used_at, now) and actors.may_write(db):
        free = select(Token.id).where(Token.id == token.id).with_for_update(skip_locked=True)
        touching = update(Token).where(Token.id.in_(free)).execution_options(synchronize_session=False)
        db.execute(touching.values(last_used_at=now))
    return actor


def _record(db: Tx, actor: Actor, action: str, token: Token) -> None:
    audit.record(
        db,
        actor,
        action,
        organisation_id=token.organisation_id,
        person_id=token.person_id,
        object_type="token",
        object_id=token.id,
        purpose="administration",
        detail={"scopes": len(token.scopes)},
    )
