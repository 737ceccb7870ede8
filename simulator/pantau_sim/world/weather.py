"""Temperature, humidity and pressure of a lowland station near 6 degrees south, and of the air in the box where the electronics hang.

Day curve 23..33 Cel, humidity in antiphase, semi-diurnal pressure wave of +-1.4 hPa with maxima near 10 and 22 h local time (tropical
atmospheric tide); rain cools and moistens, most by day, and the air takes an hour and a half to forget it. A box is warmer than the
air by its electronics and by the sun that falls on it, and as dry as the same vapour is at its temperature (Magnus formula): warm and
dry by day, as facts/sensors.md 3.4 has it of any sensor inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.sensors.base import Prng
from pantau_sim.world import exact
from pantau_sim.world.grid import Table, pointwise

if TYPE_CHECKING:
    from pantau_sim.world.plan import Site
    from pantau_sim.world.rain import Rain

UTC_OFFSET_H = 7  # western Indonesia
_FORGETS_S = 5400.0
_LOOKS_BACK_S = 8 * 5400
_OWN_HEAT_K = 0.8  # of the electronics, above the air around
_SUN_K = {"shaded": 1.5, "sunny": 9.0}  # at 1000 W/m2
_BOX_LAG_S = 900.0


def local_hour(t_s: float) -> float:
    """Hour of the day in Tangerang, 0..24."""
    return (t_s / 3600 + UTC_OFFSET_H) % 24


def wetness(rain: Rain) -> Table:
    """Return the rain of the last hours in mm, fading: how much it cools, moistens and washes.

    Each block of six hours is worked out from twelve hours before it on, so that nothing of what was asked before counts.
    """

    def make(start_s: float, step_s: float, count: int) -> list[float]:
        near = rain.around(start_s - _LOOKS_BACK_S, start_s + step_s * count)
        if not near:
            return [0.0] * count
        before = max(0, min(int(_LOOKS_BACK_S / step_s), int((start_s - min(p.begin_s for p in near)) / step_s) + 1))
        fades = exact.exp(-step_s / _FORGETS_S)
        wet, out = 0.0, [0.0]
        for amount_mm in rain.amounts_mm(start_s - before * step_s, step_s, before + count - 1):
            wet = wet * fades + amount_mm
            out.append(wet)
        return out[before:]

    return Table(make, 60.0, 360)


class WeatherModel:
    """The city's weather with a place's own rain."""

    def __init__(self, seed: int, wetness_mm: Table) -> None:
        self._wetness_mm = wetness_mm
        self._phase = Prng(seed, 1).unit()

    def temperature_c(self, t_s: float) -> float:
        """Air temperature in Cel."""
        day = exact.cos_turn((local_hour(t_s) - 14) / 24)
        slow = 0.8 * exact.sin_turn(t_s / 1570796.0 + self._phase)
        return 28.0 + 4.5 * day + slow - (2.0 + 2.0 * max(0.0, day)) * self._wet(t_s)

    def humidity_pct(self, t_s: float) -> float:
        """Relative humidity in %."""
        day = -17 * exact.cos_turn((local_hour(t_s) - 14) / 24)
        return min(99.0, max(35.0, 75 + day + 18 * self._wet(t_s)))

    def pressure_hpa(self, t_s: float) -> float:
        """Air pressure in hPa."""
        tide = 1.4 * exact.cos_turn((local_hour(t_s) - 10) / 12)
        return 1009.5 + tide + 1.5 * exact.sin_turn(t_s / 2513274.0 + self._phase)

    def _wet(self, t_s: float) -> float:
        """0 dry .. 1 after heavy rain."""
        wet = self._wetness_mm.at(t_s)
        return wet / (wet + 5.0)


class Box:
    """What a sensor in the box of a site feels; `air` is temperature and humidity outside, in tables as the sun is."""

    def __init__(self, site: Site, air: tuple[Table, Table], sun_w_m2: Table) -> None:
        self._sun_k = _SUN_K[site.box]
        self._outside_c, self._outside_pct = air
        self._sun_w_m2 = sun_w_m2
        self.temperature = pointwise(self._temperature_c)
        self.humidity = pointwise(self._humidity_pct)

    def _temperature_c(self, t_s: float) -> float:
        """Temperature in Cel: it follows the sun a quarter of an hour late."""
        shone = 0.5 * (self._sun_w_m2.at(t_s - _BOX_LAG_S) + self._sun_w_m2.at(t_s - 2 * _BOX_LAG_S))
        return self._outside_c.at(t_s) + _OWN_HEAT_K + self._sun_k * shone / 1000

    def _humidity_pct(self, t_s: float) -> float:
        """Relative humidity in %: the vapour of the air outside at the temperature inside."""
        warmer = saturation_hpa(self.temperature.at(t_s)) / saturation_hpa(self._outside_c.at(t_s))
        return self._outside_pct.at(t_s) / warmer


def saturation_hpa(celsius: float) -> float:
    """Pressure of saturated vapour over water (Magnus; WMO's coefficients)."""
    return 6.112 * exact.exp(17.62 * celsius / (243.12 + celsius))
