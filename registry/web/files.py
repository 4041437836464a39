"""Resumable uploads at ``/files``: the tus 1.0 protocol over imaging.uploads.

Core protocol with the extensions creation, termination, expiration and checksum (sha256). Every request is
authorised anew; a broken line keeps what arrived. ``Upload-Metadata`` carries ``filename`` and ``case_id``
(without one the file goes to the hospital's inbox).
"""

import base64
from collections.abc import Callable, Coroutine
from email.utils import format_datetime
from typing import Any
from uuid import UUID

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from core.errors import Invalid, PreconditionFailed, ShanhaiError, Unsupported
from imaging import uploads
from imaging.uploads import Receiver, Upload
from registry import cases
from registry.web import problems
from registry.web.edge import Db, Me, database_of, short

VERSION = "1.0.0"
OFFSET_TYPE = "application/offset+octet-stream"
STEP = 1 << 20
AT_ONCE = 4
STATUS_OF_CODE = {"upload-checksum": 460, "upload-checksum-invalid": 400}
"""Where tus 1.0 names another status for an error than the rest of the product does."""

_sealers: RunVar[CapacityLimiter] = RunVar("sealers")


def _sealing() -> CapacityLimiter:
    """Threads of their own for uploads: those waiting to write must not take the threads others finish on."""
    limiter = _sealers.get(None)
    if limiter is None:
        limiter = CapacityLimiter(AT_ONCE)
        _sealers.set(limiter)
    return limiter


class _Tus(APIRoute):
    """A route whose every answer, a refusal too, is one of tus: it names the version it speaks, and with 412 those it can."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def speak(request: Request) -> Response:
            try:
                answer = await handle(request)
            except ShanhaiError as error:
                status = STATUS_OF_CODE.get(error.code)
                answer = problems.answer(request, status, error.code) if status else await problems.on_shanhai(request, error)
            except RequestValidationError as error:
                answer = problems.on_validation(request, error)
            answer.headers["Tus-Resumable"] = VERSION
            if answer.status_code == 412:
                answer.headers["Tus-Version"] = VERSION
            return answer

        return speak


router = APIRouter(include_in_schema=False, route_class=_Tus)


@router.options("/files")
@router.options("/files/{upload_id}")
def offers(request: Request) -> Response:
    """What this server can do (tus 1.0, OPTIONS)."""
    headers = {
        "Tus-Version": VERSION,
        "Tus-Extension": "creation,termination,expiration,checksum",
        "Tus-Max-Size": str(request.app.state.upload_limit),
        "Tus-Checksum-Algorithm": "sha256",
    }
    return _answer(204, **headers)


@router.post("/files", status_code=201)
def create(request: Request, db: Db, me: Me) -> Response:
    """Begin an upload; its address is in ``Location``."""
    _speaks_tus(request)
    told = _metadata(request.headers.get("upload-metadata", ""))
    case_id = _uuid(told["case_id"]) if "case_id" in told else None
    owner = cases.reach(db, me, case_id, uploads.UPLOAD).organisation_id if case_id else me.organisation_id
    upload = uploads.create(
        db,
        me,
        organisation_id=owner,
        case_id=case_id,
        length=_number(request, "upload-length"),
        name=told.get("filename", ""),
        largest=request.app.state.upload_limit,
    )
    return _answer(201, Location=f"/files/{upload.id}", **_state(upload))


@router.head("/files/{upload_id}")
def offset(request: Request, db: Db, me: Me, upload_id: UUID) -> Response:
    """How far an upload has come."""
    _speaks_tus(request)
    return _answer(200, **_state(uploads.get(db, me, upload_id)))


@router.patch("/files/{upload_id}", status_code=204)
async def receive(request: Request, upload_id: UUID) -> Response:
    """Take bytes from ``Upload-Offset`` on; what arrived is kept also when the line breaks."""
    _speaks_tus(request)
    if request.headers.get("content-type") != OFFSET_TYPE:
        raise Unsupported("upload-type")
    start, checksum = _number(request, "upload-offset"), _checksum(request)
    me, upload = await short(request, lambda db, me: (me, uploads.get(db, me, upload_id)))

    def begin() -> Receiver:
        return Receiver(database_of(request), me, upload_id, offset=start, checksum=checksum)

    receiver = await to_thread.run_sync(begin, limiter=_sealing())
    waiting = bytearray()
    try:
        async for chunk in request.stream():
            waiting += chunk
            if len(waiting) >= STEP:
                await to_thread.run_sync(receiver.feed, bytes(waiting), limiter=_sealing())
                waiting.clear()
    except ClientDisconnect:
        if checksum is not None:
            raise
    await to_thread.run_sync(receiver.feed, bytes(waiting), limiter=_sealing())
    reached = await to_thread.run_sync(receiver.finish, limiter=_sealing())
    return _answer(204, **_state(upload) | {"Upload-Offset": str(reached)})


@router.delete("/files/{upload_id}", status_code=204)
def terminate(request: Request, db: Db, me: Me, upload_id: UUID) -> Response:
    """Throw an upload away that has not been filed."""
    _speaks_tus(request)
    uploads.terminate(db, me, upload_id)
    return _answer(204)


def _answer(status: int, **headers: str) -> Response:
    return Response(status_code=status, headers=headers)


def _state(upload: Upload) -> dict[str, str]:
    return {
        "Upload-Offset": str(upload.offset),
        "Upload-Length": str(upload.length),
        "Upload-Expires": format_datetime(upload.expires_at, usegmt=True),
    }


def _speaks_tus(request: Request) -> None:
    if request.headers.get("tus-resumable") != VERSION:
        raise PreconditionFailed("upload-protocol")


def _number(request: Request, name: str) -> int:
    text = request.headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Invalid(fields={name.removeprefix("upload-"): f"{name}-invalid"})
    return int(text)


def _metadata(text: str) -> dict[str, str]:
    """``Upload-Metadata``: pairs of a key and a base64 value, with commas between. Raises Invalid."""
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        key, _, value = pair.partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except ValueError:  # not base64, not even ASCII, or not UTF-8 within
            raise Invalid("upload-metadata-invalid") from None
    return found


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid("upload-metadata-invalid") from None


def _checksum(request: Request) -> bytes | None:
    given = request.headers.get("upload-checksum")
    if given is None:
        return None
    kind, _, value = given.partition(" ")
    try:
        digest = base64.b64decode(value, validate=True)
    except ValueError:
        digest = b""
    if kind != "sha256" or len(digest) != 32:
        raise Invalid("upload-checksum-invalid")
    return digest
