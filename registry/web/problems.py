"""Errors as the reader meets them: problem details for programs, a page for people.

The one place where the coded tree of ``core.errors`` becomes HTTP. The human sentence is
``error-<code>`` of the catalogue, in the reader's language; nothing that was sent is echoed, since it
may name a patient. RFC 9457 for the JSON form.
"""

import logging
from collections.abc import Mapping

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core import errors
from registry.web import pages
from registry.web.openapi import PROBLEM
from registry.web.translations import language_of, translate

log = logging.getLogger("shanhai.web")

MACHINE_PATHS = ("/api/", "/dicomweb", "/files", "/fhir/", "/healthz", "/readyz", "/metrics")

STATUS: tuple[tuple[type[errors.ShanhaiError], int], ...] = (
    (errors.SignInNeeded, 401),
    (errors.StepUpNeeded, 403),
    (errors.Denied, 403),
    (errors.NotFound, 404),
    (errors.PreconditionFailed, 412),
    (errors.Conflict, 409),
    (errors.Invalid, 422),
    (errors.TooLarge, 413),
    (errors.Unsupported, 415),
    (errors.Throttled, 429),
    (errors.Unavailable, 503),
    (errors.Damaged, 500),
)
STATUS_OF_CODE = {"not-acceptable": 406}
HTTP_CODES = {
    400: "bad-request",
    403: "cross-site",
    404: "page-not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    413: "body-too-large",
    415: "body-encoded",
}


def status_of(error: errors.ShanhaiError, path: str) -> int:
    """The HTTP status of an error; DICOMweb asks for 400 where a query breaks a rule (PS3.18 §8.3.4)."""
    if error.code in STATUS_OF_CODE:
        return STATUS_OF_CODE[error.code]
    if isinstance(error, errors.Invalid) and path.startswith("/dicomweb"):
        return 400
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def wants_problem(request: Request) -> bool:
    """Whether a program asked, not a person."""
    if request.url.path.startswith(MACHINE_PATHS):
        return True
    accept = request.headers.get("accept", "")
    return "json" in accept and "text/html" not in accept


def is_part(request: Request) -> bool:
    """Whether a script of ours asked for a part of a page, which stays where it is and says itself what went wrong."""
    return "hx-request" in request.headers


def answer(
    request: Request,
    status: int,
    code: str,
    *,
    fields: Mapping[str, str] | None = None,
    params: Mapping[str, str | int | float] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The error in the form the asker reads. ``fields`` maps names to codes."""
    language = language_of(request)
    detail = translate(language, f"error-{code}", **(params or {}))
    if not wants_problem(request):
        return pages.error(request, status=status, code=code, detail=detail, headers=headers)
    body: dict[str, object] = {
        "type": f"urn:shanhai:problem:{code}",
        "title": translate(language, f"error-title-{status}"),
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": getattr(request.state, "request_id", ""),
    }
    if fields:
        body["fields"] = {name: {"code": wrong, "detail": translate(language, f"error-{wrong}")} for name, wrong in fields.items()}
    return JSONResponse(body, status, media_type=PROBLEM, headers=dict(headers or {}))


async def on_shanhai(request: Request, error: Exception) -> Response:
    """Answer an error of our own tree."""
    assert isinstance(error, errors.ShanhaiError)
    status = status_of(error, request.url.path)
    if status >= 500:
        log.error("request %s failed: %s", getattr(request.state, "request_id", ""), error.code)
    headers: dict[str, str] = {}
    if isinstance(error, errors.SignInNeeded):
        if is_part(request):
            return Response(status_code=401)
        if not wants_problem(request):
            return await pages.sign_in_again(request)
        headers["WWW-Authenticate"] = 'Bearer realm="shanhai"'
    if isinstance(error, errors.StepUpNeeded) and not wants_problem(request) and not is_part(request):
        return await pages.step_up(request)
    if isinstance(error, errors.Throttled):
        headers["Retry-After"] = str(error.retry_after)
    fields = error.fields if isinstance(error, errors.Invalid) else None
    return answer(request, status, error.code, fields=fields, params=error.params, headers=headers)


def on_validation(request: Request, error: Exception) -> Response:
    """Answer a request whose shape is wrong: the names of the fields, never what was in them."""
    assert isinstance(error, RequestValidationError)
    wrong = [".".join(str(part) for part in found["loc"][1:]) for found in error.errors()]
    if any(found["loc"][0] == "path" for found in error.errors()):
        return answer(request, 404, "page-not-found")
    return answer(request, 422, "invalid", fields={name: "field-invalid" for name in wrong if name})


def on_http(request: Request, error: Exception) -> Response:
    """Answer what the framework refused by itself."""
    assert isinstance(error, HTTPException)
    code = HTTP_CODES.get(error.status_code, "bad-request")
    return answer(request, error.status_code, code, headers=error.headers)


def on_anything(request: Request, error: Exception) -> Response:
    """Answer a fault of ours: the log gets the trace and the request's number, the reader the number alone."""
    return answer(request, 500, "fault", params={"request_id": getattr(request.state, "request_id", "")})
