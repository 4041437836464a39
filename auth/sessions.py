"""Sessions: a person signed in at a browser, at work in one organisation at a time.

Only the digest of the cookie's secret is stored. A session ends when idle, at its absolute limit, at
sign-out, when a password or a factor is changed elsewhere, when its person is disabled, and when its person has no role left in its
organisation. The secret is minted at sign-in and again at every step-up and change of organisation
(ASVS 7.2.4), so that one fixed or seen earlier is worth nothing.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import JSON, ColumnElement, ForeignKey, LargeBinary, and_, func, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from auth import actors, news, people, rules, secret
from auth.people import Person
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Denied, NotFound
from core.tables import Base, Code, IdColumn

LONGEST_AGENT = 200


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a session lasts: without a request, and altogether (NIST SP 800-63B-4 §2.2.3: 12 h)."""

    idle: dt.timedelta = dt.timedelta(minutes=15)
    absolute: dt.timedelta = dt.timedelta(hours=12)


class SignedSession(Base):
    """One sign-in. ``network`` and ``agent`` are shown to its person, to know it again.

    One begun with a PIN on a ward device (``device_id``) is narrowed to ``scopes``; for all others they are None.
    """

    __tablename__ = "sessions"

    id: Mapped[IdColumn]
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey(Person.id), index=True)
    organisation_id: Mapped[UUID]
    network: Mapped[str]
    agent: Mapped[str]
    idle_seconds: Mapped[int]
    started_at: Mapped[dt.datetime]
    seen_at: Mapped[dt.datetime]
    idle_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime]
    stepped_up_at: Mapped[dt.datetime | None]
    ended_at: Mapped[dt.datetime | None]
    ended_because: Mapped[Code | None]
    device_id: Mapped[UUID | None] = mapped_column(index=True)
    scopes: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))


def start(
    db: Tx,
    person: Person,
    *,
    organisation_id: UUID,
    by: str = "password",
    network: str = "",
    agent: str = "",
    limits: Limits | None = None,
    device_id: UUID | None = None,
    scopes: frozenset[str] | None = None,
) -> tuple[Actor, str]:
    """Begin a session for a person who has proved both factors; gives the actor and the cookie's secret.

    ``by`` is how they proved the first (``password``, ``oidc``, ``passkey`` …), for the log. The person is told when they have
    signed in before, but never from that network. For `auth.signin`, and for `auth.unlocks`, which narrows it to
    ``scopes``. Raises Denied when the person has no role in the organisation.
    """
    limits = limits or Limits()
    now, plain = ids.now(), secret.mint()
    session = SignedSession(
        id=ids.new(),
        digest=secret.digest(plain),
        person_id=person.id,
        organisation_id=organisation_id,
        network=network,
        agent="".join(c for c in agent if c.isprintable())[:LONGEST_AGENT],
        idle_seconds=int(limits.idle.total_seconds()),
        started_at=now,
        seen_at=now,
        idle_at=now + limits.idle,
        expires_at=now + limits.absolute,
        device_id=device_id,
        scopes=sorted(scopes) if scopes is not None else None,
    )
    actor = actors.acting(db, person, organisation_id, session_id=session.id, scopes=scopes)
    if actor is None:
        raise Denied("not-allowed")
    if network and not signed_in_from(db, person.id, network) and ever_signed_in(db, person.id):
        news.tell(db, person, "account-signed-in")
    db.add(session)
    db.flush()
    _record(db, actor, "session:start", person, session.id, by=by)
    return actor, plain


def resolve(db: Tx, cookie: str, *, touch: bool = True) -> Actor | None:
    """Who holds this cookie; None when there is no such live session.

    ``touch`` pushes the idle limit on, at most once a minute; a poll that no person caused passes False.
    """
    return _actor(db, SignedSession.digest == secret.digest(cookie), touch=touch)


def again(db: Tx, actor: Actor) -> Actor | None:
    """The same session's actor as of now, for streams that check whether their right still stands."""
    return _actor(db, SignedSession.id == actor.session_id, touch=False) if actor.session_id is not None else None


