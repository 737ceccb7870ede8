"""Particles and gases: urban background, two rush hours, night inversion, wash-out by rain.

Levels as reported for Greater Jakarta's dry season (PM2.5 30..80 ug/m3 by day means); size shares of an urban aerosol.
Gases are plausible, not calibrated: those of traffic follow the particles, ozone the sun, and NO eats it at rush hour.
"""

import math

from pantau_sim.sensors.base import Prng
from pantau_sim.world.rain import RainModel
from pantau_sim.world.weather import local_hour

_PER_UG = 180.0  # particles above 0.3 um in 0.1 L per ug/m3 of PM2.5 (captured PMS5003 packets: 136..186)


class AirModel:
    """Particle mass in ug/m3 and number per 0.1 L; gases in ppb, CO2 in ppm."""

    def __init__(self, rain: RainModel, rng: Prng) -> None:
        self._rain = rain
        self._base = 22 + 18 * rng.unit()
        self._phase = 6.28 * rng.unit()

    def pm2_5(self, t_s: float) -> float:
        """PM2.5 in ug/m3."""
        hour = local_hour(t_s)
        rush = math.exp(-(((hour - 7) / 1.5) ** 2)) + 0.8 * math.exp(-(((hour - 18) / 2.0) ** 2))
        night = 0.3 * math.cos((hour - 3) * math.pi / 12)
        slow = 0.25 * math.sin(t_s / 180000 + self._phase)
        return self._base * (1 + 0.7 * rush + night + slow) * math.exp(-self._rain.rate_mm_h(t_s) / 25)

    def pm1(self, t_s: float) -> float:
        """PM1 in ug/m3."""
        return 0.65 * self.pm2_5(t_s)

    def pm10(self, t_s: float) -> float:
        """PM10 in ug/m3."""
        return 1.35 * self.pm2_5(t_s)

    def particles_0_3(self, t_s: float) -> float:
        """Particles above 0.3 um per 0.1 L."""
        return _PER_UG * self.pm2_5(t_s)

    def no2(self, t_s: float) -> float:
        """NO2 in ppb."""
        return 4 + 0.35 * self.pm2_5(t_s)

    def o3(self, t_s: float) -> float:
        """O3 in ppb."""
        sun = max(0.0, math.cos((local_hour(t_s) - 13) * math.pi / 12))
        return (8 + 50 * sun * sun) * math.exp(-self.no2(t_s) / 60)

    def so2(self, t_s: float) -> float:
        """SO2 in ppb."""
        return 2 + 0.08 * self.pm2_5(t_s)

    def co(self, t_s: float) -> float:
        """CO in ppb."""
        return 250 + 18 * self.pm2_5(t_s)

    def co2(self, t_s: float) -> float:
        """CO2 in ppm."""
        return 425 + 0.5 * self.pm2_5(t_s)
