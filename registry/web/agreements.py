"""Agreements with other hospitals: who waits for whom, what stands, and what went without one.

What binds two hospitals is written into the log, and sealed under the keys, of both: those requests act as the system.
"""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from auth import agreements, documents, organisations, people, rules
from auth.agreements import Agreement
from auth.organisations import Organisation
from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Invalid
from core.sealed import Reader
from registry import unagreed
from registry.web import streams
from registry.web.edge import Db, Machinery, Me, Negotiator, short
from registry.web.forms import Attempt, Sent, attempt, day, file, text, with_file
from registry.web.moments import Clock
from registry.web.pages import in_language, render, see
from registry.web.translations import language_of

router = APIRouter(include_in_schema=False)
HOME = "/hospital/agreements"
NOTHING = FormData()
TEXTS = ("other_id", "starts", "ends", "words")
ENDINGS = {"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png"}
SOON = timedelta(days=agreements.REMINDERS[-1])
Filled = Annotated[FormData, Depends(with_file("agreement:manage"), scope="function")]


@router.get(HOME)
def listed(request: Request, db: Db, me: Me) -> Response:
    """Every agreement of the hospital, and the emergencies that went without."""
    return _list(request, db, me, Attempt())


@router.get(f"{HOME}/new")
def new(request: Request, db: Db, me: Me) -> Response:
    """The form. It asks for the second factor first, since a chosen file would not outlast the asking."""
    rules.require_in_organisation(me, "agreement:manage")
    rules.require_step_up(me)
    today = Clock("zh", organisations.get(db, me.organisation_id).time_zone).today()
    chosen = {"starts": today.isoformat(), "other_id": request.query_params.get("with", "")}
    return _form(request, db, me, Attempt(), FormData({**chosen, "covers": agreements.NEEDED_TO_REFER}))


@router.post(f"{HOME}/new")
def propose(request: Request, form: Filled, db: Machinery, me: Negotiator) -> Response:
    """Offer it to the other hospital."""
    with attempt(db) as tried:
        starts, document = day(form, "starts"), file(form, "document")
        missing = {name: "field-required" for name in ("other_id", "starts") if not text(form, name)}
        missing |= {} if document else {"document": "field-required"}
        if starts is None or missing:
            raise Invalid("form-invalid", fields=missing)
        made = agreements.propose(
            db,
            me,
            other_id=_id(form, "other_id"),
            starts=starts,
            ends=day(form, "ends"),
            covers=_covers(form),
            words=text(form, "words"),
            document=document,
        )
    return see(f"{HOME}/{made.id}") if tried else _form(request, db, me, tried, form)


@router.post(f"{HOME}/settle")
def settle(request: Request, db: Machinery, me: Negotiator, form: Sent) -> Response:
    """Close the chase for referrals that went without an agreement."""
    with attempt(db) as tried:
        unagreed.settle(db, me, referrals=_ids(form, "referral"), reason=text(form, "reason"))
    return see(HOME) if tried else _list(request, db, me, tried, form)


@router.get(f"{HOME}/{{agreement_id}}")
def show(request: Request, db: Db, me: Me, agreement_id: UUID) -> Response:
    """One agreement, and what this side can do about it."""
    return _page(request, db, me, agreement_id, Attempt())


@router.get(f"{HOME}/{{agreement_id}}/document")
async def document(request: Request, agreement_id: UUID) -> Response:
    """The signed document, as this hospital archived it; never shown as a page of ours."""

    def work(db: Tx, me: Actor) -> tuple[Actor, documents.Document, Reader]:
        return me, *agreements.document(db, me, agreement_id)

    me, copy, reader = await short(request, work)
    name = f'attachment; filename="agreement-{agreement_id}.{ENDINGS[copy.media_type]}"'
    headers = streams.RAW | {"Content-Disposition": name}
    still = partial(_still, agreement_id)
    return await streams.answer(request, me, reader.stream(), still, content_type=copy.media_type, length=copy.size, headers=headers)


@router.post(f"{HOME}/{{agreement_id}}/confirm")
def confirm(request: Request, db: Machinery, me: Negotiator, agreement_id: UUID) -> Response:
    """Bind the own hospital."""
    with attempt(db) as tried:
        agreements.confirm(db, me, agreement_id)
    return see(f"{HOME}/{agreement_id}") if tried else _page(request, db, me, agreement_id, tried)


@router.post(f"{HOME}/{{agreement_id}}/refuse")
def refuse(request: Request, db: Machinery, me: Negotiator, form: Sent, agreement_id: UUID) -> Response:
    """Say no, with a reason."""
    with attempt(db) as tried:
        agreements.refuse(db, me, agreement_id, reason=text(form, "reason"))
    return see(HOME) if tried else _page(request, db, me, agreement_id, tried)


@router.post(f"{HOME}/{{agreement_id}}/withdraw")
def withdraw(request: Request, db: Machinery, me: Negotiator, agreement_id: UUID) -> Response:
    """Take a proposal back."""
    with attempt(db) as tried:
        agreements.withdraw(db, me, agreement_id)
    return see(HOME) if tried else _page(request, db, me, agreement_id, tried)


