"""The state tables: total, closed over their states, and what they must never allow."""

import itertools

import pytest

from registry import states

TABLES = {
    "cases": (states.CASES, states.CASE_STATES, states.CASE_EVENTS),
    "referrals": (states.REFERRALS, states.REFERRAL_STATES, states.REFERRAL_EVENTS),
    "consents": (states.CONSENTS, states.CONSENT_STANDINGS, states.CONSENT_STATEMENTS),
    "presentations": (states.PRESENTATIONS, states.PRESENTATION_STATES, states.PRESENTATION_EVENTS),
    "joinings": (states.JOININGS, states.JOINING_STATES, states.JOINING_EVENTS),
    "reviews": (states.REVIEWS, states.REVIEW_STATES, states.REVIEW_EVENTS),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_answers_for_every_state_and_event_and_leads_only_to_states(name: str) -> None:
    table, known, events = TABLES[name]
    assert set(table) == set(itertools.product(known, events))
    assert set(table.values()) - {None} <= set(known)


@pytest.mark.parametrize("name", TABLES)
def test_every_state_can_be_reached_from_the_first(name: str) -> None:
    table, known, events = TABLES[name]
    reached, before = {known[0]}, set[str]()
    while reached != before:
        before = set(reached)
        reached |= {after for state in before for event in events if (after := table[state, event])}
    assert reached == set(known)


def test_nothing_leads_out_of_a_closed_case_or_a_withdrawn_question() -> None:
    assert {states.CASES["closed", event] for event in states.CASE_EVENTS} == {None}
    assert {states.REFERRALS["withdrawn", event] for event in states.REFERRAL_EVENTS} == {None}


def test_a_case_never_goes_back_except_when_its_last_question_lapses() -> None:
    order = states.CASE_STATES.index
    for (state, event), after in states.CASES.items():
        if after is not None and order(after) < order(state):
            assert (state, event, after) == ("referred", "lapse", "draft")


def test_only_what_was_given_can_be_withdrawn_and_it_can_be_given_again() -> None:
    assert [s for s in states.CONSENT_STANDINGS if states.CONSENTS[s, "withdraw"]] == ["given"]
    assert all(states.CONSENTS[s, "give"] == "given" for s in states.CONSENT_STANDINGS)


def test_what_a_senior_has_said_of_a_trainees_work_is_not_said_again() -> None:
    """A presentation is decided once; a countersigned entry stays countersigned whatever comes after it."""
    decided = [state for state in states.PRESENTATION_STATES if state != "waiting"]
    assert {states.PRESENTATIONS[state, event] for state in decided for event in states.PRESENTATION_EVENTS} == {None}
    assert [state for state in states.REVIEW_STATES if states.REVIEWS[state, "countersign"]] == ["waiting"]
    assert {states.REVIEWS["countersigned", event] for event in states.REVIEW_EVENTS} == {None, "countersigned"}
