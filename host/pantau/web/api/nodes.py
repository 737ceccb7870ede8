"""Nodes, their latest readings and one series as it was stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from pantau.access.model import Role
from pantau.web import geojson
from pantau.web.api.document import GeoJson
from pantau.web.gate import needs
from pantau.web.query import MAX_LIMIT, RequestError, only, series_query

if TYPE_CHECKING:
    from pantau.web.parts import Parts

_FRESH = {"cache-control": "no-store"}
_TEXT: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 64}
_PARAMETERS: list[dict[str, Any]] = [
    {"in": "query", "name": "node", "required": True, "schema": _TEXT, "example": "flood-01"},
    {"in": "query", "name": "property", "required": True, "schema": _TEXT, "example": "water_level"},
    {"in": "query", "name": "from", "description": "ISO 8601 with offset, or Unix ms", "schema": {"type": "string"}},
    {"in": "query", "name": "to", "description": "ISO 8601 with offset, or Unix ms", "schema": {"type": "string"}},
    {"in": "query", "name": "limit", "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}},
]


def collection(parts: Parts) -> dict[str, Any]:
    """Return the GeoJSON of all nodes."""
    now_ms = parts.now_ms()
    found = geojson.features(parts.reader.nodes(), parts.reader.latest(), now_ms)
    return geojson.collection(found, now_ms, parts.city, parts.title)


def router(parts: Parts) -> APIRouter:
    """Return the routes."""
    api = APIRouter(tags=["nodes"], dependencies=[Depends(needs(Role.PUBLIC))])

    @api.get("/nodes.geojson", response_class=GeoJson, dependencies=[Depends(only())])
    def nodes() -> Response:
        """Return every node with state, health and latest readings."""
        return GeoJson(collection(parts), headers=_FRESH)

    @api.get("/latest", dependencies=[Depends(only())])
    def latest() -> Response:
        """Return the latest reading of every node and property."""
        body = collection(parts)
        rows = [
            {"node": f["id"], "station": f["properties"]["station"]} | seen
            for f in body["features"]
            for seen in f["properties"]["latest"]
        ]
        return JSONResponse({"now": body["now"], "latest": rows}, headers=_FRESH)

    @api.get("/observations", openapi_extra={"parameters": _PARAMETERS})
    async def observations(request: Request) -> Response:
        """Return readings of one node as they were stored, oldest first, a page at a time."""
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
