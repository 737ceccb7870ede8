"""value_error: how far good readings of a property are from the truth, 95 of 100 of them, in the property's unit.

What is counted over an interval is compared with the truth of that interval; an instant's with the truth of the instant.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from pantau.quality.flags import GOOD
from pantau_sim.expect.base import Check, Met
from pantau_sim.expect.limits import limits, percentile, stations, within

if TYPE_CHECKING:
    from pantau_sim.run.outcome import Outcome
    from pantau_sim.scenario.plan import ScenarioPlan
    from pantau_sim.scenario.tables import Expect
    from pantau_sim.world import World

_COUNTED = ("vehicle_", "occupancy", "pulse_count", "radar_", "rain_tips")
_LONGEST = 1.5  # report intervals: after a gap nobody knows what an interval was counted over


def _judge(outcome: Outcome, expect: Expect) -> Met:
    assert expect.property is not None
    errors: list[float] = []
    for station in stations(outcome.plan, expect):
        errors += _errors(outcome, station, expect.property)
    if not errors:
        return Met(False, f"no good reading of {expect.property}")
    p95 = round(percentile(errors, 95), 3)
    what = f"95 of 100 within {p95:g} of the truth, of {len(errors)} good readings; asked for {limits(expect)}"
    return Met(within(p95, expect), what)


def _errors(outcome: Outcome, station: str, name: str) -> list[float]:
    rows = [row for row in outcome.series(station, name) if row.value is not None]
    truth = outcome.world.station(station)
    if not name.startswith(_COUNTED):
        return [abs((row.value or 0) - truth(name, row.observed_ms / 1000)) for row in rows if row.quality == GOOD]
    longest = _LONGEST * max(
        (node.config["sampling"]["interval_s"] for node in outcome.plan.nodes if node.station == station), default=60
    )
    errors = []
    for before, row in pairwise(rows):
        start, end = before.observed_ms / 1000, row.observed_ms / 1000
        if row.quality == GOOD and 0 < end - start <= longest:
            true = truth.interval(name, start, end)
            errors += [] if true is None else [abs((row.value or 0) - true)]
    return errors


def _possible(plan: ScenarioPlan, world: World, expect: Expect) -> str | None:
    name, at = expect.property or "", plan.start_us / 1e6 + 3600
    for station in stations(plan, expect):
        truth = world.station(station)
        try:
            truth.interval(name, at, at + 60) if name.startswith(_COUNTED) else truth(name, at)
        except KeyError:
            return f"the world has no truth of {name}"
    return None


CHECK = Check(
    "p95 of the error of good readings of a property",
    _judge,
    _possible,
    (("property",), ("at_most",)),
    ("stations", "at_least"),
)
