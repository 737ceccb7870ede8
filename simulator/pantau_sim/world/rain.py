"""Rain: showers of the shape sech2 in time and Gauss in space that may move, and what they bring to one place.

The climate's own showers: chance by the hour (convective rain of West Java falls in the afternoon), peaks from duration by
Mononobe's relation i = R24/24 (24/t)^(2/3), which Indonesian practice takes for storms of less than a day, with R24 of 8..118 mm:
some 1,800 mm a year, below the 278 mm in 24 h that Jakarta had at its worst (facts/sensors.md 3.2).
The integral over time is closed (tanh) at a fortieth of a width and straight between; what is asked is its table of 10 s, so that tips
have their millisecond.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from pantau_sim.sensors.base import Prng
from pantau_sim.world import exact
from pantau_sim.world.grid import Table
from pantau_sim.world.plan import Shower

if TYPE_CHECKING:
    from pantau_sim.world.plan import River, Site, WorldPlan

EPOCH_S = 1735689600  # 2025-01-01 UTC: without a plan, accumulation starts here; earlier there is no rain
BLOCK_S = 21600
STEP_S = 10.0
_CHANCE = (0.04, 0.22, 0.15, 0.04)  # of a shower per 6 hours from 00, 06, 12, 18 UTC = 07, 13, 19, 01 in Tangerang
_TAIL = 8.0  # widths after which sech2 is below 1e-6 of the peak
_PIECES = 40  # of a width, between which the integral is straight: within 1e-4 of the shower
_BEFORE_S, _AFTER_S = 2 * 86400, 86400  # seeded showers fall around a plan too: rivers remember
_EAST_KM, _NORTH_KM = 110.67, 110.57  # a degree of longitude and of latitude near 6.2 degrees south


class Passing:
    """What one shower brings to one place. `place` is (latitude, longitude), None for everywhere."""

    __slots__ = ("_fallen", "_moves", "_scale_mm", "_way", "begin_s", "end_s", "shower", "total_mm")

    def __init__(self, shower: Shower, place: tuple[float, float] | None) -> None:
        self.shower = shower
        self.begin_s = shower.centre_s - _TAIL * shower.width_s
        self.end_s = shower.centre_s + _TAIL * shower.width_s
        self._way = (0.0, 0.0)  # the place as the centre sees it at centre_s, in radii of the shower
        self._moves = (0.0, 0.0)
        if place is not None and shower.latitude is not None and shower.longitude is not None:
            per_km = 1.0 / shower.radius_km
            self._way = (
                (place[1] - shower.longitude) * _EAST_KM * per_km,
                (place[0] - shower.latitude) * _NORTH_KM * per_km,
            )
            self._moves = (shower.east_m_s / 1000 * per_km, shower.north_m_s / 1000 * per_km)
        half_mm = shower.peak_mm_h * shower.width_s / 3600
        moves = any(self._moves)
        self._fallen = self._cumulated() if moves else profile()
        self._scale_mm = half_mm if moves else half_mm * self.share(shower.centre_s)
        self.total_mm = self.until_mm(self.end_s)

    def share(self, t_s: float) -> float:
        """Share of the centre's intensity that falls here at t_s."""
        after = t_s - self.shower.centre_s
        east, north = self._way[0] - self._moves[0] * after, self._way[1] - self._moves[1] * after
        return exact.exp(-0.5 * (east * east + north * north))

    def rate_mm_h(self, t_s: float) -> float:
        """Intensity here at t_s."""
        x = (t_s - self.shower.centre_s) / self.shower.width_s
        return self.shower.peak_mm_h * exact.sech2(x) * self.share(t_s) if abs(x) < _TAIL else 0.0

    def until_mm(self, t_s: float) -> float:
        """Water until t_s; never falls."""
        x = ((t_s - self.shower.centre_s) / self.shower.width_s + _TAIL) * _PIECES
        if x <= 0.0:
            return 0.0
        k = int(x)
        if k >= len(self._fallen) - 1:
            return self._fallen[-1] * self._scale_mm
        low = self._fallen[k]
        return (low + (self._fallen[k + 1] - low) * (x - k)) * self._scale_mm

    def _cumulated(self) -> list[float]:
        """As profile(), weighted with what of the shower is here."""
        total, out, whole = 0.0, [0.0], profile()
        for k in range(len(whole) - 1):
            middle_s = ((k + 0.5) / _PIECES - _TAIL) * self.shower.width_s
            total += (whole[k + 1] - whole[k]) * self.share(self.shower.centre_s + middle_s)
            out.append(total)
        return out


@cache
def profile() -> list[float]:
    """Integral of sech2 from _TAIL widths before the peak on, at every piece of a width: what of a shower has fallen, in closed form."""
    least = exact.tanh(-_TAIL)
    return [exact.tanh(k / _PIECES - _TAIL) - least for k in range(int(2 * _TAIL * _PIECES) + 1)]


