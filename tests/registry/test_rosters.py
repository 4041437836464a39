"""Rosters: who is called, who may change it, and that the past stays as it was."""

import datetime as dt
from collections.abc import Iterator
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from auth import agreements, news, people
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Denied, Invalid, NotFound, PreconditionFailed
from registry import duty, notices, referrals, rosters
from registry.duty import RosterVersion
from registry.rotation import Rotation
from tests import cast as people_of
from tests.cast import Member
from tests.registry.conftest import World, run_jobs

BEIJING = ZoneInfo("Asia/Shanghai")
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
MORNING = dt.datetime(2026, 11, 23, 9, tzinfo=BEIJING)
"""A Monday, an hour after the handover."""
TODAY = MORNING.date()
PHONE = "0576-5550199"


@pytest.fixture(autouse=True)
def monday() -> Iterator[None]:
    """Every test begins on the same Monday."""
    with ids.told(MORNING):
        yield


@pytest.fixture
def third(world: World) -> Member:
    """One more expert of the invited hospital."""
    with world.begin() as db:
        return people_of.join(db, world.cast.taizhou, "he.ping", "何平", "He Ping", "expert", phone="0576-5550103")


def by_turns(*members: Member, days: int = 1, begins_on: dt.date = TODAY) -> Rotation:
    return Rotation(tuple(member.id for member in members), "Asia/Shanghai", (dt.time(8),), days, begins_on)


def hand(db: Tx, world: World, *members: Member, days: int = 1, phone: str = PHONE) -> rosters.Roster:
    """The hand surgeons' roster of the invited hospital."""
    rotation = by_turns(*members, days=days)
    return rosters.create(db, world.cast.coordinator.actor, role="expert", specialty="hand_surgery", rotation=rotation, phone=phone)


def called(db: Tx, world: World, at: dt.datetime | None = None) -> list[UUID]:
    return [one.person_id for one in duty.on_duty(db, world.cast.taizhou.id, "expert", "hand_surgery", at)]


def newest(db: Tx, world: World, roster: rosters.Roster) -> UUID:
    return rosters.history(db, world.cast.coordinator.actor, roster.id)[0].id


def told(world: World, member: Member) -> list[str]:
    """The kinds of the notices a person has, oldest first."""
    run_jobs(world.database, {news.TELL: notices.told})
    with world.begin() as db:
        return [one.kind for one in reversed(notices.for_actor(db, member.actor))]


# --- who is called ---------------------------------------------------------------------------------------------------


def test_who_is_on_duty_who_follows_and_when(world: World, third: Member) -> None:
    cast = world.cast
    with world.begin() as db:
        hand(db, world, cast.expert, cast.second_expert, third)
        found = duty.of(db, cast.taizhou.id, "expert", "hand_surgery")
        assert found is not None
        tomorrow = MORNING - HOUR + DAY
        assert [one.person_id for one in found.people] == [cast.expert.id, cast.second_expert.id, third.id]
        assert [one.until for one in found.people] == [tomorrow] * 3
        assert (found.people[2].name, found.people[2].name_en, found.people[2].phone) == ("何平", "He Ping", "0576-5550103")
        assert found.next is not None
        assert (found.next.person_id, found.handover, found.phone) == (cast.second_expert.id, tomorrow, PHONE)
        assert called(db, world, tomorrow - dt.timedelta(seconds=1))[0] == cast.expert.id
        assert called(db, world, tomorrow)[0] == cast.second_expert.id
        assert duty.of(db, cast.taizhou.id, "expert", "burns") is None
        assert duty.on_duty(db, cast.aral.id, "expert", "hand_surgery") == []


