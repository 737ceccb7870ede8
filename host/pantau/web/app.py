"""The bridge's HTTP face: its features wired into one app. It reads the stores and asks the bridge how it is."""

from __future__ import annotations

import sqlite3
import time
from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pantau.access.model import Role
from pantau.web import alerts, geojson, metrics
from pantau.web import cap as cap_feed
from pantau.web.api import build, refused
from pantau.web.api.nodes import collection
from pantau.web.api.stations import stations
from pantau.web.basemap import routes as basemap_routes
from pantau.web.cors import OpenToSites
from pantau.web.events import Changed, Hub, HubFullError, Told, event
from pantau.web.gate import Gate, address_of, gated, while_the_same, who_of
from pantau.web.headers import Headers
from pantau.web.limits import Limits
from pantau.web.network import redacted
from pantau.web.ogc import routes as ogc
from pantau.web.parts import Parts, Status, Store
from pantau.web.query import RequestError
from pantau.web.reads import CityReader
from pantau.web.sta import routes as sta

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.requests import Request

    from pantau.access.store import AccessStore
    from pantau.alerts.store import AlertStore
    from pantau.notify.cap_settings import CapTable
    from pantau.registry import Registry


_HERE = ("127.0.0.1", "::1")  # who asks from this machine may know its paths: monitors do, and say them to the operator


class _Pages:
    """The endpoints that are no part of the API: the page, how the bridge is, and the live stream."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def health(self, request: Request) -> Response:
        problems = list(self._parts.status.problems())
        try:
            await run_in_threadpool(self._parts.reader.units, "")
        except sqlite3.Error as error:
            problems.append(f"the city store cannot be read ({error}): check the disk and the file's owner")
        if who_of(request).role is Role.PUBLIC and address_of(request) not in _HERE:
            problems = [redacted(problem) for problem in problems]
        body = {"status": "unhealthy" if problems else "ok", "reasons": problems}
        return JSONResponse(body, 503 if problems else 200, {"cache-control": "no-store"})

    async def metrics(self, _request: Request) -> Response:
        figures = dict(self._parts.status.figures())
        network = (await run_in_threadpool(collection, self._parts))["network"]
        figures |= {f'nodes{{state="{state}"}}': network[state] for state in geojson.STATES}
        return Response(metrics.exposition(figures), media_type=metrics.CONTENT_TYPE)

    async def events(self, request: Request) -> Response:
        try:
            client = self._parts.hub.join(staff=who_of(request).role > Role.PUBLIC)
        except HubFullError:
            raise RequestError(
                503,
                "Too many listeners",
                "Every live connection is taken or the bridge is stopping: ask /api/stations.geojson.",
            ) from None
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        stream = while_the_same(self._parts, request, self._parts.hub.stream(client))
        return StreamingResponse(stream, headers=headers, media_type="text/event-stream")

    async def page(self, _request: Request) -> Response:
        html = files(__package__).joinpath("static", "index.html").read_bytes()
        return Response(html, headers={"cache-control": "no-cache"}, media_type="text/html")


class _Live:
    """What the live stream tells of what changed. Errors of a store become None: pages ask and are told by the API."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._desk = None if parts.alerts is None else alerts.Desk(parts.alerts.path)

    def render(self, changed: Changed) -> Told | None:
        try:
            told = ""
            if changed.nodes:
                told = event("change", stations(self._parts, changed.nodes))
            if not changed.alerts or self._desk is None:
                return Told(told, told)
            standing, found = self._desk.ask(lambda reader: (reader.standing(), reader.some(changed.alerts)))
        except (sqlite3.Error, RequestError):
            return None
        now_ms = self._parts.now_ms()
        public, staff = (
            event("alerts", {"open": standing, "changed": [alerts.record(one, now_ms, role) for one in found]})
            for role in (Role.PUBLIC, Role.VIEWER)
        )
        return Told(told + public, told + staff)


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
    alert_store: AlertStore | None = None,
    access: AccessStore | None = None,
    basemap: Path | None = None,
    cap: CapTable | None = None,
    public_url: str = "",
    open_metrics: bool = True,
    now_ms: Callable[[], int] = _wall_clock_ms,
) -> Starlette:
    """Return the ASGI app. `app.state.hub.close()` ends the live streams before a stop.

    Health is always answered, metrics to viewers alone without `open_metrics`; everything that shows data to everybody only
    with `public_read`. `city` is its id in topics, `title` what people read; `registry` gives the stations as they are now,
    for SensorThings and OGC API, which are not served without it; `licence` is that of the data, `now_ms` Unix ms UTC.
    """
    hub = Hub()
    parts = Parts(
        store, CityReader(store.path), status, hub, city, title, licence, public_read, now_ms, registry, alert_store, access,
        basemap, cap, public_url,
    )  # fmt: skip
    hub.render = _Live(parts).render
    store.subscribe(lambda nodes: hub.notify(nodes=nodes))
    if alert_store is not None:
        alert_store.subscribe(lambda recorded: hub.notify(alerts=frozenset(r.decision.alert.id for r in recorded)))
    pages = _Pages(parts)
    app = Starlette(
        routes=[
            Route("/", pages.page),  # it holds no data: who may not read can log in there
            Route("/healthz", pages.health),
            Route("/metrics", pages.metrics if open_metrics else gated(Role.VIEWER, pages.metrics)),
            Route("/api/events", gated(Role.PUBLIC, pages.events)),
            *basemap_routes(parts),  # /api/basemap among them: before the API
            Mount("/api", build(parts)),
            *sta.routes(parts),
            *ogc.routes(parts),
            *cap_feed.routes(parts),
            Mount("/vendor/leaflet", StaticFiles(packages=[("js_lib_leaflet", "static/js_lib_leaflet")])),
            Mount("/static", StaticFiles(directory=str(files(__package__).joinpath("static")))),
        ],
        middleware=[
            Middleware(Headers),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5),
            Middleware(OpenToSites, public_read=public_read),
            Middleware(Limits),
            Middleware(Gate, parts=parts),
        ],
        exception_handlers={RequestError: refused, sqlite3.Error: refused},
    )
    app.state.hub = hub
    return app
