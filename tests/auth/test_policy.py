"""The policy against the database: what is not found and what is denied, and that SQL and decision never disagree."""

import dataclasses
import datetime as dt
import itertools
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Subquery, Uuid, literal, null, select, union_all

from auth import glass, grants, people, policy
from auth.grants import Grant
from auth.restrictions import Restriction, Teammate
from auth.rules import ACTIONS, ROLES
from core import ids
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Denied, NotFound
from tests.cast import Cast

PAGE = Path(__file__).parents[2] / "docs" / "policy.md"


def outcome(db: Tx, actor: Actor, action: str, organisation_id: UUID, case_id: UUID | None) -> str:
    try:
        policy.require(db, actor, action, organisation_id=organisation_id, case_id=case_id)
    except Denied:
        return "denied"
    except NotFound:
        return "not found"
    return "allowed"


def let_in(db: Tx, cast: Cast, case_id: UUID, **more: Any) -> Grant:
    asked: dict[str, Any] = {"role": "expert", "person_id": cast.expert.id, "sees_identity": False} | more
    return grants.give(
        db,
        cast.surgeon.actor,
        case_id=case_id,
        organisation_id=cast.aral.id,
        grantee_organisation_id=cast.taizhou.id,
        expires_at=ids.now() + dt.timedelta(days=30),
        reason="asked",
        **asked,
    )


def test_what_is_not_visible_is_not_found(database: Database, cast: Cast) -> None:
    case = ids.new()
    with database.begin() as db:
        let_in(db, cast, case)
        for name, wanted in {
            "surgeon": "allowed",
            "second_surgeon": "allowed",
            "nurse": "allowed",
            "expert": "allowed",
            "second_expert": "not found",
            "coordinator": "not found",
            "stranger": "not found",
            "administrator": "not found",
            "auditor": "not found",
        }.items():
            assert outcome(db, cast.members[name].actor, "case:read", cast.aral.id, case) == wanted, name


def test_what_is_visible_and_not_allowed_is_denied(database: Database, cast: Cast) -> None:
    case = ids.new()
    with database.begin() as db:
        let_in(db, cast, case)
        assert outcome(db, cast.nurse.actor, "case:refer", cast.aral.id, case) == "denied"
        assert outcome(db, cast.surgeon.actor, "opinion:sign", cast.aral.id, case) == "denied"
        assert outcome(db, cast.expert.actor, "decision:write", cast.aral.id, case) == "denied"
        assert outcome(db, cast.expert.actor, "patient:identify", cast.aral.id, case) == "denied"
        assert outcome(db, cast.second_expert.actor, "opinion:sign", cast.aral.id, case) == "not found"


@pytest.mark.parametrize("name", ["surgeon", "nurse", "administrator", "auditor", "expert", "coordinator", "stranger"])
def test_every_action_on_somebody_elses_organisation_is_not_found(database: Database, cast: Cast, name: str) -> None:
    member = cast.members[name].actor
    foreign = cast.kashgar.id if name != "stranger" else cast.aral.id
    with database.begin() as db:
        for action in ACTIONS:
            assert outcome(db, member, action, foreign, ids.new()) == "not found", action
            assert outcome(db, member, action, foreign, None) == "not found", action


