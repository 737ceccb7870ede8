"""GeoJSON of the operator, made small and safe for the page: known kinds, one name, degrees with a bound on everything."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.web.basemap_kinds import KINDS, kind_of, name_of

if TYPE_CHECKING:
    from pathlib import Path

MAX_FILE = 24 << 20  # bytes: a city's roads are below 10 MB
MAX_POINTS = 400_000
_DIGITS = 5  # about a metre
_DEPTH = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}
_LEAST = {"LineString": 2, "MultiLineString": 2, "Polygon": 4, "MultiPolygon": 4}  # positions of a line or a ring
_MAX_COLLECTED = 4  # GeometryCollections within each other
_METRES = 1000  # a coordinate beyond this is no degree but a metre of a projection


class LayerError(Exception):
    """The file cannot be used; the text says why and what to do."""


class Layer(NamedTuple):
    """One file for the page. `bounds` is west, south, east, north; `left_out` says in words what was not taken."""

    kind: str
    body: bytes
    bounds: tuple[float, float, float, float]
    attribution: str
    left_out: str


class _Reader:
    def __init__(self) -> None:
        self.points = 0
        self.box = [180.0, 90.0, -180.0, -90.0]
        self.bad = 0
        self.metres = False

    def feature(self, given: Any, kind: str) -> list[dict[str, Any]]:
        """Return what is drawn of a feature: one of ours per simple geometry, [] for what cannot be drawn."""
        if not isinstance(given, dict):
            self.bad += 1
            return []
        properties = given.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        said = properties.get("kind")
        told: dict[str, Any] = {"kind": said if said in KINDS else kind}
        if name := name_of(properties):
            told["name"] = name
        found = []
        for geometry in self._simple(given.get("geometry"), _MAX_COLLECTED):
            try:
                found.append({"type": "Feature", "properties": told, "geometry": self._geometry(geometry)})
            except (TypeError, ValueError):
                self.bad += 1
        return found

    def _simple(self, geometry: Any, deep: int) -> list[Any]:
        if isinstance(geometry, dict) and geometry.get("type") == "GeometryCollection" and deep:
            inner = geometry.get("geometries")
            return [one for part in inner for one in self._simple(part, deep - 1)] if isinstance(inner, list) else []
        return [] if geometry is None else [geometry]

    def _geometry(self, given: Any) -> dict[str, Any]:
        sort = given.get("type") if isinstance(given, dict) else None
        if sort not in _DEPTH:
            raise ValueError(sort)
        return {"type": sort, "coordinates": self._nested(given.get("coordinates"), _DEPTH[sort], _LEAST.get(sort, 1))}

    def _nested(self, given: Any, depth: int, least: int) -> Any:
        if depth == 0:
            return self._position(given)
        if not isinstance(given, list) or not given or (depth == 1 and len(given) < least):
            raise ValueError(depth)
        return [self._nested(part, depth - 1, least) for part in given]

    def _position(self, given: Any) -> list[float]:
        if not isinstance(given, list) or len(given) < 2 or any(isinstance(one, bool) for one in given[:2]):
            raise ValueError
        lon, lat = float(given[0]), float(given[1])
        if not (math.isfinite(lon) and math.isfinite(lat) and abs(lon) <= 180 and abs(lat) <= 90):
            self.metres = self.metres or max(abs(lon), abs(lat)) > _METRES
            raise ValueError
        self.points += 1
        if self.points > MAX_POINTS:
            raise LayerError(f"has more than {MAX_POINTS} points; simplify it, or make a PMTiles file of it")
        box = self.box
        box[0], box[1], box[2], box[3] = min(box[0], lon), min(box[1], lat), max(box[2], lon), max(box[3], lat)
        return [round(lon, _DIGITS), round(lat, _DIGITS)]


def read(path: Path, kind: str | None = None) -> Layer:
    """Return one file as the page draws it; `kind` overrules what its name says. Raises LayerError or OSError."""
    with path.open("rb") as file:
        text = file.read(MAX_FILE + 1)
    if len(text) > MAX_FILE:
        raise LayerError(f"is larger than {MAX_FILE >> 20} MB; simplify it, or make a PMTiles file of it")
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        why = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "not text in UTF-8 with sane depth"
        raise LayerError(f"is no JSON ({why}); export it as GeoJSON (RFC 7946) again") from None
    if not isinstance(given, dict) or given.get("type") not in ("FeatureCollection", "Feature"):
        raise LayerError("is no GeoJSON FeatureCollection; export it as GeoJSON (RFC 7946)")
    features = given.get("features") if given["type"] == "FeatureCollection" else [given]
    if not isinstance(features, list):
        raise LayerError("has no list of features; export it as GeoJSON (RFC 7946)")
    kind = kind or kind_of(path.stem)
    reader = _Reader()
    found = [one for feature in features for one in reader.feature(feature, kind)]
    if not found:
        hint = (
            "its coordinates are metres: ogr2ogr -t_srs EPSG:4326" if reader.metres else "it holds no usable geometry"
        )
        raise LayerError(f"shows nothing; {hint}")
    left = ""
    if reader.bad:
        left = (
            f"{reader.bad} features were left out: a geometry that is no GeoJSON, or coordinates that are not degrees"
        )
    said = given.get("attribution")
    west, south, east, north = reader.box
    body = {"type": "FeatureCollection", "features": found}
    packed = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Layer(kind, packed, (west, south, east, north), said if isinstance(said, str) else "", left)
