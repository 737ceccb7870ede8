"""completeness: the share of the records due that the platform holds at the end.

The last batch of a node, not full or just on its way, is not asked for yet, and neither is a record within whose writing the
power was cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.expect.base import Check, Met
from pantau_sim.expect.limits import clock, limits, share, stations, within
from pantau_sim.expect.outages import cuts

if TYPE_CHECKING:
    from pantau_sim.run.outcome import Outcome
    from pantau_sim.scenario.plan import ScenarioPlan
    from pantau_sim.scenario.tables import Expect
    from pantau_sim.world import World


def _judge(outcome: Outcome, expect: Expect) -> Met:
    nodes = [outcome.nodes[node] for station in stations(outcome.plan, expect) for node in outcome.nodes_of(station)]
    due = sum(node.due - node.in_progress - min(node.held, batch(outcome.plan, node.node)) for node in nodes)
    stored = sum(node.stored for node in nodes)
    met = due > 0 and within(stored / due, expect)
    return Met(met, f"{stored} of {due} records stored ({share(stored, due)}), asked for {limits(expect)}")


def batch(plan: ScenarioPlan, node: str) -> int:
    """Return how many records of a node make a frame."""
    return next(int(one.config["sampling"]["batch"]) for one in plan.nodes if one.id == node)


def _possible(plan: ScenarioPlan, _world: World, expect: Expect) -> str | None:
    if expect.at_least is None or expect.at_least < 1:
        return None
    for station in stations(plan, expect):
        for span in cuts(plan, station):
            if span.end_us >= plan.end_us:
                whose = station if span.station else "the city"
                return f"{whose} ends with {span.kind} out since {clock(span.start_us / 1e6)}, so what waits cannot go out; leave calm_h"
    return None


CHECK = Check(
    "share of due records that are stored at the end",
    _judge,
    _possible,
    (("at_least", "at_most"),),
    ("stations",),
    share=True,
)
