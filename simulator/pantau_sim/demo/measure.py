"""What the demo claims, measured: against the simulator's own count of sampling instants and the world's truth.

A record is matched to the sampling instant it belongs to, so that one lost and one stored twice cannot make up for each other.
"""

from __future__ import annotations

import importlib
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pantau_sim.demo.intruder import FORGED_SEQ
from pantau_sim.node import firmware_folder
from pantau_sim.world import TruthRecorder
from pantau_wire import frame
from pantau_wire import names as T

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pantau_sim.demo.city import DemoNode
    from pantau_sim.world import World

_GOOD = 1
_FAULT_WINDOW_MS = 3000  # readings this near to an injected sensor fault are not judged
PM_WARM_UP_S = 32  # a PMS5003 flags its readings for 30 s after power-on; shorter runs have none to judge
# What the world knows at an instant, and over an interval, of what each domain observes: unit of properties.toml, and the
# greatest error that the emulated sensor's own noise and rounding explain. Counts are judged as totals of the run.
TRUE: dict[str, dict[str, float]] = {
    "flood": {"water_distance": 0.02, "water_level": 0.02, "air_temperature": 0.5, "relative_humidity": 3.0},
    "traffic": {},
    "air": {"air_temperature": 1.0, "relative_humidity": 3.0, "air_pressure": 0.5},
}
TRUE_WARM = {"pm1": 10.0, "pm2_5": 10.0, "pm10": 12.0, "particles_0_3": 1500.0}
TRUE_COUNTS: dict[str, tuple[str, ...]] = {
    "flood": ("rain_tips",),
    "traffic": ("vehicle_count_approaching", "vehicle_count_receding", "pulse_count"),
    "air": (),
}
# vehicles between birth of a track and the stop line at either end of the run, and those side by side on one loop
_COUNT_SLACK, _COUNT_SHARE = 3.0, 0.1


@dataclass
class Watched:
    """One node as the simulator saw it. Unix ms; `off_ms` is when its power went, `fault_ms` when a sensor fault was injected."""

    node: DemoNode
    folder: Path
    boot_ms: int
    run_s: int
    interval_ms: int
    off_ms: int = 0
    boots: int = 1
    fault_ms: list[int] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)

    @property
    def due(self) -> int:
        """Return how many sampling instants were due while the power was on."""
        powered_ms = (self.off_ms or sys.maxsize) - self.boot_ms
        return min(self.run_s * 1000, powered_ms) // self.interval_ms

    def instant(self, at_ms: int) -> int:
        """Return which sampling instant (from 1) a record of this time belongs to.

        Frames carry whole seconds; nodes are switched on in the first third of one, so rounding is never in doubt.
        """
        return round((at_ms - self.boot_ms) / self.interval_ms)


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


def forged_at_nodes(data: Path) -> int:
    """Return how many forged down-going frames the nodes say they refused (their latest health)."""
    with closing(_store(data)) as db:
        return int(db.execute("SELECT coalesce(sum(json_extract(health, '$.forged')), 0) FROM nodes").fetchone()[0])


def quarantined(data: Path) -> dict[str, int]:
    """Return how many messages the bridge refused, by reason."""
    with closing(sqlite3.connect(f"file:{data / 'spool.sqlite3'}?mode=ro", uri=True, timeout=10)) as db:
        return dict(db.execute("SELECT reason, sum(count) FROM quarantine GROUP BY reason").fetchall())


def _stored_instants(db: sqlite3.Connection, seen: Watched) -> tuple[Counter[int], set[tuple[int, int]], list[int]]:
    """Return the instants of the node's stored records, the frames they came in, and their ways to the bridge in ms."""
    query = """SELECT boot, seq, min(observed_at_ms), min(uptime_ms), min(received_ms)
        FROM readings WHERE node = ? GROUP BY boot, seq, idx"""
    instants: Counter[int] = Counter()
    frames, ways = set(), []
    for boot, seq, at_ms, uptime_ms, received_ms in db.execute(query, (seen.node.id,)):
        instant = seen.instant(at_ms if at_ms is not None else seen.boot_ms + uptime_ms)
        instants[instant] += 1
        frames.add((boot, seq))
        ways.append(received_ms - seen.boot_ms - instant * seen.interval_ms)
    return instants, frames, ways


