"""A tilted mount: the beam goes aslant and its path is the height over the cosine, so the water looks lower.

A pole that a car leaned against; 10 degrees are 1.5 %, 46 mm at 3 m.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pantau_sim.ailments.base import DISTANCE, Ailment, grid

if TYPE_CHECKING:
    from pantau_sim.sensors.base import Prng

_TILT_DEG = 10.0
_MOST_DEG = 45.0


class Tilt(Ailment):
    """10 degrees times the strength."""

    ABOUT = "the mount is tilted by 10 degrees: all distances are longer by 1.5 %"
    DOMAIN = "flood"
    CHANGES: ClassVar = DISTANCE

    def setup(self, rng: Prng) -> None:  # noqa: ARG002  nothing is drawn
        """One angle."""
        self._factor = 1 / math.cos(math.radians(min(_MOST_DEG, _TILT_DEG * self.strength)))

    def change(self, _name: str, _t_s: float, value: float) -> float:
        """The longer path."""
        return grid(value * self._factor)
