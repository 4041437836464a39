"""People: who works here, and in which roles.

A person has one home organisation, which keeps their account and logs their sign-ins, and memberships
(person, organisation, role) there and elsewhere. Administrators manage the people of their own hospital:
nobody changes their own rights, nobody hands out the operator's role but the command line, the roles of
administrator and auditor take two (`auth.proposals`), and the last administrator stays. Names, titles and telephone numbers of staff are not secret among the hospitals; what
else stands here is for their own hospital.
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, or_, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from auth import organisations, rules
from auth.organisations import LONGEST_NAME, ZONES, Organisation
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Denied, Invalid, NotFound
from core.tables import Base, Code, IdColumn

LANGUAGES = ("zh", "en")
LOGIN = re.compile(r"[a-z0-9][a-z0-9._@+-]{1,63}")
# what a browser takes for an address (HTML, "valid e-mail address"), folded
EMAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+")
LONGEST_EMAIL = 254
EARLIEST_PRACTICE = 1940
BY_COMMAND_ONLY = frozenset({"operator"})
BY_TWO = frozenset({"administrator", "auditor"})
"""The roles that one administrator proposes and another confirms; where duties are separate, nobody holds both."""

_ADDRESSED = text("email <> ''")


class Person(Base):
    """One person's account. ``organisation_id`` is the home organisation; ``void_before`` ends what began before it.

    An ``email`` belongs to one account of a hospital at the most: it says who may accept an invitation.
    ``practising_since`` is the year in which they began to practise by themselves.
    """

    __tablename__ = "people"
    __table_args__ = (
        Index("uq_people_email", "organisation_id", "email", unique=True, sqlite_where=_ADDRESSED, postgresql_where=_ADDRESSED),
    )

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id), index=True)
    login: Mapped[Code] = mapped_column(unique=True)
    name: Mapped[str]
    name_en: Mapped[str]
    title: Mapped[str]
    language: Mapped[Code]
    time_zone: Mapped[Code]
    phone: Mapped[str]
    email: Mapped[str] = mapped_column(default="", server_default="")
    licence_number: Mapped[str]
    specialty: Mapped[str]
    practising_since: Mapped[int | None]
    created_at: Mapped[dt.datetime] = mapped_column(default=ids.now)
    disabled_at: Mapped[dt.datetime | None]
    void_before: Mapped[dt.datetime | None]


class Membership(Base):
    """One role of one person in one organisation."""

    __tablename__ = "memberships"
    __table_args__ = (UniqueConstraint("person_id", "organisation_id", "role"),)

    id: Mapped[IdColumn]
    person_id: Mapped[UUID] = mapped_column(ForeignKey(Person.id))
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id), index=True)
    role: Mapped[Code]
    since: Mapped[dt.datetime] = mapped_column(default=ids.now)


@dataclass(frozen=True, slots=True)
class Byline:
    """What stands beside somebody's work: name, title and hospital."""

    id: UUID
    name: str
    name_en: str
    title: str
    organisation_id: UUID


def plain_login(login: str) -> str:
    """The one spelling of a login: compatibility-normalised (NFKC), folded, without space around it."""
    return unicodedata.normalize("NFKC", login).strip().casefold()


def plain_email(email: str) -> str:
    """The one spelling of an e-mail address, folded as a login is."""
    return plain_login(email)