class Sky:
    """All showers: the seeded ones, in blocks of six hours, and those that are named."""

    def __init__(self, seed: int, plan: WorldPlan | None) -> None:
        self.first_block = EPOCH_S // BLOCK_S
        self.named = list(plan.showers) if plan else []
        self._seed = seed
        # where it matters whether it rains
        self._near: list[Site | River] = [*plan.sites, *plan.rivers] if plan else []
        self._last_block = 1 << 30
        if plan is not None:
            self.first_block = int(plan.start_s - _BEFORE_S) // BLOCK_S
            self._last_block = int(plan.end_s + _AFTER_S) // BLOCK_S if plan.seeded_rain else self.first_block - 1

    def seeded(self, k: int) -> Shower | None:
        """The climate's shower whose peak falls into block k from the Unix epoch, if there is one."""
        index = k - EPOCH_S // BLOCK_S
        if not self.first_block <= k <= self._last_block:
            return None
        rng = Prng(self._seed, index, 0x4A11)
        if rng.unit() >= _CHANCE[index % 4]:
            return None
        centre_s = k * BLOCK_S + rng.unit() * BLOCK_S
        draw = rng.unit()
        day_mm = 8 + 110 * draw * draw * draw
        width_s = 300 + 1200 * rng.unit()
        peak_mm_h = day_mm / 24 * exact.power(24 * 1800 / width_s, 2 / 3)  # all its water within 2 widths at the peak
        if not self._near:
            return Shower(centre_s, peak_mm_h, width_s)
        near = self._near[rng.below(len(self._near))]
        return Shower(
            centre_s, peak_mm_h, width_s,
            latitude=near.latitude + 0.05 * rng.gauss(), longitude=near.longitude + 0.05 * rng.gauss(), radius_km=3 + 6 * rng.unit(),
            east_m_s=2.5 * rng.gauss(), north_m_s=2.5 * rng.gauss(),
        )  # fmt: skip


class Rain:
    """Rain at one place; `share` of what falls there is caught."""

    def __init__(self, sky: Sky, place: tuple[float, float] | None, share: float = 1.0) -> None:
        self._sky = sky
        self._place = place
        self._share = share
        self._blocks: dict[int, Passing | None] = {}
        self._named: list[Passing] = []
        self._before_mm = [0.0]  # water of the seeded showers before block first + k
        self._first = sky.first_block
        self.rate = Table(self._rates, STEP_S, 360)
        self.accumulated = Table(self._accumulations, STEP_S, 360)

    def clear(self) -> None:
        """A shower was added."""
        self._named.clear()
        self.rate.clear()
        self.accumulated.clear()

    def around(self, t0_s: float, t1_s: float) -> list[Passing]:
        """Return the showers that bring water between t0_s and t1_s."""
        k0, k1 = int(t0_s) // BLOCK_S - 1, int(t1_s) // BLOCK_S + 1
        near = (self._seeded(k) for k in range(k0, k1 + 1))
        return [p for p in (*near, *self._all_named()) if p and p.begin_s < t1_s and p.end_s > t0_s and p.total_mm > 0]

    def amounts_mm(self, start_s: float, step_s: float, count: int) -> list[float]:
        """Water in each of `count` steps from start_s on."""
        out = [0.0] * count
        for passing in self.around(start_s, start_s + step_s * count):
            before = passing.until_mm(start_s)
            for k in range(count):
                after = passing.until_mm(start_s + (k + 1) * step_s)
                out[k] += self._share * (after - before)
                before = after
        return out

    def _rates(self, start_s: float, step_s: float, count: int) -> list[float]:
        out = [0.0] * count
        for passing in self.around(start_s, start_s + step_s * count):
            for k in range(count):
                out[k] += self._share * passing.rate_mm_h(start_s + k * step_s)
        return out

    def _accumulations(self, start_s: float, step_s: float, count: int) -> list[float]:
        """All water since the rain began to be counted; never falls."""
        end_s = start_s + step_s * count
        first = max(self._first, int(start_s) // BLOCK_S - 1)
        while len(self._before_mm) <= first - self._first:
            seeded = self._seeded(self._first + len(self._before_mm) - 1)
            self._before_mm.append(self._before_mm[-1] + (seeded.total_mm if seeded else 0.0))
        total = self._before_mm[first - self._first]
        near = (self._seeded(k) for k in range(first, int(end_s) // BLOCK_S + 2))
        begun = [p for p in (*near, *self._all_named()) if p and p.begin_s < end_s]
        out = [total] * count
        for passing in begun:
            over = passing.end_s <= start_s
            for k in range(count):
                out[k] += passing.total_mm if over else passing.until_mm(start_s + k * step_s)
        return [self._share * mm for mm in out]

    def _seeded(self, k: int) -> Passing | None:
        if k not in self._blocks:
            shower = self._sky.seeded(k)
            self._blocks[k] = Passing(shower, self._place) if shower else None
        return self._blocks[k]

    def _all_named(self) -> list[Passing]:
        if len(self._named) != len(self._sky.named):
            self._named = [Passing(shower, self._place) for shower in self._sky.named]
        return self._named
