"""Humid air: particles swell with water and an optical sensor takes the water for dust.

kappa-Koehler growth of mass as used for such sensors (Crilley et al. 2018, AMT 11:709): 1 + (kappa / 1.65) * a / (1 - a),
a the relative humidity; kappa 0.3 of an urban aerosol with much soot and organics. It counts from 80 % on, below which
the factory's own factor holds it. Nights in Tangerang are above 90 % (facts/sensors.md 3.4).
"""

from __future__ import annotations

from typing import ClassVar

from pantau_sim.ailments.base import PARTICLES, Ailment, grid

_KAPPA = 0.30
_DENSITY = 1.65
_FROM, _TO = 0.80, 0.97  # beyond, drops: the formula has no end


class HumidityBias(Ailment):
    """kappa 0.3 times the strength: 1.2 times the mass at 85 %, 2.6 times at 95 %."""

    ABOUT = "particles swell in humid air: 1.2 times the mass at 85 % humidity, 2.6 times at 95 %"
    DOMAIN = "air"
    CHANGES: ClassVar = PARTICLES - {"particles_0_3"}  # they grow, they do not become more

    def change(self, _name: str, t_s: float, value: float) -> float:
        """More by the water in them."""
        activity = min(_TO, self.truth("relative_humidity", t_s) / 100)
        return grid(value * self._growth(activity) / self._growth(_FROM)) if activity > _FROM else value

    def _growth(self, activity: float) -> float:
        return 1 + _KAPPA * self.strength / _DENSITY * activity / (1 - activity)
