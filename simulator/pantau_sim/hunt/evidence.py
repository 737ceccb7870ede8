"""What a run left, gathered once for the invariants: its outcome, the log decoded, the stores and spools as they lie in its folder."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from pantau.spool import SpoolReader
from pantau_sim.run.workers import districts
from pantau_wire import frame

if TYPE_CHECKING:
    from pathlib import Path

    from pantau.model import StoredFrame
    from pantau_sim.run.district import Kept
    from pantau_sim.run.outcome import Outcome
    from pantau_sim.scenario.plan import NodePlan, ScenarioPlan

_READ = 5000
_ROWS = "SELECT node, boot, seq, idx, property, value, quality, observed_at_ms, uptime_ms, dated_later, received_ms FROM readings"


class Row(NamedTuple):
    """A reading of the city store. Times in ms, Unix or uptime."""

    node: str
    boot: int
    seq: int
    record: int
    property: str
    value: float | None
    quality: int
    observed_ms: int | None
    uptime_ms: int | None
    dated_later: int
    received_ms: int

    def __str__(self) -> str:
        return f"{self.node} boot {self.boot} seq {self.seq} record {self.record} {self.property}"


@dataclass(frozen=True)
class Evidence:
    """Of one run. `folder` is what the run was given."""

    outcome: Outcome
    folder: Path

    @property
    def plan(self) -> ScenarioPlan:
        """Return what was played."""
        return self.outcome.plan

    @cached_property
    def nodes(self) -> dict[str, NodePlan]:
        """Return the nodes by their ids."""
        return {node.id: node for node in self.plan.nodes}

    @cached_property
    def frames(self) -> list[tuple[Kept, frame.Frame]]:
        """Return the log, decoded; what cannot be decoded is the city's to tell."""
        unreadable = set(self.outcome.quarantined) & {"undecodable"}
        return [] if unreadable else [(kept, frame.decode(kept.payload)) for kept in self.outcome.kept]

    @cached_property
    def rows(self) -> list[Row]:
        """Return all that the city store holds."""
        with closing(sqlite3.connect(f"file:{self.folder / 'city' / 'city.sqlite3'}?mode=ro", uri=True)) as db:
            return [Row(*row) for row in db.execute(_ROWS)]

    def strangers(self, *kinds: str) -> bool:
        """Return whether a client of one of these kinds was there."""
        return any(span.kind in kinds for span in self.plan.clients)

    def districts(self) -> list[tuple[list[str], Path]]:
        """Return (node ids, folder) of each district."""
        return [
            ([node.id for node in nodes], self.folder / "districts" / f"district-{number:04d}")
            for number, nodes in enumerate(districts(self.plan))
        ]


def spooled(path: Path) -> list[StoredFrame]:
    """Return the frames of a spool, in order."""
    reader = SpoolReader(path)
    try:
        found: list[StoredFrame] = []
        while some := reader.read(found[-1].id if found else 0, _READ):
            found += some
        return found
    finally:
        reader.close()
