"""no_duplicates: no instant or identity of a node is stored twice, however often its frame came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.expect.base import Check, Met

if TYPE_CHECKING:
    from pantau_sim.run.outcome import Outcome
    from pantau_sim.scenario.tables import Expect


def _judge(outcome: Outcome, _expect: Expect) -> Met:
    worst = [f"{node.node} {node.twice}" for node in outcome.nodes.values() if node.twice]
    told = f": {', '.join(sorted(worst))}" if worst else ""
    return Met(not worst, f"{outcome.duplicates} records stored twice{told}")


CHECK = Check("no record is stored twice", _judge)
