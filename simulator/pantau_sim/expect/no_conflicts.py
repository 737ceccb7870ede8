"""no_conflicts: no frame contradicts a stored one, so no node ever used an identity for two contents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.expect.base import Check, Met

if TYPE_CHECKING:
    from pantau_sim.run.outcome import Outcome
    from pantau_sim.scenario.plan import ScenarioPlan
    from pantau_sim.scenario.tables import Expect
    from pantau_sim.world import World


def _judge(outcome: Outcome, _expect: Expect) -> Met:
    return Met(outcome.conflicts == 0, f"{outcome.conflicts} conflicts")


def _possible(plan: ScenarioPlan, _world: World, _expect: Expect) -> str | None:
    if any(span.kind == "conflicter" for span in plan.clients):
        return "a conflicter of the scenario makes conflicts; ask for `conflicts` at_least instead"
    return None


CHECK = Check("no frame contradicts a stored one", _judge, _possible)
