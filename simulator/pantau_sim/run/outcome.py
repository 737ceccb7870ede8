"""What came of a run, beside the truth: what expectations, score, report and plot look at. Reads the stores as they were left."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pantau.alerts.reads import AlertReader

if TYPE_CHECKING:
    from pathlib import Path

    from pantau.alerts.reads import Entry
    from pantau.alerts.track import Alert
    from pantau_sim.run.district import Kept
    from pantau_sim.run.trace import Said
    from pantau_sim.scenario.plan import ScenarioPlan, Span
    from pantau_sim.world import World

_SERIES = """SELECT observed_at_ms, value, quality, reason, received_ms FROM readings
    WHERE property = ? AND node = ? AND observed_at_ms IS NOT NULL ORDER BY observed_at_ms, seq, idx"""


class Reading(NamedTuple):
    """One observation of a series; times in Unix ms UTC, `value` in the property's unit, None when missing."""

    observed_ms: int
    value: float | None
    quality: int
    reason: str
    received_ms: int


@dataclass(slots=True)
class NodeOutcome:
    """The account of one node: records that were due while it had power, and where each of them is.

    due = stored + held + in_progress + overwritten + lost, where nothing is there twice. `overwritten` are instants that nobody has
    and that the node declared so. `held` is in its outbox at the end; `problems` says each loss in words.
    `release` is of the slot that its next start takes, 0 in a plan without a rollout.
    `twice` counts instants or identities stored more than once. `lives` are its boots with power, (start_us, end_us).
    """

    node: str
    due: int = 0
    stored: int = 0
    held: int = 0
    in_progress: int = 0
    overwritten: int = 0
    lost: int = 0
    twice: int = 0
    release: int = 0
    frames: int = 0
    redelivered: int = 0
    lives: list[tuple[int, int]] = field(default_factory=list)
    link_down_us: int = 0
    problems: list[str] = field(default_factory=list)


class RolledOut(NamedTuple):
    """What came of a rollout: its state at the end, the ring in which it was halted ("" for none) and why, and its history in words."""

    state: str
    halted_after: str
    reason: str
    told: tuple[str, ...]


class Raised(NamedTuple):
    """One decision about an alert, with whose it is."""

    alert: Alert
    entry: Entry


@dataclass(slots=True)
class Outcome:
    """One run, ended. `folder` holds city.sqlite3 and alerts.sqlite3 as the city process left them."""

    plan: ScenarioPlan
    world: World
    folder: Path
    nodes: dict[str, NodeOutcome]
    quarantined: Counter[str]  # by reason
    conflicts: int
    faults: tuple[Span, ...]  # as they were played
    injected: Counter[str]  # wire and sensor faults that really hit, by kind
    digest: str  # of everything that was said at the brokers, in order
    counts: Counter[str] = field(default_factory=Counter)  # of bridges and simulations
    trace: list[Said] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)  # the log: `pantau_sim.run.city.judge` plays it to another city
    rolled_out: RolledOut | None = None
    _raised: list[Raised] | None = None

    @property
    def lost(self) -> int:
        """Return how many records are nowhere."""
        return sum(node.lost for node in self.nodes.values())

    @property
    def duplicates(self) -> int:
        """Return how many records are there twice."""
        return sum(node.twice for node in self.nodes.values())

    def nodes_on(self, release: int) -> int:
        """Return how many nodes run a release at the end."""
        return sum(node.release == release for node in self.nodes.values())

    def nodes_of(self, station: str) -> list[str]:
        """Return the nodes at a station."""
        return [node.id for node in self.plan.nodes if node.station == station]

    def series(self, station: str, name: str) -> list[Reading]:
        """Return what the platform holds of a property at a station, dated readings in order of their time."""
        with closing(self._store()) as db:
            rows = [Reading(*row) for node in self.nodes_of(station) for row in db.execute(_SERIES, (name, node))]
        return sorted(rows, key=lambda reading: reading.observed_ms)

    def count(self, query: str) -> int:
        """Return the number that a query of the city store gives."""
        with closing(self._store()) as db:
            return int(db.execute(query).fetchone()[0])

    def decisions(self) -> list[Raised]:
        """Return every decision about alerts, in order."""
        if self._raised is None:
            reader = AlertReader(self.folder / "alerts.sqlite3")
            found: list[Raised] = []
            try:
                after = 0
                while entries := reader.decisions_after(after):
                    for entry in entries:
                        listed = reader.alert(entry.alert)
                        if listed is not None:
                            found.append(Raised(listed.alert, entry))
                    after = entries[-1].number
            finally:
                reader.close()
            self._raised = found
        return self._raised

    def _store(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self.folder / 'city.sqlite3'}?mode=ro", uri=True)