def test_one_person_alone_is_on_duty_until_further_notice(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        rosters.create(db, cast.coordinator.actor, role="coordinator", rotation=by_turns(cast.coordinator, days=7))
        found = duty.of(db, cast.taizhou.id, "coordinator")
        assert found is not None
        assert ([one.until for one in found.people], found.next, found.handover) == ([None], None, None)


def test_absent_disabled_and_dismissed_people_are_passed_over(world: World, third: Member) -> None:
    cast = world.cast
    system = Actor.system(cast.taizhou.id)
    with world.begin() as db:
        hand(db, world, cast.expert, cast.second_expert, third)
        rosters.absent(db, cast.expert.actor, person_id=cast.expert.id, until=MORNING + 3 * HOUR, reason="sick")
        found = duty.of(db, cast.taizhou.id, "expert", "hand_surgery")
        assert found is not None
        assert [one.person_id for one in found.people] == [cast.second_expert.id, third.id]
        assert found.people[0].until == found.handover == MORNING + 3 * HOUR
        assert found.next is not None
        assert found.next.person_id == cast.expert.id
        people.disable(db, system, cast.second_expert.id)
        assert called(db, world) == [third.id]
        people.dismiss(db, system, third.id, "expert")
        assert called(db, world) == []
    with ids.told(MORNING + 3 * HOUR), world.begin() as db:
        assert called(db, world) == [cast.expert.id]


def test_a_cover_stands_first_and_ends(world: World, third: Member) -> None:
    cast, keeper = world.cast, world.cast.coordinator.actor
    with world.begin() as db:
        roster = hand(db, world, cast.expert, cast.second_expert)
        cover = rosters.cover(db, keeper, roster.id, person_id=third.id, since=MORNING + HOUR, until=MORNING + 5 * HOUR)
        assert called(db, world) == [cast.expert.id, cast.second_expert.id]
        assert called(db, world, MORNING + HOUR) == [third.id, cast.second_expert.id, cast.expert.id]
        assert called(db, world, MORNING + 5 * HOUR) == [cast.expert.id, cast.second_expert.id]
    with ids.told(MORNING + 2 * HOUR), world.begin() as db:
        rosters.end_cover(db, keeper, cover.id)
        assert called(db, world) == [cast.expert.id, cast.second_expert.id]
        with pytest.raises(Conflict, match="roster-over"):
            rosters.end_cover(db, keeper, cover.id)


def test_gaps_are_where_nobody_is_able(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        roster = hand(db, world, cast.expert)
        away = (MORNING + DAY, MORNING + 2 * DAY)
        rosters.absent(db, cast.expert.actor, person_id=cast.expert.id, since=away[0], until=away[1], reason="leave")
        found = rosters.whole(db, cast.coordinator.actor)
        assert [(gap.begins, gap.ends) for gap in found.gaps(roster, MORNING + 14 * DAY)] == [away]
        assert [one.roster_id for one in rosters.own(db, cast.expert.actor)] == [roster.id]
        assert rosters.own(db, cast.second_expert.actor) == []
    with ids.told(away[0]), world.begin() as db:
        assert rosters.own(db, cast.expert.actor) == []


# --- the past stays as it was ----------------------------------------------------------------------------------------


def test_a_changed_rotation_leaves_the_past_alone(world: World, third: Member) -> None:
    cast, keeper = world.cast, world.cast.coordinator.actor
    with world.begin() as db:
        roster = hand(db, world, cast.expert, cast.second_expert)
    later = MORNING + 3 * DAY + HOUR
    with ids.told(later), world.begin() as db:
        assert called(db, world) == [cast.second_expert.id, cast.expert.id]
        rosters.change(db, keeper, roster.id, rotation=by_turns(third, cast.expert), version_id=newest(db, world, roster))
        assert called(db, world)[0] == cast.expert.id
        assert called(db, world, later - dt.timedelta(seconds=1)) == [cast.second_expert.id, cast.expert.id]
        assert called(db, world, MORNING + HOUR) == [cast.expert.id, cast.second_expert.id]
        assert called(db, world, MORNING - HOUR) == [], "nor does it reach back"
        versions = rosters.history(db, keeper, roster.id)
        assert [version.people[0] for version in versions] == [str(third.id), str(cast.expert.id)]
        assert versions[0].since == versions[1].until


def test_a_change_for_a_later_day_begins_then_and_can_be_changed_again_before(world: World, third: Member) -> None:
    cast, keeper = world.cast, world.cast.coordinator.actor
    with world.begin() as db:
        roster = hand(db, world, cast.expert)
        planned = by_turns(cast.second_expert, begins_on=TODAY + 5 * DAY)
        rosters.change(db, keeper, roster.id, rotation=planned, version_id=newest(db, world, roster))
        begins = MORNING - HOUR + 5 * DAY
        assert called(db, world, begins - HOUR) == [cast.expert.id]
        assert called(db, world, begins) == [cast.second_expert.id]
        sooner = by_turns(third, begins_on=TODAY + 2 * DAY)
        rosters.change(db, keeper, roster.id, rotation=sooner, version_id=newest(db, world, roster))
        assert called(db, world) == [cast.expert.id]
        assert called(db, world, MORNING + 2 * DAY) == [third.id]
        assert called(db, world, begins) == [third.id]


def test_a_roster_that_has_not_begun_shows_what_it_will_say_first(world: World) -> None:
    cast, keeper = world.cast, world.cast.coordinator.actor
    planned = by_turns(cast.expert, begins_on=TODAY + 5 * DAY)
    with world.begin() as db:
        roster = rosters.create(db, keeper, role="expert", specialty="hand_surgery", rotation=planned, phone="110")
        rosters.change(db, keeper, roster.id, rotation=planned, phone="120", version_id=newest(db, world, roster))
        found = duty.of(db, cast.taizhou.id, "expert", "hand_surgery")
        assert found is not None
        assert (found.people, found.phone, found.handover) == ((), "120", MORNING - HOUR + 5 * DAY)


def test_covers_absences_roles_and_accounts_are_answered_as_they_were(world: World, third: Member) -> None:
    cast, keeper, system = world.cast, world.cast.coordinator.actor, Actor.system(world.cast.taizhou.id)
    with world.begin() as db:
        roster = hand(db, world, cast.expert, cast.second_expert)
    at = [MORNING + number * HOUR for number in range(1, 8)]
    with ids.told(at[0]), world.begin() as db:
        # entered late: an absence does not reach back
        away = rosters.absent(db, keeper, person_id=cast.expert.id, since=MORNING - DAY, until=MORNING + 9 * HOUR, reason="sick")
    with ids.told(at[1]), world.begin() as db:
        rosters.end_absence(db, keeper, away.id)
        cover = rosters.cover(db, keeper, roster.id, person_id=third.id, until=MORNING + 9 * HOUR)
    with ids.told(at[2]), world.begin() as db:
        rosters.end_cover(db, keeper, cover.id)
    with ids.told(at[3]), world.begin() as db:
        people.disable(db, system, cast.expert.id)
    with ids.told(at[4]), world.begin() as db:
        people.enable(db, system, cast.expert.id)
        people.dismiss(db, system, cast.expert.id, "expert")
    with ids.told(at[5]), world.begin() as db:
        people.appoint(db, system, cast.expert.id, "expert")
    with ids.told(at[6]), world.begin() as db:
        rosters.end(db, keeper, roster.id)
        half = dt.timedelta(minutes=30)
        firsts = [(called(db, world, moment + half) or [None])[0] for moment in (MORNING, *at)]
        one, two = cast.expert.id, cast.second_expert.id
        assert firsts == [one, two, third.id, one, two, two, one, None]
        assert rosters.whole(db, keeper).rosters == ()
        # the duty can be given a roster again
        hand(db, world, cast.second_expert)
        assert called(db, world) == [two]


def test_what_has_not_begun_can_be_called_off_whole(world: World) -> None:
    cast, keeper = world.cast, world.cast.coordinator.actor
    with world.begin() as db:
        hand(db, world, cast.expert, cast.second_expert)
        away = rosters.absent(db, keeper, person_id=cast.expert.id, since=MORNING + 2 * HOUR, until=MORNING + 9 * HOUR, reason="course")
        assert called(db, world, MORNING + 3 * HOUR)[0] == cast.second_expert.id
        rosters.end_absence(db, keeper, away.id)
        assert called(db, world, MORNING + 3 * HOUR)[0] == cast.expert.id


# --- rights ----------------------------------------------------------------------------------------------------------


def test_only_keepers_change_a_roster_and_only_their_own_hospitals(world: World, third: Member) -> None:
    cast = world.cast
    until = MORNING + DAY
    with world.begin() as db:
        roster = hand(db, world, cast.expert)
        version = newest(db, world, roster)
        cover = rosters.cover(db, cast.coordinator.actor, roster.id, person_id=third.id, until=until)
        away = rosters.absent(db, cast.coordinator.actor, person_id=third.id, until=until, reason="other")
    acts = {
        "create": lambda db, who: rosters.create(db, who, role="surgeon", rotation=by_turns(cast.expert)),
        "change": lambda db, who: rosters.change(db, who, roster.id, rotation=by_turns(cast.expert), version_id=version),
        "cover": lambda db, who: rosters.cover(db, who, roster.id, person_id=third.id, until=until),
        "end_cover": lambda db, who: rosters.end_cover(db, who, cover.id),
        "absent": lambda db, who: rosters.absent(db, who, person_id=third.id, until=until, reason="leave"),
        "end_absence": lambda db, who: rosters.end_absence(db, who, away.id),
        "end": lambda db, who: rosters.end(db, who, roster.id),
    }
    for name, act in acts.items():
        for member in (cast.expert, cast.auditor, cast.surgeon, cast.nurse):
            with pytest.raises((Denied, NotFound)), world.begin() as db:
                act(db, member.actor)
        if name not in ("create", "absent"):
            with pytest.raises(NotFound), world.begin() as db:
                act(db, cast.administrator.actor)
    with world.begin() as db:
        with pytest.raises(NotFound):
            rosters.history(db, cast.administrator.actor, roster.id)
        with pytest.raises(Denied):
            rosters.whole(db, cast.auditor.actor)
        for member in (cast.surgeon, cast.nurse, cast.administrator):
            assert rosters.whole(db, member.actor).rosters == ()
        assert rosters.whole(db, cast.expert.actor).rosters == (db.get(rosters.Roster, roster.id),)


def test_everybody_enters_their_own_absence_at_a_session_and_their_reason_is_their_affair(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        hand(db, world, cast.expert, cast.second_expert)
        away = rosters.absent(db, cast.expert.actor, person_id=cast.expert.id, until=MORNING + DAY, reason="sick")
        assert rosters.shows_reason(cast.expert.actor, away)
        assert rosters.shows_reason(cast.coordinator.actor, away)
        assert not rosters.shows_reason(cast.second_expert.actor, away)
        with pytest.raises(Denied):
            rosters.end_absence(db, cast.second_expert.actor, away.id)
        program = Actor(cast.expert.id, cast.taizhou.id, frozenset({"expert"}), token_id=ids.new())
        with pytest.raises(Denied, match="session-needed"):
            rosters.end_absence(db, program, away.id)
        rosters.end_absence(db, cast.expert.actor, away.id)


def test_a_partner_sees_who_is_on_duty_and_next_and_no_more(world: World, third: Member) -> None:
    cast = world.cast
    hospital = {"organisation_id": cast.taizhou.id, "role": "expert"}
    with world.begin() as db:
        hand(db, world, cast.expert, cast.second_expert, third)
        seen = rosters.ask(db, cast.surgeon.actor, **hospital, specialty="hand_surgery")
        assert [one.person_id for one in seen.people] == [cast.expert.id]
        assert seen.next is not None
        assert (seen.next.person_id, seen.phone) == (cast.second_expert.id, PHONE)
        assert len(rosters.ask(db, cast.expert.actor, **hospital, specialty="hand_surgery").people) == 3
        with pytest.raises(NotFound, match="roster-not-found"):
            rosters.ask(db, cast.surgeon.actor, **hospital, specialty="burns")
        with pytest.raises(NotFound, match="organisation-not-found"):
            rosters.ask(db, cast.stranger.actor, **hospital, specialty="hand_surgery")
        with pytest.raises(NotFound, match="organisation-not-found"):
            rosters.ask(db, cast.stranger.actor, organisation_id=ids.new(), role="expert", specialty="hand_surgery")
        with pytest.raises(Denied):
            rosters.ask(db, cast.auditor.actor, **hospital, specialty="hand_surgery")


def test_without_an_agreement_an_open_question_lets_both_sides_know(world: World) -> None:
    cast = world.cast
    hospital = {"organisation_id": cast.taizhou.id, "role": "expert", "specialty": "hand_surgery"}
    with world.begin() as db:
        hand(db, world, cast.expert)
        case = world.case(db)
        referral = world.refer(db, case)
        agreement = agreements.agreement_between(db, cast.aral.id, cast.taizhou.id, ids.now())
        assert agreement is not None
        agreements.end(db, Actor.system(cast.taizhou.id), agreement.id, reason=agreements.ENDINGS[0])
    with ids.told(MORNING + dt.timedelta(minutes=1)), world.begin() as db:
        assert rosters.ask(db, cast.surgeon.actor, **hospital).people
        referrals.withdraw(db, cast.surgeon.actor, referral.id)
        with pytest.raises(NotFound):
            rosters.ask(db, cast.surgeon.actor, **hospital)


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"role": "nurse"}, "role"),
        ({"specialty": ""}, "specialty"),
        ({"specialty": "dentistry"}, "specialty"),
        ({"phone": "javascript:alert(1)"}, "phone"),
        ({"phone": "+" + "1" * 60}, "phone"),
        ({"people": ()}, "people"),
        ({"people": ("coordinator",)}, "people"),
        ({"people": ("surgeon",)}, "people"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"days": 0}, "days"),
        ({"days": 29}, "days"),
        ({"handovers": (dt.time(8), dt.time(20)), "days": 2}, "days"),
        ({"handovers": (dt.time(20), dt.time(8))}, "handovers"),
        ({"handovers": ()}, "handovers"),
        ({"begins_on": dt.date(1900, 1, 1)}, "begins_on"),
        ({"begins_on": dt.date(2999, 1, 1)}, "begins_on"),
    ],
)
def test_a_roster_that_makes_no_sense_is_refused(world: World, more: dict[str, object], field: str) -> None:
    given: dict[str, object] = {
        "people": ("expert",), "time_zone": "Asia/Shanghai", "handovers": (dt.time(8),), "days": 1, "begins_on": TODAY,
    }  # fmt: skip
    told = {"role": "expert", "specialty": "hand_surgery", "phone": ""}
    told |= {key: str(value) for key, value in more.items() if key in told}
    given |= {key: value for key, value in more.items() if key in given}
    given["people"] = tuple(getattr(world.cast, name).id for name in given["people"])  # type: ignore[attr-defined]
    with pytest.raises(Invalid) as refused, world.begin() as db:
        rosters.create(db, world.cast.coordinator.actor, rotation=Rotation(**given), **told)  # type: ignore[arg-type]
    assert set(refused.value.fields) == {field}


