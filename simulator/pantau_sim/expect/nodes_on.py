"""nodes_on: how many nodes run a release at the end, as their own flash says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.expect.base import Check, Met
from pantau_sim.expect.limits import limits, within

if TYPE_CHECKING:
    from pantau_sim.run.outcome import Outcome
    from pantau_sim.scenario.plan import ScenarioPlan
    from pantau_sim.scenario.tables import Expect
    from pantau_sim.world import World


def _judge(outcome: Outcome, expect: Expect) -> Met:
    count = outcome.nodes_on(expect.release or 0)
    told = f"{count} of {len(outcome.nodes)} nodes run release {expect.release}, asked for {limits(expect)}"
    return Met(within(count, expect), told)


def _possible(plan: ScenarioPlan, _world: World, expect: Expect) -> str | None:
    if plan.rollout is None:
        return "the scenario has no [rollout]"
    if (expect.at_least or 0) > len(plan.nodes):
        return f"it has {len(plan.nodes)} nodes"
    return None


CHECK = Check("nodes that run a release at the end", _judge, _possible, (("release",), ("at_least", "at_most")))
