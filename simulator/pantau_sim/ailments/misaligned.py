"""A radar turned away from the road: all vehicles are further aside in its beam, leave it earlier and read slower.

A turn by an angle is taken as an offset to the side where most tracks are born, 25 m ahead: 8 degrees are 3.5 m. With it
the radial speed falls with the cosine (6 % at 20 degrees: facts/sensors.md 3.3), and near positions fall out of the beam.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pantau_sim.ailments.base import Ailment, grid

if TYPE_CHECKING:
    from pantau_sim.sensors.base import Pass, Prng

_TURN_DEG = 8.0
_MOST_DEG = 60.0
_AHEAD_M = 25.0


class Misaligned(Ailment):
    """8 degrees times the strength."""

    ABOUT = "the radar is turned away from the road by 8 degrees: shorter tracks, lower speeds"
    DOMAIN = "traffic"
    CHANGES: ClassVar = frozenset({"passes"})

    def setup(self, rng: Prng) -> None:  # noqa: ARG002  nothing is drawn
        """One angle."""
        turn = math.radians(min(_MOST_DEG, _TURN_DEG * self.strength))
        self._aside_m = grid(_AHEAD_M * math.tan(turn))

    def seen(self, vehicle: Pass) -> Pass:
        """Return it further aside."""
        at_s, approaching, speed_kmh, side_m, length_m = vehicle
        aside = self._aside_m if side_m >= 0 else -self._aside_m
        return at_s, approaching, speed_kmh, side_m + aside, length_m
