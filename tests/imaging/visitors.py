"""Letting people of other hospitals into a case, and what imaging asks the registry for."""

import datetime as dt
from collections.abc import Collection
from uuid import UUID

from auth import grants
from core import ids
from core.actor import Actor
from core.db import Tx
from imaging.dicomweb import Scope, Subject
from tests.imaging.conftest import World

BASE = "https://shanhai.example.org/dicomweb"
PATIENT = UUID(int=42)
SCOPE = Scope(BASE)


def let_in(world: World, *, sees_identity: bool = False, case_id: UUID | None = None) -> Actor:
    """The expert of the invited hospital, with a grant on the case."""
    with world.database.begin() as db:
        grants.give(
            db,
            world.surgeon,
            case_id=case_id or world.case_id,
            organisation_id=world.cast.aral.id,
            grantee_organisation_id=world.cast.taizhou.id,
            role="expert",
            person_id=world.cast.expert.id,
            sees_identity=sees_identity,
            expires_at=ids.now() + dt.timedelta(days=7),
            reason="referral",
        )
    return world.cast.expert.actor


def subjects(_: Tx, case_ids: Collection[UUID]) -> dict[UUID, Subject]:
    """Every case is SH-2026-0147 and of one patient."""
    return {case_id: Subject("SH-2026-0147", (PATIENT,)) for case_id in case_ids}


def within(world: World, case_id: UUID | None = None) -> Scope:
    """The scope of one case of Aral's."""
    case_id = case_id or world.case_id
    return Scope(f"{BASE}/cases/{case_id}", case_id, world.cast.aral.id)
