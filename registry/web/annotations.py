"""Marks: the viewer's way to draw, change and withdraw them, and the pictures in which the server has drawn them.

A version travels as an entity tag, so that of two who write on one mark the second is told (RFC 9110 §13.1.1).
"""

import datetime as dt
from collections.abc import Iterable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from auth import people, policy
from core.actor import Actor
from core.db import Tx
from core.errors import NotFound, PreconditionFailed
from imaging import annotations, marks, negotiation, previews, render, rendered, spacing, wado
from imaging.annotations import Mark
from imaging.render import Mime, Picture
from imaging.wado import Opened
from registry import cases
from registry.web import streams
from registry.web.dicomweb import everywhere, subjects
from registry.web.edge import Db, Me, short
from registry.web.pages import in_language
from registry.web.translations import language_of, translate

router = APIRouter(tags=["annotations"])
PATH = "/api/v1/cases/{case_id}/annotations"
MARKED_EDGE = 1280
MARKED_FORMATS: tuple[Mime, ...] = ("image/jpeg", "image/webp")


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tool: str
    points: list[tuple[float, float]] = Field(max_length=5_000)
    text: str = ""
    finding: str | None = None


class ChangeIn(_Given):
    """A mark as it is to be from now on."""


class AnnotationIn(_Given):
    """A new mark. ``client_id`` is its name in the sender's browser; ``frame`` is counted from 1."""

    client_id: UUID
    instance_id: UUID
    frame: int = 1


class AuthorOut(BaseModel):
    """Who drew."""

    id: UUID
    name: str


class AnnotationOut(BaseModel):
    """A mark: points are (column, row) in image pixels, 0,0 the top-left corner of the first pixel."""

    id: UUID
    instance_id: UUID
    frame: int
    tool: str
    points: list[tuple[float, float]]
    text: str
    finding: str | None
    version: int
    author: AuthorOut
    at: dt.datetime
    mine: bool


class AnnotationsOut(BaseModel):
    """The marks of a case, oldest first."""

    annotations: list[AnnotationOut]


@router.get(PATH)
def listed(db: Db, me: Me, case_id: UUID) -> AnnotationsOut:
    """The marks of a case as they stand; recorded."""
    case = cases.reach(db, me, case_id, annotations.READ)
    return AnnotationsOut(annotations=_out(db, me, annotations.for_case(db, me, case.id, case.organisation_id)))


@router.post(PATH, status_code=201)
def create(response: Response, db: Db, me: Me, case_id: UUID, given: AnnotationIn) -> AnnotationOut:
    """Draw a mark. The same ``client_id`` again gives it back as it stands, and draws no second one."""
    return _tagged(response, db, me, annotations.create(db, me, case_id=case_id, **given.model_dump()))


@router.put(f"{PATH}/{{annotation_id}}")
def change(request: Request, response: Response, db: Db, me: Me, case_id: UUID, annotation_id: UUID, given: ChangeIn) -> AnnotationOut:
    """Change one's own mark. ``If-Match`` names the version it follows; 412 when another came first."""
    mark = annotations.change(db, me, annotation_id, case_id=case_id, expected=_expected(request), **given.model_dump())
    return _tagged(response, db, me, mark)


@router.delete(f"{PATH}/{{annotation_id}}", status_code=204)
def withdraw(request: Request, db: Db, me: Me, case_id: UUID, annotation_id: UUID) -> Response:
    """Take back one's own mark: a version that withdraws it."""
    annotations.withdraw(db, me, annotation_id, case_id=case_id, expected=_expected(request))
    return Response(status_code=204)


@router.get("/cases/{case_id}/pictures/{instance_id}/marked", include_in_schema=False)
async def marked(request: Request, case_id: UUID, instance_id: UUID, frame: Annotated[int | None, Query(ge=1)] = None) -> Response:
    """A picture of at most 1280 pixels with the marks drawn in, for the case page and for paper."""

    def work(db: Tx, me: Actor) -> tuple[Opened, list[Mark]]:
        case = cases.reach(db, me, case_id, "image:read")
        [found] = wado.find(db, me, everywhere(request, db, me), subjects, instance_id=instance_id)
        if found.row.case_id != case.id:
            raise NotFound("image-not-found")
        may = policy.allowed(db, me, annotations.READ, organisation_id=case.organisation_id, case_id=case.id)
        return wado.open_one(db, found), annotations.standing(db, case.organisation_id, case.id, reader=me) if may else []

    opened, drawn = await short(request, work)
    mime = negotiation.only(request.headers.get("accept", ""), MARKED_FORMATS)
    planes: dict[spacing.Origin, str] = {"detector": translate(language_of(request), "plane-detector")}

    def draw() -> bytes:
        number, picture = _base(request, opened, drawn, frame)
        columns = opened.found.row.columns
        here = [mark for mark in drawn if mark.instance_id == instance_id and mark.frame == number]
        known = spacing.of(opened.header, number - 1)
        with_marks = marks.draw(picture, here, columns=columns, authors=annotations.authors(drawn), spacing=known, planes=planes)
        return render.encode(with_marks, mime, 85)

    return Response(await streams.run(draw), media_type=mime)


def _base(request: Request, opened: Opened, drawn: Iterable[Mark], frame: int | None) -> tuple[int, Picture]:
    """The frame to show, counted from 1 (the one asked for, else the first that bears a mark), and its picture."""
    count = opened.found.row.number_of_frames
    bearing = sorted(mark.frame for mark in drawn if mark.instance_id == opened.found.row.id)
    number = frame or next(iter(bearing), previews.representative(count))
    if number > count:
        raise NotFound("frame-not-found")
    return number, rendered.small(opened, number, MARKED_EDGE, request.app.state.pool)


def _expected(request: Request) -> int:
    """The version that ``If-Match`` names. Raises PreconditionFailed without one."""
    tag = request.headers.get("if-match", "").strip().removeprefix("W/").strip('"')
    if not (tag.isascii() and tag.isdigit() and len(tag) < 10):
        raise PreconditionFailed("version-needed")
    return int(tag)


def _tagged(response: Response, db: Tx, me: Actor, mark: Mark) -> AnnotationOut:
    response.headers["ETag"] = f'"{mark.version}"'
    return _out(db, me, [mark])[0]


def _out(db: Tx, me: Actor, found: list[Mark]) -> list[AnnotationOut]:
    names = people.bylines(db, {mark.author_id for mark in found})
    return [
        AnnotationOut(
            id=mark.id,
            instance_id=mark.instance_id,
            frame=mark.frame,
            tool=mark.tool,
            points=list(mark.points),
            text=mark.text,
            finding=mark.finding,
            version=mark.version,
            author=AuthorOut(id=mark.author_id, name=in_language(me.language, names[mark.author_id])),
            at=mark.at,
            mine=mark.author_id == me.person_id,
        )
        for mark in found
    ]
