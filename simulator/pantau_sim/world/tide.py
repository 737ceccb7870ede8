"""Tide of the Java Sea off Jakarta and Tangerang: four constituents, the diurnal ones larger (mixed, mainly diurnal).

Amplitudes in the proportion of harmonic analyses of Jakarta Bay (K1 about 0.25 m, O1 0.13 m, M2 and S2 some 0.05..0.07 m; form
number (K1 + O1) / (M2 + S2) near 3). Periods are astronomy's; phases are the seed's: no almanac is meant. Upstream the wave runs late.
"""

from __future__ import annotations

from pantau_sim.sensors.base import Prng
from pantau_sim.world import exact

# (period s, share of the amplitude)
CONSTITUENTS = ((86164.09, 0.50), (92949.63, 0.26), (44714.16, 0.13), (43200.0, 0.11))
_WAVE_M_S = 5.0  # of a long wave in water of 2.5 m


class Tide:
    """The height of the tide in -1..1 of its largest amplitude."""

    def __init__(self, seed: int) -> None:
        rng = Prng(seed, 0x71DE)
        self._waves = [(1.0 / period, share, rng.unit()) for period, share in CONSTITUENTS]

    def at(self, t_s: float, upstream_km: float = 0.0) -> float:
        """Height at t_s, so many km above the mouth."""
        t_s -= upstream_km * 1000 / _WAVE_M_S
        total = 0.0
        for per_s, share, phase in self._waves:
            total += share * exact.cos_turn(t_s * per_s + phase)
        return total
