"""The OpenAPI document of ``/api/v1``: who may call, and the problem that any call may end in (RFC 9457).

DICOMweb and tus are described by their own standards (PS3.18; tus 1.0) and pages are for people: neither is in it.
"""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from registry.web.edge import COOKIE

PROBLEM = "application/problem+json"
WAYS_IN = {
    "token": {"type": "http", "scheme": "bearer", "description": "An API token, made on the account page or the command line"},
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "A person who is signed in at a browser"},
}


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    code: str
    detail: str


class Problem(BaseModel):
    """What went wrong (RFC 9457): ``code`` for programs, ``detail`` for people, in the language they asked for."""

    model_config = ConfigDict(extra="forbid")

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    fields: dict[str, FieldProblem] = {}


def describe(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """What makes the document, once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = FastAPI.openapi(app)
            components = made["components"]
            for name in ("HTTPValidationError", "ValidationError"):
                components["schemas"].pop(name, None)
            for model in (FieldProblem, Problem):
                schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
                components["schemas"][model.__name__] = {key: value for key, value in schema.items() if key != "$defs"}
            components["securitySchemes"] = WAYS_IN
            made["security"] = [{name: []} for name in WAYS_IN]
            for operations in made["paths"].values():
                for operation in operations.values():
                    operation["responses"] = _answers(operation["responses"])
        assert app.openapi_schema is not None
        return app.openapi_schema

    return document


def _answers(good: dict[str, Any]) -> dict[str, Any]:
    """The answers of an operation when it went well, and the one form of all others."""
    problem = {"content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    bad = {
        "4XX": {"description": "What was asked for was refused", **problem},
        "5XX": {"description": "Something of ours is down", **problem},
    }
    return {status: answer for status, answer in good.items() if status != "422"} | bad