def test_spans_and_people_that_make_no_sense_are_refused(world: World) -> None:
    cast, keeper = world.cast, world.cast.coordinator.actor
    with world.begin() as db:
        roster = hand(db, world, cast.expert)

    def wrong(act: str, **more: object) -> set[str]:
        verb = partial(rosters.cover, roster_id=roster.id) if act == "cover" else rosters.absent
        with world.begin() as db, pytest.raises(Invalid) as refused:
            verb(db, keeper, **more)  # type: ignore[operator]
        return set(refused.value.fields)

    past, ahead = MORNING - HOUR, MORNING + DAY
    expert = cast.expert.id
    assert wrong("cover", person_id=cast.coordinator.id, until=ahead) == {"person_id"}
    assert wrong("cover", person_id=cast.surgeon.id, until=ahead) == {"person_id"}
    assert wrong("cover", person_id=expert, since=past - HOUR, until=past) == {"until"}
    assert wrong("cover", person_id=expert, since=ahead, until=ahead) == {"until"}
    assert wrong("cover", person_id=expert, until=MORNING + 500 * DAY) == {"until"}
    assert wrong("absent", person_id=expert, until=ahead, reason="bored") == {"reason"}
    assert wrong("absent", person_id=cast.surgeon.id, until=ahead, reason="leave") == {"person_id"}
    assert wrong("absent", person_id=expert, until=past, reason="leave") == {"until"}


