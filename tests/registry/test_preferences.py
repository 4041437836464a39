"""Preferences: what nobody has to touch to be told rightly, quiet hours in one's own zone, and what breaks through."""

import datetime as dt
from dataclasses import replace

import pytest

from core import audit
from core.actor import Actor
from core.errors import Invalid, SignInNeeded
from registry import preferences
from registry.preferences import Choices, Timing
from tests.registry.conftest import World


def at(hour: int, minute: int = 0, day: int = 20) -> dt.datetime:
    """A time of day in Beijing, in November."""
    return dt.datetime(2026, 11, day, hour, minute, tzinfo=dt.timezone(dt.timedelta(hours=8))).astimezone(dt.UTC)


@pytest.mark.parametrize(
    ("urgency", "through", "now", "told"),
    [
        ("emergency", False, at(12), Timing(at(12), gathered=False)),
        ("urgent", False, at(21, 59), Timing(at(21, 59), gathered=False)),
        ("urgent", False, at(22), Timing(at(7, day=21), gathered=True)),
        ("urgent", False, at(3), Timing(at(7), gathered=True)),
        ("urgent", False, at(7), Timing(at(7), gathered=False)),
        ("emergency", False, at(3), Timing(at(7), gathered=True)),
        ("emergency", True, at(3), Timing(at(3), gathered=False)),
        # nothing but an emergency breaks through
        ("urgent", True, at(3), Timing(at(7), gathered=True)),
        ("routine", True, at(12), Timing(at(7, 30, day=21), gathered=True)),
        ("routine", False, at(7), Timing(at(7, 30), gathered=True)),
        ("routine", False, at(7, 30), Timing(at(7, 30, day=21), gathered=True)),
    ],
)
def test_the_defaults_are_right_untouched(urgency: str, through: bool, now: dt.datetime, told: Timing) -> None:
    assert preferences.timing(Choices(), "Asia/Shanghai", urgency, breaks_through=through, now=now) == told


def test_times_are_those_of_the_persons_zone() -> None:
    """Half past nine in Beijing is half past seven in Xinjiang."""
    told = preferences.timing(Choices(), "Asia/Urumqi", "routine", breaks_through=False, now=at(8))
    assert told == Timing(at(9, 30), gathered=True)
    told = preferences.timing(Choices(), "Asia/Urumqi", "urgent", breaks_through=False, now=at(8))
    assert told == Timing(at(9), gathered=True)


def test_an_emergency_on_duty_cannot_be_turned_off() -> None:
    deaf = Choices(emergency="never", urgent="never", routine="never")
    assert preferences.timing(deaf, "Asia/Shanghai", "emergency", breaks_through=True, now=at(3)) == Timing(at(3), gathered=False)
    for urgency in preferences.URGENCIES:
        assert preferences.timing(deaf, "Asia/Shanghai", urgency, breaks_through=False, now=at(12)) is None


def test_quiet_hours_by_day_none_and_of_no_length() -> None:
    day = Choices(quiet_from="12:00", quiet_until="14:00")
    assert preferences.timing(day, "Asia/Shanghai", "urgent", breaks_through=False, now=at(13)) == Timing(at(14), gathered=True)
    assert preferences.timing(day, "Asia/Shanghai", "urgent", breaks_through=False, now=at(3)) == Timing(at(3), gathered=False)
    for loud in (Choices(quiet=False), Choices(quiet_from="05:00", quiet_until="05:00")):
        assert preferences.timing(loud, "Asia/Shanghai", "urgent", breaks_through=False, now=at(5)) == Timing(at(5), gathered=False)


def test_choosing_is_kept_and_recorded(world: World) -> None:
    nurse = world.cast.nurse.actor
    wanted = Choices(emergency="digest", urgent="never", routine="at-once", quiet=False, quiet_from="20:00", digest_at="18:15")
    with world.begin() as db:
        assert preferences.own(db, nurse) == Choices()
        preferences.choose(db, nurse, wanted)
        preferences.choose(db, nurse, replace(wanted, digest_at="18:15:30"))
    with world.begin() as db:
        assert preferences.own(db, nurse) == wanted
        assert preferences.own(db, world.cast.surgeon.actor) == Choices()
        events = audit.events(db, world.cast.aral.id, actions=("person:set-notices",))
        assert [event.person_id for event in events] == [nurse.person_id] * 2


def test_what_cannot_be_chosen(world: World) -> None:
    with world.begin() as db:
        with pytest.raises(Invalid) as wrong:
            preferences.choose(db, world.cast.nurse.actor, Choices(urgent="loudly", quiet_from="25:00", digest_at=""))
        assert wrong.value.fields == {
            "urgent": "field-code-unknown",
            "quiet_from": "time-of-day-invalid",
            "digest_at": "time-of-day-invalid",
        }
        with pytest.raises(SignInNeeded):
            preferences.own(db, Actor.system(world.cast.aral.id))