def own(db: Tx, actor: Actor) -> list[SignedSession]:
    """The live sessions of the actor's own person, newest first. Raises Denied for a token or a narrowed session."""
    rules.refuse_narrowed(actor)
    return _live_of(db, actor.person_id)


def live(db: Tx, actor: Actor, person_id: UUID) -> list[SignedSession]:
    """The live sessions of a person of the actor's home organisation, newest first. Needs ``people:manage``. Raises NotFound."""
    people.manageable(db, actor, person_id, at_home=True)
    return _live_of(db, person_id)


def newest(db: Tx, actor: Actor) -> dict[UUID, dt.datetime]:
    """When each person whose home is the actor's organisation signed in last. Needs ``people:manage``."""
    rules.require_in_organisation(actor, "people:manage")
    query = select(SignedSession.person_id, func.max(SignedSession.started_at)).join(Person, Person.id == SignedSession.person_id)
    query = query.where(Person.organisation_id == actor.organisation_id).group_by(SignedSession.person_id)
    return dict(db.execute(query).all())


def end(db: Tx, actor: Actor, session_id: UUID | None = None) -> None:
    """End the actor's session (sign out) or another of the same person.

    Raises NotFound for anybody else's, Denied for a token, and for a narrowed session that would end another.
    """
    rules.refuse_token(actor)
    if session_id not in (None, actor.session_id):
        rules.refuse_narrowed(actor)
    session = db.get(SignedSession, session_id or actor.session_id) if session_id or actor.session_id else None
    if session is None or session.person_id != actor.person_id:
        raise NotFound("session-not-found")
    if session.ended_at is None:
        session.ended_at, session.ended_because = ids.now(), "signed-out"
        db.flush()
        _record(db, actor, "session:end", db.get_one(Person, session.person_id), session.id)


def end_presented(db: Tx, actor: Actor, cookie: str) -> None:
    """End the session whose cookie was shown when ``actor`` signed in anew, whoever's it was."""
    ending = update(SignedSession).where(SignedSession.digest == secret.digest(cookie), SignedSession.ended_at.is_(None))
    ending = ending.values(ended_at=ids.now(), ended_because="replaced")
    for session_id, person_id in db.execute(ending.returning(SignedSession.id, SignedSession.person_id)).all():
        _record(db, actor, "session:end", db.get_one(Person, person_id), session_id, because="replaced")


def end_on_device(db: Tx, device_id: UUID) -> None:
    """End every session that was begun with a PIN on a ward device. For `auth.devices`, which records why."""
    ending = update(SignedSession).where(SignedSession.device_id == device_id, SignedSession.ended_at.is_(None))
    db.execute(ending.values(ended_at=ids.now(), ended_because="device-revoked"))


def end_all(db: Tx, actor: Actor, person_id: UUID, *, because: str, keep: UUID | None = None) -> int:
    """End every session of a person but ``keep``, for a reason given as a code; gives their number.

    For the person, and for ``people:manage`` in their home organisation. Raises NotFound and Denied.
    """
    rules.refuse_narrowed(actor)
    mine = person_id == actor.person_id
    person = people.get(db, actor, person_id) if mine else people.manageable(db, actor, person_id, at_home=True)
    now = ids.now()
    ending = update(SignedSession).where(SignedSession.person_id == person_id, SignedSession.ended_at.is_(None))
    if keep is not None:
        ending = ending.where(SignedSession.id != keep)
    ended = db.execute(ending.values(ended_at=now, ended_because=because).returning(SignedSession.id)).all()
    if ended:
        _record(db, actor, "session:end-all", person, None, because=because, count=len(ended))
    return len(ended)


def switch(db: Tx, actor: Actor, organisation_id: UUID) -> tuple[Actor, str]:
    """Go on in another organisation the person works in, under a fresh secret; a step-up does not come along.

    Raises NotFound for an organisation where the person has no role, Denied without a session.
    """
    session = _held(db, actor)
    person = db.get_one(Person, session.person_id)
    there = actors.acting(db, person, organisation_id, session_id=session.id)
    if there is None:
        raise NotFound("organisation-not-found")
    session.organisation_id, session.stepped_up_at = organisation_id, None
    plain = _rotate(db, session)
    _record(db, there, "session:switch", person, session.id)
    return there, plain


