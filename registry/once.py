"""Once: what a phone sends twice, or two windows at once, is done once.

A verb that first looks whether something is there and then writes it takes this lock before looking. On
PostgreSQL the second sender waits until the first has committed and then finds what was written; on SQLite
writers follow each other anyway.
"""

from hashlib import sha256

from sqlalchemy import func, select

from core.actor import Actor
from core.db import Tx


def lock(db: Tx, actor: Actor, *what: object) -> None:
    """Be the only transaction of this person at work on ``what`` until it ends; None in ``what`` locks nothing."""
    if None in what or db.get_bind().dialect.name != "postgresql":
        return
    digest = sha256("\x00".join(map(str, (actor.person_id, *what))).encode()).digest()
    db.execute(select(func.pg_advisory_xact_lock(int.from_bytes(digest[:8], "big", signed=True))))
