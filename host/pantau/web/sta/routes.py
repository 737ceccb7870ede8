"""The service on HTTP: /sta/v1.1/."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from pantau.access.model import Role
from pantau.web.address import base_url
from pantau.web.gate import gated
from pantau.web.query import RequestError
from pantau.web.sta.options import OptionError
from pantau.web.sta.reader import Reader, TooLongError
from pantau.web.sta.service import NotFoundError, Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from pantau.registry import Registry
    from pantau.web.parts import Parts

PREFIX = "/sta/v1.1"


def routes(parts: Parts) -> list[BaseRoute]:
    """Return the routes, none without a registry: it says what the stations are."""
    if parts.registry is None:
        return []
    things = SensorThings(parts, parts.registry)
    return [Route(PREFIX + path, gated(Role.PUBLIC, things.get)) for path in ("", "/{path:path}")]


class SensorThings:
    """The endpoint. `registry` gives the stations as they are now."""

    def __init__(self, parts: Parts, registry: Callable[[], Registry]) -> None:
        self._parts, self._registry = parts, registry
        self._reader = Reader(parts.store.path, parts.licence, parts.now_ms)

    async def get(self, request: Request) -> Response:
        """Answer a GET anywhere below the prefix."""
        path = request.scope.get("raw_path", b"").decode("ascii", "replace").partition("?")[0]
        root = base_url(request, self._parts) + PREFIX
        return await run_in_threadpool(self._answer, path.removeprefix(PREFIX), request.url.query, root)

    def _answer(self, path: str, query: str, root: str) -> Response:
        self._reader.use(self._registry())
        try:
            found = Service(self._reader, root, self._parts.now_ms()).answer(path, query)
        except NotFoundError as error:
            raise RequestError(404, "Not found", str(error)) from None
        except OptionError as error:
            raise RequestError(400, "Bad query", str(error)) from None
        except TooLongError as error:
            raise RequestError(503, "Too much was asked", str(error)) from None
        except ValueError as error:
            raise RequestError(400, "Bad query", f"$filter: {error}") from None
        if isinstance(found, dict) and not path.endswith("$value"):
            return JSONResponse(found, headers={"cache-control": "no-store"})
        if found is None:
            return Response(status_code=204, headers={"cache-control": "no-store"})  # a property that has no value
        text = found if isinstance(found, str) else json.dumps(found)
        return PlainTextResponse(text, headers={"cache-control": "no-store"})
