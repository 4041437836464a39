"""Follow-up: planned from the day of treatment, due in its window, recorded once, shown to the expert who advised."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth import people
from core import ids
from core.errors import Conflict, Denied, Invalid, NotFound
from registry import cases, entries, followups, notices, worklist
from registry.followups import Visit
from tests.cast import join
from tests.registry.conftest import World, stepped_up

DAY = dt.timedelta(days=1)
SEEN = {
    "survival": "survived",
    "pain": "3",
    "motion": "limited",
    "total_active_motion": "150",
    "work_status": "modified",
    "note": "指腹饱满",
}


def today() -> dt.date:
    return (ids.now() + dt.timedelta(hours=6)).date()


def test_the_plan_follows_from_the_kind_of_case_and_the_day(world: World) -> None:
    treated = dt.date(2026, 8, 31)
    with world.begin() as db:
        case = world.case(db)
        visits = followups.plan(db, world.cast.surgeon.actor, case.id, treated_on=treated)
        assert [(visit.code, visit.due_on.isoformat()) for visit in visits] == [
            ("week_2", "2026-09-14"),
            ("week_6", "2026-10-12"),
            ("month_3", "2026-11-30"),
            ("month_6", "2027-02-28"),
            ("month_12", "2027-08-31"),
        ]
        assert (case.state, case.treated_on) == ("follow-up", treated)
        fracture = world.case(db, kind="fracture")
        codes = [visit.code for visit in followups.plan(db, world.cast.nurse.actor, fracture.id, treated_on=treated)]
        assert codes == ["week_6", "month_3", "month_6", "month_12"]
        with pytest.raises(Invalid):
            followups.plan(db, world.cast.surgeon.actor, case.id, treated_on=today() + 2 * DAY)


def test_a_visit_is_planned_due_overdue_and_done() -> None:
    visit = Visit(code="week_6", due_on=dt.date(2026, 10, 12), opens_on=dt.date(2026, 10, 5), late_after=dt.date(2026, 10, 19))
    for day, standing in (("10-04", "planned"), ("10-05", "due"), ("10-19", "due"), ("10-20", "overdue")):
        assert visit.standing(dt.date.fromisoformat(f"2026-{day}")) == standing
    visit.entry_chain_id = ids.new()
    assert visit.standing(dt.date(2030, 1, 1)) == "done"


def test_a_visit_is_recorded_once_told_to_the_expert_and_corrected_like_any_entry(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case, other = world.case(db), world.case(db)
        world.asked(db, case)
        world.sign(db, case)
        visits = followups.plan(db, cast.surgeon.actor, case.id, treated_on=today() - 14 * DAY)
        followups.plan(db, cast.surgeon.actor, other.id, treated_on=today() - 14 * DAY)
        raw = {**SEEN, "seen_on": today().isoformat()}
        with pytest.raises(Invalid) as caught:
            followups.record(db, cast.nurse.actor, case.id, {**raw, "pain": "11"}, visit_id=visits[0].id)
        assert caught.value.fields == {"pain": "field-out-of-range"}
        with pytest.raises(NotFound, match="visit-not-found"):
            followups.record(db, cast.nurse.actor, other.id, raw, visit_id=visits[0].id)
        entry = followups.record(db, cast.nurse.actor, case.id, raw, visit_id=visits[0].id, client_key="k")
        assert followups.record(db, cast.nurse.actor, case.id, raw, visit_id=visits[0].id, client_key="k") is entry
        with pytest.raises(Conflict, match="visit-recorded-already"):
            followups.record(db, cast.nurse.actor, case.id, raw, visit_id=visits[0].id)
        followups.record(db, cast.nurse.actor, case.id, {**raw, "note": "计划外"})
        entries.correct(db, cast.nurse.actor, entry.id, {"pain": "2"}, reason="typed wrongly")
        shown = followups.for_case(db, cast.expert.actor, case.id)
        done = [seen for seen in shown if seen.standing == "done"]
        assert [seen.visit.code if seen.visit else None for seen in done] == ["week_2", None]
        assert done[0].record is not None
        assert done[0].record.document.pain == 2  # type: ignore[attr-defined]
        assert [seen.standing for seen in shown] == ["done", "done", "planned", "planned", "planned", "planned"]
        assert [n.kind for n in notices.for_actor(db, cast.expert.actor)].count("outcome-recorded") == 2


def test_due_visits_are_those_of_ones_own_hospital_longest_waiting_first(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        late, due, planned, closed = (world.case(db) for _ in range(4))
        for case, ago in ((late, 30), (due, 14), (planned, 1), (closed, 30)):
            followups.plan(db, cast.surgeon.actor, case.id, treated_on=today() - ago * DAY)
        closed.state = "closed"
        found = followups.due(db, cast.nurse.actor)
        assert [(case.id, visit.code, visit.standing(today())) for visit, case in found] == [
            (late.id, "week_2", "overdue"),
            (due.id, "week_2", "due"),
        ]
        for member in (cast.stranger, cast.expert, cast.administrator, cast.coordinator):
            assert followups.due(db, member.actor) == []


def test_planning_again_moves_only_what_has_not_taken_place(world: World) -> None:
    nurse = world.cast.nurse.actor
    with world.begin() as db:
        case = world.case(db)
        first = followups.plan(db, nurse, case.id, treated_on=today() - 20 * DAY)
        kept = first[0].due_on
        followups.record(db, nurse, case.id, {**SEEN, "seen_on": today().isoformat()}, visit_id=first[0].id)
        second = followups.plan(db, nurse, case.id, treated_on=today() - 10 * DAY)
        assert [visit.id for visit in second] == [visit.id for visit in first]
        assert second[0].due_on == kept
        assert second[1].due_on == today() + 32 * DAY


def test_who_may_plan_and_record(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        for member, error in ((cast.expert, Denied), (cast.coordinator, Denied), (cast.stranger, NotFound), (cast.administrator, NotFound)):
            with pytest.raises(error):
                followups.plan(db, member.actor, case.id, treated_on=today())
            with pytest.raises(error):
                followups.record(db, member.actor, case.id, {**SEEN, "seen_on": today().isoformat()})


@given(day=st.dates(dt.date(2000, 1, 1), dt.date(2100, 1, 1)), months=st.integers(0, 36))
def test_months_later_is_the_same_day_or_the_last_of_the_month(day: dt.date, months: int) -> None:
    later = followups.add_months(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or (later.day < day.day and (later + DAY).day == 1)


def asked(world: World) -> list[str]:
    with world.begin() as db:
        told = notices.for_actor(db, world.cast.surgeon.actor)
        assert {one.urgency for one in told if one.kind.startswith("report-")} <= {"routine"}
        return [one.kind for one in reversed(told) if one.kind.startswith("report-")]


def test_a_report_is_asked_for_when_a_visit_opens_and_when_it_is_overdue_each_once(world: World) -> None:
    start = ids.now()
    with world.begin() as db:
        case = world.case(db)
        planned = followups.plan(db, world.cast.surgeon.actor, case.id, treated_on=today())
        first, last_day = planned[0].id, planned[0].late_after
    followups.remind(world.database)
    assert asked(world) == [], "nothing is due yet"
    with ids.told(start + 12 * DAY):
        with ThreadPoolExecutor(4) as together:
            clocks = [copy_context() for _ in range(4)]
            assert sum(together.map(lambda clock: clock.run(followups.remind, world.database), clocks)) == 1
        followups.remind(world.database)
        assert asked(world) == ["report-due"]
    with ids.told(dt.datetime.combine(last_day, dt.time(4), dt.UTC)):
        assert followups.remind(world.database) == 0, "noon at the hospital of the last day of its window"
    with ids.told(start + 19 * DAY):
        assert followups.remind(world.database) == 1
        assert followups.remind(world.database) == 0
        assert asked(world) == ["report-due", "report-overdue"]
        with world.begin() as db:
            followups.record(db, world.cast.nurse.actor, case.id, {**SEEN, "seen_on": today().isoformat()}, visit_id=first)
    with ids.told(start + 40 * DAY):
        assert followups.remind(world.database) == 1, "the next visit is asked for in its turn"
        with world.begin() as db:
            followups.plan(db, world.cast.surgeon.actor, case.id, treated_on=today() - 36 * DAY)
        assert followups.remind(world.database) == 1, "and anew when the plan has moved"
        with world.begin() as db:
            cases.close(db, world.cast.surgeon.actor, case.id)
    with ids.told(start + 400 * DAY):
        assert followups.remind(world.database) == 0, "nothing is asked of a closed case"


def test_where_who_opened_the_case_is_gone_the_surgeons_who_may_report_are_asked(world: World) -> None:
    cast, start = world.cast, ids.now()
    with world.begin() as db:
        colleague, outside = (join(db, cast.aral, login, "周", "", "surgeon") for login in ("zhou.min", "zhou.jun"))
        for case in (world.case(db), world.case(db)):
            followups.plan(db, cast.surgeon.actor, case.id, treated_on=today())
        world.restrict(db, case, colleague)
        people.disable(db, stepped_up(cast.administrator.actor), cast.surgeon.id)
    with ids.told(start + 12 * DAY):
        assert followups.remind(world.database) == 2
        with world.begin() as db:
            told = [
                [one.kind for one in notices.for_actor(db, who.actor)].count("report-due") for who in (cast.surgeon, colleague, outside)
            ]
    assert told == [0, 2, 1]


def test_who_opened_the_case_is_asked_and_no_colleague(world: World) -> None:
    with world.begin() as db:
        colleague = join(db, world.cast.aral, "zhou.min", "周", "", "surgeon")
        followups.plan(db, world.cast.surgeon.actor, world.case(db).id, treated_on=today())
    with ids.told(ids.now() + 12 * DAY):
        assert followups.remind(world.database) == 1
        with world.begin() as db:
            assert [one.kind for one in notices.for_actor(db, world.cast.surgeon.actor)] == ["report-due"]
            assert notices.for_actor(db, colleague.actor) == []


def test_what_is_late_on_the_work_list_goes_by_the_hospitals_day(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        [visit, *_] = followups.plan(db, world.cast.surgeon.actor, case.id, treated_on=today())
        last = visit.late_after
    for moment, late in ((dt.time(17), False), (dt.time(19), True)):
        with ids.told(dt.datetime.combine(last, moment, dt.UTC)), world.begin() as db:
            [item] = [one for one in worklist.items(db, world.cast.surgeon.actor).needs if one.visit and one.visit.code == "week_2"]
            assert item.overdue is late, "midnight in Aral is six in the evening, UTC"
