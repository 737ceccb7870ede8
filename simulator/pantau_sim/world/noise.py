"""What wanders slowly for reasons that no model knows: seeded numbers at instants apart, and a smooth way between them."""

from __future__ import annotations

import math

from pantau_sim.sensors.base import Prng


class Wander:
    """A smooth function of time in -1..1 with a mean of 0, new every `period_s`."""

    def __init__(self, period_s: float, *seeds: int) -> None:
        self._period_s = period_s
        self._seeds = seeds
        self._k: int | None = None
        self._ends = (0.0, 0.0)

    def at(self, t_s: float) -> float:
        """Value at t_s."""
        x = t_s / self._period_s
        k = math.floor(x)
        if k != self._k:
            self._k, self._ends = k, (self._knot(k), self._knot(k + 1))
        x -= k
        low, high = self._ends
        return low + (high - low) * x * x * (3.0 - 2.0 * x)

    def _knot(self, k: int) -> float:
        return 2.0 * Prng(*self._seeds, k).unit() - 1.0
