"""Invitations: letting somebody in whom nobody here has an account for, by an address and a code.

An invitation is good once and for seven days, and only for whoever has the e-mail address it was made out to: a
new person gets an account with that address, somebody who works elsewhere has to have it in theirs, where their
own hospital put it. An administrator invites into their own hospital; a case is the inviting surgeon's to open
(`registry.invited`). What the inviter may no longer do when it is accepted, it no longer gives.

The code is shown to the inviter alone and stored as a digest. What has to leave a count or an event is a value
(`proofs.Refused`), as in `auth.proofs`.
"""

import datetime as dt
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, select
from sqlalchemy.orm import Mapped, mapped_column

from auth import actors, enrolments, organisations, people, rules, secret
from auth.organisations import Organisation
from auth.people import BY_COMMAND_ONLY, BY_TWO, EMAIL, LONGEST_EMAIL, Person
from auth.proofs import Refused
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Denied, Invalid, NotFound
from core.tables import Base, Code, IdColumn

LIFE = dt.timedelta(days=7)
TRIES = 10
GROUPS = 6
SHOWN = 100
STATES = ("open", "accepted", "withdrawn", "expired")


class Invitation(Base):
    """One invitation. ``organisation_id`` made it, in ``to_organisation_id`` the roles are held: another hospital for a case alone."""

    __tablename__ = "invitations"

    id: Mapped[IdColumn]
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id), index=True)
    to_organisation_id: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id))
    case_id: Mapped[UUID | None] = mapped_column(index=True)
    email: Mapped[str]
    roles: Mapped[list[str]]
    made_by: Mapped[UUID] = mapped_column(ForeignKey(Person.id))
    made_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime]
    tries: Mapped[int] = mapped_column(default=0)
    ended_at: Mapped[dt.datetime | None]
    ended_as: Mapped[Code | None]
    accepted_by: Mapped[UUID | None] = mapped_column(ForeignKey(Person.id))

    def state(self, at: dt.datetime) -> str:
        """How it stands at that moment: one of STATES."""
        return self.ended_as or ("open" if at < self.expires_at else "expired")


def invite(db: Tx, actor: Actor, *, email: str, roles: Iterable[str]) -> tuple[Invitation, str]:
    """Invite an address into the actor's own hospital, with roles there; gives the row and the code, shown this once.

    Needs ``people:manage`` and a step-up. Raises Denied, StepUpNeeded, and Invalid: for the roles that take two as
    well, which nobody gets by an invitation.
    """
    rules.require_in_organisation(actor, "people:manage")
    roles = sorted(set(roles))
    wrong = {}
    if not roles:
        wrong["roles"] = "field-required"
    elif not set(roles) <= set(rules.ROLES):
        wrong["roles"] = "role-unknown"
    elif set(roles) & BY_TWO:
        wrong["roles"] = "role-needs-second-hand"
    elif set(roles) & BY_COMMAND_ONLY:
        wrong["roles"] = "role-by-command-only"
    return make(db, actor, email=email, roles=roles, to_organisation_id=actor.organisation_id, wrong=wrong)


def make(
    db: Tx,
    actor: Actor,
    *,
    email: str,
    roles: list[str],
    to_organisation_id: UUID,
    case_id: UUID | None = None,
    wrong: dict[str, str] | None = None,
) -> tuple[Invitation, str]:
    """Make an invitation out, for this module and `registry.invited`, which have checked who may.

    ``wrong`` is what they found, to be told together. Raises Denied, StepUpNeeded and Invalid.
    """
    if actor.person_id is None:
        raise Denied("not-allowed")
    rules.require_step_up(actor)
    wrong, email = dict(wrong or {}), people.plain_email(email)
    if len(email) > LONGEST_EMAIL or not EMAIL.fullmatch(email):
        wrong["email"] = "email-invalid"
    if wrong:
        raise Invalid("form-invalid", fields=wrong)
    now, plain = ids.now(), secret.mint_typed(GROUPS)
    invitation = Invitation(
        id=ids.new(),
        digest=secret.digest(plain),
        organisation_id=actor.organisation_id,
        to_organisation_id=to_organisation_id,
        case_id=case_id,
        email=email,
        roles=roles,
        made_by=actor.person_id,
        made_at=now,
        expires_at=now + LIFE,
    )
    db.add(invitation)
    db.flush()
    _record(db, actor, "invitation:make", invitation)
    return invitation, plain


def listed(db: Tx, actor: Actor) -> list[Invitation]:
    """The invitations into the actor's own hospital, newest first. Needs ``people:manage``."""
    rules.require_in_organisation(actor, "people:manage")
    query = select(Invitation).where(Invitation.organisation_id == actor.organisation_id, Invitation.case_id.is_(None))
    return list(db.scalars(query.order_by(Invitation.id.desc()).limit(SHOWN)))


def for_case(db: Tx, case_id: UUID) -> list[Invitation]:
    """The invitations to a case, newest first, for a caller that has checked who may see them."""
    return list(db.scalars(select(Invitation).where(Invitation.case_id == case_id).order_by(Invitation.id.desc()).limit(SHOWN)))


