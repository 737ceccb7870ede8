"""A clogged gauge: leaves in the funnel let part of the rain through, and the rest never comes to the bucket.

What was lost stays lost, so the sum is behind for ever after. (A gauge that is clogged altogether is a fault of the
emulator, `clog`; the clog test of the host asks for 20 mm at neighbours without a tip: facts/sensors.md 3.2.)
"""

from __future__ import annotations

from typing import ClassVar

from pantau_sim.ailments.base import RAIN, Ailment

_LOST = 0.60


class Clog(Ailment):
    """60 % of the rain times the strength is lost, all of it at most."""

    ABOUT = "leaves in the funnel: 60 % of the rain is lost"
    DOMAIN = "rain"
    CHANGES: ClassVar = RAIN
    LASTS = True

    def change(self, name: str, t_s: float, value: float) -> float:
        """Less water by what ran over."""
        lost = min(1.0, _LOST * self.strength)
        if name == "rain_rate":
            return value * (1 - lost) if t_s < self.end_s else value
        until = value if t_s < self.end_s else self.truth(name, self.end_s)
        return value - lost * max(0.0, until - self.truth(name, self.start_s))