@router.post(f"{HOME}/{{agreement_id}}/end")
def end(request: Request, db: Machinery, me: Negotiator, form: Sent, agreement_id: UUID) -> Response:
    """End it now."""
    with attempt(db) as tried:
        agreements.end(db, me, agreement_id, reason=text(form, "reason"))
    return see(f"{HOME}/{agreement_id}") if tried else _page(request, db, me, agreement_id, tried)


def _still(agreement_id: UUID, db: Tx, me: Actor) -> None:
    agreements.get(db, me, agreement_id)


def _list(request: Request, db: Tx, me: Actor, tried: Attempt, sent: FormData = NOTHING) -> Response:
    language, now = language_of(request), ids.now()
    rows, without = agreements.listed(db, me), unagreed.chased(db, me)
    parties = {party for row in rows for party in row.parties} | {party for one in without for party in (one.from_id, one.to_id)}
    named = organisations.named(db, parties)
    shown = [_row(language, me, row, named) for row in sorted(rows, key=lambda row: (row.ends is None, row.ends, row.id))]
    context: dict[str, Any] = {
        "ours": [row for row in shown if row["standing"] == "proposed" and row["row"].other_id == me.organisation_id],
        "theirs": [row for row in shown if row["standing"] == "proposed" and row["row"].organisation_id == me.organisation_id],
        "standing": [row for row in shown if row["standing"] in ("in-force", "upcoming")],
        "past": [row for row in reversed(shown) if row["standing"] in ("lapsed", "refused", "withdrawn", "ended")],
        "without": list(_without(language, me, without, named)),
        "refused_for": set(_named(sent)),
        "tried": tried,
        "soon": now + SOON,
    }
    return render(request, "hospital/agreements.html", status=tried.status, **context)


def _row(language: str, me: Actor, row: Agreement, named: dict[UUID, Organisation]) -> dict[str, Any]:
    """An agreement in words; its days are those of the hospital that proposed it."""
    clock = Clock(language, named[row.organisation_id].time_zone)
    return {
        "row": row,
        "partner": in_language(language, named[row.partner(me.organisation_id)]),
        "standing": row.standing(ids.now()),
        "first": clock.date(row.starts),
        "last": clock.date(row.ends - timedelta(seconds=1)) if row.ends else "",
    }


def _without(language: str, me: Actor, found: list[unagreed.Chased], named: dict[UUID, Organisation]) -> Iterator[dict[str, Any]]:
    for one in found:
        ours = one.from_id == me.organisation_id
        other = named[one.to_id if ours else one.from_id]
        yield {"ours": ours, "other_id": other.id, "hospital": in_language(language, other), "crossings": one.crossings}


def _form(request: Request, db: Tx, me: Actor, tried: Attempt, sent: FormData) -> Response:
    language = language_of(request)
    others = [(str(one.id), in_language(language, one)) for one in organisations.every(db) if one.id != me.organisation_id]
    context: dict[str, Any] = {
        "hospitals": others,
        "values": {name: text(sent, name) for name in TEXTS},
        "chosen": _covers(sent),
        "codes": agreements.COVERS,
        "tried": tried,
    }
    return render(request, "hospital/agreement_new.html", status=tried.status, **context)


def _page(request: Request, db: Tx, me: Actor, agreement_id: UUID, tried: Attempt) -> Response:
    language, row = language_of(request), agreements.get(db, me, agreement_id)
    named = organisations.named(db, row.parties)
    bylines = people.bylines(db, {key for key in (row.proposed_by, row.confirmed_by, row.closed_by) if key})
    context: dict[str, Any] = {
        **_row(language, me, row, named),
        "proposer": in_language(language, named[row.organisation_id]),
        "other": in_language(language, named[row.other_id]),
        "closer": in_language(language, named[row.closed_by_organisation_id]) if row.closed_by_organisation_id else "",
        "by": {key: in_language(language, byline) for key, byline in bylines.items()},
        "words": agreements.words(db, me, row),
        "copy": documents.of(db, me.organisation_id, row.id),
        "mine": row.organisation_id == me.organisation_id,
        "refusals": agreements.REFUSALS,
        "endings": agreements.ENDINGS,
        "tried": tried,
    }
    return render(request, "hospital/agreement.html", status=tried.status, **context)


def _covers(form: FormData) -> list[str]:
    return [value for value in form.getlist("covers") if isinstance(value, str)]


def _named(form: FormData) -> list[str]:
    """The referrals of the form that was refused."""
    return [value for value in form.getlist("referral") if isinstance(value, str)]


def _ids(form: FormData, name: str) -> list[UUID]:
    try:
        return [UUID(value) for value in form.getlist(name) if isinstance(value, str)]
    except ValueError:
        raise Invalid("form-invalid", fields={name: "field-invalid"}) from None


def _id(form: FormData, name: str) -> UUID:
    try:
        return UUID(text(form, name, 40))
    except ValueError:
        raise Invalid("form-invalid", fields={name: "field-required"}) from None
