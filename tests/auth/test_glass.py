"""Breaking the glass (attack 7), what it gives and for how long, and the review by a second person."""

import dataclasses
import datetime as dt
import threading
from uuid import UUID

import pytest

from auth import duties, glass, people, policy, restrictions, sessions, tokens
from auth.restrictions import BrokenGlass
from core import audit, ids, jobs
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict, Denied, Invalid, NotFound, StepUpNeeded
from core.jobs import JobRow
from tests.auth.test_restrictions import reads, restrict
from tests.cast import Cast, Member, join
from tests.registry.conftest import stepped_up

WORDS = "Bleeding again, nobody of the team answers."


def break_(db: Tx, cast: Cast, actor: Actor, case_id: UUID, **more: str) -> BrokenGlass:
    asked = {"reason": "team-unreachable", "words": WORDS, **more}
    return glass.break_(db, actor, case_id=case_id, organisation_id=cast.aral.id, **asked)


def now(db: Tx, member: Member) -> Actor:
    """The person as their session finds them at this moment."""
    found = sessions.again(db, member.actor)
    assert found is not None
    return found


def allowed(db: Tx, cast: Cast, actor: Actor, case_id: UUID) -> set[str]:
    return {a for a in policy.ACTIONS if policy.allowed(db, actor, a, organisation_id=cast.aral.id, case_id=case_id)}


def kinds(db: Tx) -> list[tuple[str, str]]:
    """What people are told: kind and person, in order."""
    rows = db.query(JobRow).where(JobRow.kind == "person:tell").order_by(JobRow.id)
    return [(str(row.payload["kind"]), str(row.payload["person_id"])) for row in rows]


def test_a_broken_glass_lifts_the_restriction_and_widens_no_role(database: Database, cast: Cast) -> None:
    case, ordinary = ids.new(), ids.new()
    with database.begin() as db:
        restrict(db, cast, case)
        for member in (cast.second_surgeon, cast.nurse):
            assert allowed(db, cast, member.actor, case) == {"glass:break"}
            break_(db, cast, stepped_up(member.actor), case)
            behind = now(db, member)
            assert behind.emergencies == {case}
            usual = allowed(db, cast, member.actor, ordinary)
            assert allowed(db, cast, behind, case) == usual - {"glass:break", "case:restrict"}
            assert allowed(db, cast, behind, ordinary) == usual


def test_without_a_reason_a_step_up_a_session_or_a_role_nothing_breaks(database: Database, cast: Cast) -> None:
    case = ids.new()
    second = cast.second_surgeon.actor
    with database.begin() as db:
        restrict(db, cast, case)
        for more in ({"reason": ""}, {"reason": "curiosity"}, {"words": "  "}, {"words": "x" * 1001}):
            with pytest.raises(Invalid):
                break_(db, cast, stepped_up(second), case, **more)
        with pytest.raises(StepUpNeeded):
            break_(db, cast, second, case)
        stale = dataclasses.replace(second, stepped_up_at=ids.now() - dt.timedelta(minutes=6))
        with pytest.raises(StepUpNeeded):
            break_(db, cast, stale, case)
        with pytest.raises(Denied) as refused:
            break_(db, cast, dataclasses.replace(stepped_up(second), token_id=ids.new(), session_id=None), case)
        assert refused.value.code == "session-needed"
        for member in (cast.administrator, cast.auditor):
            with pytest.raises(Denied):
                break_(db, cast, stepped_up(member.actor), case)
        for member in (cast.stranger, cast.expert):
            with pytest.raises(NotFound):
                break_(db, cast, stepped_up(member.actor), case)
        assert db.query(BrokenGlass).count() == 0


def test_a_token_does_not_pass_through_a_broken_glass(database: Database, cast: Cast) -> None:
    case = ids.new()
    member = cast.second_surgeon
    with database.begin() as db:
        restrict(db, cast, case)
        break_(db, cast, stepped_up(member.actor), case)
        until = ids.now() + dt.timedelta(days=1)
        system = Actor.system(cast.aral.id)
        _, secret = tokens.create(db, system, name="x", scopes=["case:read"], expires_at=until, person_id=member.id)
        by_token = tokens.resolve(db, secret)
        assert by_token is not None
        assert by_token.emergencies == frozenset()
        assert allowed(db, cast, by_token, case) == set()


