"""Particles and gases: urban background, two rush hours, night inversion, wind, the station's own traffic, wash-out by rain, smoke.

Levels as reported for Greater Jakarta's dry season (PM2.5 30..80 ug/m3 by day means); size shares of an urban aerosol. Rain washes
by what fell in the last hours (below-cloud scavenging and the shower's clean downdraught; half of it gone after some 15 mm), and the
town fills the air again within hours. Gases are plausible, not calibrated: those of traffic follow the town's own particles, ozone the
sun, and NO eats it at rush hour. Haze is smoke of peat fires on top, where there is one: particles, CO, VOC, but hardly NO2; PM2.5 of
100..300 ug/m3 is what cities downwind had in 2015 and 2019.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.world import exact
from pantau_sim.world.grid import pointwise
from pantau_sim.world.noise import Wander
from pantau_sim.world.weather import local_hour

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau_sim.world.flow import Demand
    from pantau_sim.world.grid import Table
    from pantau_sim.world.plan import Haze, Site

TOWN_MEAN = 1.16  # mean of the day curve below, of which Site.pm2_5_ug_m3 tells the level
_PER_UG = 180.0  # particles above 0.3 um in 0.1 L per ug/m3 of PM2.5 (captured PMS5003 packets: 136..186)
_CO_PER_UG = 14.0  # ppb per ug/m3 of smoke: a kg of peat gives some 290 g of CO (Stockwell 2016), 17 g of PM2.5 (Jayarathne 2018)
_TAIL = 8.0  # widths after which sech2 is below 1e-6 of the peak
_WASHED_MM = 22.0  # of recent rain that leave a share of 1/e
# At the kerb of 1,000 vehicles per hour in free flow and a usual wind; congestion doubles what each vehicle gives.
_KERB_PM_UG, _KERB_NO2_PPB, _KERB_CO_PPB = 9.0, 12.0, 450.0
_BY_THE_ROAD = {"road": 1.0, "roadside": 1.0}


class AirModel:
    """Particle mass in ug/m3 and number per 0.1 L; gases in ppb, CO2 in ppm, `voc` and `nox` in multiples of clean air's."""

    def __init__(
        self, site: Site, seed: int, phase: float, wetness_mm: Table, hazes: list[Haze], demand: Demand
    ) -> None:
        self._wetness_mm = wetness_mm
        self._hazes = hazes
        self._base = site.pm2_5_ug_m3 / TOWN_MEAN
        self._phase = phase
        self._kerb = _BY_THE_ROAD.get(site.kind, 0.0)
        self._demand = demand
        self._still = Wander(6 * 3600, seed, 0xA1)
        self.parts = (pointwise(self._town), pointwise(self._smoke), pointwise(self._traffic))

    def properties(self) -> dict[str, Callable[[float], float]]:
        """Return every property by its name."""
        names = "pm1 pm2_5 pm10 particles_0_3 no2 o3 so2 co co2 voc nox"
        return {name: getattr(self, name) for name in names.split()}

    def clear(self) -> None:
        """A shower or smoke was added."""
        for part in self.parts:
            part.clear()

    def _split(self, t_s: float) -> tuple[float, float, float]:
        """Return PM2.5 of town and smoke in ug/m3, and traffic at the kerb in 1,000 vehicles/h."""
        town, smoke, traffic = self.parts
        return town.at(t_s), smoke.at(t_s), traffic.at(t_s)

    def _town(self, t_s: float) -> float:
        hour = local_hour(t_s)
        rush = exact.bell((hour - 7) / 1.5) + 0.8 * exact.bell((hour - 18) / 2.0)
        night = 0.3 * exact.cos_turn((hour - 3) / 24)
        slow = 0.25 * exact.sin_turn(t_s / 1130973.0 + self._phase)
        return self._base * (1 + 0.7 * rush + night + slow) * self._kept(t_s) * self._calm(t_s)

    def _smoke(self, t_s: float) -> float:
        total = 0.0
        for haze in self._hazes:
            x = (t_s - haze.centre_s) / haze.width_s
            total += haze.peak_ug_m3 * exact.sech2(x) if abs(x) < _TAIL else 0.0
        return total * self._kept(t_s) if total else 0.0

    def _traffic(self, t_s: float) -> float:
        if not self._kerb:
            return 0.0
        now = self._demand.at(t_s)
        return self._kerb * now.flow_veh_h / 1000 * (2 - min(1.0, now.speed)) * self._calm(t_s)

    def _kept(self, t_s: float) -> float:
        """Share that rain has left in the air."""
        wet = self._wetness_mm.at(t_s)
        return exact.exp(-wet / _WASHED_MM) if wet else 1.0

    def _calm(self, t_s: float) -> float:
        """How much of what a town gives stays near: more in a calm."""
        return 1 - 0.2 * self._still.at(t_s)

    def pm2_5(self, t_s: float) -> float:
        """PM2.5 in ug/m3."""
        town, smoke, traffic = self._split(t_s)
        return town + smoke + _KERB_PM_UG * traffic

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
        town, _, traffic = self._split(t_s)
        return 4 + 0.35 * town + _KERB_NO2_PPB * traffic

    def o3(self, t_s: float) -> float:
        """O3 in ppb."""
        sun = max(0.0, exact.cos_turn((local_hour(t_s) - 13) / 24))
        return (8 + 50 * sun * sun) * exact.exp(-self.no2(t_s) / 60)

    def so2(self, t_s: float) -> float:
        """SO2 in ppb."""
        return 2 + 0.08 * self._split(t_s)[0]

    def co(self, t_s: float) -> float:
        """CO in ppb."""
        town, smoke, traffic = self._split(t_s)
        return 250 + 18 * town + _CO_PER_UG * smoke + _KERB_CO_PPB * traffic

    def co2(self, t_s: float) -> float:
        """CO2 in ppm."""
        town, smoke, traffic = self._split(t_s)
        return 425 + 0.5 * town + 0.1 * smoke + 15 * traffic

    def voc(self, t_s: float) -> float:
        """Reducing gas in multiples of clean air's: it comes with CO."""
        return self.co(t_s) / 250

    def nox(self, t_s: float) -> float:
        """Oxidising gas in multiples of clean air's: it comes with NO2."""
        return self.no2(t_s) / 4
