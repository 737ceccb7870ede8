"""Which nodes are silent, from the city store: the same rule as the page's, read on a connection of its own."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from pantau.ops.snapshot import Late
from pantau.web.geojson import DEFAULT_REPORT_INTERVAL_S, OFFLINE_REPORTS, STALE_REPORTS

if TYPE_CHECKING:
    from pathlib import Path

_BUSY_S = 1.0
_NODES = """SELECT n.node, p.station, s.report_interval_s, n.last_seen FROM nodes AS n
    JOIN placements AS p ON p.node = n.node JOIN stations AS s ON s.id = p.station"""


def late_nodes(store: Path, now_ms: int) -> tuple[list[Late], dict[str, float]] | None:
    """Return the placed nodes that are late or offline, and the counts for the figures; None when it cannot be read.

    A node that stands nowhere is not missed: the registry has taken it away.
    """
    try:
        with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)) as db:
            rows = db.execute(_NODES).fetchall()
    except sqlite3.Error:
        return None
    late = []
    for node, station, interval_s, seen_ms in rows:
        silent_s = None if seen_ms is None else (now_ms - seen_ms) / 1000
        reports = float("inf") if silent_s is None else silent_s / (interval_s or DEFAULT_REPORT_INTERVAL_S)
        if reports > STALE_REPORTS:
            state = "offline" if reports > OFFLINE_REPORTS else "late"
            late.append(Late(node, station, state, None if silent_s is None else round(silent_s, 1)))
    counts = {state: float(sum(one.state == state for one in late)) for state in ("late", "offline")}
    return late, counts | {"heard": float(len(rows) - len(late))}
