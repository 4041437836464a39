"""Organisations: the hospitals. Each owns its cases, people and log, and has keys of its own."""

import datetime as dt
from collections.abc import Iterable
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy import false, select
from sqlalchemy.orm import Mapped, mapped_column

from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Invalid, NotFound
from core.tables import Base, Code, IdColumn

LONGEST_NAME = 200
ZONES = frozenset(available_timezones())


class Organisation(Base):
    """One hospital. ``separate_duties``: its administrators are not its auditors (`auth.duties`)."""

    __tablename__ = "organisations"

    id: Mapped[IdColumn]
    name: Mapped[str]
    name_en: Mapped[str]
    city: Mapped[str]
    time_zone: Mapped[Code]
    separate_duties: Mapped[bool] = mapped_column(default=False, server_default=false())
    created_at: Mapped[dt.datetime] = mapped_column(default=ids.now)


def create(db: Tx, *, name: str, name_en: str, city: str, time_zone: str = "Asia/Shanghai") -> Organisation:
    """Found an organisation with keys of its own. For the command line: no session reaches this. Raises Invalid."""
    wrong = {key: "text-missing" for key, value in {"name": name, "name_en": name_en}.items() if not value.strip()}
    wrong |= {key: "text-too-long" for key, value in {"name": name, "name_en": name_en, "city": city}.items() if len(value) > LONGEST_NAME}
    if time_zone not in ZONES:
        wrong["time_zone"] = "time-zone-unknown"
    if wrong:
        raise Invalid(fields=wrong)
    organisation = Organisation(id=ids.new(), name=name.strip(), name_en=name_en.strip(), city=city.strip(), time_zone=time_zone)
    db.add(organisation)
    db.flush()
    db.keyring.create_organisation(db, organisation.id)
    audit.record(
        db,
        Actor.system(organisation.id),
        "organisation:create",
        organisation_id=organisation.id,
        object_type="organisation",
        object_id=organisation.id,
    )
    return organisation


def get(db: Tx, organisation_id: UUID) -> Organisation:
    """The organisation; names of hospitals are no secret among them. Raises NotFound."""
    organisation = db.get(Organisation, organisation_id)
    if organisation is None:
        raise NotFound("organisation-not-found")
    return organisation


def named(db: Tx, organisation_ids: Iterable[UUID]) -> dict[UUID, Organisation]:
    """Those of the organisations that exist, by id."""
    query = select(Organisation).where(Organisation.id.in_(set(organisation_ids)))
    return {organisation.id: organisation for organisation in db.scalars(query)}


def hold(db: Tx, organisation_id: UUID) -> Organisation:
    """The organisation, held until the transaction ends: changes of who may what there come one after the other."""
    query = select(Organisation).where(Organisation.id == organisation_id).with_for_update(key_share=True)
    return db.scalars(query, execution_options={"populate_existing": True}).one()


def every(db: Tx) -> list[Organisation]:
    """All organisations, oldest first."""
    return list(db.scalars(select(Organisation).order_by(Organisation.id)))