def test_outside_a_case_patients_and_the_inbox_hide_from_who_may_not_look_for_them(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        assert outcome(db, cast.nurse.actor, "inbox:file", cast.aral.id, None) == "not found"
        assert outcome(db, cast.nurse.actor, "image:read", cast.aral.id, None) == "not found"
        assert outcome(db, cast.administrator.actor, "image:read", cast.aral.id, None) == "not found"
        assert outcome(db, cast.administrator.actor, "patient:write", cast.aral.id, None) == "denied"
        assert outcome(db, cast.nurse.actor, "consent:write", cast.aral.id, None) == "not found"
        assert outcome(db, cast.nurse.actor, "case:create", cast.aral.id, None) == "denied"
        assert outcome(db, cast.surgeon.actor, "image:read", cast.aral.id, None) == "allowed"


def test_a_right_ends_with_its_grant_its_role_and_its_time(database: Database, root: Database, cast: Cast) -> None:
    case = ids.new()
    with database.begin() as db:
        grant = let_in(db, cast, case)
        assert outcome(db, cast.expert.actor, "case:read", cast.aral.id, case) == "allowed"
        grants.revoke(db, cast.surgeon.actor, grant.id, because="withdrawn")
        assert outcome(db, cast.expert.actor, "case:read", cast.aral.id, case) == "not found"
        again = let_in(db, cast, case)
        assert outcome(db, cast.expert.actor, "case:read", cast.aral.id, case) == "allowed"
    with root.begin() as db:
        db.get_one(Grant, again.id).expires_at = ids.now() - dt.timedelta(seconds=1)
    with database.begin() as db:
        assert outcome(db, cast.expert.actor, "case:read", cast.aral.id, case) == "not found"


def test_the_same_person_at_another_hospital_does_not_bring_the_grant_along(database: Database, cast: Cast) -> None:
    case = ids.new()
    with database.begin() as db:
        let_in(db, cast, case)
        people.appoint(db, Actor.system(cast.kashgar.id), cast.expert.id, "expert")
        elsewhere = Actor(person_id=cast.expert.id, organisation_id=cast.kashgar.id, roles=frozenset({"expert"}))
        assert outcome(db, cast.expert.actor, "case:read", cast.aral.id, case) == "allowed"
        assert outcome(db, elsewhere, "case:read", cast.aral.id, case) == "not found"


def test_the_printed_page_is_up_to_date() -> None:
    """The page goes on with the tables of when (tests/registry/test_cli_policy.py)."""
    assert PAGE.read_text("utf-8").startswith(policy.as_markdown())


def things_of(owners: list[UUID], cases: list[UUID | None]) -> tuple[list[tuple[UUID, UUID | None]], Subquery]:
    """Every pair of an owner and a case, as values and as the rows of a query."""
    things = [(owner, case) for owner in owners for case in cases]
    rows = (
        select(literal(owner, Uuid()).label("owner"), (literal(case, Uuid()) if case else null()).label("case_id"))
        for owner, case in things
    )
    return things, union_all(*rows).subquery()


def agrees(db: Tx, actor: Actor, action: str, things: list[tuple[UUID, UUID | None]], rows: Subquery) -> int:
    """Hold predicate and decision against each other over all rows; gives how many are allowed."""
    where = policy.predicate(actor, action, organisation_id=rows.c.owner, case_id=rows.c.case_id)
    found = {(owner, case) for owner, case in db.execute(select(rows.c.owner, rows.c.case_id).where(where))}
    assert found == {(o, c) for o, c in things if policy.allowed(db, actor, action, organisation_id=o, case_id=c)}, action
    return len(found)


@pytest.mark.parametrize("action", ["case:read", "patient:identify", "opinion:sign", "referral:allocate", "case:refer"])
def test_the_predicate_finds_what_the_decision_allows_for_every_kind_of_grant(database: Database, cast: Cast, action: str) -> None:
    """Each kind of grant stands alone on a case of its own."""
    me, now = cast.expert.id, ids.now()
    kinds = itertools.product(
        (cast.taizhou.id, cast.kashgar.id),
        (me, cast.second_expert.id, None),
        ("expert", "coordinator"),
        (True, False),
        (1, -1),
        (None, now),
    )
    given = [
        Grant(
            case_id=UUID(int=number),
            organisation_id=cast.aral.id,
            grantee_organisation_id=grantee,
            person_id=person,
            role=role,
            sees_identity=identity,
            reason="asked",
            expires_at=now + dt.timedelta(days=days),
            revoked_at=revoked,
        )
        for number, (grantee, person, role, identity, days, revoked) in enumerate(kinds, start=1)
    ]
    things, rows = things_of([cast.aral.id, cast.kashgar.id], [*(grant.case_id for grant in given), None])
    expected = {"case:read": 8, "patient:identify": 2, "opinion:sign": 4, "referral:allocate": 4, "case:refer": 0}
    with database.begin() as db:
        db.add_all(given)
        db.flush()
        roles = frozenset({"expert", "coordinator"})
        assert agrees(db, Actor(person_id=me, organisation_id=cast.taizhou.id, roles=roles), action, things, rows) == expected[action]
        for roles in (frozenset({"expert"}), frozenset({"surgeon"})):
            agrees(db, Actor(person_id=me, organisation_id=cast.taizhou.id, roles=roles), action, things, rows)
        db.rollback()


def test_what_is_explained_is_what_is_decided(database: Database, cast: Cast) -> None:
    """For everybody of the cast, every action, and every way in which a case may stand."""
    ordinary, restricted, broken, asked, nowhere = (ids.new() for _ in range(5))
    with database.begin() as db:
        for case in (restricted, broken):
            row = restriction(case, cast.aral.id, cast.surgeon.id)
            db.add(row)
            db.flush()
            db.add(mate(row, cast.surgeon.id))
        db.flush()
        for case in (asked, restricted):
            let_in(db, cast, case)
            let_in(db, cast, case, role="coordinator", person_id=None, sees_identity=True)
        words = {"reason": "other", "words": "Now."}
        for member in (cast.nurse, cast.second_surgeon):
            actor = dataclasses.replace(member.actor, stepped_up_at=ids.now())
            glass.break_(db, actor, case_id=broken, organisation_id=cast.aral.id, **words)
        relations = set()
        for name, member in cast.members.items():
            them = policy.standing_for(db, member.id, member.actor.organisation_id)
            assert them is not None
            for case, action in itertools.product((ordinary, restricted, broken, asked, nowhere), ACTIONS):
                where: dict[str, Any] = {"organisation_id": cast.aral.id, "case_id": case}
                ways = policy.explain(db, them, action, **where)
                assert bool(ways) is policy.allowed(db, them, action, **where), (name, action)
                assert (action in policy.rights(db, them, ACTIONS, **where)) is bool(ways), (name, action)
                assert all((way.role, way.relation, action) in policy.RULES for way in ways)
                assert all((way.grant is not None) is (way.relation == "granted") for way in ways)
                relations |= {way.relation for way in ways}
        assert relations == {"own", "team", "glass", "barred", "granted"}


def restriction(case: UUID, owner: UUID, by: UUID, *, lifted: bool = False) -> Restriction:
    lifted_at = ids.now() if lifted else None
    return Restriction(id=ids.new(), case_id=case, organisation_id=owner, reason="other", restricted_by=by, lifted_at=lifted_at)


def mate(of: Restriction, person: UUID, *, left: bool = False) -> Teammate:
    return Teammate(
        restriction_id=of.id,
        case_id=of.case_id,
        organisation_id=of.organisation_id,
        person_id=person,
        admitted_by=of.restricted_by,
        left_at=ids.now() if left else None,
    )


def test_the_predicate_finds_what_the_decision_allows_however_a_case_is_restricted(database: Database, cast: Cast) -> None:
    """Each way in which a case may be restricted, and stood to, is a case of its own."""
    me, owners = cast.surgeon.id, (cast.aral.id, cast.kashgar.id)
    kinds = list(itertools.product(owners, (None, False, True), (None, False, True), (False, True), (False, True)))
    cases = [UUID(int=number) for number in range(1, len(kinds) + 1)]
    things: list[tuple[UUID, UUID | None]] = [(kind[0], case) for kind, case in zip(kinds, cases, strict=True)]
    rows = union_all(*(select(literal(o, Uuid()).label("owner"), literal(c, Uuid()).label("case_id")) for o, c in things)).subquery()
    with database.begin() as db:
        for case, (owner, restricted, mine, others, _) in zip(cases, kinds, strict=True):
            if restricted is not None:
                row = restriction(case, owner, cast.second_surgeon.id, lifted=not restricted)
                db.add(row)
                db.flush()
                db.add_all([mate(row, me, left=not mine)] * (mine is not None) + [mate(row, cast.second_surgeon.id)] * others)
        db.flush()
        broken = frozenset(case for case, kind in zip(cases, kinds, strict=True) if kind[4])
        surgeon = Actor(person_id=me, organisation_id=cast.aral.id, roles=frozenset({"surgeon"}), emergencies=broken)
        auditor = Actor(person_id=me, organisation_id=cast.aral.id, roles=frozenset({"auditor"}))
        # of 36 cases of the own hospital 24 are ordinary; of the other 12 the team knows 4, and 4 more lie behind broken glass
        for actor, action, expected in (
            (surgeon, "case:read", 24 + 4 + 4),
            (surgeon, "case:restrict", 24 + 4),
            (surgeon, "glass:break", 24 + 4),
            (surgeon, "audit:read", 0),
            (auditor, "audit:read", 36),
            (auditor, "case:read", 0),
            (Actor.system(cast.aral.id), "case:read", 36),
        ):
            assert agrees(db, actor, action, things, rows) == expected, action
        db.rollback()


def live(grant: Grant) -> tuple[object, ...]:
    """What may stand once among the live grants; of revoked ones there may be any number."""
    standing = (grant.case_id, grant.grantee_organisation_id, grant.role, grant.person_id)
    return standing if grant.revoked_at is None else (grant.id,)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_predicate_finds_what_the_decision_allows(database: Database, cast: Cast, data: st.DataObject) -> None:
    organisations = [cast.taizhou.id, cast.aral.id]
    persons = [cast.expert.id, cast.surgeon.id]
    cases = [UUID(int=n) for n in (1, 2)]
    grant = st.builds(
        Grant,
        id=st.builds(ids.new),
        case_id=st.sampled_from(cases),
        organisation_id=st.sampled_from(organisations),
        grantee_organisation_id=st.sampled_from(organisations),
        person_id=st.sampled_from([*persons, None]),
        role=st.sampled_from(["expert", "coordinator"]),
        sees_identity=st.booleans(),
        reason=st.just("asked"),
        given_at=st.builds(ids.now),
        expires_at=st.sampled_from([1, 1, -1]).map(lambda days: ids.now() + dt.timedelta(days=days)),
        revoked_at=st.sampled_from([None, None, ids.now()]),
    )
    person = st.builds(
        Actor,
        person_id=st.sampled_from(persons),
        organisation_id=st.sampled_from(organisations),
        roles=st.frozensets(st.sampled_from([*ROLES, "expert", "coordinator", "system"]), max_size=4),
        scopes=st.none() | st.frozensets(st.sampled_from(ACTIONS)),
        emergencies=st.frozensets(st.sampled_from(cases)),
    )
    actor = data.draw(person | st.sampled_from(organisations).map(Actor.system))
    held = data.draw(st.lists(grant, max_size=12, unique_by=live))
    restricted = data.draw(
        st.lists(
            st.builds(
                restriction, case=st.sampled_from(cases), owner=st.sampled_from(organisations), by=st.just(persons[0]), lifted=st.booleans()
            ),
            max_size=3,
            unique_by=lambda one: one.case_id if one.lifted_at is None else one.id,
        )
    )
    mates = [
        mate(one, data.draw(st.sampled_from(persons)), left=data.draw(st.booleans())) for one in restricted if data.draw(st.booleans())
    ]
    actions = data.draw(st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=6, unique=True))
    things, rows = things_of(organisations, [*cases, None])
    with database.begin() as db:
        db.add_all([*held, *restricted])
        db.flush()
        db.add_all(mates)
        db.flush()
        for action in actions:
            agrees(db, actor, action, things, rows)
        db.rollback()