def create(
    db: Tx,
    actor: Actor,
    *,
    login: str,
    name: str,
    name_en: str = "",
    title: str = "",
    language: str = "zh",
    time_zone: str | None = None,
    phone: str = "",
    email: str = "",
    licence_number: str = "",
    specialty: str = "",
    practising_since: int | None = None,
    roles: Iterable[str] = (),
) -> Person:
    """Add a person to the actor's organisation, with roles there, without any way to sign in yet.

    Needs ``people:manage`` in a session and, to hand out roles, a step-up. Raises Denied, StepUpNeeded, and
    Invalid naming the fields (``login-taken``, ``email-taken``).
    """
    rules.require_in_organisation(actor, "people:manage")
    rules.refuse_token(actor)
    roles = sorted(set(roles))
    if roles:
        rules.require_step_up(actor)
    home = db.get_one(Organisation, actor.organisation_id)
    texts = {"name": name, "name_en": name_en, "title": title, "phone": phone, "licence_number": licence_number, "specialty": specialty}
    texts = {key: unicodedata.normalize("NFC", value).strip() for key, value in texts.items()}
    person = Person(
        id=ids.new(),
        organisation_id=home.id,
        login=plain_login(login),
        language=language,
        time_zone=time_zone or home.time_zone,
        email=plain_email(email),
        practising_since=practising_since,
        **texts,
    )
    wrong = wrong_in(person)
    if not LOGIN.fullmatch(person.login):
        wrong["login"] = "login-invalid"
    if not set(roles) <= set(rules.ROLES):
        wrong["roles"] = "role-unknown"
    if wrong:
        raise Invalid(fields=wrong)
    for role in roles:
        _check_handing_out(actor, role)
    try:
        with db.begin_nested():
            db.add(person)
    except IntegrityError:
        taken = "login" if by_login(db, person.login) else "email"
        raise Invalid(fields={taken: f"{taken}-taken"}) from None
    record(db, actor, "person:create", person)
    for role in roles:
        give_role(db, actor, person, role)
    return person


def get(db: Tx, actor: Actor, person_id: UUID) -> Person:
    """A person of the actor's organisation, or the actor. Raises NotFound for anybody else."""
    person = db.get(Person, person_id)
    if person is None or not (
        person_id == actor.person_id or person.organisation_id == actor.organisation_id or roles_in(db, person_id, actor.organisation_id)
    ):
        raise NotFound("person-not-found")
    return person


def bylines(db: Tx, person_ids: Iterable[UUID]) -> dict[UUID, Byline]:
    """Name, title and hospital of people whose work the caller was allowed to see, by id."""
    query = select(Person).where(Person.id.in_(set(person_ids)))
    return {person.id: Byline(person.id, person.name, person.name_en, person.title, person.organisation_id) for person in db.scalars(query)}


def by_login(db: Tx, login: str) -> Person | None:
    """Whose login this is, in any spelling. For `auth.signin` and the command line."""
    login = plain_login(login)
    return db.scalars(select(Person).where(Person.login == login)).first() if LOGIN.fullmatch(login) else None


def members(db: Tx, organisation_id: UUID, role: str | None = None) -> list[Person]:
    """The people at work in an organisation (in that role), without the disabled, by login."""
    query = select(Person).join(Membership, Membership.person_id == Person.id)
    query = query.where(Membership.organisation_id == organisation_id, Person.disabled_at.is_(None))
    if role is not None:
        query = query.where(Membership.role == role)
    return list(db.scalars(query.distinct().order_by(Person.login)))


def staff(db: Tx, actor: Actor) -> list[tuple[Person, frozenset[str]]]:
    """Everybody of the actor's organisation with their roles there, the disabled too. Needs ``people:manage``."""
    rules.require_in_organisation(actor, "people:manage")
    held: dict[UUID, set[str]] = {}
    for membership in db.scalars(select(Membership).where(Membership.organisation_id == actor.organisation_id)):
        held.setdefault(membership.person_id, set()).add(membership.role)
    query = select(Person).where(or_(Person.organisation_id == actor.organisation_id, Person.id.in_(held)))
    return [(person, frozenset(held.get(person.id, ()))) for person in db.scalars(query.order_by(Person.login))]


def roles_in(db: Tx, person_id: UUID, organisation_id: UUID) -> frozenset[str]:
    """The person's roles in one organisation."""
    query = select(Membership.role).where(Membership.person_id == person_id, Membership.organisation_id == organisation_id)
    return frozenset(db.scalars(query))


