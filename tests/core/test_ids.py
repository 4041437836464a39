"""Identifiers and the clock."""

import datetime as dt
import threading

import pytest

from core import ids


def test_an_id_is_a_uuid_7_of_its_moment() -> None:
    before = int(ids.now().timestamp() * 1000)
    made = [ids.new() for _ in range(1000)]
    after = int(ids.now().timestamp() * 1000)
    assert len(set(made)) == 1000
    for each in made:
        assert (each.version, each.variant) == (7, "specified in RFC 4122")
        assert before <= each.int >> 80 <= after


def test_now_is_aware_and_in_utc() -> None:
    assert ids.now().tzinfo is dt.UTC
    assert abs(ids.now() - dt.datetime.now(dt.UTC)) < dt.timedelta(seconds=1)


def test_a_history_is_told_with_its_own_clock_and_no_other_thread_hears_it() -> None:
    then = dt.datetime(2025, 3, 1, 4, tzinfo=dt.UTC)
    heard: list[dt.datetime] = []
    with ids.told(then):
        assert dt.timedelta() <= ids.now() - then < dt.timedelta(seconds=5)
        assert abs((ids.new().int >> 80) / 1000 - then.timestamp()) < 5
        thread = threading.Thread(target=lambda: heard.append(ids.now()))
        thread.start()
        thread.join()
        with pytest.raises(ZeroDivisionError), ids.told(then + dt.timedelta(days=1)):
            raise ZeroDivisionError
        assert ids.now() - then < dt.timedelta(seconds=5)
    assert abs(heard[0] - dt.datetime.now(dt.UTC)) < dt.timedelta(seconds=5)
    assert abs(ids.now() - dt.datetime.now(dt.UTC)) < dt.timedelta(seconds=1)