def withdraw(db: Tx, actor: Actor, invitation_id: UUID) -> Invitation:
    """Take an invitation into the actor's own hospital back. Raises Denied, NotFound, and Conflict when it has ended."""
    rules.require_in_organisation(actor, "people:manage")
    rules.refuse_token(actor)
    invitation = db.get(Invitation, invitation_id)
    if invitation is None or invitation.organisation_id != actor.organisation_id or invitation.case_id is not None:
        raise NotFound("invitation-not-found")
    return end(db, actor, invitation, "withdrawn")


def end(db: Tx, actor: Actor, invitation: Invitation, state: str) -> Invitation:
    """End an open invitation, for this module and `registry.invited`. Raises Conflict ``invitation-ended``."""
    db.refresh(invitation, with_for_update=True)
    if invitation.state(ids.now()) != "open":
        raise Conflict("invitation-ended")
    invitation.ended_at, invitation.ended_as = ids.now(), state
    db.flush()
    _record(db, actor, {"accepted": "invitation:accept", "withdrawn": "invitation:withdraw"}[state], invitation)
    return invitation


def find(db: Tx, plain: str) -> Invitation:
    """The open invitation with that code, held until the transaction ends; whoever tries it too waits and finds it used.

    Raises NotFound for one that is unknown, used, withdrawn, too old or tried too often, and where the inviter could
    not make it any more: all look alike.
    """
    query = select(Invitation).where(Invitation.digest == secret.digest(secret.plain_typed(plain))).with_for_update()
    invitation = db.scalars(query, execution_options={"populate_existing": True}).first()
    if invitation is None or invitation.state(ids.now()) != "open" or invitation.tries >= TRIES:
        raise NotFound("invitation-not-found")
    if invitation.case_id is None and not rules.roles_for(inviter(db, invitation), "own", "people:manage"):
        raise NotFound("invitation-not-found")
    return invitation


def inviter(db: Tx, invitation: Invitation) -> Actor:
    """Whoever made it, with the rights they have now. Raises NotFound when they do not work there any more."""
    actor = actors.acting(db, db.get_one(Person, invitation.made_by), invitation.organisation_id)
    if actor is None:
        raise NotFound("invitation-not-found")
    return actor


def accept(db: Tx, actor: Actor, plain: str) -> Invitation | Refused:
    """Accept an invitation into a hospital with the account one has, whose address has to be the invited one.

    Refused ``invitation-other-address``. Raises NotFound, and Denied for a token and for one's own invitation.
    """
    invitation = find(db, plain)
    if invitation.case_id is not None:
        raise NotFound("invitation-not-found")
    if (wrong := check_address(db, actor, invitation)) is not None:
        return wrong
    _put_in(db, invitation, db.get_one(Person, actor.person_id))
    return take(db, actor, invitation)


def accept_new(db: Tx, plain: str, *, login: str, name: str, name_en: str = "", language: str = "zh") -> tuple[Person, str] | Refused:
    """Accept an invitation into a hospital with a new account; gives the person and a secret for `auth.enrolments`.

    The account's address is the invited one. Refused ``login-taken`` or ``email-taken``, which is counted: nobody
    finds out by one invitation who else has an account. Raises NotFound and Invalid.
    """
    invitation = find(db, plain)
    if invitation.case_id is not None:
        raise NotFound("invitation-not-found")
    system = Actor.system(invitation.organisation_id)
    try:
        with db.begin_nested():
            person = people.create(db, system, login=login, name=name, name_en=name_en, language=language, email=invitation.email)
    except Invalid as refusal:
        taken = {"login-taken", "email-taken"}.intersection(refusal.fields.values())
        if not taken:
            raise
        return _refused(db, system, invitation, taken.pop())
    _put_in(db, invitation, person)
    take(db, Actor(person.id, invitation.organisation_id), invitation)
    return person, enrolments.issue(db, system, person.id)


def check_address(db: Tx, actor: Actor, invitation: Invitation) -> Refused | None:
    """Whether the actor may accept it by their address; for this module and `registry.invited`. Raises Denied."""
    rules.refuse_token(actor)
    if actor.person_id is None:
        raise Denied("not-allowed")
    if actor.person_id == invitation.made_by:
        raise Denied("own-rights")
    person = people.get(db, actor, actor.person_id)
    return None if person.email == invitation.email else _refused(db, actor, invitation, "invitation-other-address")


def take(db: Tx, actor: Actor, invitation: Invitation) -> Invitation:
    """Use an invitation up; for this module and `registry.invited`, which have checked who takes it."""
    invitation.accepted_by = actor.person_id
    db.flush()
    return end(db, actor, invitation, "accepted")


def _put_in(db: Tx, invitation: Invitation, person: Person) -> None:
    system = Actor.system(invitation.organisation_id)
    organisations.hold(db, invitation.organisation_id)
    for role in invitation.roles:
        people.give_role(db, system, person, role)


def _refused(db: Tx, actor: Actor, invitation: Invitation, code: str) -> Refused:
    invitation.tries += 1
    db.flush()
    _record(db, actor, "invitation:refuse", invitation, outcome="failure")
    return Refused(code)


def _record(db: Tx, actor: Actor, action: str, invitation: Invitation, *, outcome: str = "success") -> None:
    audit.record(
        db, actor, action, organisation_id=invitation.organisation_id, case_id=invitation.case_id, person_id=invitation.accepted_by,
        object_type="invitation", object_id=invitation.id, purpose="administration", outcome=outcome,
        detail={"roles": " ".join(invitation.roles)},
    )  # fmt: skip