def step_up(db: Tx, actor: Actor, *, by: str) -> tuple[Actor, str]:
    """Note that the person has just proved a factor again, and ``by`` which; for `auth.stepup` alone. Gives the fresh secret."""
    session = _held(db, actor)
    person = db.get_one(Person, session.person_id)
    session.stepped_up_at = ids.now()
    plain = _rotate(db, session)
    stepped = actors.acting(db, person, session.organisation_id, session_id=session.id, stepped_up_at=session.stepped_up_at)
    if stepped is None:
        raise Denied("not-allowed")
    _record(db, stepped, "session:step-up", person, session.id, by=by)
    return stepped, plain


def signed_in_from(db: Tx, person_id: UUID, network: str) -> bool:
    """Whether the person has signed in from that network within ninety days: one who is known there."""
    since = ids.now() - dt.timedelta(days=90)
    query = select(SignedSession.id).where(
        SignedSession.person_id == person_id, SignedSession.network == network, SignedSession.started_at > since
    )
    return db.scalars(query.limit(1)).first() is not None


def ever_signed_in(db: Tx, person_id: UUID) -> bool:
    """Whether the person has signed in at any time."""
    return db.scalars(select(SignedSession.id).where(SignedSession.person_id == person_id).limit(1)).first() is not None


def _live_of(db: Tx, person_id: UUID | None) -> list[SignedSession]:
    query = select(SignedSession).join(Person, Person.id == SignedSession.person_id)
    query = query.where(SignedSession.person_id == person_id, _live(ids.now()))
    return list(db.scalars(query.order_by(SignedSession.seen_at.desc(), SignedSession.id)))


def _live(now: dt.datetime) -> ColumnElement[bool]:
    return and_(
        SignedSession.ended_at.is_(None),
        SignedSession.expires_at > now,
        SignedSession.idle_at > now,
        or_(Person.void_before.is_(None), SignedSession.started_at > Person.void_before),
    )


def _actor(db: Tx, which: ColumnElement[bool], *, touch: bool) -> Actor | None:
    now = ids.now()
    query = select(SignedSession, Person).join(Person, Person.id == SignedSession.person_id).where(which, _live(now))
    found = db.execute(query.execution_options(populate_existing=True)).first()
    if found is None:
        return None
    session, person = found
    if touch and actors.touch_is_due(session.seen_at, now) and actors.may_write(db):
        _touch(db, session, now)
    scopes = frozenset(session.scopes) if session.scopes is not None else None
    return actors.acting(db, person, session.organisation_id, session_id=session.id, scopes=scopes, stepped_up_at=session.stepped_up_at)


def _touch(db: Tx, session: SignedSession, now: dt.datetime) -> None:
    """Push the idle limit on, unless another request of the session is doing so: nobody waits for that."""
    free = select(SignedSession.id).where(SignedSession.id == session.id).with_for_update(skip_locked=True)
    touching = update(SignedSession).where(SignedSession.id.in_(free)).execution_options(synchronize_session=False)
    db.execute(touching.values(seen_at=now, idle_at=now + dt.timedelta(seconds=session.idle_seconds)))


def _held(db: Tx, actor: Actor) -> SignedSession:
    session = db.get(SignedSession, actor.session_id) if actor.session_id is not None else None
    if session is None or session.ended_at is not None:
        raise Denied("session-needed")
    rules.refuse_narrowed(actor)
    return session


def _rotate(db: Tx, session: SignedSession) -> str:
    plain = secret.mint()
    session.digest = secret.digest(plain)
    db.flush()
    return plain


def _record(db: Tx, actor: Actor, action: str, person: Person, session_id: UUID | None, **detail: str | int | bool) -> None:
    audit.record(
        db,
        actor,
        action,
        organisation_id=person.organisation_id,
        person_id=person.id,
        object_type="session",
        object_id=session_id,
        purpose="administration",
        detail=dict(detail),
    )
