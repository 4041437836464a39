"""People in training, for the tests that want one: the fixed cast has none."""

from auth import training
from auth.organisations import Organisation
from core.actor import Actor
from core.db import Tx
from tests import cast as people_of
from tests.cast import Cast, Member


def expert(db: Tx, cast: Cast, login: str = "he.ping", name: str = "何平", name_en: str = "He Ping") -> Member:
    """An expert of Taizhou in training."""
    return _joined(db, cast.taizhou, login, name, name_en, "expert", title="住院医师", phone="0576-5550177")


def surgeon(db: Tx, cast: Cast, login: str = "bai.lu", name: str = "白露", name_en: str = "Bai Lu") -> Member:
    """A surgeon of Aral in training."""
    return _joined(db, cast.aral, login, name, name_en, "surgeon", title="住院医师")


def nurse(db: Tx, cast: Cast, login: str = "tang.yi", name: str = "唐怡", name_en: str = "Tang Yi") -> Member:
    """A nurse of Aral in training."""
    return _joined(db, cast.aral, login, name, name_en, "nurse", title="护士")


def begin(db: Tx, member: Member) -> None:
    """Put somebody of the cast in training."""
    training.begin(db, Actor.system(member.actor.organisation_id), member.id)


def end(db: Tx, member: Member) -> None:
    """End somebody's training."""
    training.end(db, Actor.system(member.actor.organisation_id), member.id)


def _joined(db: Tx, home: Organisation, login: str, name: str, name_en: str, role: str, **more: str) -> Member:
    member = people_of.join(db, home, login, name, name_en, role, **more)
    begin(db, member)
    return member
