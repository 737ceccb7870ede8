"""restarts: how often nodes started again, by lost power or by their own watchdog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.expect.base import Check, Met
from pantau_sim.expect.limits import limits, stations, within

if TYPE_CHECKING:
    from pantau_sim.run.outcome import Outcome
    from pantau_sim.scenario.plan import ScenarioPlan
    from pantau_sim.scenario.tables import Expect
    from pantau_sim.world import World


def _judge(outcome: Outcome, expect: Expect) -> Met:
    nodes = [node for station in stations(outcome.plan, expect) for node in outcome.nodes_of(station)]
    count = sum(max(0, len(outcome.nodes[node].lives) - 1) for node in nodes)
    return Met(within(count, expect), f"{count} restarts of {len(nodes)} nodes, asked for {limits(expect)}")


def _possible(plan: ScenarioPlan, _world: World, expect: Expect) -> str | None:
    named = set(stations(plan, expect))
    cut = [s for s in plan.faults if s.kind in {"power", "brown_out"} and s.station in named]
    boards = {node.id: node.station for node in plan.nodes if node.station in named}
    most = sum(1 for span in cut for station in boards.values() if station == span.station)
    if (expect.at_least or 0) > most:
        return f"the power is cut {most} times there, and nothing else is planned that restarts a node"
    return None


CHECK = Check("starts of nodes after the first", _judge, _possible, (("at_least", "at_most"),), ("stations",))
