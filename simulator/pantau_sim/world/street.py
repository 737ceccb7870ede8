"""Water on a street: a bucket that rain fills from all that drains there, and that its inlets empty as far as they can.

Inflow: rain on `area_ha`, of which paved ground gives 0.9 (rational method), through a linear reservoir of five minutes, the time to the
inlets. Outflow: the drains' capacity less the blocked share, fading over the last centimetre; and a slow recession by all other
ways. The pool is a street's trough of 2,000 m2 that widens as it deepens: depth = w (sqrt(1 + 2 v / w) - 1) with w = 0.3 m and v the
water per m2 of trough. Rises stay near the 0.76 mm/s of New York's worst (facts/sensors.md 3.1) even for 8 ha and 100 mm/h.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from pantau_sim.world.grid import Chain

if TYPE_CHECKING:
    from pantau_sim.world.plan import Site
    from pantau_sim.world.rain import Rain

RUNOFF = 0.9
POOL_M2 = 2000.0
_WIDENS_M = 0.3
_TO_INLETS_S = 300.0
_RECESSION_S = 6 * 3600.0
_FADES_M = 0.01
_DRY_M = 0.0005  # less than this is a wet road, not water


class Pool(NamedTuple):
    """Where the water is, in m over the trough: on its way, on the street, and what came and went in all."""

    coming: float = 0.0
    stored: float = 0.0
    fallen: float = 0.0
    drained: float = 0.0


class Street:
    """Depth in m over the ground of a street, from `origin_s` on; before that it is dry."""

    def __init__(self, site: Site, rain: Rain, origin_s: float) -> None:
        self._rain = rain
        self._gain = RUNOFF * site.area_ha * 10_000 / POOL_M2  # m of water over the trough per m of rain
        self._drain_m_s = (1 - site.blocked) * site.drain_mm_h / 3.6e6 * site.area_ha * 10_000 / POOL_M2
        self._chain = Chain(origin_s, 0.0, Pool(), self.advance, 10.0)
        self.at = self._chain.at
        self.clear = self._chain.clear

    def advance(self, pool: Pool, start_s: float, step_s: float, count: int) -> tuple[list[float], Pool]:
        """Depths after each step, and the pool then."""
        accumulated = self._rain.accumulated.at
        before_mm = accumulated(start_s)
        quiet = accumulated(start_s + count * step_s) == before_mm
        if quiet and pool.stored == 0.0 and pool.coming < 1e-6:
            return [0.0] * count, pool._replace(coming=0.0, drained=pool.drained + pool.coming)
        coming, stored, fallen, drained = pool
        arrives = step_s / (_TO_INLETS_S + 0.5 * step_s)
        out = []
        for k in range(count):
            after_mm = accumulated(start_s + (k + 1) * step_s)
            rain_m = self._gain * (after_mm - before_mm) / 1000
            before_mm = after_mm
            inflow = arrives * (coming + 0.5 * rain_m)
            coming += rain_m - inflow
            stored += inflow
            leaves = min(
                stored,
                step_s * (self._drain_m_s * stored / (stored + _FADES_M) + stored / _RECESSION_S),
            )
            stored -= leaves
            fallen += rain_m
            drained += leaves
            depth = _WIDENS_M * (math.sqrt(1.0 + 2.0 * stored / _WIDENS_M) - 1.0)
            if depth < _DRY_M:
                depth = 0.0
                if quiet:
                    drained, stored = drained + stored, 0.0
            out.append(depth)
        return out, Pool(coming, stored, fallen, drained)