def test_it_lasts_four_hours_and_is_not_renewed(database: Database, cast: Cast) -> None:
    case = ids.new()
    member = cast.second_surgeon
    with database.begin() as db:
        restrict(db, cast, case)
        begun = ids.now()
        break_(db, cast, stepped_up(member.actor), case)
        with pytest.raises(Conflict) as refused:
            break_(db, cast, stepped_up(now(db, member)), case)
        assert refused.value.code == "glass-not-needed"
        with ids.told(begun + dt.timedelta(hours=3, minutes=59)):
            assert restrictions.broken_by(db, member.id, cast.aral.id) == {case}
            assert [one.person_id for one in glass.holding(db, case)] == [member.id]
        with ids.told(begun + dt.timedelta(hours=4, minutes=1)):
            assert restrictions.broken_by(db, member.id, cast.aral.id) == frozenset()
            assert glass.holding(db, case) == []


def test_it_is_given_back_and_ends_with_the_restriction_and_in_the_team(database: Database, cast: Cast) -> None:
    case = ids.new()
    member, where = cast.second_surgeon, {"case_id": case, "organisation_id": cast.aral.id}
    with database.begin() as db:
        restrict(db, cast, case)
        with pytest.raises(NotFound):
            glass.give_back(db, member.actor, case)
        break_(db, cast, stepped_up(member.actor), case)
        glass.give_back(db, now(db, member), case)
        assert not reads(db, cast, dataclasses.replace(member, actor=now(db, member)), case)
        break_(db, cast, stepped_up(now(db, member)), case, words="Again, for the dressing.")
        assert now(db, member).emergencies == {case}
        restrictions.admit(db, stepped_up(cast.surgeon.actor), **where, person_id=member.id)
        assert now(db, member).emergencies == frozenset()
        restrictions.release(db, stepped_up(cast.surgeon.actor), **where, person_id=member.id)
        assert now(db, member).emergencies == {case}, "who has left the team stands behind the glass again"
        restrictions.lift(db, stepped_up(cast.surgeon.actor), **where)
        assert now(db, member).emergencies == frozenset()


def test_the_break_that_a_page_shows_is_ones_own_and_holds(database: Database, cast: Cast) -> None:
    case, where = ids.new(), {"organisation_id": cast.aral.id}
    with database.begin() as db:
        restrict(db, cast, case)
        assert glass.held(db, cast.nurse.actor, case) is None
        first = break_(db, cast, stepped_up(cast.nurse.actor), case)
        second = break_(db, cast, stepped_up(cast.second_surgeon.actor), case)
        nurse, surgeon = now(db, cast.nurse), now(db, cast.second_surgeon)
        assert (glass.held(db, nurse, case), glass.held(db, surgeon, case)) == (first, second)
        assert (glass.held(db, cast.surgeon.actor, case), glass.held(db, nurse, ids.new())) == (None, None)
        glass.give_back(db, nurse, case)
        assert glass.held(db, nurse, case) is None, "also later in the request that gave it back"
        restrictions.admit(db, stepped_up(cast.surgeon.actor), case_id=case, **where, person_id=cast.second_surgeon.id)
        assert glass.held(db, now(db, cast.second_surgeon), case) is None, "of the team now, though its four hours last"


def test_a_break_is_of_one_case_and_one_person(database: Database, cast: Cast) -> None:
    first, second = ids.new(), ids.new()
    with database.begin() as db:
        restrict(db, cast, ids.new(), cast.nurse)
        for case in (first, second):
            restrict(db, cast, case)
        broken = [break_(db, cast, stepped_up(cast.nurse.actor), case) for case in (first, second)]
        behind = now(db, cast.nurse)
        assert [glass.held(db, behind, case) for case in (first, second)] == broken
        assert [glass.holding(db, case) for case in (first, second)] == [[one] for one in broken]
        assert behind.emergencies == {first, second}, "though of the team of another"
        assert now(db, cast.second_surgeon).emergencies == frozenset()


def test_those_nobody_has_reviewed_come_first_and_the_newest_of_the_others(
    database: Database, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glass, "LISTED", 1)
    with database.begin() as db:
        broken = []
        for _ in range(4):
            case = ids.new()
            restrict(db, cast, case)
            broken.append(break_(db, cast, stepped_up(cast.nurse.actor), case))
        for one in (broken[2], broken[0]):
            glass.review(db, cast.auditor.actor, one.id, verdict="justified", words="Fine.")
        assert glass.reviews(db, cast.auditor.actor) == [broken[1], broken[3], broken[0]]
        with pytest.raises(NotFound):
            glass.review(db, cast.auditor.actor, ids.new(), verdict="justified", words="Fine.")


