"""Sun on the sensor: a module corrects the speed of sound by the temperature of its own body, which is hotter than the air.

c = 331.3 * sqrt(1 + T/273.15), 0.17 % a degree near 28 Cel: 12 degrees too hot are 2 %, 60 mm at 3 m (facts/sensors.md 3.1).
It takes a higher speed for granted, so the water looks lower at noon and right at night. Clouds are not looked at.
"""

from __future__ import annotations

from typing import ClassVar

from pantau_sim.ailments.base import DISTANCE, Ailment, grid, sunshine

_HOTTER_C = 12.0  # at noon


class Sun(Ailment):
    """12 degrees at noon times the strength."""

    ABOUT = "the sun heats the sensor by up to 12 degrees: distances are up to 2 % longer at noon"
    DOMAIN = "flood"
    CHANGES: ClassVar = DISTANCE

    def change(self, _name: str, t_s: float, value: float) -> float:
        """Longer by the wrong speed of sound."""
        air_k = 273.15 + self.truth("air_temperature", t_s)
        body_k = air_k + self.strength * _HOTTER_C * sunshine(t_s)
        return grid(value * (body_k / air_k) ** 0.5)
