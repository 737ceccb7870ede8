"""The bridge's HTTP face: routes and their wiring. It reads the city store and asks the bridge how it is."""

from __future__ import annotations

import json
import sqlite3
import time
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Protocol

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pantau.web import geojson, metrics
from pantau.web.events import Hub, HubFullError
from pantau.web.query import RequestError, series_query
from pantau.web.reads import CityReader
from pantau.web.sta.reader import Reader
from pantau.web.sta.routes import PREFIX, SensorThings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from pantau.registry import Registry

    Endpoint = Callable[[Request], Awaitable[Response]]

# Everything comes from this server and nothing is inline: a station name can never become code.
_HEADERS = {
    b"content-security-policy": b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
}
_CLOSED = (
    "Reading is closed. To open it to everybody who can reach this port, set `public_read = true` under [web] in "
    "pantau.toml and restart the bridge."
)


class Status(Protocol):
    """What the bridge says of itself."""

    def problems(self) -> Sequence[str]:
        """Return what is wrong now, each with what to do; empty means healthy."""

    def figures(self) -> Mapping[str, float]:
        """Return plain numbers for /metrics: {name or name{label="value"}: number}, *_total for counters."""


class Store(Protocol):
    """What the web needs of the city store: where it is and when it changes."""

    @property
    def path(self) -> Path:
        """The SQLite file."""

    def subscribe(self, listener: Callable[[frozenset[str]], None]) -> Callable[[], None]:
        """Call `listener` with the nodes that a commit touched, from any thread; returns the way to stop it."""


