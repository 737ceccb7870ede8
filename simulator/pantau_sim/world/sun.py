"""Sun and clouds: irradiance on the level ground.

Clear sky by Haurwitz (1945), from the sun's height alone; clouds take 0.75 N^3.4 of it (Kasten and Czeplak 1980). The equation of time
(up to 16 min) is left out. Cloud cover wanders, is larger in the afternoon, and rain comes with a closed sky.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pantau_sim.world import exact
from pantau_sim.world.noise import Wander

if TYPE_CHECKING:
    from pantau_sim.world.rain import Rain

_LONGITUDE_H = 106.63 / 15  # by which the sun is ahead of Greenwich
_SIN_LATITUDE, _COS_LATITUDE = exact.sin_turn(-6.18 / 360), exact.cos_turn(-6.18 / 360)
_SOLSTICE_S = 1766329380.0  # 2025-12-21 15:03 UTC: the sun stands furthest south
_YEAR_S = 31556925.2
_SIN_OBLIQUITY = exact.sin_turn(23.44 / 360)


def sine_of_height(t_s: float) -> float:
    """Sine of the sun's height over Tangerang's horizon."""
    sin_south = _SIN_OBLIQUITY * exact.cos_turn((t_s - _SOLSTICE_S) / _YEAR_S)
    hour_turn = (t_s / 3600 + _LONGITUDE_H - 12) / 24
    cos_south = math.sqrt(1 - sin_south * sin_south)
    return -_SIN_LATITUDE * sin_south + _COS_LATITUDE * cos_south * exact.cos_turn(hour_turn)


def clear_sky_w_m2(t_s: float) -> float:
    """Irradiance without clouds."""
    sine = sine_of_height(t_s)
    return 1098.0 * sine * exact.exp(-0.057 / sine) if sine > 0.001 else 0.0


class Sun:
    """Irradiance under the clouds of one place; they are the whole city's, rain is the place's own."""

    def __init__(self, seed: int, rain: Rain) -> None:
        self._rain = rain
        self._days = Wander(3 * 86400, seed, 0x5D1)
        self._hours = Wander(2 * 3600, seed, 0x5D2)

    def cloud(self, t_s: float) -> float:
        """Cloud cover 0..1."""
        afternoon = exact.cos_turn((t_s / 3600 + 7 - 15) / 24)
        cover = 0.5 + 0.25 * self._days.at(t_s) + 0.25 * self._hours.at(t_s) + 0.15 * afternoon
        rain = self._rain.rate.at(t_s)
        return min(1.0, max(0.05, cover + rain / (rain + 2.0)))

    def irradiance_w_m2(self, t_s: float) -> float:
        """Irradiance on the level ground in W/m2."""
        clear = clear_sky_w_m2(t_s)
        return clear * (1 - 0.75 * exact.power(self.cloud(t_s), 3.4)) if clear > 0 else 0.0