def _held_instants(seen: Watched, known: set[tuple[int, int]]) -> set[int]:
    """Return the instants of records that only the node's flash holds, read with the node's own outbox."""
    for place in (Path(__file__).parents[1] / "shims" / "cpython", firmware_folder()):
        if str(place) not in sys.path:
            sys.path.insert(0, str(place))  # before site-packages, whose `micropython` is the VM wheel
    outbox = importlib.import_module("pantau_node.outbox").FileOutbox(str(seen.folder / "outbox.log"), 1 << 20)

    def instants(made: Any) -> Iterator[int]:
        offset_ms = 0 if made.clock else seen.boot_ms
        for at_s in frame.times(made):
            yield seen.instant(offset_ms + at_s * 1000)

    try:
        held: set[int] = set()
        for boot, seq, *_ in list(outbox.index.places()):
            made = frame.decode(outbox.read(boot, seq))
            if made.kind == T.K_RECORDS and (boot, seq) not in known:
                held.update(instants(made))
        batch = outbox.batch
        if batch is not None and batch.count:
            held.update(instants(batch.frame(batch.seq or 1, batch.count, False, 0)))
        return held
    finally:
        outbox.close()


def _readings(db: sqlite3.Connection, seen: Watched) -> Iterator[tuple[str, float, int]]:
    query = "SELECT property, value, observed_at_ms FROM readings WHERE node = ? AND quality = ? AND observed_at_ms NOT NULL"
    for name, value, at_ms in db.execute(query, (seen.node.id, _GOOD)):
        if all(abs(at_ms - fault) > _FAULT_WINDOW_MS for fault in seen.fault_ms):
            yield name, value, at_ms


def value_errors(db: sqlite3.Connection, nodes: list[Watched], world: World) -> tuple[dict[str, float], list[str]]:
    """Return the greatest |stored - true| of each property, and what is wrong: too far off, or nothing good to judge."""
    worst: dict[str, float] = {}
    wrong: list[str] = []

    def note(seen: Watched, name: str, error: float, bound: float) -> None:
        worst[name] = round(max(worst.get(name, 0.0), abs(error)), 4)
        if abs(error) > bound:
            wrong.append(f"{seen.node.id} {name} is off by {abs(error):.4g}, over {bound:.4g}")

    for seen in nodes:
        place, domain = seen.node.station, seen.node.domain
        warm = domain == "air" and seen.run_s > PM_WARM_UP_S
        bounds = TRUE[domain] | (TRUE_WARM if domain == "air" else {})
        judged = Counter[str]()
        for name, value, at_ms in _readings(db, seen):
            if name not in bounds:
                continue
            judged[name] += 1
            true = world.truth(place, "water_distance" if name == "water_level" else name, at_ms / 1000)
            note(
                seen, name, value - (seen.node.sensor_height_m - true if name == "water_level" else true), bounds[name]
            )
        needed = TRUE[domain] | (TRUE_WARM if warm else {})
        wrong += [f"{seen.node.id} has no good {name}" for name in needed if not judged[name]]
        start, end = seen.boot_ms / 1000, (seen.boot_ms + seen.due * seen.interval_ms) / 1000
        query = "SELECT property, sum(value) FROM readings WHERE node = ? AND quality = ? GROUP BY 1"
        totals = dict(db.execute(query, (seen.node.id, _GOOD)))
        for name in TRUE_COUNTS[domain]:
            if name not in totals:
                wrong.append(f"{seen.node.id} has no good {name}")
                continue
            counted = world.interval(place, name, start, end) or 0.0
            note(seen, name, totals[name] - counted, _COUNT_SLACK + _COUNT_SHARE * counted)
    return dict(sorted(worst.items())), wrong


