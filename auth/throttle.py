"""The throttle: how often something may be tried, kept in the database so that every process counts together.

A token bucket held as one moment per key (GCRA): the time at which the bucket would be full again. A hit
moves it on by ``per / limit``; when that would put it more than ``per`` ahead, the hit is refused, and
nothing is stored. Keys are digests where they name people. Buckets refill by themselves, so nobody is
locked out for good.
"""

import datetime as dt
import math
from ipaddress import IPv6Address, ip_address, ip_network

from sqlalchemy import String, delete
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from core import ids
from core.db import Tx
from core.errors import Throttled
from core.tables import Base


class Bucket(Base):
    """One key's bucket, full again at ``full_at``."""

    __tablename__ = "throttle"

    key: Mapped[str] = mapped_column(String(160), primary_key=True)
    full_at: Mapped[dt.datetime] = mapped_column(index=True)


def hit(db: Tx, key: str, limit: int, per: dt.timedelta) -> None:
    """Take one of ``limit`` tries per period from a key's bucket; parallel callers queue on it.

    Raises Throttled with the seconds until the next try.
    """
    bucket, now = _bucket(db, key), ids.now()
    full_at = max(bucket.full_at, now) + per / limit
    if full_at - now > per:
        raise Throttled(retry_after=math.ceil((full_at - now - per).total_seconds()))
    bucket.full_at = full_at
    db.flush()


def give_back(db: Tx, key: str, limit: int, per: dt.timedelta) -> None:
    """Undo one hit: the try turned out well and shall not count."""
    bucket = _bucket(db, key)
    bucket.full_at -= per / limit
    db.flush()


def sweep(db: Tx) -> int:
    """Forget the buckets that are full; gives their number."""
    return len(db.execute(delete(Bucket).where(Bucket.full_at < ids.now()).returning(Bucket.key)).all())


def network(address: str) -> str:
    """What counts as one network: an IPv4 address, the /64 of an IPv6 address, or ``unknown`` for anything else."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped) if ip.ipv4_mapped else str(ip_network((ip, 64), strict=False))
    return str(ip)


def _bucket(db: Tx, key: str) -> Bucket:
    """The key's bucket, made when it is new, locked until the transaction ends."""
    insert = postgres_insert if db.get_bind().dialect.name == "postgresql" else sqlite_insert
    made = insert(Bucket).values(key=key, full_at=ids.now())
    locked = made.on_conflict_do_update(index_elements=[Bucket.key], set_={"key": key}).returning(Bucket)
    return db.scalars(locked, execution_options={"populate_existing": True}).one()
