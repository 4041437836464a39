"""The table, cell by cell against a statement of its own, and the decision over every standing an actor can have."""

import dataclasses
import datetime as dt
import timeit
from typing import Any
from uuid import UUID

import pytest

from auth import rules
from auth.rules import ACTIONS, HOLDERS, RELATIONS, ROLES, RULES, STANDINGS
from core import ids
from core.actor import Actor
from core.errors import Denied, StepUpNeeded

# By action, as a hospital would say it; everything that is not here is refused.
SAID = """
case:create          surgeon
case:read            surgeon nurse expert expert-granted coordinator coordinator-granted system
case:write           surgeon nurse
case:refer           surgeon
case:close           surgeon
case:restrict        surgeon
patient:search       surgeon auditor
patient:identify     surgeon nurse expert expert-granted auditor
patient:write        surgeon
patient:merge        surgeon
consent:write        surgeon
image:read           surgeon nurse expert expert-granted coordinator coordinator-granted system
image:upload         surgeon nurse
inbox:read           surgeon
inbox:file           surgeon
annotation:read      surgeon nurse expert expert-granted
annotation:write     surgeon expert expert-granted
message:read         surgeon nurse expert expert-granted coordinator coordinator-granted
message:write        surgeon nurse expert expert-granted coordinator coordinator-granted
referral:allocate    coordinator coordinator-granted system
referral:answer      expert expert-granted
referral:withdraw    surgeon
opinion:read         surgeon expert expert-granted
opinion:write        expert expert-granted
opinion:sign         expert expert-granted
opinion:countersign  expert expert-granted
entry:countersign    surgeon
decision:write       surgeon
followup:write       surgeon nurse
glass:break          surgeon nurse expert coordinator
glass:review         auditor
audit:read           auditor system
audit:verify         auditor system
people:manage        administrator system
device:manage        administrator system
machine:manage       administrator system
webhook:manage       administrator system
agreement:manage     administrator system
retention:manage     administrator system
roster:read          surgeon nurse expert coordinator administrator system
roster:manage        coordinator administrator system
organisation:manage  operator system
token:manage         administrator system
                     surgeon-self nurse-self expert-self coordinator-self administrator-self auditor-self operator-self learner-self
statistics:read      surgeon coordinator system
"""

# What is left of that on a restricted case. Inside, everybody has what they have of an ordinary one, but for these.
NOT_IN_TEAM = {"glass:break"}
NOT_BEHIND_GLASS = {"glass:break", "case:restrict"}
# Outside, nobody has anything but these.
SAID_BARRED = """
glass:break          surgeon nurse expert coordinator
glass:review         auditor
audit:read           auditor system
audit:verify         auditor system
case:read            system
image:read           system
referral:allocate    system
people:manage        system
device:manage        system
machine:manage       system
retention:manage     system
webhook:manage       system
agreement:manage     system
roster:read          system
roster:manage        system
organisation:manage  system
token:manage         system
statistics:read      system
"""

HERE, THERE, CASE, OTHER_CASE = (ids.new() for _ in range(4))
ME, SOMEBODY = ids.new(), ids.new()
NOW = ids.now()


@dataclasses.dataclass(frozen=True)
class Held:
    """A grant as the rules see it: by default a live one that lets everybody with the role HERE into CASE of THERE."""

    role: str
    case_id: UUID = CASE
    organisation_id: UUID = THERE
    grantee_organisation_id: UUID = HERE
    person_id: UUID | None = None
    sees_identity: bool = True
    expires_at: dt.datetime = NOW + dt.timedelta(days=1)
    revoked_at: dt.datetime | None = None


def said() -> set[tuple[str, str, str]]:
    ordinary = cells_of(SAID, "own")
    inside = {
        (role, standing, action)
        for role, relation, action in ordinary
        for standing, withheld in (("team", NOT_IN_TEAM), ("glass", NOT_BEHIND_GLASS))
        if relation == "own" and action not in withheld
    }
    return ordinary | inside | cells_of(SAID_BARRED, "barred")


