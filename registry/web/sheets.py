"""A signed opinion as files: its proof, and the sheet (会诊意见) to print, sign by hand and archive, with the proof inside.

The sheet says what the Chinese rules of telemedicine ask of such a report: both hospitals, who asked what, the
patient as far as the reader may know, the opinion with its signatures and addenda, what it rests on, the marks as
they stood when it was signed, and what the treating side decided.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from core.actor import Actor
from core.db import Tx
from core.errors import Damaged, Unsupported
from imaging import annotations, marks, previews, render, rendered, spacing, wado
from imaging.annotations import Mark
from imaging.wado import Opened
from registry import cases, decisions, opinions, proofs
from registry.cases import Case
from registry.opinions import Signed
from registry.web import gallery, paper, streams
from registry.web.case import banner
from registry.web.dicomweb import everywhere, subjects
from registry.web.edge import Db, Me, short
from registry.web.moments import Clock
from registry.web.pages import label
from registry.web.translations import language_of, translate

router = APIRouter(include_in_schema=False)
TITLES = {"opinion": "opinion-title", "addendum": "opinion-addendum", "joint": "joint-title"}
PICTURES, EDGE = 12, 1280
"""How many pictures a sheet shows, those with marks first, and their longer side in pixels."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of the sheet: the frame (from 1) and the marks in it, as they stood."""

    opened: Opened
    frame: int
    marks: tuple[Mark, ...]
    caption: str


@router.get("/cases/{case_id}/opinions/{opinion_id}/proof")
def proof(db: Db, me: Me, case_id: UUID, opinion_id: UUID) -> Response:
    """What ``shanhai opinion verify`` checks."""
    case = cases.get(db, me, case_id)
    opinions.row(db, me, case, opinion_id)
    return _download(proofs.make(db, me, opinion_id), "application/json", f"{case.number}-opinion.json")


@router.get("/cases/{case_id}/opinions/{opinion_id}/sheet")
async def sheet(request: Request, case_id: UUID, opinion_id: UUID) -> Response:
    """The sheet as PDF, in the reader's language."""

    def work(db: Tx, me: Actor) -> tuple[Case, Signed, dict[str, Any], dict[str, bytes], list[Shown]]:
        case = cases.get(db, me, case_id)
        item = opinions.whole(db, me, case_id, opinion_id)
        context = banner(request, db, me, case)
        signed = [item, *item.addenda]
        inside = {f"proof-{n}.json": proofs.make(db, me, one.opinion.id) for n, one in enumerate(signed, 1)}
        shown = list(_shown(request, db, me, case, item)) if "image:read" in context["may_do"] else []
        return case, item, _told(db, me, item, context, language_of(request)), inside, shown

    case, item, told, inside, shown = await short(request, work)

    def typeset() -> bytes:
        files: dict[str, bytes] = dict(inside)
        told["drawn"], told["pictures"] = [], []
        for number, one in enumerate(shown, 1):
            name, data = f"picture-{number}.svg", _picture(request, one, item)
            if data is not None:
                files[name] = data
                told["drawn" if one.marks else "pictures"].append({"file": name, "caption": one.caption})
        told["proofs"] = list(inside)
        return paper.pdf("opinion.typ", told, files, item.opinion.signed_at)

    return _download(await streams.run(typeset), "application/pdf", f"{case.number}-opinion.pdf")


def _download(data: bytes, media_type: str, name: str) -> Response:
    return Response(data, media_type=media_type, headers=streams.RAW | {"Content-Disposition": f'attachment; filename="{name}"'})


# --- the words ---------------------------------------------------------------------------------------------


def _told(db: Tx, me: Actor, item: Signed, context: dict[str, Any], language: str) -> dict[str, Any]:
    when, content = Clock(language, me.time_zone), item.content

    def t(key: str, **params: str | int | float) -> str:
        return translate(language, key, **params)

    asked, hospital = content["referral"], _named(content["signer"]["organisation"], language)
    facts = [
        ("sheet-patient", _patient(context, when)),
        ("sheet-case", context["title"].line),
        ("sheet-asking", _named(content["case"]["organisation"], language)),
        *([("sheet-asked", f"{_byline(asked['requester'], language)} · {when.written(_at(asked['requested_at']))}")] if asked else []),
        ("sheet-answering", hospital),
    ]
    decided = [one for one in decisions.for_case(db, me, item.opinion.case_id) if one.decision.opinion_id == item.opinion.id]
    return {
        "lang": language,
        "region": "cn" if language == "zh" else "gb",
        "title": t("sheet-title"),
        "number": content["case"]["number"],
        "foot": f"{t('brand')} · {content['case']['number']} · SHA-256 {item.opinion.sha256[:16]}…",
        "author": _named(content["signer"], language),
        "facts": [{"label": t(key), "text": text} for key, text in facts],
        "question": {"label": t("question-title"), "text": asked["question"]} if asked else None,
        "parts": [_part(one, language, when) for one in (item, *item.addenda)],
        "decisions": [
            {
                "title": t("timeline-decision-" + one.decision.choice),
                "reason": one.reason,
                "by": f"{context['names'].byline(one.decision.author_id)} · {when.written(one.decision.at)}",
            }
            for one in decided
        ],
        "decision_title": t("sheet-decision"),
        "pictures_title": t("sheet-pictures"),
        "rests_title": t("opinion-rests-on", images=len(content["images"]), marks=len(content["marks"])),
        "rests": [{"label": t("gallery-" + one["kind"], count=1), "sha256": one["sha256"]} for one in content["images"]],
        "proof": {
            "title": t("sheet-proof"),
            "text": t("sheet-proof-what"),
            "sha256": item.opinion.sha256,
            "key": item.opinion.public_key.hex(),
        },
        "by_hand": [t("sheet-hand-expert"), t("sheet-hand-asking"), t("sheet-hand-date")],
    }


