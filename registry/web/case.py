"""The case page: the banner that stays, what now, one column of time, the pictures, and what was said.

A case is put together here from the reads of its nouns, each of which checks and records the access. What
a reader may not see (opinions for a nurse, say) is left out, not shown greyed.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from auth import blinding, glass, policy, restrictions
from core import ids
from core.actor import Actor
from core.db import Tx
from imaging import annotations
from registry import (
    archive,
    audience,
    board,
    cases,
    closures,
    consents,
    decisions,
    disclosure,
    entries,
    followups,
    joint,
    messages,
    notices,
    opinions,
    presentations,
    questions,
    referrals,
    reviews,
    scans,
    valuesets,
)
from registry.cases import Case
from registry.entries import Recorded
from registry.forms import shown
from registry.forms.closure import Closure
from registry.valuesets import Option
from registry.web import fracture_times, gallery, retention, scales, timeline, titles, whatnow
from registry.web.edge import Db, Me
from registry.web.forms import Attempt, Sent, attempt, raw, text, uuids
from registry.web.moments import Clock
from registry.web.pages import render, see
from registry.web.translations import language_of
from registry.web.who import Names

router = APIRouter(include_in_schema=False)
OPEN = frozenset({"draft", "referred", "answered"})
ASKED = (
    "case:write",
    "case:refer",
    "case:close",
    "case:restrict",
    "consent:write",
    "image:read",
    "image:upload",
    "annotation:read",
    "message:read",
    "message:write",
    "opinion:read",
    "opinion:write",
    "opinion:countersign",
    "entry:countersign",
    "decision:write",
    "followup:write",
    "referral:allocate",
    "referral:answer",
    "referral:withdraw",
    "patient:identify",
    "audit:read",
)


def rights(db: Tx, me: Actor, case: Case) -> frozenset[str]:
    """What this reader may do to this case: to offer it, and to leave out what they may not read."""
    return policy.rights(db, me, ASKED, organisation_id=case.organisation_id, case_id=case.id)


def banner(request: Request, db: Tx, me: Actor, case: Case, may_do: frozenset[str] | None = None) -> dict[str, Any]:
    """What stands at the head of every page of a case. Identity is shown in the patient's own hospital alone."""
    may_do = rights(db, me, case) if may_do is None else may_do
    language = language_of(request)
    own = case.organisation_id == me.organisation_id
    who = cases.identity(db, me, case.id) if own and "patient:identify" in may_do else None
    names = Names(db, language)
    return {
        "case": case,
        "title": titles.of(case.summary, language),
        "own": own,
        "identity": who,
        "names": names,
        "hospital": names.hospital(case.organisation_id),
        "may_do": may_do,
        "restricted": own and bool(restrictions.among(db, [case.id])),
        "broken": glass.held(db, me, case.id),
    }


