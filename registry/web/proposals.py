"""Proposals on a page: what waits for a second administrator, in words, and the three answers to it."""

from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from auth import proposals
from auth.proposals import Proposal
from core.actor import Actor
from core.db import Tx
from registry.web.edge import Db, Me
from registry.web.pages import see
from registry.web.translations import language_of, translate
from registry.web.who import Names

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Waiting:
    """One proposal for a reader: in words, whose it is, and whether anybody but the operator can confirm it."""

    row: Proposal
    words: str
    by: str
    mine: bool
    about_me: bool
    nobody_else: bool


@router.post("/hospital/proposals/{proposal_id}/confirm")
def confirm(db: Db, me: Me, proposal_id: UUID) -> Response:
    """Let it take effect."""
    proposals.confirm(db, me, proposal_id)
    return see("/hospital/people")


@router.post("/hospital/proposals/{proposal_id}/refuse")
def refuse(db: Db, me: Me, proposal_id: UUID) -> Response:
    """Say no."""
    proposals.refuse(db, me, proposal_id)
    return see("/hospital/people")


@router.post("/hospital/proposals/{proposal_id}/withdraw")
def withdraw(db: Db, me: Me, proposal_id: UUID) -> Response:
    """Take it back."""
    proposals.withdraw(db, me, proposal_id)
    return see("/hospital/people")


def waiting(request: Request, db: Tx, me: Actor) -> list[Waiting]:
    """What waits for a second hand in the reader's hospital."""
    names = Names(db, language_of(request))
    return [
        Waiting(
            row,
            words(row, names),
            names.person(row.proposed_by),
            mine=row.proposed_by == me.person_id,
            about_me=row.person_id == me.person_id,
            nobody_else=not proposals.seconds(db, row),
        )
        for row in proposals.waiting(db, me)
    ]


def words(proposal: Proposal, names: Names) -> str:
    """What a proposal is, as a sentence."""
    key = "-".join(filter(None, ("proposal", proposal.kind, proposal.role)))
    return translate(names.language, key, person=names.person(proposal.person_id))
