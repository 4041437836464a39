"""How long records are kept: by the law's floor, the hospital's rule, and the last case of the same patient."""

import dataclasses
import datetime as dt
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import audit, ids
from core.db import Tx
from core.errors import Conflict, Denied, Invalid, NotFound, StepUpNeeded
from registry import closures, holds, merges, numbering, retention
from registry.cases import Case
from registry.retention import Rule
from tests.registry.conftest import World, stepped_up

ENDED = {"result": "healed"}


def closed(world: World, db: Tx, on: str, *, patient_id: UUID | None = None, care: str = "not_assessed") -> Case:
    """A case closed that day at nine in the evening, UTC: the next day in Aral."""
    with ids.told(dt.datetime.fromisoformat(f"{on}T21:00:00+00:00")):
        case = world.case(db, patient_id=patient_id)
        closures.close(db, world.cast.surgeon.actor, case.id, ENDED | {"care": care})
    return case


def test_a_stay_is_kept_thirty_years_an_outpatient_fifteen_and_what_nobody_said_as_a_stay(world: World) -> None:
    with world.begin() as db:
        kept = {care: retention.kept_until(db, closed(world, db, "2026-03-01", care=care)) for care in ("outpatient", "inpatient")}
        unsaid = retention.kept_until(db, closed(world, db, "2026-03-01"))
    assert kept == {"outpatient": dt.date(2041, 3, 2), "inpatient": dt.date(2056, 3, 2)}
    assert unsaid == dt.date(2056, 3, 2)


def test_the_time_runs_from_the_last_case_of_the_patient_and_not_while_one_is_open(world: World) -> None:
    with world.begin() as db:
        first = closed(world, db, "2026-03-01", care="outpatient")
        closed(world, db, "2028-02-28", patient_id=first.patient_id)
        assert retention.kept_until(db, first) == dt.date(2043, 3, 1), "from 29 February, fifteen whole years"
        other = closed(world, db, "2029-01-01")
        merges.merge(db, world.cast.surgeon.actor, kept_id=first.patient_id, merged_id=other.patient_id, reason="One person.")
        assert retention.kept_until(db, first) == dt.date(2044, 1, 2)
        world.case(db, patient_id=first.patient_id)
        assert retention.kept_until(db, first) is None


def test_a_hospital_keeps_longer_than_the_law_and_never_shorter(world: World) -> None:
    administrator = world.cast.administrator.actor
    years = {"outpatient_years": 15, "inpatient_years": 30, "archive_after_days": 180}
    with world.begin() as db:
        case = closed(world, db, "2026-03-01", care="outpatient")
        for told, wrong in (
            ({"outpatient_years": 14}, {"outpatient_years": "retention-too-short"}),
            ({"inpatient_years": 29}, {"inpatient_years": "retention-too-short"}),
            ({"inpatient_years": 101}, {"inpatient_years": "retention-out-of-bounds"}),
            ({"outpatient_years": None}, {"outpatient_years": "retention-out-of-bounds"}),
            ({"archive_after_days": 0}, {"archive_after_days": "retention-out-of-bounds"}),
        ):
            with pytest.raises(Invalid) as caught:
                retention.set_rule(db, administrator, **years | told)  # type: ignore[arg-type]
            assert caught.value.fields == wrong
        assert retention.rule(db, world.cast.aral.id) == Rule(15, 30, 180)
        for _ in range(2):
            retention.set_rule(db, administrator, outpatient_years=20, inpatient_years=30, archive_after_days=90)
        assert retention.kept_until(db, case) == dt.date(2046, 3, 2)
        assert retention.rule(db, world.cast.taizhou.id) == Rule()
        for member in (world.cast.surgeon, world.cast.auditor, world.cast.coordinator):
            with pytest.raises(Denied):
                retention.set_rule(db, member.actor, **years)
        with pytest.raises(Denied):
            retention.set_rule(db, dataclasses.replace(administrator, token_id=ids.new()), **years)
    with world.begin() as db:
        (event,) = audit.events(db, world.cast.aral.id, actions=("retention:set",))
        assert event.detail == {"outpatient_years": 20, "archive_after_days": 90}


