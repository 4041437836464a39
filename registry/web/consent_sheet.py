"""The sheet a patient signs: what is asked, purpose by purpose, in Chinese and in English on one page.

It says what the law of personal information wants said before a separate consent (PIPL art. 23, 28-30): who
gets what and why, what a refusal means, that it can be taken back, and how long records are kept.
"""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from core import ids
from registry import cases, consents, referrals
from registry.web import paper, streams
from registry.web.case import banner
from registry.web.edge import Db, Me
from registry.web.moments import Clock
from registry.web.pages import label
from registry.web.translations import LANGUAGES, language_of, translate
from registry.web.who import Names

router = APIRouter(include_in_schema=False)
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