def cells_of(statement: str, plain: str) -> set[tuple[str, str, str]]:
    cells, action = set(), ""
    for line in statement.strip().splitlines():
        words = line.split()
        if not line.startswith(" "):
            action, *words = words
        for word in words:
            role, _, relation = word.partition("-")
            cells.add((role, relation or plain, action))
    return cells


def actor(role: str, **more: Any) -> Actor:
    if role == "system":
        return Actor.system(HERE)
    return dataclasses.replace(Actor(person_id=ME, organisation_id=HERE, roles=frozenset({role})), **more)


def test_the_statement_knows_every_word_of_the_table() -> None:
    assert {action for _, _, action in said()} == set(ACTIONS)
    assert all(role in HOLDERS and relation in RELATIONS for role, relation, _ in said())
    assert all(role in HOLDERS and relation in RELATIONS and action in ACTIONS for role, relation, action in RULES)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("role", HOLDERS)
def test_cell(role: str, relation: str, action: str) -> None:
    wanted = (role, relation, action) in said()
    assert ((role, relation, action) in RULES) is wanted
    if relation in STANDINGS:
        assert rules.decide(actor(role), action, organisation_id=HERE, case_id=CASE, standing=relation) is wanted
    elif relation == "granted":
        assert rules.decide(actor(role), action, organisation_id=THERE, case_id=CASE, grants=[Held(role)]) is wanted
    else:
        own = (role, "own", action) in said()
        for person_id in (ME, SOMEBODY):
            try:
                rules.require_in_organisation(actor(role), action, person_id=person_id)
                allowed = True
            except Denied:
                allowed = False
            assert allowed is (own or (wanted and person_id == ME))


