"""nothing_lost: every record that was due while its node had power is stored, held by its node, or overwritten as designed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.expect.base import Check, Met

if TYPE_CHECKING:
    from pantau_sim.run.outcome import Outcome
    from pantau_sim.scenario.tables import Expect


def _judge(outcome: Outcome, _expect: Expect) -> Met:
    due = sum(node.due for node in outcome.nodes.values())
    worst = [f"{node.node} {node.lost}" for node in outcome.nodes.values() if node.lost]
    return Met(not worst, f"{outcome.lost} of {due} records lost{': ' if worst else ''}{', '.join(sorted(worst))}")


CHECK = Check("no record is lost", _judge)
