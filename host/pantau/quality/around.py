"""Which stations lie around a station: by place, for cross-checks between neighbours."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_KM_PER_DEGREE = 111.195  # of latitude, on a sphere of 6371 km
_CELL_DEGREES = 0.05


class Around:
    """Finds the stations near a station. A grid of cells keeps it from looking at the whole city."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry
        self._stations: Mapping[str, Any] | None = None
        self._cells: dict[tuple[int, int], list[Any]] = {}
        self._found: dict[tuple[str, float], tuple[str, ...]] = {}

    def of(self, station: Any, km: float) -> tuple[str, ...]:
        """Return the ids of the other stations within `km`, sorted; () where the registry has no places."""
        stations = getattr(self._registry, "stations", None)
        if stations is None or getattr(station, "latitude", None) is None:
            return ()
        if stations is not self._stations:
            self._stations, self._cells, self._found = stations, _grid(stations), {}
        key = (station.id, km)
        if key not in self._found:
            self._found[key] = self._near(station, km)
        return self._found[key]

    def _near(self, station: Any, km: float) -> tuple[str, ...]:
        shrink = max(0.01, math.cos(math.radians(station.latitude)))
        reach_lat, reach_lon = km / _KM_PER_DEGREE, km / _KM_PER_DEGREE / shrink
        row, last_row = _cell(station.latitude - reach_lat), _cell(station.latitude + reach_lat)
        column, last_column = _cell(station.longitude - reach_lon), _cell(station.longitude + reach_lon)
        found = []
        for y in range(row, last_row + 1):
            for x in range(column, last_column + 1):
                for other in self._cells.get((y, x), ()):
                    north = (other.latitude - station.latitude) * _KM_PER_DEGREE
                    east = (other.longitude - station.longitude) * _KM_PER_DEGREE * shrink
                    if other.id != station.id and math.hypot(north, east) <= km:
                        found.append(other.id)
        return tuple(sorted(found))


def _cell(degrees: float) -> int:
    return math.floor(degrees / _CELL_DEGREES)


def _grid(stations: Mapping[str, Any]) -> dict[tuple[int, int], list[Any]]:
    cells: dict[tuple[int, int], list[Any]] = {}
    for station in stations.values():
        if getattr(station, "latitude", None) is not None:
            cells.setdefault((_cell(station.latitude), _cell(station.longitude)), []).append(station)
    return cells
