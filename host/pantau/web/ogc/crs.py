"""Reference systems (Part 2): from CRS84 to those that a GIS asks for, and back. Pure arithmetic on points."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    Pair = tuple[float, float]

_RADIUS_M = 6_378_137.0  # EPSG 7030, of the sphere of EPSG:3857
_EDGE_M = math.pi * _RADIUS_M
_MOST_LAT = math.degrees(2 * math.atan(math.exp(math.pi)) - math.pi / 2)  # where EPSG:3857 ends


class Crs(NamedTuple):
    """`out` makes its coordinates from (longitude, latitude) in degrees, `back` does the reverse. `most`: the bounds of its two axes."""

    uri: str
    axes: tuple[str, str]
    most: Pair
    out: Callable[[float, float], Pair]
    back: Callable[[float, float], Pair]


def _same(first: float, second: float) -> Pair:
    return first, second


def _swapped(first: float, second: float) -> Pair:
    return second, first


def _to_mercator(lon: float, lat: float) -> Pair:
    lat = max(-_MOST_LAT, min(_MOST_LAT, lat))
    return (
        round(math.radians(lon) * _RADIUS_M, 3),
        round(_RADIUS_M * math.log(math.tan(math.pi / 4 + math.radians(lat) / 2)), 3),
    )


def _from_mercator(x: float, y: float) -> Pair:
    return math.degrees(x / _RADIUS_M), math.degrees(2 * math.atan(math.exp(y / _RADIUS_M)) - math.pi / 2)


CRS84 = Crs("http://www.opengis.net/def/crs/OGC/1.3/CRS84", ("longitude", "latitude"), (180, 90), _same, _same)
KNOWN = {
    crs.uri: crs
    for crs in (
        CRS84,
        Crs("http://www.opengis.net/def/crs/EPSG/0/4326", ("latitude", "longitude"), (90, 180), _swapped, _swapped),
        # a millimetre of room: clients round the edge of the world
        Crs("http://www.opengis.net/def/crs/EPSG/0/3857", ("x", "y"), (_EDGE_M + 0.001, _EDGE_M + 0.001), _to_mercator, _from_mercator),
    )
}  # fmt: skip
