"""The fixed cast: the hospitals and people every test knows, made through verbs.

Aral is the inviting hospital, Taizhou the invited one, and they have an agreement; Kashgar is a stranger to
both. ``make`` puts them into an empty database; each member comes with an actor as their session would give
it, their password and the secret of their authenticator.
"""

import datetime as dt
import time
from dataclasses import dataclass
from uuid import UUID

import pyotp
from sqlalchemy import select

from auth import agreements, factors, organisations, passwords, people, sessions
from auth.organisations import Organisation
from auth.passwords import Password
from core import ids
from core.actor import Actor
from core.db import Tx

PASSWORD = "seven lanterns over the river"


@dataclass(frozen=True)
class Member:
    """One person of the cast, with what they would type to sign in."""

    actor: Actor
    login: str
    password: str
    totp_secret: str

    @property
    def id(self) -> UUID:
        """The person's id."""
        assert self.actor.person_id is not None
        return self.actor.person_id

    def code(self, steps: int = 0) -> str:
        """The authenticator's code now, or some steps later or earlier (then with time left to use it)."""
        left = 30 - time.time() % 30
        if steps < 0 and left < 5:
            time.sleep(left)
        return pyotp.TOTP(self.totp_secret).at(ids.now(), counter_offset=steps)


@dataclass(frozen=True)
class Cast:
    """Two hospitals with an agreement, a third without, and their people."""

    aral: Organisation
    taizhou: Organisation
    kashgar: Organisation
    surgeon: Member
    second_surgeon: Member
    nurse: Member
    administrator: Member
    auditor: Member
    expert: Member
    second_expert: Member
    coordinator: Member
    stranger: Member

    @property
    def members(self) -> dict[str, Member]:
        """Everybody by part."""
        return {name: member for name, member in vars(self).items() if isinstance(member, Member)}


def make(db: Tx) -> Cast:
    """Found the hospitals and let everybody in; all sign in with ``PASSWORD``."""
    aral = organisations.create(db, name="阿拉尔第一师医院", name_en="Aral First Division Hospital", city="阿拉尔", time_zone="Asia/Urumqi")
    taizhou = organisations.create(db, name="台州骨科医院", name_en="Taizhou Orthopaedic Hospital", city="台州")
    kashgar = organisations.create(db, name="喀什地区医院", name_en="Kashgar District Hospital", city="喀什", time_zone="Asia/Urumqi")
    month_ago = ids.now().date() - dt.timedelta(days=30)
    agreements.agree(db, Actor.system(aral.id), other_id=taizhou.id, starts=month_ago, words="limb trauma and replantation")
    return Cast(
        aral=aral,
        taizhou=taizhou,
        kashgar=kashgar,
        surgeon=join(db, aral, "li.na", "李娜", "Li Na", "surgeon", title="主治医师", licence_number="110650000012345"),
        second_surgeon=join(db, aral, "wang.jun", "王军", "Wang Jun", "surgeon", title="住院医师"),
        nurse=join(db, aral, "aygul", "阿依古丽", "Aygul", "nurse", title="护师"),
        administrator=join(db, aral, "zhao.min", "赵敏", "Zhao Min", "administrator"),
        auditor=join(db, aral, "sun.lei", "孙磊", "Sun Lei", "auditor"),
        expert=join(db, taizhou, "chen.hao", "陈浩", "Chen Hao", "expert", title="主任医师", specialty="hand-surgery", language="en"),
        second_expert=join(db, taizhou, "xu.wei", "徐伟", "Xu Wei", "expert", title="副主任医师", specialty="hand-surgery"),
        coordinator=join(db, taizhou, "lin.fang", "林芳", "Lin Fang", "coordinator", phone="0576-5550101"),
        stranger=join(db, kashgar, "ma.li", "马丽", "Ma Li", "surgeon", title="主治医师"),
    )


def join(db: Tx, organisation: Organisation, login: str, name: str, name_en: str, *roles: str, **more: str) -> Member:
    """One more person, able to sign in, with the actor of a session that has just begun."""
    system = Actor.system(organisation.id)
    person = people.create(db, system, login=login, name=name, name_en=name_en, roles=roles, **more)
    _let_sign_in(db, system, person.id)
    secret = factors.install(db, system, person.id).secret
    actor, _ = sessions.start(db, person, organisation_id=organisation.id, network="192.0.2.1", agent="the cast")
    return Member(actor, login, PASSWORD, secret)


def _let_sign_in(db: Tx, system: Actor, person_id: UUID) -> None:
    """Give everybody ``PASSWORD``, hashed once per database: Argon2 for each would be most of a test's time."""
    hashed = db.scalars(select(Password).limit(1)).first()
    if hashed is None:
        passwords.assign(db, system, person_id, PASSWORD)
    else:
        db.add(Password(person_id=person_id, hash=hashed.hash, changed_at=ids.now()))