def test_a_hold_stands_until_it_is_lifted_with_a_reason(world: World) -> None:
    administrator = world.cast.administrator.actor
    with world.begin() as db:
        case = world.case(db)
        assert holds.since(db, case) is None
        hold = holds.place(db, administrator, number=f" {case.number.lower()} ", reason="Inquiry 2026-14")
        second = holds.place(db, administrator, number=case.number, reason="A claim.")
        assert b"Inquiry" not in hold.reason
        assert holds.since(db, case) == hold.placed_at
        with pytest.raises(StepUpNeeded):
            holds.lift(db, administrator, hold.id, reason="It ended.")
        with pytest.raises(Invalid) as caught:
            holds.lift(db, stepped_up(administrator), hold.id, reason="  ")
        assert caught.value.fields == {"reason": "field-required"}
        holds.lift(db, stepped_up(administrator), hold.id, reason="It ended.")
        assert holds.since(db, case) == second.placed_at, "every hold has to be lifted"
        with pytest.raises(Conflict, match="hold-lifted-already"):
            holds.lift(db, stepped_up(administrator), hold.id, reason="Again.")
        holds.lift(db, stepped_up(administrator), second.id, reason="Settled.")
        assert holds.since(db, case) is None
        told = [(one.number, one.reason, one.lift_reason) for one in holds.listed(db, administrator)]
        assert told == [(case.number, "A claim.", "Settled."), (case.number, "Inquiry 2026-14", "It ended.")]
    with world.begin() as db:
        done = [event.action for event in audit.events(db, world.cast.aral.id, case_id=case.id, actions=("hold:place", "hold:lift"))]
        assert sorted(done) == ["hold:lift", "hold:lift", "hold:place", "hold:place"]


def test_holds_are_the_administrators_own_and_of_their_own_hospital(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        hold = holds.place(db, cast.administrator.actor, number=case.number, reason="An inquiry.")
        for member in (cast.surgeon, cast.nurse, cast.auditor, cast.expert):
            for act in (
                lambda actor: holds.place(db, actor, number=case.number, reason="x"),
                lambda actor: holds.listed(db, actor),
                lambda actor: holds.lift(db, stepped_up(actor), hold.id, reason="x"),
            ):
                with pytest.raises(Denied):
                    act(member.actor)
        with pytest.raises(Denied):
            holds.listed(db, dataclasses.replace(cast.administrator.actor, token_id=ids.new()))
        there = dataclasses.replace(cast.administrator.actor, organisation_id=cast.taizhou.id)
        assert holds.listed(db, there) == []
        for number, fields in (
            (case.number, {"number": "case-number-unknown"}),
            ("SH-2026-", {"number": "case-number-unknown"}),
        ):
            with pytest.raises(Invalid) as caught:
                holds.place(db, there, number=number, reason="x")
            assert caught.value.fields == fields
        with pytest.raises(Invalid) as caught:
            holds.place(db, cast.administrator.actor, number="", reason="")
        assert caught.value.fields == {"number": "case-number-unknown", "reason": "field-required"}
        with pytest.raises(NotFound):
            holds.get(db, there, hold.id)


@given(st.text(max_size=24) | st.from_regex(r"SH-\d{3,5}-\d{3,10}", fullmatch=True))
def test_a_case_number_is_read_as_it_is_written_and_nothing_else(number: str) -> None:
    told = numbering.read(number)
    if told is not None:
        year, sequence = told
        assert number.strip().upper().lstrip("SH-").split("-") == [f"{year:04d}", number.strip().rpartition("-")[2]]
        assert numbering.read(f"SH-{year:04d}-{sequence:04d}") == told
