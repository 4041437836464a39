"""The audit log: written with the act or not at all, in one order, joined where it should be."""

import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text

from core import audit, ids, merkle
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict, NotFound
from core.jobs import JobRow, enqueue
from core.ledger import Event, EventPatient, Head, Leaf, encode

ORGANISATION, OTHER = sorted([ids.new(), ids.new()])
CASE = ids.new()
NURSE = Actor(ids.new(), ORGANISATION, frozenset({"nurse", "surgeon"}), session_id=ids.new())


@pytest.fixture
def log(database: Database) -> Iterator[Database]:
    with database.begin() as db:
        db.keyring.create_organisation(db, ORGANISATION)
        db.keyring.create_organisation(db, OTHER)
    yield database
    with database.begin() as db:
        for organisation in (ORGANISATION, OTHER):
            assert audit.verify(db, organisation).findings == ()


def record(db: Tx, action: str = "case:read", organisation_id: UUID = ORGANISATION, **more: Any) -> Event:
    return audit.record(db, NURSE, action, organisation_id=organisation_id, **more)


def actions(database: Database, organisation_id: UUID = ORGANISATION) -> list[str]:
    with database.begin(readonly=True) as db:
        return [event.action for event in reversed(audit.events(db, organisation_id, limit=10_000))]


# -- with the act or not at all ----------------------------------------------------------------------------


def test_an_event_says_who_did_what_to_what(log: Database) -> None:
    patients = sorted([ids.new(), ids.new()])
    with log.begin() as db:
        written = record(
            db, case_id=CASE, patient_ids=patients[::-1], object_type="case", object_id=CASE, detail={"count": 2, "kind": "hand"}
        )
    with log.begin(readonly=True) as db:
        (event,) = audit.events(db, ORGANISATION)
        assert encode(event) == encode(written)
        assert (event.actor_id, event.actor_organisation_id, event.session_id) == (NURSE.person_id, ORGANISATION, NURSE.session_id)
        assert (event.actor_roles, event.patient_ids, event.leaf_index) == (["nurse", "surgeon"], tuple(patients), 0)
        assert (event.purpose, event.outcome, event.detail) == ("treatment", "success", {"count": 2, "kind": "hand"})
        assert abs(event.at - ids.now()) < dt.timedelta(minutes=1)


def test_the_product_itself_and_a_stranger_are_recorded_too(log: Database) -> None:
    with log.begin() as db:
        audit.record(db, Actor.system(ORGANISATION), "image:render", organisation_id=ORGANISATION)
        audit.record(db, Actor(None, ORGANISATION), "session:refuse", organisation_id=ORGANISATION, outcome="failure")
    assert actions(log) == ["image:render", "session:refuse"]


def test_what_is_rolled_back_leaves_no_event(log: Database) -> None:
    with suppress(ZeroDivisionError), log.begin() as db:
        record(db)
        raise ZeroDivisionError
    assert actions(log) == []


def test_an_act_whose_event_cannot_be_logged_does_not_happen(log: Database) -> None:
    """Failing closed: the job stands for the act."""
    with log.begin() as db:
        record(db)
    with log.begin() as db:
        db.execute(text("UPDATE audit_heads SET size = 0, frontier = :none"), {"none": b""})

    def act() -> None:
        with log.begin() as db:
            enqueue(db, "act", {}, organisation_id=ORGANISATION)
            record(db)

    with pytest.raises(Conflict, match="written-meanwhile"):  # leaf 0 is taken: the tree cannot grow
        act()
    with log.begin() as db:
        assert db.scalars(select(JobRow)).all() == []
        leaf = merkle.leaf_hash(encode(db.scalars(select(Event)).one()))
        db.execute(text("UPDATE audit_heads SET size = 1, frontier = :leaf"), {"leaf": leaf})


def test_a_savepoint_takes_its_events_with_it(log: Database) -> None:
    with log.begin() as db:
        record(db, "step:one")
        with suppress(ZeroDivisionError), db.begin_nested():
            record(db, "step:lost")
            raise ZeroDivisionError
        with db.begin_nested():
            record(db, "step:two")
        assert db.scalar(select(Leaf)) is None, "a place in the tree is taken at the end, not at a savepoint"
        record(db, "step:three")
    assert actions(log) == ["step:one", "step:two", "step:three"]


def test_a_savepoint_left_open_is_logged_all_the_same(log: Database) -> None:
    with log.begin() as db:
        db.begin_nested()
        record(db)
    assert actions(log) == ["case:read"]


def test_one_act_may_be_logged_by_two_organisations(log: Database) -> None:
    with log.begin() as db:
        record(db, "referral:request", OTHER)
        record(db, "referral:request", ORGANISATION)
        record(db, "grant:give", OTHER)
    assert actions(log) == ["referral:request"]
    assert actions(log, OTHER) == ["referral:request", "grant:give"]


def test_the_leaves_come_out_in_order_for_an_export(log: Database) -> None:
    with log.begin() as db:
        events = [record(db, f"step:{name}") for name in ("a", "b", "c")]
    with log.begin(readonly=True) as db:
        assert list(audit.leaves(db, ORGANISATION)) == [encode(event) for event in events]


