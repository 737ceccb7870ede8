"""siaga_order: the stations reach a siaga state one after the other in the order given, by the times of their readings."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from pantau_sim.expect.base import Check, Met
from pantau_sim.expect.limits import clock
from pantau_sim.expect.truth import never, siaga_crossing

if TYPE_CHECKING:
    from pantau_sim.run.outcome import Outcome, Reading
    from pantau_sim.scenario.plan import ScenarioPlan
    from pantau_sim.scenario.tables import Expect
    from pantau_sim.world import World


def reached(outcome: Outcome, station: str, state: float) -> Reading | None:
    """Return the first reading in which the platform sees a station in a state, or a worse one."""
    rows = outcome.series(station, "siaga_state")
    return next((row for row in rows if row.value is not None and row.value <= state), None)


def _judge(outcome: Outcome, expect: Expect) -> Met:
    assert expect.level is not None
    told, times = [], []
    for station in expect.stations or ():
        row = reached(outcome, station, expect.level)
        told.append(f"{station} {'never' if row is None else clock(row.observed_ms / 1000)}")
        times.append(None if row is None else row.observed_ms)
    ordered = None not in times and all(a < b for a, b in pairwise(t for t in times if t is not None))
    return Met(ordered, f"state {expect.level:g}: {', '.join(told)}")


def _possible(plan: ScenarioPlan, world: World, expect: Expect) -> str | None:
    named, state = expect.stations or [], int(expect.level or 0)
    if len(named) < 2:
        return "an order takes two stations or more"
    for station in named:
        if (why := never(plan, world, station, state)) is not None:
            return why
    times = [(siaga_crossing(plan, world, station, state) or 0.0, station) for station in named]
    for (earlier, first), (later, second) in pairwise(times):
        if later <= earlier:
            return f"the water reaches siaga_{state} at {second} ({clock(later)}) no later than at {first} ({clock(earlier)})"
    return None


CHECK = Check("stations reach a siaga state in this order", _judge, _possible, (("stations",), ("level",)))
