"""Particles and gases: urban background, two rush hours, night inversion, wash-out by rain.

Levels as reported for Greater Jakarta's dry season (PM2.5 30..80 ug/m3 by day means); size shares of an urban aerosol.
Gases are plausible, not calibrated: those of traffic follow the town's own particles, ozone the sun, and NO eats it at rush
hour. Haze is smoke of peat fires on top, where one is added: particles, CO, VOC, but hardly NO2; PM2.5 of 100..300 ug/m3 is
what cities downwind had in 2015 and 2019.
"""

import math
from typing import NamedTuple

from pantau_sim.sensors.base import Prng
from pantau_sim.world.rain import RainModel
from pantau_sim.world.weather import local_hour

_PER_UG = 180.0  # particles above 0.3 um in 0.1 L per ug/m3 of PM2.5 (captured PMS5003 packets: 136..186)
_CO_PER_UG = 14.0  # ppb per ug/m3 of smoke: a kg of peat gives some 290 g of CO (Stockwell 2016), 17 g of PM2.5 (Jayarathne 2018)
_TAIL = 8.0  # widths after which sech2 is below 1e-6 of the peak


class Haze(NamedTuple):
    """Smoke over the city: instant of the peak (Unix s), PM2.5 of it then in ug/m3, width s of the sech2 around it."""

    centre_s: float
    peak_ug_m3: float
    width_s: float

    def pm2_5(self, t_s: float) -> float:
        """PM2.5 of the smoke in ug/m3."""
        x = (t_s - self.centre_s) / self.width_s
        return self.peak_ug_m3 / math.cosh(x) ** 2 if abs(x) < _TAIL else 0.0


class AirModel:
    """Particle mass in ug/m3 and number per 0.1 L; gases in ppb, CO2 in ppm, `voc` and `nox` in multiples of clean air's."""

    def __init__(self, rain: RainModel, rng: Prng, hazes: list[Haze]) -> None:
        self._rain = rain
        self._hazes = hazes
        self._base = 22 + 18 * rng.unit()
        self._phase = 6.28 * rng.unit()
        self._at_s = math.nan
        self._parts = (0.0, 0.0)

    def pm2_5(self, t_s: float) -> float:
        """PM2.5 in ug/m3."""
        return sum(self._split(t_s))

    def _split(self, t_s: float) -> tuple[float, float]:
        """PM2.5 of the town and of smoke in ug/m3; of an instant all is asked at once."""
        if t_s != self._at_s:
            left = math.exp(-self._rain.rate_mm_h(t_s) / 25)
            self._parts = left * self._town(t_s), left * sum(haze.pm2_5(t_s) for haze in self._hazes)
            self._at_s = t_s
        return self._parts

    def _town(self, t_s: float) -> float:
        hour = local_hour(t_s)
        rush = math.exp(-(((hour - 7) / 1.5) ** 2)) + 0.8 * math.exp(-(((hour - 18) / 2.0) ** 2))
        night = 0.3 * math.cos((hour - 3) * math.pi / 12)
        slow = 0.25 * math.sin(t_s / 180000 + self._phase)
        return self._base * (1 + 0.7 * rush + night + slow)

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
        return 4 + 0.35 * self._split(t_s)[0]

    def o3(self, t_s: float) -> float:
        """O3 in ppb."""
        sun = max(0.0, math.cos((local_hour(t_s) - 13) * math.pi / 12))
        return (8 + 50 * sun * sun) * math.exp(-self.no2(t_s) / 60)

    def so2(self, t_s: float) -> float:
        """SO2 in ppb."""
        return 2 + 0.08 * self._split(t_s)[0]

    def co(self, t_s: float) -> float:
        """CO in ppb."""
        return 250 + 18 * self._split(t_s)[0] + _CO_PER_UG * self._split(t_s)[1]

    def co2(self, t_s: float) -> float:
        """CO2 in ppm."""
        return 425 + 0.5 * self._split(t_s)[0] + 0.1 * self._split(t_s)[1]

    def voc(self, t_s: float) -> float:
        """Reducing gas in multiples of clean air's: it comes with CO."""
        return self.co(t_s) / 250

    def nox(self, t_s: float) -> float:
        """Oxidising gas in multiples of clean air's: it comes with NO2."""
        return self.no2(t_s) / 4