def record_truth(path: Path, nodes: list[Watched], world: World) -> None:
    """Write what the world was at every sampling instant, for each property that a node can observe: JSON lines."""
    with TruthRecorder(path) as recorder:
        for seen in nodes:
            place, domain = seen.node.station, seen.node.domain
            names = [*TRUE[domain], *(TRUE_WARM if domain == "air" else ())]
            for k in range(1, seen.due + 1):
                at_s = (seen.boot_ms + k * seen.interval_ms) / 1000
                recorder.record_all((place, n, at_s, world.truth(place, n, at_s)) for n in names if n != "water_level")
                since_s = at_s - seen.interval_ms / 1000
                for name in TRUE_COUNTS[domain]:
                    recorder.record(place, name, at_s, world.interval(place, name, since_s, at_s), since_s)


def _caught(db: sqlite3.Connection, seen: Watched) -> int:
    """Return how many packets with a wrong checksum the node's first sensor counted, by its latest health."""
    query = """SELECT coalesce(sum(json_extract(e.value, '$[2]')), 0) FROM nodes, json_each(nodes.health, '$.sensor_errors') AS e
        WHERE nodes.node = ? AND json_extract(e.value, '$[0]') = 0 AND json_extract(e.value, '$[1]') = 'checksum'"""
    return int(db.execute(query, (seen.node.id,)).fetchone()[0])


def report(data: Path, nodes: list[Watched], world: World) -> dict[str, Any]:
    """Return the demo's report; README says what its fields mean. `wrong` lists what the world or the attack disproves."""
    lost = twice = foreign = in_store = in_nodes = 0
    ways: list[int] = []
    with closing(_store(data)) as db:
        for seen in nodes:
            expected = set(range(1, seen.due + 1))
            instants, frames, node_ways = _stored_instants(db, seen)
            held = _held_instants(seen, frames)
            lost += len(expected - instants.keys() - held)
            twice += sum(count - 1 for count in instants.values())
            foreign += len(instants.keys() - expected)
            in_store += instants.total()
            in_nodes += len(held)
            ways += node_ways
        errors, wrong = value_errors(db, nodes, world)
        forged_stored = db.execute("SELECT count(*) FROM readings WHERE seq = ?", (FORGED_SEQ,)).fetchone()[0]
        caught = sum(_caught(db, seen) for seen in nodes if seen.fault_ms)
    if forged_stored:
        wrong.append(f"{forged_stored} readings of the forged frame were stored")
    wrong += [f"{seen.node.id} restarted {seen.boots - 1} times" for seen in nodes if seen.boots > 1]
    refused, refused_by_nodes = quarantined(data), forged_at_nodes(data)
    injected = sum(seen.faults.get("corrupt", 0) for seen in nodes)
    if refused.get("bad_tag", 0) < 1 or refused_by_nodes < 1:
        wrong.append("the forged frame or the forged ack was not refused by name")
    if injected < 1 or caught < injected:
        wrong.append(f"of {injected} bad sensor packets the node's health tells of {caught}")
    ways.sort()
    return {
        "nodes": len(nodes),
        "records_sampled": sum(seen.due for seen in nodes),
        "records_stored": in_store,
        "records_held": in_nodes,
        "records_unexplained": foreign,
        "lost": lost,
        "duplicates": twice,
        "quarantined": sum(refused.values()),
        "quarantined_by_reason": refused,
        "forged_rejected": refused.get("bad_tag", 0) + refused_by_nodes,
        "bad_packets_injected": injected,
        "bad_packets_caught": caught,
        "max_value_error": errors,
        "wrong": wrong,
        "latency_p50_s": ways[len(ways) // 2] / 1000 if ways else 0.0,
        "latency_p99_s": ways[min(len(ways) - 1, len(ways) * 99 // 100)] / 1000 if ways else 0.0,
    }
