"""Vehicles past a sensor, one by one: classes and speeds, lanes with a least headway, platoons of the signal upstream.

Shares and speeds of an Indonesian urban road (motorcycles some 70 %); passenger-car equivalents are the host's business. How many come
and how freely they go is flow.py's. Within a lane headways are shifted exponentials (Cowan's M2); where a signal is near, its green
sends 1.75 of the mean flow for 45 % of its cycle and the rest trickles in from side roads.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pantau_sim.sensors.base import Prng
from pantau_sim.world import exact

if TYPE_CHECKING:
    from pantau_sim.sensors.base import Pass
    from pantau_sim.world.flow import Conditions, Demand
    from pantau_sim.world.plan import Site

_BLOCK_S = 60
_KEPT_BLOCKS = 512  # about 8 hours of cache; older blocks are made again from the seed
HEADWAY_S = 1.2
_USED = (
    1 - HEADWAY_S / _BLOCK_S
)  # of a block: its last moments stay empty, for the next one's first to keep its distance
_GREEN, _IN_GREEN = 0.45, 1.75  # share of the cycle, flow in it over the mean
_LANE_M = 3.0
# class: share, length m, mean and deviation of speed km/h
_CLASSES = ((0.70, 2.0, 38.0, 7.0), (0.25, 4.5, 34.0, 6.0), (0.05, 9.0, 28.0, 4.0))
_LIGHT_OF_OTHERS = 5 / 6
# by length, between those of the classes
_LENGTHS_M = {
    "vehicle_count_motorcycle": (0.0, 2.8),
    "vehicle_count_light": (2.8, 6.0),
    "vehicle_count_heavy": (6.0, math.inf),
}
COUNTS = (
    [
        "vehicle_count",
        "vehicle_count_approaching",
        "vehicle_count_receding",
        "pulse_count",
        "vehicle_speed_mean",
        "vehicle_speed_85",
    ]
    + list(_LENGTHS_M)
    + [f"vehicle_speed_bin_{k}" for k in range(1, 9)]
)


class TrafficModel:
    """The vehicles of one station, minute by minute. `drift`: how much more come than go in the morning, and go in the evening."""

    def __init__(self, site: Site, seed: int, key: int, demand: Demand, drift: float) -> None:
        self._seed = (seed, key)
        self._demand = demand
        self._drift = drift
        self._lanes = site.lanes
        self._cycle_s = site.signal_s
        # Without a signal the vehicles are those of the first version, which many tests of sensors know; 2..5 % fewer than the flow says.
        self._used = _USED if site.signal_s else 1.0
        self._offset_s = site.signal_s * Prng(seed, key, 0x519).unit()
        self._blocks: dict[int, list[Pass]] = {}

    def flow_veh_h(self, t_s: float) -> float:
        """Expected flow of both directions in vehicles per hour, of a dry road."""
        return self._demand.expected_veh_h(t_s)

    def clear(self) -> None:
        """A shower was added."""
        self._blocks.clear()

    def passes(self, t0_s: float, t1_s: float) -> list[Pass]:
        """Vehicles that pass the sensor in (t0_s, t1_s], in order."""
        out = []
        for k in range(int(t0_s) // _BLOCK_S, int(t1_s) // _BLOCK_S + 1):
            out += [vehicle for vehicle in self._block(k) if t0_s < vehicle[0] <= t1_s]
        return out

    def interval(self, name: str, t0_s: float, t1_s: float) -> float | None:
        """Truth of a traffic property over an interval; None where no vehicle gives a value."""
        seen = self.passes(t0_s, t1_s)
        if name in {"vehicle_count", "pulse_count"}:
            return len(seen)
        if name in {"vehicle_count_approaching", "vehicle_count_receding"}:
            return sum(1 for vehicle in seen if vehicle[1] == (name == "vehicle_count_approaching"))
        if name in _LENGTHS_M:
            low, high = _LENGTHS_M[name]
            return sum(1 for vehicle in seen if low <= vehicle[4] < high)
        if name.startswith("vehicle_speed_bin_"):
            k = int(name[18:])
            low, high = (10.0 * k if k > 1 else 0.0), (10.0 * k + 10.0 if k < 8 else math.inf)
            return sum(1 for vehicle in seen if low <= vehicle[2] < high)
        speeds = sorted(vehicle[2] for vehicle in seen)
        if name == "vehicle_speed_mean":
            return math.fsum(speeds) / len(speeds) if speeds else None
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
        now = self._demand.at(k * _BLOCK_S)
        if now.flow_veh_h < 1.0:
            return []
        going = self._lanes // 2  # lanes of those that recede, next to the sensor; a single lane is one-way towards it
        morning = self._drift * exact.cos_turn((k * _BLOCK_S / 3600 + 7 - 7) / 24)
        out: list[Pass] = []
        for lane in range(self._lanes):
            approaching = lane >= going
            lanes = self._lanes - going if approaching else going
            share = (0.5 + (morning if approaching else -morning)) if going else 1.0
            mean_s = max(1.02 * HEADWAY_S, 3600 * lanes / (share * now.flow_veh_h) * self._used)
            self._lane(out, rng, now, (k * _BLOCK_S, lane, approaching, mean_s))
        out.sort()
        return out

    def _lane(self, out: list[Pass], rng: Prng, now: Conditions, lane: tuple[int, int, bool, float]) -> None:
        """Add a lane's vehicles of a minute: its start, the lane's number from the sensor, its direction, its mean headway."""
        start_s, number, approaching, mean_s = lane
        end_s = start_s + _BLOCK_S - HEADWAY_S
        light = now.motorcycles + (1 - now.motorcycles) * _LIGHT_OF_OTHERS
        crowd = min(_IN_GREEN, 0.98 * mean_s / HEADWAY_S) if self._cycle_s else 1.0  # a full lane has no platoons
        least_s = HEADWAY_S * crowd  # of mean flow, so that the headway is kept where it runs fastest
        first_s = mean_s - least_s if self._cycle_s else mean_s
        at = self._after(start_s, -first_s * exact.log(1 - rng.unit()), crowd)
        while at < end_s:
            draw = rng.unit()
            _, length, mean, spread = _CLASSES[0 if draw < now.motorcycles else 1 if draw < light else 2]
            speed = max(3.0, min(85.0, max(12.0, mean + spread * rng.gauss())) * now.speed)
            side = 2.5 + _LANE_M * number + 0.4 * rng.gauss()
            out.append((round(at, 3), approaching, speed, side, length))
            at = self._after(at, least_s - (mean_s - least_s) * exact.log(1 - rng.unit()), crowd)

    def _after(self, t_s: float, wait_s: float, crowd: float) -> float:
        """Return when `wait_s` of mean flow have come: `crowd` times as fast while the signal's platoon passes, slower in its gap."""
        if not self._cycle_s:
            return t_s + wait_s
        green_s = _GREEN * self._cycle_s
        slow = (1 - _GREEN * crowd) / (1 - _GREEN)
        while True:
            phase_s = (t_s - self._offset_s) % self._cycle_s
            rate, left_s = (crowd, green_s - phase_s) if phase_s < green_s else (slow, self._cycle_s - phase_s)
            if wait_s <= rate * left_s:
                return t_s + wait_s / rate
            wait_s -= rate * left_s
            t_s += left_s + 1e-6  # past the change of the signal, whatever the last bit