@pytest.mark.parametrize(
    "change",
    [
        {"case_id": OTHER_CASE},
        {"organisation_id": HERE},
        {"grantee_organisation_id": THERE},
        {"person_id": SOMEBODY},
        {"role": "coordinator"},
        {"expires_at": NOW - dt.timedelta(seconds=1)},
        {"revoked_at": NOW - dt.timedelta(seconds=1)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_grant_that_is_off_in_one_thing_gives_nothing(change: dict[str, Any]) -> None:
    grant = Held("expert")
    assert rules.decide(actor("expert"), "opinion:write", organisation_id=THERE, case_id=CASE, grants=[grant])
    off = dataclasses.replace(grant, **change)
    for action in ACTIONS:
        assert not rules.decide(actor("expert"), action, organisation_id=THERE, case_id=CASE, grants=[off]), action


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("standing", [one for one in STANDINGS if one != "own"])
def test_no_standing_to_a_restricted_case_widens_a_role(role: str, standing: str) -> None:
    for action in ACTIONS:
        if rules.decide(actor(role), action, organisation_id=HERE, case_id=CASE, standing=standing):
            assert rules.decide(actor(role), action, organisation_id=HERE, case_id=CASE, standing="own"), action


def test_who_does_not_say_how_the_actor_stands_is_told_no() -> None:
    for role in ("surgeon", "nurse", "expert", "coordinator"):
        assert not rules.decide(actor(role), "case:read", organisation_id=HERE, case_id=CASE)


def test_a_grant_from_elsewhere_holds_on_a_restricted_case() -> None:
    assert rules.decide(actor("expert"), "case:read", organisation_id=THERE, case_id=CASE, standing="barred", grants=[Held("expert")])


def test_a_grant_to_one_person_is_for_that_person() -> None:
    assert rules.decide(actor("expert"), "case:read", organisation_id=THERE, case_id=CASE, grants=[Held("expert", person_id=ME)])


def test_identity_needs_a_grant_that_says_so() -> None:
    blind = Held("expert", sees_identity=False)
    assert rules.decide(actor("expert"), "case:read", organisation_id=THERE, case_id=CASE, grants=[blind])
    assert not rules.decide(actor("expert"), "patient:identify", organisation_id=THERE, case_id=CASE, grants=[blind])
    assert rules.decide(actor("expert"), "patient:identify", organisation_id=THERE, case_id=CASE, grants=[blind, Held("expert")])


def test_no_grant_reaches_what_lies_outside_a_case() -> None:
    for action in ACTIONS:
        assert not rules.decide(actor("expert"), action, organisation_id=THERE, case_id=None, grants=[Held("expert")])


def test_an_image_in_the_inbox_is_seen_by_who_sees_the_inbox() -> None:
    assert rules.decide(actor("nurse"), "image:read", organisation_id=HERE, case_id=CASE, standing="own")
    assert not rules.decide(actor("nurse"), "image:read", organisation_id=HERE, case_id=None)
    assert rules.decide(actor("surgeon"), "image:read", organisation_id=HERE, case_id=None)


@pytest.mark.parametrize("role", ROLES)
def test_scopes_only_narrow(role: str) -> None:
    for scope in ACTIONS:
        narrowed = actor(role, token_id=ids.new(), scopes=frozenset({scope}))
        for action in ACTIONS:
            full = rules.decide(actor(role), action, organisation_id=HERE, case_id=CASE, standing="own")
            assert rules.decide(narrowed, action, organisation_id=HERE, case_id=CASE, standing="own") is (full and action == scope)


def test_scopes_do_not_open_the_inbox_by_the_image_alone() -> None:
    narrowed = actor("surgeon", scopes=frozenset({"inbox:read"}))
    assert not rules.decide(narrowed, "image:read", organisation_id=HERE, case_id=None)


def test_roles_of_one_hospital_are_nothing_in_another() -> None:
    everything = Actor(person_id=ME, organisation_id=HERE, roles=frozenset(ROLES))
    for action in ACTIONS:
        assert not rules.decide(everything, action, organisation_id=THERE, case_id=CASE)
        assert not rules.decide(everything, action, organisation_id=THERE, case_id=None)


def test_nobody_is_given_the_systems_role_by_writing_it_down() -> None:
    pretender = Actor(person_id=ME, organisation_id=HERE, roles=frozenset({"system", "root", ""}))
    assert not any(rules.decide(pretender, action, organisation_id=HERE, case_id=CASE, standing="own") for action in ACTIONS)
    assert rules.holders(Actor(person_id=None, organisation_id=HERE, roles=frozenset(ROLES))) == {"system"}


def test_an_unknown_action_is_a_mistake_of_the_program() -> None:
    for scopes in (None, frozenset({"case:erase"})):
        with pytest.raises(ValueError, match="no such action"):
            rules.decide(actor("surgeon", scopes=scopes), "case:erase", organisation_id=HERE, case_id=CASE)
        with pytest.raises(ValueError, match="no such action"):
            rules.require_in_organisation(actor("surgeon", scopes=scopes), "case:erase")


def test_step_up_is_good_for_five_minutes() -> None:
    system = Actor.system(HERE)
    rules.require_step_up(system)
    rules.require_step_up(actor("expert", stepped_up_at=ids.now() - dt.timedelta(minutes=4, seconds=50)))
    for stale in (None, ids.now() - dt.timedelta(minutes=5)):
        with pytest.raises(StepUpNeeded):
            rules.require_step_up(actor("expert", stepped_up_at=stale))
    with pytest.raises(Denied) as refused:
        rules.require_step_up(actor("expert", token_id=ids.new(), stepped_up_at=ids.now()))
    assert refused.value.code == "session-needed"


def test_a_decision_takes_less_than_fifty_microseconds() -> None:
    surgeon, grants = actor("expert"), [Held("expert")]
    took = min(
        timeit.repeat(
            lambda: rules.decide(surgeon, "opinion:write", organisation_id=THERE, case_id=CASE, grants=grants), number=2000, repeat=5
        )
    )
    assert took / 2000 < 50e-6
