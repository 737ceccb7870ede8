"""redelivered: frames that came to the bridge more than once, as they must when links break."""

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
    count = sum(node.redelivered for node in outcome.nodes.values())
    return Met(within(count, expect), f"{count} frames came again, asked for {limits(expect)}")


def _possible(plan: ScenarioPlan, _world: World, expect: Expect) -> str | None:
    breaks = any(span.kind != "sensor" for span in plan.faults) or any(c.kind == "replayer" for c in plan.clients)
    if (expect.at_least or 0) > 0 and not breaks:
        return "nothing breaks between nodes and platform, so no frame need come again"
    return None


CHECK = Check("frames that came more than once", _judge, _possible, (("at_least", "at_most"),))
