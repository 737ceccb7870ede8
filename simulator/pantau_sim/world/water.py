"""Water level at a street or canal gauge: tide, and one unit hydrograph per shower.

Tide: M2 and K1 with the small amplitudes of the Java Sea (mixed, mainly diurnal). Rise: a gamma-shaped hydrograph (Nash
cascade of two reservoirs), level proportional to rain volume; routing comes with the scenarios.
The bed is the zero of the level: a pressure probe that lies on it has that much water above it.
"""

import math

from pantau_sim.sensors.base import Prng
from pantau_sim.world.rain import RainModel

_M2_S, _K1_S = 44714.16, 86164.09


class WaterModel:
    """Level in m above the bed, and the distance that a sensor above it sees."""

    def __init__(self, rain: RainModel, rng: Prng) -> None:
        self._rain = rain
        self.mount_m = 2.6 + 0.8 * rng.unit()
        self.base_m = 0.15 + 0.2 * rng.unit()
        self.float_m = self.base_m + 0.5  # the float switch hangs well above what tide alone reaches (0.12 m)
        self._tide_m = 0.02 + 0.06 * rng.unit()
        self._phase = 6.28 * rng.unit()
        self._rise_m_mm = 0.004 + 0.008 * rng.unit()
        self._lag_s = 900 + 1800 * rng.unit()

    def level_m(self, t_s: float) -> float:
        """Water level in m."""
        tide = math.sin(t_s * 2 * math.pi / _K1_S + self._phase) + 0.5 * math.sin(t_s * 2 * math.pi / _M2_S)
        level = self.base_m + self._tide_m * tide
        for storm in self._rain.recent(t_s, 3):
            u = (t_s - storm.centre_s + storm.width_s) / self._lag_s
            if 0 < u < 20:
                level += self._rise_m_mm * storm.total_mm * u * math.exp(1 - u)
        return max(0.0, level)

    def distance_m(self, t_s: float) -> float:
        """Distance from sensor to water in m; never below 30 mm under the sensor."""
        return max(0.03, self.mount_m - self.level_m(t_s))

    def contact(self, t_s: float) -> float:
        """1 while the water is up to the float switch, at float_m above the bed."""
        return float(self.level_m(t_s) >= self.float_m)
