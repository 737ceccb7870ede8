"""The API below /api: one FastAPI app, so that its OpenAPI document says all of it. One file per subject."""

from __future__ import annotations

import sqlite3
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from pantau.web.api import alerts, network, nodes, series, session, stations
from pantau.web.api.document import documented
from pantau.web.query import RequestError
from pantau.web.series import TooMuchError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from starlette.requests import Request
    from starlette.responses import Response

    from pantau.web.parts import Parts

_ROUTERS = (stations.router, series.router, nodes.router, alerts.router, network.router, session.router)
_MOST_TEXT = 64


def build(parts: Parts) -> FastAPI:
    """Return the app. Its errors are RFC 9457 problems; docs pages would load code from elsewhere and are off."""
    app = FastAPI(
        title=f"{parts.title}: read API",
        version="1",
        description="What the sensors of the city observed, where and how well. Times are UTC.",
        docs_url=None,
        redoc_url=None,
        exception_handlers={
            RequestError: refused,
            sqlite3.Error: refused,
            TooMuchError: refused,
            RequestValidationError: _invalid,
            HTTPException: _nothing,
        },
    )
    for router in _ROUTERS:
        app.include_router(router(parts))
    app.openapi = documented(app)  # type: ignore[method-assign]
    return app


async def refused(_request: Request, error: Exception) -> Response:
    """Answer with the problem document of an error."""
    if isinstance(error, RequestError):
        return error.response()
    if isinstance(error, TooMuchError):
        return RequestError(503, "Too much was asked", str(error)).response()
    detail = f"The city store cannot be read ({error}): check the disk and the file's owner."
    return RequestError(503, "Store unavailable", detail).response()


async def _nothing(_request: Request, error: Exception) -> Response:
    """Answer what no route takes: an unknown path, or a method that it has not."""
    assert isinstance(error, HTTPException)
    nothing = error.status_code in (404, 405)
    detail = "There is nothing here: /api/openapi.json says what there is." if nothing else str(error.detail)
    refusal = RequestError(error.status_code, HTTPStatus(error.status_code).phrase, detail)
    refusal.headers |= dict(error.headers or {})
    return refusal.response()


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found: Sequence[Any] = error.errors()
    errors = {str(one["loc"][-1])[:_MOST_TEXT]: str(one["msg"]) for one in found}
    return RequestError(400, "Bad parameters", "The request was not understood: see errors.", errors).response()
