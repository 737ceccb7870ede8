"""Zero drift: the distance shrinks day by day, towards the false alarm, as with deposits on the face or silt on the bed.

The dry reference of a station shows it: the median of dry nights over a week (facts/sensors.md 3.1).
"""

from __future__ import annotations

from typing import ClassVar

from pantau_sim.ailments.base import DISTANCE, Ailment

_MM_A_DAY = 2.0


class Drift(Ailment):
    """2 mm a day times the strength, from the start of the span on; somebody cleans it at the end."""

    ABOUT = "the zero drifts by 2 mm a day, nearer"
    DOMAIN = "flood"
    CHANGES: ClassVar = DISTANCE

    def change(self, _name: str, t_s: float, value: float) -> float:
        """Nearer with the days."""
        return max(0.0, value - self.strength * _MM_A_DAY / 1000 * (t_s - self.start_s) / 86400)
