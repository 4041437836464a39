"""Times as people read them: relative and exact together, with the zone said out loud.

Beijing and Xinjiang time differ by two hours, so no time of day stands without its zone. Durations are
the clock's own form, hours and minutes.
"""

import datetime as dt
from dataclasses import dataclass
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core import ids
from registry.web.translations import has, translate


@cache
def zone(name: str) -> dt.tzinfo:
    """The time zone of that name; Beijing's when there is none such."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True, slots=True)
class Clock:
    """Writes times in one reader's language and zone."""

    language: str
    time_zone: str

    def _t(self, key: str, **params: str | int | float) -> str:
        return translate(self.language, key, **params)

    def local(self, at: dt.datetime) -> dt.datetime:
        """The wall time of the reader's zone."""
        return at.astimezone(zone(self.time_zone))

    def zone_name(self) -> str:
        """The zone in words ("Beijing", "Xinjiang"), else its name."""
        key = "zone-" + self.time_zone.lower().replace("/", "-").replace("_", "-")
        return self._t(key) if has(self.language, key) else self.time_zone.rpartition("/")[2].replace("_", " ")

    def today(self) -> dt.date:
        """The day it is for the reader."""
        return self.local(ids.now()).date()

    def time(self, at: dt.datetime) -> str:
        """``14:32``."""
        return self.local(at).strftime("%H:%M")

    def date(self, at: dt.datetime | dt.date) -> str:
        """A calendar day in words."""
        day = self.local(at).date() if isinstance(at, dt.datetime) else at
        return self._t("moment-date", year=str(day.year), day=str(day.day), monthname=self._t(f"month-{day.month}"))

    def day(self, at: dt.datetime | dt.date) -> str:
        """A calendar day, with "today" and "yesterday"."""
        day = self.local(at).date() if isinstance(at, dt.datetime) else at
        ago = (self.local(ids.now()).date() - day).days
        if ago in (0, 1):
            return self._t("moment-today" if ago == 0 else "moment-yesterday")
        return self.date(day)

    def exact(self, at: dt.datetime) -> str:
        """Day, time and zone; the day is left out when it is today."""
        if self.local(at).date() == self.local(ids.now()).date():
            return self._zoned(at)
        return self.written(at)

    def written(self, at: dt.datetime) -> str:
        """Day, time and zone, for paper, which is read on another day."""
        return self._t("moment-day-time", day=self.date(at), time=self._zoned(at))

    def _zoned(self, at: dt.datetime) -> str:
        return self._t("moment-time-zone", time=self.time(at), zone=self.zone_name())

    def ago(self, at: dt.datetime) -> str:
        """How long ago, or how long until, in one unit."""
        seconds = int((ids.now() - at).total_seconds())
        past = seconds >= 0
        minutes = abs(seconds) // 60
        if minutes == 0:
            return self._t("moment-now")
        if minutes < 60:
            return self._t("moment-minutes-ago" if past else "moment-in-minutes", count=minutes)
        if minutes < 48 * 60:
            return self._t("moment-hours-ago" if past else "moment-in-hours", count=minutes // 60)
        return self._t("moment-days-ago" if past else "moment-in-days", count=minutes // 1440)

    def span(self, minutes: float | dt.timedelta) -> str:
        """A length of time as ``3 h 12``."""
        whole = int(minutes.total_seconds() // 60) if isinstance(minutes, dt.timedelta) else int(minutes)
        if whole < 60:
            return self._t("moment-span-minutes", minutes=whole)
        if whole < 100 * 60:
            return self._t("moment-span-hours", hours=whole // 60, minutes=f"{whole % 60:02d}")
        return self._t("moment-span-days", days=whole // 1440)

    def both(self, at: dt.datetime) -> str:
        """Relative and exact together: ``12 min ago, 14:32 Beijing``."""
        return self._t("moment-both", relative=self.ago(at), exact=self.exact(at))

    def iso(self, at: dt.datetime) -> str:
        """For the ``datetime`` attribute."""
        return at.astimezone(dt.UTC).isoformat(timespec="seconds")

    def field(self, at: dt.datetime | None) -> str:
        """For a ``datetime-local`` field, in the reader's zone. Empty for None."""
        return self.local(at).strftime("%Y-%m-%dT%H:%M") if at else ""

    def parse(self, text: str) -> dt.datetime:
        """What a ``datetime-local`` field holds, read in the reader's zone. Raises ValueError."""
        at = dt.datetime.fromisoformat(text)
        try:
            return (at if at.tzinfo else at.replace(tzinfo=zone(self.time_zone))).astimezone(dt.UTC)
        except OverflowError:
            raise ValueError("beyond the calendar") from None
