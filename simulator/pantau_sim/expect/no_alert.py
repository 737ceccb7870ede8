"""no_alert: no alert of a rule, or of any rule, as bad as that, at these stations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.expect.alert import raised
from pantau_sim.expect.base import Check, Met
from pantau_sim.expect.limits import clock, stations
from pantau_sim.expect.rules import known
from pantau_sim.expect.truth import first_reach, water

if TYPE_CHECKING:
    from pantau_sim.run.outcome import Outcome
    from pantau_sim.scenario.plan import ScenarioPlan
    from pantau_sim.scenario.tables import Expect
    from pantau_sim.world import World

_TOLD = 5
_SIAGA = "siaga"
_CLEARLY_M = 0.05
_ENOUGH_S = 3600


def _judge(outcome: Outcome, expect: Expect) -> Met:
    found: dict[int, str] = {}
    for station in stations(outcome.plan, expect):
        for one in raised(outcome, station, expect.rule, expect.severity):
            found.setdefault(one.alert.id, f"{one.alert.rule} at {station} {clock(one.entry.decided_ms / 1000)}")
    told = f": {', '.join([*found.values()][:_TOLD])}" if found else ""
    return Met(not found, f"{len(found)} alerts{told}")


def _possible(plan: ScenarioPlan, world: World, expect: Expect) -> str | None:
    """Return where the water clearly passes a siaga level, with time enough to tell of it: there an alert must come."""
    if expect.rule not in {None, _SIAGA}:
        return None
    for station in stations(plan, expect):
        truth = known(plan, world, station, _SIAGA, expect.severity)
        if truth.at_s is None or truth.at_s > plan.end_us / 1e6 - _ENOUGH_S:
            continue
        level = water(world, station)(truth.at_s) + _CLEARLY_M
        at = first_reach(water(world, station), level, truth.at_s, plan.end_us / 1e6 - _ENOUGH_S)
        if at is not None:
            return f"the water at {station} is above a siaga level from {clock(truth.at_s)} on, so an alert must come"
    return None


CHECK = Check("no alert, of a rule or of any", _judge, _possible, takes=("rule", "severity", "stations"))
