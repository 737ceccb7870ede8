"""A parked truck in front of a traffic radar hides vehicles, those of the far lane most.

No error of the LD2451 in motorcycle traffic is published (facts/sensors.md 6.5); the shares are ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pantau_sim.ailments.base import Ailment
from pantau_sim.sensors.base import Prng

if TYPE_CHECKING:
    from pantau_sim.sensors.base import Pass

_FAR_M = 4.0  # side offset from which a lane is the far one
_HIDDEN_FAR, _HIDDEN_NEAR = 0.60, 0.10


class Occlusion(Ailment):
    """60 % of the far vehicles and 10 % of the near ones, times the strength, are not seen."""

    ABOUT = "a parked truck hides 60 % of the vehicles of the far lane and 10 % of the near one"
    DOMAIN = "traffic"
    CHANGES: ClassVar = frozenset({"passes"})

    def seen(self, vehicle: Pass) -> Pass | None:
        """Return it or None, the same for whoever asks."""
        at_s, approaching, _speed, side_m, _length = vehicle
        hidden = _HIDDEN_FAR if abs(side_m) > _FAR_M else _HIDDEN_NEAR
        lot = Prng(*self._key, int(at_s * 1000), int(approaching)).unit()
        return None if lot < hidden * self.strength else vehicle
