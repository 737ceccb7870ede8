"""Drops on the face: the membrane rings on and hears itself, or nothing.

Reads at the edge of the blind zone and reads without echo, among good ones. Shares are ours.
"""

from __future__ import annotations

from typing import ClassVar

from pantau_sim.ailments.base import DISTANCE, NO_ECHO_M, Ailment

_NEAR, _LOST = 0.20, 0.15
_MOST = 0.95


class WetFace(Ailment):
    """20 % of the reads at the blind zone and 15 % without echo, both times the strength."""

    ABOUT = "drops on the face: 20 % of the reads are at the blind zone, 15 % have no echo"
    DOMAIN = "flood"
    CHANGES: ClassVar = DISTANCE

    def change(self, _name: str, t_s: float, value: float) -> float:
        """Itself, nothing or the water, read by read."""
        bad = min(_MOST, (_NEAR + _LOST) * self.strength)
        drawn = self.noise(t_s).unit()
        if drawn >= bad:
            return value
        return 0.0 if drawn < bad * _NEAR / (_NEAR + _LOST) else NO_ECHO_M
