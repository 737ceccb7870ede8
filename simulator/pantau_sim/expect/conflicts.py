"""conflicts: frames with another content under an identity that is stored already."""

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


def _judge(outcome: Outcome, expect: Expect) -> Met:
    return Met(within(outcome.conflicts, expect), f"{outcome.conflicts} conflicts, asked for {limits(expect)}")


def _possible(plan: ScenarioPlan, _world: World, expect: Expect) -> str | None:
    if (expect.at_least or 0) > (most := most_sent(plan, "conflicter")):
        return f"only a conflicter makes conflicts; those of the scenario send at most {most}"
    return None


CHECK = Check("frames that contradict a stored one", _judge, _possible, (("at_least", "at_most"),))
