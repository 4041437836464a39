"""The throttle: a bucket per key, counted across processes, refilling by itself."""

import datetime as dt
import threading

import pytest
from sqlalchemy import select

from auth import throttle
from auth.throttle import Bucket
from core.db import Database
from core.errors import Throttled

MINUTE = dt.timedelta(minutes=1)


def test_a_bucket_gives_so_many_and_no_more(database: Database) -> None:
    with database.begin() as db:
        for _ in range(5):
            throttle.hit(db, "door", 5, MINUTE)
        with pytest.raises(Throttled) as refused:
            throttle.hit(db, "door", 5, MINUTE)
        assert 1 <= refused.value.retry_after <= 12
        throttle.hit(db, "other door", 5, MINUTE)


def test_a_refusal_does_not_lengthen_the_wait(database: Database) -> None:
    with database.begin() as db:
        for _ in range(5):
            throttle.hit(db, "door", 5, MINUTE)
        before = db.scalars(select(Bucket.full_at)).one()
        for _ in range(20):
            with pytest.raises(Throttled):
                throttle.hit(db, "door", 5, MINUTE)
        assert db.scalars(select(Bucket.full_at)).one() == before


def test_it_refills_with_time(database: Database) -> None:
    with database.begin() as db:
        for _ in range(5):
            throttle.hit(db, "door", 5, MINUTE)
        db.scalars(select(Bucket)).one().full_at -= dt.timedelta(seconds=12)
        db.flush()
        throttle.hit(db, "door", 5, MINUTE)
        with pytest.raises(Throttled):
            throttle.hit(db, "door", 5, MINUTE)


def test_a_good_try_is_given_back(database: Database) -> None:
    with database.begin() as db:
        for _ in range(50):
            throttle.hit(db, "door", 5, MINUTE)
            throttle.give_back(db, "door", 5, MINUTE)


def test_parallel_callers_count_together(database: Database) -> None:
    outcomes: list[str] = []
    together = threading.Barrier(12)

    def knock() -> None:
        together.wait()
        try:
            with database.begin() as db:
                throttle.hit(db, "door", 5, MINUTE)
            outcomes.append("in")
        except Throttled:
            outcomes.append("out")

    threads = [threading.Thread(target=knock) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (outcomes.count("in"), outcomes.count("out")) == (5, 7)


def test_full_buckets_are_forgotten(database: Database) -> None:
    with database.begin() as db:
        throttle.hit(db, "quick", 1000, dt.timedelta(microseconds=1000))
        throttle.hit(db, "slow", 5, MINUTE)
    with database.begin() as db:
        assert throttle.sweep(db) == 1
        assert db.scalars(select(Bucket.key)).all() == ["slow"]


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "unknown"),
        ("", "unknown"),
        ("192.0.2.7, 10.0.0.1", "unknown"),
    ],
)
def test_network(address: str, wanted: str) -> None:
    assert throttle.network(address) == wanted
