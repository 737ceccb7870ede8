"""Something: a slow rise and fall that nobody could name (7 of 100 of FloodNet's labelled points).

A person who sits down, a plant that bends or grows into the beam. Half a sine squared, as smooth as water: no filter
knows it from a flood by its shape.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pantau_sim.ailments.base import DISTANCE, Ailment, grid

if TYPE_CHECKING:
    from pantau_sim.sensors.base import Prng

_HEIGHT_M = (0.05, 0.45)
_JITTER_M = 0.004


class Something(Ailment):
    """A hump of 50 to 450 mm times the strength over the whole span, lower ones more often."""

    ABOUT = "a slow unexplained hump of 50 to 450 mm over the whole span: a person, a plant"
    DOMAIN = "flood"
    CHANGES: ClassVar = DISTANCE

    def setup(self, rng: Prng) -> None:
        """One height."""
        least, most = _HEIGHT_M
        self._height_m = self.strength * (least + (most - least) * rng.unit() ** 2)

    def change(self, _name: str, t_s: float, value: float) -> float:
        """Nearer by the hump."""
        hump = grid(self._height_m * math.sin(math.pi * self.progress(t_s)) ** 2)
        return max(0.0, value - hump - _JITTER_M * (self.noise(t_s).unit() - 0.5))
