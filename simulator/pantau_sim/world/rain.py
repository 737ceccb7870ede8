"""Rain over the city: showers of the shape sech2, whose integral is closed, so that tips can be placed to the millisecond.

Afternoon showers dominate (convective rain of West Java); peaks of 5..90 mm/h over 10..80 minutes stay below the extreme
of 278 mm in 24 h recorded in Jakarta (facts/sensors.md 3.2).
"""

import math
from typing import NamedTuple

from pantau_sim.sensors.base import Prng

EPOCH_S = 1735689600  # 2025-01-01 UTC: accumulation starts here; earlier there is no rain
_BLOCK_S = 21600
_CHANCE = (0.04, 0.22, 0.15, 0.04)  # of a shower per 6 hours from 00, 06, 12, 18 UTC = 07, 13, 19, 01 in Tangerang
_TAIL = 8.0  # widths after which sech2 is below 1e-6 of the peak


class Storm(NamedTuple):
    """A shower: instant of the peak (Unix s), peak mm/h, width s (half of the water falls within +-0.55 widths)."""

    centre_s: float
    peak_mm_h: float
    width_s: float

    @property
    def total_mm(self) -> float:
        """All the water of the shower."""
        return 2 * self.peak_mm_h * self.width_s / 3600

    def fallen_mm(self, t_s: float) -> float:
        """Water fallen until t_s."""
        return self.total_mm / 2 * (1 + math.tanh((t_s - self.centre_s) / self.width_s))


class RainModel:
    """Seeded showers, and those that were added."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._added: list[Storm] = []
        self._blocks: list[tuple[Storm, ...]] = []
        self._before_mm: list[float] = [0.0]  # water of all showers of the blocks before block k

    def add(self, storm: Storm) -> None:
        """One more shower."""
        self._added.append(storm)

    def rate_mm_h(self, t_s: float) -> float:
        """Intensity in mm/h."""
        total = 0.0
        for storm in self.recent(t_s, 2):
            x = (t_s - storm.centre_s) / storm.width_s
            if abs(x) < _TAIL:
                total += storm.peak_mm_h / math.cosh(x) ** 2
        return total

    def accumulated_mm(self, t_s: float) -> float:
        """All water since EPOCH_S in mm; never falls."""
        now = self._index(t_s)
        first = max(0, now - 2)
        self._fill(now + 2)
        total = self._before_mm[first]
        for block in self._blocks[first : now + 2]:
            for storm in block:
                total += storm.fallen_mm(t_s)
        return total + sum(storm.fallen_mm(t_s) for storm in self._added)

    def recent(self, t_s: float, blocks: int) -> list[Storm]:
        """Showers that may matter at t_s, of the last `blocks` 6-hour blocks and the next."""
        now = self._index(t_s)
        self._fill(now + 2)
        out = [storm for block in self._blocks[max(0, now - blocks) : now + 2] for storm in block]
        return out + self._added

    def _index(self, t_s: float) -> int:
        return max(0, int(t_s - EPOCH_S) // _BLOCK_S)

    def _fill(self, count: int) -> None:
        while len(self._blocks) < count:
            k = len(self._blocks)
            rng = Prng(self._seed, k, 0x4A11)
            block: tuple[Storm, ...] = ()
            if rng.unit() < _CHANCE[k % 4]:
                centre = EPOCH_S + k * _BLOCK_S + rng.unit() * _BLOCK_S
                peak = 5 + 85 * rng.unit() ** 3
                block = (Storm(centre, peak, 300 + 1200 * rng.unit()),)
            self._blocks.append(block)
            self._before_mm.append(self._before_mm[-1] + sum(storm.total_mm for storm in block))
