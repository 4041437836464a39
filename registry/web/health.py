"""Whether the server lives, whether it can work, and how it is doing. No patient, no person, no address."""

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import PlainTextResponse, Response

from core.errors import ShanhaiError
from registry.web.edge import database_of

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
def alive() -> Response:
    """The process answers."""
    return PlainTextResponse("ok\n")


@router.get("/readyz")
async def ready(request: Request) -> Response:
    """The database answers and the store can be asked."""
    database = database_of(request)

    def ask() -> bool:
        with database.begin(readonly=True) as db:
            db.execute(text("SELECT 1"))
        next(iter(database.store.keys("00/")), None)
        return True

    try:
        await run_in_threadpool(ask)
    except (ShanhaiError, SQLAlchemyError, OSError, RuntimeError):
        return PlainTextResponse("not ready\n", 503)
    return PlainTextResponse("ready\n")


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Counts and times by route, for Prometheus."""
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
