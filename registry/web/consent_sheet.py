"""The sheet a patient signs: what is asked, purpose by purpose, in Chinese and in English on one page. And, signed, back again.

It says what the law of personal information wants said before a separate consent (PIPL art. 23, 28-30): who
gets what and why, what a refusal means, that it can be taken back, and how long records are kept.
"""

from functools import partial
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from core import ids
from core.actor import Actor
from core.db import Tx
from core.errors import Invalid
from core.sealed import Reader
from registry import cases, consents, referrals, scans
from registry.web import paper, streams
from registry.web.case import banner
from registry.web.edge import Db, Me, short
from registry.web.forms import MOST_FIELDS, Attempt, attempt, file
from registry.web.moments import Clock
from registry.web.pages import label, see
from registry.web.referral import consents_page
from registry.web.translations import LANGUAGES, language_of, translate
from registry.web.who import Names

router = APIRouter(include_in_schema=False)
ENDINGS = {"application/pdf": "pdf", "image/jpeg": "jpg"}
RIGHTS = ("refuse", "withdraw", "keep", "ask")


@router.get("/cases/{case_id}/consents/sheet")
def sheet(request: Request, db: Db, me: Me, case_id: UUID) -> Response:
    """As PDF, to print; nothing is recorded as agreed by it."""
    case = cases.reach(db, me, case_id, "consent:write")
    context = banner(request, db, me, case)
    language = language_of(request)
    when, now, who = Clock(language, me.time_zone), ids.now(), context["identity"]
    asked = dict.fromkeys(found.referral.to_organisation_id for found in referrals.for_case(db, me, case_id))
    names = {spoken: Names(db, spoken) for spoken in LANGUAGES}

    def both(key: str) -> list[str]:
        return [translate(spoken, key) for spoken in LANGUAGES]

    def fact(key: str, texts: list[str]) -> dict[str, str]:
        return {"label": " ".join(both(key)), "text": " ".join(dict.fromkeys(filter(None, texts)))}

    hospitals = [names[spoken].hospital(one) for one in asked for spoken in LANGUAGES]
    told: dict[str, Any] = {
        "lang": "zh",
        "region": "cn",
        "title": translate("zh", "consent-sheet-title"),
        "subtitle": translate("en", "consent-sheet-title"),
        "number": case.number,
        "foot": f"{translate(language, 'brand')} · {case.number} · {when.written(now)}",
        "author": context["hospital"],
        "facts": [
            fact("sheet-patient", [who.name, when.date(who.birth_date) if who.birth_date else "", who.record_number or ""] if who else []),
            fact("sheet-asking", [names[spoken].hospital(case.organisation_id) for spoken in LANGUAGES]),
            fact("sheet-answering", hospitals or ["＿" * 16]),
        ],
        "lead": both("consent-sheet-lead"),
        "purposes": [
            {"title": [label(spoken, "consent_purpose", one) for spoken in LANGUAGES], "what": both(f"consent-sheet-{one}")}
            for one in consents.PURPOSES
        ],
        "choices": [" ".join(both(f"consent-sheet-{one}")) for one in ("agree", "disagree")],
        "rights": [both(f"consent-sheet-right-{one}") for one in RIGHTS],
        "by_hand": [" ".join(both(f"consent-sheet-hand-{one}")) for one in ("patient", "relation", "doctor", "date")],
    }
    headers = streams.RAW | {"Content-Disposition": f'attachment; filename="{case.number}-consent.pdf"'}
    return Response(paper.pdf("consent.typ", told, {}, now), media_type="application/pdf", headers=headers)


@router.post("/cases/{case_id}/consents/scans")
async def attach(request: Request, case_id: UUID) -> Response:
    """Keep the signed sheet, photographed or scanned; taken from those alone who may record consents of this case."""
    me = await short(request, lambda db, me: (cases.reach(db, me, case_id, "consent:write"), me)[1])
    async with request.form(max_fields=MOST_FIELDS, max_files=1) as form:
        data, purposes = file(form, "scan"), [value for value in form.getlist("covers") if isinstance(value, str)]
    refused, looked = Attempt(), None
    try:
        looked = await streams.run(partial(scans.look, request.app.state.pool, data, organisation_id=me.organisation_id))
    except Invalid as wrong:
        refused.refuse(**wrong.fields)

    def work(db: Tx, me: Actor) -> Response:
        tried = refused
        if looked is not None:
            with attempt(db) as tried:
                scans.attach(db, me, case_id, looked, purposes=purposes)
        return see(f"/cases/{case_id}/consents") if tried else consents_page(request, db, me, case_id, tried, covers=purposes)

    return await short(request, work)


@router.get("/cases/{case_id}/consents/scans/{scan_id}")
async def scan(request: Request, case_id: UUID, scan_id: UUID) -> Response:
    """A signed sheet as a file, never as a page of ours: for whoever may see identity, recorded each time."""

    def work(db: Tx, me: Actor) -> tuple[Actor, str, scans.Scan, Reader]:
        row, reader = scans.read(db, me, case_id, scan_id)
        return me, scans.reach(db, me, case_id).number, row, reader

    def still(db: Tx, me: Actor) -> None:
        scans.reach(db, me, case_id)

    me, number, row, reader = await short(request, work)
    headers = streams.RAW | {"Content-Disposition": f'attachment; filename="{number}-consent-signed.{ENDINGS[row.media_type]}"'}
    return await streams.answer(request, me, reader.stream(), still, content_type=row.media_type, length=row.size, headers=headers)
