"""News about one's own account: that somebody signed in, that a factor was changed (ASVS 6.3.5, 6.3.7).

Telling is a job enqueued in the transaction of the act itself, so that what happened and the news of it stand
or fall together; the registry's worker turns it into a notice. A piece of news is a code and says nothing else.
"""

from uuid import UUID

from auth.people import Person
from core import jobs
from core.db import Tx

TELL = "person:tell"
KINDS = (
    "account-authenticator-changed",
    "account-link-added",
    "account-link-removed",
    "account-passkey-added",
    "account-passkey-count",
    "account-passkey-removed",
    "account-password-changed",
    "account-pin-chosen",
    "account-pin-ended",
    "account-recovery-made",
    "account-recovery-used",
    "account-signed-in",
    "account-push-added",
    "account-proposal-waiting",
    "account-proposal-confirmed",
    "account-proposal-refused",
    "account-training-began",
    "account-training-ended",
    "agreement-proposed",
    "agreement-confirmed",
    "agreement-refused",
    "agreement-withdrawn",
    "agreement-ended",
    "agreement-lapses-30",
    "agreement-lapses-7",
    "agreement-missing",
    "machine-expires",
    "roster-put-on",
    "roster-taken-off",
    "glass-broken",
    "glass-overdue",
    "glass-justified",
    "glass-not-justified",
    "webhook-failing",
)
"""What a person is told about their account, and an administrator about the hospital; ``notice-<kind>`` in the catalogue."""


def tell(db: Tx, person: Person, kind: str) -> None:
    """Have the person told about their own account. Raises ValueError for an unknown kind."""
    if kind not in KINDS:
        raise ValueError(kind)
    tell_all(db, person.organisation_id, [person.id], kind)


def tell_all(db: Tx, organisation_id: UUID, person_ids: list[UUID], kind: str) -> None:
    """Have several people of an organisation told of one thing."""
    for person_id in person_ids:
        jobs.enqueue(db, TELL, {"person_id": str(person_id), "kind": kind}, organisation_id=organisation_id)