@pytest.mark.parametrize(
    "wrong",
    [
        {"action": "read"},
        {"action": "case:read "},
        {"action": "病例:read"},
        {"object_type": "病例"},
        {"purpose": "for treatment"},
        {"outcome": ""},
        {"detail": {"name": "张三"}},
        {"detail": {"name": "line\nbreak"}},
        {"detail": {"name": "x" * 201}},
        {"detail": {"姓名": 1}},
        {"detail": {"count": 2**53}},
        {"detail": {"count": 1.5}},
    ],
)
def test_nothing_but_ids_and_codes_goes_into_an_event(database: Database, wrong: dict[str, Any]) -> None:
    with database.begin() as db, pytest.raises(ValueError, match=r"noun:verb|codes|ASCII"):
        record(db, **wrong)


codes = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
details = st.dictionaries(codes, st.booleans() | texts | st.integers(-(2**53) + 1, 2**53 - 1))


@given(details, st.lists(codes), st.none() | st.uuids(), st.datetimes(timezones=st.just(dt.UTC)))
def test_a_leaf_is_canonical_json_as_rfc_8785_has_it(detail: dict[str, Any], roles: list[str], some: UUID | None, at: dt.datetime) -> None:
    event = Event(id=ids.new(), schema=1, organisation_id=ORGANISATION, actor_organisation_id=OTHER, at=at, action="a:b", outcome="success")
    event.purpose, event.object_type, event.actor_roles, event.named_patients, event.detail = "treatment", "", roles, [], detail
    event.actor_id = event.session_id = event.token_id = event.case_id = event.person_id = event.object_id = some
    assert rfc8785.dumps(json.loads(encode(event))) == encode(event)


# -- joining -------------------------------------------------------------------------------------------------


def look(db: Tx, actor: Actor = NURSE, action: str = "image:read", **more: Any) -> UUID:
    options: dict[str, Any] = {"organisation_id": ORGANISATION, "case_id": CASE, "object_type": "study", "object_id": CASE} | more
    return audit.view(db, actor, action, **options).id


def test_looking_again_joins_the_first_look(log: Database) -> None:
    with log.begin() as db:
        first = look(db)
        assert look(db) == first
    with log.begin() as db:
        assert look(db) == first
    assert actions(log) == ["image:read"]


ELSE: dict[str, dict[str, Any]] = {
    "another session": {"actor": replace(NURSE, session_id=ids.new())},
    "a token": {"actor": replace(NURSE, session_id=None, token_id=ids.new())},
    "another person": {"actor": replace(NURSE, person_id=ids.new())},
    "another action": {"action": "image:export"},
    "another object": {"object_id": ids.new()},
    "another kind of object": {"object_type": "series"},
    "another case": {"case_id": ids.new()},
    "another purpose": {"purpose": "teaching"},
    "a failure": {"outcome": "failure"},
    "a patient more": {"patient_ids": [ids.new()]},
    "another log": {"organisation_id": OTHER},
}


@pytest.mark.parametrize("what", ELSE)
def test_another_look_is_another_event(log: Database, what: str) -> None:
    with log.begin() as db:
        first = look(db)
        second = look(db, **ELSE[what])
        assert second != first
        assert look(db, **ELSE[what]) == second


def test_a_list_joins_only_an_event_that_names_all_it_shows(log: Database) -> None:
    one, two, three = ids.new(), ids.new(), ids.new()
    with log.begin() as db:
        first = look(db, patient_ids=[one, two])
        assert look(db, patient_ids=[two]) == first
        second = look(db, patient_ids=[two, three])
        assert second != first
        assert look(db, patient_ids=[one]) == first
        assert look(db, patient_ids=[three]) == second


@pytest.mark.parametrize(("minutes", "joined"), [(14, True), (16, False), (-1, False)])
def test_a_look_is_joined_for_a_quarter_of_an_hour_and_never_from_the_future(log: Database, minutes: int, joined: bool) -> None:
    with log.begin() as db:
        first = look(db)
    with ids.told(ids.now() + dt.timedelta(minutes=minutes)), log.begin() as db:
        assert (look(db) == first) is joined


def test_who_is_not_signed_in_joins_nothing(log: Database) -> None:
    with log.begin() as db:
        assert look(db, Actor(None, ORGANISATION)) != look(db, Actor(None, ORGANISATION))


def at_once(count: int, work: Callable[[int], object]) -> list[object]:
    """``work(n)`` in threads that start together."""
    start = threading.Barrier(count)

    def go(number: int) -> object:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(go, range(count)))


def test_looks_at_the_same_moment_are_one_event(log: Database) -> None:
    """A viewer asks for twenty frames of a study at once: exactly one event."""

    def frame(_: int) -> UUID:
        with log.begin() as db:
            return look(db)

    assert len(set(at_once(8, frame))) == 1
    assert actions(log) == ["image:read"]


# -- one order -------------------------------------------------------------------------------------------------