def test_the_log_says_why_it_was_broken_when_it_was_given_back_and_who_read_of_it(database: Database, cast: Cast) -> None:
    case = ids.new()
    with database.begin() as db:
        restrict(db, cast, case)
        broken = break_(db, cast, stepped_up(cast.nurse.actor), case)
        until = broken.until.isoformat()
        glass.give_back(db, now(db, cast.nurse), case)
        glass.reviews(db, cast.auditor.actor)
        glass.review(db, cast.auditor.actor, broken.id, verdict="justified", words="Fine.")
    with database.begin() as db:
        told = audit.events(db, cast.aral.id, actions=("glass:break", "glass:return", "glass:read", "glass:review"))
    assert [(e.action, e.actor_id, e.purpose, e.detail) for e in told[::-1]] == [
        ("glass:break", cast.nurse.id, "emergency", {"reason": "team-unreachable", "until": until}),
        ("glass:return", cast.nurse.id, "emergency", {}),
        ("glass:read", cast.auditor.id, "audit", {}),
        ("glass:review", cast.auditor.id, "audit", {"verdict": "justified"}),
    ]


def test_whoever_is_inside_has_nothing_to_break(database: Database, cast: Cast) -> None:
    case = ids.new()
    with database.begin() as db:
        for member in (cast.surgeon, cast.second_surgeon):
            with pytest.raises(Conflict):
                break_(db, cast, stepped_up(member.actor), case)
        with pytest.raises(NotFound):
            break_(db, cast, stepped_up(cast.stranger.actor), case)
        restrict(db, cast, case)
        with pytest.raises(Conflict):
            break_(db, cast, stepped_up(cast.surgeon.actor), case)


def test_what_is_done_behind_broken_glass_is_recorded_as_an_emergency(database: Database, cast: Cast) -> None:
    case, other = ids.new(), ids.new()
    with database.begin() as db:
        restrict(db, cast, case)
        break_(db, cast, stepped_up(cast.nurse.actor), case)
        behind = now(db, cast.nurse)
        for looked in (case, other, case):
            audit.view(db, behind, "case:read", organisation_id=cast.aral.id, case_id=looked)
        audit.record(db, behind, "entry:submit", organisation_id=cast.aral.id, case_id=case, purpose="administration")
    with database.begin() as db:
        told = [(e.action, e.case_id == case, e.purpose) for e in audit.events(db, cast.aral.id, actor_id=cast.nurse.id)]
    assert told[::-1][1:] == [
        ("glass:break", True, "emergency"),
        ("case:read", True, "emergency"),
        ("case:read", False, "treatment"),
        ("entry:submit", True, "emergency"),
    ]


def test_a_reason_is_sealed_and_the_reviewers_are_told_at_once(database: Database, cast: Cast) -> None:
    case = ids.new()
    with database.begin() as db:
        restrict(db, cast, case)
        broken = break_(db, cast, stepped_up(cast.nurse.actor), case)
        assert b"Bleeding" not in broken.words
        assert glass.words(db, broken) == (WORDS, "")
        assert set(kinds(db)) == {("glass-broken", str(one.id)) for one in (cast.administrator, cast.auditor)}


def test_where_duties_are_separate_an_administrator_is_asked_for_no_review(database: Database, cast: Cast) -> None:
    case = ids.new()
    with database.begin() as db:
        duties.switch(db, Actor.system(cast.aral.id), separate=True)
        restrict(db, cast, case)
        break_(db, cast, stepped_up(cast.nurse.actor), case)
        assert [person for kind, person in kinds(db) if kind == "glass-broken"] == [str(cast.auditor.id)]


