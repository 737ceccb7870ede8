"""What the demo claims, measured: against the simulator's own count of sampling instants and the world's truth."""

from __future__ import annotations

import importlib
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pantau_sim.node import firmware_folder
from pantau_sim.world import TruthRecorder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pantau_sim.demo.city import DemoNode
    from pantau_sim.world import World

_GOOD = 1
_FAULT_WINDOW_MS = 3000  # readings this near to an injected sensor fault are not judged
# what the world knows at an instant, and over an interval, of the properties that each domain observes
TRUE: dict[str, tuple[str, ...]] = {
    "flood": ("water_distance", "air_temperature", "relative_humidity"),
    "traffic": (),
    "air": ("pm1", "pm2_5", "pm10", "particles_0_3", "air_temperature", "relative_humidity", "air_pressure"),
}
TRUE_COUNTS: dict[str, tuple[str, ...]] = {
    "flood": ("rain_tips",),
    "traffic": ("vehicle_count_approaching", "vehicle_count_receding", "pulse_count"),
    "air": (),
}


@dataclass
class Watched:
    """One node as the simulator saw it. Unix ms; `fault_ms` is when a sensor fault was injected."""

    node: DemoNode
    folder: Path
    boot_ms: int
    due: int
    interval_ms: int
    fault_ms: list[int] = field(default_factory=list)


def _store(data: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{data / 'city.sqlite3'}?mode=ro", uri=True, timeout=10)


def stored(data: Path) -> dict[str, int]:
    """Return how many records of each node the city store holds; empty before the store exists."""
    try:
        with closing(_store(data)) as db:
            # each record of a station has several readings: count its identity once
            rows = db.execute(
                "SELECT node, count(*) FROM (SELECT DISTINCT node, boot, seq, idx FROM readings) GROUP BY 1"
            )
            return dict(rows.fetchall())
    except sqlite3.OperationalError:
        return {}


def duplicates(data: Path) -> int:
    """Return how many readings stand twice: the same node, boot, property and instant under two identities."""
    with closing(_store(data)) as db:
        query = """SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM readings
            WHERE observed_at_ms IS NOT NULL GROUP BY node, boot, property, observed_at_ms)"""
        return int(db.execute(query).fetchone()[0])


def quarantined(data: Path) -> dict[str, int]:
    """Return how many messages the bridge refused, by reason."""
    with closing(sqlite3.connect(f"file:{data / 'spool.sqlite3'}?mode=ro", uri=True, timeout=10)) as db:
        return dict(db.execute("SELECT reason, sum(count) FROM quarantine GROUP BY reason").fetchall())


def held(folder: Path) -> int:
    """Return how many records the node's own flash still holds, read with the node's own outbox."""
    for place in (Path(__file__).parents[1] / "shims" / "cpython", firmware_folder()):
        if str(place) not in sys.path:
            sys.path.insert(0, str(place))  # before site-packages, whose `micropython` is the VM wheel
    outbox = importlib.import_module("pantau_node.outbox").FileOutbox(str(folder / "outbox.log"), 1 << 20)
    try:
        return int(outbox.records())
    finally:
        outbox.close()


def _readings(db: sqlite3.Connection, seen: Watched) -> Iterator[tuple[str, float, int]]:
    query = "SELECT property, value, observed_at_ms FROM readings WHERE node = ? AND quality = ? AND observed_at_ms NOT NULL"
    for name, value, at_ms in db.execute(query, (seen.node.id, _GOOD)):
        if all(abs(at_ms - fault) > _FAULT_WINDOW_MS for fault in seen.fault_ms):
            yield name, value, at_ms


def value_errors(data: Path, nodes: list[Watched], world: World) -> dict[str, float]:
    """Return the greatest |stored - true| of each property, in its unit: at the record's instant, counts as totals."""
    worst: dict[str, float] = {}

    def note(name: str, error: float) -> None:
        worst[name] = round(max(worst.get(name, 0.0), abs(error)), 4)

    with closing(_store(data)) as db:
        for seen in nodes:
            place, domain = seen.node.station, seen.node.domain
            for name, value, at_ms in _readings(db, seen):
                if name == "water_level":
                    note(name, value - (seen.node.sensor_height_m - world.truth(place, "water_distance", at_ms / 1000)))
                elif name in TRUE[domain]:
                    note(name, value - world.truth(place, name, at_ms / 1000))
            start, end = seen.boot_ms / 1000, (seen.boot_ms + seen.due * seen.interval_ms) / 1000
            query = "SELECT property, sum(value) FROM readings WHERE node = ? GROUP BY 1"
            totals = dict(db.execute(query, (seen.node.id,)))
            for name in TRUE_COUNTS[domain]:
                if totals.get(name) is not None:
                    note(name, totals[name] - (world.interval(place, name, start, end) or 0.0))
    return dict(sorted(worst.items()))


def record_truth(path: Path, nodes: list[Watched], world: World) -> None:
    """Write what the world was at every sampling instant, for each property that a node can observe: JSON lines."""
    with TruthRecorder(path) as recorder:
        for seen in nodes:
            place = seen.node.station
            for k in range(1, seen.due + 1):
                at_s = (seen.boot_ms + k * seen.interval_ms) / 1000
                recorder.record_all(
                    (place, name, at_s, world.truth(place, name, at_s)) for name in TRUE[seen.node.domain]
                )
                since_s = at_s - seen.interval_ms / 1000
                for name in TRUE_COUNTS[seen.node.domain]:
                    recorder.record(place, name, at_s, world.interval(place, name, since_s, at_s), since_s)


def latencies(data: Path) -> tuple[float, float]:
    """Return median and 99th percentile of sampling to stored, in s, over records that were dated when they were sent."""
    with closing(_store(data)) as db:
        rows = db.execute("""SELECT max(received_ms - observed_at_ms) FROM readings
            WHERE observed_at_ms IS NOT NULL AND NOT dated_later GROUP BY node, boot, seq, idx ORDER BY 1""").fetchall()
    if not rows:
        return 0.0, 0.0
    return rows[len(rows) // 2][0] / 1000, rows[min(len(rows) - 1, len(rows) * 99 // 100)][0] / 1000


def forged_at_nodes(data: Path) -> int:
    """Return how many forged down-going frames the nodes say they refused (their latest health)."""
    with closing(_store(data)) as db:
        return int(db.execute("SELECT coalesce(sum(json_extract(health, '$.forged')), 0) FROM nodes").fetchone()[0])


def report(data: Path, nodes: list[Watched], world: World) -> dict[str, Any]:
    """Return the demo's report; see README for the meaning of its fields."""
    have = stored(data)
    refused = quarantined(data)
    sampled = sum(seen.due for seen in nodes)
    lost = sum(max(0, seen.due - have.get(seen.node.id, 0) - held(seen.folder)) for seen in nodes)
    p50, p99 = latencies(data)
    return {
        "nodes": len(nodes),
        "records_sampled": sampled,
        "records_stored": sum(have.values()),
        "records_held": sum(held(seen.folder) for seen in nodes),
        "lost": lost,
        "duplicates": duplicates(data),
        "quarantined": sum(refused.values()),
        "quarantined_by_reason": refused,
        "forged_rejected": refused.get("bad_tag", 0) + forged_at_nodes(data),
        "max_value_error": value_errors(data, nodes, world),
        "latency_p50_s": p50,
        "latency_p99_s": p99,
    }
