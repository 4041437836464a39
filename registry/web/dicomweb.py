"""DICOMweb: QIDO-RS, WADO-RS and STOW-RS over all the caller may see, and the same scoped to one case (PS3.18).

Every route checks and records in one short transaction that is committed before the first byte leaves; pixels follow
without a database. Rules and forms are those of ``imaging``; here is only HTTP.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from sqlalchemy import select
from starlette.responses import Response

from core.actor import Actor
from core.db import Tx
from core.errors import Invalid, NotFound
from imaging import dicomweb, matching, negotiation, rendered, stow, studies, wado
from imaging.dicomweb import Scope, Subject
from imaging.rendered import Look
from imaging.wado import Answer, Found
from registry import cases
from registry import matching as patients_of
from registry.cases import Case
from registry.web import streams
from registry.web.edge import Db, Me, database_of, short

STATUS = {"all": 200, "some": 202, "none": 409}
STUDY, SERIES, INSTANCE = "/studies/{study}", "/studies/{study}/series/{series}", "/studies/{study}/series/{series}/instances/{instance}"
SMALL = (("viewport", "320,320"),)
LEVEL_OF = {"studies": "study", "series": "series", "instances": "instance"}

ScopeOf = Callable[[Request, Tx, Actor], Scope]


def subjects(db: Tx, case_ids: Collection[UUID]) -> Mapping[UUID, Subject]:
    """Number and patient of cases whose pictures the caller was found to see."""
    return {row.id: Subject(row.number, row.patient_ids) for row in db.scalars(select(Case).where(Case.id.in_(case_ids)))}


def everywhere(request: Request, _: Tx, __: Actor) -> Scope:
    """All that the caller may see."""
    return Scope(f"{request.app.state.base_url.rstrip('/')}/dicomweb")


def one_case(request: Request, db: Tx, me: Actor) -> Scope:
    """One case. Raises NotFound."""
    try:
        case_id = UUID(request.path_params["case_id"])
    except ValueError:
        raise NotFound("case-not-found") from None
    case = cases.reach(db, me, case_id, studies.READ)
    return Scope(f"{everywhere(request, db, me).base}/cases/{case.id}", case.id, case.organisation_id)


def _accept(request: Request) -> str:
    """What the client takes: the query parameter goes before the header (PS3.18 §8.3.3.1)."""
    return request.query_params.get("accept") or request.headers.get("accept", "")


def _uids(request: Request) -> dict[str, Any]:
    named = {"study": "study_uid", "series": "series_uid", "instance": "sop_uid"}
    return {name: request.path_params[key] for key, name in named.items() if key in request.path_params}


def _found(request: Request, where: ScopeOf, db: Tx, me: Actor) -> tuple[list[Found], Scope]:
    scope = where(request, db, me)
    return wado.find(db, me, scope, subjects, **_uids(request)), scope


async def _send(request: Request, me: Actor, found: list[Found], answer: Answer, *, raw: bool) -> Response:
    check = partial(_still, found)
    headers = streams.RAW if raw else {}
    return await streams.answer(request, me, answer.chunks, check, content_type=answer.content_type, length=answer.length, headers=headers)


def _still(found: list[Found], db: Tx, me: Actor) -> None:
    wado.still(db, me, found)


def _json(document: bytes, media: str) -> Response:
    return Response(document, media_type=media)


# -- QIDO-RS ------------------------------------------------------------------------------------------


def _search(request: Request, db: Tx, me: Actor, where: ScopeOf, level: matching.Level) -> Response:
    media = negotiation.json(_accept(request))
    above = {"study": "StudyInstanceUID", "series": "SeriesInstanceUID"}
    fixed = [(above[name], value) for name, value in request.path_params.items() if name in above]
    query = matching.parse(level, [*request.query_params.multi_items(), *fixed])
    answers = dicomweb.search(db, me, query, where(request, db, me), subjects)
    # found nothing: PS3.18 §8.3.4.4.1 says 204, CP-2473 says 200; Orthanc's client takes a 204 for a broken answer
    return _json(orjson.dumps(answers), media)


# -- WADO-RS ------------------------------------------------------------------------------------------


def _metadata(request: Request, db: Tx, me: Actor, where: ScopeOf) -> Response:
    media = negotiation.json(_accept(request))
    found, scope = _found(request, where, db, me)
    return _json(wado.metadata(db, found, scope), media)


async def _objects(request: Request, where: ScopeOf) -> Response:
    accept = _accept(request)

    def work(db: Tx, me: Actor) -> tuple[Actor, list[Found], list[wado.Opened], Scope]:
        found, scope = _found(request, where, db, me)
        return me, found, wado.open_all(db, found, accept), scope

    me, found, opened, scope = await short(request, work)
    made = await streams.run(wado.objects, opened, request.app.state.pool, accept, scope)
    return await _send(request, me, found, made, raw=True)


async def _one(request: Request, where: ScopeOf, make: Callable[[wado.Opened, Scope], Answer], *, raw: bool) -> Response:
    """An answer made of a single instance: the one named, or the one that stands for a series or study."""

    def work(db: Tx, me: Actor) -> tuple[Actor, Found, wado.Opened, Scope]:
        found, scope = _found(request, where, db, me)
        one = wado.representative(found) if "instance" not in request.path_params else found[0]
        return me, one, wado.open_one(db, one), scope

    me, one, opened, scope = await short(request, work)
    return await _send(request, me, [one], await streams.run(make, opened, scope), raw=raw)


async def _picture(request: Request, where: ScopeOf, number: int | None, look: Look) -> Response:
    def make(opened: wado.Opened, _: Scope) -> Answer:
        return rendered.answer(opened, number, look, request.app.state.pool, _accept(request))

    return await _one(request, where, make, raw=False)


# -- STOW-RS ------------------------------------------------------------------------------------------


async def _store(request: Request, where: ScopeOf, study: str | None) -> Response:
    me, scope = await short(request, lambda db, me: (me, where(request, db, me)))
    media = negotiation.json(_accept(request))
    state = request.app.state
    filing = await streams.run(
        partial(
            stow.Request, database_of(request), state.pool, me, content_type=request.headers.get("content-type", ""),
            organisation_id=scope.organisation_id or me.organisation_id, case_id=scope.case_id, study_instance_uid=study,
            expected=patients_of.expected, largest=state.upload_limit,
        )
    )  # fmt: skip
    try:
        async for chunk in request.stream():
            if chunk:
                await streams.run(filing.feed, chunk)
        answer = await streams.run(filing.finish)
    finally:
        await streams.run(filing.close)
    return Response(orjson.dumps(answer.dataset(scope.base)), STATUS[answer.stored], media_type=media)


# -- routes -------------------------------------------------------------------------------------------


class _Room(APIRoute):
    """A route whose description names the parameters of its address, which are read by hand."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        super().__init__(path, endpoint, **more)
        known = {field.alias for field in self.dependant.path_params}
        names = [name for name in self.param_convertors if name not in known]
        listed = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
        self.openapi_extra = {"parameters": listed} if listed else None


