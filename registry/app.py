"""The application: settings in, routes out. The one place that puts rooms, wall and floor together."""

import datetime as dt
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware

from auth.discovery import Directory
from auth.outward import Caller
from auth.sessions import Limits
from core.db import Database
from core.errors import ShanhaiError
from core.keyring import Keyring, open_provider
from core.settings import Settings
from core.storage import open_store
from imaging.sandbox import Pool
from registry import schema, walls
from registry.web import openapi, problems
from registry.web.assets import Assets
from registry.web.edge import Gate
from registry.web.rooms import ROOMS
from registry.web.wall import Metrics, Wall

# Pixels and documents are dense already: compressing them again costs ten times what it saves.
PIXELS = (
    "application/dicom",
    "application/octet-stream",
    "application/pdf",
    "application/wasm",
    "multipart/*",
    "image/jls",
    "image/jp2",
    "image/jphc",
    "image/x-*",
)

log = logging.getLogger("shanhai")


def open_database(settings: Settings) -> Database:
    """The database of a deployment, with its keys and its objects."""
    return Database(settings.database, Keyring(open_provider(settings.keyring)), open_store(settings.store))


def bring_up_to_date(settings: Settings) -> None:
    """Migrate the database of a deployment as the owner of its tables, and give the role that serves it its rights."""
    served = open_database(settings)
    owned = open_database(settings.model_copy(update={"database_url": settings.owner_database}))
    try:
        schema.upgrade(owned, walls.role(served))
    finally:
        owned.close()
        served.close()


def create_app(settings: Settings, database: Database | None = None, pool: Pool | None = None) -> FastAPI:
    """The application over ``database`` and ``pool``, or over what the settings name; what it opens it closes."""
    base = database or open_database(settings)
    workers = pool or Pool(settings.sandbox_workers)
    metrics = Metrics()

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        if settings.sees_one_client:
            log.warning(
                "SHANHAI_TRUSTED_PROXIES IS NOT SET: everybody seems to come from the address of the TLS proxy, and ten wrong "
                "passwords for a login keep its owner out. Name the address of the proxy there, and nobody else's."
            )
        yield
        if pool is None:
            workers.close()
        if database is None:
            base.close()

    app = FastAPI(title="Shanhai", version="1", openapi_url="/api/openapi.json", docs_url=None, redoc_url=None, lifespan=life)
    app.state.database, app.state.machinery = base.at_the_edge(), base
    app.state.pool, app.state.gate, app.state.metrics = workers, Gate.of(base), metrics
    app.state.base_url, app.state.checkpoints = settings.base_url, settings.checkpoints
    app.state.caller, app.state.mail = Caller(at_home=settings.on_loopback), bool(settings.smtp_url)
    app.state.upload_limit, app.state.providers = settings.upload_limit_bytes, Directory(app.state.caller)
    app.state.limits = Limits(
        idle=dt.timedelta(minutes=settings.session_idle_minutes), absolute=dt.timedelta(hours=settings.session_absolute_hours)
    )
    for room in ROOMS:
        app.include_router(room.router)
    app.openapi = openapi.describe(app)  # type: ignore[method-assign]
    app.mount("/static", Assets(), name="static")
    app.add_exception_handler(ShanhaiError, problems.on_shanhai)
    app.add_exception_handler(RequestValidationError, problems.on_validation)
    app.add_exception_handler(HTTPException, problems.on_http)
    app.add_middleware(Wall, base_url=settings.base_url, body_limit=settings.upload_limit_bytes, metrics=metrics)
    app.add_middleware(GZipMiddleware, minimum_size=600, exclude_content_types=(*DEFAULT_EXCLUDED_CONTENT_TYPES, *PIXELS))
    return app


def listening(settings: Settings) -> dict[str, Any]:
    """What uvicorn is told: among it whose word is taken on where a request comes from."""
    proxies = {"proxy_headers": bool(settings.proxies), "forwarded_allow_ips": settings.proxies}
    return {"access_log": False, "server_header": False, "log_level": "warning", "timeout_graceful_shutdown": 10, **proxies}
