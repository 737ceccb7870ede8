"""A bucket that tips too early: sediment in it, or a screw set wrongly, makes each tip less water than is written on it.

Catalogue accuracy of such gauges is 2 to 5 %; one that nobody cleans is off by 10 and more.
"""

from __future__ import annotations

from typing import ClassVar

from pantau_sim.ailments.base import RAIN, Ailment

_MORE = 0.15


class OverTip(Ailment):
    """15 % more water than fell, times the strength; what was counted stays in the sum."""

    ABOUT = "the bucket tips too early: 15 % more rain than fell"
    DOMAIN = "rain"
    CHANGES: ClassVar = RAIN
    LASTS = True

    def change(self, name: str, t_s: float, value: float) -> float:
        """More water by the tips that came too early."""
        more = _MORE * self.strength
        if name == "rain_rate":
            return value * (1 + more) if t_s < self.end_s else value
        until = self.truth(name, min(t_s, self.end_s))
        return value + more * max(0.0, until - self.truth(name, self.start_s))
