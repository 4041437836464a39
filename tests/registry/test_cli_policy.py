"""``shanhai policy`` prints docs/policy.md: who may, and when."""

from pathlib import Path

from typer.testing import CliRunner

from auth.rules import ACTIONS
from registry import cli_policy, states
from registry.cli import app

PAGE = Path(__file__).parents[2] / "docs" / "policy.md"


def test_the_command_prints_the_page() -> None:
    done = CliRunner().invoke(app, ["policy"])
    assert done.exit_code == 0
    assert done.stdout == PAGE.read_text("utf-8")


def test_the_page_has_every_state_and_every_event() -> None:
    page = cli_policy.page()
    for state in (*states.CASE_STATES, *states.REFERRAL_STATES, *states.CONSENT_STANDINGS):
        assert f"\n| {state} |" in page
    for title, events in (
        ("A case", states.CASE_EVENTS),
        ("A question to another hospital", states.REFERRAL_EVENTS),
        ("A consent", states.CONSENT_STATEMENTS),
    ):
        needs = cli_policy.NEEDS[title]
        assert set(needs) <= set(events)
        assert set(needs.values()) <= set(ACTIONS)
