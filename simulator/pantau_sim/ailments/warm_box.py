"""A warm box: the climate sensor hangs with the electronics and not in the air stream; it reads warm and dry.

One degree all the time by the electronics and three more by the sun; the vapour is the same, so the relative humidity
falls with the saturation pressure (Magnus, WMO No. 8: 6.112 hPa * exp(17.62 T / (243.12 + T))).
"""

from __future__ import annotations

import math
from typing import ClassVar

from pantau_sim.ailments.base import Ailment, grid, sunshine

_ELECTRONICS_C, _SUN_C = 1.0, 3.0


class WarmBox(Ailment):
    """1 degree at night and 4 at noon, times the strength."""

    ABOUT = "the climate sensor sits in a box that is 1 degree warmer than the air at night and 4 at noon"
    DOMAIN = "climate"
    CHANGES: ClassVar = frozenset({"air_temperature", "relative_humidity"})

    def change(self, name: str, t_s: float, value: float) -> float:
        """Warmer, and drier for it."""
        warmer = self.strength * (_ELECTRONICS_C + _SUN_C * sunshine(t_s))
        if name == "air_temperature":
            return grid(value + warmer)
        air_c = self.truth("air_temperature", t_s)
        return grid(value * _saturated(air_c) / _saturated(air_c + warmer))


def _saturated(celsius: float) -> float:
    return math.exp(17.62 * celsius / (243.12 + celsius))
