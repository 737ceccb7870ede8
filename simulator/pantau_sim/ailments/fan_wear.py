"""A worn fan draws less air through the chamber: the sensor counts less, and less steadily, month by month.

Some 4 % of a large network's optical sensors were flagged after four years, 2 % for good (facts/sensors.md 3.4, PA-DEG);
how far one falls until then is ours.
"""

from __future__ import annotations

from typing import ClassVar

from pantau_sim.ailments.base import PARTICLES, Ailment

_LESS, _NOISE = 0.40, 0.10
_MOST = 0.95


class FanWear(Ailment):
    """40 % less at the end of the span, with 10 % noise, both times the strength and growing evenly."""

    ABOUT = "the fan wears: particles fall to 60 % over the span, with 10 % more noise"
    DOMAIN = "air"
    CHANGES: ClassVar = PARTICLES

    def change(self, _name: str, t_s: float, value: float) -> float:
        """Less, by one factor for all sizes."""
        worn = self.strength * self.progress(t_s)
        return max(0.0, value * (1 - min(_MOST, _LESS * worn)) * (1 + _NOISE * worn * self.noise(t_s).gauss()))