def test_a_duty_has_one_roster_and_two_who_change_it_do_not_overwrite_each_other(world: World) -> None:
    cast, keeper = world.cast, world.cast.coordinator.actor
    with world.begin() as db:
        roster = hand(db, world, cast.expert)
        with pytest.raises(Conflict, match="roster-exists"):
            hand(db, world, cast.second_expert)
        version = newest(db, world, roster)
        rosters.change(db, keeper, roster.id, rotation=by_turns(cast.second_expert), version_id=version)
        with pytest.raises(PreconditionFailed, match="roster-changed-meanwhile"):
            rosters.change(db, keeper, roster.id, rotation=by_turns(cast.expert), version_id=version)
        assert db.scalar(select(func.count()).select_from(RosterVersion)) == 2


# --- who is told, and what is written down ---------------------------------------------------------------------------


def test_who_is_put_on_or_taken_off_within_two_days_is_told(world: World, third: Member) -> None:
    cast, keeper = world.cast, world.cast.coordinator.actor
    one, two = cast.expert, cast.second_expert
    with world.begin() as db:
        roster = hand(db, world, one, two, third)
    assert (told(world, one), told(world, two), told(world, third)) == (["roster-put-on"], ["roster-put-on"], ["roster-put-on"])
    with world.begin() as db:
        rosters.cover(db, keeper, roster.id, person_id=third.id, since=MORNING + HOUR, until=MORNING + 2 * HOUR)
    assert told(world, one) == ["roster-put-on", "roster-taken-off"]
    assert told(world, third) == ["roster-put-on", "roster-put-on"]
    assert told(world, two) == ["roster-put-on"]
    with world.begin() as db:
        # too far ahead to be news
        rosters.cover(db, keeper, roster.id, person_id=two.id, since=MORNING + 3 * DAY, until=MORNING + 4 * DAY)
        # who enters it knows
        rosters.absent(db, two.actor, person_id=two.id, since=MORNING + DAY, until=MORNING + 2 * DAY, reason="leave")
    assert told(world, two) == ["roster-put-on"]
    assert len(told(world, third)) == 3, "the one who comes in instead is told"
    with world.begin() as db:
        rosters.change(db, keeper, roster.id, rotation=by_turns(one, two, third), phone="110", version_id=newest(db, world, roster))
    assert told(world, two) == ["roster-put-on"], "another telephone is no news"
    with world.begin() as db:
        rosters.end(db, keeper, roster.id)
    assert told(world, one)[-1] == "roster-taken-off"


