"""Pulse chain: many separate short rises, the bulk of what FloodNet's people labelled as no flood (68 of 100 points).

Something near comes and goes in the beam: insects and spray that jitter from one read to the next, wheels and feet that
stand still for as long as they are there. One slot of four minutes has one rise; most are over within two records at one
a minute, some are not. Heights and lengths are ours: FloodNet tells the counts of its labels, not their shapes.
"""

from __future__ import annotations

from typing import ClassVar

from pantau_sim.ailments.base import DISTANCE, Ailment, among
from pantau_sim.sensors.base import Prng

_SLOT_S = 240
_QUIET_S = 60  # between two rises at least: they are separate
# of the rises, and how long they take, s
_LENGTHS = ((0.70, 15, 90), (0.25, 90, 150), (0.05, 150, 180))
_HEIGHT_M = (0.03, 0.45)
_JITTERY = 0.5  # of the rises are of something that does not keep still


class PulseChain(Ailment):
    """Rises of 30 to 450 mm times the strength, lower ones more often."""

    ABOUT = "many short separate rises of 30 to 450 mm, by insects, spray, wheels and feet"
    DOMAIN = "flood"
    CHANGES: ClassVar = DISTANCE

    def change(self, _name: str, t_s: float, value: float) -> float:
        """Nearer while something is in the beam."""
        slot, into_s = divmod(t_s - self.start_s, _SLOT_S)
        rng = Prng(*self._key, int(slot), 0x51)
        length_s = among(rng.unit(), _LENGTHS)
        begin_s = _QUIET_S + (_SLOT_S - _QUIET_S - length_s) * rng.unit()
        if not begin_s <= into_s < begin_s + length_s:
            return value
        least, most = _HEIGHT_M
        height = self.strength * (least + (most - least) * rng.unit() ** 2)
        if rng.unit() < _JITTERY:
            height *= 0.4 + 0.6 * self.noise(t_s).unit()
        return max(0.0, value - height)