class _Headers:
    """Adds the security headers to every answer, errors and static files included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS.items()]
            await send(message)

        await self._app(scope, receive, with_headers)


class _Web:
    """The endpoints over one reader."""

    def __init__(self, reader: CityReader, status: Status, names: tuple[str, str], now_ms: Callable[[], int]) -> None:
        self._reader = reader
        self._status = status
        self._names = names  # the city's id, the page's title
        self._now_ms = now_ms
        self.hub = Hub(self._render)

    def _collection(self, only: frozenset[str] | None = None) -> dict[str, Any]:
        now_ms = self._now_ms()
        found = geojson.features(self._reader.nodes(), self._reader.latest(), now_ms, only)
        return geojson.collection(found, now_ms, *self._names)

    def _render(self, nodes: frozenset[str]) -> str | None:
        try:
            return json.dumps(self._collection(nodes), separators=(",", ":"))
        except sqlite3.Error:
            return None  # the pages ask again and are told by the read routes what is wrong

    async def health(self, _request: Request) -> Response:
        problems = list(self._status.problems())
        try:
            await run_in_threadpool(self._reader.units, "")
        except sqlite3.Error as error:
            problems.append(f"the city store cannot be read ({error}): check the disk and the file's owner")
        body = {"status": "unhealthy" if problems else "ok", "reasons": problems}
        return JSONResponse(body, 503 if problems else 200, {"cache-control": "no-store"})

    async def metrics(self, _request: Request) -> Response:
        figures = dict(self._status.figures())
        network = (await run_in_threadpool(self._collection))["network"]
        figures |= {f'nodes{{state="{state}"}}': network[state] for state in geojson.STATES}
        return Response(metrics.exposition(figures), media_type=metrics.CONTENT_TYPE)

    async def nodes(self, _request: Request) -> Response:
        body = await run_in_threadpool(self._collection)
        return JSONResponse(body, headers={"cache-control": "no-store"}, media_type="application/geo+json")

    async def latest(self, _request: Request) -> Response:
        body = await run_in_threadpool(self._collection)
        rows = [
            {"node": f["id"], "station": f["properties"]["station"]} | seen
            for f in body["features"]
            for seen in f["properties"]["latest"]
        ]
        return JSONResponse({"now": body["now"], "latest": rows}, headers={"cache-control": "no-store"})

    async def observations(self, request: Request) -> Response:
        asked = series_query(request.query_params, self._now_ms())
        units = await run_in_threadpool(self._reader.units, asked.node)
        if asked.property not in units:
            known = (
                f"{asked.node} has {', '.join(units)}"
                if units
                else f"no dated reading of the node {asked.node} is stored"
            )
            raise RequestError(404, "No such series", known, {"property" if units else "node": "not found"})
        bounds = (asked.node, asked.property, asked.from_ms, asked.to_ms)
        rows = await run_in_threadpool(self._reader.series, *bounds, asked.limit + 1)
        page = rows[: asked.limit]
        body = {
            "node": asked.node,
            "property": asked.property,
            "unit": units[asked.property],
            "from": geojson.iso(asked.from_ms),
            "to": geojson.iso(asked.to_ms),
            # where to go on: the instant of the first reading that did not fit
            "next_from": geojson.iso(rows[-1]["observed_at"]) if len(rows) > asked.limit else None,
            "observations": [row | {"observed_at": geojson.iso(row["observed_at"])} for row in page],
        }
        return JSONResponse(body, headers={"cache-control": "no-store"})

    async def events(self, _request: Request) -> Response:
        try:
            queue = self.hub.join()
        except HubFullError:
            raise RequestError(
                503,
                "Too many listeners",
                "Every live connection is taken or the bridge is stopping: ask /api/nodes.geojson.",
            ) from None
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self.hub.stream(queue), headers=headers, media_type="text/event-stream")

    async def page(self, _request: Request) -> Response:
        html = files(__package__).joinpath("static", "index.html").read_bytes()
        return Response(html, headers={"cache-control": "no-cache"}, media_type="text/html")


def _only_if(public_read: bool, endpoint: Endpoint) -> Endpoint:
    async def gate(request: Request) -> Response:
        if not public_read:
            raise RequestError(403, "Reading is closed", _CLOSED)
        return await endpoint(request)

    return gate


async def _refuse(_request: Request, error: Exception) -> Response:
    if isinstance(error, RequestError):
        return error.response()
    detail = f"The city store cannot be read ({error}): check the disk and the file's owner."
    return RequestError(503, "Store unavailable", detail).response()


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


def create_app(
    store: Store,
    status: Status,
    *,
    public_read: bool,
    city: str,
    title: str = "Pantau",
    registry: Callable[[], Registry] | None = None,
    licence: str = "",
    now_ms: Callable[[], int] = _wall_clock_ms,
) -> Starlette:
    """Return the ASGI app. `app.state.hub.close()` ends the live streams before a stop.

    Health and metrics are always answered; everything that shows data only with `public_read`. `city` is its id in topics,
    `title` what people read; `registry` gives the stations as they are now, for SensorThings, which is not served without it;
    `licence` is that of the data, `now_ms` Unix ms UTC.
    """
    reader = CityReader(store.path)
    web = _Web(reader, status, (city, title), now_ms)
    store.subscribe(web.hub.notify)
    read: dict[str, Endpoint] = {
        "/": web.page,
        "/api/nodes.geojson": web.nodes,
        "/api/latest": web.latest,
        "/api/observations": web.observations,
        "/api/events": web.events,
    }
    if registry is not None:
        things = SensorThings(Reader(store.path, licence, now_ms), registry, now_ms)
        read |= {PREFIX + "{path:path}": things.get}
    static = files(__package__).joinpath("static")
    app = Starlette(
        routes=[
            Route("/healthz", web.health),
            Route("/metrics", web.metrics),
            *(Route(path, _only_if(public_read, endpoint)) for path, endpoint in read.items()),
            Mount("/static", StaticFiles(directory=str(static))),
        ],
        middleware=[Middleware(_Headers), Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)],
        exception_handlers={RequestError: _refuse, sqlite3.Error: _refuse},
    )
    app.state.hub = web.hub
    return app
