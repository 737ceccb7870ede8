"""Questions to the city store, on a read-only connection of its own: a page never waits for a delivery."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    Record = dict[str, Any]

_NODES = """SELECT n.node, p.station, s.name, s.domain, s.lon, s.lat, s.report_interval_s, n.last_seen, n.alarm, n.clock,
        n.firmware, n.clock_offset_ms, n.health, n.health_at
    FROM nodes AS n LEFT JOIN placements AS p ON p.node = n.node LEFT JOIN stations AS s ON s.id = p.station
    ORDER BY n.node"""
_LATEST = """SELECT n.node, p.name AS property, p.unit, l.value, l.quality, r.text AS reason, l.observed_at, l.dated_later
    FROM latest AS l JOIN nodes AS n ON n.id = l.node JOIN properties AS p ON p.id = l.property
    JOIN words AS r ON r.id = l.reason ORDER BY n.node, p.name"""
_SERIES = """SELECT o.observed_at, o.value, o.quality, r.text AS reason, o.dated_later
    FROM observations AS o JOIN words AS r ON r.id = o.reason
    WHERE o.node = (SELECT id FROM nodes WHERE node = ?) AND o.property = (SELECT id FROM properties WHERE name = ?)
        AND o.observed_at >= ? AND o.observed_at < ? ORDER BY o.observed_at LIMIT ?"""
_UNITS = """SELECT p.name, p.unit FROM latest AS l JOIN properties AS p ON p.id = l.property
    WHERE l.node = (SELECT id FROM nodes WHERE node = ?) ORDER BY p.name"""


class CityReader:
    """Reads of one city store. Calls block and may come from any thread. Raises sqlite3.Error when the file is unusable."""

    def __init__(self, path: Path) -> None:
        """Open the store at `path`, which a `CityStore` has created."""
        self._lock = threading.Lock()
        self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
        self._db.row_factory = sqlite3.Row

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._db.close()

    def _all(self, query: str, parameters: tuple[Any, ...] = ()) -> list[Record]:
        with self._lock:
            return [dict(row) for row in self._db.execute(query, parameters)]

    def nodes(self) -> list[Record]:
        """Return every known node with its station (None where unplaced); times in Unix ms UTC, `health` as JSON text."""
        return self._all(_NODES)

    def latest(self) -> list[Record]:
        """Return the latest dated reading of every node and property."""
        return self._all(_LATEST)

    def units(self, node: str) -> dict[str, str]:
        """Return {property: unit} of what `node` has delivered; empty for a node that never did."""
        return {row["name"]: row["unit"] for row in self._all(_UNITS, (node,))}

    def series(self, node: str, name: str, from_ms: int, to_ms: int, limit: int) -> list[Record]:
        """Return at most `limit` readings with from_ms <= observed_at < to_ms, oldest first. Undated ones never show."""
        return self._all(_SERIES, (node, name, from_ms, to_ms, limit))