def _rooms(prefix: str, where: ScopeOf) -> APIRouter:
    """The same routes for one scope."""
    rooms = APIRouter(prefix=prefix, include_in_schema=False, dependencies=[Depends(_known_path)], route_class=_Room)

    def searching(path: str, level: matching.Level) -> None:
        @rooms.get(path, name=f"search-{level}", summary=f"QIDO-RS: search at the level {level}")
        def search(request: Request, db: Db, me: Me) -> Response:
            return _search(request, db, me, where, level)

    for path in ("/studies", "/series", f"{STUDY}/series", "/instances", f"{STUDY}/instances", f"{SERIES}/instances"):
        searching(path, next(level for level in matching.LEVELS if level == LEVEL_OF[path.rpartition("/")[2]]))

    for path in (STUDY, SERIES, INSTANCE):

        @rooms.get(f"{path}/metadata", name="metadata", summary="WADO-RS: attributes as DICOM JSON")
        def metadata(request: Request, db: Db, me: Me) -> Response:
            return _metadata(request, db, me, where)

        @rooms.get(f"{path}/thumbnail", name="thumbnail", summary="WADO-RS: a small picture")
        async def thumbnail(request: Request) -> Response:
            return await _picture(request, where, None, Look.parse([*SMALL, *request.query_params.multi_items()]))

        @rooms.get(path, name="objects", summary="WADO-RS: DICOM objects")
        async def objects(request: Request) -> Response:
            return await _objects(request, where)

    @rooms.get(f"{INSTANCE}/frames/{{frames}}", name="frames", summary="WADO-RS: frames by number")
    async def frames(request: Request, frames: str) -> Response:
        def make(opened: wado.Opened, scope: Scope) -> Answer:
            return wado.frame_list(opened, frames, request.app.state.pool, _accept(request), scope)

        return await _one(request, where, make, raw=True)

    @rooms.get(f"{INSTANCE}/rendered", name="rendered", summary="WADO-RS: a picture as a browser shows it")
    async def whole(request: Request) -> Response:
        return await _picture(request, where, None, Look.parse(request.query_params.multi_items()))

    @rooms.get(f"{INSTANCE}/frames/{{frame}}/rendered", name="rendered-frame", summary="WADO-RS: one frame as a picture")
    async def one_frame(request: Request, frame: str) -> Response:
        return await _picture(request, where, _number(frame), Look.parse(request.query_params.multi_items()))

    @rooms.get(f"{INSTANCE}/frames/{{frame}}/thumbnail", name="thumbnail-frame", summary="WADO-RS: one frame as a small picture")
    async def small_frame(request: Request, frame: str) -> Response:
        return await _picture(request, where, _number(frame), Look.parse([*SMALL, *request.query_params.multi_items()]))

    @rooms.get(f"{INSTANCE}/bulkdata/{{start}}/{{length}}", name="bulkdata", summary="WADO-RS: a large value of an instance")
    async def bulkdata(request: Request, start: int, length: int) -> Response:
        def make(opened: wado.Opened, scope: Scope) -> Answer:
            return wado.bulk_data(opened, start, length, request.app.state.pool, scope)

        return await _one(request, where, make, raw=True)

    @rooms.post("/studies", name="store", summary="STOW-RS: store objects")
    async def store(request: Request) -> Response:
        return await _store(request, where, None)

    @rooms.post(STUDY, name="store-study", summary="STOW-RS: store objects of one study")
    async def store_study(request: Request, study: str) -> Response:
        return await _store(request, where, study)

    return rooms


def _known_path(request: Request) -> None:
    """Whether the UIDs of the address are UIDs. Raises Invalid."""
    wrong = {name: "query-value" for name, value in _uids(request).items() if not matching.is_uid(value)}
    if wrong:
        raise Invalid("query-invalid", fields=wrong)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Invalid("frame-list")
    return int(text)


def _routers() -> Iterator[APIRouter]:
    yield _rooms("/dicomweb/cases/{case_id}", one_case)
    yield _rooms("/dicomweb", everywhere)


router = APIRouter()
for rooms in _routers():
    router.include_router(rooms)
