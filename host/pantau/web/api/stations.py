"""Stations as the page needs them: one small feature each."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path
from starlette.responses import JSONResponse, Response

from pantau.access.model import Role
from pantau.web import alerts, geojson, station
from pantau.web.api.document import GeoJson
from pantau.web.api.nodes import collection
from pantau.web.gate import needs
from pantau.web.query import RequestError, only

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
_SAID = (
    "property",
    "value",
    "unit",
    "quality",
    "reason",
    "observed_at",
    "dated_later",
)  # ages are the reader's own to count
_KEPT_S = 1.0  # 200 pages may ask at once


def stations(parts: Parts, only: frozenset[str] | None = None) -> dict[str, Any]:
    """Return the GeoJSON of stations, or of those where the nodes in `only` stand; `network` counts the nodes of these."""
    now_ms, rows, wanted = parts.now_ms(), parts.reader.nodes(), None
    if only is not None:
        places = {row["station"] or row["node"] for row in rows if row["node"] in only}
        wanted = frozenset(row["node"] for row in rows if (row["station"] or row["node"]) in places)
    features = geojson.features(rows, parts.reader.latest(), now_ms, wanted)
    nodes = geojson.collection(features, now_ms, parts.city, parts.title)
    by_station: dict[str, list[dict[str, Any]]] = {}
    for feature in features:
        by_station.setdefault(feature["properties"]["station"] or feature["id"], []).append(feature)
    worst = _worst(parts)
    registry = None if parts.registry is None else parts.registry()
    codes = {} if registry is None else {name: place.kemendagri for name, place in registry.stations.items()}
    found = [_feature(name, there, codes.get(name), worst.get(name)) for name, there in sorted(by_station.items())]
    return nodes | {"features": found}


def _worst(parts: Parts) -> dict[str, alerts.Worst]:
    """Return the worst alert that calls at each station; none where alerts cannot be read, which the list of alerts says."""
    if parts.alerts is None:
        return {}
    try:
        standing = alerts.Desk(parts.alerts.path).ask(lambda reader: reader.open_alerts())
    except (sqlite3.Error, RequestError):
        return {}
    return alerts.worst_of(standing, parts.now_ms())


def _feature(
    name: str, nodes: list[dict[str, Any]], kemendagri: str | None, worst: alerts.Worst | None
) -> dict[str, Any]:
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
            "kemendagri": kemendagri,
            "severity": worst.severity if worst is not None else 0,
            "alert": worst.alert if worst is not None else None,
            "state": min((node["properties"]["state"] for node in nodes), key=geojson.STATES.index),
            "nodes": [node["id"] for node in nodes],
            "last_seen": max(seen, default=None),
            "report_interval_s": first["report_interval_s"],
            "headline": [{said: one[said] for said in _SAID} for one in readings[:2]],
        },
    }


def router(parts: Parts) -> APIRouter:
    """Return the routes."""
    api = APIRouter(tags=["stations"], dependencies=[Depends(needs(Role.PUBLIC)), Depends(only())])
    kept = _Kept(parts)

    @api.get("/stations.geojson", response_class=GeoJson)
    def found() -> Response:
        """Return every station with its state and the values that it is watched for."""
        return Response(kept.body(), headers={"cache-control": "no-store"}, media_type=GeoJson.media_type)

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


class _Kept:
    """A body that is made anew after each commit, and once it is a second old, for states age. Who asks meanwhile waits for it.

    After a commit at once: a page that asks and then listens must not miss what was committed between the two.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts, self._lock = parts, threading.Lock()
        self._body, self._made_s, self._made_of = b"", 0.0, -1
        self._commits = 0
        parts.store.subscribe(self._changed)
        if parts.alerts is not None:
            parts.alerts.subscribe(self._changed)

    def body(self) -> bytes:
        with self._lock:
            commits = self._commits
            if commits != self._made_of or time.monotonic() - self._made_s >= _KEPT_S:
                self._body = json.dumps(stations(self._parts), separators=(",", ":")).encode()
                self._made_s, self._made_of = time.monotonic(), commits
            return self._body

    def _changed(self, _what: object) -> None:
        self._commits += 1


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
