"""Invariants of the city store's own sums: the latest values, and what it counts of each node."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING, Any

from pantau.sinks.sqlite import FUTURE_TOLERANCE_MS
from pantau_wire import names as T

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pantau_sim.hunt.evidence import Evidence

_LATEST = """SELECT n.node, p.name, l.observed_at, l.value FROM latest AS l
    JOIN nodes AS n ON n.id = l.node JOIN properties AS p ON p.id = l.property"""
_NODES = """SELECT node, first_seen, last_seen, records_boot, records_seq, health_boot, health_seq FROM nodes
    WHERE first_seen IS NOT NULL"""


def latest_is_the_latest(evidence: Evidence) -> Iterator[str]:
    """The latest value of a property is that of its last dated reading."""
    dated: dict[tuple[str, str], dict[int, set[float | None]]] = defaultdict(lambda: defaultdict(set))
    for row in evidence.rows:
        if row.observed_ms is not None and row.observed_ms <= row.received_ms + FUTURE_TOLERANCE_MS:
            dated[row.node, row.property][row.observed_ms].add(row.value)
    for node, name, observed_ms, value in _rows(evidence, _LATEST):
        known = dated.pop((node, name), {})
        last_ms = max(known, default=None)
        if observed_ms != last_ms or value not in known[observed_ms]:
            yield f"{node} {name}: {value} of {observed_ms} is said to be the latest, that is {last_ms}"
    for node, name in sorted(dated):
        yield f"{node} {name}: has readings, and no latest"


def nodes_are_up_to_date(evidence: Evidence) -> Iterator[str]:
    """A node was heard first and last when the log says so, and its newest frames of records and of health are the newest."""
    heard: dict[str, list[int]] = defaultdict(list)
    newest: dict[tuple[str, int], tuple[int, int]] = {}
    for kept, f in evidence.frames:
        heard[kept.node].append(kept.received_ms)
        newest[kept.node, f.kind] = max((f.boot, f.seq), newest.get((kept.node, f.kind), (-1, -1)))
    for node, *said in _rows(evidence, _NODES):
        times = heard.pop(node, [0])
        due = [min(times), max(times)]
        for kind in (T.K_RECORDS, T.K_HEALTH):
            due += newest.get((node, kind), (-1, -1))
        if said != due:
            yield f"{node}: first and last heard, newest records, newest health are {said}, in the log {due}"
    for node in sorted(heard):
        yield f"{node}: is in the log, and not among the nodes"


def _rows(evidence: Evidence, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{evidence.folder / 'city' / 'city.sqlite3'}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()
