"""The OpenAPI document: what FastAPI derives, with our problem documents and ways to log in instead of its defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    Document = dict[str, Any]

# What any operation may answer instead, by status.
_PROBLEMS = {
    "400": "What was asked cannot be meant: `errors` names each parameter",
    "401": "Not logged in, or a token that opens nothing",
    "403": "Not allowed",
    "404": "There is no such thing",
    "413": "The body is too large",
    "429": "Too many requests: wait as `Retry-After` says",
    "503": "Not available now",
}
_CHANGED = {"409": "It is no longer so that this could be done"}
_UNBUILT = {"501": "This bridge lacks the part that the format needs"}
_WAYS = {
    "token": {"type": "http", "scheme": "bearer", "description": "pantau access token add"},
    "session": {"type": "apiKey", "in": "cookie", "name": "pantau", "description": "POST /session"},
}


class GeoJson(JSONResponse):
    """RFC 7946."""

    media_type = "application/geo+json"


class Wrong(BaseModel):
    """One parameter that is wrong."""

    name: str
    reason: str


class Problem(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[Wrong] | None = Field(default=None, description="Every parameter that is wrong")


def documented(app: FastAPI) -> Callable[[], Document]:
    """Return what replaces `app.openapi`."""
    derive = app.openapi

    def document() -> Document:
        made = derive()
        if "securitySchemes" in made.get("components", {}):
            return made
        parts = made.setdefault("components", {})
        parts["securitySchemes"] = _WAYS
        schemas = parts.setdefault("schemas", {})
        for gone in ("HTTPValidationError", "ValidationError"):
            schemas.pop(gone, None)
        told = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= told.pop("$defs") | {"Problem": told}
        made["security"] = [{}, *({way: []} for way in _WAYS)]
        for path, operations in made["paths"].items():
            for method, operation in operations.items():
                answers = operation["responses"]
                answers.pop("422", None)
                more = (_CHANGED if method == "post" else {}) | (_UNBUILT if path == "/series" else {})
                answers |= {status: _problem(said) for status, said in (_PROBLEMS | more).items()}
        return made

    return document


def _problem(said: str) -> Document:
    return {
        "description": said,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
