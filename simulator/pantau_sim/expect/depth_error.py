"""depth_error: how far good water levels are from the truth at their instants, 95 of 100 of them, in mm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau.quality.flags import GOOD
from pantau_sim.expect.base import Check, Met
from pantau_sim.expect.limits import limits, percentile, stations, within
from pantau_sim.expect.truth import registered

if TYPE_CHECKING:
    from pantau_sim.run.outcome import Outcome
    from pantau_sim.scenario.plan import ScenarioPlan
    from pantau_sim.scenario.tables import Expect
    from pantau_sim.world import World


def _judge(outcome: Outcome, expect: Expect) -> Met:
    errors: list[float] = []
    for station in stations(outcome.plan, expect):
        truth = outcome.world.station(station)
        errors += [
            abs(row.value - truth("water_level", row.observed_ms / 1000)) * 1000
            for row in outcome.series(station, "water_level")
            if row.quality == GOOD and row.value is not None
        ]
    if not errors:
        return Met(False, "no good reading of water_level")
    p95 = percentile(errors, 95)
    what = (
        f"95 of 100 within {p95:.1f} mm of the truth, of {len(errors)} good readings; asked for {limits(expect, ' mm')}"
    )
    return Met(within(round(p95, 1), expect), what)


def _possible(plan: ScenarioPlan, _world: World, expect: Expect) -> str | None:
    for station in expect.stations or ():
        if registered(plan, station).domain != "flood":
            return f"{station} is no flood station"
    if not any(registered(plan, station).domain == "flood" for station in stations(plan, expect)):
        return "there is no flood station"
    return None


CHECK = Check("p95 of the error of good water levels, mm", _judge, _possible, (("at_most",),), ("stations", "at_least"))
