"""Dust on the optics: stray light is a floor that is always there, and what passes is seen through a dirty window.

Why optical sensors are cleaned or changed after a year at a kerb. Figures are ours.
"""

from __future__ import annotations

from typing import ClassVar

from pantau_sim.ailments.base import PARTICLES, Ailment

_LESS, _FLOOR_UG = 0.20, 6.0
_MOST = 0.95
# of the floor in PM2.5, as the coat is coarse dust
_SHARE = {"pm1": 0.5, "pm2_5": 1.0, "pm4": 1.6, "pm10": 2.0, "particles_0_3": 60.0}


class DustCoat(Ailment):
    """At the end of the span 20 % less and 6 ug/m3 more (PM2.5), times the strength, growing evenly."""

    ABOUT = "dust on the optics: over the span 20 % less, on a floor of 6 ug/m3"
    DOMAIN = "air"
    CHANGES: ClassVar = PARTICLES

    def change(self, name: str, t_s: float, value: float) -> float:
        """Less, on a floor."""
        coat = self.strength * self.progress(t_s)
        return value * (1 - min(_MOST, _LESS * coat)) + _FLOOR_UG * coat * _SHARE[name]