def test_a_second_person_reviews_once_and_the_first_is_told(database: Database, cast: Cast) -> None:
    case = ids.new()
    with database.begin() as db:
        both = join(db, cast.aral, "both", "双", "Both", "surgeon", "auditor")
        restrict(db, cast, case)
        broken = break_(db, cast, stepped_up(both.actor), case)
        assert (str(both.id) in {person for _, person in kinds(db)}) is False, "nobody is asked to review themselves"
        with pytest.raises(Denied) as refused:
            glass.review(db, both.actor, broken.id, verdict="justified", words="Fine.")
        assert refused.value.code == "glass-own-review"
        for member in (cast.surgeon, cast.nurse):
            with pytest.raises(Denied):
                glass.review(db, member.actor, broken.id, verdict="justified", words="Fine.")
            with pytest.raises(Denied):
                glass.reviews(db, member.actor)
        elsewhere = join(db, cast.kashgar, "far.auditor", "远", "Far", "auditor")
        with pytest.raises(NotFound):
            glass.review(db, elsewhere.actor, broken.id, verdict="justified", words="Fine.")
        assert glass.reviews(db, elsewhere.actor) == []
        by_token = dataclasses.replace(cast.auditor.actor, token_id=ids.new())
        with pytest.raises(Denied):
            glass.review(db, by_token, broken.id, verdict="justified", words="Fine.")
        for told in (
            {"verdict": "", "words": "x"},
            {"verdict": "maybe", "words": "x"},
            {"verdict": "justified", "words": ""},
            {"verdict": "justified", "words": "x" * 1001},
        ):
            with pytest.raises(Invalid):
                glass.review(db, cast.auditor.actor, broken.id, **told)
        assert glass.reviews(db, cast.auditor.actor) == [broken]
        glass.review(db, cast.auditor.actor, broken.id, verdict="not-justified", words="There was no patient.")
        assert glass.words(db, broken) == (WORDS, "There was no patient.")
        assert kinds(db)[-1] == ("glass-not-justified", str(both.id))
        assert now(db, both).emergencies == frozenset(), "what was not justified ends at once"
        with pytest.raises(Conflict):
            glass.review(db, cast.administrator.actor, broken.id, verdict="justified", words="Fine.")


def test_of_two_who_review_at_once_the_second_is_told(database: Database, cast: Cast) -> None:
    case = ids.new()
    with database.begin() as db:
        restrict(db, cast, case)
        broken_id = break_(db, cast, stepped_up(cast.nurse.actor), case).id
    refused: list[str] = []

    def review_too() -> None:
        with pytest.raises(Conflict) as caught, database.begin() as db:
            glass.review(db, cast.administrator.actor, broken_id, verdict="not-justified", words="No.")
        refused.append(caught.value.code)

    second = threading.Thread(target=review_too)
    with database.begin() as db:
        glass.review(db, cast.auditor.actor, broken_id, verdict="justified", words="Fine.")
        second.start()
        second.join(1.0)
        assert second.is_alive()
    second.join()
    assert refused == ["glass-reviewed-already"]


def test_a_review_that_is_late_is_asked_for_daily(database: Database, cast: Cast) -> None:
    case = ids.new()
    handlers: dict[str, jobs.Handler] = {glass.REMIND: glass.remind}
    with database.begin() as db:
        restrict(db, cast, case)
        broken_at = ids.now()
        broken = break_(db, cast, stepped_up(cast.nurse.actor), case)
    for hours, times in ((71, 0), (73, 1), (96, 1), (98, 2)):
        with ids.told(broken_at + dt.timedelta(hours=hours)):
            while jobs.run_once(database, handlers):
                pass
            with database.begin() as db:
                assert [kind for kind, _ in kinds(db)].count("glass-overdue") == times * 2, hours
    with database.begin() as db:
        glass.review(db, cast.auditor.actor, broken.id, verdict="justified", words="Fine.")
    with ids.told(broken_at + dt.timedelta(hours=200)):
        while jobs.run_once(database, handlers):
            pass
    with database.begin() as db:
        assert [kind for kind, _ in kinds(db)].count("glass-overdue") == 4


def test_a_case_whose_team_is_gone_comes_back_through_a_review(database: Database, cast: Cast) -> None:
    case = ids.new()
    second = cast.second_surgeon
    with database.begin() as db:
        restrict(db, cast, case, cast.nurse)
        broken = break_(db, cast, stepped_up(second.actor), case)
        assert not glass.may_admit(db, broken)
        with pytest.raises(Conflict), db.begin_nested():
            glass.review(db, cast.auditor.actor, broken.id, verdict="justified", words="Fine.", admit=True)
        by_nurse = break_(db, cast, stepped_up(join(db, cast.aral, "tang.yi", "唐怡", "Tang Yi", "nurse").actor), case)
        people.disable(db, cast.administrator.actor, cast.surgeon.id)
        assert not glass.may_admit(db, by_nurse), "who could not lift the restriction either"
        assert glass.may_admit(db, broken)
        with pytest.raises(Conflict), db.begin_nested():
            glass.review(db, cast.auditor.actor, broken.id, verdict="not-justified", words="No.", admit=True)
        glass.review(db, cast.auditor.actor, broken.id, verdict="justified", words="The surgeon has left.", admit=True)
        restrictions.lift(db, stepped_up(second.actor), case_id=case, organisation_id=cast.aral.id)
        assert reads(db, cast, cast.second_surgeon, case)