@router.get("/cases/{case_id}")
def show(request: Request, db: Db, me: Me, case_id: UUID) -> Response:
    """The page of a case."""
    case = cases.get(db, me, case_id)
    may_do = rights(db, me, case)
    context = banner(request, db, me, case, may_do)
    when, names = Clock(language_of(request), me.time_zone), context["names"]
    readings = board.readings(db, case)
    recorded = entries.for_case(db, me, case_id)
    asked = referrals.for_case(db, me, case_id)
    signed = opinions.for_case(db, me, case_id) if "opinion:read" in may_do else []
    presented = presentations.for_case(db, me, case_id) if "opinion:countersign" in may_do else []
    decided = decisions.for_case(db, me, case_id)
    seen = followups.for_case(db, me, case_id)
    standing = consents.standing(db, me, case_id)
    marks = annotations.counts(db, me, case.id, case.organisation_id) if "annotation:read" in may_do else {}
    shots = gallery.of(db, me, case, when, marks) if "image:read" in may_do else []
    waiting = {a.referral.id: w for a in asked if (w := questions.waiting_for(db, a.referral)) is not None}
    known = whatnow.Known(case, [r.entry.type for r in recorded], asked, signed, decided, seen, waiting, may_do, presented)
    teller = timeline.Teller(when, names)
    told = [
        *teller.opened(case.created_at, case.created_by),
        *teller.clocks(readings),
        *teller.entries(recorded),
        *teller.pictures(shots),
        *teller.referrals(asked),
        *teller.opinions(signed),
        *teller.presentations(presented),
        *teller.decisions(decided),
        *teller.consents(standing.values()),
    ]
    injured = next((reading.unit.injured_at for reading in readings if reading.unit.injured_at), None)
    if me.token_id is None:
        notices.read(db, me, case_id=case_id)
    context |= {
        "now": whatnow.of(known, me),
        "clocks": [scales.of(reading, when) for reading in readings if case.state in OPEN or reading.running == "stopped"],
        "open_fracture": fracture_times.of([item.document for item in recorded if item.current], ids.now(), when),
        "days": timeline.by_day(told, when),
        "pictures": gallery.by_day(shots, injured, when),
        "shots": shots,
        "asked": asked,
        "blinded": (blinded := blinding.standing(db, case.id)),
        "joins": case.state != "closed" and blinded is None and joint.open_to_join(me, signed),
        "waiting": waiting,
        "signed": signed,
        "presented": [item for item in presented if item.presentation.state != "given"],
        "returned": reviews.said(db, me, case, [item.entry.id for item in recorded]),
        "decided": {item.decision.opinion_id: item for item in decided},
        "seen": seen,
        "standing": standing,
        "sheets": scans.of_case(db, me, case),
        "recorded": [_entry(item, entries.units(recorded)) for item in recorded],
        "offered": _offered(case),
        "others": [kind for kind in entries.TYPES if kind not in (*_offered(case), followups.TYPE, closures.TYPE)],
        "posts": messages.thread(db, me, case_id) if "message:read" in may_do else [],
        "hearers": _hearers(db, me, case, names) if "message:write" in may_do else [],
        "client_key": str(ids.new()),
        "answered_in": _answered_in(asked),
        **(retention.of_case(db, case) if context["own"] else {"held_since": None, "kept_until": None}),
    }
    return render(request, "case/show.html", **context)


@router.post("/cases/{case_id}/messages")
def say(request: Request, db: Db, me: Me, form: Sent, case_id: UUID) -> Response:
    """Say something in the discussion. Words that were refused stand in the box again."""
    said = text(form, "text")
    with attempt(db) as tried:
        called, shown_there = uuids(form, "people"), uuids(form, "pictures")
        key = text(form, "client_key", 64) or None
        messages.post(db, me, case_id=case_id, text=said, people_ids=called, picture_ids=shown_there, client_key=key)
    if tried and not request.headers.get("hx-request"):
        return see(f"/cases/{case_id}#discussion")
    case = cases.get(db, me, case_id)
    context = banner(request, db, me, case)
    when, may_do = Clock(language_of(request), me.time_zone), context["may_do"]
    marks = annotations.counts(db, me, case.id, case.organisation_id) if "annotation:read" in may_do else {}
    context |= {
        "posts": messages.thread(db, me, case_id),
        "shots": gallery.of(db, me, case, when, marks) if "image:read" in may_do else [],
        "hearers": _hearers(db, me, case, context["names"]),
        "tried": tried,
        "said": "" if tried else said,
        "picked": [] if tried else [value for name in ("people", "pictures") for value in form.getlist(name)],
        "client_key": str(ids.new()),
    }
    page = "case/thread.html" if request.headers.get("hx-request") else "case/discussion.html"
    return render(request, page, status=tried.status, **context)


@router.post("/cases/{case_id}/identity")
def identify(request: Request, db: Db, me: Me, case_id: UUID) -> Response:
    """Show who the patient is, where the referral allows it: an act of its own, recorded each time."""
    case = cases.get(db, me, case_id)
    context = banner(request, db, me, case)
    return render(request, "case/identity.html", **(context | {"identity": cases.identity(db, me, case_id)}))