def workplaces(db: Tx, person_id: UUID) -> dict[UUID, frozenset[str]]:
    """The organisations the person works in, with their roles there; home first, then as they joined."""
    home = select(Person.organisation_id).where(Person.id == person_id).scalar_subquery()
    query = select(Membership).where(Membership.person_id == person_id)
    found: dict[UUID, frozenset[str]] = {}
    for membership in db.scalars(query.order_by((Membership.organisation_id != home), Membership.id)):
        found[membership.organisation_id] = found.get(membership.organisation_id, frozenset()) | {membership.role}
    return found


def serves(db: Tx, organisation_id: UUID, role: str, person_id: UUID | None = None) -> bool:
    """Whether somebody (or that person) who is not disabled has the role there."""
    return any(person_id in (None, person.id) for person in members(db, organisation_id, role))


def appoint(db: Tx, actor: Actor, person_id: UUID, role: str) -> None:
    """Give a person of the actor's organisation one more role there; giving it twice changes nothing.

    Needs ``people:manage`` and, in a session, a step-up. Raises NotFound, Denied (``role-needs-second-hand``
    for the roles that take two), StepUpNeeded, Invalid, and Conflict by the rules of `give_role`.
    """
    person = manageable(db, actor, person_id)
    rules.require_step_up(actor)
    if role not in rules.ROLES:
        raise Invalid(fields={"role": "role-unknown"})
    _check_handing_out(actor, role)
    give_role(db, actor, person, role)


def give_role(db: Tx, actor: Actor, person: Person, role: str) -> None:
    """Put a role in the actor's organisation into a person's hands; a second time changes nothing.

    For this module, `auth.proposals` and `auth.invitations`, which have checked who may. Raises Conflict
    ``duties-separate`` where administrator and auditor have to be two people.
    """
    separate = role in BY_TWO and organisations.hold(db, actor.organisation_id).separate_duties
    held = roles_in(db, person.id, actor.organisation_id)
    if role in held:
        return
    if separate and held & BY_TWO:
        raise Conflict("duties-separate")
    db.add(Membership(person_id=person.id, organisation_id=actor.organisation_id, role=role))
    db.flush()
    record(db, actor, "role:appoint", person, role=role)


def dismiss(db: Tx, actor: Actor, person_id: UUID, role: str) -> None:
    """Take a role in the actor's organisation from a person; it ends with their next request.

    Needs ``people:manage`` and, in a session, a step-up. Raises NotFound, Denied, StepUpNeeded, and Conflict
    for the last administrator.
    """
    person = manageable(db, actor, person_id)
    rules.require_step_up(actor)
    membership = db.scalars(
        select(Membership).where(
            Membership.person_id == person_id, Membership.organisation_id == actor.organisation_id, Membership.role == role
        )
    ).first()
    if membership is None:
        raise NotFound("role-not-held")
    if role == "administrator":
        _check_not_last(db, person_id, actor.organisation_id)
    db.delete(membership)
    db.flush()
    record(db, actor, "role:dismiss", person, role=role)


def disable(db: Tx, actor: Actor, person_id: UUID) -> Person:
    """Shut a person of the actor's home organisation out: sessions and tokens end for good, the work stays.

    Needs ``people:manage`` in a session, without a step-up: it has to be quick. Raises NotFound, Denied, and
    Conflict for the last administrator of any hospital.
    """
    person = manageable(db, actor, person_id, at_home=True)
    rules.refuse_token(actor)
    for organisation_id, roles in workplaces(db, person_id).items():
        if "administrator" in roles:
            _check_not_last(db, person_id, organisation_id)
    if person.disabled_at is None:
        person.disabled_at = person.void_before = ids.now()
        db.flush()
        record(db, actor, "person:disable", person)
    return person


