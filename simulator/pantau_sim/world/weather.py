"""Temperature, humidity and pressure of a lowland station near 6 degrees south.

Day curve 23..33 Cel, humidity in antiphase, semi-diurnal pressure wave of +-1.4 hPa with maxima near 10 and 22 h local
time (tropical atmospheric tide); rain cools and moistens.
"""

import math

from pantau_sim.sensors.base import Prng
from pantau_sim.world.rain import RainModel

UTC_OFFSET_H = 7  # western Indonesia


def local_hour(t_s: float) -> float:
    """Hour of the day in Tangerang, 0..24."""
    return (t_s / 3600 + UTC_OFFSET_H) % 24


class WeatherModel:
    """One weather for the whole city."""

    def __init__(self, rain: RainModel, rng: Prng) -> None:
        self._rain = rain
        self._phase = 6.28 * rng.unit()

    def temperature_c(self, t_s: float) -> float:
        """Air temperature in Cel."""
        day = 4.5 * math.cos((local_hour(t_s) - 14) * math.pi / 12)
        slow = 0.8 * math.sin(t_s / 250000 + self._phase)
        return 28.0 + day + slow - 3.0 * self._wet(t_s)

    def humidity_pct(self, t_s: float) -> float:
        """Relative humidity in %."""
        day = -17 * math.cos((local_hour(t_s) - 14) * math.pi / 12)
        return min(99.0, max(35.0, 75 + day + 15 * self._wet(t_s)))

    def pressure_hpa(self, t_s: float) -> float:
        """Air pressure in hPa."""
        return (
            1009.5 + 1.4 * math.cos((local_hour(t_s) - 10) * math.pi / 6) + 1.5 * math.sin(t_s / 400000 + self._phase)
        )

    def _wet(self, t_s: float) -> float:
        """0 dry .. 1 heavy rain."""
        return math.tanh(self._rain.rate_mm_h(t_s) / 15)
