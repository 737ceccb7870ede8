"""Cobweb across the horn: part of the reads hear it and not the water, so the reads of one record spread far apart.

Why a node takes the median of seven reads (facts/sensors.md 3.1). At 35 % a fifth of the records have a majority from the
web. The node's own measure of spread, a median deviation, is blind to a minority of reads, whichever it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pantau_sim.ailments.base import DISTANCE, Ailment

if TYPE_CHECKING:
    from pantau_sim.sensors.base import Prng

_SHARE = 0.35
_MOST = 0.95
_AT_M = (0.10, 0.50)


class Cobweb(Ailment):
    """35 % of the reads times the strength come from a web 0.1 to 0.5 m from the face."""

    ABOUT = "a web near the face: 35 % of the reads are 0.1 to 0.5 m, so they spread"
    DOMAIN = "flood"
    CHANGES: ClassVar = DISTANCE

    def setup(self, rng: Prng) -> None:
        """Where it hangs."""
        least, most = _AT_M
        self._web_m = least + (most - least) * rng.unit()

    def change(self, _name: str, t_s: float, value: float) -> float:
        """The web or the water, read by read."""
        rng = self.noise(t_s)
        if rng.unit() >= min(_MOST, _SHARE * self.strength):
            return value
        return min(value, self._web_m + 0.02 * (rng.unit() - 0.5))
