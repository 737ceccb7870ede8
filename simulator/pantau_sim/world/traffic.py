"""Vehicles on a two-way street: flow by hour, motorcycles dominant, speeds by class, a least headway per lane.

Shares and speeds of an Indonesian urban road (motorcycles some 70 %); passenger-car equivalents are the host's business.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pantau_sim.sensors.base import Prng
from pantau_sim.world.weather import local_hour

if TYPE_CHECKING:
    from pantau_sim.sensors.base import Pass

_BLOCK_S = 60
_KEPT_BLOCKS = 512  # about 8 hours of cache; older blocks are made again from the seed
_HEADWAY_S = 1.2
# class: share, length m, mean and deviation of speed km/h
_CLASSES = ((0.70, 2.0, 38.0, 7.0), (0.25, 4.5, 34.0, 6.0), (0.05, 9.0, 28.0, 4.0))
# by length, between those of the classes
_LENGTHS_M = {
    "vehicle_count_motorcycle": (0.0, 2.8),
    "vehicle_count_light": (2.8, 6.0),
    "vehicle_count_heavy": (6.0, math.inf),
}


class TrafficModel:
    """The vehicles of one station, minute by minute."""

    def __init__(self, seed: int, key: int) -> None:
        self._seed = (seed, key)
        self._peak_veh_h = 500 + 600 * Prng(seed, key, 0x7A).unit()
        self._blocks: dict[int, list[Pass]] = {}

    def flow_veh_h(self, t_s: float) -> float:
        """Expected flow of both directions in vehicles per hour."""
        hour = local_hour(t_s)
        rush = math.exp(-(((hour - 7.5) / 1.5) ** 2)) + math.exp(-(((hour - 17.5) / 2.0) ** 2))
        day = 0.45 if 5 <= hour < 22 else 0.08
        return self._peak_veh_h * min(1.0, day + 0.6 * rush)

    def passes(self, t0_s: float, t1_s: float) -> list[Pass]:
        """Vehicles that pass the sensor in (t0_s, t1_s], in order."""
        out = []
        for k in range(int(t0_s) // _BLOCK_S, int(t1_s) // _BLOCK_S + 1):
            out += [vehicle for vehicle in self._block(k) if t0_s < vehicle[0] <= t1_s]
        return out

    def interval(self, name: str, t0_s: float, t1_s: float) -> float | None:
        """Truth of a traffic property over an interval; None where no vehicle gives a value."""
        seen = self.passes(t0_s, t1_s)
        if name == "vehicle_count_approaching":
            return sum(1 for vehicle in seen if vehicle[1])
        if name == "vehicle_count_receding":
            return sum(1 for vehicle in seen if not vehicle[1])
        if name == "pulse_count":
            return len(seen)
        if name == "vehicle_count":
            return len(seen)
        if name in _LENGTHS_M:
            low, high = _LENGTHS_M[name]
            return sum(1 for vehicle in seen if low <= vehicle[4] < high)
        if name.startswith("vehicle_speed_bin_"):
            k = int(name[18:])
            low, high = (10.0 * k if k > 1 else 0.0), (10.0 * k + 10.0 if k < 8 else math.inf)
            return sum(1 for vehicle in seen if low <= vehicle[2] < high)
        speeds = sorted(vehicle[2] for vehicle in seen)
        if name == "vehicle_speed_mean":
            return sum(speeds) / len(speeds) if speeds else None
        if name == "vehicle_speed_85":
            return speeds[(85 * len(speeds) + 99) // 100 - 1] if speeds else None
        raise KeyError(f"the world has no truth {name!r} over an interval")

    def _block(self, k: int) -> list[Pass]:
        if k not in self._blocks:
            if len(self._blocks) >= _KEPT_BLOCKS:
                self._blocks.pop(next(iter(self._blocks)))
            self._blocks[k] = self._make(k)
        return self._blocks[k]

    def _make(self, k: int) -> list[Pass]:
        rng = Prng(*self._seed, k)
        out: list[Pass] = []
        for approaching in (False, True):
            mean_s = 7200 / self.flow_veh_h(k * _BLOCK_S)
            at = k * _BLOCK_S + mean_s * -math.log(1 - rng.unit())
            while at < (k + 1) * _BLOCK_S - _HEADWAY_S:
                _share, length, mean, spread = _pick(rng.unit())
                speed = min(85.0, max(12.0, mean + spread * rng.gauss()))
                side = (5.5 if approaching else 2.5) + 0.4 * rng.gauss()
                out.append((round(at, 3), approaching, speed, side, length))
                at += _HEADWAY_S + max(0.0, mean_s - _HEADWAY_S) * -math.log(1 - rng.unit())
        out.sort()
        return out


def _pick(share: float) -> tuple[float, float, float, float]:
    for row in _CLASSES:
        if share < row[0]:
            return row
        share -= row[0]
    return _CLASSES[-1]
