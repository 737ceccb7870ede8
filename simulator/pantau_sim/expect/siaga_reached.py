"""siaga_reached: the platform sees each station in a siaga state, in time after the water really got there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.expect.base import Check, Met
from pantau_sim.expect.limits import after, clock
from pantau_sim.expect.rules import too_soon
from pantau_sim.expect.siaga_order import reached
from pantau_sim.expect.truth import never, registered, siaga_crossing

if TYPE_CHECKING:
    from pantau_sim.run.outcome import Outcome
    from pantau_sim.scenario.plan import ScenarioPlan
    from pantau_sim.scenario.tables import Expect
    from pantau_sim.world import World


def _judge(outcome: Outcome, expect: Expect) -> Met:
    assert expect.level is not None
    state, met, told = int(expect.level), True, []
    for station in expect.stations or ():
        row = reached(outcome, station, state)
        truth = siaga_crossing(outcome.plan, outcome.world, station, state)
        if row is None:
            met = False
            told.append(f"{station} never")
            continue
        late = None if truth is None else row.received_ms / 1000 - truth
        met = met and (expect.within_s is None or (late is not None and late <= expect.within_s))
        told.append(f"{station} {clock(row.observed_ms / 1000)}{after(late, 'the water')}")
    asked = f" (asked for {expect.within_s:g} s)" if expect.within_s is not None else ""
    return Met(met, f"state {state}: {', '.join(told)}{asked}")


def _possible(plan: ScenarioPlan, world: World, expect: Expect) -> str | None:
    state = int(expect.level or 0)
    for station in expect.stations or ():
        if (why := never(plan, world, station, state)) is not None:
            return why
        at = siaga_crossing(plan, world, station, state)
        flood = registered(plan, station).flood
        assert at is not None  # or it would never be reached
        assert flood is not None
        if (why := too_soon(plan, station, at, expect.within_s, flood.siaga_readings, 0)) is not None:
            return why
    return None


CHECK = Check(
    "stations reach a siaga state, in time after the truth",
    _judge,
    _possible,
    (("stations",), ("level",)),
    ("within_s",),
)