def enable(db: Tx, actor: Actor, person_id: UUID) -> Person:
    """Let a disabled person sign in again; old sessions and tokens stay ended.

    Needs ``people:manage`` and, in a session, a step-up. Raises NotFound, StepUpNeeded, and Denied
    ``enable-needs-second-hand`` for somebody who would be an administrator again, here or elsewhere.
    """
    person = manageable(db, actor, person_id, at_home=True)
    rules.require_step_up(actor)
    if actor.person_id is not None and administers(db, person_id):
        raise Denied("enable-needs-second-hand")
    return let_back_in(db, actor, person)


def let_back_in(db: Tx, actor: Actor, person: Person) -> Person:
    """Undo `disable`; for this module and `auth.proposals`, which have checked who may."""
    if person.disabled_at is not None:
        person.disabled_at, person.void_before = None, ids.now()
        db.flush()
        record(db, actor, "person:enable", person)
    return person


def administers(db: Tx, person_id: UUID) -> bool:
    """Whether the person is an administrator anywhere, disabled or not."""
    return any("administrator" in roles for roles in workplaces(db, person_id).values())


def manageable(db: Tx, actor: Actor, person_id: UUID, *, at_home: bool = False) -> Person:
    """A person whose rights the actor may change: of their own organisation (``at_home``: for good), never themselves.

    Raises NotFound and Denied.
    """
    rules.require_in_organisation(actor, "people:manage")
    person = db.get(Person, person_id) if actor.person_id is None and not at_home else get(db, actor, person_id)
    if person is None or (at_home and person.organisation_id != actor.organisation_id):
        raise NotFound("person-not-found")
    if person_id == actor.person_id:
        raise Denied("own-rights")
    return person


def wrong_in(person: Person) -> dict[str, str]:
    """What is wrong with what stands in somebody's profile: field to code."""
    texts = {key: getattr(person, key) for key in ("name", "name_en", "title", "phone", "licence_number", "specialty")}
    wrong = {key: "text-too-long" for key, value in texts.items() if len(value) > LONGEST_NAME}
    wrong |= {key: "text-invalid" for key, value in texts.items() if any(unicodedata.category(c) in {"Cc", "Cs"} for c in value)}
    if not person.name:
        wrong["name"] = "text-missing"
    if person.email and (len(person.email) > LONGEST_EMAIL or not EMAIL.fullmatch(person.email)):
        wrong["email"] = "email-invalid"
    if person.practising_since is not None and not EARLIEST_PRACTICE <= person.practising_since <= ids.now().year:
        wrong["practising_since"] = "year-out-of-range"
    if person.language not in LANGUAGES:
        wrong["language"] = "language-unknown"
    if person.time_zone not in ZONES:
        wrong["time_zone"] = "time-zone-unknown"
    return wrong


def _check_handing_out(actor: Actor, role: str) -> None:
    if role in BY_COMMAND_ONLY and actor.person_id is not None:
        raise Denied("role-by-command-only")
    if role in BY_TWO and actor.person_id is not None:
        raise Denied("role-needs-second-hand")


def _check_not_last(db: Tx, person_id: UUID, organisation_id: UUID) -> None:
    """Refuse to take an organisation's last administrator; two who try at once wait for each other."""
    organisations.hold(db, organisation_id)
    others = (
        select(func.count())
        .select_from(Membership)
        .join(Person, Person.id == Membership.person_id)
        .where(
            Membership.organisation_id == organisation_id,
            Membership.role == "administrator",
            Membership.person_id != person_id,
            Person.disabled_at.is_(None),
        )
    )
    if not db.scalar(others):
        raise Conflict("last-administrator")


def record(db: Tx, actor: Actor, action: str, person: Person, **detail: str) -> None:
    """Write an act on a person's account into the log of the actor's organisation."""
    audit.record(
        db,
        actor,
        action,
        organisation_id=actor.organisation_id,
        person_id=person.id,
        object_type="person",
        object_id=person.id,
        purpose="administration",
        detail=dict(detail),
    )
