"""A river: rain over its catchment to flow, flow down its bed, flow to stage.

The unit hydrograph is Nash's cascade (1957): three equal linear reservoirs whose delays add up to `lag_h`. Routing is Muskingum's with
X = 0, the form of Kalinin and Milyukov: reaches of the length at which storage alone flattens the wave as much as the river does; the
wave takes km / celerity and its spread grows with the root of the way. Water is kept to the last drop: what runs in runs out.
Stage follows Manning's law for a wide bed, depth as flow to the power 3/5. All linear: a large wave travels no faster than a small one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pantau_sim.world import exact
from pantau_sim.world.grid import Chain
from pantau_sim.world.rain import Rain, Sky

if TYPE_CHECKING:
    from pantau_sim.world.plan import River, Site
    from pantau_sim.world.tide import Tide

NASH = 3
_RATING = 0.6
_AT_TENFOLD = exact.power(10.0, _RATING) - 1.0
_STEP_S = 60.0
_LEAST_S = 60.0  # that a reach delays: shorter ones would not be positive at this step
_STILL_M3_S = 1e-9
# Where the catchment is sampled: its middle, and six places at 0.7 of the radius of a disc of its area (degrees of 111 km).
_AROUND = ((0.0, 0.0), *((exact.cos_turn(k / 6), exact.sin_turn(k / 6)) for k in range(6)))


class Catchment:
    """Rain over the headwaters: the mean of seven places."""

    def __init__(self, river: River, sky: Sky) -> None:
        radius_deg = 0.7 * math.sqrt(river.area_km2 / math.pi) / 110.6
        self.places = [
            Rain(sky, (river.latitude + radius_deg * north, river.longitude + radius_deg * east))
            for north, east in _AROUND
        ]

    def fallen_mm(self, start_s: float, step_s: float, count: int) -> list[float]:
        """Mean over the catchment of the water in each of `count` steps."""
        out = [0.0] * count
        for place in self.places:
            for k, mm in enumerate(place.amounts_mm(start_s, step_s, count)):
                out[k] += mm
        return [mm / len(self.places) for mm in out]

    def clear(self) -> None:
        """A shower was added."""
        for place in self.places:
            place.clear()


class Flow:
    """Flow in m3/s, `km` below the headwaters, from `origin_s` on; before that the base flow."""

    def __init__(self, river: River, km: float, catchment: Catchment, origin_s: float) -> None:
        self.river = river
        self._catchment = catchment
        delays = [river.lag_h * 3600 / NASH] * NASH + reaches(river, km)
        self._shares = [(_STEP_S / k) / (1 + 0.5 * _STEP_S / k) for k in delays]
        self._chain = Chain(origin_s, river.base_m3_s, (0.0,) * len(delays), self._advance, _STEP_S)
        self.at = self._chain.at
        self.clear = self._chain.clear

    def _advance(
        self, state: tuple[float, ...], start_s: float, step_s: float, count: int
    ) -> tuple[list[float], tuple[float, ...]]:
        river = self.river
        per_mm = river.runoff * river.area_km2 * 1000 / step_s
        inflow = [mm * per_mm for mm in self._catchment.fallen_mm(start_s, step_s, count)]
        if max(inflow) == 0.0 and max(state) < _STILL_M3_S:
            return [river.base_m3_s] * count, (0.0,) * len(state)
        held, out = list(state), []
        for through in inflow:
            for i, share in enumerate(self._shares):
                before = held[i]
                after = before + share * (through - before)
                held[i] = after
                through = 0.5 * (before + after)  # noqa: PLW2901: mean outflow of one is the inflow of the next
            out.append(river.base_m3_s + held[-1])
        return out, tuple(held)


def reaches(river: River, km: float) -> list[float]:
    """Return the delays in s of the characteristic reaches from the headwaters to `km`."""
    travel_s = 1000 * km / river.celerity_m_s
    if travel_s < _LEAST_S:
        return []
    spread_s = 3600 * river.flatten_h_per_100km * math.sqrt(km / 100)
    count = max(1, min(int(travel_s / spread_s * (travel_s / spread_s) + 0.5), int(travel_s / _LEAST_S)))
    return [travel_s / count] * count


class RiverLevel:
    """Stage above the station's zero, in m: what flow makes, and the tide as far as the river lets it in.

    Discharge damps the tide (friction of the two flows together); here as 1 / (1 + rise / rise at ten times the base flow).
    """

    def __init__(self, site: Site, flow: Flow, tide: Tide, upstream_km: float) -> None:
        self._site, self._flow, self._tide, self._upstream_km = site, flow, tide, upstream_km

    def at(self, t_s: float) -> float:
        """Level at t_s."""
        site = self._site
        times = self._flow.at(t_s) / self._flow.river.base_m3_s
        rise = site.rise_m * (exact.power(times, _RATING) - 1.0) / _AT_TENFOLD
        level = site.base_m + rise
        if site.tide_m > 0:
            level += site.tide_m * self._tide.at(t_s, self._upstream_km) / (1.0 + rise / site.rise_m)
        return max(0.0, level)
