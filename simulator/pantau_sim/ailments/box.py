"""Box: a jump, then flat, then back: a parked car or a bin under the sensor (9 of 100 of FloodNet's labelled points).

The echo comes from its top, at one height above the ground on which it was put, as long as water does not cover it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pantau_sim.ailments.base import DISTANCE, Ailment, among

if TYPE_CHECKING:
    from pantau_sim.sensors.base import Prng

# of what stands there, and how high, m: crates and bags, bins and motorcycles, cars
_THINGS = ((0.35, 0.08, 0.30), (0.35, 0.50, 1.10), (0.30, 1.30, 1.60))
_NEAREST_M = 0.35  # nothing is parked higher than this below the sensor
_JITTER_M = 0.002  # a bonnet in the wind


class Box(Ailment):
    """Something 0.08 to 1.6 m high times the strength."""

    ABOUT = "a car, bin or crate of 0.08 to 1.6 m stands under the sensor: a jump, then flat, then back"
    DOMAIN = "flood"
    CHANGES: ClassVar = DISTANCE

    def setup(self, rng: Prng) -> None:
        """What it is and where its top is."""
        height_m = among(rng.unit(), _THINGS)
        ground_m = self.truth("water_distance", self.start_s)
        self._top_m = max(min(_NEAREST_M, ground_m), ground_m - self.strength * height_m)

    def change(self, _name: str, t_s: float, value: float) -> float:
        """The top, or the water above it."""
        return min(value, self._top_m + _JITTER_M * (self.noise(t_s).unit() - 0.5))
