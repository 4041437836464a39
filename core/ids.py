"""Identifiers and the clock.

Every row is named by a UUIDv7 (RFC 9562 §5.7): 48 bits of Unix milliseconds and 12 of their fraction (§6.2, method 3),
then randomness, so that new rows land at the end of an index and rows made one after the other stand in that order. An id
is never a secret; access is decided by policy.
"""

import datetime as dt
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_told: ContextVar[dt.timedelta] = ContextVar("told", default=dt.timedelta())


def new() -> UUID:
    """A fresh UUIDv7."""
    milliseconds, rest = divmod((now() - _EPOCH) // _MICROSECOND, 1000)
    value = (milliseconds & (1 << 48) - 1) << 80 | 0x7 << 76 | (rest << 12) // 1000 << 64 | 0x2 << 62 | secrets.randbits(62)
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
