"""node_forged: acknowledgements and orders that nodes refused because their tag or counter was wrong, as their last health frames tell.

A node counts since its start, so restarts take from the count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.expect.base import Check, Met
from pantau_sim.expect.limits import limits, within
from pantau_sim.expect.quarantined import most_sent

if TYPE_CHECKING:
    from pantau_sim.run.outcome import Outcome
    from pantau_sim.scenario.plan import ScenarioPlan
    from pantau_sim.scenario.tables import Expect
    from pantau_sim.world import World

_SUM = "SELECT coalesce(sum(json_extract(health, '$.forged')), 0) FROM nodes"


def _judge(outcome: Outcome, expect: Expect) -> Met:
    count = outcome.count(_SUM)
    return Met(within(count, expect), f"nodes refused {count} messages, asked for {limits(expect)}")


def _possible(plan: ScenarioPlan, _world: World, expect: Expect) -> str | None:
    if (expect.at_least or 0) > (most := most_sent(plan, "down_forger")):
        return f"only a down_forger writes to nodes; those of the scenario send at most {most}"
    return None


CHECK = Check("forged messages that nodes refused", _judge, _possible, (("at_least", "at_most"),))
