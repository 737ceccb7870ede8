"""Nodes, their latest readings and one series as it was stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from pantau.access.model import Role
from pantau.web import geojson
from pantau.web.gate import needs
from pantau.web.query import RequestError, series_query

if TYPE_CHECKING:
    from pantau.web.parts import Parts

_FRESH = {"cache-control": "no-store"}


def collection(parts: Parts, only: frozenset[str] | None = None) -> dict[str, Any]:
    """Return the GeoJSON of all nodes, or of those in `only`."""
    now_ms = parts.now_ms()
    found = geojson.features(parts.reader.nodes(), parts.reader.latest(), now_ms, only)
    return geojson.collection(found, now_ms, parts.city, parts.title)


def router(parts: Parts) -> APIRouter:
    """Return the routes."""
    api = APIRouter(dependencies=[Depends(needs(Role.PUBLIC))])

    @api.get("/nodes.geojson")
    def nodes() -> Response:
        return JSONResponse(collection(parts), headers=_FRESH, media_type="application/geo+json")

    @api.get("/latest")
    def latest() -> Response:
        body = collection(parts)
        rows = [
            {"node": f["id"], "station": f["properties"]["station"]} | seen
            for f in body["features"]
            for seen in f["properties"]["latest"]
        ]
        return JSONResponse({"now": body["now"], "latest": rows}, headers=_FRESH)

    @api.get("/observations")
    async def observations(request: Request) -> Response:
        asked = series_query(request.query_params, parts.now_ms())
        units = await run_in_threadpool(parts.reader.units, asked.node)
        if asked.property not in units:
            known = (
                f"{asked.node} has {', '.join(units)}"
                if units
                else f"no dated reading of the node {asked.node} is stored"
            )
            raise RequestError(404, "No such series", known, {"property" if units else "node": "not found"})
        bounds = (asked.node, asked.property, asked.from_ms, asked.to_ms)
        rows = await run_in_threadpool(parts.reader.series, *bounds, asked.limit + 1)
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
        return JSONResponse(body, headers=_FRESH)

    return api