def test_every_change_is_in_the_log_without_a_word_about_anybody(world: World, third: Member) -> None:
    cast, keeper = world.cast, world.cast.coordinator.actor
    with world.begin() as db:
        roster = hand(db, world, cast.expert)
        rosters.change(db, keeper, roster.id, rotation=by_turns(cast.second_expert), version_id=newest(db, world, roster))
        cover = rosters.cover(db, keeper, roster.id, person_id=third.id, until=MORNING + DAY)
        rosters.end_cover(db, keeper, cover.id)
        away = rosters.absent(db, keeper, person_id=third.id, until=MORNING + DAY, reason="sick")
        rosters.end_absence(db, keeper, away.id)
        rosters.end(db, keeper, roster.id)
    with world.begin() as db:
        found = [event for event in reversed(audit.events(db, cast.taizhou.id)) if event.action.startswith("roster:")]
        acts = ["create", "change", "cover", "end-cover", "absent", "back", "end"]
        assert [event.action for event in found] == [f"roster:{act}" for act in acts]
        versions = [str(version.id) for version in reversed(rosters.history(db, keeper, roster.id))]
        assert [event.detail["version"] for event in found[:2]] == versions
        assert [event.person_id for event in found] == [None, None, third.id, third.id, third.id, third.id, None]


