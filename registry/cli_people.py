"""Commands about people that are not in every day's hand: proposals, and confirming one where there is no second administrator."""

from contextlib import closing
from uuid import UUID

import typer

from auth import organisations, people, proposals
from auth.proposals import Proposal
from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import NotFound
from core.settings import Settings
from registry.app import open_database

app = typer.Typer(no_args_is_help=True)


@app.command("proposals")
def list_proposals() -> None:
    """List what administrators have proposed and nobody has confirmed yet, in every hospital.

    Example:  shanhai user proposals
    """
    with closing(open_database(Settings())) as database, database.begin(readonly=True) as db:
        for organisation in organisations.every(db):
            for proposal in proposals.waiting(db, Actor.system(organisation.id)):
                print(_line(db, proposal, organisation.name))


@app.command("approve")
def approve(proposal_id: UUID) -> None:
    """Confirm a proposal, where the hospital has no second administrator who could. Ask the hospital's management first.

    Example:  shanhai user approve 0190…
    """
    with closing(open_database(Settings())) as database, database.begin() as db:
        proposal = db.get(Proposal, proposal_id)
        if proposal is None:
            raise NotFound("proposal-not-found")
        proposals.confirm(db, Actor.system(proposal.organisation_id), proposal_id)
        print(f"Confirmed: {_line(db, proposal, organisations.get(db, proposal.organisation_id).name)}")


def _line(db: Tx, proposal: Proposal, hospital: str) -> str:
    named = people.bylines(db, {one for one in (proposal.person_id, proposal.proposed_by) if one})
    about = named[proposal.person_id].name if proposal.person_id else ""
    what = " ".join(filter(None, (proposal.kind, proposal.role, about)))
    left = (proposal.expires_at - ids.now()).days
    return f"{proposal.id}  {hospital}: {what}, by {named[proposal.proposed_by].name}, {left} days left"
