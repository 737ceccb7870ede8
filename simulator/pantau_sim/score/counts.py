"""Counts of vehicles against the vehicles that passed: per class, hour by hour, where traffic flows freely."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from pantau.quality.flags import FAIL, MISSING

if TYPE_CHECKING:
    from pantau_sim.run.outcome import Outcome
    from pantau_sim.world.plan import Site

# Vehicles an hour and lane that a road can take (world/flow.py), and the share of it up to which traffic flows freely: the levels
# of service A and B of PKJI 2023 end at 0.44.
CAPACITY_VEH_H = 2400.0
FREE = 0.44
HOUR_S = 3600
LENGTHS = {"motorcycle": "vehicle_count_motorcycle", "light": "vehicle_count_light", "heavy": "vehicle_count_heavy"}
WAYS = {"approaching": "vehicle_count_approaching", "receding": "vehicle_count_receding"}


class Hour(NamedTuple):
    """One hour of one station: vehicles of a class that passed, those that the platform holds, and whether traffic flowed freely."""

    seed: int
    station: str
    hour: int
    counted: str
    true: int
    told: int
    free: bool


def hours(outcome: Outcome, site: Site, names: dict[str, str]) -> list[Hour]:
    """Return the hours of a station for each class in `names` (class: property), over the times for which there is a record."""
    truth = outcome.world.station(site.id)
    interval_s = {n.station: int(n.config["sampling"]["interval_s"]) for n in outcome.plan.nodes}[site.id]
    totals: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
    passed: dict[int, int] = defaultdict(int)
    seconds: dict[int, int] = defaultdict(int)
    for counted, name in names.items():
        for row in outcome.series(site.id, name):
            if row.value is None or row.quality in {FAIL, MISSING}:
                continue
            to_s = row.observed_ms / 1000
            hour = int(to_s - 1) // HOUR_S
            true = truth.interval(name, to_s - interval_s, to_s)
            sums = totals[hour, counted]
            sums[0] += int(true or 0)
            sums[1] += int(row.value)
            if counted == next(iter(names)):
                passed[hour] += int(truth.interval("vehicle_count", to_s - interval_s, to_s) or 0)
                seconds[hour] += interval_s
    free = {hour: _free(passed[hour], seconds[hour], site.lanes) for hour in passed}
    return [
        Hour(outcome.plan.seed, site.id, hour, counted, true, told, free.get(hour, False))
        for (hour, counted), (true, told) in sorted(totals.items())
    ]


def _free(vehicles: int, seconds: int, lanes: int) -> bool:
    return vehicles * HOUR_S / seconds <= FREE * CAPACITY_VEH_H * lanes