# --- where somebody is waited for ------------------------------------------------------------------------------------


def test_coordinators_on_duty_are_called_first_and_the_duty_telephone_stands_beside_them(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        second = people_of.join(db, cast.taizhou, "a.fang", "安芳", "An Fang", "coordinator", phone="0576-5550108")
        case = world.case(db)
        referral = world.refer(db, case)
        waiting = referrals.waiting_for(db, referral)
        assert waiting is not None
        assert ([one.person_id for one in waiting.contacts], waiting.duty_phone) == ([second.id, cast.coordinator.id], "")
        rotation = by_turns(cast.coordinator, days=7)
        rosters.create(db, cast.coordinator.actor, role="coordinator", rotation=rotation, phone="0576-5550100")
        waiting = referrals.waiting_for(db, referral)
        assert waiting is not None
        assert [one.person_id for one in waiting.contacts] == [cast.coordinator.id, second.id]
        assert waiting.duty_phone == "0576-5550100"
        hand(db, world, cast.expert)
        referrals.allocate(db, cast.coordinator.actor, referral.id, expert_id=cast.second_expert.id)
        waiting = referrals.waiting_for(db, referral)
        assert waiting is not None
        assert ([one.person_id for one in waiting.contacts], waiting.duty_phone) == ([cast.second_expert.id], PHONE)
