"""Supply of a node: a solar panel and one lithium-ion cell pack, or mains.

Charge is panel power times sun over 1000 W/m2 (dirt, angle and controller leave 0.7 of it) less a mean load: a level node with deep sleep some
10 mW (facts/sensors.md 4, FloodNet's bench: 2.8 mA at 3.6 V), a particle sensor with its fan 0.5 W, a vehicle radar 0.54 W (1.2 a). Voltage from
the state of charge by a usual cell's curve; 3.0 V is where its protection cuts off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.world.grid import Chain

if TYPE_CHECKING:
    from pantau_sim.world.plan import Site
    from pantau_sim.world.sun import Sun

MAINS_MV = 12000.0
_YIELD = 0.7
_LOAD_W = {"road": 0.7, "roadside": 0.55, "background": 0.55}  # others: level nodes
_LEVEL_NODE_W = 0.05  # with a report every few minutes and the ultrasonic head
_LEAST_WH = 12.4  # one cell of 3.35 Ah
_DAYS = 3.0  # that a larger pack lasts without sun
_BEGINS = 0.8
_CURVE_MV = (
    3000.0,
    3450.0,
    3580.0,
    3640.0,
    3690.0,
    3750.0,
    3820.0,
    3900.0,
    3990.0,
    4080.0,
    4180.0,
)  # per tenth of charge


class Battery:
    """Voltage of the supply in mV, from `origin_s` on; 12 V where the panel has no size."""

    def __init__(self, site: Site, sun: Sun, origin_s: float) -> None:
        self._panel_w = site.panel_w * _YIELD
        self._sun = sun
        self._load_w = _LOAD_W.get(site.kind, _LEVEL_NODE_W)
        self._full_wh = max(_LEAST_WH, self._load_w * 24 * _DAYS)
        self._chain = Chain(origin_s, self._voltage_mv(_BEGINS), _BEGINS, self._advance, 600.0, 36)
        self.at = self._chain.at if site.panel_w > 0 else self._mains
        self.clear = self._chain.clear

    def _advance(self, charge: float, start_s: float, step_s: float, count: int) -> tuple[list[float], float]:
        out = []
        for k in range(count):
            shone = self._sun.irradiance_w_m2(start_s + (k + 0.5) * step_s) / 1000
            gained_wh = (self._panel_w * shone - self._load_w) * step_s / 3600
            charge = min(1.0, max(0.0, charge + gained_wh / self._full_wh))
            out.append(self._voltage_mv(charge))
        return out, charge

    @staticmethod
    def _voltage_mv(charge: float) -> float:
        i = min(9, int(10 * charge))
        return _CURVE_MV[i] + (_CURVE_MV[i + 1] - _CURVE_MV[i]) * (10 * charge - i)

    @staticmethod
    def _mains(_t_s: float) -> float:
        return MAINS_MV
