"""The command ``shanhai policy``: who may do what, and when it may happen, as one page."""

from collections.abc import Iterator

import typer

from auth import policy
from registry import states
from registry.states import Table


def show() -> None:
    """Print who may do what, and when it may happen.

    Example:  shanhai policy > policy.md
    """
    typer.echo(page(), nl=False)


def page() -> str:
    """docs/policy.md: the table of `auth.rules`, and the state tables of `registry.states`."""
    return policy.as_markdown() + "\n".join(_when()) + "\n"


NEEDS: dict[str, dict[str, str]] = {
    "A case": {
        "refer": "case:refer",
        "answer": "opinion:sign",
        "treat": "case:write",
        "follow": "followup:write",
        "close": "case:close",
    },
    "A question to another hospital": {
        "allocate": "referral:allocate",
        "acknowledge": "referral:answer",
        "answer": "opinion:sign",
        "decline": "referral:answer",
        "withdraw": "referral:withdraw",
    },
    "A consent": dict.fromkeys(("give", "refuse", "withdraw"), "consent:write") | {"excuse": "case:refer"},
}
"""What whoever brings an event about needs; the others come about by themselves."""


def _when() -> Iterator[str]:
    yield ""
    yield "# When it may happen"
    yield ""
    yield "Printed from the tables in `registry/states.py`: what each event makes of each state. An empty cell is refused,"
    yield "whoever asks. With an event stands the action that whoever brings it about needs; without one it comes about by"
    yield "itself. A coordinator declines with `referral:allocate`."
    yield from _grid("A case", states.CASE_STATES, states.CASE_EVENTS, states.CASES)
    yield from _grid("A question to another hospital", states.REFERRAL_STATES, states.REFERRAL_EVENTS, states.REFERRALS)
    yield from _grid("A consent", states.CONSENT_STANDINGS, states.CONSENT_STATEMENTS, states.CONSENTS)


def _grid(title: str, before: tuple[str, ...], events: tuple[str, ...], table: Table) -> Iterator[str]:
    heads = (f"{event}, `{NEEDS[title][event]}`" if event in NEEDS[title] else event for event in events)
    yield ""
    yield f"## {title}"
    yield ""
    yield "| state | " + " | ".join(heads) + " |"
    yield "|---" * (len(events) + 1) + "|"
    for state in before:
        yield f"| {state} | " + " | ".join(table[state, event] or "" for event in events) + " |"
