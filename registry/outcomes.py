"""Outcomes: what became of the patient comes back to every expert who advised, however long it took.

A grant ends (`registry.referrals.ACCESS`), and an outcome may come after that. Then the expert is let in once more, for
``AGAIN``, to what they saw before and no further; not where their right was taken back or given up, not where they are
no expert there any more, and not unless the consents stand and an agreement between the hospitals is in force.
"""

import datetime as dt

from auth import agreements, grants
from core import ids
from core.actor import Actor
from core.db import Tx
from registry import audience, consents, notices, opinions
from registry.cases import Case

AGAIN = dt.timedelta(days=30)


def tell(db: Tx, actor: Actor, case: Case, kind: str, *, urgency: str = "") -> None:
    """Tell every expert who advised on a case that the caller holds, and let in again those whose time is over."""
    advised = opinions.experts(db, case)
    inside = audience.participants(db, case)
    if advised - inside and not consents.missing(db, case):
        for grant in grants.run_out(db, case.id, advised - inside):
            if agreements.agreement_between(db, case.organisation_id, grant.grantee_organisation_id, ids.now()) is not None:
                grants.renew(db, grant, until=ids.now() + AGAIN)
        inside = audience.participants(db, case)
    notices.tell(db, advised & inside, kind, case, but=actor.person_id, urgency=urgency)
