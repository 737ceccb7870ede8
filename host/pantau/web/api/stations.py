"""Stations as the page needs them: one small feature each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path
from starlette.responses import JSONResponse, Response

from pantau.access.model import Role
from pantau.web import station
from pantau.web.api.document import GeoJson
from pantau.web.api.nodes import collection
from pantau.web.gate import needs
from pantau.web.query import RequestError

if TYPE_CHECKING:
    from pantau.web.parts import Parts

_FIRST = (
    "water_level",
    "flood_depth",
    "water_distance",
    "vehicle_count_approaching",
    "vehicle_count",
    "pm2_5",
    "pm10",
    "rain_amount",
)
_WORST = ("alarm", "offline", "fault", "late", "maintenance", "ok")


def stations(parts: Parts, only: frozenset[str] | None = None) -> dict[str, Any]:
    """Return the GeoJSON of stations, or of those where the nodes in `only` stand."""
    nodes = collection(parts)
    by_station: dict[str, list[dict[str, Any]]] = {}
    for feature in nodes["features"]:
        by_station.setdefault(feature["properties"]["station"] or feature["id"], []).append(feature)
    if only is not None:
        by_station = {name: found for name, found in by_station.items() if any(f["id"] in only for f in found)}
    return nodes | {"features": [_feature(name, found) for name, found in sorted(by_station.items())]}


def _feature(name: str, nodes: list[dict[str, Any]]) -> dict[str, Any]:
    first = nodes[0]["properties"]
    seen = [node["properties"]["last_seen"] for node in nodes if node["properties"]["last_seen"]]
    readings = [one for node in nodes for one in node["properties"]["latest"] if one["property"] in _FIRST]
    readings.sort(key=lambda one: _FIRST.index(one["property"]))
    return {
        "type": "Feature",
        "id": name,
        "geometry": nodes[0]["geometry"],
        "properties": {
            "station": first["station"],
            "name": first["name"],
            "domain": first["domain"],
            "state": min((node["properties"]["state"] for node in nodes), key=_WORST.index),
            "nodes": [node["id"] for node in nodes],
            "last_seen": max(seen, default=None),
            "report_interval_s": first["report_interval_s"],
            "headline": readings[:2],
        },
    }


def router(parts: Parts) -> APIRouter:
    """Return the routes."""
    api = APIRouter(tags=["stations"], dependencies=[Depends(needs(Role.PUBLIC))])

    @api.get("/stations.geojson", response_class=GeoJson)
    def found() -> Response:
        """Return every station with its state and the values that it is watched for."""
        return GeoJson(stations(parts), headers={"cache-control": "no-store"})

    @api.get("/stations/{name}")
    def one(name: Annotated[str, Path(min_length=1, max_length=64)]) -> JSONResponse:
        """Return everything about one station: readings with their sensors, nodes, thresholds, calibrations."""
        return JSONResponse(_Details(parts).of(name), headers={"cache-control": "no-store"})

    @api.get("/metadata")
    def metadata() -> JSONResponse:
        """Return the metadata of every series: what, where, by which sensor, in which unit, under which licence."""
        told = station.datastreams(_Details(parts).all(), parts.city, parts.licence)
        body = {"publisher": parts.city, "title": parts.title, "licence": parts.licence or None, "datastreams": told}
        return JSONResponse(body, headers={"cache-control": "no-store"})

    return api


class _Details:
    """Stations in full, as they are now."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._now_ms = parts, parts.now_ms()
        self._registry = None if parts.registry is None else parts.registry()
        self._by_place: dict[str, list[dict[str, Any]]] = {}
        for feature in collection(parts)["features"]:
            self._by_place.setdefault(feature["properties"]["station"] or feature["id"], []).append(feature)

    def of(self, name: str) -> dict[str, Any]:
        """Return one station. Raises RequestError 404."""
        place = None if self._registry is None else self._registry.station(name, self._now_ms)
        features = self._by_place.get(name, [])
        if place is None and not features:
            raise RequestError(
                404, "No such station", "The registry has no station of this id: see /api/stations.geojson."
            )
        return station.detail(features, place, self._registry, self._now_ms)

    def all(self) -> list[dict[str, Any]]:
        """Return every place that has a node."""
        return [self.of(name) for name in sorted(self._by_place)]