def test_writers_at_the_same_moment_get_one_unbroken_log_each(log: Database) -> None:
    """Two organisations, recorded in opposite orders: neither a gap nor a deadlock."""

    def write(number: int) -> None:
        for turn in range(10):
            with log.begin() as db:
                for organisation in (ORGANISATION, OTHER)[:: 1 if number % 2 else -1]:
                    record(db, "case:write", organisation, detail={"writer": number, "turn": turn})

    at_once(8, write)
    with log.begin(readonly=True) as db:
        for organisation in (ORGANISATION, OTHER):
            assert db.scalars(select(Head.size).where(Head.organisation_id == organisation)).one() == 80
            events = audit.events(db, organisation, limit=100)
            assert [event.leaf_index for event in events] == list(range(79, -1, -1))
            for number in range(8):
                turns = [event.detail["turn"] for event in events if event.detail["writer"] == number]
                assert turns == list(range(9, -1, -1)), "each writer's own acts stay in their order"


def test_a_clock_set_back_does_not_change_the_order(log: Database) -> None:
    for shift, action in ((0, "step:one"), (-3, "step:two"), (2, "step:three")):
        with ids.told(ids.now() + dt.timedelta(hours=shift)), log.begin() as db:
            record(db, action)
    assert actions(log) == ["step:one", "step:two", "step:three"]


# -- asking ----------------------------------------------------------------------------------------------------


def test_events_are_found_by_each_question(log: Database) -> None:
    patient, colleague, person = ids.new(), replace(NURSE, person_id=ids.new()), ids.new()
    start = ids.now()
    for minutes, action, actor, more in (
        (0, "case:read", NURSE, {"case_id": CASE, "patient_ids": [patient, ids.new()]}),
        (1, "image:read", colleague, {"case_id": CASE}),
        (2, "people:manage", NURSE, {"person_id": person}),
        (3, "case:read", colleague, {"case_id": ids.new(), "patient_ids": [patient]}),
    ):
        with ids.told(start + dt.timedelta(minutes=minutes)), log.begin() as db:
            audit.record(db, actor, action, organisation_id=ORGANISATION, **more)
    minute = dt.timedelta(minutes=1)
    with log.begin(readonly=True) as db:

        def found(**question: Any) -> list[int | None]:
            return [event.leaf_index for event in audit.events(db, ORGANISATION, **question)]

        assert found() == [3, 2, 1, 0]
        assert found(case_id=CASE) == [1, 0]
        assert found(patient_id=patient) == [3, 0]
        assert found(actor_id=colleague.person_id) == [3, 1]
        assert found(person_id=person) == [2]
        assert found(actions=["case:read", "people:manage"]) == [3, 2, 0]
        assert found(since=start + minute, until=start + 3 * minute) == [2, 1]
        assert found(limit=2) == [3, 2]
        newest = audit.events(db, ORGANISATION)
        assert found(before=newest[1].id) == [1, 0]
        assert found(before=ids.new()) == []
        assert found(actor_id=colleague.person_id, patient_id=patient) == [3]
        assert audit.events(db, OTHER) == []


def test_a_hospital_sees_what_its_own_people_did_elsewhere(log: Database) -> None:
    expert = Actor(ids.new(), OTHER, frozenset({"expert"}), session_id=ids.new())
    with log.begin() as db:
        audit.record(db, expert, "case:read", organisation_id=ORGANISATION, case_id=CASE)
        audit.record(db, expert, "case:list", organisation_id=OTHER)
        record(db, "case:read")
    with log.begin(readonly=True) as db:
        assert expert.person_id
        own, abroad = audit.events_of(db, OTHER, expert.person_id)
        assert (own.action, own.organisation_id) == ("case:list", OTHER)
        assert (abroad.action, abroad.organisation_id, abroad.leaf_index) == ("case:read", ORGANISATION, 0)
        assert audit.events_of(db, OTHER, expert.person_id, limit=1) == [own]
        assert audit.events_of(db, OTHER, expert.person_id, before=own.id) == [abroad]
        assert audit.events_of(db, OTHER, ids.new()) == []
        assert audit.events_of(db, ORGANISATION, expert.person_id) == [abroad]


def test_an_events_patients_are_found_by_a_table_that_says_the_same(log: Database) -> None:
    patients = {ids.new() for _ in range(3)}
    with log.begin() as db:
        event = record(db, patient_ids=[*patients, *patients])
    with log.begin(readonly=True) as db:
        assert (
            set(db.scalars(select(EventPatient.patient_id).where(EventPatient.event_id == event.id))) == patients == set(event.patient_ids)
        )


def test_an_event_is_proved_by_itself(log: Database) -> None:
    with log.begin() as db:
        events = [record(db, detail={"n": n}) for n in range(5)]
    with log.begin() as db:
        leaf, proof = audit.prove(db, events[2].id)
        assert leaf == encode(events[2])
        assert proof.startswith("c2sp.org/tlog-proof@v1\nindex 2\n")
        with pytest.raises(NotFound, match="event-not-found"):
            audit.prove(db, ids.new())
