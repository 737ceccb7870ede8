"""How many vehicles come, and how fast they can go: the hour, the day, rain, water on the road, and each other.

Two rush hours on workdays, one broad hump on weekends. Rain takes a fifth off speeds at most and lets a third of the motorcycles wait
under bridges; water on the road stops them at 0.3 m and everything at 0.5 m. Speed falls with saturation (flow over 2,400 vehicles/h
per lane, most of them motorcycles: PKJI's 1,650 smp/h with motorcycles at 0.25..0.4), and near it traffic stops and goes in waves of minutes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pantau_sim.world import exact
from pantau_sim.world.noise import Wander
from pantau_sim.world.weather import UTC_OFFSET_H, local_hour

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau_sim.world.plan import Site

MOTORCYCLES = 0.70
_CAPACITY_VEH_H = 2400.0
_FREE_TO = 0.6  # of saturation: below, vehicles do not hinder each other
_WAVE_S = 150.0


class Conditions(NamedTuple):
    """Traffic of a minute: vehicles/h of both directions, factor on speeds, share of motorcycles."""

    flow_veh_h: float
    speed: float
    motorcycles: float


class Demand:
    """Traffic that wants to pass a site; `rain_mm_h` and `depth_m` are those there."""

    def __init__(
        self,
        site: Site,
        seed: int,
        key: int,
        rain_mm_h: Callable[[float], float],
        depth_m: Callable[[float], float],
    ) -> None:
        self._peak_veh_h, self._lanes = site.flow_veh_h, site.lanes
        self._rain_mm_h, self._depth_m = rain_mm_h, depth_m
        self._waves = Wander(_WAVE_S, seed, key, 0x3A7)

    def expected_veh_h(self, t_s: float) -> float:
        """Flow of both directions on a dry road."""
        hour = local_hour(t_s)
        if _weekend(t_s):
            hump = exact.bell((hour - 11) / 3.0) + exact.bell((hour - 18.5) / 2.5)
            day, more = 0.08 + 0.22 * _awake(hour), 0.4 * hump
        else:
            rush = exact.bell((hour - 7.5) / 1.5) + exact.bell((hour - 17.5) / 2.0)
            day, more = 0.08 + 0.37 * _awake(hour), 0.6 * rush
        return self._peak_veh_h * min(1.0, day + more)

    def at(self, t_s: float) -> Conditions:
        """Conditions at t_s."""
        rain, depth = self._rain_mm_h(t_s), self._depth_m(t_s)
        wet = rain / (rain + 15.0)
        motorcycles = MOTORCYCLES * (1 - 0.35 * wet) * max(0.0, 1 - depth / 0.3)
        others = (1 - MOTORCYCLES) * max(0.0, 1 - depth / 0.5)
        flow = self.expected_veh_h(t_s) * (motorcycles + others)
        speed = (1 - 0.2 * wet) * max(0.2, 1 - depth / 0.4)
        full = flow / self._lanes / _CAPACITY_VEH_H
        over = max(0.0, full - _FREE_TO)
        speed /= 1 + 12 * over * over
        if full > 0.85:  # it stops and goes
            wave = 0.6 + 0.4 * self._waves.at(t_s)
            speed, flow = speed * wave, min(flow, self._lanes * _CAPACITY_VEH_H) * (0.5 + 0.5 * wave)
        return Conditions(flow, speed, motorcycles / (motorcycles + others) if others > 0 else 0.0)


def _awake(hour: float) -> float:
    """Share of the town that is up: it rises from half past four to six, and goes to bed from half past nine to midnight."""
    return min(1.0, max(0.0, (hour - 4.5) / 1.5)) * min(1.0, max(0.0, (24.0 - hour) / 2.5))


def _weekend(t_s: float) -> bool:
    """Saturday or Sunday in Tangerang; 1970-01-01 was a Thursday."""
    return (int(t_s + UTC_OFFSET_H * 3600) // 86400 + 3) % 7 >= 5