def _part(item: Signed, language: str, when: Clock) -> dict[str, Any]:
    kind = "addendum" if item.opinion.addendum_to else "joint" if item.joined else "opinion"
    signed = [("opinion-signed", item.content["signer"], item.author_signed_at)]
    if item.countersigned:
        signed.append(("opinion-countersigned", item.countersigned["countersigner"], item.opinion.signed_at))
    others = [one for one in item.joined if one.giver["id"] != item.content["signer"]["id"]]
    signed += [(f"joining-{one.joining.state}", one.giver, one.joining.decided_at or one.joining.asked_at) for one in others]
    return {
        "title": translate(language, TITLES[kind]),
        "sections": [
            {
                "label": translate(language, f"form-{kind}-{one['name']}"),
                "text": label(language, "urgency", one["code"]) if one["code"] else one["text"],
            }
            for one in item.content["sections"]
        ],
        "signatures": [_signature(key, who, at, language, when) for key, who, at in signed],
        "declined": [one.words for one in others if one.words],
    }


def _signature(key: str, who: dict[str, Any], at: dt.datetime, language: str, when: Clock) -> str:
    told = translate(language, key, byline=_byline(who, language), hospital=_named(who["organisation"], language))
    licence = translate(language, "sheet-licence", number=who["licence_number"]) if who["licence_number"] else ""
    return " · ".join(filter(None, (told, licence, when.written(at))))


def _patient(context: dict[str, Any], when: Clock) -> str:
    """Who it is where the reader may know it, and what everybody sees."""
    who = context["identity"]
    known = (who.name, when.date(who.birth_date) if who.birth_date else "") if who else ()
    return " · ".join(filter(None, (*known, context["title"].person)))


def _byline(who: dict[str, Any], language: str) -> str:
    return " ".join(filter(None, (_named(who, language), who["title"])))


def _named(named: dict[str, Any], language: str) -> str:
    return str(named["name"] if language == "zh" else named["name_en"] or named["name"])


def _at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


# --- the pictures ------------------------------------------------------------------------------------------


def _frozen(item: Signed) -> list[Mark]:
    """The marks as they stood, out of the signed bytes."""
    return [
        Mark(
            id=UUID(one["id"]),
            instance_id=UUID(one["image"]),
            frame=one["frame"],
            tool=one["tool"],
            points=tuple((x, y) for x, y in one["points"]),
            text=one["text"],
            finding=one["finding"],
            version=one["version"],
            author_id=UUID(one["author"]),
            at=_at(one["at"]),
        )
        for one in item.content["marks"]
    ]


def _shown(request: Request, db: Tx, me: Actor, case: Case, item: Signed) -> Iterable[Shown]:
    """Every frame that was drawn on, then the other pictures that stood, one for each series of slices."""
    language = language_of(request)
    when = Clock(language, me.time_zone)
    drawn: dict[tuple[UUID, int], list[Mark]] = {}
    for mark in _frozen(item):
        drawn.setdefault((mark.instance_id, mark.frame), []).append(mark)
    stood = {UUID(one["id"]) for one in item.content["images"]}
    shots = [shot for shot in gallery.of(db, me, case, when, {}) if shot.id in stood]
    bare = [shot.id for shot in shots if shot.id not in {instance_id for instance_id, _ in drawn}]
    for instance_id, frame in [*drawn, *((one, 0) for one in bare)][:PICTURES]:
        [found] = wado.find(db, me, everywhere(request, db, me), subjects, instance_id=instance_id)
        opened, here = wado.open_one(db, found), drawn.get((instance_id, frame), [])
        kind = translate(language, f"gallery-{found.row.kind}", count=1)
        told = (kind, when.written(found.row.captured_at or found.row.created_at), translate(language, "sheet-marks", count=len(here)))
        yield Shown(opened, frame or previews.representative(found.row.number_of_frames), tuple(here), " · ".join(filter(None, told)))


def _picture(request: Request, shown: Shown, item: Signed) -> bytes | None:
    """A picture with its marks, as a sheet takes it; None for one that cannot be shown."""
    try:
        picture = rendered.small(shown.opened, shown.frame, EDGE, request.app.state.pool)
    except (Unsupported, Damaged):
        return None
    with_marks = marks.draw(
        picture,
        shown.marks,
        columns=shown.opened.found.row.columns,
        authors=annotations.authors(_frozen(item)),
        spacing=spacing.of(shown.opened.header, shown.frame - 1),
        planes={"detector": translate(language_of(request), "plane-detector")},
    )
    rows, columns = with_marks.shape[:2]
    return paper.jpeg(render.encode(with_marks, "image/jpeg", 85), columns, rows)
