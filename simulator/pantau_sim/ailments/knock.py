"""A knocked mount: it hangs lower from one moment to the next, and every reading is off by that step.

A step of the dry reference without rain is a moved sensor (facts/sensors.md 3.1).
"""

from __future__ import annotations

from typing import ClassVar

from pantau_sim.ailments.base import DISTANCE, Ailment

_STEP_M = 0.04


class Knock(Ailment):
    """40 mm times the strength, until somebody sets it right at the end of the span."""

    ABOUT = "the mount was knocked down by 40 mm"
    DOMAIN = "flood"
    CHANGES: ClassVar = DISTANCE

    def change(self, _name: str, _t_s: float, value: float) -> float:
        """Nearer by the step."""
        return max(0.0, value - self.strength * _STEP_M)
