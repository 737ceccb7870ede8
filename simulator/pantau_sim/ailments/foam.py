"""Foam on the water swallows echoes: many reads have none, and the rest come from anywhere in and below it.

The reason for transducers in rivers with foam (facts/sensors.md 6.1). Detergents and weirs make it 10 to 100 mm thick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pantau_sim.ailments.base import DISTANCE, NO_ECHO_M, Ailment

if TYPE_CHECKING:
    from pantau_sim.sensors.base import Prng

_LOST = 0.45
_MOST = 0.98
_THICK_M = (0.01, 0.10)
_LONGER_M = 0.04  # paths by way of the bank


class Foam(Ailment):
    """45 % of the reads times the strength have no echo; the others are up to 100 mm nearer or 40 mm farther."""

    ABOUT = "foam on the water: 45 % of the reads have no echo, the others are up to 100 mm nearer or 40 mm farther"
    DOMAIN = "flood"
    CHANGES: ClassVar = DISTANCE

    def setup(self, rng: Prng) -> None:
        """How thick it is."""
        least, most = _THICK_M
        self._thick_m = least + (most - least) * rng.unit()

    def change(self, _name: str, t_s: float, value: float) -> float:
        """No echo, or one from somewhere."""
        rng = self.noise(t_s)
        if rng.unit() < min(_MOST, _LOST * self.strength):
            return NO_ECHO_M
        return max(0.0, value - self._thick_m + (self._thick_m + _LONGER_M) * rng.unit())
