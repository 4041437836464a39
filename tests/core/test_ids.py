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


def test_ids_made_one_after_the_other_stand_in_that_order(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = dt.datetime(2026, 11, 27, 8, 15, 30, 123_000, tzinfo=dt.UTC)
    made = []
    for microseconds in range(2000):
        monkeypatch.setattr(ids, "now", lambda at=moment + dt.timedelta(microseconds=microseconds): at)
        made.append(ids.new())
    assert made == sorted(made)
    assert {each.int >> 80 for each in made} == {1_795_767_330_123, 1_795_767_330_124}
    # and the rest is random
    assert len({each.int & (1 << 62) - 1 for each in made}) == 2000


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
