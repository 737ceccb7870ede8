"""halted_after: the rollout was halted, by its own failures, in the ring named; "" for one that was not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau.fleet.rings import RINGS
from pantau_sim.expect.base import Check, Met

if TYPE_CHECKING:
    from pantau_sim.run.outcome import Outcome
    from pantau_sim.scenario.plan import ScenarioPlan
    from pantau_sim.scenario.tables import Expect
    from pantau_sim.world import World


def _judge(outcome: Outcome, expect: Expect) -> Met:
    done = outcome.rolled_out
    if done is None:
        return Met(met=False, what="there was no rollout")
    said = f"halted after {done.halted_after}: {done.reason}" if done.halted_after else "never halted"
    return Met(done.halted_after == expect.ring, f"{done.state}, {said}")


def _possible(plan: ScenarioPlan, _world: World, expect: Expect) -> str | None:
    if plan.rollout is None:
        return "the scenario has no [rollout]"
    if expect.ring not in {"", *RINGS}:
        return f"a ring is one of {', '.join(RINGS)}"
    return None


CHECK = Check("the ring in which a rollout was halted", _judge, _possible, (("ring",),))
