"""Identifiers and the clock.

Every row is named by a UUIDv7 (RFC 9562 §5.7): 48 bits of Unix milliseconds, then randomness, so that
new rows land at the end of an index. An id is never a secret; access is decided by policy.
"""

import datetime as dt
import secrets
import time
from uuid import UUID


def new() -> UUID:
    """A fresh UUIDv7."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def now() -> dt.datetime:
    """The present, in UTC, to the microsecond."""
    return dt.datetime.now(dt.UTC)
