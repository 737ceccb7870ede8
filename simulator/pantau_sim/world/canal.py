"""Level of a canal or ditch in town: one hydrograph per shower, and a little tide.

Rise: a gamma-shaped hydrograph (Nash cascade of two reservoirs), level proportional to what the shower brings. The bed is the zero of the
level: a pressure probe that lies on it has that much water above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.world import exact

if TYPE_CHECKING:
    from pantau_sim.world.plan import Site
    from pantau_sim.world.rain import Rain
    from pantau_sim.world.tide import Tide

_REMEMBERS = 20  # lags after which u exp(1 - u) is below 1e-7
_STORM_MM = 50  # of which Site.rise_m tells the rise


class Canal:
    """Level in m above the bed."""

    def __init__(self, site: Site, rain: Rain, lag_s: float, tide: Tide) -> None:
        self._site, self._rain, self._tide, self._lag_s = site, rain, tide, lag_s
        self._rise_m_mm = site.rise_m / _STORM_MM

    def levels(self, start_s: float, step_s: float, count: int) -> list[float]:
        """Return `count` levels from start_s on."""
        site, lag_s = self._site, self._lag_s
        times = [start_s + k * step_s for k in range(count)]
        out = [site.base_m + (site.tide_m * self._tide.at(t_s) if site.tide_m > 0 else 0.0) for t_s in times]
        for passing in self._rain.around(start_s - _REMEMBERS * lag_s, times[-1] + 1):
            rise_m = self._rise_m_mm * passing.total_mm
            for k, t_s in enumerate(times):
                u = (t_s - passing.shower.centre_s + passing.shower.width_s) / lag_s
                if 0 < u < _REMEMBERS:
                    out[k] += rise_m * u * exact.exp(1 - u)
        return [max(0.0, level) for level in out]
