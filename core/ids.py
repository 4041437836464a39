"""Identifiers and the clock.

Every row is named by a UUIDv7 (RFC 9562 §5.7): 48 bits of Unix milliseconds, then randomness, so that
new rows land at the end of an index. An id is never a secret; access is decided by policy.
"""

import datetime as dt
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

_told: ContextVar[dt.timedelta] = ContextVar("told", default=dt.timedelta())


def new() -> UUID:
    """A fresh UUIDv7."""
    milliseconds = int(now().timestamp() * 1000)
    value = (milliseconds & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def now() -> dt.datetime:
    """The present, in UTC, to the microsecond."""
    return dt.datetime.now(dt.UTC) + _told.get()


@contextmanager
def told(moment: dt.datetime) -> Iterator[None]:
    """Let the clock of this context start at ``moment``: for histories told afterwards, as in the sample world."""
    mark = _told.set(moment - dt.datetime.now(dt.UTC))
    try:
        yield
    finally:
        _told.reset(mark)
