"""The service on HTTP: /sta/v1.1/."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from pantau.access.model import Role
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
    things = SensorThings(Reader(parts.store.path, parts.licence, parts.now_ms), parts.registry, parts.now_ms)
    return [Route(PREFIX + "{path:path}", gated(Role.PUBLIC, things.get))]


class SensorThings:
    """The endpoint. `registry` gives the stations as they are now, `now_ms` Unix ms UTC."""

    def __init__(self, reader: Reader, registry: Callable[[], Registry], now_ms: Callable[[], int]) -> None:
        self._reader, self._registry, self._now_ms = reader, registry, now_ms

    async def get(self, request: Request) -> Response:
        """Answer a GET anywhere below the prefix."""
        path = request.scope.get("raw_path", b"").decode("ascii", "replace").partition("?")[0]
        root = f"{request.url.scheme}://{request.url.netloc}{PREFIX}"
        return await run_in_threadpool(self._answer, path.removeprefix(PREFIX), request.url.query, root)

    def _answer(self, path: str, query: str, root: str) -> Response:
        self._reader.use(self._registry())
        try:
            found = Service(self._reader, root, self._now_ms()).answer(path, query)
        except NotFoundError as error:
            raise RequestError(404, "Not found", str(error)) from None
        except OptionError as error:
            raise RequestError(400, "Bad query", str(error)) from None
        except TooLongError as error:
            raise RequestError(503, "Too much was asked", str(error)) from None
        except ValueError as error:
            raise RequestError(400, "Bad query", f"$filter: {error}") from None
        if isinstance(found, dict):
            return JSONResponse(found, headers={"cache-control": "no-store"})
        return PlainTextResponse("" if found is None else str(found), headers={"cache-control": "no-store"})