@router.get("/cases/{case_id}/record")
def record(request: Request, db: Db, me: Me, case_id: UUID) -> Response:
    """The whole record to read and to print; every version of every entry for who may know the patient."""
    case = cases.get(db, me, case_id)
    found = disclosure.record(db, me, case_id)
    units = entries.units(found)
    rows = [(item, shown.view(item.document, all_fields=True, units=units)) for item in found]
    withheld = not audience.knows(db, me, case) and any(item.entry.version > 1 for item in found)
    returned = reviews.said(db, me, case, [item.entry.id for item in found])
    return render(request, "case/record.html", recorded=rows, withheld=withheld, returned=returned, **banner(request, db, me, case))


@router.get("/cases/{case_id}/close")
def ask_close(request: Request, db: Db, me: Me, case_id: UUID) -> Response:
    """Ask before a case is closed for good, or say who is waited for."""
    return _close(request, db, me, case_id, Attempt())


@router.post("/cases/{case_id}/close")
def close(request: Request, db: Db, me: Me, form: Sent, case_id: UUID) -> Response:
    """Close a case for good, with its summary."""
    typed, key = raw(Closure, form), text(form, "client_key", 64) or None
    with attempt(db) as tried:
        closures.close(db, me, case_id, typed, client_key=key)
    return see(f"/cases/{case_id}") if tried else _close(request, db, me, case_id, tried, typed)


@router.post("/cases/{case_id}/archive")
def put_away(db: Db, me: Me, form: Sent, case_id: UUID) -> Response:
    """Move a closed case into the archive, or (``back``) out of it."""
    (archive.take_out if text(form, "back") else archive.archive)(db, me, case_id)
    return see(f"/cases/{case_id}")


def _close(request: Request, db: Tx, me: Actor, case_id: UUID, tried: Attempt, typed: dict[str, str | list[str]] | None = None) -> Response:
    case = cases.get(db, me, case_id)
    waiting = {a.referral.id: w for a in referrals.for_case(db, me, case_id) if (w := questions.waiting_for(db, a.referral)) is not None}
    context: dict[str, Any] = {
        **banner(request, db, me, case),
        "waiting": waiting,
        "form": shown.describe(Closure, typed or {}, zone=me.time_zone, errors=tried.errors),
        "client_key": str(ids.new()),
        "tried": tried,
    }
    return render(request, "case/close.html", status=tried.status, **context)


def _hearers(db: Tx, me: Actor, case: Case, names: Names) -> list[tuple[UUID, str]]:
    """Whom this reader may call by name in the discussion."""
    found = ((person_id, names.byline(person_id)) for person_id in messages.hearers(db, me, case))
    return sorted(found, key=lambda one: one[1])


def _entry(item: Recorded, units: Sequence[Option]) -> tuple[Recorded, list[shown.Shown], tuple[shown.ShownSection, ...]]:
    """An entry with what is asked first, and (where there is more) the whole of it."""
    whole = shown.view(item.document, units=units)
    quick = {name for name, note in item.document.declared().items() if note.quick}
    first = [row for section in whole for row in section.rows if row.name in quick or row.reckoned]
    more = whole if any(row.name not in quick and not row.reckoned for section in whole for row in section.rows) else ()
    return item, first, more


def _offered(case: Case) -> list[str]:
    """What a case of this kind is offered to enter first."""
    return list(valuesets.value_set("case_kind").option(case.kind).extra["offers"])


def _answered_in(asked: list[questions.Asked]) -> float | None:
    """Minutes from the question to its answer, of the first that was answered."""
    for item in asked:
        if item.referral.answered_at is not None:
            return (item.referral.answered_at - item.referral.requested_at).total_seconds() / 60
    return None
