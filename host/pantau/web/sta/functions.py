"""What the functions of a filter become in SQL, and the few that SQLite has to be taught. I/O-free."""

from __future__ import annotations

import itertools
import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

_EARTH_M = 6_371_008.8  # mean radius (IUGG)
_MAX_POINTS = 1000
_POINT = re.compile(r"\s*POINT\s*\(\s*(\S+)\s+(\S+?)\s*\)\s*", re.IGNORECASE)
_POLYGON = re.compile(r"\s*POLYGON\s*\(\s*\(([^()]*)\)\s*\)\s*", re.IGNORECASE)
_DAY_MS = 86_400_000


def _part(letter: str) -> str:
    return f"CAST(strftime('%{letter}', {{0}} / 1000, 'unixepoch') AS INTEGER)"


# {0}, {1}: the arguments. Times are Unix ms UTC.
CALLS = {
    "substringof": "instr({1}, {0}) > 0", "contains": "instr({0}, {1}) > 0", "startswith": "substr({0}, 1, length({1})) = {1}",
    "endswith": "substr({0}, -length({1})) = {1}", "length": "length({0})", "indexof": "instr({0}, {1}) - 1",
    "substring": "substr({0}, {1} + 1)", "tolower": "lower({0})", "toupper": "upper({0})", "trim": "trim({0})",
    "concat": "{0} || {1}", "year": _part("Y"), "month": _part("m"), "day": _part("d"), "hour": _part("H"), "minute": _part("M"),
    "second": _part("S"), "date": f"({{0}} - {{0}} % {_DAY_MS})", "now": "{now}", "round": "round({0})", "floor": "sta_floor({0})",
    "ceiling": "sta_ceiling({0})", "before": "{0} < {1}", "after": "{0} > {1}",
    "geo.distance": "sta_distance({0}, {1})", "st_distance": "sta_distance({0}, {1})", "geo.intersects": "sta_within({0}, {1})",
    "st_within": "sta_within({0}, {1})", "st_intersects": "sta_within({0}, {1})", "st_equals": "sta_distance({0}, {1}) = 0",
    "st_disjoint": "NOT sta_within({0}, {1})",
}  # fmt: skip


class PlaceError(ValueError):
    """A geometry that is not understood."""


def teach(db: sqlite3.Connection) -> None:
    """Give a connection the functions that CALLS names and SQLite has not."""
    db.create_function("sta_floor", 1, lambda value: None if value is None else math.floor(value), deterministic=True)
    db.create_function("sta_ceiling", 1, lambda value: None if value is None else math.ceil(value), deterministic=True)
    db.create_function("sta_within", 2, _within, deterministic=True)
    db.create_function("sta_distance", 2, _distance, deterministic=True)


def check(wkt: str) -> str:
    """Return a POINT or POLYGON in WKT as it is; PlaceError says what is wrong."""
    if _POINT.fullmatch(wkt):
        _point(wkt)
    else:
        _ring(wkt)
    return wkt


def _point(text: str) -> tuple[float, float]:
    """Return (longitude, latitude) of `POINT(x y)` or of the store's `x y`; degrees."""
    match = _POINT.fullmatch(text)
    words = match.groups() if match else tuple(text.split())
    try:
        lon, lat = map(float, words)
    except ValueError:
        raise PlaceError(f"not a point: {text[:60]!r}; as POINT(106.63 -6.17), longitude first") from None
    return lon, lat


def _ring(wkt: str) -> list[tuple[float, float]]:
    match = _POLYGON.fullmatch(wkt)
    if match is None:
        raise PlaceError(f"not a POINT or a POLYGON without holes: {wkt[:60]!r}")
    points = [_point(pair) for pair in match[1].split(",")]
    if not 4 <= len(points) <= _MAX_POINTS or points[0] != points[-1]:
        raise PlaceError(f"a POLYGON has 4 to {_MAX_POINTS} points and ends where it begins")
    return points


def _within(place: str | None, wkt: str) -> int | None:
    """Tell whether a place lies in a polygon, or at a point: even-odd rule."""
    if place is None:
        return None
    x, y = _point(place)
    if _POINT.fullmatch(wkt):
        return int((x, y) == _point(wkt))
    ring = _ring(wkt)
    inside = False
    for (x1, y1), (x2, y2) in itertools.pairwise(ring):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return int(inside)


def _distance(one: str | None, other: str | None) -> float | None:
    """Return degrees between two points along a great circle, as WGS 84 coordinates are compared in OData."""
    if one is None or other is None:
        return None
    (x1, y1), (x2, y2) = (map(math.radians, _point(text)) for text in (one, other))
    half = math.sin((y2 - y1) / 2) ** 2 + math.cos(y1) * math.cos(y2) * math.sin((x2 - x1) / 2) ** 2
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(half))))
