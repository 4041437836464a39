"""Breaking the glass on a restricted case, giving it back, and the review of every break by a second person."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from auth import glass, policy
from auth.proofs import Refused
from auth.restrictions import BrokenGlass
from core import ids
from core.actor import Actor
from core.db import Tx
from registry import cases, emergencies
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, day, text
from registry.web.pages import render, see, worded
from registry.web.translations import has, language_of, translate
from registry.web.who import Names

router = APIRouter(include_in_schema=False)
TYPED = ("number", "name", "birth_date", "reason", "words")


@router.get("/break-glass")
def ask(request: Request, db: Db, me: Me) -> Response:
    """The form. Nothing of it stands in an address."""
    policy.require_in_organisation(me, "glass:break")
    return _form(request, dict.fromkeys(TYPED, ""), Attempt())


@router.post("/break-glass")
def break_(request: Request, db: Db, me: Me, form: Sent) -> Response:
    """Break the glass on the case that is named exactly, or show the form again."""
    typed = {name: text(form, name) for name in TYPED}
    broken: list[BrokenGlass] | Refused = []
    with attempt(db) as tried:
        broken = emergencies.break_in(
            db, me, number=typed["number"], name=typed["name"], birth_date=day(form, "birth_date"), reason=typed["reason"], words=typed["words"]
        )  # fmt: skip
    if isinstance(broken, Refused):
        tried.code, tried.status = broken.code, 404
    elif tried:
        return see(f"/cases/{broken[0].case_id}" if len(broken) == 1 else "/cases")
    return _form(request, typed, tried)


@router.post("/cases/{case_id}/glass/return")
def give_back(db: Db, me: Me, case_id: UUID) -> Response:
    """Give emergency access back before its time."""
    glass.give_back(db, me, case_id)
    return see("/cases")


@router.get("/hospital/glass")
def listed(request: Request, db: Db, me: Me) -> Response:
    """Every break of this hospital, those that wait for a review first."""
    return _reviews(request, db, me, Attempt())


@router.post("/hospital/glass/{glass_id}")
def review(request: Request, db: Db, me: Me, form: Sent, glass_id: UUID) -> Response:
    """Say whether a break was justified."""
    sent = {"id": glass_id, "verdict": text(form, "verdict"), "words": text(form, "words")}
    with attempt(db) as tried:
        glass.review(db, me, glass_id, verdict=text(form, "verdict"), words=text(form, "words"), admit=bool(text(form, "admit")))
    return see("/hospital/glass") if tried else _reviews(request, db, me, tried, sent)


def _form(request: Request, typed: dict[str, str], tried: Attempt) -> Response:
    return render(
        request, "glass/break.html", status=tried.status, typed=typed, tried=tried, reasons=worded(request, "glass-reason-", glass.REASONS)
    )


def _reviews(request: Request, db: Tx, me: Actor, tried: Attempt, sent: dict[str, Any] | None = None) -> Response:
    language, found = language_of(request), glass.reviews(db, me)
    names = Names(db, language)
    names.know([broken.person_id for broken in found] + [broken.reviewed_by for broken in found])
    numbers = cases.numbers(db, me.organisation_id, {broken.case_id for broken in found})
    rows = [_row(db, language, broken, numbers) for broken in found]
    context: dict[str, Any] = {
        "waiting": [row for row in rows if not row["broken"].reviewed_at],
        "done": [row for row in rows if row["broken"].reviewed_at],
        "verdicts": glass.VERDICTS,
        "names": names,
        "sent": sent,
    }
    return render(request, "hospital/glass.html", status=tried.status, tried=tried, **context)


def _row(db: Tx, language: str, broken: BrokenGlass, numbers: dict[UUID, str]) -> dict[str, Any]:
    reason, verdict = glass.words(db, broken)
    return {
        "broken": broken,
        "number": numbers.get(broken.case_id, ""),
        "reason": reason,
        "verdict": verdict,
        "acts": [_act(language, action, count, numbers.get(broken.case_id, "")) for action, count in _counted(db, broken)],
        "holds": broken.until > ids.now(),
        "overdue": broken.reviewed_at is None and broken.review_due_at < ids.now(),
        "may_admit": broken.reviewed_at is None and glass.may_admit(db, broken),
    }


def _counted(db: Tx, broken: BrokenGlass) -> list[tuple[str, int]]:
    return sorted(emergencies.looked_at(db, broken).items(), key=lambda pair: (-pair[1], pair[0]))


def _act(language: str, action: str, count: int, number: str) -> str:
    """An act as the log says it, and how often."""
    key = "audit-did-" + action.replace(":", "-")
    did = translate(
        language, key if has(language, key) else "audit-did-other", action=action, case=number,
        subject=translate(language, "audit-somebody"), count=1, shown=1, purpose="",
    )  # fmt: skip
    return translate(language, "glass-act", did=" ".join(did.split()), count=count)
